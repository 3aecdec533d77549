package api

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"tandem/store"
)

// caller is who sent a request: an API key.
type caller struct {
	id   string // of the key
	name string
	key  *store.Key
}

func (c *caller) allows(scope string) bool { return c.key.Allows(scope) }

// authenticate finds the key a request was sent with.
func (s *Server) authenticate(r *http.Request) (*caller, error) {
	plain, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if user, _, basic := r.BasicAuth(); !ok && basic {
		plain, ok = user, true
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
	return &caller{id: key.ID, name: key.Name, key: &key}, nil
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
