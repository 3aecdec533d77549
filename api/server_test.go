package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"tandem/bridge"
	"tandem/store"
)

// rig is a Server on a real store, with calls that the test moves on.
type rig struct {
	*testing.T
	*bridge.Bridge // reads numbers; takes no calls
	s              *Server
	store          *store.Store
	key            string
	valid          validator.Validator

	mu     sync.Mutex
	live   map[string]*bridge.Record
	starts int
	refuse error
	sent   string
}

func newRig(t *testing.T, key store.Key) *rig {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "t.db")})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	valid, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r := &rig{T: t, store: st, valid: valid, live: make(map[string]*bridge.Record)}
	r.Bridge = bridge.New(bridge.Config{Policy: func() *bridge.Policy {
		return &bridge.Policy{Region: "US", Allow: []string{"+1", "+44"}, OwnNumber: []string{"+14155550100"}}
	}, Route: func(bridge.Side, string) []bridge.Route {
		rate := &bridge.Rate{Currency: "USD", PerMinute: 20_000_000, First: time.Minute, Next: time.Minute}
		return []bridge.Route{{Trunk: "carrier", CallerIDs: []string{"+14155550100"}, Rate: rate}}
	}})
	r.s = New(Config{Calls: r, Store: st, Operations: runs{r}, Numbers: func() Numbers { return Numbers{"US", []string{"+14155550100"}} }, Ready: func(context.Context) []Check { return []Check{{"store", nil}, {"trunk", r.refuse}} },
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if key.Name == "" {
		key = store.Key{Name: "all", Scopes: []string{"admin"}}
	}
	if _, r.key, err = st.CreateKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.s.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) emit(record *bridge.Record, e bridge.Event) {
	e.ID, e.Call, e.Seq, e.At = bridge.NewID("evt"), record.ID, record.Sequence+1, time.Now()
	if e.Type == bridge.CallQueued {
		e.Call = bridge.NewID("call")
	}
	record.Apply(e)
	if err := r.store.Emit(context.Background(), record.Clone(), e); err != nil {
		r.Error(err)
	}
}

func (r *rig) Start(_ context.Context, q bridge.Request) (bridge.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return bridge.Record{}, r.refuse
	}
	r.starts++
	var record bridge.Record
	e := bridge.Event{Type: bridge.CallQueued, Asked: &bridge.Asked{Kind: q.Kind, Source: q.Source, Key: q.Key, Test: q.Test, RepID: q.RepID, RepExternal: q.RepExternal,
		RepNumber: q.RepNumber, To: q.To, ToDisplay: q.To, CallerID: "+14155550100", Metadata: q.Metadata}}
	if q.Kind == "" {
		e.Asked.Kind = bridge.PassThrough
	}
	e.ID, e.Call, e.Seq, e.At = bridge.NewID("evt"), q.ID, 1, time.Now()
	if e.Call == "" {
		e.Call = bridge.NewID("call")
	}
	record.Apply(e)
	if err := r.store.Emit(context.Background(), record.Clone(), e); err != nil {
		r.Error(err)
	}
	r.live[record.ID] = &record
	return record.Clone(), nil
}

func (r *rig) find(id string) (bridge.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if record := r.live[id]; record != nil {
		return record.Clone(), nil
	}
	return bridge.Record{}, &bridge.Refusal{Code: bridge.CodeNotFound, Detail: "not up"}
}

func (r *rig) End(id string, by bridge.By) (bridge.Record, error) {
	r.sent = string(by)
	return r.find(id)
}

func (r *rig) Confirm(id string) (bridge.Record, error) { return r.find(id) }
func (r *rig) SendDigits(id, digits string) error {
	r.sent = digits
	_, err := r.find(id)
	return err
}

func (r *rig) Annotate(_ context.Context, id string, p bridge.Patch) (bridge.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record := r.live[id]
	if record == nil {
		return bridge.Record{}, &bridge.Refusal{Code: bridge.CodeNotFound, Detail: "not up"}
	}
	r.emit(record, bridge.Event{Type: bridge.CallUpdated, Patch: &p})
	return record.Clone(), nil
}

// end ends a live call.
func (r *rig) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emit(r.live[id], bridge.Event{Type: bridge.CallEnded, Ending: &bridge.Ending{Outcome: bridge.ProspectBusy, Reason: bridge.ReasonProspectBusy, By: bridge.ByProspect}})
	delete(r.live, id)
}

// do sends a request and holds the exchange to the document.
func (r *rig) do(method, path, body string, header ...string) (*http.Response, map[string]any) {
	r.Helper()
	make := func() *http.Request {
		q := httptest.NewRequest(method, "https://bridge.example.com"+path, strings.NewReader(body))
		q.Header.Set("Authorization", "Bearer "+r.key)
		if body != "" {
			q.Header.Set("Content-Type", "application/json")
		}
		for i := 0; i+1 < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		return q
	}
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, make())
	res := w.Result()
	octets := w.Body.Bytes()
	if res.StatusCode != 405 && !strings.HasPrefix(path, "/v1/nothing") {
		res.Body = io.NopCloser(bytes.NewReader(octets))
		if ok, faults := r.valid.ValidateHttpResponse(make(), res); !ok {
			for _, f := range faults {
				r.Errorf("%s %s: the document does not allow the answer: %s %s", method, path, f.Message, f.Reason)
				for _, e := range f.SchemaValidationErrors {
					r.Errorf("  %s: %s", e.FieldPath, e.Reason)
				}
			}
		}
	}
	var fields map[string]any
	if len(octets) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(octets, &fields); err != nil {
			r.Errorf("%s: %v", octets, err)
		}
	}
	return res, fields
}

const smallest = `{"rep_number":"+14155550199","to":"+14155550123","metadata":{"crm_id":"7"}}`

func TestCallFromCreationToItsEnd(t *testing.T) {
	r := newRig(t, store.Key{})
	res, call := r.do("POST", "/v1/calls", smallest)
	id, _ := call["id"].(string)
	if res.StatusCode != 201 || res.Header.Get("Location") != "/v1/calls/"+id || call["status"] != "queued" || call["outcome"] != nil {
		t.Fatalf("%d %v", res.StatusCode, call)
	}
	for _, path := range []string{"/v1/calls/" + id, "/v1/calls", "/v1/calls?metadata[crm_id]=7&status=queued", "/v1/events", "/v1/calls/" + id + "/events"} {
		if res, body := r.do("GET", path, ""); res.StatusCode != 200 || !strings.Contains(asText(body), id) {
			t.Errorf("%s: %d %v", path, res.StatusCode, body)
		}
	}
	for _, action := range []string{"hangup", "confirm"} {
		if res, _ := r.do("POST", "/v1/calls/"+id+"/"+action, ""); res.StatusCode != 200 {
			t.Errorf("%s: %d", action, res.StatusCode)
		}
	}
	if res, _ := r.do("POST", "/v1/calls/"+id+"/dtmf", `{"digits":"12w#"}`); res.StatusCode != 202 || r.sent != "12w#" {
		t.Errorf("dtmf: %d, %q", res.StatusCode, r.sent)
	}
	waited := make(chan map[string]any)
	go func() {
		_, body := r.do("GET", "/v1/calls/"+id+"?wait=ended&timeout_s=60", "")
		waited <- body
	}()
	r.end(id)
	if body := <-waited; body["outcome"] != "prospect_busy" || body["ended_by"] != "prospect" {
		t.Errorf("waited for %v", body)
	}
	if res, _ := r.do("POST", "/v1/calls/"+id+"/hangup", ""); res.StatusCode != 200 {
		t.Errorf("hangup again: %d", res.StatusCode)
	}
	for _, action := range []string{"confirm", "dtmf"} {
		if res, body := r.do("POST", "/v1/calls/"+id+"/"+action, `{"digits":"1"}`); res.StatusCode != 409 || body["code"] != "call_already_ended" {
			t.Errorf("%s: %d %v", action, res.StatusCode, body)
		}
	}
}

func asText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestBadRequestsNameWhatIsWrong(t *testing.T) {
	r := newRig(t, store.Key{})
	const id = "call_01kay2v5e8f3vr2m8c5nq0d7xw"
	tests := []struct {
		method, path, body string
		status             int
		code, pointer      string
	}{
		{"POST", "/v1/calls", ``, 400, "malformed_json", ""},
		{"POST", "/v1/calls", `{`, 400, "malformed_json", ""},
		{"POST", "/v1/calls", `[]`, 422, "validation_failed", ""},
		{"POST", "/v1/calls", smallest + "x", 400, "malformed_json", ""},
		{"POST", "/v1/calls", `{"to":"1","to":"2"}`, 400, "malformed_json", ""},
		{"POST", "/v1/calls", `{"to":"1","TO":"2"}`, 400, "malformed_json", ""},
		{"POST", "/v1/calls", "{\"to\":\"\xff\"}", 400, "malformed_json", ""},
		{"POST", "/v1/calls", `{"tu":"1"}`, 422, "validation_failed", "#/tu"},
		{"POST", "/v1/calls", `{"to":1}`, 422, "validation_failed", "#/to"},
		{"POST", "/v1/calls", `{"to":"+14155550123"}`, 422, "validation_failed", "#/rep_number"},
		{"POST", "/v1/calls", `{"rep_number":"+14155550199"}`, 422, "validation_failed", "#/to"},
		{"POST", "/v1/calls", `{"rep_number":"1","rep_id":"2","to":"3"}`, 422, "validation_failed", "#/rep_number"},
		{"POST", "/v1/calls", `{"rep_number":"1","to":"2\r\nX: y"}`, 422, "validation_failed", "#/to"},
		{"POST", "/v1/calls", `{"rep_number":"1","to":"2","max_duration_s":29}`, 422, "validation_failed", "#/max_duration_s"},
		{"POST", "/v1/calls", `{"rep_number":"1","to":"2","max_duration_s":1.5}`, 422, "validation_failed", "#/max_duration_s"},
		{"POST", "/v1/calls", `{"rep_number":"1","to":"2","metadata":{"a/b":"\u0000"}}`, 422, "validation_failed", "#/metadata/a~1b"},
		{"POST", "/v1/calls", `{"rep_number":"1","to":"2","contact_name":"` + strings.Repeat("é", 81) + `"}`, 422, "validation_failed", "#/contact_name"},
		{"POST", "/v1/calls", `{"rep_id":"rep_1","to":"2"}`, 404, "not_found", ""},
		{"POST", "/v1/calls", `{"rep_external_id":"nobody","to":"2"}`, 404, "not_found", ""},
		{"POST", "/v1/reps", `{}`, 422, "validation_failed", "#/name"},
		{"POST", "/v1/reps", `{"name":" "}`, 422, "validation_failed", "#/name"},
		{"POST", "/v1/reps", `{"name":"Ana","region":"us"}`, 422, "validation_failed", "#/region"},
		{"POST", "/v1/reps", `{"name":"Ana","pass_through":{"numbr":"1"}}`, 422, "validation_failed", "#/pass_through/numbr"},
		{"POST", "/v1/reps", `{"name":"Ana","external_id":7}`, 422, "validation_failed", "#/external_id"},
		{"POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":7}}`, 422, "validation_failed", "#/pass_through/number"},
		{"POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"hello"}}`, 422, "invalid_number", "#/pass_through/number"},
		{"POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"911"}}`, 403, "emergency_number", "#/pass_through/number"},
		{"POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"+14155550100"}}`, 403, "destination_not_allowed", "#/pass_through/number"},
		{"POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"+14155550199","extension":"abc"}}`, 422, "extension_invalid", "#/pass_through/extension"},
		{"POST", "/v1/reps", `{"name":"Ana","caller_id":"+14155550101"}`, 403, "caller_id_not_allowed", "#/caller_id"},
		{"GET", "/v1/reps/rep_1", ``, 404, "not_found", ""},
		{"PATCH", "/v1/reps/rep_1", `{}`, 404, "not_found", ""},
		{"DELETE", "/v1/reps/ext:nobody", ``, 404, "not_found", ""},
		{"POST", "/v1/reps/rep_1/sessions", ``, 404, "not_found", ""},
		{"POST", "/v1/reps/rep_1/verifications", ``, 404, "not_found", ""},
		{"GET", "/v1/reps?limit=x", ``, 400, "malformed_parameter", ""},
		{"POST", "/v1/calls", `{"to":"` + strings.Repeat("1", maxBody) + `"}`, 413, "too_large", ""},
		{"PUT", "/v1/calls", ``, 405, "method_not_allowed", ""},
		{"GET", "/v1/nothing", ``, 404, "not_found", ""},
		{"GET", "/v1/calls/" + id, ``, 404, "not_found", ""},
		{"POST", "/v1/calls/" + id + "/hangup", ``, 404, "not_found", ""},
		{"POST", "/v1/calls/" + id + "/dtmf", `{"digits":"1"}`, 404, "not_found", ""},
		{"POST", "/v1/calls/" + id + "/dtmf", `{"digits":"1x"}`, 422, "validation_failed", "#/digits"},
		{"GET", "/v1/calls/" + id + "/events", ``, 404, "not_found", ""},
		{"GET", "/v1/calls/" + id + "?wait=soon", ``, 400, "malformed_parameter", ""},
		{"GET", "/v1/calls?limit=0", ``, 400, "malformed_parameter", ""},
		{"GET", "/v1/calls?status=dead", ``, 400, "malformed_parameter", ""},
		{"GET", "/v1/calls?created_after=yesterday", ``, 400, "malformed_parameter", ""},
		{"GET", "/v1/events?after=-1", ``, 400, "malformed_parameter", ""},
		{"GET", "/errors/nonsense", ``, 404, "not_found", ""},
	}
	for _, tt := range tests {
		res, body := r.do(tt.method, tt.path, tt.body)
		pointer := ""
		if all, _ := body["errors"].([]any); len(all) > 0 {
			pointer, _ = all[0].(map[string]any)["pointer"].(string)
		}
		if res.StatusCode != tt.status || body["code"] != tt.code || pointer != tt.pointer {
			t.Errorf("%s %s %.60q: %d %v", tt.method, tt.path, tt.body, res.StatusCode, body)
		}
		if page, _ := r.do("GET", "/errors/"+tt.code, ""); page.StatusCode != 200 || body["type"] != "/errors/"+tt.code {
			t.Errorf("%s has no page", tt.code)
		}
	}
	if r.starts > 0 {
		t.Errorf("%d calls were started", r.starts)
	}
}

func TestRefusalsOfTheBridgeAreProblems(t *testing.T) {
	r := newRig(t, store.Key{})
	for code, status := range map[bridge.Code]int{
		bridge.CodeRepBusy: 409, bridge.CodeNoCapacity: 503, bridge.CodeNoTrunk: 503, bridge.CodeDraining: 503, bridge.CodeStoreUnavailable: 503,
		bridge.CodeInvalidNumber: 422, bridge.CodeExtensionInvalid: 422, bridge.CodeSameNumber: 422,
		bridge.CodeCallerIDNotAllowed: 403, bridge.CodeDestinationForbidden: 403, bridge.CodeEmergency: 403,
	} {
		r.refuse = &bridge.Refusal{Code: code, Detail: "why", Field: "to", ActiveCall: "call_1", RetryAfter: 1500 * time.Millisecond}
		res, body := r.do("POST", "/v1/calls", smallest)
		if res.StatusCode != status || body["code"] != string(code) || res.Header.Get("Retry-After") != "2" || body["active_call_id"] != "call_1" {
			t.Errorf("%s: %d %v", code, res.StatusCode, body)
		}
	}
	r.refuse = errors.New("secret detail")
	if res, body := r.do("GET", "/readyz", ""); res.StatusCode != 503 || !strings.Contains(asText(body), "secret detail") {
		t.Errorf("readyz: %d %v", res.StatusCode, body)
	}
	r.refuse = nil
	for _, path := range []string{"/readyz", "/healthz", "/openapi.json"} {
		if res, _ := r.do("GET", path, "", "Authorization", ""); res.StatusCode != 200 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// TestWhoMustWaitIsToldHowLong: every 429 and 503 has Retry-After, also where the
// code that refused did not know.
func TestWhoMustWaitIsToldHowLong(t *testing.T) {
	for code, kind := range kinds {
		after := refuse(code, "why").answer("req_1").header["Retry-After"]
		if waits := kind.status == 429 || kind.status == 503; waits != (after != "") {
			t.Errorf("%s: Retry-After %q", code, after)
		}
	}
}

func TestEveryRouteWantsItsScope(t *testing.T) {
	all := newRig(t, store.Key{Name: "weak", Scopes: []string{"webhooks:manage"}})
	_, other, err := all.store.CreateKey(t.Context(), store.Key{Name: "weak, too", Scopes: []string{"cdrs:read"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes {
		if route.scope == "" {
			continue
		}
		path := strings.ReplaceAll(route.path, "{call_id}", "call_01kay2v5e8f3vr2m8c5nq0d7xw")
		key := all.key
		if route.scope == "webhooks:manage" {
			key = other
		}
		if res, body := all.do(route.method, path, smallest, "Authorization", "Bearer "+key); res.StatusCode != 403 || body["code"] != "insufficient_scope" || !strings.Contains(asText(body), route.scope) {
			t.Errorf("%s %s: %d %v", route.method, path, res.StatusCode, body)
		}
		if res, body := all.do(route.method, path, smallest, "Authorization", ""); res.StatusCode != 401 || body["code"] != "missing_credentials" {
			t.Errorf("%s %s without a key: %d", route.method, path, res.StatusCode)
		}
		if res, _ := all.do(route.method, path, smallest, "Authorization", "bearer tdm_live_x"); res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s with a wrong key: %d", route.method, path, res.StatusCode)
		}
	}
	writer := newRig(t, store.Key{Name: "writer", Scopes: []string{"calls:write"}})
	if res, body := writer.do("POST", "/v1/calls", smallest); res.StatusCode != 403 || !strings.Contains(asText(body), "calls:any_rep") {
		t.Errorf("any_rep: %d %v", res.StatusCode, body)
	}
}

func TestKeysOfOneNetwork(t *testing.T) {
	r := newRig(t, store.Key{Name: "office", Scopes: []string{"admin"}, CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30")}})
	// httptest's client is 192.0.2.1, which is no proxy of ours.
	if res, _ := r.do("GET", "/v1/calls", "", "X-Forwarded-For", "203.0.113.9"); res.StatusCode != 200 {
		t.Errorf("from the network: %d", res.StatusCode)
	}
	r.s.TrustedProxies = append(r.s.TrustedProxies, netip.MustParsePrefix("192.0.2.1/32"))
	if res, body := r.do("POST", "/v1/calls", smallest, "X-Forwarded-For", "192.0.2.1, 203.0.113.9"); res.StatusCode != 403 || body["code"] != "ip_not_allowed" {
		t.Errorf("from elsewhere: %d", res.StatusCode)
	}
}

// equalPosts sends n equal posts at once, and fails unless they make one call.
func (r *rig) equalPosts(n int, key string) {
	r.Helper()
	ids := make(chan any, n)
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			for {
				res, body := r.do("POST", "/v1/calls", smallest, "Idempotency-Key", key)
				if res.StatusCode == 409 && body["code"] == "idempotency_in_progress" {
					continue
				}
				if res.StatusCode != 201 {
					r.Errorf("%d %v", res.StatusCode, body)
				}
				ids <- body["id"]
				return
			}
		})
	}
	wait.Wait()
	first := <-ids
	for len(ids) > 0 {
		if id := <-ids; id != first {
			r.Errorf("%v and %v", id, first)
		}
	}
	if r.starts != 1 {
		r.Errorf("%d calls", r.starts)
	}
}

func TestFiveSimultaneousPostsWithOneKey(t *testing.T) {
	r := newRig(t, store.Key{})
	r.equalPosts(5, "double click")
	res, _ := r.do("POST", "/v1/calls", smallest, "Idempotency-Key", "double click")
	if res.Header.Get("Idempotency-Replayed") != "true" || res.Header.Get("Location") == "" {
		t.Errorf("replayed with %v", res.Header)
	}
	if res, body := r.do("POST", "/v1/calls", `{}`, "Idempotency-Key", "double click"); res.StatusCode != 422 || body["code"] != "idempotency_key_reused" {
		t.Errorf("another body: %d %v", res.StatusCode, body)
	}
	for range 2 { // a refusal for good is given again
		if res, body := r.do("POST", "/v1/calls", `{}`, "Idempotency-Key", "bad"); res.StatusCode != 422 || body["code"] != "validation_failed" {
			t.Errorf("%d %v", res.StatusCode, body)
		}
	}
}

func TestStreamResumesWithoutLossOrDoubles(t *testing.T) {
	r := newRig(t, store.Key{})
	server := httptest.NewServer(r.s)
	defer server.Close()
	defer r.s.Close()
	_, call := r.do("POST", "/v1/calls", smallest)
	id := call["id"].(string)
	read := func(path, last string, n int) (ids []string) {
		q, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.SetBasicAuth(r.key, "")
		q.Header.Set("Accept", "text/event-stream")
		if last != "" {
			q.Header.Set("Last-Event-ID", last)
		}
		res, err := server.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); len(ids) < n && lines.Scan(); {
			if seq, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				ids = append(ids, seq)
			}
			if lines.Text() == "retry: 2000" && len(ids) == 0 && last == "1" {
				go r.end(id)
			}
		}
		return ids
	}
	if got := read("/v1/events?types=call.*", "0", 1); len(got) != 1 || got[0] != "1" {
		t.Errorf("from the start: %v", got)
	}
	if got := read("/v1/events", "1", 1); len(got) != 1 || got[0] != "2" {
		t.Errorf("resumed: %v", got)
	}
	if got := read("/v1/calls/"+id+"/events", "", 100); len(got) != 2 {
		t.Errorf("the stream of one call did not end with it: %v", got)
	}
	if err := r.store.Prune(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestWritesAreLimitedByKey(t *testing.T) {
	l, now := newLimiter(10, 20), time.Now()
	for i := range 25 {
		if wait := l.take("a", now); (wait > 0) != (i >= 20) || wait > 100*time.Millisecond {
			t.Errorf("write %d waits %v", i+1, wait)
		}
	}
	if l.take("b", now) > 0 || l.take("a", now.Add(101*time.Millisecond)) > 0 {
		t.Error("another key, or the same later, waits")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte(`{"to":"1","metadata":{"a":"b"},"max_duration_s":30}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c callCreate
		if decode(data, &c) == nil && c.validate() == nil {
			if c.To == nil || len(c.Metadata) > 20 {
				t.Errorf("%q passed", data)
			}
			_ = c.request()
		}
	})
}
