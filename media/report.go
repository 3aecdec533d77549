package media

import "encoding/binary"

// RTCP packet types (RFC 3550 §12.1).
const (
	rtcpSR   = 200
	rtcpRR   = 201
	rtcpSDES = 202
	rtcpBYE  = 203
)

// Octets of RTCP's parts (RFC 3550 §6.4).
const (
	rtcpHeader   = 4 + 4 // with the sender's SSRC
	senderOctets = 20
	blockOctets  = 24
)

// report is what a leg's RTCP says: an SR or an RR, the CNAME, and perhaps BYE.
// It is pure, and is made and read without allocation.
type report struct {
	ssrc   uint32
	sends  bool // something was sent since the last one: an SR
	sender sender
	hears  bool // there is a block
	block  block
	cname  string
	bye    bool
}

// sender is what an SR says of what was sent.
type sender struct {
	ntp             uint64
	ts              uint32
	packets, octets uint32
}

// block is what was heard of one source.
type block struct {
	ssrc     uint32
	fraction uint8  // lost since the report before, 256ths
	lost     uint32 // of all, 24 bits; from 2^23 on it is negative
	highest  uint32 // sequence number, with its wraps
	jitter   uint32 // ticks
	last     uint32 // the middle of the NTP time of the source's last SR …
	delay    uint32 // … and how long ago that came, 65536ths of a second
}

// append writes the report, as one compound packet (RFC 3550 §6.1).
func (r *report) append(b []byte) []byte {
	kind, octets := uint8(rtcpRR), rtcpHeader
	if r.sends {
		kind, octets = rtcpSR, octets+senderOctets
	}
	blocks := uint8(0)
	if r.hears {
		blocks, octets = 1, octets+blockOctets
	}
	b = appendRTCP(b, blocks, kind, octets, r.ssrc)
	if r.sends {
		b = binary.BigEndian.AppendUint64(b, r.sender.ntp)
		b = binary.BigEndian.AppendUint32(b, r.sender.ts)
		b = binary.BigEndian.AppendUint32(b, r.sender.packets)
		b = binary.BigEndian.AppendUint32(b, r.sender.octets)
	}
	if r.hears {
		b = r.block.append(b)
	}
	const cname = 1
	octets = (rtcpHeader + 2 + len(r.cname) + 4) &^ 3 // ended by one to four zeros
	b = appendRTCP(b, 1, rtcpSDES, octets, r.ssrc)
	b = append(append(b, cname, uint8(len(r.cname))), r.cname...)
	for n := rtcpHeader + 2 + len(r.cname); n < octets; n++ {
		b = append(b, 0)
	}
	if r.bye {
		b = appendRTCP(b, 1, rtcpBYE, rtcpHeader, r.ssrc)
	}
	return b
}

func appendRTCP(b []byte, count, kind uint8, octets int, ssrc uint32) []byte {
	b = append(b, 0x80|count, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(octets/4-1))
	return binary.BigEndian.AppendUint32(b, ssrc)
}

func (k *block) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, k.ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(k.fraction)<<24|k.lost&0xffffff)
	b = binary.BigEndian.AppendUint32(b, k.highest)
	b = binary.BigEndian.AppendUint32(b, k.jitter)
	b = binary.BigEndian.AppendUint32(b, k.last)
	return binary.BigEndian.AppendUint32(b, k.delay)
}

// rtcpPacket is one packet of a compound one, as it came.
type rtcpPacket struct {
	kind, count uint8
	body        []byte // after the first word
}

// nextRTCP splits the first packet off a datagram; ok is false where it is not
// as long as it says, or as its kind must be.
func nextRTCP(b []byte) (p rtcpPacket, rest []byte, ok bool) {
	if len(b) < 4 || b[0]>>6 != 2 {
		return p, nil, false
	}
	size := 4 * (1 + int(binary.BigEndian.Uint16(b[2:])))
	if size > len(b) {
		return p, nil, false
	}
	p = rtcpPacket{b[1], b[0] & 0x1f, b[4:size]}
	least := 0
	switch p.kind {
	case rtcpSR:
		least = 4 + senderOctets + blockOctets*int(p.count)
	case rtcpRR:
		least = 4 + blockOctets*int(p.count)
	}
	return p, b[size:], len(p.body) >= least
}

// isReports reports whether a datagram is RTCP throughout.
func isReports(b []byte) bool {
	ok := len(b) > 0
	for ok && len(b) > 0 {
		_, b, ok = nextRTCP(b)
	}
	return ok
}

// source is who sent an SR or RR.
func (p rtcpPacket) source() uint32 { return binary.BigEndian.Uint32(p.body) }

// sent is the NTP time of an SR.
func (p rtcpPacket) sent() uint64 { return binary.BigEndian.Uint64(p.body[4:]) }

// block is one of an SR's or RR's, from 0 to count-1.
func (p rtcpPacket) block(i int) block {
	b := p.body[4+blockOctets*i:]
	if p.kind == rtcpSR {
		b = b[senderOctets:]
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	return block{
		ssrc: word(0), fraction: b[4], lost: word(1) & 0xffffff, highest: word(2),
		jitter: word(3), last: word(4), delay: word(5),
	}
}
