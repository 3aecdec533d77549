package dtmf

import (
	"math"
	"time"
)

// Detector hears the two tones of a key in sound (ITU-T Q.23, Q.24). Behind a
// high-pass, every 4 ms the newest 16 ms are screened for a tone of each group;
// where there are two they are fitted by least squares, which gives their exact
// frequencies and all that is neither. Frames of one key make a run, and a run is
// a press once what all its frames show together is evidence enough.
type Detector struct {
	least float32 // score of a press
	dwell int     // samples a tone must last

	front highPass
	win   [frameSamples]float32 // newest last, behind the high-pass
	seen  [frameSubs][8]phasor  // the sub-blocks of win
	fill  int                   // samples of the sub-block under way
	raw   float32               // its sums of squares
	after float32
	hole  bool // part of it was lost
	past  history

	run    run
	last   lastPress
	next   uint32 // media time of the next sample
	primed bool
}

// lastPress is the press before, whose echo may follow.
type lastPress struct {
	key   int8
	end   uint32
	level float32
	valid bool
}

const (
	defaultScore = 1
	fullScale    = 32124 // of G.711, in 16-bit samples
	lateBy       = rate / 2
	holeAtMost   = rate * erasedEnds / 1000
	gapAtMost    = 60 * rate // beyond it the clock has jumped and nothing was lost
	quietest     = 150.0     // mean square of a sub-block that is not worth looking at: -45 dBm0
)

func newDetector() Detector {
	return Detector{least: defaultScore, run: run{key: -1}}
}

// samples takes sound that begins at media time ts. What is missing before it is
// marked lost, and neither speaks for a press nor against it; a longer gap is
// silence. A late copy is ignored.
func (d *Detector) samples(ts uint32, in []int16, out *burst) {
	switch gap := int32(ts - d.next); {
	case !d.primed || gap == 0:
	case gap < 0 && gap >= -lateBy:
		return
	case gap > 0 && gap <= holeAtMost:
		d.erase(int(gap))
	case gap > 0 && gap <= gapAtMost:
		d.silence(out)
	}
	d.primed, d.next = true, ts
	for len(in) > 0 {
		n := min(len(in), subSamples-d.fill)
		at := frameSamples - subSamples + d.fill
		raw, filtered := d.front.filter(in[:n], d.win[at:at+n])
		d.raw, d.after = d.raw+raw, d.after+filtered
		d.next += uint32(n)
		in = in[n:]
		if d.fill += n; d.fill == subSamples {
			d.subBlock(out)
		}
	}
}

// erase passes n samples that were lost.
func (d *Detector) erase(n int) {
	for ; n > 0; n-- {
		d.hole = true
		d.win[frameSamples-subSamples+d.fill] = 0
		d.next++
		if d.fill++; d.fill == subSamples {
			d.subBlock(nil)
		}
	}
}

// silence ends what was under way.
func (d *Detector) silence(out *burst) {
	d.endRun(out)
	*d = Detector{least: d.least, dwell: d.dwell, last: d.last, run: run{key: -1}}
}

// subBlock looks at the newest frame. out may be nil where the newest sub-block
// is lost: then nothing can be reported.
func (d *Detector) subBlock(out *burst) {
	e := energy{d.raw / subSamples, d.after / subSamples}
	at := &d.seen[d.past.head%frameSubs]
	switch {
	case d.hole:
		e = erased
		*at = [8]phasor{}
	case e.filtered < quietest:
		*at = [8]phasor{}
	default:
		demodulate((*[subSamples]float32)(d.win[frameSamples-subSamples:]), at)
	}
	d.past.add(e)
	d.hole, d.raw, d.after, d.fill = false, 0, 0, 0
	if !d.lostFrame() {
		d.frame(out)
	}
	copy(d.win[:], d.win[subSamples:])
}

// lostFrame reports whether part of the newest frame was lost.
func (d *Detector) lostFrame() bool {
	for i := range frameSubs {
		if d.past.ago(i).lost() {
			return true
		}
	}
	return false
}

// frame finds the key of the newest frame and gives it to the run.
func (d *Detector) frame(out *burst) {
	var filtered, raw float32
	for i := range frameSubs {
		e := d.past.ago(i)
		filtered += e.filtered / frameSubs
		raw += e.raw / frameSubs
	}
	key, f := int8(-1), toneFrame{}
	if filtered > quietest {
		if low, high, ok := d.screen(filtered); ok {
			if fit, ok := fit(&d.win, low, high); ok {
				key, f = classify(&fit)
				f.lf = max(0, raw-filtered-ripple(&fit))
			}
		}
	}
	d.step(key, f, out)
}

// mostTwist is the ratio of frameTwist.
var mostTwist = math.Pow(10, frameTwist/20)

// leastPeak is the amplitude of frameLevel.
var leastPeak = fullScale * math.Pow(10, (frameLevel-3.14)/20)

// classify names the key of fitted tones, -1 if they are none.
func classify(f *fitted) (key int8, t toneFrame) {
	low, lowOff := nearest(&lows, f.low)
	high, highOff := nearest(&highs, f.high)
	twist := f.highAmp / f.lowAmp
	switch {
	case math.Abs(lowOff) > frameOffset || math.Abs(highOff) > frameOffset:
	case twist > mostTwist || twist < 1/mostTwist:
	case f.lowAmp < leastPeak || f.highAmp < leastPeak:
	case f.residual > frameNoise*f.squares:
	default:
		return int8(4*low + high), toneFrame{
			low: float32(f.lowAmp), high: float32(f.highAmp), lowOff: float32(lowOff), highOff: float32(highOff),
			residual: float32(f.residual / frameSamples), squares: float32(f.squares / frameSamples),
		}
	}
	return -1, t
}

// ripple is what the high-pass took of the tones themselves, mean square.
func ripple(f *fitted) float32 {
	return float32((f.lowAmp*f.lowAmp*loss(f.low) + f.highAmp*f.highAmp*loss(f.high)) / 2)
}

// nearest is the frequency of a group that hz is closest to, and how far off it
// is, as a share.
func nearest(group *[4]float64, hz float64) (best int, off float64) {
	off = math.Inf(1)
	for i, f := range group {
		if o := hz/f - 1; math.Abs(o) < math.Abs(off) {
			best, off = i, o
		}
	}
	return best, off
}

// step gives the newest frame, of this key or none, to the run.
func (d *Detector) step(key int8, f toneFrame, out *burst) {
	r := &d.run
	begin := d.next - frameSamples
	if r.key >= 0 && key == r.key && (!r.declared || f.low >= going*r.lowRef && f.high >= going*r.highRef) {
		r.add(f, begin, d.next)
		d.decide(out)
		return
	}
	if r.key >= 0 {
		r.absent++
		if key >= 0 && key != r.key {
			if key != r.otherKey {
				r.otherKey, r.other = key, 0
			}
			r.other++
		}
		if r.absent < absentEnds && r.other < otherEnds {
			return
		}
		d.endRun(out)
	}
	if key >= 0 {
		d.begin(key, f, begin)
	}
}

// begin starts a run.
func (d *Detector) begin(key int8, f toneFrame, begin uint32) {
	since := uint32(past)
	if d.last.valid {
		since = (d.next - d.last.end) / subSamples
	}
	d.run = run{key: key, otherKey: -1, before: d.past.look(since), lacks: NearShort}
	level := float32(dBm0(float64(max(f.low, f.high))))
	if l := &d.last; l.valid && l.key == key && begin-l.end < echoWithin && level < l.level-echoWeaker {
		d.run.lacks = NearEcho
	}
	d.run.add(f, begin, d.next)
}

// decide declares the run a press once it has earned it.
func (d *Detector) decide(out *burst) {
	r := &d.run
	if r.declared || r.lacks == NearEcho || r.n < enough {
		return
	}
	s := r.sum()
	if s.count < enough && s.weak < enoughWeak || s.filled == 0 {
		return
	}
	figures, lacks := r.evidence(&s)
	switch {
	case lacks != 0:
	case figures.Score < d.least:
		lacks = NearDoubtful
	case int(int32(r.end-r.start)) < d.dwell-subSamples:
		lacks = NearShort
	}
	r.best, r.lacks = figures, lacks
	if lacks == 0 {
		r.declared = true
		out.add(d.press())
	}
}

// press is what there is to say of the run.
func (d *Detector) press() Press {
	r := &d.run
	held := time.Duration(int32(r.end-r.start)) * time.Second / rate
	return Press{Digit: keys[r.key], Method: MethodInBand, Near: r.lacks, At: r.start, Rate: rate, Held: held, Figures: r.best}
}

// nearly is how many frames make a run worth a word though it is no press.
const nearly = 4

// endRun closes the run, if there is one.
func (d *Detector) endRun(out *burst) {
	r := &d.run
	switch {
	case r.key < 0:
	case r.declared:
		d.last = lastPress{key: r.key, end: r.end, level: r.best.Level, valid: true}
		up := d.press()
		up.Up = true
		out.add(up)
	case r.n >= nearly:
		if s := r.sum(); r.lacks == NearShort && s.filled > 0 {
			r.best, _ = r.evidence(&s)
		}
		out.add(d.press())
	}
	r.key = -1
}
