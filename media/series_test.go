package media

import (
	"testing"
	"time"
)

// TestSeriesIsBounded: of whatever length a leg is, at most maxIntervals are kept,
// in order, and nothing that was expected or lost is missing from their sums.
func TestSeriesIsBounded(t *testing.T) {
	for _, samples := range []int{0, 1, 59, 60, 61, 121, 1500} {
		var s series
		var so Stats
		for i := range samples {
			so.Expected += 250
			so.Lost += uint64(i % 3)
			so.Jitter = time.Duration(i) * time.Microsecond
			s.add(time.Duration(i+1)*5*time.Second, so)
		}
		kept := s.intervals()
		if len(kept) > maxIntervals || len(kept) < min(samples, maxIntervals/2) {
			t.Errorf("%d samples: %d intervals", samples, len(kept))
		}
		var expected, lost uint64
		var before Interval
		for i, in := range kept {
			expected, lost = expected+in.Expected, lost+in.Lost
			if in.Until <= before.Until || in.Jitter < before.Jitter || in.Loss() > 0.01 {
				t.Errorf("%d samples: interval %d is %+v after %+v", samples, i, in, before)
			}
			before = in
		}
		if expected != so.Expected || lost != so.Lost || before.Until != time.Duration(samples)*5*time.Second {
			t.Errorf("%d samples: %d expected, %d lost, until %v; %+v was added", samples, expected, lost, before.Until, so)
		}
	}
}

// TestSeriesDoesNotAllocate: a packet allocates nothing because a sample of it, now
// and then, does not.
func TestSeriesDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(1, func() {
		var s series
		for i := range 200 {
			s.add(time.Duration(i)*time.Second, Stats{Expected: uint64(i)})
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSeriesTakesNothingBack: what comes late after all makes no interval negative.
func TestSeriesTakesNothingBack(t *testing.T) {
	var s series
	for i, lost := range []uint64{5, 3, 6} {
		s.add(time.Duration(i+1)*time.Second, Stats{Expected: uint64(100 * (i + 1)), Lost: lost})
	}
	if kept := s.intervals(); kept[0].Lost != 5 || kept[1].Lost != 0 || kept[2].Lost != 1 {
		t.Errorf("%+v", kept)
	}
}
