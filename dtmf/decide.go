package dtmf

import "math"

// What the full frames of a run must show together.
const (
	runOffset     = 0.0245 // share of its frequency a tone may be off (Q.24: 1.8 % is a key, 3 % is none)
	twistOffLow   = 0.0225 // and where the twist is extreme (Australia: 1.5 % and 4 Hz, which is
	twistOffHigh  = 0.0200 // 2.07 % of 697 Hz and 1.83 % of 1209)
	runTwist      = 10.8   // dB, of which 10 are a key's
	leastScatter  = 0.008
	cleanResidual = 0.22 // of all energy, where the twist is usual
	twistResidual = 0.16 // and where it is extreme
	noiseGrows    = 2.0  // residual over what was heard before the press
	noiseShare    = 0.6  // of the tones, that noise before them may be
)

// Figures are what a press by tones was decided on.
type Figures struct {
	Level    float32 // dBm0 of the stronger tone
	Twist    float32 // dB, high group over low group
	LowOff   float32 // % that the low tone is off its nominal frequency
	HighOff  float32
	Residual float32           // share of all energy that is neither tone, steady hum left out
	Score    float32           // log odds that it is a key; the operating point is a least score
	Evidence [features]float32 // what the score is made of: the next training set
}

// features are the evidence that is weighed; weights.go says how much.
const features = 10

// evidence is the figures of a run and the features they are scored by. lacks is
// what makes it no key whatever else speaks for it, 0 if nothing does.
func (r *run) evidence(s *sums) (f Figures, lacks Near) {
	var x [features]float64
	pair := (s.low*s.low + s.high*s.high) / 2
	twist := 20 * math.Log10(s.high/s.low)
	lf := s.lf
	preRaw := float64(r.before.raw)
	if r.before.steady && s.lf < 1.7*float64(r.before.lf) {
		lf, preRaw = 0, float64(r.before.filtered) // hum or dial tone, there before and no worse now
	}
	filtered := s.residual / s.squares
	total := (s.residual + lf) / (s.squares + lf)
	f = Figures{
		Level: float32(dBm0(max(s.low, s.high))), Twist: float32(twist),
		LowOff: float32(100 * s.lowOff), HighOff: float32(100 * s.highOff), Residual: float32(total),
	}
	lowLimit, highLimit := scatterLimit(s.residual, s.low, 0), scatterLimit(s.residual, s.high, 1)
	a, b := s.lowScatter/lowLimit, s.highScatter/highLimit
	worst := max(math.Abs(s.lowOff), math.Abs(s.highOff))
	x = [features]float64{
		math.Log10(float64(r.before.filtered)/pair + 0.01),
		math.Log10(preRaw/pair + 0.01),
		max(a, b), min(a, b),
		math.Log10(filtered + 0.01),
		math.Log10(total + 0.01),
		max(0, math.Abs(twist+1.5)-4),
		100 * worst,
		s.spread,
		math.Log10(float64(r.before.calm)/pair + 0.001),
	}
	f.Score = float32(score(&x))
	for i := range x {
		f.Evidence[i] = float32(x[i])
	}
	noisy := filtered <= frameNoise && s.residual <= noiseGrows*float64(r.before.noise) && float64(r.before.noise) <= noiseShare*pair
	switch {
	case math.Abs(s.lowOff) > offsetLimit(twist, twistOffLow), math.Abs(s.highOff) > offsetLimit(twist, twistOffHigh):
		lacks = NearFrequency
	case a > 1 || b > 1:
		lacks = NearUnsteady
	case math.Abs(twist) > runTwist, total > residualLimit(twist) && !noisy:
		lacks = NearUnclean
	}
	return f, lacks
}

// scatterLimit is how far the frequency of a tone may scatter from frame to
// frame, as a share of it: four times what the noise in it explains (the
// Cramér-Rao bound of one frame), and never less than 0.8 %.
func scatterLimit(noise, amplitude float64, group int) float64 {
	const n = float64(frameSamples)
	hz := math.Sqrt(24*noise/(amplitude*amplitude*n*n*n)) * rate / (2 * math.Pi)
	middle := [2]float64{815, 1414}[group]
	return max(leastScatter, 4*hz/middle)
}

// unusual is how far the twist is beyond -8 to +4 dB, which is as far as ordinary
// lines take it.
func unusual(twist float64) float64 { return max(0, twist-4, -8-twist) }

// residualLimit and offsetLimit taper there: what is odd in one way must not be odd
// in another.
func residualLimit(twist float64) float64 {
	return cleanResidual - (cleanResidual-twistResidual)*min(1, unusual(twist)/4)
}

func offsetLimit(twist, extreme float64) float64 {
	return runOffset - (runOffset-extreme)*min(1, unusual(twist)/2)
}

// dBm0 is the level of a tone by its peak: a sine of full scale is 3.14 dBm0.
func dBm0(peak float64) float64 { return 20*math.Log10(peak/fullScale) + 3.14 }
