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
// there is no more room, each two become one. It is pure, and allocates nothing.
type series struct {
	kept     [maxIntervals]interval
	n        int // of kept
	each     int // samples that make an interval; 0 = one
	in       int // samples in the last one
	expected uint64
	lost     uint64
}

// interval is an Interval in a third of the room.
type interval struct {
	until, jitter  uint32 // ms, µs
	expected, lost uint32
}

// add notes what was heard until now, of all that was heard so far.
func (s *series) add(until time.Duration, so Stats) {
	i := interval{
		until: uint32(until.Milliseconds()), jitter: uint32(so.Jitter.Microseconds()),
		expected: uint32(so.Expected - min(s.expected, so.Expected)), lost: uint32(so.Lost - min(s.lost, so.Lost)),
	}
	s.expected, s.lost = so.Expected, max(s.lost, so.Lost) // what came late after all is not taken back
	if s.n > 0 && s.in < s.each {
		s.kept[s.n-1] = join(s.kept[s.n-1], i)
		s.in++
		return
	}
	if s.n == maxIntervals {
		s.n /= 2
		for n := range s.n {
			s.kept[n] = join(s.kept[2*n], s.kept[2*n+1])
		}
		s.each = max(s.each, 1) * 2
	}
	s.kept[s.n] = i
	s.n++
	s.in = 1
}

// join is two intervals, the one after the other, as one.
func join(a, b interval) interval {
	return interval{until: b.until, jitter: max(a.jitter, b.jitter), expected: a.expected + b.expected, lost: a.lost + b.lost}
}

// intervals is what is kept, nil where that is nothing.
func (s *series) intervals() (all []Interval) {
	for _, i := range s.kept[:s.n] {
		all = append(all, Interval{
			Until:    time.Duration(i.until) * time.Millisecond,
			Expected: uint64(i.expected), Lost: uint64(i.lost),
			Jitter: time.Duration(i.jitter) * time.Microsecond,
		})
	}
	return all
}

// Intervals is what the leg has sounded like over time until now, the oldest
// first; nil where nothing was heard.
func (s *Stream) Intervals() []Interval {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.in.count()
	s.in.sample(time.Now())
	return s.in.series.intervals()
}

// sample adds what was heard since the last to the series. The caller has inMu.
func (in *inbound) sample(now time.Time) {
	if in.tally.begun {
		in.series.add(now.Sub(in.tally.epoch), in.tally.stats())
	}
}
