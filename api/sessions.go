package api

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tandem/store"
)

// sessionCookie holds a rep's session. The prefix has browsers keep it to this
// host, to HTTPS (and localhost), and out of any other page's hands.
const sessionCookie = "__Host-rep"

// repSession is the answer to POST /v1/reps/{rep_id}/sessions.
type repSession struct {
	Token     string    `json:"token"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// createRepSession is POST /v1/reps/{rep_id}/sessions.
func (s *Server) createRepSession(_ http.ResponseWriter, r *http.Request, who *caller) (*answer, error) {
	rep, err := s.findRep(r, who)
	if err != nil {
		return nil, err
	}
	token, expires, err := s.Store.RepLink(r.Context(), rep.ID)
	if err != nil {
		return nil, err
	}
	link := s.publicURL(r) + "/signin?token=" + url.QueryEscape(token)
	return &answer{status: 201, body: repSession{Token: token, URL: link, ExpiresAt: *moment(expires)}}, nil
}

// publicURL is where browsers find this server.
func (s *Server) publicURL(r *http.Request) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// The link opens a page whose button uses it up: what previews links must not.
// Without a token it says that the link is no good.
var signInPage = template.Must(template.New("signin").Funcs(template.FuncMap{
	"hours": func() int { return int(store.SessionLife.Hours()) },
}).Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in to Tandem</title>
<link rel="icon" href="/app/icon.svg"><link rel="stylesheet" href="/app/app.css">
<header id="bar"><img class="mark" src="/app/icon.svg" alt="" width="32" height="32"><p>Tandem</p></header>
<main><section class="alone">
{{if .}}<h1>Open your dialer on this device?</h1>
<p class="field">You stay signed in here for {{hours}} hours. The link works once.</p>
<form method="post" action="/signin"><input type="hidden" name="token" value="{{.}}"><button class="go wide" autofocus>Open</button></form>
<script src="/app/signin.js" defer></script>
{{else}}<h1>This link does not work any more</h1>
<p>It was used already, or is too old. Ask for a new one where this came from, or open Tandem from your CRM.</p>
{{end}}</section></main></html>
`))

// showSignIn writes the page.
func showSignIn(w http.ResponseWriter, status int, token string) error {
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'") // in a frame the token comes by a message
	head.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	return signInPage.Execute(w, token)
}

// signInForm is GET /signin.
func (s *Server) signInForm(w http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	return nil, showSignIn(w, http.StatusOK, r.URL.Query().Get("token"))
}

// signIn is POST /signin: the link becomes a session.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	session, expires, err := s.Store.OpenSession(r.Context(), r.PostFormValue("token"))
	if errors.Is(err, store.ErrNotFound) {
		cookie, none := r.Cookie(sessionCookie)
		if none == nil {
			if _, err := s.Store.SessionRep(r.Context(), cookie.Value); err == nil {
				return &answer{status: http.StatusSeeOther, header: map[string]string{"Location": "/"}}, nil // signed in by it before
			}
		}
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			return nil, showSignIn(w, http.StatusForbidden, "")
		}
		return nil, refuse("link_expired", "Ask for a new one where this came from.")
	}
	if err != nil {
		return nil, err
	}
	s.setSession(w, session, expires)
	return &answer{status: http.StatusSeeOther, header: map[string]string{"Location": "/"}}, nil
}

// signOut is POST /signout.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, _ *caller) (*answer, error) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if err := s.Store.CloseSession(r.Context(), cookie.Value); err != nil {
			return nil, err
		}
	}
	s.setSession(w, "", time.Unix(0, 0))
	return &answer{status: http.StatusNoContent}, nil
}

func (s *Server) setSession(w http.ResponseWriter, value string, expires time.Time) {
	cookie := &http.Cookie{Name: sessionCookie, Value: value, Path: "/", Expires: expires, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if s.Framed || len(s.CORSOrigins) > 0 { // a page of another site around ours, or calling it: a cookie for that pair alone (CHIPS)
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(w, cookie)
}
