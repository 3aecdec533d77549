package test

import (
	"net/netip"
	"time"
)

// NAT rewrites addresses as a router at home or in an office does: a socket
// inside gets one public port for all it talks to (RFC 4787 REQ-1), and is
// reached there only by whom it has lately sent to (address- and port-dependent
// filtering, the strictest of §5).
type NAT struct {
	Public netip.Addr
	Idle   time.Duration // a binding nobody sent through for so long is closed; 0 = never

	next   uint16
	ports  map[netip.AddrPort]uint16 // inside → public port
	inside map[uint16]netip.AddrPort
	sent   map[link]time.Time // inside → outside
}

// NAT puts the sockets of an address behind a public one. It is called before
// they open.
func (n *Network) NAT(inside, public netip.Addr, idle time.Duration) *NAT {
	nat := &NAT{Public: public, Idle: idle, next: 50000, ports: make(map[netip.AddrPort]uint16),
		inside: make(map[uint16]netip.AddrPort), sent: make(map[link]time.Time)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nats[inside], n.nats[public] = nat, nat
	return nat
}

// Rebind forgets every binding, as a router does that restarts: what is sent
// next comes from new ports.
func (n *Network) Rebind(nat *NAT) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(nat.ports)
	clear(nat.inside)
	clear(nat.sent)
}

// translate is whom the far end sees, and where a datagram ends up.
func (n *Network) translate(from, to netip.AddrPort, now time.Time) (source, dest netip.AddrPort) {
	if nat := n.nats[from.Addr()]; nat != nil && nat == n.nats[to.Addr()] && to.Addr() != nat.Public {
		return from, to // neighbours
	}
	source = n.leave(from, to, now)
	return source, n.enter(source, to, now)
}

// leave is the source that the far end sees.
func (n *Network) leave(from, to netip.AddrPort, now time.Time) netip.AddrPort {
	nat := n.nats[from.Addr()]
	if nat == nil || from.Addr() == nat.Public {
		return from
	}
	port, bound := nat.ports[from]
	if !bound {
		nat.next++
		port = nat.next
		nat.ports[from], nat.inside[port] = port, from
	}
	nat.sent[link{from, to}] = now
	return netip.AddrPortFrom(nat.Public, port)
}

// enter is where a datagram ends up. Zero is nowhere: the NAT knows nobody who
// waits for it, or the address is behind one and cannot be reached.
func (n *Network) enter(from, to netip.AddrPort, now time.Time) netip.AddrPort {
	nat := n.nats[to.Addr()]
	switch {
	case nat == nil:
		return to
	case to.Addr() != nat.Public:
		return netip.AddrPort{}
	}
	inside, bound := nat.inside[to.Port()]
	seen, asked := nat.sent[link{inside, from}]
	if !bound || !asked || nat.Idle > 0 && now.Sub(seen) > nat.Idle {
		return netip.AddrPort{}
	}
	return inside
}
