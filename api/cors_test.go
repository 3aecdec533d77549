package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tandem/store"
)

const crm, stranger = "https://crm.example.com", "https://evil.example"

// shared is a rig whose API the CRM's pages may call.
func shared(t *testing.T) *rig {
	r := newRig(t, store.Key{})
	cfg := r.s.Config
	cfg.CORSOrigins = []string{crm}
	r.s.Close()
	r.s = New(cfg)
	return r
}

func (r *rig) from(origin, method, path string, header ...string) *http.Response {
	q := httptest.NewRequest(method, path, nil)
	q.Header.Set("Origin", origin)
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, q)
	return w.Result()
}

func TestPreflight(t *testing.T) {
	r := shared(t)
	for _, tt := range []struct {
		origin, method, path string
		allowed              bool
	}{
		{crm, "POST", "/v1/calls", true}, {crm, "GET", "/v1/events", true}, {crm, "PATCH", "/v1/reps/me", true}, {crm, "POST", "/signin", true},
		{stranger, "POST", "/v1/calls", false}, {"null", "POST", "/v1/calls", false}, {"http://crm.example.com", "GET", "/v1/calls", false},
		{crm + ".evil.example", "GET", "/v1/calls", false}, {crm, "DELETE", "/v1/calls", false}, {crm, "GET", "/v1/trunks", false},
		{crm, "POST", "/v1/webhook-endpoints", false}, {crm, "GET", "/nothing", false},
	} {
		res := r.from(tt.origin, "OPTIONS", tt.path, "Access-Control-Request-Method", tt.method, "Access-Control-Request-Headers", "authorization, content-type")
		got := res.StatusCode == 204 && res.Header.Get("Access-Control-Allow-Origin") == tt.origin &&
			res.Header.Get("Access-Control-Allow-Credentials") == "true" && res.Header.Get("Access-Control-Allow-Methods") == tt.method
		if got != tt.allowed || !got && res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s from %s: %d %v", tt.method, tt.path, tt.origin, res.StatusCode, res.Header)
		}
		if strings.Contains(strings.ToLower(res.Header.Get("Access-Control-Allow-Headers")), "authorization") || !strings.Contains(res.Header.Get("Vary"), "Origin") {
			t.Errorf("%v", res.Header)
		}
	}
}

func TestCRMPagesCallWithASession(t *testing.T) {
	r := shared(t)
	_, ana := r.do("POST", "/v1/reps", `{"name":"Ana"}`)
	_, link := r.do("POST", "/v1/reps/"+ana["id"].(string)+"/sessions", "")
	res, _ := r.do("POST", "/signin", "token="+link["token"].(string), "Authorization", "", "Content-Type", "application/x-www-form-urlencoded", "Origin", crm)
	if len(res.Cookies()) != 1 || res.Header.Get("Access-Control-Allow-Origin") != crm {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	cookie := res.Cookies()[0]
	if cookie.SameSite != http.SameSiteNoneMode || !cookie.Partitioned || !cookie.Secure || !cookie.HttpOnly {
		t.Errorf("%v: a page of another site does not send it", cookie)
	}
	session := []string{"Cookie", cookie.Name + "=" + cookie.Value, "Sec-Fetch-Site", "cross-site"}
	if res := r.from(crm, "GET", "/v1/reps/me", session...); res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != crm || res.Header.Get("Access-Control-Allow-Credentials") != "true" ||
		!strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if res := r.from(crm, "POST", "/signout", session...); res.StatusCode != 204 {
		t.Errorf("%d", res.StatusCode)
	}
	if res := r.from(crm, "GET", "/v1/reps/me", session...); res.StatusCode != 401 || res.Header.Get("Access-Control-Allow-Origin") != crm {
		t.Errorf("the page cannot read why: %d %v", res.StatusCode, res.Header)
	}
}

func TestStrangersPagesDoNot(t *testing.T) {
	for _, r := range []*rig{shared(t), newRig(t, store.Key{})} {
		_, ana := r.do("POST", "/v1/reps", `{"name":"Ana"}`)
		_, link := r.do("POST", "/v1/reps/"+ana["id"].(string)+"/sessions", "")
		res, _ := r.do("POST", "/signin", "token="+link["token"].(string), "Authorization", "", "Content-Type", "application/x-www-form-urlencoded")
		cookie := res.Cookies()[0]
		session := []string{"Cookie", cookie.Name + "=" + cookie.Value, "Sec-Fetch-Site", "cross-site"}
		for _, method := range []string{"GET", "PATCH", "OPTIONS"} {
			res := r.from(stranger, method, "/v1/reps/me", session...)
			if res.Header.Get("Access-Control-Allow-Origin") != "" || method == "PATCH" && res.StatusCode != 403 {
				t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
			}
		}
		if origins := r.s.CORSOrigins; len(origins) == 0 {
			if res := r.from(crm, "PATCH", "/v1/reps/me", session...); res.StatusCode != 403 || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("nobody is configured: %d %v", res.StatusCode, res.Header)
			}
		}
	}
}
