package dtmf

import (
	"math"
	"time"
)

// interval is one press in media time, from its start to the largest end that was
// reported, whatever packets said so. All arithmetic is modulo 2^32.
type interval struct {
	digit  byte
	rate   int
	ssrc   uint32
	start  uint32 // of the press, in the clock it began in
	origin uint32 // of the press, in the clock of ssrc
	from   uint32 // of its newest segment
	end    uint32
	before uint32 // ticks in the segments before that
	step   uint32 // ticks between packets
	seq    uint16 // of its newest packet
	last   uint16 // duration in it
	first  uint16 // duration in the packet that came first
	seen   time.Time

	ended  bool // a packet said so
	moving bool // its packets are stamped with the time that they were sent
	valid  bool

	// The source it came from before that changed.
	oldSSRC, oldFrom uint32
	moved            bool
}

func begin(r *report) interval {
	return interval{
		digit: r.digit, rate: r.rate, ssrc: r.ssrc, start: r.ts, origin: r.ts, from: r.ts, end: r.ts + uint32(r.duration),
		step: uint32(r.rate / 50), seq: r.seq, last: r.duration, first: r.duration, seen: r.at, ended: r.end, valid: true,
	}
}

// press is what there is to say of the interval.
func (i *interval) press(up bool) Press {
	at := i.start
	if i.rate != rate {
		at = uint32(uint64(at) * rate / uint64(i.rate))
	}
	return Press{Digit: i.digit, Method: MethodEvent, Up: up, At: at, Rate: i.rate, Held: i.held()}
}

func (i *interval) held() time.Duration {
	return time.Duration(i.before+i.end-i.from) * time.Second / time.Duration(i.rate)
}

// covers reports whether r speaks of the same press.
func (i *interval) covers(r *report) bool {
	if i.digit != r.digit || i.rate != r.rate {
		return false
	}
	if r.ssrc != i.ssrc {
		return i.followed(r)
	}
	beyond := int32(r.ts - i.end)
	if int32(r.ts-i.origin) < 0 {
		// Older than all that came: the same if the two touch, or if what came was
		// a restamped end, whose duration tells when it began.
		return int32(r.ts+uint32(r.duration)-i.origin) > 0 || i.restampedFirst(r)
	}
	return beyond <= int32(i.step) || i.restamped(r, beyond) || i.segment(r, beyond)
}

// restamped reports whether r is a packet of this press with a stamp of its own:
// one of a sender that stamps each with the time it is sent at, after losses, or
// a copy of the end.
func (i *interval) restamped(r *report, beyond int32) bool {
	ahead := int16(r.seq - i.seq)
	switch {
	case i.ended:
		return r.end && r.duration == i.last && ahead >= -3 && ahead <= 3 && beyond <= 3*int32(i.step)
	case ahead <= 0 || ahead > 20:
		return false
	default:
		if i.moving && beyond <= int32(ahead)*int32(i.step) {
			return true
		}
		began := r.ts - uint32(r.duration) // if r is a restamped end
		return r.end && r.duration >= i.last && began-i.from+i.step <= 3*i.step
	}
}

// restampedFirst reports whether all that came was restamped ends, of a press that
// r tells the beginning of.
func (i *interval) restampedFirst(r *report) bool {
	return i.ended && r.ts+uint32(i.first)-i.origin+2*i.step <= 2*i.step
}

// segment reports whether r is of the next segment of a key that is held (RFC 4733
// §2.5.2.1): its stamp is where a duration of 0xffff ends, though the packets that
// said so were lost.
func (i *interval) segment(r *report, beyond int32) bool {
	if i.ended || beyond > int32(i.rate/2) {
		return false
	}
	past := (r.ts - i.from) % math.MaxUint16
	return past <= i.step || past >= math.MaxUint16-i.step
}

// followed reports whether r goes on with this press from another source: its
// duration goes on where this one's is, which no new press's does.
func (i *interval) followed(r *report) bool {
	if i.moved && r.ssrc == i.oldSSRC {
		return r.ts == i.oldFrom
	}
	if i.overtook(r) {
		return true
	}
	if i.ended {
		return r.end && r.duration == i.last && r.at.Sub(i.seen) < silenceEnds/3
	}
	grown := int(r.duration) - int(i.last)
	late := r.at.Sub(i.seen)
	return grown >= 0 && uint32(grown) <= uint32(i.rate)/3 && late < 2*silenceEnds &&
		(!r.marker || uint32(r.duration) > 2*i.step)
}

// overtook reports whether r is of the press's beginning, from the source before,
// and was overtaken by the new one's packets.
func (i *interval) overtook(r *report) bool {
	return !i.moved && r.duration < i.first && uint32(i.first) > i.step && r.at.Sub(i.seen) < silenceEnds
}

// extend takes what r knows of the press.
func (i *interval) extend(r *report) {
	if r.ssrc != i.ssrc {
		if i.overtook(r) {
			i.oldSSRC, i.oldFrom, i.moved = r.ssrc, r.ts, true
		}
		if i.moved && r.ssrc == i.oldSSRC {
			return
		}
		i.oldSSRC, i.oldFrom, i.moved = i.ssrc, i.from, true
		i.ssrc, i.origin, i.from, i.end, i.seq = r.ssrc, r.ts, r.ts, r.ts+uint32(i.last), r.seq
	}
	if r.at.After(i.seen) {
		i.seen = r.at
	}
	copied := i.ended && r.end
	if r.end {
		i.ended = true
	} else if int16(r.seq-i.seq) > 0 && int32(r.ts+uint32(r.duration)-i.end) > 0 {
		i.ended = false // the end of a segment, and here is the next
	}
	end := r.ts + uint32(r.duration)
	switch ahead := int16(r.seq - i.seq); {
	case r.ts == i.from:
		if ahead == 1 && r.duration > i.last && uint32(r.duration-i.last) <= uint32(i.rate)*3/50 {
			i.step = max(uint32(i.rate/50), uint32(r.duration-i.last))
		}
	case int32(r.ts-i.from) < 0: // of an earlier segment, or before all that came
		if end = i.end; i.restampedFirst(r) {
			i.start, i.origin, i.from = r.ts, r.ts, r.ts
			end, i.end = r.ts+uint32(i.first), r.ts
		}
	case copied:
		end = i.end
	case r.end && r.ts-uint32(r.duration)-i.from+i.step <= 3*i.step:
		end = i.from + uint32(r.duration) // a restamped end
	case i.moving:
		end = r.ts + min(uint32(r.duration), i.step)
	case r.ts-i.from >= math.MaxUint16-i.step: // the next segment
		i.before += r.ts - i.from
		i.from = r.ts
	default:
		end = r.ts + min(uint32(r.duration), i.step)
		i.moving = true
	}
	if int32(end-i.end) > 0 {
		i.end = end
	}
	if int16(r.seq-i.seq) >= 0 {
		i.seq, i.last = r.seq, r.duration
	}
}
