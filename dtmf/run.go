package dtmf

import "math"

// How frames make a press.
const (
	runFrames   = 22   // that are kept of a run
	enough      = 7    // frames for a decision: 35 ms of tone have them, 25 ms cannot
	full        = 0.7  // of the amplitude: a frame to measure by
	counted     = 0.6  // … that counts: an echo or a codec makes steps in it
	going       = 0.65 // … that goes on with a press
	weak        = 0.5  // of a frame that counts where there are enoughWeak: a codec wavers
	enoughWeak  = 11   // of those: 50 ms of tone
	absentEnds  = 8    // frames: an interruption of 20 ms is bridged, a pause of 30 splits
	otherEnds   = 3    // frames of another key
	erasedEnds  = 60   // ms that a run outlives without sound
	echoWithin  = 100 * rate / 1000
	echoWeaker  = 8.0    // dB
	frameOffset = 0.0305 // share of its frequency that a tone of a frame may be off
	frameTwist  = 12.0   // dB
	frameNoise  = 0.40   // of the energy behind the high-pass
	frameLevel  = -40    // dBm0 of either tone
)

// tone is one frame that is a key's.
type toneFrame struct {
	low, high       float32 // amplitudes, peak
	lowOff, highOff float32 // shares of the nominal frequencies
	residual        float32 // mean square behind the high-pass that is no tone
	squares         float32 // mean square behind the high-pass
	lf              float32 // mean square of what the high-pass took away
}

// run is frames of one key that follow each other.
type run struct {
	key      int8 // low + 4·high; -1 = none
	declared bool
	frames   [runFrames]toneFrame
	n        int // frames it ever had
	absent   int // since the last
	other    int // frames of key otherKey among those
	otherKey int8
	start    uint32 // media time
	end      uint32
	before   before
	lowRef   float32 // amplitudes that count as full
	highRef  float32
	best     Figures // of the best decision tried
	lacks    Near    // what it lacked
}

// before is what was heard before a run.
type before struct {
	filtered float32 // mean square behind the high-pass just before
	raw      float32
	noise    float32 // median of the same, 8 to 60 ms before
	calm     float32 // mean of the same, 20 to 220 ms before, without the press before
	lf       float32 // of what the high-pass took away, in the 200 ms before
	steady   bool    // that was steady
}

// look remembers what was heard before a run that begins in the newest frame; the
// press before it ended so many sub-blocks ago.
func (h *history) look(press uint32) (b before) {
	var noise [13]float32
	n, near := 0, 0
	for ago := 5; ago < 18; ago++ {
		e := h.ago(ago)
		if e.lost() || uint32(ago) >= h.head {
			continue
		}
		noise[n] = e.filtered
		n++
		if ago < 9 {
			b.filtered += e.filtered
			b.raw += e.raw
			near++
		}
	}
	if near > 0 {
		b.filtered /= float32(near)
		b.raw /= float32(near)
	}
	if n > 0 {
		b.noise = median(noise[:n])
	}
	b.lf, b.steady = h.lowBefore()
	b.calm = h.calmBefore(press)
	return b
}

// calmBefore is the mean square behind the high-pass, 20 to 220 ms before, as far
// as that is after the press before.
func (h *history) calmBefore(press uint32) (mean float32) {
	n := float32(0)
	for ago := uint32(5); ago < min(55, press, h.head); ago++ {
		if e := h.ago(int(ago)); !e.lost() {
			mean += e.filtered
			n++
		}
	}
	return mean / max(n, 1)
}

// lowBefore measures what the high-pass took away in the 200 ms before the newest
// frame, or as much of them as there is; steady is whether no stretch of 40 ms
// strays by more than 2.2 dB.
func (h *history) lowBefore() (mean float32, steady bool) {
	const most, length = 5, 10
	stretches := min(most, (int(min(h.head, past))-frameSubs)/length)
	if stretches < 2 {
		return 0, false
	}
	var sums [most]float32
	for i := range stretches {
		for k := range length {
			e := h.ago(frameSubs + i*length + k)
			if e.lost() {
				return 0, false
			}
			sums[i] += e.low() / length
		}
		mean += sums[i] / float32(stretches)
	}
	for _, s := range sums[:stretches] {
		if s > 1.66*mean || s < 0.6*mean {
			return mean, false
		}
	}
	return mean, true
}

// median sorts x.
func median(x []float32) float32 {
	sortFloats(x)
	return x[len(x)/2]
}

func sortFloats(x []float32) {
	for i := 1; i < len(x); i++ {
		for j := i; j > 0 && x[j] < x[j-1]; j-- {
			x[j], x[j-1] = x[j-1], x[j]
		}
	}
}

// kept is how many of the run's frames are still there.
func (r *run) kept() int { return min(r.n, runFrames) }

// add takes a frame of the run's key.
func (r *run) add(f toneFrame, begin, end uint32) {
	r.frames[r.n%runFrames] = f
	r.n++
	r.absent, r.other = 0, 0
	r.refer()
	if r.n <= 4 {
		r.start = r.onset(end)
	}
	// A frame that fades ends where it is no longer full.
	r.end = begin + uint32(frameSamples*r.fullness(f))
}

// refer sets what amplitudes count as full: the 80th percentile of each.
func (r *run) refer() {
	var lows, highs [runFrames]float32
	n := r.kept()
	for i := range n {
		lows[i], highs[i] = r.frames[i].low, r.frames[i].high
	}
	sortFloats(lows[:n])
	sortFloats(highs[:n])
	r.lowRef, r.highRef = lows[n*4/5], highs[n*4/5]
}

// fullness is how much of a frame the tones fill, by their amplitudes, up to 1.
func (r *run) fullness(f toneFrame) float32 {
	return min(1, f.low/r.lowRef, f.high/r.highRef)
}

// onset is when the run began, at its n-th frame, which ends at end: a frame that
// the tones fill in part shows them that much weaker.
func (r *run) onset(end uint32) uint32 {
	first := r.fullness(r.frames[0])
	firstEnd := end - uint32(r.n-1)*subSamples
	return firstEnd - uint32(frameSamples*first)
}

// sums are what a decision looks at: means over a run's full frames, or over
// those that the tones fill from end to end, if there are a few.
type sums struct {
	count                   int     // frames that count
	filled                  int     // full frames
	weak                    int     // frames that are at least weak
	low, high               float64 // amplitudes
	lowOff, highOff         float64 // means, shares
	lowScatter, highScatter float64 // standard deviations, shares
	residual, squares, lf   float64 // mean squares
	spread                  float64 // of the full frames' amplitudes, share
}

const (
	brimful = 0.92 // of the amplitude: a frame at an edge leaves a residual that says nothing
	few     = 4
)

func (r *run) sum() (s sums) {
	var ampSum, ampSq float64
	inner := 0
	for i := range r.kept() {
		a := r.fullness(r.frames[i])
		if a >= weak {
			s.weak++
		}
		if a >= counted {
			s.count++
		}
		if a < full {
			continue
		}
		s.filled++
		if a >= brimful {
			inner++
		}
		f := &r.frames[i]
		mean := float64(f.low/r.lowRef+f.high/r.highRef) / 2
		ampSum += mean
		ampSq += mean * mean
	}
	if s.filled == 0 {
		return s
	}
	n := float64(s.filled)
	s.spread = math.Sqrt(max(0, ampSq/n-ampSum*ampSum/n/n)) / (ampSum / n)
	least := float32(full)
	if inner >= few {
		least = brimful
	}
	s.means(r, least)
	return s
}

// means fills in what is taken over the frames of at least a fullness.
func (s *sums) means(r *run, least float32) {
	var lowSq, highSq, n float64
	for i := range r.kept() {
		f := &r.frames[i]
		if r.fullness(*f) < least {
			continue
		}
		n++
		s.low += float64(f.low)
		s.high += float64(f.high)
		s.lowOff += float64(f.lowOff)
		s.highOff += float64(f.highOff)
		lowSq += float64(f.lowOff) * float64(f.lowOff)
		highSq += float64(f.highOff) * float64(f.highOff)
		s.residual += float64(f.residual)
		s.squares += float64(f.squares)
		s.lf += float64(f.lf)
	}
	for _, v := range []*float64{&s.low, &s.high, &s.lowOff, &s.highOff, &s.residual, &s.squares, &s.lf} {
		*v /= n
	}
	s.lowScatter = math.Sqrt(max(0, lowSq/n-s.lowOff*s.lowOff))
	s.highScatter = math.Sqrt(max(0, highSq/n-s.highOff*s.highOff))
}
