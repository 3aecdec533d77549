package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"tandem/dtmf"
)

// example is one run of frames that was weighed: its features, and whether it was
// a key.
type example struct {
	x      []float64
	key    bool
	weight float64
}

// importance is how much an example of a category counts. Speech that passes
// every gate is rare and dear.
var importance = map[string]float64{
	"core": 3, "strict": 2, "tones": 1, "stress": 0.7, "codec": 1, "hard field": 0.7, "field": 2,
	"loss": 1, "loss, marked": 1, "reject": 5, "reject, strict": 5,
	"speech": 100, "music": 100, "synthetic speech": 100, "vowels": 0.3,
}

// examples runs the detector over tapes; what it decided, either way, is an
// example, true if that key was down then.
func examples(tapes []*tape) (all []example) {
	for _, t := range tapes {
		r := dtmf.NewReceiver(dtmf.Config{InBand: true})
		next := 0
		for at := 0; at < len(t.sound); at += 32 {
			if f := at / frame; f < len(t.lost) && t.lost[f] {
				continue
			}
			for _, p := range r.Audio(time.Time{}, uint32(at), t.sound[at:min(at+32, len(t.sound))], nil) {
				if p.Up || p.Near != 0 && p.Near != dtmf.NearDoubtful {
					continue
				}
				for next+1 < len(t.spans) && t.spans[next].end < int(p.At) {
					next++
				}
				s := t.spans[next]
				e := example{key: strings.IndexByte(s.digits, p.Digit) >= 0 && int(p.At) > s.start-200, weight: importance[t.category]}
				for _, v := range p.Evidence {
					e.x = append(e.x, float64(v))
				}
				all = append(all, e)
			}
		}
	}
	return all
}

// fitWeights fits the log odds by iterated least squares, and prints the table of
// dtmf/weights.go.
func fitWeights(tapes []*tape, w io.Writer) error {
	all := examples(tapes)
	keys := 0
	for _, e := range all {
		if e.key {
			keys++
		}
	}
	if keys == 0 || keys == len(all) {
		return errors.New("fit: examples of one kind only")
	}
	mean, scale := moments(all)
	n := len(mean)
	theta, err := descend(all, mean, scale)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d keys, %d others\n", keys, len(all)-keys)
	list := func(name string, x []float64) {
		fmt.Fprintf(w, "\t%s = [features]float64{", name)
		for i, v := range x {
			if i > 0 {
				fmt.Fprint(w, ", ")
			}
			fmt.Fprintf(w, "%.3f", v)
		}
		fmt.Fprintln(w, "}")
	}
	list("featureMean ", mean)
	list("featureScale", scale)
	list("weight      ", theta[:n])
	list("weightSquare", theta[n:2*n])
	fmt.Fprintf(w, "\tweightBias = %.3f\n", theta[2*n])
	return nil
}

// descend fits weights none of which is positive: every feature is something that
// speaks against a key, and one that seems to speak for it does so by accident.
func descend(all []example, mean, scale []float64) ([]float64, error) {
	theta, out := make([]float64, 2*len(mean)+1), make([]bool, 2*len(mean)+1)
	for again := true; again; {
		for range 20 {
			step, err := newton(all, mean, scale, theta, out)
			if err != nil {
				return nil, err
			}
			ahead := func(by float64) []float64 {
				there := slices.Clone(theta)
				for i := range there {
					there[i] += by * step[i]
				}
				return there
			}
			by, here := 1.0, cost(all, mean, scale, theta)
			for by > 1e-4 && cost(all, mean, scale, ahead(by)) > here {
				by /= 2
			}
			theta = ahead(by)
		}
		again = false
		for i := range theta[:len(theta)-1] {
			if theta[i] > 0 {
				theta[i], out[i], again = 0, true, true
			}
		}
	}
	return theta, nil
}

func moments(all []example) (mean, scale []float64) {
	n := len(all[0].x)
	mean, scale = make([]float64, n), make([]float64, n)
	for _, e := range all {
		for i, v := range e.x {
			mean[i] += v / float64(len(all))
		}
	}
	for _, e := range all {
		for i, v := range e.x {
			scale[i] += (v - mean[i]) * (v - mean[i]) / float64(len(all))
		}
	}
	for i := range scale {
		scale[i] = math.Sqrt(scale[i]) + 1e-6
	}
	return mean, scale
}

const ridge = 2

// row is what an example's weights stand at.
func (e *example) row(mean, scale, row []float64) {
	for i, v := range e.x {
		u := min((v-mean[i])/scale[i], 4)
		row[i], row[len(e.x)+i] = u, max(0, u)*max(0, u)
	}
	row[len(row)-1] = 1
}

// cost is what is made small: the log loss, and the ridge.
func cost(all []example, mean, scale, theta []float64) (sum float64) {
	row := make([]float64, len(theta))
	for _, t := range theta {
		sum += ridge / 2 * t * t
	}
	for _, e := range all {
		e.row(mean, scale, row)
		z := 0.0
		for i := range row {
			z += row[i] * theta[i]
		}
		if !e.key {
			z = -z
		}
		sum += e.weight * (math.Log1p(math.Exp(-math.Abs(z))) + max(0, -z))
	}
	return sum
}

// newton is one step of logistic regression with a small ridge.
func newton(all []example, mean, scale, theta []float64, out []bool) ([]float64, error) {
	n := len(theta)
	h, g := make([][]float64, n), make([]float64, n)
	for i := range h {
		h[i] = make([]float64, n)
		h[i][i] = ridge
		g[i] = -ridge * theta[i]
	}
	row := make([]float64, n)
	for _, e := range all {
		z := 0.0
		e.row(mean, scale, row)
		for i, not := range out {
			if not {
				row[i] = 0
			}
		}
		for i := range row {
			z += row[i] * theta[i]
		}
		p := 1 / (1 + math.Exp(-z))
		y := 0.0
		if e.key {
			y = 1
		}
		for i := range row {
			g[i] += e.weight * (y - p) * row[i]
			for j := range row {
				h[i][j] += e.weight * max(p*(1-p), 1e-6) * row[i] * row[j]
			}
		}
	}
	return eliminate(h, g)
}

// eliminate solves a symmetric positive system.
func eliminate(a [][]float64, b []float64) ([]float64, error) {
	n := len(b)
	for i := range n {
		if a[i][i] < 1e-12 {
			return nil, errors.New("fit: singular")
		}
		for r := i + 1; r < n; r++ {
			f := a[r][i] / a[i][i]
			for c := i; c < n; c++ {
				a[r][c] -= f * a[i][c]
			}
			b[r] -= f * b[i]
		}
	}
	for i := n - 1; i >= 0; i-- {
		for c := i + 1; c < n; c++ {
			b[i] -= a[i][c] * b[c]
		}
		b[i] /= a[i][i]
	}
	return b, nil
}
