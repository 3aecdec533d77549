package dtmf

import "math"

// What a frame must have for the fit to be worth its time.
const (
	screenShare = 0.40 // of the energy behind the high-pass, both tones together
	screenEach  = 0.03
	screenOff   = 0.06 // share of its frequency that a tone may seem to be off
)

// phasor is a sub-block seen at one frequency, its phase counted from its middle.
type phasor struct{ re, im float32 }

// demodTable holds cos and sin of each frequency at the half samples from the
// middle of a sub-block outwards, by group; demodTurn the phase of half a frame's
// step from one sub-block to the next.
var (
	demodTable [2][subSamples / 2][8]float32
	demodTurn  [8]phasor
)

func init() {
	for f := range 8 {
		w := 2 * math.Pi * nominal(f) / rate
		for n := range subSamples / 2 {
			sin, cos := math.Sincos(w * (float64(n) + 0.5))
			demodTable[f/4][n][f%4], demodTable[f/4][n][4+f%4] = float32(cos), float32(sin)
		}
		sin, cos := math.Sincos(w * subSamples)
		demodTurn[f] = phasor{float32(cos), float32(-sin)}
	}
}

// nominal is the f-th of the eight frequencies, low group first.
func nominal(f int) float64 {
	if f < 4 {
		return lows[f]
	}
	return highs[f-4]
}

// demodulate sees a sub-block at the eight frequencies. Folding it about its
// middle leaves half of the products.
func demodulate(x *[subSamples]float32, out *[8]phasor) {
	var even, odd [subSamples / 2]float32
	for n := range subSamples / 2 {
		a, b := x[subSamples/2+n], x[subSamples/2-1-n]
		even[n], odd[n] = a+b, a-b
	}
	for group := range demodTable {
		var c0, c1, c2, c3, s0, s1, s2, s3 float32
		for n := range demodTable[group] {
			t, e, o := &demodTable[group][n], even[n], odd[n]
			c0 += e * t[0]
			c1 += e * t[1]
			c2 += e * t[2]
			c3 += e * t[3]
			s0 += o * t[4]
			s1 += o * t[5]
			s2 += o * t[6]
			s3 += o * t[7]
		}
		at := out[4*group : 4*group+4]
		at[0], at[1], at[2], at[3] = phasor{c0, -s0}, phasor{c1, -s1}, phasor{c2, -s2}, phasor{c3, -s3}
	}
}

// halves are the two half frames seen at one frequency, in one phase.
type halves struct{ first, second phasor }

func (h halves) power() float32 {
	return h.first.re*h.first.re + h.first.im*h.first.im + h.second.re*h.second.re + h.second.im*h.second.im
}

// frequency is where the tone near the f-th frequency lies, Hz: what its phase
// gains on it from one half frame to the next.
func (h halves) frequency(f int) float64 {
	a, b := h.first, h.second
	gain := math.Atan2(float64(b.im*a.re-b.re*a.im), float64(b.re*a.re+b.im*a.im))
	const half = frameSamples / 2
	return nominal(f) + gain*rate/(2*math.Pi*half)
}

// screen looks for a pair of tones in the newest frame, whose mean square behind
// the high-pass is power. It returns where to start the fit.
func (d *Detector) screen(power float32) (low, high float64, ok bool) {
	var best [2]int
	var at [2]halves
	for f := range 8 {
		turn := demodTurn[f]
		join := func(a, b phasor) phasor { // b is one sub-block later
			return phasor{a.re + b.re*turn.re - b.im*turn.im, a.im + b.re*turn.im + b.im*turn.re}
		}
		s := &d.seen
		n := int(d.past.head)
		h := halves{join(s[n%4][f], s[(n+1)%4][f]), join(s[(n+2)%4][f], s[(n+3)%4][f])}
		// Both half frames are counted from their own beginning: two turns apart.
		h.second = turn.times(turn.times(h.second))
		if p := h.power(); f%4 == 0 || p > at[f/4].power() {
			best[f/4], at[f/4] = f, h
		}
	}
	// A tone of amplitude A that fills both half frames has power 2·(A·N/4)².
	const norm = 4.0 / (frameSamples * frameSamples)
	lowShare, highShare := norm*at[0].power()/power, norm*at[1].power()/power
	if lowShare+highShare < screenShare || lowShare < screenEach || highShare < screenEach {
		return 0, 0, false
	}
	low, high = at[0].frequency(best[0]), at[1].frequency(best[1])
	_, lowOff := nearest(&lows, low)
	_, highOff := nearest(&highs, high)
	return low, high, math.Abs(lowOff) < screenOff && math.Abs(highOff) < screenOff
}

// times turns p.
func (t phasor) times(p phasor) phasor {
	return phasor{p.re*t.re - p.im*t.im, p.re*t.im + p.im*t.re}
}
