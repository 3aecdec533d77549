package dtmf

import "math"

// sineFrame is what one tone is looked for in, 20 ms.
const sineFrame = 160

// sineShare is how much of a frame's energy is a lone tone's.
const sineShare = 0.97

// sine finds the tone that explains a frame best: its frequency, the frame's mean
// square, and whether hardly anything else is in it. Of a sine, each sample's two
// neighbours add up to 2·cos(w) times it; noise is in all three of them, so that
// the factor is fitted by total least squares.
func sine(x *[sineFrame]float32) (hz, power float64, alone bool) {
	var sums, mixed, mids float64
	for n := 1; n < sineFrame-1; n++ {
		sum, mid := float64(x[n-1]+x[n+1]), float64(x[n])
		sums += sum * sum
		mixed += sum * mid
		mids += mid * mid
	}
	power = mids / (sineFrame - 2)
	over := sums - 2*mids
	root := math.Sqrt(over*over + 8*mixed*mixed)
	factor := (over + root) / (2 * mixed)
	if over < 0 {
		factor = 4 * mixed / (root - over) // the same, without a difference of equals
	}
	if !(math.Abs(factor) < 2) {
		return 0, power, false
	}
	w := math.Acos(factor / 2)
	return w * rate / (2 * math.Pi), power, explained(x, w) > sineShare
}

// explained is the share of a frame's energy that a sine of w radians a sample has.
func explained(x *[sineFrame]float32, w float64) float64 {
	var ss, cc, sc, xs, xc, xx float64
	turnSin, turnCos := math.Sincos(w)
	sin, cos := 0.0, 1.0
	for _, sample := range x {
		v := float64(sample)
		ss += sin * sin
		cc += cos * cos
		sc += sin * cos
		xs += v * sin
		xc += v * cos
		xx += v * v
		sin, cos = sin*turnCos+cos*turnSin, cos*turnCos-sin*turnSin
	}
	a, b, ok := solve2(ss, sc, cc, xs, xc)
	if !ok || xx == 0 {
		return 0
	}
	return (a*xs + b*xc) / xx
}
