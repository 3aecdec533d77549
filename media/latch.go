package media

import (
	"net/netip"
	"time"
)

const (
	// probation is how many packets in a row make a stranger's address the far
	// end's: one that answers from behind a NAT sends many, one that guesses
	// cannot.
	probation = 4
	// ssrcQuiet is how long a source must have been silent before another SSRC
	// from its address takes its place.
	ssrcQuiet = 50 * time.Millisecond
)

// verdict is what becomes of a packet.
type verdict uint8

const (
	believed verdict = iota
	onTrial          // may turn out to be the far end's
	stranger         // from an address that is not
	foreign          // from the right address, of a stream that is not
)

// latch decides whose packets to believe. The address of the session
// description is believed at once. With symmetric, another may take its place
// while that has not been heard: a phone behind a NAT (RFC 4961). It is pure.
type latch struct {
	source netip.AddrPort // believed; invalid until the first packet
	ssrc   uint32         // of the stream that is
	fresh  bool           // described since the far end was heard last
	heard  time.Time
	trial  trial

	described netip.AddrPort // from the session description
	symmetric bool
	from      []netip.Prefix // media_from; empty = any
}

// trial is a row of packets that may be the far end's.
type trial struct {
	run  int
	from netip.AddrPort
	ssrc uint32
	seq  uint16
}

// add counts a packet, and returns how many came in a row.
func (t *trial) add(from netip.AddrPort, ssrc uint32, seq uint16) int {
	if from == t.from && ssrc == t.ssrc && seq == t.seq+1 {
		t.run++
	} else {
		t.run = 1
	}
	t.from, t.ssrc, t.seq = from, ssrc, seq
	return t.run
}

// describe takes the address of a new session description. Another one ends the
// belief in the old; the same one lets a phone be learnt anew whose NAT has
// forgotten it.
func (l *latch) describe(addr netip.AddrPort) {
	l.fresh, l.trial = true, trial{}
	if addr != l.described {
		l.described, l.source = addr, netip.AddrPort{}
	}
}

// believe takes one packet that is RTP of a negotiated payload.
func (l *latch) believe(now time.Time, from netip.AddrPort, ssrc uint32, seq uint16) verdict {
	switch {
	case from == l.source && ssrc == l.ssrc:
		l.heard, l.fresh, l.trial.run = now, false, 0
		return believed
	case from == l.source:
		run := l.trial.add(from, ssrc, seq)
		if !l.fresh && (run < 2 || now.Sub(l.heard) < ssrcQuiet) {
			return foreign
		}
	case !l.allowed(from.Addr()):
		return stranger
	case from == l.described:
	case !l.symmetric || l.source.IsValid() && !l.fresh:
		return stranger
	case l.trial.add(from, ssrc, seq) < probation:
		return onTrial
	}
	l.source, l.ssrc, l.heard, l.fresh = from, ssrc, now, false
	return believed
}

// hopeful reports whether a packet from there could be believed.
func (l *latch) hopeful(from netip.AddrPort) bool {
	return from == l.source || l.allowed(from.Addr()) && (from == l.described || l.symmetric && (!l.source.IsValid() || l.fresh))
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
