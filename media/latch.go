package media

import "net/netip"

// probation is how many packets in a row make a stranger's address the far
// end's: one that answers from behind a NAT sends many, one that guesses cannot.
const probation = 4

// latch decides whose packets to believe. The address of the session
// description is believed at once. With symmetric, another may take its place
// while that has not been heard: a phone behind a NAT (RFC 4961). It is pure.
type latch struct {
	symmetric bool
	from      []netip.Prefix // media_from; empty = any

	described netip.AddrPort // from the session description
	source    netip.AddrPort // believed; invalid until the first packet
	candidate netip.AddrPort
	ssrc      uint32
	seq       uint16
	run       int
}

// describe takes the address of a new session description. Whoever was believed
// is, until packets come from there.
func (l *latch) describe(addr netip.AddrPort) {
	if addr == l.described {
		return
	}
	l.described, l.candidate, l.run = addr, netip.AddrPort{}, 0
	l.source = netip.AddrPort{}
}

// believe takes one packet's source and reports whether it is the far end.
func (l *latch) believe(from netip.AddrPort, ssrc uint32, seq uint16) bool {
	switch {
	case from == l.source:
		return true
	case !l.allowed(from.Addr()):
		return false
	case from == l.described:
		l.source = from
		return true
	case !l.symmetric || l.source.IsValid():
		return false
	}
	if from == l.candidate && ssrc == l.ssrc && seq == l.seq+1 {
		l.run++
	} else {
		l.run = 1
	}
	l.candidate, l.ssrc, l.seq = from, ssrc, seq
	if l.run < probation {
		return false
	}
	l.source = from
	return true
}

// target is where to send: to who is heard, else to who was described.
func (l *latch) target() netip.AddrPort {
	if l.source.IsValid() {
		return l.source
	}
	return l.described
}

func (l *latch) allowed(addr netip.Addr) bool {
	for _, prefix := range l.from {
		if prefix.Contains(addr) {
			return true
		}
	}
	return len(l.from) == 0
}
