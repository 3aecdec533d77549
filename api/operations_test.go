package api

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// runs is what a rig says of its operation.
type runs struct{ r *rig }

func (o runs) Trunks() []Trunk {
	free, since, registered, ms := 9, time.Now(), true, 12.5
	return []Trunk{
		{Object: "trunk", Name: "carrier", Up: true, Since: &since, Registered: &registered, OptionsMS: &ms, Channels: Channels{Limit: 10, InUse: 1, Reserved: 1, Free: &free}, CPS: 1},
		{Object: "trunk", Name: "new", LastFailed: "no such host"},
	}
}

func (o runs) Trace(call string) (Trace, bool) {
	o.r.mu.Lock()
	defer o.r.mu.Unlock()
	if o.r.live[call] == nil {
		return Trace{}, false
	}
	return Trace{
		Messages: []TraceMessage{{At: time.Now(), Leg: "rep", Direction: "out", Transport: "udp", Peer: "10.0.0.2:5060", SIPCallID: "x", Message: "INVITE …"}},
		Ladder:   "INVITE ──►\n",
	}, true
}

func (o runs) Reload(context.Context) (Reloaded, error) {
	if o.r.refuse != nil {
		return Reloaded{}, &ConfigError{[]ConfigProblem{{"trunks.carrier.host", "E104", "is required"}}}
	}
	return Reloaded{Changed: []string{"trunks.carrier"}, Restart: []string{}}, nil
}

func (o runs) Pause(on bool) {
	o.r.refuse = nil
	if on {
		o.r.refuse = &bridge.Refusal{Code: bridge.CodeDraining}
	}
}

func TestDrainIsUndone(t *testing.T) {
	r := newRig(t, store.Key{})
	for _, step := range []struct {
		method       string
		status, call int
	}{{"POST", 202, 503}, {"POST", 202, 503}, {"DELETE", 204, 201}, {"DELETE", 204, 201}} {
		if res, _ := r.do(step.method, "/v1/admin/drain", ""); res.StatusCode != step.status {
			t.Errorf("%s: %d", step.method, res.StatusCode)
		}
		if res, body := r.do("POST", "/v1/calls", smallest); res.StatusCode != step.call {
			t.Errorf("then a call: %d %v", res.StatusCode, body)
		}
	}
}

func TestReload(t *testing.T) {
	r := newRig(t, store.Key{})
	res, body := r.do("POST", "/v1/admin/reload", "")
	if res.StatusCode != 200 || asText(body) != `{"changed":["trunks.carrier"],"waits_for_restart":[]}` {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	r.refuse = errors.New("wrong")
	res, body = r.do("POST", "/v1/admin/reload", "")
	if res.StatusCode != 422 || !strings.Contains(asText(body), `"pointer":"#/trunks/carrier/host"`) || !strings.Contains(asText(body), "E104") {
		t.Errorf("%d %v", res.StatusCode, body)
	}
}

func TestTrunksAreShown(t *testing.T) {
	r := newRig(t, store.Key{})
	res, body := r.do("GET", "/v1/trunks", "")
	if all, _ := body["data"].([]any); res.StatusCode != 200 || len(all) != 2 || all[1].(map[string]any)["registered"] != nil {
		t.Errorf("%d %v", res.StatusCode, body)
	}
}

func TestTraceOfACall(t *testing.T) {
	r := newRig(t, store.Key{})
	_, call := r.do("POST", "/v1/calls", smallest)
	id := call["id"].(string)
	res, body := r.do("GET", "/v1/calls/"+id+"/trace", "")
	if messages, _ := body["messages"].([]any); res.StatusCode != 200 || len(messages) != 1 {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	request := httptest.NewRequest("GET", "/v1/calls/"+id+"/trace", nil)
	request.Header.Set("Authorization", "Bearer "+r.key)
	request.Header.Set("Accept", "text/plain")
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, request)
	if text, _ := io.ReadAll(w.Body); string(text) != "INVITE ──►\n" || w.Result().Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%q", text)
	}
	r.end(id)
	if res, body = r.do("GET", "/v1/calls/"+id+"/trace", ""); res.StatusCode != 404 || body["code"] != "not_found" {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	if res, _ = r.do("GET", "/v1/calls/call_01kay2v5e8f3vr2m8c5nq0d7xw/trace", ""); res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
	small := newRig(t, store.Key{Name: "reader", Scopes: []string{"calls:read"}})
	if res, _ = small.do("GET", "/v1/trunks", ""); res.StatusCode != 403 {
		t.Errorf("without its scope: %d", res.StatusCode)
	}
}
