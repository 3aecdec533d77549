package dtmf

import (
	"math"
	"time"
)

// What a block of sound must be to be a key. Levels are ratios of energy.
const (
	blockSamples = 160 // 20 ms: 50 Hz wide, so that neighbours are apart
	hopSamples   = 64  // 8 ms: a 40 ms key fills two whole blocks, wherever it starts
	hitsDown     = 2   // blocks in a row that make a press
	missesUp     = 5   // and that end one: a drop-out of 20 ms does not, a pause of 40 ms does

	leastPower    = 63000 // mean square of either tone: -36 dBm0 (ITU-T Q.24 asks for -25)
	steadiness    = 1.7   // energy of one half of a block over the other: a 20 ms beep fills but one
	detune        = 0.026 // share of its frequency a tone may be off (Q.24: 1.5 % is a key, 3.5 % is none)
	twistReverse  = 6.3   // low over high, 8 dB
	twistForward  = 6.3   // high over low, 8 dB: Q.24's 4 dB and a line's slope
	neighbour     = 6.3   // a tone over the others of its group, 8 dB
	purity        = 0.72  // both tones' share of all that is in the block
	harmonicShare = 0.25  // a voice has second harmonics; keys have not
)

// Detector hears the two tones of a key in sound (ITU-T Q.23, Q.24). Two
// high-pass stages take dial tone and hum away; blocks that overlap are then
// measured by Goertzel filters at the eight frequencies and their second
// harmonics. State is fixed and small.
type Detector struct {
	front  [2]highPass
	ring   [blockSamples]float64
	filled int // samples in ring, up to blockSamples
	head   int // where the next one goes
	hop    int // samples since the last block

	key    byte // down now; 0 = none
	rising byte // candidate
	hits   int
	misses int
	began  uint32 // media time of the key or candidate
	next   uint32 // media time of the next sample
	primed bool
}

func newDetector() Detector {
	return Detector{front: [2]highPass{newHighPass(560, 0.541), newHighPass(560, 1.307)}}
}

// samples takes sound that begins at media time ts. A gap of more than a packet
// or a jump empties the ear: what was heard before it is over.
func (d *Detector) samples(ts uint32, in []int16) (out burst) {
	if gap := int32(ts - d.next); d.primed && gap != 0 {
		if gap < 0 && gap > -hopSamples*100 {
			return out // a late copy
		}
		d.silence(gap, &out)
	}
	d.primed, d.next = true, ts
	for _, sample := range in {
		d.push(float64(sample), &out)
	}
	return out
}

// silence stands for what was lost.
func (d *Detector) silence(gap int32, out *burst) {
	for range min(max(gap, 0), 2*blockSamples) {
		d.push(0, out)
	}
}

func (d *Detector) push(x float64, out *burst) {
	for i := range d.front {
		x = d.front[i].step(x)
	}
	d.ring[d.head] = x
	d.head = (d.head + 1) % blockSamples
	d.next++
	d.filled = min(d.filled+1, blockSamples)
	if d.hop++; d.hop < hopSamples || d.filled < blockSamples {
		return
	}
	d.hop = 0
	d.decide(d.block(), out)
}

// decide counts blocks into presses.
func (d *Detector) decide(key byte, out *burst) {
	switch {
	case d.key != 0 && key == d.key:
		d.misses = 0
	case d.key != 0:
		if d.misses++; d.misses >= missesUp || key != 0 && d.misses >= hitsDown {
			d.release(out)
		}
	}
	if d.key != 0 {
		return
	}
	if key == 0 || key != d.rising {
		d.rising, d.hits, d.began = key, 0, d.next-blockSamples
	}
	if key == 0 {
		return
	}
	if d.hits++; d.hits >= hitsDown {
		d.key, d.misses = key, 0
		out.add(Press{Digit: key, Method: MethodInBand, At: d.began, Held: d.held(0)})
	}
}

func (d *Detector) release(out *burst) {
	out.add(Press{Digit: d.key, Method: MethodInBand, Up: true, At: d.began, Held: d.held(d.misses)})
	d.key, d.rising, d.hits, d.misses = 0, 0, 0, 0
}

// held is how long the key has been heard, without its last misses.
func (d *Detector) held(misses int) time.Duration {
	n := int(d.next-d.began) - misses*hopSamples
	return time.Duration(n) * time.Second / rate
}

// block names the key in the newest block, 0 if there is none.
func (d *Detector) block() byte {
	first, second := d.energy(0), d.energy(blockSamples/2)
	total := (first + second) / blockSamples
	if total < leastPower || first > second*steadiness || second > first*steadiness {
		return 0
	}
	low, lowPower, lowOther := d.strongest(lows)
	high, highPower, highOther := d.strongest(highs)
	switch {
	case lowPower < leastPower || highPower < leastPower:
	case lowPower > highPower*twistReverse || highPower > lowPower*twistForward:
	case lowPower < lowOther*neighbour || highPower < highOther*neighbour:
	case lowPower+highPower < purity*total:
	case d.power(2*lows[low]) > harmonicShare*lowPower || d.power(2*highs[high]) > harmonicShare*highPower:
	case math.Abs(d.offset(lows[low])) > detune*lows[low] || math.Abs(d.offset(highs[high])) > detune*highs[high]:
	default:
		return keys[4*low+high]
	}
	return 0
}

// at is the block's i-th sample, oldest first.
func (d *Detector) at(i int) float64 {
	if i += d.head; i >= blockSamples {
		i -= blockSamples
	}
	return d.ring[i]
}

// energy is the sum of squares of the half block from sample i on.
func (d *Detector) energy(i int) (sum float64) {
	for n := range blockSamples / 2 {
		x := d.at(i + n)
		sum += x * x
	}
	return sum
}

// strongest returns the strongest frequency of a group, its power, and that of
// the next.
func (d *Detector) strongest(group [4]float64) (best int, power, other float64) {
	for i, f := range group {
		switch p := d.power(f); {
		case p > power:
			best, power, other = i, p, power
		case p > other:
			other = p
		}
	}
	return best, power, other
}

// power is the mean square of the block's part at a frequency.
func (d *Detector) power(f float64) float64 {
	re, im := d.goertzel(f, 0, blockSamples)
	return 2 * (re*re + im*im) / (blockSamples * blockSamples)
}

// offset is how far, in Hz, the tone near f is from it: what its phase gains on
// f from one half of the block to the next.
func (d *Detector) offset(f float64) float64 {
	const half = blockSamples / 2
	re1, im1 := d.goertzel(f, 0, half)
	re2, im2 := d.goertzel(f, half, half)
	gain := math.Atan2(im2, re2) - math.Atan2(im1, re1) - 2*math.Pi*f*half/rate
	return math.Remainder(gain, 2*math.Pi) * rate / (2 * math.Pi * half)
}

// goertzel is the n samples from sample i on, seen at frequency f.
func (d *Detector) goertzel(f float64, i, n int) (re, im float64) {
	sin, cos := math.Sincos(2 * math.Pi * f / rate)
	var s1, s2 float64
	for k := i; k < i+n; k++ {
		s1, s2 = d.at(k)+2*cos*s1-s2, s1
	}
	return s1 - s2*cos, s2 * sin
}

// highPass is one second-order Butterworth section.
type highPass struct {
	b0, b1, b2, a1, a2 float64
	x1, x2, y1, y2     float64
}

func newHighPass(cut, q float64) highPass {
	w := 2 * math.Pi * cut / rate
	alpha := math.Sin(w) / (2 * q)
	c, a0 := math.Cos(w), 1+alpha
	return highPass{
		b0: (1 + c) / 2 / a0, b1: -(1 + c) / a0, b2: (1 + c) / 2 / a0,
		a1: -2 * c / a0, a2: (1 - alpha) / a0,
	}
}

func (h *highPass) step(x float64) float64 {
	y := h.b0*x + h.b1*h.x1 + h.b2*h.x2 - h.a1*h.y1 - h.a2*h.y2
	h.x1, h.x2 = x, h.x1
	h.y1, h.y2 = y, h.y1
	return y
}
