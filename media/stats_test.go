package media

import (
	"math"
	"testing"
	"time"
)

func TestTallyOfLossWrapsAndSources(t *testing.T) {
	c := tally{rate: sampleRate}
	now := time.Unix(1000, 0)
	send := func(ssrc uint32, seq uint16, ts uint32) {
		c.packet(now, &header{ssrc: ssrc, seq: seq, ts: ts}, frameSamples, true)
		now = now.Add(frameTime)
	}
	for i := range 100 { // across the wrap of both, one in ten lost
		if i%10 == 5 {
			now = now.Add(frameTime)
			continue
		}
		send(1, uint16(65500+i), uint32(4294960000+i*160))
	}
	s := c.stats()
	if s.Received != 90 || s.Expected != 100 || s.Lost != 10 || s.Bursts != 10 || s.Loss() != 0.1 || s.MaxGap != 2*frameTime {
		t.Errorf("%+v, loss %v", s, s.Loss())
	}
	if s.Jitter != 0 || s.Late != 0 {
		t.Errorf("a steady source has jitter %v, %d late", s.Jitter, s.Late)
	}
	for i := range 50 { // another source, from another number
		send(2, uint16(7+i), uint32(i*160))
	}
	if s = c.stats(); s.Received != 140 || s.Expected != 150 || s.Lost != 10 {
		t.Errorf("%+v", s)
	}
	send(2, 50, 50*160) // a copy
	if s = c.stats(); s.Expected != 150 || s.Received != 140 || s.Duplicate != 1 {
		t.Errorf("a copy made it %+v", s)
	}
}

func TestTallyOfOrderAndBursts(t *testing.T) {
	c := tally{rate: sampleRate}
	now := time.Unix(1000, 0)
	for _, i := range []int{0, 1, 3, 2, 4, 9, 10, 12, 11, 13, 15, 16} { // 5 to 8 and 14 are lost
		c.packet(now, &header{seq: uint16(65530 + i), ts: uint32(i * 160)}, frameSamples, true)
		now = now.Add(frameTime)
	}
	s := c.stats()
	if s.Reordered != 2 || s.Lost != 5 || s.Bursts != 2 || s.Expected != 17 || s.Duplicate != 0 {
		t.Errorf("%+v", s)
	}
	for i := 17; i < 300; i++ { // all of it leaves the window
		c.packet(now, &header{seq: uint16(65530 + i), ts: uint32(i * 160)}, frameSamples, true)
	}
	if later := c.stats(); later.Lost != 5 || later.Bursts != 2 {
		t.Errorf("%+v once that is past", later)
	}
}

func TestLatePacketsAreCounted(t *testing.T) {
	c := tally{rate: sampleRate}
	start := time.Unix(1000, 0)
	for i := range 100 {
		at := start.Add(time.Duration(i) * frameTime)
		if i%10 == 9 {
			at = at.Add(lateAfter + 5*time.Millisecond)
		}
		c.packet(at, &header{seq: uint16(i), ts: uint32(i * 160)}, frameSamples, true)
	}
	if s := c.stats(); s.Late != 10 {
		t.Errorf("%d late", s.Late)
	}
}

func TestJitterIsRFC3550s(t *testing.T) {
	c := tally{rate: sampleRate}
	now := time.Unix(1000, 0)
	for i := range 1000 { // every other packet 10 ms late: |D| is 80 ticks each time
		late := time.Duration(i%2) * 10 * time.Millisecond
		c.packet(now.Add(late), &header{ssrc: 1, seq: uint16(i), ts: uint32(i * 160)}, frameSamples, true)
		now = now.Add(frameTime)
	}
	if j := c.stats().Jitter; j < 9*time.Millisecond || j > 10*time.Millisecond {
		t.Errorf("jitter %v, want near 10 ms", j)
	}
}

func TestEModel(t *testing.T) {
	for _, tt := range []struct { // G.107 by hand: R = 93.2 - Id - Ie,eff
		delay       time.Duration
		loss, burst float64
		want        float64
	}{
		{50 * time.Millisecond, 0, 1, 4.38}, {150 * time.Millisecond, 0, 1, 4.33}, {250 * time.Millisecond, 0, 1, 3.99},
		{50 * time.Millisecond, 0.01, 1, 4.30}, {50 * time.Millisecond, 0.03, 1, 4.09}, {50 * time.Millisecond, 0.05, 1, 3.87},
		{200 * time.Millisecond, 0.02, 1, 3.98}, {20 * time.Millisecond, 1, 1, 1.16}, {5 * time.Second, 0, 1, 1},
		{50 * time.Millisecond, 0.05, 2, 3.80}, // Ie,eff = 95·5/(2.5+25.1) = 17.2
	} {
		if got := emodel(tt.loss, tt.burst, tt.delay); math.Abs(got-tt.want) > 0.011 {
			t.Errorf("%v, loss %v in bursts of %v: %v, want %v", tt.delay, tt.loss, tt.burst, got, tt.want)
		}
	}
}

func TestMOSFallsWithLossBurstsAndJitterAndIsUnknownAtFirst(t *testing.T) {
	clean := Stats{Received: 1000, Expected: 1000}
	last, ok := clean.MOS()
	if !ok || last < 4.3 || last > 4.5 {
		t.Errorf("a clean G.711 call has %v, %v", last, ok)
	}
	for lost := uint64(10); lost < 1000; lost += 90 {
		got, _ := (Stats{Received: 1000 - lost, Expected: 1000, Lost: lost, Bursts: lost}).MOS()
		inBursts, _ := (Stats{Received: 1000 - lost, Expected: 1000, Lost: lost, Bursts: 1}).MOS()
		if got > last || got < 1 || inBursts > got {
			t.Errorf("%d lost of 1000: %v after %v, in one burst %v", lost, got, last, inBursts)
		}
		last = got
	}
	if got, _ := (Stats{Received: 900, Expected: 900, Jitter: time.Second}).MOS(); got > 2 {
		t.Errorf("a second of jitter has %v", got)
	}
	for _, s := range []Stats{{}, {Received: 9, Expected: 9}, {Expected: 100, Lost: 100}, {Expected: 100, Received: 100, Wide: true}} {
		if mos, ok := s.MOS(); ok {
			t.Errorf("%+v is measured as %v", s, mos)
		}
	}
}
