package web

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func serve(t *testing.T, cfg Config, path string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// TestEveryPageIsServed: at its path, as what it is, under the policy.
func TestEveryPageIsServed(t *testing.T) {
	for path, kind := range map[string]string{
		"/": "text/html", "/dial": "text/html", "/wallboard": "text/html", "/app/app.js": "text/javascript", "/app/app.css": "text/css",
		"/embed/hubspot": "text/html", "/embed/salesforce": "text/html", "/embed/hubspot.js": "text/javascript", "/embed/dial.js": "text/javascript",
	} {
		w := serve(t, Config{}, path)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'self'") {
			t.Errorf("%s: %s", path, policy)
		}
	}
	for _, path := range []string{"/app/none.js", "/app/embed/dial.js", "/app/../web.go"} {
		if w := serve(t, Config{}, path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestThePageIsTold: who may speak to it, and where a rep signs in, as attributes
// that nothing breaks out of.
func TestThePageIsTold(t *testing.T) {
	page := serve(t, Config{FrameAncestors: []string{"https://a.example", "https://b.example"}, SignInURL: `https://a.example/in?a=1&b="`}, "/").Body.String()
	for _, want := range []string{`content="https://a.example https://b.example"`, `content="https://a.example/in?a=1&amp;b=&#34;"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}

// TestPacked: whoever takes gzip is sent it, and the same is in it.
func TestPacked(t *testing.T) {
	h, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/app/app.js", nil)
	r.Header.Set("Accept-Encoding", "br, gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	plain := serve(t, Config{}, "/app/app.js")
	unpacked, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal(w.Header(), err)
	}
	body, err := io.ReadAll(unpacked)
	if err != nil || string(body) != plain.Body.String() {
		t.Errorf("%d octets in it, of %d: %v", len(body), plain.Body.Len(), err)
	}
	if plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("ETag") == w.Header().Get("ETag") {
		t.Error(plain.Header(), w.Header())
	}
}

// TestOnlyOrgsBringScripts: a page that may frame ours may not for that put its
// own code into it; a Salesforce org may, in the page that is for it.
func TestOnlyOrgsBringScripts(t *testing.T) {
	const org = "https://acme.lightning.force.com"
	cfg := Config{FrameAncestors: []string{"https://app.hubspot.com", org, "https://evil-force.com", "https://force.com.example"}}
	if policy := serve(t, cfg, salesforcePage).Header().Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; script-src 'self' "+org) {
		t.Error(policy)
	}
	for _, path := range []string{"/", "/embed/hubspot", "/wallboard"} {
		if policy := serve(t, cfg, path).Header().Get("Content-Security-Policy"); strings.Contains(policy, "script-src") {
			t.Errorf("%s: %s", path, policy)
		}
	}
}

// later is what a page loads when it is wanted: a call's details, the page of a link.
var later = []string{"page/details.js", "page/plot.js", "page/signin.js"}

// TestWeight: what a rep's browser loads is under 60 kB before compression.
func TestWeight(t *testing.T) {
	const most = 60_000
	var page, wall int
	err := fs.WalkDir(files, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "page/embed/") || slices.Contains(later, name) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if strings.HasPrefix(name, "page/wall.") {
			wall += int(info.Size())
		} else {
			page += int(info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if page >= most || page == 0 || wall == 0 {
		t.Errorf("the rep's page weighs %d octets", page)
	}
	t.Logf("rep's page %d octets; the wallboard's own files %d", page, wall)
}
