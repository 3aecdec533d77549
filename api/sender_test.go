package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tandem/bridge"
	"tandem/store"
)

// hook is a CRM that is sent events. It is the network, too.
type hook struct {
	mu     sync.Mutex
	got    []Event                                     // what it answered 2xx to, in order
	times  []time.Time                                 // of every attempt
	answer func(r *http.Request, n int) *http.Response // nil = 204; n = attempts before
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var event Event
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	if event.ID != r.Header.Get("webhook-id") {
		return nil, errors.New("webhook-id is not the event's")
	}
	response := status(204)
	if h.answer != nil {
		response = h.answer(r, len(h.times))
	}
	h.times = append(h.times, time.Now())
	if response == nil {
		return nil, errors.New("connection refused")
	}
	if response.StatusCode < 300 {
		h.got = append(h.got, event)
	}
	return response, nil
}

func status(code int, header ...string) *http.Response {
	r := &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("said"))}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// inOrder checks that the events of each call came in their order, and counts them.
func (h *hook) inOrder(t *testing.T) int {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	last := make(map[string]float64)
	for _, e := range h.got {
		call := e.Data.(map[string]any)
		id, n := call["id"].(string), call["sequence"].(float64)
		if n != last[id]+1 {
			t.Errorf("%s: %v after %v", id, n, last[id])
		}
		last[id] = n
	}
	return len(h.got)
}

// heal has it take everything from now on.
func (h *hook) heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = nil
}

func (h *hook) attempts() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.times)
}

func (h *hook) taken() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

// hooked is a store with a Sender, on whichever clock the test is.
type hooked struct {
	testing.TB
	store  *store.Store
	server *Server
	sender *Sender
}

func newHooked(t *testing.T, network http.RoundTripper) *hooked {
	t.Helper()
	h := openHooked(t)
	h.sender = NewSender(SenderConfig{Server: h.server, Timeout: 15 * time.Second, DisableAfter: 120 * time.Hour, Transport: network})
	return h
}

// openHooked is a store that nothing is sent from yet.
func openHooked(t testing.TB) *hooked {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "t.db"), KeepEvents: 72 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return &hooked{TB: t, store: st, server: New(Config{Store: st})}
}

func (h *hooked) close() {
	h.sender.Close()
	h.server.Close()
	if err := h.store.Close(); err != nil {
		h.Error(err)
	}
}

func (h *hooked) endpoint(url string, types ...string) store.Endpoint {
	h.Helper()
	e, err := h.store.CreateEndpoint(h.Context(), store.Endpoint{URL: url, Types: types, Scheme: "v1"})
	if err != nil {
		h.Fatal(err)
	}
	return e
}

// call emits the whole of a call, n events of it.
func (h *hooked) call() (id string, n int) {
	h.Helper()
	var record bridge.Record
	for _, e := range []bridge.Event{{Type: bridge.CallQueued, Asked: &bridge.Asked{Kind: bridge.PassThrough, RepNumber: "+14155550199", To: "+14155550123"}},
		{Type: bridge.CallRepDialing, Side: bridge.Rep}, {Type: bridge.CallRepRinging, Side: bridge.Rep},
		{Type: bridge.CallEnded, Ending: &bridge.Ending{Outcome: bridge.RepNoAnswer, Reason: bridge.ReasonRepNoAnswer, By: bridge.ByRep}}} {
		if e.ID, e.Call, e.Seq, e.At = bridge.NewID("evt"), record.ID, record.Sequence+1, time.Now(); record.ID == "" {
			e.Call = bridge.NewID("call")
		}
		record.Apply(e)
		if err := h.store.Emit(h.Context(), record.Clone(), e); err != nil {
			h.Fatal(err)
		}
	}
	return record.ID, record.Sequence
}

func (h *hooked) deliveries(id string) []store.Delivery {
	h.Helper()
	all, _, err := h.store.Deliveries(h.Context(), id, 0, 1000)
	if err != nil {
		h.Fatal(err)
	}
	return all
}

// settle lets virtual time pass, while the store may be busy.
func settle(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAConsumerThatWasDownForADayGetsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, begin := &hook{}, time.Now()
		crm.answer = func(*http.Request, int) *http.Response {
			switch down := time.Since(begin); {
			case down < 8*time.Hour:
				return nil // nobody there
			case down < 24*time.Hour:
				return status(502)
			}
			return status(204)
		}
		h := newHooked(t, crm)
		defer h.close()
		e := h.endpoint("https://crm.example.com/hooks")
		want := 0
		for range 20 {
			_, n := h.call()
			want += n
			settle(time.Hour)
		}
		settle(53 * time.Hour) // 73 h: older than events are kept, and retried until then
		if err := h.store.Prune(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := crm.inOrder(t); got != want {
			t.Errorf("%d of %d events", got, want)
		}
		for _, d := range h.deliveries(e.ID) {
			if d.State != store.DeliveryDone {
				t.Errorf("left: %+v", d)
			}
		}
	})
}

func TestTheRetryTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := &hook{answer: func(*http.Request, int) *http.Response { return status(500) }}
		h := newHooked(t, crm)
		defer h.close()
		e := h.endpoint("https://crm.example.com/hooks", "call.ended")
		h.call()
		settle(100 * time.Hour)
		if len(crm.attempts()) != len(retries)+1 {
			t.Fatalf("%d attempts", len(crm.attempts()))
		}
		times := crm.attempts()
		for i, want := range retries {
			if got := times[i+1].Sub(times[i]); got < want*79/100 || got > want*121/100 {
				t.Errorf("after attempt %d: %v, want %v", i+1, got, want)
			}
		}
		if d := h.deliveries(e.ID); len(d) != 1 || d[0].State != store.DeliveryDead || d[0].Code != 500 || d[0].Answer != "said" || d[0].Attempts != 10 {
			t.Errorf("%+v", d)
		}
		crm.heal()
		if n, err := h.store.Replay(t.Context(), e.ID, time.Now().Add(-101*time.Hour)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if settle(time.Second); len(crm.taken()) != 1 {
			t.Errorf("replayed %v", crm.taken())
		}
	})
}

func TestEndpointsAreDisabledAndComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := &hook{answer: func(r *http.Request, _ int) *http.Response {
			if strings.HasSuffix(r.URL.Path, "gone") {
				return status(410)
			}
			return status(503, "Retry-After", "43200")
		}}
		h := newHooked(t, crm)
		defer h.close()
		gone, failing := h.endpoint("https://crm.example.com/gone"), h.endpoint("https://crm.example.com/failing")
		for range 11 {
			h.call()
			settle(12 * time.Hour)
		}
		for id, why := range map[string]string{gone.ID: store.DisabledGone, failing.ID: store.DisabledFailing} {
			e, err := h.store.Endpoint(t.Context(), false, id)
			if err != nil || e.Disabled != why {
				t.Errorf("%s: %q %v", why, e.Disabled, err)
			}
			for _, d := range h.deliveries(id) {
				if d.State != store.DeliveryDead {
					t.Errorf("%s: %+v", why, d)
				}
			}
		}
		crm.heal()
		h.call() // while both are disabled
		if settle(time.Minute); len(crm.taken()) != 0 {
			t.Errorf("a disabled endpoint got %v", crm.taken())
		}
		if _, err := h.store.UpdateEndpoint(t.Context(), false, gone.ID, func(e *store.Endpoint) error { e.Disabled = ""; return nil }); err != nil {
			t.Fatal(err)
		}
		if n, err := h.store.Replay(t.Context(), gone.ID, time.Now().Add(-time.Hour)); n != 4 || err != nil {
			t.Errorf("replayed %d: %v", n, err)
		}
		if settle(time.Minute); crm.inOrder(t) != 4 {
			t.Errorf("after the replay: %v", crm.taken())
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	now := time.Now()
	for text, want := range map[string]time.Duration{"120": 2 * time.Minute, "": 0, "soon": 0, "-1": 0, "999999": 24 * time.Hour,
		now.Add(time.Hour).UTC().Format(http.TimeFormat): time.Hour} {
		if got := retryAfter(text, now); (got - want).Abs() > time.Second {
			t.Errorf("%q: %v", text, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		crm := &hook{answer: func(_ *http.Request, n int) *http.Response {
			if n == 0 {
				return status(429, "Retry-After", "3600")
			}
			return status(200)
		}}
		h := newHooked(t, crm)
		defer h.close()
		h.endpoint("https://crm.example.com/hooks", "call.ended")
		h.call()
		if settle(59 * time.Minute); len(crm.attempts()) != 1 {
			t.Errorf("%d attempts", len(crm.attempts()))
		}
		if settle(2 * time.Minute); len(crm.taken()) != 1 {
			t.Errorf("%d events", len(crm.taken()))
		}
	})
}

// TestWhatOneEndpointDoesDelaysNoOther has one that never answers, and one that
// refuses an event for what it is.
func TestWhatOneEndpointDoesDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, choosy := &hook{}, &hook{}
		choosy.answer = func(_ *http.Request, n int) *http.Response {
			if n == 0 {
				return status(422) // the call's first event
			}
			return status(204)
		}
		network := func(r *http.Request) (*http.Response, error) {
			switch r.URL.Host {
			case "dead.example.com":
				<-r.Context().Done()
				return nil, r.Context().Err()
			case "choosy.example.com":
				return choosy.RoundTrip(r)
			}
			return crm.RoundTrip(r)
		}
		h := newHooked(t, roundTrip(network))
		defer h.close()
		for _, host := range []string{"dead", "crm", "choosy"} {
			h.endpoint("https://" + host + ".example.com/hooks")
		}
		_, n := h.call()
		if settle(time.Second); crm.inOrder(t) != n {
			t.Errorf("%d of %d events", len(crm.taken()), n)
		}
		if len(choosy.taken()) != n-1 {
			t.Errorf("a refused event held back the others: %d", len(choosy.taken()))
		}
		for range 10 {
			h.call()
		}
		if settle(time.Second); crm.inOrder(t) != 11*n {
			t.Errorf("%d of %d events", len(crm.taken()), 11*n)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTheSpecificationsLibraryVerifies checks signatures with the library of the
// Standard Webhooks project, also while a secret is rotated.
func TestTheSpecificationsLibraryVerifies(t *testing.T) {
	e := store.Endpoint{Scheme: "v1", Secret: store.NewSecret()}
	body, now := []byte(`{"id":"evt_1"}`), time.Now()
	header := http.Header{}
	verify := func(secret string) error {
		t.Helper()
		library, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		SignWebhook(header, &e, "evt_1", now, body)
		return library.Verify(body, header)
	}
	first := e.SecretText()
	if err := verify(first); err != nil {
		t.Error(err)
	}
	e.OldSecret, e.OldUntil, e.Secret = e.Secret, now.Add(rotateLife), store.NewSecret()
	for _, secret := range []string{first, e.SecretText()} {
		if err := verify(secret); err != nil {
			t.Error(err)
		}
	}
	if now = now.Add(time.Second); true {
		e.OldUntil = now
	}
	if err := verify(first); err == nil {
		t.Error("an old secret signs for ever")
	}
	body = bytes.ToUpper(body)
	if library, _ := standardwebhooks.NewWebhook(e.SecretText()); library.Verify(body, header) == nil {
		t.Error("another body passed")
	}
}

func TestWebhooksDoNotReachInside(t *testing.T) {
	for _, inside := range []string{"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1", "::10.0.0.1"} {
		if public(netip.MustParseAddr(inside)) {
			t.Errorf("%s passes", inside)
		}
	}
	for _, outside := range []string{"93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"} {
		if !public(netip.MustParseAddr(outside)) {
			t.Errorf("%s does not pass", outside)
		}
	}
	for _, bad := range []string{"", "ftp://x.example.com", "https://", "https://u:p@x.example.com", "http://127.0.0.1:9", "http://localhost/x", "http://[::1]/", "//x", "https://169.254.169.254/latest"} {
		if checkURL(bad, false) == nil {
			t.Errorf("%q passes", bad)
		}
	}
	var hits atomic.Int32
	var location string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hits.Add(1); location != "" {
			http.Redirect(w, r, location, http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	h := newHooked(t, nil)
	defer h.close()
	h.endpoint(server.URL, "call.ended")
	last := func() store.Delivery {
		t.Helper()
		for {
			changed := h.store.Changed()
			endpoints, err := h.store.Endpoints(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := h.deliveries(endpoints[len(endpoints)-1].ID); len(d) > 0 && (d[0].Error != "" || d[0].State == store.DeliveryDone) {
				return d[0]
			}
			select {
			case <-changed:
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	h.call()
	if d := last(); !strings.Contains(d.Error, errBlocked.Error()) || hits.Load() != 0 {
		t.Errorf("%+v, %d requests", d, hits.Load())
	}
	// On one's own network it goes, and a redirect ends there.
	h.sender.Close()
	h.sender = NewSender(SenderConfig{Server: h.server, Timeout: 5 * time.Second, DisableAfter: time.Hour, Private: true})
	location = "/elsewhere"
	h.endpoint(server.URL, "call.ended")
	h.call()
	if d := last(); d.Code != http.StatusTemporaryRedirect || d.State != store.DeliveryPending {
		t.Errorf("%+v", d)
	}
}

func TestEndpointsOverTheAPI(t *testing.T) {
	r := newRig(t, store.Key{})
	res, made := r.do("POST", "/v1/webhook-endpoints", `{"url":"https://crm.example.com/hooks","types":["call.*"]}`)
	path := "/v1/webhook-endpoints/" + fmt.Sprint(made["id"])
	secret, _ := made["secret"].(string)
	if res.StatusCode != 201 || !strings.HasPrefix(secret, "whsec_") || made["enabled"] != true {
		t.Fatalf("%d %v", res.StatusCode, made)
	}
	if _, list := r.do("GET", "/v1/webhook-endpoints", ""); strings.Contains(asText(list), "secret") || !strings.Contains(asText(list), path[len("/v1/webhook-endpoints/"):]) {
		t.Errorf("%v", list)
	}
	if _, signed := r.do("POST", "/v1/webhook-endpoints", `{"url":"https://crm.example.com/2","scheme":"v1a"}`); signed["secret"] != nil || !strings.HasPrefix(fmt.Sprint(signed["public_key"]), "whpk_") {
		t.Errorf("%v", signed)
	}
	r.do("POST", "/v1/calls", smallest)
	if res, _ := r.do("POST", path+"/test", ""); res.StatusCode != 202 {
		t.Errorf("test: %d", res.StatusCode)
	}
	for more := true; more; { // there is no Sender
		var err error
		if more, err = r.store.Spread(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, list := r.do("GET", path+"/deliveries?limit=1", "")
	rows := list["data"].([]any)
	if len(rows) != 1 || rows[0].(map[string]any)["event_type"] != "webhook.test" {
		t.Errorf("%v", list)
	}
	_, rest := r.do("GET", path+"/deliveries?cursor="+list["next_cursor"].(string), "")
	if rows := rest["data"].([]any); len(rows) != 1 || rows[0].(map[string]any)["event_type"] != "call.queued" || rest["next_cursor"] != nil {
		t.Errorf("%v", rest)
	}
	if _, rotated := r.do("POST", path+"/rotate-secret", ""); rotated["secret"] == secret || rotated["secret"] == nil {
		t.Errorf("%v", rotated)
	}
	if res, body := r.do("PATCH", path, `{"enabled":false}`); res.StatusCode != 200 || body["disabled_reason"] != "manual" {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	since := `{"since":"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `"}`
	if res, body := r.do("POST", path+"/replay", since); res.StatusCode != 409 || body["code"] != "endpoint_disabled" {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	r.do("PATCH", path, `{"enabled":true}`)
	if res, body := r.do("POST", path+"/replay", since); res.StatusCode != 202 || body["deliveries"] != float64(2) {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	for body, code := range map[string]string{`{}`: "validation_failed", `{"url":"http://10.0.0.1/"}`: "invalid_webhook_url", `{"url":"https://x.example.com","types":["call..x"]}`: "validation_failed", `{"url":"https://x.example.com","scheme":"v2"}`: "validation_failed"} {
		if res, answer := r.do("POST", "/v1/webhook-endpoints", body); res.StatusCode != 422 || answer["code"] != code {
			t.Errorf("%s: %d %v", body, res.StatusCode, answer)
		}
	}
	if res, _ := r.do("DELETE", path, ""); res.StatusCode != 204 {
		t.Errorf("delete: %d", res.StatusCode)
	}
	for _, q := range [][3]string{{"PATCH", "", `{}`}, {"DELETE", "", ""}, {"POST", "/test", ""}, {"POST", "/rotate-secret", ""}, {"POST", "/replay", since}, {"GET", "/deliveries", ""}} {
		if res, _ := r.do(q[0], path+q[1], q[2]); res.StatusCode != 404 {
			t.Errorf("%v: %d", q, res.StatusCode)
		}
	}
}

// TestANameThatTurnsInwardsIsNotFollowed: what a name means is looked at in the moment
// it is used, whatever it meant when the endpoint was made (DNS rebinding).
func TestANameThatTurnsInwardsIsNotFollowed(t *testing.T) {
	var hits atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	address := "http://hooks.example.com:" + port + "/"
	if refused := checkURL(address, false); refused != nil {
		t.Fatal(refused)
	}
	for _, private := range []bool{false, true} {
		d := dialer(private)
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go turnInwards(theirs)
			return ours, nil
		}}
		client := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
		response, err := client.Get(address)
		if err == nil {
			_ = response.Body.Close()
		}
		if reached := err == nil; reached != private || !private && !errors.Is(err, errBlocked) {
			t.Errorf("private networks allowed: %v: %v", private, err)
		}
	}
	if hits.Load() != 1 {
		t.Errorf("%d requests came inside", hits.Load())
	}
}

// turnInwards is a name server for whom every name is 127.0.0.1: RFC 1035 over a
// stream.
func turnInwards(c net.Conn) {
	defer c.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, message); err != nil {
			return
		}
		end := 12
		for message[end] != 0 {
			end += int(message[end]) + 1
		}
		question := message[12 : end+5]
		answer := append(append([]byte{}, message[:2]...), 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0)
		answer = append(answer, question...)
		if kind := question[len(question)-3]; kind == 1 { // A
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}
