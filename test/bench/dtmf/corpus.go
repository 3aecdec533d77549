package main

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// maker makes stimuli of one category.
type maker struct {
	category string
	n        int // stimuli in a corpus of full size
	make     func(r *rand.Rand, i int) *stimulus
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func between(r *rand.Rand, a, b float64) float64 { return a + (b-a)*r.Float64() }

// one is a stimulus of a single key, changed by change, with what is done to it.
func one(r *rand.Rand, i int, change func(p *press), after func(s *stimulus)) *stimulus {
	s := newStimulus(r)
	p := usual(keypad[i%16])
	change(&p)
	s.note = fmt.Sprintf("%+v", p)
	s.key(p)
	s.finish()
	if after != nil {
		after(s)
	}
	return s
}

// att is a corner of the AT&T column of ITU-T Q.24.
func att(r *rand.Rand, p *press) {
	p.on, p.off = 40, 40
	p.lowDev, p.highDev = pick(r, -0.015, 0, 0.015), pick(r, -0.015, 0, 0.015)
	level := pick(r, 0.0, -3, -10, -18, -25)
	p.low, p.high = level, level
	switch twist := pick(r, -8.0, -4, 0, 2, 4); {
	case twist > 0:
		p.low = max(level-twist, -25)
		p.high = p.low + twist
	default:
		p.high = max(level+twist, -25)
		p.low = p.high - twist
	}
}

// corner is one of the other columns.
func corner(r *rand.Rand, p *press) {
	p.on, p.off = 40, pick(r, 30.0, 40)
	switch r.IntN(3) {
	case 0: // Danish and Australian
		p.lowDev, p.highDev = pick(r, -0.015, 0.015), pick(r, -0.015, 0.015)
		hz := pick(r, 2.0, 4)
		p.lowAdd, p.highAdd = hz*sign(p.lowDev), hz*sign(p.highDev)
	default: // NTT and Brazilian
		p.lowDev, p.highDev = pick(r, -0.018, 0.018), pick(r, -0.018, 0.018)
	}
	p.high = pick(r, -5.0, -12, -17)
	p.low = p.high + pick(r, -10.0, -9, -6, 6, 9, 10)
	if p.low > -1 {
		p.low, p.high = -1, p.high-(p.low+1)
	}
}

// dialled are keys in a row, all of one sender.
func dialled(r *rand.Rand, n int, of func(r *rand.Rand, p *press)) *stimulus {
	s := newStimulus(r)
	p := usual(0)
	of(r, &p)
	for range n {
		p.digit = keypad[r.IntN(16)]
		s.key(p)
	}
	s.finish()
	s.note = fmt.Sprintf("%+v", p)
	return s
}

var makers = []maker{
	{"core", 800, func(r *rand.Rand, i int) *stimulus { return one(r, i, func(p *press) { att(r, p) }, nil) }},
	{"core", 100, func(r *rand.Rand, _ int) *stimulus { return dialled(r, 8, att) }},
	{"core", 320, func(r *rand.Rand, i int) *stimulus { // Q.23 senders
		return one(r, i, func(p *press) {
			p.on, p.lowDev, p.highDev = between(r, 40, 100), between(r, -0.018, 0.018), between(r, -0.018, 0.018)
		}, nil)
	}},
	{"core", 480, func(r *rand.Rand, i int) *stimulus { // noise
		level := pick(r, -8.0, -15, -22)
		return one(r, i, func(p *press) {
			p.on, p.low, p.high = pick(r, 40.0, 50, 80), level, level
			p.lowDev, p.highDev = between(r, -0.015, 0.015), between(r, -0.015, 0.015)
		}, func(s *stimulus) { s.noise(level - pick(r, 15.0, 23)) })
	}},
	{"core", 160, func(r *rand.Rand, i int) *stimulus { // hum as a codec filter leaves it
		return one(r, i, func(p *press) { p.on = pick(r, 40.0, 60) }, func(s *stimulus) { s.tones(-33, 60); s.tones(-25, 180) })
	}},
	{"core", 160, func(r *rand.Rand, i int) *stimulus { // echo
		return one(r, i, func(p *press) { p.on = pick(r, 40.0, 70) }, func(s *stimulus) { s.echo(between(r, 3, 20), between(r, 10, 20)) })
	}},
	{"core", 160, func(r *rand.Rand, i int) *stimulus { // an interruption of 10 ms
		return one(r, i, func(p *press) { p.on, p.cut, p.cutAt = between(r, 70, 120), 10, between(r, 20, 40) }, nil)
	}},

	{"strict", 640, func(r *rand.Rand, i int) *stimulus { // corners of the other columns
		return one(r, i, func(p *press) { corner(r, p) }, nil)
	}},
	{"strict", 80, func(r *rand.Rand, _ int) *stimulus { return dialled(r, 5, corner) }},
	{"strict", 160, func(r *rand.Rand, i int) *stimulus { // faint
		return one(r, i, func(p *press) { p.on, p.low, p.high = 40, pick(r, -25.0, -27), pick(r, -25.0, -27) }, nil)
	}},
	{"strict", 160, func(r *rand.Rand, i int) *stimulus { // interruptions of 12 and 20 ms
		return one(r, i, func(p *press) { p.on, p.cut, p.cutAt = between(r, 90, 130), pick(r, 12.0, 20), between(r, 30, 50) }, nil)
	}},
	{"strict", 240, func(r *rand.Rand, i int) *stimulus { // the same key twice, 30 ms apart
		s := newStimulus(r)
		p := usual(keypad[i%16])
		p.on, p.off = pick(r, 40.0, 50, 63), 30
		s.key(p)
		s.key(p)
		s.finish()
		return s
	}},

	{"tones", 960, func(r *rand.Rand, i int) *stimulus {
		level := between(r, -18, -8)
		return one(r, i, func(p *press) {
			p.on, p.low, p.high = between(r, 50, 120), level, level+between(r, -2, 3)
			p.lowDev, p.highDev = between(r, -0.01, 0.01), between(r, -0.01, 0.01)
		}, func(s *stimulus) {
			under := level + between(r, -6, 6)
			s.tones(under, pick(r, []float64{350, 440}, []float64{440, 480}, []float64{480, 620}, []float64{425}, []float64{400, 450})...)
		})
	}},

	{"stress", 960, stress},
	{"loss", 960, func(r *rand.Rand, i int) *stimulus {
		return one(r, i, func(p *press) {
			p.on = pick(r, 80.0, 100, 120, 160)
			p.lowDev, p.highDev = between(r, -0.005, 0.005), between(r, -0.005, 0.005)
		}, func(s *stimulus) { s.lose(between(r, 0.01, 0.1), i/16%marked) })
	}},
	{"loss, marked", 640, func(r *rand.Rand, i int) *stimulus {
		return one(r, i, func(p *press) {
			p.on = pick(r, 80.0, 100, 120, 160)
			p.lowDev, p.highDev = between(r, -0.005, 0.005), between(r, -0.005, 0.005)
		}, func(s *stimulus) { s.lose(between(r, 0.01, 0.1), marked) })
	}},
	{"field", 800, field},

	{"reject", 1600, reject},
	{"reject, strict", 640, func(r *rand.Rand, i int) *stimulus {
		s := one(r, i, func(p *press) {
			if i/16%2 == 0 {
				p.on = between(r, 23, 25)
				return
			}
			p.on = pick(r, 40.0, 70, 100)
			off := between(r, 0.030, 0.034) * pick(r, -1.0, 1)
			if r.IntN(2) == 0 {
				p.lowDev = off
			} else {
				p.highDev = off
			}
		}, nil)
		s.reject = true
		return s
	}},
}

func sign(x float64) float64 {
	if x < 0 {
		return -1
	}
	return 1
}

// stress is what lines do at their worst.
func stress(r *rand.Rand, i int) *stimulus {
	level := between(r, -18, -7)
	kind := i / 16 % 10
	return one(r, i, func(p *press) {
		p.on, p.low, p.high = between(r, 50, 120), level+between(r, -2, 2), level+between(r, -2, 2)
		p.lowDev, p.highDev = between(r, -0.01, 0.01), between(r, -0.01, 0.01)
		switch kind {
		case 6:
			p.low, p.high = between(r, 0, 3), between(r, 0, 3) // clips
		case 9: // the contact bounces
			p.cut, p.cutAt = between(r, 3, 8), between(r, 4, 12)
		}
	}, func(s *stimulus) {
		switch kind {
		case 0, 1, 2:
			s.noise(level - between(r, 3, 12))
		case 3:
			s.impulses(between(r, 2, 15), level+between(r, -3, 10))
		case 4:
			s.tones(level+between(r, -6, 6), pick(r, 50.0, 60), pick(r, 150.0, 180))
		case 5:
			offset := peak(level) * between(r, -1, 1)
			s.under(func(int) float64 { return offset })
		case 6:
			s.clip(between(r, -3, 3))
		case 7:
			s.echo(between(r, 20, 60), between(r, 8, 16))
		case 8:
			s.slip(pick(r, -8, -3, -1, 1, 3, 8))
		}
	})
}

// field is a rep with a phone: some keys, ordinary lines.
func field(r *rand.Rand, _ int) *stimulus {
	s := newStimulus(r)
	level, twist := between(r, -24, -5), between(r, -5, 4)
	low, high := between(r, -0.008, 0.008), between(r, -0.008, 0.008)
	for range 1 + r.IntN(4) {
		s.key(press{
			digit: keypad[r.IntN(16)], on: between(r, 55, 300), off: between(r, 60, 400),
			low: level - twist/2, high: level + twist/2, lowDev: low, highDev: high, ramp: between(r, 0, 5),
		})
	}
	s.finish()
	switch r.IntN(6) { // until the key mutes the microphone
	case 0, 1:
		speak(r, s.x[:s.start-r.IntN(160)], level+between(r, -15, 3))
	case 2:
		hz := between(r, 300, 2500)
		for t := range s.x[:s.start-r.IntN(80)] {
			s.x[t] += peak(level+2) * math.Sin(2*math.Pi*hz*float64(t)/rate)
		}
	}
	if r.IntN(2) == 0 {
		s.noise(level - between(r, 18, 45))
	}
	if r.IntN(4) == 0 {
		s.echo(between(r, 2, 20), between(r, 12, 30))
	}
	if r.IntN(5) == 0 {
		s.tones(level-between(r, 3, 15), pick(r, 50.0, 60), 150)
	}
	if r.IntN(5) == 0 {
		s.lose(between(r, 0, 0.01), r.IntN(marked))
	}
	s.laws = 1 + r.IntN(2)
	return s
}

// reject is what must not be a key by every column.
func reject(r *rand.Rand, i int) *stimulus {
	s := newStimulus(r)
	p := usual(keypad[i%16])
	p.low, p.high = between(r, -20, -4), between(r, -20, -4)
	low, high := lowHz[i%16/4], highHz[i%4]
	switch i / 16 % 8 {
	case 0: // too short
		p.on = between(r, 8, 20)
	case 1: // off by 3.5 % and more
		p.on = between(r, 40, 200)
		off := between(r, 0.036, 0.06) * pick(r, -1.0, 1)
		if r.IntN(2) == 0 {
			low *= 1 + off
		} else {
			high *= 1 + off
		}
	case 2: // too faint
		p.on, p.low, p.high = between(r, 40, 200), between(r, -60, -55), between(r, -60, -55)
	case 3: // one tone
		p.on = between(r, 20, 500)
		if r.IntN(2) == 0 {
			p.low = -99
		} else {
			p.high = -99
		}
	case 4: // tones of the network and of machines
		p.on = between(r, 100, 1000)
		pairs := [][2]float64{{350, 440}, {440, 480}, {480, 620}, {425, 425}, {1100, 1100}, {2100, 2100}, {950, 1400}, {1400, 1800},
			{1000, 1400}, {700, 900}, {700, 1100}, {900, 1100}, {1100, 1300}, {1300, 1500}, {1100, 1700}, {1500, 1700}}
		pair := pairs[r.IntN(len(pairs))]
		low, high = pair[0], pair[1]
	case 5: // two of one group
		p.on = between(r, 50, 300)
		if r.IntN(2) == 0 {
			high = lowHz[(i/4+1+r.IntN(3))%4]
		} else {
			low = highHz[(i+1+r.IntN(3))%4]
		}
	case 6: // a sweep of two tones
		p.on = 0
	case 7: // bursts that are each too short, 40 ms apart
		p.on, p.off = between(r, 8, 20), 40
		s.pair(low, high, p)
		s.pair(low, high, p)
	}
	if i/16%8 == 6 {
		sweep(s, p)
	} else {
		s.pair(low, high, p)
	}
	s.finish()
	if r.IntN(3) == 0 {
		s.noise(max(p.low, p.high, -40) - between(r, 15, 30))
	}
	s.reject = true
	return s
}
