package e2e

import (
	"math"
	"testing"
	"time"
)

// hole is the longest stretch without hz between its first and its last sound. It
// is looked at in steps of 5 ms, by Goertzel's filter over 10 ms.
func hole(samples []int16, hz float64) time.Duration {
	const window, step = 80, 40
	first, last, longest := -1, -1, 0
	for at := 0; at+window <= len(samples); at += step {
		if !sounds(samples[at:at+window], hz) {
			continue
		}
		if first < 0 {
			first = at
		} else {
			longest = max(longest, at-last-step)
		}
		last = at
	}
	return time.Duration(longest) * time.Second / 8000
}

// sounds says whether most of the energy is at hz.
func sounds(samples []int16, hz float64) bool {
	var before, last, energy float64
	k := 2 * math.Cos(2*math.Pi*hz/8000)
	for _, x := range samples {
		v := float64(x)
		energy += v * v
		before, last = last, v+k*last-before
	}
	n := float64(len(samples))
	return energy > n*100*100 && before*before+last*last-k*before*last > 0.5*energy*n/2
}

func TestHole(t *testing.T) {
	tone := make([]int16, 8000)
	for i := range tone {
		tone[i] = int16(5000 * math.Sin(2*math.Pi*520*float64(i)/8000))
	}
	if got := hole(tone, 520); got != 0 {
		t.Errorf("a whole tone has a hole of %v", got)
	}
	clear(tone[4000:4480]) // 60 ms
	if got := hole(tone, 520); got < 45*time.Millisecond || got > 75*time.Millisecond {
		t.Errorf("60 ms of silence measure %v", got)
	}
	if got := hole(tone, 1050); got != 0 {
		t.Errorf("a tone that is not there has a hole of %v", got)
	}
}

// noGap is the longest hole that a listener may hear.
const noGap = 40 * time.Millisecond

// pulse measures how late this machine wakes whoever sleeps.
type pulse struct {
	stop chan struct{}
	late chan time.Duration
}

func feelPulse() *pulse {
	p := &pulse{make(chan struct{}), make(chan time.Duration, 1)}
	go func() {
		var worst time.Duration
		for {
			select {
			case <-p.stop:
				p.late <- worst
				return
			default:
			}
			before := time.Now()
			time.Sleep(5 * time.Millisecond)
			worst = max(worst, time.Since(before)-5*time.Millisecond)
		}
	}()
	return p
}

// worst is the longest delay since feelPulse, which it ends.
func (p *pulse) worst() time.Duration {
	close(p.stop)
	return <-p.late
}
