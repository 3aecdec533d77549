package media

import (
	"net/netip"
	"time"
)

const (
	heldPackets = 16                     // of one stream
	heldOctets  = 512                    // of a packet; longer ones are not held
	heldFor     = 500 * time.Millisecond // older sound would only be late
)

// waiting keeps the packets that came before it was known whether they are the
// far end's: those that overtook the answer, and those of a phone behind a NAT.
// They are passed on once it is known, so that no first word is lost.
type waiting struct {
	n     int
	next  int          // where the next one goes
	slots []heldPacket // nil until needed
}

type heldPacket struct {
	at     time.Time
	from   netip.AddrPort
	opened bool // not SRTP, or deciphered
	size   int
	data   [heldOctets]byte
}

// keep copies a packet; it reports whether one was dropped for it, or it itself.
func (w *waiting) keep(now time.Time, from netip.AddrPort, b []byte, opened bool) (dropped bool) {
	if len(b) > heldOctets {
		return true
	}
	if w.slots == nil {
		w.slots = make([]heldPacket, heldPackets)
	}
	slot := &w.slots[w.next]
	slot.at, slot.from, slot.opened, slot.size = now, from, opened, copy(slot.data[:], b)
	w.next = (w.next + 1) % heldPackets
	dropped = w.n == heldPackets
	w.n = min(w.n+1, heldPackets)
	return dropped
}

// release gives what is not too old back, oldest first, and is empty then.
func (w *waiting) release(now time.Time, each func(*heldPacket)) {
	slots, first, n := w.slots, w.next-w.n+heldPackets, w.n
	*w = waiting{}
	for i := range n {
		if p := &slots[(first+i)%heldPackets]; now.Sub(p.at) <= heldFor {
			each(p)
		}
	}
}
