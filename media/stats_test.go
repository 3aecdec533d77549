package media

import (
	"testing"
	"time"
)

func TestTallyOfLossWrapsAndSources(t *testing.T) {
	var c tally
	now := time.Unix(1000, 0)
	send := func(ssrc uint32, seq uint16, ts uint32) {
		c.packet(now, ssrc, seq, ts)
		now = now.Add(frameTime)
	}
	for i := range 100 { // across the wrap of both, one in ten lost
		if i%10 == 5 {
			now = now.Add(frameTime)
			continue
		}
		send(1, uint16(65500+i), uint32(4294960000+i*160))
	}
	if c.Received != 90 || c.Expected != 100 || c.Loss() < 0.0999 || c.Loss() > 0.1001 || c.MaxGap != 2*frameTime {
		t.Errorf("%+v, loss %v", c.Stats, c.Loss())
	}
	if c.Jitter != 0 {
		t.Errorf("a steady source has jitter %v", c.Jitter)
	}
	for i := range 50 { // another source, from another number
		send(2, uint16(7+i), uint32(i*160))
	}
	if c.Received != 140 || c.Expected != 150 {
		t.Errorf("%+v", c.Stats)
	}
	c.packet(now, 2, 50, 50*160) // late again
	if c.Expected != 150 {
		t.Errorf("a late packet made it %d expected", c.Expected)
	}
}

func TestJitterIsRFC3550s(t *testing.T) {
	var c tally
	now := time.Unix(1000, 0)
	for i := range 1000 { // every other packet 10 ms late: |D| is 80 ticks each time
		late := time.Duration(i%2) * 10 * time.Millisecond
		c.packet(now.Add(late), 1, uint16(i), uint32(i*160))
		now = now.Add(frameTime)
	}
	if c.Jitter < 9*time.Millisecond || c.Jitter > 10*time.Millisecond {
		t.Errorf("jitter %v, want near 10 ms", c.Jitter)
	}
}

func TestMOSFallsWithLossAndJitter(t *testing.T) {
	good := Stats{Received: 1000, Expected: 1000}
	if got := good.MOS(); got < 4.3 || got > 4.5 {
		t.Errorf("a clean G.711 call has %v", got)
	}
	last := good.MOS()
	for lost := uint64(10); lost < 1000; lost += 90 {
		if got := (Stats{Received: 1000 - lost, Expected: 1000}).MOS(); got > last || got < 1 {
			t.Errorf("%d lost of 1000: %v after %v", lost, got, last)
		} else {
			last = got
		}
	}
	if (Stats{}).MOS() != 1 || (Stats{Received: 9, Expected: 9, Jitter: time.Second}).MOS() > 2 {
		t.Error("silence, or a second of jitter, sounds well")
	}
}
