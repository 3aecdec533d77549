package test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"tandem/test/carrier"
)

// TestNoCallHearsAnother plays eight calls at once, then eight more on the same
// ports: everybody hears the one they were connected to, and nobody else (S8).
func TestNoCallHearsAnother(t *testing.T) {
	const pairs = 8
	// Far enough apart for a frame of 20 ms, and above keys and tandem's own tones.
	tone := func(i int) float64 { return 1800 + 100*float64(i) }
	s := setup{yaml: fmt.Sprintf("media: {rtp_ports: 20000-%d}", 20000+4*pairs-1), phones: make(map[string]act)}
	for i := range pairs {
		s.phones[repOf(i)] = rings(time.Second, answers(tone(2*i), waits(2*time.Second, presses('1', stays))))
		s.phones[prospectOf(i)] = rings(time.Second, answers(tone(2*i+1), hangsUpAfter(3*time.Second)))
	}
	inWorld(t, s, func(w *world) {
		for range 2 {
			var wait sync.WaitGroup
			for i := range pairs {
				wait.Go(func() { w.events(w.place("rep_number", repOf(i), "to", prospectOf(i))) })
			}
			wait.Wait()
			<-time.After(6 * time.Second) // ports rest for five
		}
		calls := w.carrier.Calls()
		if len(calls) != 4*pairs {
			w.t.Fatalf("the trunk saw %d calls", len(calls))
		}
		for _, c := range calls {
			w.wantOnly(c, pairs, tone)
		}
	})
}

// wantOnly looks for the tone of a phone's counterpart in what it heard, and for
// everybody else's.
func (w *world) wantOnly(c *carrier.Call, pairs int, tone func(int) float64) {
	w.t.Helper()
	heard := c.Heard()
	for i := range pairs {
		for side, number := range []string{repOf(i), prospectOf(i)} {
			other := []string{prospectOf(i), repOf(i)}[side]
			got := heard.Tone(tone(2*i + side))
			if "+"+c.Number == other {
				if got < 2900*time.Millisecond {
					w.t.Errorf("%s heard %v of 3 s of %s", c.Number, got, number)
				}
			} else if got > 60*time.Millisecond {
				w.t.Errorf("S8: %s heard %v of %s", c.Number, got, number)
			}
		}
	}
}
