package web

import (
	"io/fs"
	"net/http/httptest"
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

// TestWeight: the page without the embeds is under 60 kB before compression, and
// so is the wallboard.
func TestWeight(t *testing.T) {
	const most = 60_000
	var page, wall int
	err := fs.WalkDir(files, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "page/embed/") {
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
