package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tandem/bridge"
	"tandem/store"
)

func TestRepsAndTheirSettings(t *testing.T) {
	r := newRig(t, store.Key{})
	res, rep := r.do("POST", "/v1/reps", `{"name":"Ana Ruiz","external_id":"ana","pass_through":{"number":"(415) 555-0199 x12"}}`, "Idempotency-Key", "k")
	pass, _ := rep["pass_through"].(map[string]any)
	id, _ := rep["id"].(string)
	if res.StatusCode != 201 || pass["number"] != "+14155550199" || pass["number_display"] != "(415) 555-0199" || pass["extension"] != "12" ||
		pass["enabled"] != true || pass["trusted"] != true || rep["state"] != "idle" || rep["region"] != "US" || res.Header.Get("Location") != "/v1/reps/"+id {
		t.Fatalf("%d %v", res.StatusCode, rep)
	}
	if res, again := r.do("POST", "/v1/reps", `{"name":"Ana Ruiz","external_id":"ana","pass_through":{"number":"(415) 555-0199 x12"}}`, "Idempotency-Key", "k"); again["id"] != id || res.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeated: %v", again)
	}
	if res, body := r.do("POST", "/v1/reps", `{"name":"Another","external_id":"ana"}`); res.StatusCode != 409 || body["code"] != "external_id_taken" {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	for _, path := range []string{"/v1/reps/" + id, "/v1/reps/ext:ana", "/v1/reps?external_id=ana", "/v1/events?types=rep.*&rep_id=" + id} {
		if res, body := r.do("GET", path, ""); res.StatusCode != 200 || !strings.Contains(asText(body), id) {
			t.Errorf("%s: %d %v", path, res.StatusCode, body)
		}
	}
	// Stale writes are refused; a change that changes nothing makes no event.
	tag := res.Header.Get("ETag")
	res, rep = r.do("PATCH", "/v1/reps/ext:ana", `{"region":"GB","caller_id":"(415) 555-0100","pass_through":{"number":"01632 960001"}}`, "If-Match", tag)
	if res.StatusCode != 403 {
		t.Errorf("an American caller id as a Briton writes it: %d %v", res.StatusCode, rep)
	}
	res, rep = r.do("PATCH", "/v1/reps/ext:ana", `{"region":"GB","caller_id":"+14155550100","pass_through":{"number":"01632 960001"}}`, "If-Match", tag)
	if pass := rep["pass_through"].(map[string]any); res.StatusCode != 200 || pass["number"] != "+441632960001" || pass["number_display"] != "+44 1632 960001" || pass["extension"] != nil || res.Header.Get("ETag") == tag {
		t.Errorf("%d %v", res.StatusCode, rep)
	}
	if res, body := r.do("PATCH", "/v1/reps/ext:ana", `{"name":"Eve"}`, "If-Match", tag); res.StatusCode != 412 || body["code"] != "stale_version" {
		t.Errorf("stale: %d %v", res.StatusCode, body)
	}
	if res, _ := r.do("PATCH", "/v1/reps/ext:ana", `{"name":"Ana Ruiz"}`, "If-Match", `"x", `+res.Header.Get("ETag")); res.StatusCode != 200 {
		t.Errorf("current: %d", res.StatusCode)
	}
	if _, events := r.do("GET", "/v1/events?types=rep.updated", ""); len(events["data"].([]any)) != 1 {
		t.Errorf("%v", events)
	}
	// Pages.
	for _, name := range []string{"Bea", "Cid"} {
		r.do("POST", "/v1/reps", `{"name":"`+name+`"}`)
	}
	_, page := r.do("GET", "/v1/reps?limit=2", "")
	_, rest := r.do("GET", "/v1/reps?limit=2&cursor="+page["next_cursor"].(string), "")
	if len(page["data"].([]any)) != 2 || len(rest["data"].([]any)) != 1 || rest["next_cursor"] != nil {
		t.Errorf("%v then %v", page, rest)
	}
	if res, _ := r.do("DELETE", "/v1/reps/"+id, ""); res.StatusCode != 204 {
		t.Errorf("delete: %d", res.StatusCode)
	}
	if res, _ := r.do("GET", "/v1/reps/"+id, ""); res.StatusCode != 404 {
		t.Errorf("deleted: %d", res.StatusCode)
	}
}

func TestCallsOfStoredReps(t *testing.T) {
	r := newRig(t, store.Key{Name: "crm", Scopes: []string{"calls:write", "calls:read", "reps:read", "reps:write"}})
	const call = `{"rep_external_id":"ana","to":"+14155550123"}`
	refused := func(code string) {
		t.Helper()
		if res, body := r.do("POST", "/v1/calls", call); res.StatusCode != 409 || body["code"] != code {
			t.Errorf("%d %v, want %s", res.StatusCode, body, code)
		}
	}
	r.do("POST", "/v1/reps", `{"name":"Ana","external_id":"ana"}`)
	refused("no_pass_through_number")
	if res, body := r.do("POST", "/v1/reps/ext:ana/verifications", ""); res.StatusCode != 409 || body["code"] != "no_pass_through_number" {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	r.do("PATCH", "/v1/reps/ext:ana", `{"pass_through":{"number":"+14155550199","enabled":false}}`)
	refused("pass_through_off")
	r.do("PATCH", "/v1/reps/ext:ana", `{"pass_through":{"enabled":true}}`)
	res, made := r.do("POST", "/v1/calls", call)
	if res.StatusCode != 201 || made["rep_external_id"] != "ana" || made["kind"] != "pass_through" {
		t.Fatalf("%d %v", res.StatusCode, made)
	}
	if _, rep := r.do("GET", "/v1/reps/ext:ana", ""); rep["state"] != "on_call" || rep["active_call_id"] != made["id"] {
		t.Errorf("%v", rep)
	}
	if _, list := r.do("GET", "/v1/calls?rep_id="+made["rep_id"].(string), ""); len(list["data"].([]any)) != 1 {
		t.Errorf("%v", list)
	}
	r.end(made["id"].(string))
	if _, rep := r.do("GET", "/v1/reps/ext:ana", ""); rep["state"] != "idle" || rep["active_call_id"] != nil {
		t.Errorf("%v", rep)
	}
}

// signedIn opens a rep's link as a browser does, and returns the headers that
// its requests then have.
func (r *rig) signedIn(rep string) []string {
	r.Helper()
	_, link := r.do("POST", "/v1/reps/"+rep+"/sessions", "")
	at, err := url.Parse(link["url"].(string))
	if err != nil {
		r.Fatal(err)
	}
	if res, _ := r.do("GET", at.RequestURI(), "", "Authorization", ""); res.StatusCode != 200 {
		r.Errorf("the link shows %d", res.StatusCode)
	}
	form := []string{"Authorization", "", "Content-Type", "application/x-www-form-urlencoded"}
	token := "token=" + url.QueryEscape(link["token"].(string))
	res, _ := r.do("POST", "/signin", token, form...)
	if res.StatusCode != 303 || len(res.Cookies()) != 1 {
		r.Fatalf("sign-in: %d", res.StatusCode)
	}
	cookie := res.Cookies()[0]
	if cookie.Name != "__Host-rep" || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode {
		r.Errorf("%v", cookie)
	}
	if res, body := r.do("POST", "/signin", token, form...); res.StatusCode != 403 || body["code"] != "link_expired" {
		r.Errorf("the link again: %d %v", res.StatusCode, body)
	}
	if res, _ := r.do("POST", "/signin", token, append(form, "Accept", "text/html,*/*")...); res.StatusCode != 403 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		r.Errorf("the link again, in a browser: %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	if res, _ := r.do("POST", "/signin", token, append(form, "Cookie", cookie.Name+"="+cookie.Value)...); res.StatusCode != 303 || len(res.Cookies()) != 0 {
		r.Errorf("the link again, by who used it: %d", res.StatusCode)
	}
	return []string{"Authorization", "", "Cookie", cookie.Name + "=" + cookie.Value, "Sec-Fetch-Site", "same-origin"}
}

func TestARepsSessionSeesItsOwn(t *testing.T) {
	r := newRig(t, store.Key{})
	_, ana := r.do("POST", "/v1/reps", `{"name":"Ana","external_id":"ana"}`)
	_, bea := r.do("POST", "/v1/reps", `{"name":"Bea","pass_through":{"number":"+14155550198"}}`)
	me, other := ana["id"].(string), bea["id"].(string)
	session := r.signedIn(me)
	want := func(status int, code, method, path, body string) map[string]any {
		t.Helper()
		res, answer := r.do(method, path, body, session...)
		if res.StatusCode != status || code != "" && answer["code"] != code {
			t.Errorf("%s %s: %d %v", method, path, res.StatusCode, answer)
		}
		return answer
	}
	call := `{"rep_id":"` + me + `","to":"+14155550123"}`
	want(403, "insufficient_scope", "GET", "/v1/reps", "")
	want(404, "not_found", "GET", "/v1/reps/"+other, "")
	want(404, "not_found", "PATCH", "/v1/reps/"+other, `{"pass_through":{"enabled":false}}`)
	want(404, "not_found", "POST", "/v1/calls", `{"rep_id":"`+other+`","to":"+14155550123"}`)
	want(403, "insufficient_scope", "POST", "/v1/calls", smallest)
	want(403, "insufficient_scope", "PATCH", "/v1/reps/"+me, `{"name":"Queen"}`)
	want(403, "insufficient_scope", "POST", "/v1/reps/"+me+"/sessions", "")

	// A number of one's own has to be proved.
	rep := want(200, "", "PATCH", "/v1/reps/"+me, `{"pass_through":{"number":"+14155550199"}}`)
	if pass := rep["pass_through"].(map[string]any); pass["trusted"] != false || pass["verified_at"] != nil {
		t.Errorf("%v", rep)
	}
	want(409, "number_not_verified", "POST", "/v1/calls", call)
	verification := want(201, "", "POST", "/v1/reps/"+me+"/verifications", "")
	if verification["kind"] != "verification" {
		t.Errorf("%v", verification)
	}
	r.finish(verification["id"].(string), bridge.Event{Type: bridge.CallRepConfirmed, Flag: bridge.FlagConfirmedEvent},
		bridge.Event{Type: bridge.CallEnded, Ending: &bridge.Ending{Outcome: bridge.Completed, Reason: bridge.ReasonCompleted, By: bridge.BySystem}})
	if rep := want(200, "", "GET", "/v1/reps/"+me, ""); rep["pass_through"].(map[string]any)["verified_at"] == nil {
		t.Errorf("not verified: %v", rep)
	}
	// Another extension is another phone; the same number from a key is vouched for.
	rep = want(200, "", "PATCH", "/v1/reps/"+me, `{"pass_through":{"extension":"7"}}`)
	if rep["pass_through"].(map[string]any)["verified_at"] != nil {
		t.Errorf("%v", rep)
	}
	want(409, "number_not_verified", "POST", "/v1/calls", call)
	if _, rep = r.do("PATCH", "/v1/reps/"+me, `{"pass_through":{"number":"+14155550199","extension":"7"}}`); rep["pass_through"].(map[string]any)["trusted"] != true {
		t.Errorf("%v", rep)
	}
	id := want(201, "", "POST", "/v1/calls", call)["id"].(string)
	_, theirs := r.do("POST", "/v1/calls", `{"rep_id":"`+other+`","to":"+14155550123"}`)
	if list := want(200, "", "GET", "/v1/calls", ""); len(list["data"].([]any)) != 2 {
		t.Errorf("sees %v", list)
	}
	for _, e := range want(200, "", "GET", "/v1/events", "")["data"].([]any) {
		if strings.Contains(asText(e), other) {
			t.Errorf("sees another's event: %v", e)
		}
	}
	for method, path := range map[string]string{"GET": "", "PATCH": "", "POST": "/hangup"} {
		want(404, "not_found", method, "/v1/calls/"+theirs["id"].(string)+path, `{}`)
		want(200, "", method, "/v1/calls/"+id+path, `{}`)
	}
	want(200, "", "POST", "/v1/calls/"+id+"/hangup", "")
	if r.sent != string(bridge.ByPage) {
		t.Errorf("hung up by %q", r.sent)
	}

	// Another site's page has the cookie sent, and may not use it.
	foreign := append(append([]string{}, session...), "Sec-Fetch-Site", "cross-site")
	if res, body := r.do("POST", "/v1/calls", call, foreign...); res.StatusCode != 403 || body["code"] != "cross_origin" {
		t.Errorf("cross-site: %d %v", res.StatusCode, body)
	}
	want(204, "", "POST", "/signout", "")
	want(401, "missing_credentials", "GET", "/v1/reps/"+me, "")
}

// finish has a live call go through its last events.
func (r *rig) finish(id string, events ...bridge.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.emit(r.live[id], e)
	}
	delete(r.live, id)
}
