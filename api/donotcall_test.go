package api

import (
	"net/url"
	"strings"
	"testing"

	"tandem/store"
)

func TestDoNotCallList(t *testing.T) {
	r := newRig(t, store.Key{})
	res, body := r.do("POST", "/v1/do-not-call", `{"numbers":["+14155550123","(415) 555-0123","nobody"],"reason":"asked"}`)
	if res.StatusCode != 200 || body["added"] != float64(1) || body["already_listed"] != float64(1) || !strings.Contains(asText(body["refused"]), "#/numbers/2") {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	res, body = r.do("POST", "/v1/do-not-call", "number,name\n'+14155550124,Ann\n+14155550125\n", "Content-Type", "text/csv; charset=utf-8")
	if res.StatusCode != 200 || body["added"] != float64(2) {
		t.Errorf("%d %v", res.StatusCode, body)
	}
	_, page := r.do("GET", "/v1/do-not-call?limit=2", "")
	_, rest := r.do("GET", "/v1/do-not-call?cursor="+url.QueryEscape(page["next_cursor"].(string)), "")
	if len(page["data"].([]any)) != 2 || len(rest["data"].([]any)) != 1 || rest["next_cursor"] != nil {
		t.Errorf("%v then %v", page, rest)
	}
	if listed, why, err := r.store.Listed(t.Context(), "+14155550123"); !listed || why != "asked" || err != nil {
		t.Error(listed, why, err)
	}
	for _, want := range []int{204, 404} {
		if res, _ := r.do("DELETE", "/v1/do-not-call/"+url.PathEscape("+14155550123"), ""); res.StatusCode != want {
			t.Errorf("delete: %d, want %d", res.StatusCode, want)
		}
	}
	for body, kind := range map[string]string{`{}`: "application/json", "a\xff": "text/csv", "\"a": "text/csv"} {
		if res, answer := r.do("POST", "/v1/do-not-call", body, "Content-Type", kind); res.StatusCode != 422 {
			t.Errorf("%q: %d %v", body, res.StatusCode, answer)
		}
	}
}
