package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// resolveTTL is how long the addresses of a trunk's name are believed.
	resolveTTL = time.Minute
	// resolveTimeout bounds one look-up: the rep is waiting.
	resolveTimeout = 3 * time.Second
)

// locator finds the addresses of trunks. A literal address asks nobody. Names
// mean their A and AAAA records; SRV, NAPTR and failover between the addresses
// belong here too, and come with routing (RFC 3263).
type locator struct {
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	allow   *allowlist

	mu    sync.Mutex
	cache map[string]located
}

type located struct {
	addrs []netip.Addr
	at    time.Time
}

func newLocator(resolve func(context.Context, string) ([]netip.Addr, error), allow *allowlist) *locator {
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return &locator{resolve: resolve, allow: allow, cache: make(map[string]located)}
}

// hop returns the address a new call on t is pinned to. When the name cannot
// be looked up just now, what was last known of it stands. usable tells which
// addresses we have a socket for.
func (l *locator) hop(ctx context.Context, t *TrunkConfig, usable func(netip.Addr) bool) (netip.AddrPort, error) {
	addrs, err := l.addresses(ctx, t.Host)
	for _, addr := range addrs {
		if usable(addr) {
			return netip.AddrPortFrom(addr, t.port()), nil
		}
	}
	if err == nil {
		err = fmt.Errorf("no usable address among %v", addrs)
	}
	return netip.AddrPort{}, fmt.Errorf("trunk %s: %w: %w", t.Name, ErrUnreachable, err)
}

// addresses resolves a host and lets its addresses through the guard.
func (l *locator) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	l.mu.Lock()
	known := l.cache[host]
	l.mu.Unlock()
	if len(known.addrs) > 0 && time.Since(known.at) < resolveTTL {
		return known.addrs, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := l.resolve(ctx, host)
	if err != nil || len(found) == 0 {
		if err == nil {
			err = fmt.Errorf("%s has no address", host)
		}
		return known.addrs, err
	}
	addrs := make([]netip.Addr, len(found))
	for i, addr := range found {
		addrs[i] = addr.Unmap()
	}
	l.allow.add(addrs...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache[host] = located{addrs: addrs, at: time.Now()}
	return addrs, nil
}

// allowlist is who may send us SIP: the configured prefixes, and every address
// a trunk has had since we started, for a call may still be up on an old one.
type allowlist struct {
	prefixes []netip.Prefix
	mu       sync.Mutex // for writers
	addrs    atomic.Pointer[map[netip.Addr]struct{}]
}

func newAllowlist(prefixes []netip.Prefix) *allowlist {
	a := &allowlist{prefixes: prefixes}
	a.addrs.Store(&map[netip.Addr]struct{}{})
	return a
}

// contains is asked for every datagram: no lock.
func (a *allowlist) contains(addr netip.Addr) bool {
	if _, ok := (*a.addrs.Load())[addr]; ok {
		return true
	}
	for _, prefix := range a.prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

func (a *allowlist) add(addrs ...netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := *a.addrs.Load()
	all := make(map[netip.Addr]struct{}, len(old)+len(addrs))
	for addr := range old {
		all[addr] = struct{}{}
	}
	for _, addr := range addrs {
		all[addr] = struct{}{}
	}
	a.addrs.Store(&all)
}

// port is where the trunk listens.
func (t *TrunkConfig) port() uint16 {
	if t.Port != 0 {
		return t.Port
	}
	return uint16(sipmsg.DefaultUdpPort) // 5060 for UDP and TCP alike (RFC 3261 §19.1.2)
}

// known returns the addresses a host had when it was last asked for.
func (l *locator) known(host string) []netip.Addr {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache[host].addrs
}
