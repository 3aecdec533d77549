package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

// Config is what the page must know of its surroundings.
type Config struct {
	FrameAncestors []string // origins of pages that may embed it, e.g. https://app.hubspot.com; none = nobody
	SignInURL      string   // of the CRM's backend, which sends a rep it knows on to a sign-in link; "" = none
}

// asset is one file as it is served.
type asset struct {
	name   string // with the ending that tells what it is
	body   []byte
	packed []byte // by gzip
	etag   string
}

// Handler serves the page. It is safe for concurrent use.
type Handler struct {
	assets     map[string]asset // by path
	policy     string
	salesforce string // the policy of the page in a Salesforce org
}

// pages are the paths at which something other than their own name is served.
// /dial is where the browser sends tel: links (registerProtocolHandler).
var pages = map[string]string{
	"/": "index.html", "/dial": "index.html", "/wallboard": "wall.html",
	"/embed/hubspot": "index.html", salesforcePage: "index.html",
}

const salesforcePage = "/embed/salesforce"

// salesforces are the domains of Salesforce orgs.
var salesforces = []string{".force.com", ".salesforce.com"}

// scriptsOf are those origins that are Salesforce orgs: their Open CTI script is
// loaded into the page, which no other page around ours may do.
func scriptsOf(origins []string) (orgs []string) {
	for _, origin := range origins {
		at, err := url.Parse(origin)
		if err == nil && slices.ContainsFunc(salesforces, func(domain string) bool { return strings.HasSuffix(at.Hostname(), domain) }) {
			orgs = append(orgs, origin)
		}
	}
	return orgs
}

// New returns a Handler for Paths.
func New(cfg Config) (*Handler, error) {
	ancestors := "'none'"
	if len(cfg.FrameAncestors) > 0 {
		ancestors = strings.Join(cfg.FrameAncestors, " ")
	}
	h := &Handler{assets: make(map[string]asset)}
	h.policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors " + ancestors
	h.salesforce = strings.Join(append([]string{h.policy + "; script-src 'self'"}, scriptsOf(cfg.FrameAncestors)...), " ")
	told := strings.NewReplacer( // what the page is told: who may frame it and speak to it, and where a rep signs in
		"{{parents}}", html.EscapeString(strings.Join(cfg.FrameAncestors, " ")), "{{sign-in}}", html.EscapeString(cfg.SignInURL))
	err := fs.WalkDir(files, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Ext(name) == ".html" {
			body = []byte(told.Replace(string(body)))
		}
		sum := sha256.Sum256(body)
		at := "/app/" + strings.TrimPrefix(name, "page/")
		if embed, is := strings.CutPrefix(name, "page/embed/"); is {
			at = "/embed/" + embed
		}
		h.assets[at] = asset{path.Base(name), body, pack(body), `"` + hex.EncodeToString(sum[:8]) + `"`}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for at, name := range pages {
		h.assets[at] = h.assets["/app/"+name]
	}
	return h, nil
}

// pack is b by gzip.
func pack(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // a level that there is
	_, _ = w.Write(b)                                       // a Buffer takes all
	_ = w.Close()
	return out.Bytes()
}

// Paths are the patterns, for http.ServeMux, of all that Handler serves.
func (h *Handler) Paths() []string {
	return []string{"GET /{$}", "GET /dial", "GET /wallboard", "GET /app/", "GET /embed/"}
}

// ServeHTTP answers with a file of the page, or with 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := h.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	policy := h.policy
	if r.URL.Path == salesforcePage {
		policy = h.salesforce
	}
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-cache") // asked for again each time, and answered 304
	head.Set("ETag", found.etag)
	head.Set("Vary", "Accept-Encoding")
	body := found.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = found.packed
		head.Set("Content-Encoding", "gzip")
		head.Set("ETag", strings.TrimSuffix(found.etag, `"`)+`-gzip"`)
	}
	http.ServeContent(w, r, found.name, time.Time{}, bytes.NewReader(body))
}
