package media

import (
	"net/netip"
)

// Retry makes the stream ready to be offered to another far end of the same
// leg, by another trunk: what the first had said of itself is forgotten. The
// socket, and what is told of the leg in logs, stay.
func (s *Stream) Retry(side Side) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	side.Call, side.Name = s.side.Call, s.side.Name
	s.side = side
	s.ours.addr = netip.AddrPortFrom(side.Address, s.port)
	s.ours.codecs, s.ours.numbers, s.ours.opusFmtp = lawsFirst(side.Codecs), ourNumbers(side), ""
	s.theirs, s.agreed, s.speaks = remote{}, false, false
	s.keys, s.cipher, s.in.cipher = keys{mode: side.SRTP}, nil, nil
	s.to.Store(nil)
	s.in.latch = latch{symmetric: s.pool.cfg.Symmetric, from: side.From}
	s.in.told, s.in.waiting = netip.AddrPort{}, waiting{}
	s.in.expect(numbers{})
}
