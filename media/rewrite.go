package media

import "time"

// jumpAhead is how many packets a source may skip before it counts as a new one.
const jumpAhead = 3000

// line is the one RTP stream a leg hears from us: whatever its packets come
// from, they have our SSRC (the Stream's), and their sequence and timestamps go on. It is pure.
type line struct {
	started bool
	seq     uint16 // highest sent
	ts      uint32 // of it
	at      time.Time
	quiet   bool // the next packet begins a talk spurt

	source    uint32 // SSRC that is relayed, if relaying
	relaying  bool
	sourceSeq uint16 // its highest
	seqOffset uint16
	tsOffset  uint32
}

// now is the timestamp a packet sent at t has: elapsed time makes it up, so that
// a pause between sources is one of silence.
func (l *line) now(t time.Time) uint32 {
	elapsed := uint32(t.Sub(l.at).Milliseconds()) * 8
	return l.ts + max(elapsed, frameSamples)
}

// own places the next packet of our own sound.
func (l *line) own(t time.Time) (seq uint16, ts uint32, marker bool) {
	marker = !l.started || l.relaying || l.quiet
	if l.started {
		next := l.ts + frameSamples
		if late := l.now(t); marker || int32(late-next) > 2*frameSamples {
			next, marker = late, true
		}
		l.seq++
		l.ts = next
	}
	l.started, l.relaying, l.quiet, l.at = true, false, false, t
	return l.seq, l.ts, marker
}

// relay places a packet of another stream. What is lost there is missing here.
func (l *line) relay(t time.Time, ssrc uint32, seq uint16, ts uint32, mark bool) (outSeq uint16, outTS uint32, marker bool) {
	ahead := int16(seq - l.sourceSeq)
	if !l.relaying || ssrc != l.source || ahead > jumpAhead || ahead < -jumpAhead {
		l.anchor(t, ssrc, seq, ts)
		mark, ahead = true, 0
	}
	outSeq, outTS = seq+l.seqOffset, ts+l.tsOffset
	if ahead >= 0 {
		l.sourceSeq, l.seq, l.ts, l.at = seq, outSeq, outTS, t
	}
	return outSeq, outTS, mark
}

// anchor makes (seq, ts) of a source follow what was sent last.
func (l *line) anchor(t time.Time, ssrc uint32, seq uint16, ts uint32) {
	nextSeq, nextTS := l.seq, l.ts
	if l.started {
		nextSeq, nextTS = l.seq+1, l.now(t)
	}
	l.seqOffset, l.tsOffset = nextSeq-seq, nextTS-ts
	l.source, l.sourceSeq, l.relaying, l.started, l.quiet = ssrc, seq, true, true, false
}
