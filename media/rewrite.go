package media

import (
	"math/rand/v2"
	"time"
)

const (
	jumpAhead = 3000 // packets a source may skip before it counts as a new one
	window    = 64   // packets a late one may come behind
	// restamp is how far a source's timestamps may run ahead of the time that
	// passed before they count as set anew, in seconds.
	restamp = 5
	// longestEvent is how long a press is at most, in ticks: an RFC 4733 duration
	// has 16 bits.
	longestEvent = 1 << 16
)

// line is the one RTP stream a leg hears from us: whatever its packets come
// from, they have our SSRC, no number is sent twice, and none that is older than
// what followed it. It is pure.
type line struct {
	rate    uint32 // of its timestamps, Hz
	ssrc    uint32
	started bool
	seq     uint16    // highest sent
	ts      uint32    // highest timestamp sent …
	at      time.Time // … and when that was sent first
	quiet   bool      // the next packet begins a talk spurt

	packets, octets uint64 // that were sent, of payload

	relaying  bool
	source    uint32 // SSRC that is relayed
	sourceSeq uint16 // its highest
	sourceTS  uint32 // of its newest sound
	floor     uint16 // its first packet that has a place here
	seen      uint64 // which of it and the 63 before it had one; bit 0 is sourceSeq
	seqOffset uint16 // ours less the source's
	tsOffset  uint32
	back      uint16 // the packet far behind that came last, plus one
}

// newLine begins anywhere (RFC 3550 §5.1).
func newLine(rate uint32) line {
	return line{rate: rate, ssrc: rand.Uint32(), seq: uint16(rand.Uint32() >> 1), ts: rand.Uint32()}
}

// count adds packets that were sent, and octets of their payload.
func (l *line) count(packets, octets uint64) {
	l.packets += packets
	l.octets += octets
}

// rest is for a line that gives way to another.
func (l *line) rest() { l.relaying, l.quiet = false, true }

// now is the timestamp a packet sent at t has: elapsed time makes it up, so that
// a pause between sources is one of silence.
func (l *line) now(t time.Time) uint32 {
	return l.ts + max(l.ticks(t.Sub(l.at)), l.frame())
}

// ticks in d, which counts as none when it is negative.
func (l *line) ticks(d time.Duration) uint32 {
	return uint32(max(d, 0).Microseconds() * int64(l.rate/1000) / 1000)
}

// frame is 20 ms, ticks.
func (l *line) frame() uint32 { return l.rate / 50 }

// own places the next packet of our own sound.
func (l *line) own(t time.Time) (seq uint16, ts uint32, marker bool) {
	marker = !l.started || l.relaying || l.quiet
	if l.started {
		next := l.ts + l.frame()
		if late := l.now(t); marker || int32(late-next) > int32(2*l.frame()) {
			next, marker = late, true
		}
		l.seq++
		l.ts = next
	}
	l.started, l.relaying, l.quiet, l.at = true, false, false, t
	return l.seq, l.ts, marker
}

// relay places a packet of another stream. What is lost there is missing here.
// ok is false for one that must not be sent: a copy, or one from before the
// place where its source joined. event is set for a telephone-event, whose
// timestamp is that of its beginning.
func (l *line) relay(t time.Time, h *header, event bool) (seq uint16, ts uint32, marker, ok bool) {
	marker = h.marker
	if !l.relaying || h.ssrc != l.source || l.restamped(t, h, event) {
		l.anchor(t, h)
		return h.seq + l.seqOffset, h.ts + l.tsOffset, true, true
	}
	switch ahead := int(int16(h.seq - l.sourceSeq)); {
	case max(ahead, -ahead) > jumpAhead, ahead <= -window && h.seq == l.back:
		l.anchor(t, h) // it has begun anew (RFC 3550 §A.1)
		marker = true
	case ahead > 0:
		l.seen = l.seen<<ahead | 1
		l.sourceSeq = h.seq
		if int16(l.sourceSeq-l.floor) > window {
			l.floor = l.sourceSeq - window // so that it stays behind when numbers wrap
		}
		if !event {
			l.sourceTS = h.ts
		}
	case ahead <= -window:
		l.back = h.seq + 1
		return 0, 0, false, false
	default:
		bit := uint64(1) << -ahead
		if l.seen&bit != 0 || int16(h.seq-l.floor) < 0 {
			return 0, 0, false, false
		}
		l.seen |= bit
	}
	seq, ts = h.seq+l.seqOffset, h.ts+l.tsOffset
	l.sent(t, seq, ts)
	return seq, ts, marker, true
}

// restamped reports whether a source's clock has been set anew.
func (l *line) restamped(t time.Time, h *header, event bool) bool {
	if int16(h.seq-l.sourceSeq) <= 0 {
		return false
	}
	by := int32(h.ts - l.sourceTS)
	ahead := int32(restamp * l.rate)
	if event { // whose timestamp lies behind the sound by its length
		return by < -longestEvent-int32(l.rate) || by > ahead
	}
	return by < 0 || by > ahead && by-int32(l.ticks(t.Sub(l.at))) > ahead
}

// sent notes the highest of what has been sent.
func (l *line) sent(t time.Time, seq uint16, ts uint32) {
	if int16(seq-l.seq) > 0 {
		l.seq = seq
	}
	if int32(ts-l.ts) > 0 {
		l.ts, l.at = ts, t
	}
}

// anchor makes a packet of a source follow what was sent last.
func (l *line) anchor(t time.Time, h *header) {
	seq, ts := l.seq, l.ts
	if l.started {
		seq, ts = l.seq+1, l.now(t)
	}
	l.seqOffset, l.tsOffset = seq-h.seq, ts-h.ts
	l.source, l.sourceSeq, l.sourceTS, l.floor, l.seen = h.ssrc, h.seq, h.ts, h.seq, 1
	l.relaying, l.started, l.quiet, l.back = true, true, false, h.seq
	l.seq, l.ts, l.at = seq, ts, t
}

// skip takes the source's next packet out, so that it does not look lost.
func (l *line) skip(h *header) {
	if l.relaying && h.ssrc == l.source && h.seq == l.sourceSeq+1 {
		l.sourceSeq = h.seq
		l.shift(^uint16(0))
	}
}

// insert returns the number of a packet of ours among those that are relayed.
func (l *line) insert() uint16 {
	l.seq++
	l.shift(1)
	return l.seq
}

// shift moves what the source sends from now on; what it sent before has no
// place any more.
func (l *line) shift(by uint16) {
	l.seqOffset += by
	l.floor, l.seen = l.sourceSeq+1, ^uint64(0)
}
