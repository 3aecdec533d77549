package sip

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

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
	news := false
	for _, addr := range addrs {
		_, known := old[addr]
		news = news || !known
	}
	if !news {
		return
	}
	all := make(map[netip.Addr]struct{}, len(old)+len(addrs))
	for addr := range old {
		all[addr] = struct{}{}
	}
	for _, addr := range addrs {
		all[addr] = struct{}{}
	}
	a.addrs.Store(&all)
}
