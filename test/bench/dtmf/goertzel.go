package main

import "math"

// textbook is the Goertzel detector of application notes: blocks of 205 samples,
// the strongest of each group, 8 dB over the others, two blocks alike.
func textbook(t *tape) (out []heard) {
	const block = 205
	var last, now byte
	for at := 0; at+block <= len(t.sound); at += block {
		key := textbookBlock(t.sound[at : at+block])
		if key != 0 && key == last && key != now {
			out = append(out, heard{digit: key, at: at + block, start: at - block})
		}
		if key == last {
			now = key
		}
		last = key
	}
	return out
}

func textbookBlock(x []int16) byte {
	total := 0.0
	for _, v := range x {
		total += float64(v) * float64(v)
	}
	strongest := func(group [4]float64) (best int, power float64, clear bool) {
		var p [4]float64
		for i, f := range group {
			c := 2 * math.Cos(2*math.Pi*f/rate)
			var s1, s2 float64
			for _, v := range x {
				s1, s2 = float64(v)+c*s1-s2, s1
			}
			p[i] = s1*s1 + s2*s2 - c*s1*s2
			if p[i] > p[best] {
				best = i
			}
		}
		clear = true
		for i := range p {
			clear = clear && (i == best || p[i]*6.3 < p[best])
		}
		return best, p[best], clear
	}
	low, a, ok1 := strongest(lowHz)
	high, b, ok2 := strongest(highHz)
	n := float64(len(x))
	if !ok1 || !ok2 || a < b/6.3 || b < a/6.3 || total/n < 40000 || 2*(a+b)/n < 0.4*total {
		return 0
	}
	return keypad[4*low+high]
}
