package media

import (
	"testing"
	"time"
)

func TestLineGoesOnAcrossSources(t *testing.T) {
	start := time.Unix(1000, 0)
	l := line{seq: 65534, ts: 0xffffff00} // both counters wrap on the way
	type sent struct {
		seq    uint16
		ts     uint32
		marker bool
	}
	var got []sent
	note := func(seq uint16, ts uint32, marker bool) { got = append(got, sent{seq, ts, marker}) }
	ms := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

	note(l.own(ms(0)))
	note(l.own(ms(20)))
	note(l.relay(ms(60), 7, 500, 9000, false))
	note(l.relay(ms(80), 7, 501, 9160, false))
	note(l.relay(ms(120), 7, 503, 9480, false)) // 502 is lost …
	note(l.relay(ms(121), 7, 502, 9320, false)) // … or late
	note(l.relay(ms(140), 7, 504, 9640, false))
	note(l.relay(ms(160), 8, 1, 1, false)) // a new source
	note(l.own(ms(200)))
	const ts = 0xffffff00
	at := func(n uint32) uint32 { return ts + n } // wraps
	want := []sent{
		{65534, at(0), true}, {65535, at(160), false},
		{0, at(480), true}, {1, at(640), false}, {3, at(960), false}, {2, at(800), false}, {4, at(1120), false},
		{5, at(1280), true},
		{6, at(1600), true},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("packet %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestPauseOfOurOwnSoundIsSilence(t *testing.T) {
	start := time.Unix(1000, 0)
	var l line
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
	var l line
	l.relay(at, 1, 100, 0, true)
	seq, ts, marker := l.relay(at.Add(20*time.Millisecond), 1, 40000, 3_000_000_000, false)
	if seq != l.seq || ts != 160 || !marker {
		t.Errorf("sequence %d, timestamp %d, marker %v", seq, ts, marker)
	}
}
