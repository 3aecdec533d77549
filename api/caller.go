package api

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"tandem/bridge"
	"tandem/store"
)

// caller is who sent a request: an API key, or a rep by the cookie of a session.
type caller struct {
	id   string // of the key, or of the rep
	name string
	key  *store.Key // nil = a session
	rep  *store.Rep // nil = a key

	calls Calls // live ones, or those of test keys

	traceparent string // of the request, W3C Trace Context; "" = none
}

// allows reports whether a key has a scope. What a session may do is the route
// table's to say.
func (c *caller) allows(scope string) bool { return c.key != nil && c.key.Allows(scope) }

// test reports whether c lives in the world of test keys.
func (c *caller) test() bool { return c.rep != nil && c.rep.Test || c.key != nil && c.key.Test }

// sees reports whether a call is one of c's.
func (c *caller) sees(record *bridge.Record) bool {
	return record.Asked.Test == c.test() && (c.rep == nil || record.Asked.RepID == c.rep.ID)
}

// by is who ends a call that c hangs up.
func (c *caller) by() bridge.By {
	if c.rep != nil {
		return bridge.ByPage
	}
	return bridge.ByAPI
}

// authenticate finds out who sent a request, and whether its route is for them.
func (s *Server) authenticate(r *http.Request, route *route) (*caller, error) {
	scheme, plain, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	ok = ok && strings.EqualFold(scheme, "Bearer") // RFC 9110 §11.1
	if user, _, basic := r.BasicAuth(); !ok && basic {
		plain, ok = user, true
	}
	if cookie, err := r.Cookie(sessionCookie); !ok && err == nil {
		return s.session(r, route, cookie.Value)
	}
	if !ok {
		return nil, refuse("missing_credentials", "Send Authorization: Bearer KEY.")
	}
	key, err := s.Store.Authenticate(r.Context(), strings.TrimSpace(plain))
	switch {
	case errors.Is(err, store.ErrExpiredKey):
		return nil, refuse("expired_key", "Make another with: tandem keys create.")
	case errors.Is(err, store.ErrInvalidKey):
		return nil, refuse("invalid_key", "It was mistyped or revoked.")
	case err != nil:
		return nil, err
	}
	if from := s.clientOf(r); len(key.CIDRs) > 0 && !within(key.CIDRs, from) {
		return nil, refuse("ip_not_allowed", "The key %q may not be used from %s.", key.Name, from)
	}
	if !key.Allows(route.scope) {
		return nil, refuse("insufficient_scope", "The key %q needs the scope %s.", key.Name, route.scope)
	}
	return &caller{id: key.ID, name: key.Name, key: &key}, nil
}

// session is the rep whose cookie came with a request that their own page sent.
func (s *Server) session(r *http.Request, route *route, cookie string) (*caller, error) {
	if err := s.foreign.Check(r); err != nil {
		return nil, refuse("cross_origin", "A session is for pages of this server, and of http.cors_origins; a CRM's backend uses an API key.")
	}
	rep, err := s.Store.SessionRep(r.Context(), cookie)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, refuse("missing_credentials", "The session is over. Open a new sign-in link.")
	case err != nil:
		return nil, err
	case !route.session:
		return nil, refuse("insufficient_scope", "A rep's session cannot do this; an API key with the scope %s can.", route.scope)
	}
	return &caller{id: rep.ID, name: rep.Name, rep: &rep}, nil
}

func within(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// clientOf is where a request comes from: the last address that no trusted
// proxy put there.
func (s *Server) clientOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(s.TrustedProxies, addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}
