package api

import (
	"strings"
	"testing"

	"tandem/store"
)

func TestTheTwoWorldsDoNotMeet(t *testing.T) {
	r := newRig(t, store.Key{})
	_, key, err := r.store.CreateKey(t.Context(), store.Key{Name: "ci", Test: true, Scopes: []string{"admin"}})
	if err != nil || !strings.HasPrefix(key, "tdm_test_") {
		t.Fatal(key, err)
	}
	as := []string{"Authorization", "Bearer " + key}
	if res, body := r.do("POST", "/v1/calls", smallest, as...); res.StatusCode != 503 || body["code"] != "no_trunk_available" {
		t.Errorf("without a simulated trunk: %d %v", res.StatusCode, body)
	}
	r.s.TestCalls = func() (Calls, error) { return r, nil }
	for _, world := range [][]string{as, nil} {
		_, call := r.do("POST", "/v1/calls", smallest, world...)
		_, rep := r.do("POST", "/v1/reps", `{"name":"Ana","external_id":"ana"}`, world...)
		_, hook := r.do("POST", "/v1/webhook-endpoints", `{"url":"https://crm.example.com/"}`, world...)
		other := as
		if world != nil {
			other = nil
		}
		for path, mine := range map[string]any{"/v1/calls": call["id"], "/v1/reps": rep["id"], "/v1/webhook-endpoints": hook["id"], "/v1/events": call["id"]} {
			id, _ := mine.(string)
			if _, list := r.do("GET", path, "", world...); id == "" || !strings.Contains(asText(list), id) {
				t.Errorf("%s: %q is not in %v", path, id, list)
			}
			if _, list := r.do("GET", path, "", other...); strings.Contains(asText(list), id) {
				t.Errorf("%s: %s is seen from the other world", path, id)
			}
		}
		for _, path := range []string{"/v1/calls/" + call["id"].(string), "/v1/reps/" + rep["id"].(string)} {
			if res, _ := r.do("GET", path, "", other...); res.StatusCode != 404 {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
		}
	}
	if res, body := r.do("POST", "/v1/do-not-call", `{"numbers":[]}`, as...); res.StatusCode != 403 || body["code"] != "insufficient_scope" {
		t.Errorf("runs the server: %d %v", res.StatusCode, body)
	}
}
