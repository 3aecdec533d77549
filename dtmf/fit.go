package dtmf

import "math"

// fitted is two tones laid through a frame by least squares.
type fitted struct {
	low, high         float64 // Hz
	lowAmp, highAmp   float64 // peak
	residual, squares float64 // sums of squares: what the tones leave, and all there is
}

// maxStep is how far one step may move a frequency, Hz: beyond it the start was
// no tone.
const maxStep = 40

// fit lays two tones through a frame, from frequencies that are nearly right.
// Two Gauss-Newton steps of an eight-column least squares (each tone and its
// derivative by frequency) place the frequencies, four columns give amplitudes
// and residual. Both tones are fitted together, so a strong one does not bend a
// weak one. The time is counted from the middle of the frame: what is even and
// what is odd in it then fall apart, into two systems of half the size.
func fit(x *[frameSamples]float32, low, high float64) (f fitted, ok bool) {
	var even, odd [frameSamples / 2]float64
	for n := range even {
		a, b := float64(x[frameSamples/2+n]), float64(x[frameSamples/2-1-n])
		even[n], odd[n] = a+b, a-b
		f.squares += a*a + b*b
	}
	w := [2]float64{low * 2 * math.Pi / rate, high * 2 * math.Pi / rate}
	for range 2 {
		e, o := products(&even, &odd, w)
		g := gram(w)
		ce, ok1 := solve4(&g[0], &e)
		co, ok2 := solve4(&g[1], &o)
		left := f.squares
		for i := range e {
			left -= ce[i]*e[i] + co[i]*o[i]
		}
		if !ok1 || !ok2 || left > frameNoise*f.squares {
			return f, false // tones that move do not explain it: still ones will not
		}
		for i := range w {
			// a·cos(wn) + b·sin(wn) and its derivative: n(b·cos(wn) - a·sin(wn)).
			a, nsin, b, ncos := ce[2*i], ce[2*i+1], co[2*i], co[2*i+1]
			step := (b*ncos - a*nsin) / (a*a + b*b + 1e-9)
			if math.Abs(step) > maxStep*2*math.Pi/rate {
				return f, false
			}
			w[i] += step
		}
		if w[0] < 0.4 || w[1] > 1.45 || w[1]-w[0] < 0.1 { // 509 to 1846 Hz
			return f, false
		}
	}
	f.low, f.high = w[0]*rate/(2*math.Pi), w[1]*rate/(2*math.Pi)
	e, o := products(&even, &odd, w)
	g := gram(w)
	a0, a1, ok1 := solve2(g[0][0][0], g[0][0][2], g[0][2][2], e[0], e[2])
	b0, b1, ok2 := solve2(g[1][0][0], g[1][0][2], g[1][2][2], o[0], o[2])
	f.lowAmp, f.highAmp = math.Hypot(a0, b0), math.Hypot(a1, b1)
	f.residual = max(0, f.squares-a0*e[0]-a1*e[2]-b0*o[0]-b1*o[2])
	return f, ok1 && ok2
}

// products are the frame's with the columns: cos, n·sin of both tones with what is
// even in it, sin, n·cos with what is odd.
func products(even, odd *[frameSamples / 2]float64, w [2]float64) (e, o [4]float64) {
	s0, c0 := math.Sincos(w[0] / 2)
	s1, c1 := math.Sincos(w[1] / 2)
	ds0, dc0 := math.Sincos(w[0])
	ds1, dc1 := math.Sincos(w[1])
	n := 0.5
	for k := range even {
		x, y := even[k], odd[k]
		xn, yn := x*n, y*n
		e[0] += x * c0
		e[1] += xn * s0
		e[2] += x * c1
		e[3] += xn * s1
		o[0] += y * s0
		o[1] += yn * c0
		o[2] += y * s1
		o[3] += yn * c1
		c0, s0 = c0*dc0-s0*ds0, s0*dc0+c0*ds0
		c1, s1 = c1*dc1-s1*ds1, s1*dc1+c1*ds1
		n++
	}
	return e, o
}

// kernel is the sum of cos(s·n) over a frame, and its first two derivatives.
func kernel(s float64) (d0, d1, d2 float64) {
	const n = float64(frameSamples)
	sinA, cosA := math.Sincos(n * s / 2)
	sinB, cosB := math.Sincos(s / 2)
	cot := cosB / sinB
	d0 = sinA / sinB
	d1 = n/2*cosA/sinB - d0*cot/2
	d2 = -n*n/4*d0 - n/4*cosA*cosB/(sinB*sinB) - d1*cot/2 + d0/(4*sinB*sinB)
	return d0, d1, d2
}

// gram is the products of the columns with each other, even and odd.
func gram(w [2]float64) (g [2][4][4]float64) {
	const n = float64(frameSamples)
	for i := range 2 {
		for j := range 2 {
			p0, p1, p2 := kernel(w[i] + w[j])
			m0, m1, m2 := n, 0.0, -n*(n*n-1)/12
			if i != j {
				m0, m1, m2 = kernel(w[j] - w[i])
			}
			g[0][2*i][2*j] = (m0 + p0) / 2      // cos, cos
			g[0][2*i][2*j+1] = -(p1 + m1) / 2   // cos, n·sin
			g[0][2*j+1][2*i] = -(p1 + m1) / 2   //
			g[0][2*i+1][2*j+1] = -(m2 - p2) / 2 // n·sin, n·sin
			g[1][2*i][2*j] = (m0 - p0) / 2      // sin, sin
			g[1][2*i][2*j+1] = -(p1 - m1) / 2   // sin, n·cos
			g[1][2*j+1][2*i] = -(p1 - m1) / 2   //
			g[1][2*i+1][2*j+1] = -(m2 + p2) / 2 // n·cos, n·cos
		}
	}
	return g
}

// solve4 solves a symmetric positive system by elimination.
func solve4(g *[4][4]float64, y *[4]float64) (x [4]float64, ok bool) {
	a, b := *g, *y
	for i := range 4 {
		if a[i][i] < 1e-9 {
			return x, false
		}
		for r := i + 1; r < 4; r++ {
			f := a[r][i] / a[i][i]
			for c := i; c < 4; c++ {
				a[r][c] -= f * a[i][c]
			}
			b[r] -= f * b[i]
		}
	}
	for i := 3; i >= 0; i-- {
		sum := b[i]
		for c := i + 1; c < 4; c++ {
			sum -= a[i][c] * x[c]
		}
		x[i] = sum / a[i][i]
	}
	return x, true
}

// solve2 solves a symmetric system of two.
func solve2(a, b, c, y0, y1 float64) (x0, x1 float64, ok bool) {
	det := a*c - b*b
	if det < 1e-9 {
		return 0, 0, false
	}
	return (y0*c - y1*b) / det, (y1*a - y0*b) / det, true
}
