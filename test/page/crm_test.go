package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"tandem/store"
)

// crm is a web site of somebody else's, with the pages of examples/embed on it and a
// backend that has the API key.
type crm struct {
	origin      string // by a name of its own: another site than tandem's
	org         string // the same by the name of a Salesforce org, which the test's browser resolves
	tandem, key string
	stop        func(ctx context.Context) error
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
	mux.HandleFunc("GET /{$}", c.page("index.html"))
	for _, name := range []string{"hubspot.html", "messages.html", "salesforce.html"} {
		mux.HandleFunc("GET /"+name, c.page(name))
	}
	file := func(at, name string) {
		mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	}
	file("/calling-extensions-sdk.js", "node_modules/@hubspot/calling-extensions-sdk/dist/main.esm.js")
	file("/support/api/62.0/lightning/opencti_min.js", "opencti.js")
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, _ *http.Request) {
		go func() {
			if err := c.stop(context.Background()); err != nil {
				t.Errorf("drained: %v", err)
			}
		}()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /tandem-token", c.token)
	mux.HandleFunc("GET /sign-in", c.signIn)
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	secure := httptest.NewUnstartedServer(mux) // by TLS: browsers know that such an org speaks nothing else
	secure.Config.ErrorLog = log.New(t.Output(), "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	_, port, err = net.SplitHostPort(secure.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.org = "https://acme.lightning.force.com:" + port
	return c
}

// serve gives it the tandem it is to use.
func (c *crm) serve(t *testing.T, a *tandem) {
	t.Helper()
	_, key, err := a.Store.CreateKey(t.Context(), store.Key{Name: "crm", Scopes: []string{"reps:sessions"}})
	if err != nil {
		t.Fatal(err)
	}
	c.stop = a.stop
	c.tandem, c.key = "http://"+a.HTTP.String(), key
}

// page serves an example, with this tandem in the place of the one it names.
func (c *crm) page(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := os.ReadFile("../../examples/embed/" + name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		page := bytes.ReplaceAll(text, []byte("https://bridge.example.com"), []byte(template.HTMLEscapeString(c.tandem)))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	}
}

// session asks tandem for a rep's.
func (c *crm) session(rep string) (answer []byte, err error) {
	req, err := http.NewRequest("POST", c.tandem+"/v1/reps/ext:"+rep+"/sessions", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(res.Body)
}

// signedIn is who uses each page.
var signedIn = map[string]string{"/": "eva", "/messages.html": "mia", "/salesforce.html": "sal"}

// token is what a CRM's backend does for its rep who is signed in there.
func (c *crm) token(w http.ResponseWriter, r *http.Request) {
	from, err := url.Parse(r.Referer())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := c.session(signedIn[from.Path])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// signIn is http.sign_in_url: whoever comes is signed in here, as hal.
func (c *crm) signIn(w http.ResponseWriter, r *http.Request) {
	answer, err := c.session("hal")
	var link struct{ URL string }
	if err == nil {
		err = json.Unmarshal(answer, &link)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, link.URL, http.StatusSeeOther)
}
