package dtmf

import (
	"encoding/binary"
	"time"
)

const (
	eventBytes = 4
	maxReports = 8 // in a packet; more is no phone's
	// silenceEnds is how long a press lives without a packet: three are lost.
	silenceEnds = 150 * time.Millisecond
	// remembered finished presses shield from late copies of their packets.
	remembered = 12
	// forget is when copies can no longer come and timestamps may wrap.
	forget = 30 * time.Second
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

// report is one telephone-event of a packet.
type report struct {
	digit    byte
	end      bool
	marker   bool
	duration uint16
	ts       uint32
	ssrc     uint32
	seq      uint16
	rate     int
	at       time.Time
}

// eventLine makes presses of telephone-event packets.
type eventLine struct {
	open interval // the press under way, if valid
	past [remembered]interval
	next int // in past
	// moving is what the sender was seen to do: a stamp of its own in each packet.
	moving bool
}

// packet takes one packet. Several reports in it follow each other in time (RFC
// 4733 §2.5.1.5); a code that is no key still takes its time.
func (l *eventLine) packet(at time.Time, p *EventPacket, rate int, out *burst) {
	if rate <= 0 {
		return
	}
	ts, payload := p.Timestamp, p.Payload
	for n := 0; len(payload) >= eventBytes && n < maxReports; n++ {
		digit, end, duration, ok := ParseEvent(payload)
		if ok {
			l.report(report{
				digit: digit, end: end, marker: p.Marker && n == 0, duration: duration,
				ts: ts, ssrc: p.SSRC, seq: p.Seq, rate: rate, at: at,
			}, out)
		}
		ts += uint32(duration)
		payload = payload[eventBytes:]
	}
}

// report places one report in media time. It belongs to the press under way, to
// one that is over, or begins a new one.
func (l *eventLine) report(r report, out *burst) {
	if l.open.valid && l.open.covers(&r) {
		l.open.extend(&r)
		l.moving = l.moving || l.open.moving
		if r.end {
			l.close(out)
		}
		return
	}
	for i := range l.past {
		if p := &l.past[i]; p.valid && r.at.Sub(p.seen) < forget && p.covers(&r) {
			p.extend(&r)
			return // a late copy
		}
	}
	if r.duration == 0 {
		return // says nothing yet
	}
	fresh := begin(&r)
	fresh.moving = l.moving
	if l.open.valid && r.ssrc == l.open.ssrc && r.rate == l.open.rate && int32(r.ts+uint32(r.duration)-l.open.from) <= 0 {
		// All of an earlier press that ever came, overtaken by a later one.
		out.add(fresh.press(false))
		out.add(fresh.press(true))
		l.keep(fresh)
		return
	}
	l.close(out)
	l.open = fresh
	out.add(fresh.press(false))
	if r.end {
		l.close(out)
	}
}

// idle ends a press whose packets have stopped.
func (l *eventLine) idle(now time.Time, out *burst) {
	if l.open.valid && now.Sub(l.open.seen) >= silenceEnds {
		l.close(out)
	}
}

func (l *eventLine) close(out *burst) {
	if !l.open.valid {
		return
	}
	out.add(l.open.press(true))
	l.keep(l.open)
	l.open.valid = false
}

func (l *eventLine) keep(i interval) {
	l.past[l.next] = i
	l.next = (l.next + 1) % remembered
}
