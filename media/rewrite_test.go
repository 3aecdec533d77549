package media

import (
	"testing"
	"time"
)

// place is where a line puts a packet; ok is false for none.
type place struct {
	seq    uint16
	ts     uint32
	marker bool
	ok     bool
}

func ownPlace(seq uint16, ts uint32, marker bool) place { return place{seq, ts, marker, true} }

func (l *line) of(t time.Time, ssrc uint32, seq uint16, ts uint32) (p place) {
	p.seq, p.ts, p.marker, p.ok = l.relay(t, &header{ssrc: ssrc, seq: seq, ts: ts}, false)
	return p
}

func TestLineGoesOnAcrossSources(t *testing.T) {
	start := time.Unix(1000, 0)
	l := line{rate: sampleRate, seq: 65534, ts: 0xffffff00} // both counters wrap on the way
	ms := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }
	got := []place{
		ownPlace(l.own(ms(0))),
		ownPlace(l.own(ms(20))),
		l.of(ms(60), 7, 500, 9000),
		l.of(ms(80), 7, 501, 9160),
		l.of(ms(120), 7, 503, 9480), // 502 is lost …
		l.of(ms(121), 7, 502, 9320), // … or late
		l.of(ms(122), 7, 502, 9320), // and comes twice
		l.of(ms(123), 7, 499, 8840), // from before it joined: our own packet has that number
		l.of(ms(140), 7, 504, 9640),
		l.of(ms(160), 8, 1, 1), // a new source
		ownPlace(l.own(ms(200))),
	}
	const ts = 0xffffff00
	at := func(n uint32) uint32 { return ts + n } // wraps
	want := []place{
		{65534, at(0), true, true}, {65535, at(160), false, true},
		{0, at(480), true, true}, {1, at(640), false, true}, {3, at(960), false, true}, {2, at(800), false, true}, {}, {}, {4, at(1120), false, true},
		{5, at(1280), true, true},
		{6, at(1600), true, true},
	}
	for i := range want {
		if got[i] != want[i] && (got[i].ok || want[i].ok) {
			t.Errorf("packet %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestSourceThatBeginsAnewFollowsOn(t *testing.T) {
	at := time.Unix(1000, 0)
	step := func() time.Time { at = at.Add(frameTime); return at }
	l := line{rate: sampleRate}
	l.of(step(), 1, 5000, 800000)
	before := l.of(step(), 1, 5001, 800160)
	l.of(step(), 1, 4000, 0) // may be an old copy
	if p := l.of(step(), 1, 4001, 160); !p.ok || p.seq != before.seq+1 || int32(p.ts-before.ts) != 2*frameSamples {
		t.Errorf("a sequence that begins anew: %+v after %+v", p, before)
	}
	before = l.of(step(), 1, 4002, 320)
	if p := l.of(step(), 1, 4003, 4_000_000_000); p.seq != before.seq+1 || p.ts != before.ts+frameSamples || !p.marker {
		t.Errorf("timestamps that begin anew: %+v after %+v", p, before)
	}
}

func TestLongPressTakesItsTime(t *testing.T) {
	start := time.Unix(1000, 0)
	l := line{rate: sampleRate}
	l.of(start, 1, 0, 0)
	for i := range uint16(50) { // a second, all with the timestamp of its beginning
		l.relay(start.Add(time.Duration(i+1)*frameTime), &header{ssrc: 1, seq: i + 1, ts: frameSamples}, true)
	}
	if seq, ts, _ := l.own(start.Add(51 * frameTime)); seq != 51 || ts != 51*frameSamples {
		t.Errorf("our own sound after it has sequence %d, timestamp %d", seq, ts)
	}
}

func TestWhatIsLeftOutOrPutInIsNoGap(t *testing.T) {
	at := time.Unix(1000, 0)
	step := func() time.Time { at = at.Add(frameTime); return at }
	l := line{rate: sampleRate}
	l.of(step(), 1, 10, 0)
	l.skip(&header{ssrc: 1, seq: 11})
	if p := l.of(step(), 1, 12, 320); p.seq != 1 || p.ts != 320 {
		t.Errorf("after one that was left out: %+v", p)
	}
	if l.insert() != 2 {
		t.Error("our own does not follow")
	}
	if p := l.of(step(), 1, 13, 480); p.seq != 3 {
		t.Errorf("after one that was put in: %+v", p)
	}
	if p := l.of(step(), 1, 11, 160); p.ok {
		t.Errorf("what was left out came late to %+v", p)
	}
}

func TestPauseOfOurOwnSoundIsSilence(t *testing.T) {
	start := time.Unix(1000, 0)
	l := line{rate: sampleRate}
	l.own(start)
	if _, ts, marker := l.own(start.Add(2 * time.Second)); ts != 16000 || !marker {
		t.Errorf("timestamp %d, marker %v", ts, marker)
	}
	if _, ts, marker := l.own(start.Add(2*time.Second + 27*time.Millisecond)); ts != 16160 || marker {
		t.Errorf("a tick that was late: timestamp %d, marker %v", ts, marker)
	}
}

func TestSourceThatJumpsIsAnchoredAnew(t *testing.T) {
	at := time.Unix(1000, 0)
	l := line{rate: sampleRate}
	l.of(at, 1, 100, 0)
	if p := l.of(at.Add(frameTime), 1, 40000, 3_000_000_000); p.seq != l.seq || p.ts != 160 || !p.marker {
		t.Errorf("%+v", p)
	}
}
