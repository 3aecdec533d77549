package media

import "encoding/binary"

const (
	maxPacket   = 1500 // octets
	usualPacket = 640  // octets of 60 ms of G.711, with room to spare
	rtpHeader   = 12   // octets of a header without CSRCs and extension
)

// header is what of an RTP header is used (RFC 3550 §5.1).
type header struct {
	marker bool
	pt     uint8
	seq    uint16
	ts     uint32
	ssrc   uint32
	size   int // octets before the payload
}

// parseRTP reads a packet; payload is a part of b without its padding. ok is
// false for one that is not RTP version 2, or shorter than it says.
//
//	 0                   1                   2                   3
//	|V=2|P|X|  CC   |M|     PT      |       sequence number         |
//	|                           timestamp                           |
//	|                             SSRC                              |
func parseRTP(b []byte) (h header, payload []byte, ok bool) {
	if len(b) < rtpHeader || b[0]>>6 != 2 {
		return h, nil, false
	}
	h = header{
		marker: b[1]&0x80 != 0, pt: b[1] & 0x7f, seq: binary.BigEndian.Uint16(b[2:]),
		ts: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:]),
		size: rtpHeader + 4*int(b[0]&0x0f),
	}
	if b[0]&0x10 != 0 { // an extension, its length in words (§5.3.1)
		if len(b) < h.size+4 {
			return h, nil, false
		}
		h.size += 4 + 4*int(binary.BigEndian.Uint16(b[h.size+2:]))
	}
	if len(b) < h.size {
		return h, nil, false
	}
	payload = b[h.size:]
	if b[0]&0x20 != 0 { // padding; its last octet counts itself
		n := 0
		if len(payload) > 0 {
			n = int(payload[len(payload)-1])
		}
		if n == 0 || n > len(payload) {
			return h, nil, false
		}
		payload = payload[:len(payload)-n]
	}
	return h, payload, true
}

// isRTCP tells RTCP from RTP on one port (RFC 5761 §4).
func isRTCP(b []byte) bool { return len(b) >= 8 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223 }
