package api

import (
	"strings"
	"testing"

	"tandem/store"
)

func TestCallsTakeTheRepsNotes(t *testing.T) {
	r := newRig(t, store.Key{})
	_, call := r.do("POST", "/v1/calls", smallest)
	id := call["id"].(string)
	path := "/v1/calls/" + id
	patch := []string{"Content-Type", "application/merge-patch+json; charset=UTF-8"}
	for _, when := range []string{"live", "ended"} {
		if when == "ended" {
			r.end(id)
		}
		res, body := r.do("PATCH", path, `{"metadata":{"crm_id":null,"when":"`+when+`"},"disposition":"interested","notes":"call\nagain"}`, patch...)
		if res.StatusCode != 200 || body["disposition"] != "interested" || body["notes"] != "call\nagain" || asText(body["metadata"]) != `{"when":"`+when+`"}` {
			t.Errorf("%s: %d %v", when, res.StatusCode, body)
		}
		if _, list := r.do("GET", "/v1/calls?metadata[when]="+when, ""); !strings.Contains(asText(list), id) {
			t.Errorf("%s: not found by its new metadata: %v", when, list)
		}
		if _, list := r.do("GET", "/v1/calls?metadata[crm_id]=7", ""); strings.Contains(asText(list), id) {
			t.Errorf("%s: found by metadata it has no more", when)
		}
		if _, body := r.do("PATCH", path, `{"disposition":null}`, patch...); body["disposition"] != nil || body["notes"] != "call\nagain" {
			t.Errorf("%s: cleared to %v", when, body)
		}
	}
	for body, pointer := range map[string]string{
		`{"disposition":1}`: "#/disposition", `{"notes":["x"]}`: "#/notes", `{"outcome":"completed"}`: "#/outcome",
		`{"disposition":"` + strings.Repeat("x", 65) + `"}`: "#/disposition",
		`{"metadata":{` + manyKeys(20) + `}}`:               "#/metadata",
	} {
		res, answer := r.do("PATCH", path, body, patch...)
		if res.StatusCode != 422 || !strings.Contains(asText(answer), pointer) {
			t.Errorf("%.60s: %d %v", body, res.StatusCode, answer)
		}
	}
	if res, _ := r.do("PATCH", "/v1/calls/call_01kay2v5e8f3vr2m8c5nq0d7xw", `{}`, patch...); res.StatusCode != 404 {
		t.Errorf("a call that is not: %d", res.StatusCode)
	}
	if res, body := r.do("PATCH", path, `{}`, "Content-Type", "application/json; charset=utf-16"); res.StatusCode != 415 || body["code"] != "unsupported_media_type" {
		t.Errorf("another charset: %d %v", res.StatusCode, body)
	}
	_, events := r.do("GET", path+"/events", "")
	for i, e := range events["data"].([]any) {
		if n := e.(map[string]any)["data"].(map[string]any)["sequence"]; n != float64(i+1) {
			t.Errorf("event %d has sequence %v", i+1, n)
		}
	}
}

// manyKeys are n members of an object.
func manyKeys(n int) string {
	var members []string
	for i := range n {
		members = append(members, `"k`+strings.Repeat("x", i)+`":"v"`)
	}
	return strings.Join(members, ",")
}
