package sip

import (
	"net/netip"
	"slices"
	"sync"
)

const (
	// noncesKept bounds the nonces whose count is remembered.
	noncesKept = 1024
	// enoughMisses is how many calls in a row may find that a nonce of an earlier one
	// does not hold. From then on calls wait for a nonce of their own.
	enoughMisses = 3
)

// nonces are what a server of a trunk has given its calls. A call begins with
// the newest, and need not be challenged; the count of each rises over all calls,
// and no number of it is used twice (RFC 7616 §3.4).
type nonces struct {
	mu     sync.Mutex
	realms []*givenRealm
	all    []*nonce // oldest first
}

// serversKept bounds the servers of a trunk whose nonces are remembered.
const serversKept = 32

// serverNonces are the nonces of each of a trunk's servers: those of one realm need not
// know each other's.
type serverNonces struct {
	mu     sync.Mutex
	server map[netip.AddrPort]*nonces
}

func (s *serverNonces) at(server netip.AddrPort) *nonces {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.server[server]
	if n == nil {
		if s.server == nil || len(s.server) == serversKept { // so many have moved away
			s.server = make(map[netip.AddrPort]*nonces)
		}
		n = new(nonces)
		s.server[server] = n
	}
	return n
}

// space is a realm as one kind of server has it.
type space struct {
	realm string
	proxy bool
}

type givenRealm struct {
	space
	newest *nonce
	misses int // in a row
}

// nonce is one that was given. All but count is never changed.
type nonce struct {
	space
	value, opaque, algorithm, qop string

	count uint32 // nc of the last answer; nonces.mu
}

func (n *nonces) of(s space) *givenRealm {
	i := slices.IndexFunc(n.realms, func(r *givenRealm) bool { return r.space == s })
	if i < 0 {
		if len(n.realms) == realmsLimit {
			n.realms = slices.Delete(n.realms, 0, 1)
		}
		n.realms = append(n.realms, &givenRealm{space: s})
		i = len(n.realms) - 1
	}
	return n.realms[i]
}

// give takes the nonce of a challenge. One that was given before counts on.
func (n *nonces) give(s space, c digestChallenge) *nonce {
	n.mu.Lock()
	defer n.mu.Unlock()
	given := nonce{space: s, value: c.nonce, opaque: c.opaque, algorithm: c.algorithm, qop: c.qop}
	i := slices.IndexFunc(n.all, func(old *nonce) bool { return old.space == s && old.value == c.nonce })
	if i >= 0 {
		given.count = n.all[i].count
		if *n.all[i] == given {
			n.of(s).newest = n.all[i]
			return n.all[i]
		}
		n.all = slices.Delete(n.all, i, i+1) // the same nonce, for another algorithm
	}
	if len(n.all) == noncesKept {
		n.all = slices.Delete(n.all, 0, 1)
	}
	n.all = append(n.all, &given)
	n.of(s).newest = &given
	return &given
}

// borrow returns the nonces that a new call may begin with.
func (n *nonces) borrow() (all []*nonce) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.realms {
		if r.newest != nil && r.misses < enoughMisses {
			all = append(all, r.newest)
		}
	}
	return all
}

// next is the count of another answer.
func (n *nonces) next(of *nonce) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	of.count++
	return of.count
}

// held and missed tell whether a borrowed nonce was taken.
func (n *nonces) held(s space) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of(s).misses = 0
}

func (n *nonces) missed(s space) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of(s).misses++
}

// refused makes the next call wait for a challenge: it is not the nonce that is wrong.
func (n *nonces) refused(s space) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of(s).newest = nil
}
