package scan

import (
	"encoding/binary"
	"time"

	"tandem/dtmf"
)

// packet is one RTP packet (RFC 3550 §5.1).
type packet struct {
	at      time.Time
	pt      uint8
	marker  bool
	seq     uint16
	ts      uint32
	ssrc    uint32
	payload []byte
}

// parseRTP reads a datagram that may be RTP. RTCP's types are refused (RFC 5761 §4).
func parseRTP(b []byte) (p packet, ok bool) {
	if len(b) < 12 || b[0]>>6 != 2 || b[1] >= 192 && b[1] <= 223 {
		return p, false
	}
	p = packet{
		pt: b[1] & 0x7f, marker: b[1]&0x80 != 0, seq: binary.BigEndian.Uint16(b[2:]),
		ts: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:]),
	}
	start := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // a header extension
		if len(b) < start+4 {
			return p, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[len(b)-1])
	}
	if start > end {
		return p, false
	}
	p.payload = append([]byte(nil), b[start:end]...)
	return p, true
}

// onlyRTP returns a flow's packets if it is one of RTP: most sources count their
// packets up, or all that there is looks like telephone-events.
func onlyRTP(packets []packet) []packet {
	newest := make(map[uint32]uint16)
	steps, known, events := 0, 0, 0
	for _, p := range packets {
		if last, seen := newest[p.ssrc]; seen {
			known++
			if d := int16(p.seq - last); d > -100 && d < 100 {
				steps++
			}
		}
		newest[p.ssrc] = p.seq
		if isEvent(p.payload) {
			events++
		}
	}
	if events == len(packets) || known > 0 && 2*known >= len(packets) && 10*steps >= 9*known {
		return packets
	}
	return nil
}

// isEvent reports whether a payload has the shape of telephone-events.
func isEvent(payload []byte) bool {
	if len(payload) == 0 || len(payload)%4 != 0 || len(payload) > 64 {
		return false
	}
	for ; len(payload) > 0; payload = payload[4:] {
		if _, ok := dtmf.Digit(payload[0]); !ok || payload[1]&0x40 != 0 {
			return false
		}
	}
	return true
}
