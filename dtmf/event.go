package dtmf

import (
	"encoding/binary"
	"time"
)

const (
	eventBytes = 4
	// silenceEnds is how long a press lives without a packet: three are lost.
	silenceEnds = 150 * time.Millisecond
	// slack is how far the intervals of one press may stray apart in media
	// time: senders restamp ends, and round to packets.
	slack = 40 * time.Millisecond
	// remembered finished presses shield from late copies of their packets.
	remembered = 4
	// forget is when copies can no longer come and timestamps may wrap.
	forget = 5 * time.Second
)

// AppendEvent appends a telephone-event payload (RFC 4733 §2.3). volume is in
// -dBm0, 0 to 63; duration in units of the RTP clock.
func AppendEvent(dst []byte, digit byte, end bool, volume uint8, duration uint16) []byte {
	code, _ := Code(digit)
	flags := volume & 0x3f
	if end {
		flags |= 0x80
	}
	return binary.BigEndian.AppendUint16(append(dst, code, flags), duration)
}

// ParseEvent reads a telephone-event payload. ok is false for one that is too
// short or not a key.
func ParseEvent(payload []byte) (digit byte, end bool, duration uint16, ok bool) {
	if len(payload) < eventBytes {
		return 0, false, 0, false
	}
	digit, ok = Digit(payload[0])
	return digit, payload[1]&0x80 != 0, binary.BigEndian.Uint16(payload[2:]), ok
}

// interval is one press in media time: [start, end) of an RTP clock.
type interval struct {
	digit      byte
	ssrc       uint32
	start, end uint32
	rate       int
	first      uint32 // timestamp of its first packet, for segments and Held
	seen       time.Time
	open       bool // down has been reported, up has not
	valid      bool
}

// eventLine makes presses of telephone-event packets.
type eventLine struct {
	now  interval // the press under way
	past [remembered]interval
	next int // in past
}

// packet places one packet in media time. It belongs to the press under way, to
// one that is over, or begins a new one.
func (l *eventLine) packet(arrived time.Time, p EventPacket, rate int) (out burst) {
	digit, end, duration, ok := ParseEvent(p.Payload)
	if !ok || rate <= 0 {
		return out
	}
	got := interval{
		digit: digit, ssrc: p.SSRC, rate: rate, seen: arrived, valid: true,
		start: p.Timestamp, first: p.Timestamp, end: p.Timestamp + uint32(duration),
	}
	for i := range l.past {
		if l.past[i].covers(got, arrived) {
			l.past[i].extend(got)
			return out // a late copy
		}
	}
	if l.now.open && l.now.covers(got, arrived) {
		l.now.extend(got)
		l.now.seen = arrived
	} else {
		if l.now.open {
			l.close(&out)
		}
		l.now = got
		l.now.open = true
		out.add(Press{Digit: digit, Method: MethodEvent, At: l.at(got.start), Held: l.now.held()})
	}
	if end {
		l.close(&out)
	}
	return out
}

func (l *eventLine) idle(now time.Time) (out burst) {
	if l.now.open && now.Sub(l.now.seen) >= silenceEnds {
		l.close(&out)
	}
	return out
}

func (l *eventLine) close(out *burst) {
	l.now.open = false
	l.past[l.next] = l.now
	l.next = (l.next + 1) % remembered
	out.add(Press{Digit: l.now.digit, Method: MethodEvent, Up: true, At: l.at(l.now.first), Held: l.now.held()})
	l.now.valid = false
}

// at converts a timestamp to 8 kHz where the clock is another.
func (l *eventLine) at(ts uint32) uint32 {
	if l.now.rate == 8000 {
		return ts
	}
	return uint32(uint64(ts) * 8000 / uint64(l.now.rate))
}

// covers reports whether got is a packet of the same press: the same digit from
// the same source, at a start inside the press, or right at its end (the next
// segment of a long one, RFC 4733 §2.5.2.1; a restamped end packet).
func (i *interval) covers(got interval, now time.Time) bool {
	if !i.valid || i.digit != got.digit || i.ssrc != got.ssrc || now.Sub(i.seen) > forget {
		return false
	}
	margin := int32(slack.Seconds() * float64(i.rate))
	afterStart := int32(got.start - i.start)
	beyondEnd := int32(got.start - i.end)
	if i.open {
		return afterStart >= -margin && beyondEnd <= margin
	}
	// Over: a new press may follow 40 ms after this one, so only what began
	// with it, or ends where it did, is a copy.
	sameEnd := int32(got.end - i.end)
	return afterStart >= -margin && beyondEnd < 0 || afterStart > 0 && abs(sameEnd) <= margin && beyondEnd <= 0
}

// extend takes what got knows of the press.
func (i *interval) extend(got interval) {
	if int32(got.end-i.end) > 0 {
		i.end = got.end
	}
}

func (i *interval) held() time.Duration {
	return time.Duration(i.end-i.first) * time.Second / time.Duration(i.rate)
}

func abs(n int32) int32 {
	if n < 0 {
		return -n
	}
	return n
}
