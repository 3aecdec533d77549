package main

import (
	"math"
	"math/rand/v2"
)

// sweep appends two tones that glide through the bands of the keys.
func sweep(s *stimulus, p press) {
	ratio := between(s.r, 1.5, 2.2)
	speed := between(s.r, 1000, 4000) // Hz a second
	phase := 0.0
	for f := 600.0; f < 1000; f += speed / rate {
		phase += 2 * math.Pi * f / rate
		s.x = append(s.x, peak(p.low)*math.Sin(phase)+peak(p.high)*math.Sin(ratio*phase))
	}
	s.rest(60)
}

// speak fills x with a voice: harmonics of a gliding pitch under three formants.
func speak(r *rand.Rand, x []float64, dBm0 float64) {
	for len(x) > 0 {
		n := min(len(x), int(between(r, 0.06, 0.25)*rate))
		pitch, glide := between(r, 85, 260), between(r, -0.15, 0.15)
		formants := [3]float64{between(r, 280, 850), between(r, 850, 2200), between(r, 2300, 3000)}
		phase := r.Float64()
		for t := range n {
			f := pitch * (1 + glide*float64(t)/float64(n))
			phase += 2 * math.Pi * f / rate
			for i := 1.0; i*f < 3400; i++ {
				gain := 0.02
				for _, centre := range formants {
					d := (i*f - centre) / 90
					gain += 1 / (1 + d*d)
				}
				x[t] += 0.4 * peak(dBm0) * gain * math.Sin(i*phase)
			}
		}
		x = x[n:]
	}
}

// vowels is minutes of a voice whose two strongest harmonics lie where keys have
// their tones: the worst that speech can do.
func vowels(r *rand.Rand, minutes int) []int16 {
	out := make([]int16, 0, minutes*60*rate)
	for len(out) < minutes*60*rate {
		low, high := lowHz[r.IntN(4)]*between(r, 0.97, 1.03), highHz[r.IntN(4)]
		k := float64(2 + r.IntN(4)) // the harmonic at the low tone
		pitch := low / k
		h := math.Round(high / pitch)
		n := int(between(r, 0.04, 0.25) * rate)
		glide, vibrato := between(r, -0.04, 0.04), between(r, 0, 0.01)
		level := peak(between(r, -20, -6))
		others := between(r, 0.05, 0.6)
		phase := 0.0
		for t := range n {
			x := float64(t) / float64(n)
			f := pitch * (1 + glide*(x-0.5) + vibrato*math.Sin(2*math.Pi*5.5*float64(t)/rate))
			phase += 2 * math.Pi * f / rate
			y := 0.0
			for i := 1.0; i*f < 3400; i++ {
				gain := others / math.Sqrt(i)
				if i == k || i == h {
					gain = 1
				}
				y += gain * math.Sin(i*phase)
			}
			edge := min(1, 12*x, 12*(1-x))
			out = append(out, compand(int16(max(-32000, min(32000, level*edge*y))), false))
		}
		out = append(out, make([]int16, int(between(r, 0, 0.1)*rate))...)
	}
	return out
}
