package page

import (
	"bytes"
	"html/template"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"tandem/cmd/app"
	"tandem/store"
)

// crm is a web site of somebody else's, with examples/embed/index.html on it and a
// backend that has the API key.
type crm struct {
	origin      string // by a name of its own: another site than tandem's
	tandem, key string
}

func newCRM(t *testing.T) *crm {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &crm{origin: "http://localhost:" + port}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.page)
	mux.HandleFunc("POST /tandem-token", c.token)
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return c
}

// serve gives it the tandem it is to use.
func (c *crm) serve(t *testing.T, a *app.App) {
	t.Helper()
	_, key, err := a.Store.CreateKey(t.Context(), store.Key{Name: "crm", Scopes: []string{"reps:sessions"}})
	if err != nil {
		t.Fatal(err)
	}
	c.tandem, c.key = "http://"+a.HTTP.String(), key
}

func (c *crm) page(w http.ResponseWriter, _ *http.Request) {
	text, err := os.ReadFile("../../examples/embed/index.html")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	page := bytes.ReplaceAll(text, []byte("https://bridge.example.com"), []byte(template.HTMLEscapeString(c.tandem)))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

// token is what a CRM's backend does for its rep who is signed in there.
func (c *crm) token(w http.ResponseWriter, _ *http.Request) {
	req, err := http.NewRequest("POST", c.tandem+"/v1/reps/ext:eva/sessions", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}
