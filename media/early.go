package media

import (
	"net/netip"
	"slices"
	"time"
)

// maxHeld is how many packets are kept for a far end that is not described yet:
// 320 ms of sound, longer than any answer takes from the wire to its Accept.
const maxHeld = 16

// heldPacket is one whose sender may yet turn out to be the far end. Sound
// overtakes signalling: the first word is often here before the 200 that says
// whence it comes (RFC 3264 §5.1 wants the offerer ready for it).
type heldPacket struct {
	from   netip.AddrPort
	octets []byte
}

// hold keeps a packet while nobody is described, the newest maxHeld of them.
func (in *inbound) hold(b []byte, from netip.AddrPort) {
	if in.latch.described.IsValid() || !in.latch.allowed(from.Addr()) {
		return
	}
	if len(in.held) == maxHeld {
		in.held = slices.Delete(in.held, 0, 1)
	}
	in.held = append(in.held, heldPacket{from, slices.Clone(b)})
}

// releaseHeld lets through what came from the far end before it was known to be
// that, in the order it came, and forgets the rest. The caller has inMu.
func (s *Stream) releaseHeld(now time.Time, from netip.AddrPort) {
	in := &s.in
	held := in.held
	in.held = nil
	for _, p := range held {
		start, err := in.header.Unmarshal(p.octets)
		if err == nil && p.from == from && in.latch.believe(from, in.header.SSRC, in.header.SequenceNumber) {
			s.believed(now, p.octets[start:])
		}
	}
}
