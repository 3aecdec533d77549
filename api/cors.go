package api

import (
	"net/http"
	"slices"
)

// What a page of another origin may send, and read of an answer. An API key is
// not among it: it would be in every browser.
const (
	corsHeaders = "Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-Request-Id"
	corsExposed = "ETag, Idempotency-Replayed, Location, Retry-After, X-Request-Id"
	corsMaxAge  = "600" // seconds that a browser remembers what it may
)

// browsed are the routes that a rep's session may use, and those that open and
// close one: the mux's patterns.
func browsed() map[string]bool {
	all := map[string]bool{"POST /signin": true, "POST /signout": true}
	for _, r := range routes {
		if r.session {
			all[r.method+" "+r.path] = true
		}
	}
	return all
}

// cors lets the pages of the configured origins call with a rep's session (Fetch
// §3.2). Each is named in its answer, as cookies demand; there is no wildcard. It
// reports whether it has answered: the preflight.
func (s *Server) cors(w http.ResponseWriter, r *http.Request) (answered bool) {
	if len(s.CORSOrigins) == 0 {
		return false
	}
	head := w.Header()
	head.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(s.CORSOrigins, origin) {
		return false
	}
	wanted := r
	method := r.Header.Get("Access-Control-Request-Method")
	preflight := r.Method == http.MethodOptions && method != ""
	if preflight {
		wanted = r.Clone(r.Context())
		wanted.Method = method
	}
	if _, pattern := s.mux.Handler(wanted); !s.browsed[pattern] {
		return false
	}
	head.Set("Access-Control-Allow-Origin", origin)
	head.Set("Access-Control-Allow-Credentials", "true")
	if !preflight {
		head.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	head.Set("Access-Control-Allow-Methods", method)
	head.Set("Access-Control-Allow-Headers", corsHeaders)
	head.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}

// foreign refuses what a page of an origin sends that is neither ours nor configured.
func foreign(trusted []string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	return p, nil
}
