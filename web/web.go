package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

// Config is what the page must know of its surroundings.
type Config struct {
	FrameAncestors []string // origins of pages that may embed it, e.g. https://app.hubspot.com; none = nobody
}

// asset is one file as it is served.
type asset struct {
	body []byte
	etag string
}

// Handler serves the page. It is safe for concurrent use.
type Handler struct {
	assets map[string]asset // by path
	policy string
}

// pages are the paths at which something other than their own name is served.
// /dial is where the browser sends tel: links (registerProtocolHandler).
var pages = map[string]string{"/": "index.html", "/dial": "index.html", "/wallboard": "wall.html"}

// New returns a Handler for Paths.
func New(cfg Config) (*Handler, error) {
	ancestors := "'none'"
	if len(cfg.FrameAncestors) > 0 {
		ancestors = strings.Join(cfg.FrameAncestors, " ")
	}
	h := &Handler{assets: make(map[string]asset), policy: "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors " + ancestors}
	err := fs.WalkDir(files, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Ext(name) == ".html" { // the page's own origin check of messages from a frame around it
			body = bytes.ReplaceAll(body, []byte("{{parents}}"), []byte(html.EscapeString(strings.Join(cfg.FrameAncestors, " "))))
		}
		sum := sha256.Sum256(body)
		h.assets["/app/"+strings.TrimPrefix(name, "page/")] = asset{body, `"` + hex.EncodeToString(sum[:8]) + `"`}
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

// Paths are the patterns, for http.ServeMux, of all that Handler serves.
func (h *Handler) Paths() []string {
	return []string{"GET /{$}", "GET /dial", "GET /wallboard", "GET /app/"}
}

// ServeHTTP answers with a file of the page, or with 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := h.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	name := r.URL.Path
	if page, ok := pages[name]; ok {
		name = page
	}
	head := w.Header()
	head.Set("Content-Security-Policy", h.policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-cache") // asked for again each time, and answered 304
	head.Set("ETag", found.etag)
	http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(found.body))
}
