package media

import (
	"slices"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"tandem/dtmf"
)

// redundant is the payload type by which a far end repeats telephone-events, and
// nothing else, in those that follow (RFC 2198); 0 = it does not.
func (r *remote) redundant(names map[uint8]string, attributes []sdp.Attribute, formats []string) uint8 {
	for _, format := range formats {
		pt, ok := numberOf(format)
		if !ok || !strings.EqualFold(names[pt], "red/8000") || r.event == 0 {
			continue
		}
		blocks := strings.Split(fmtp(attributes, format), "/")
		if !slices.ContainsFunc(blocks, func(block string) bool { of, ok := numberOf(block); return !ok || of != r.event }) {
			return pt
		}
	}
	return 0
}

// key takes a packet that says what key is down.
func (s *Stream) key(now time.Time, h *header, b []byte, what kind) {
	if what == red {
		s.unfold(now, h, b)
	} else {
		s.press(now, h, b)
	}
}

// unfold takes a packet of RFC 2198. What it repeats is heard, for it may have been
// lost; what is new in it goes its way as if it had come alone.
func (s *Stream) unfold(now time.Time, h *header, b []byte) {
	blocks, n := dtmf.Red(b[h.size:], h.ts)
	for i, old := range blocks[:max(n-1, 0)] {
		s.in.report(s.in.keys.Event(now, dtmf.EventPacket{
			PT: old.PT, SSRC: h.ssrc, Seq: h.seq - uint16(n-1-i), Timestamp: old.Timestamp, Payload: old.Payload,
		}, nil))
	}
	if n > 0 && s.in.types[blocks[n-1].PT].kind == event {
		h.pt = blocks[n-1].PT
		s.press(now, h, append(b[:h.size], blocks[n-1].Payload...))
	}
}
