package media

import "time"

// maxIntervals is the most that is kept of a leg, however long it lasts.
const maxIntervals = 60

// Interval is what was heard of a leg for a while.
type Interval struct {
	Until          time.Duration // since the leg was first heard
	Expected, Lost uint64        // RTP packets
	Jitter         time.Duration // at its end; the most of those it was made of
}

// Loss is the share of packets that did not come, 0 to 1.
func (i Interval) Loss() float64 {
	if i.Expected == 0 {
		return 0
	}
	return float64(i.Lost) / float64(i.Expected)
}

// series is a leg's quality over time in at most maxIntervals intervals: when
// there is no more room, each two become one. It is pure.
type series struct {
	kept     []Interval
	each     int // samples that make an interval; 0 = one
	in       int // samples in the last one
	expected uint64
	lost     uint64
}

// add notes what was heard until now, of all that was heard so far.
func (s *series) add(until time.Duration, so Stats) {
	i := Interval{Until: until, Expected: so.Expected - min(s.expected, so.Expected), Lost: so.Lost - min(s.lost, so.Lost), Jitter: so.Jitter}
	s.expected, s.lost = so.Expected, max(s.lost, so.Lost) // what came late after all is not taken back
	if n := len(s.kept); n > 0 && s.in < s.each {
		s.kept[n-1] = join(s.kept[n-1], i)
		s.in++
		return
	}
	if len(s.kept) == maxIntervals {
		for n := range maxIntervals / 2 {
			s.kept[n] = join(s.kept[2*n], s.kept[2*n+1])
		}
		s.kept = s.kept[:maxIntervals/2]
		s.each = max(s.each, 1) * 2
	}
	s.kept = append(s.kept, i)
	s.in = 1
}

// join is two intervals, the one after the other, as one.
func join(a, b Interval) Interval {
	return Interval{Until: b.Until, Expected: a.Expected + b.Expected, Lost: a.Lost + b.Lost, Jitter: max(a.Jitter, b.Jitter)}
}

// Intervals is what the leg has sounded like over time until now, the oldest
// first; nil where nothing was heard.
func (s *Stream) Intervals() []Interval {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.in.count()
	s.in.sample(time.Now())
	return append([]Interval(nil), s.in.series.kept...)
}

// sample adds what was heard since the last to the series. The caller has inMu.
func (in *inbound) sample(now time.Time) {
	if in.tally.begun {
		in.series.add(now.Sub(in.tally.epoch), in.tally.stats())
	}
}
