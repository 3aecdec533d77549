package main

import (
	"math"
	"math/rand/v2"
)

// The held-out corpus is made by other means than the two that were looked at
// while the detector was written: anywhere between the corners, voices as noise,
// bursts of loss, rooms, other codecs and several in a row.

// crowd is voices that speak at once, three deep: what is behind a rep.
type crowd []int16

func gather() (crowd, error) {
	var t tape
	files, err := recordings(animals + "uk")
	if err != nil {
		return nil, err
	}
	if err := t.say(files, []float64{1}); err != nil {
		return nil, err
	}
	third := len(t.sound) / 3
	out := make(crowd, third)
	for i := range out {
		out[i] = t.sound[i]/3 + t.sound[third+i]/3 + t.sound[2*third+i]/3
	}
	return out, nil
}

// under adds the crowd to a stimulus, at a mean level in dBm0.
func (c crowd) under(s *stimulus, dBm0 float64) {
	from := s.r.IntN(len(c) - len(s.x))
	part := c[from : from+len(s.x)]
	power := 1.0
	for _, x := range part {
		power += float64(x) * float64(x) / float64(len(part))
	}
	gain := peak(dBm0) / math.Sqrt(2*power)
	s.under(func(t int) float64 { return gain * float64(part[t]) })
}

// anyAtt is any press that the AT&T column of ITU-T Q.24 asks for.
func anyAtt(r *rand.Rand, p *press) {
	p.on, p.off = between(r, 40, 60), between(r, 40, 60)
	p.lowDev, p.highDev = between(r, -0.015, 0.015), between(r, -0.015, 0.015)
	twist := between(r, -8, 4)
	p.low = between(r, max(-25, -25-twist), min(0, -twist))
	p.high = p.low + twist
	p.ramp = between(r, 0, 2)
}

// heldMakers are its stimuli.
func heldMakers(c crowd) []maker {
	return []maker{
		{"core", 1200, func(r *rand.Rand, i int) *stimulus { return one(r, i, func(p *press) { anyAtt(r, p) }, nil) }},
		{"core", 800, func(r *rand.Rand, i int) *stimulus {
			var weaker float64
			return one(r, i, func(p *press) {
				anyAtt(r, p)
				p.low, p.high = max(p.low, -20), max(p.high, -20)
				weaker = min(p.low, p.high)
			}, func(s *stimulus) { s.noise(weaker - between(r, 15, 25)) })
		}},
		{"core", 100, func(r *rand.Rand, _ int) *stimulus { return dialled(r, 8, anyAtt) }},
		{"strict", 1200, func(r *rand.Rand, i int) *stimulus {
			return one(r, i, func(p *press) {
				p.on, p.off = between(r, 40, 60), between(r, 30, 50)
				p.lowDev, p.highDev = between(r, -0.018, 0.018), between(r, -0.018, 0.018)
				twist := between(r, -10, 10)
				p.low = between(r, max(-25, -25-twist), min(-1, -1-twist))
				p.high = p.low + twist
			}, nil)
		}},
		{"tones", 960, func(r *rand.Rand, i int) *stimulus {
			level := between(r, -20, -6)
			return one(r, i, func(p *press) {
				p.on, p.low, p.high = between(r, 60, 150), level, level+between(r, -3, 3)
				p.lowDev, p.highDev = between(r, -0.012, 0.012), between(r, -0.012, 0.012)
			}, func(s *stimulus) {
				under := level + between(r, -6, 6)
				s.tones(under, pick(r, []float64{350, 450}, []float64{400}, []float64{383, 417}, []float64{425, 450}, []float64{480, 620})...)
			})
		}},
		{"stress", 960, func(r *rand.Rand, i int) *stimulus { return c.stress(r, i) }},
		{"loss", 960, func(r *rand.Rand, i int) *stimulus { return bursts(r, i, i/16%marked) }},
		{"loss, marked", 640, func(r *rand.Rand, i int) *stimulus { return bursts(r, i, marked) }},
		{"field", 800, func(r *rand.Rand, i int) *stimulus {
			s := newStimulus(r)
			level, twist := between(r, -22, -6), between(r, -4, 4)
			for range 1 + r.IntN(3) {
				s.key(press{digit: keypad[r.IntN(16)], on: 60 + 140*r.ExpFloat64(), off: between(r, 50, 600),
					low: level - twist/2, high: level + twist/2, ramp: between(r, 0, 8)})
			}
			s.finish()
			c.under(s, level-between(r, 15, 40))
			s.laws = 1 + r.IntN(3)
			return s
		}},
		{"reject", 1600, reject},
	}
}

// stress is noise that is not white, rooms, gains that move.
func (c crowd) stress(r *rand.Rand, i int) *stimulus {
	level := between(r, -18, -7)
	return one(r, i, func(p *press) {
		p.on, p.low, p.high = between(r, 60, 150), level+between(r, -2, 2), level+between(r, -2, 2)
		p.lowDev, p.highDev = between(r, -0.01, 0.01), between(r, -0.01, 0.01)
	}, func(s *stimulus) {
		switch i / 16 % 6 {
		case 0: // people
			c.under(s, level-between(r, 4, 15))
		case 1: // a room
			for range 4 {
				s.echo(between(r, 5, 70), between(r, 12, 22))
			}
		case 2: // rain: noise that grows with frequency
			last, sigma := 0.0, peak(level-between(r, 5, 14))/2
			s.under(func(int) float64 {
				x := sigma * r.NormFloat64()
				y := x - last
				last = x
				return y
			})
		case 3: // a motor: noise that falls with it
			sum, sigma := 0.0, peak(level+between(r, -6, 0))/4
			s.under(func(int) float64 {
				sum = 0.95*sum + sigma*r.NormFloat64()
				return sum
			})
		case 4: // gain that is turned while the key is down
			from, by := s.start+r.IntN(400), math.Pow(10, between(r, -4, 4)/20)
			for t := from; t < len(s.x); t++ {
				s.x[t] *= 1 + (by-1)*min(1, float64(t-from)/400)
			}
		default: // a whistle of radio between the groups
			hz, gain := between(r, 1020, 1130), peak(level-between(r, 8, 20))
			s.under(func(t int) float64 { return gain * math.Sin(2*math.Pi*hz*float64(t)/rate) })
		}
	})
}

// bursts loses frames as radio does: a good state and a bad one.
func bursts(r *rand.Rand, i, how int) *stimulus {
	return one(r, i, func(p *press) { p.on = between(r, 90, 250) }, func(s *stimulus) {
		bad := false
		s.loseBy(func() bool {
			if bad = bad && r.Float64() < 0.35 || !bad && r.Float64() < 0.03; bad {
				return r.Float64() < 0.8
			}
			return false
		}, how)
	})
}

// heldCodecs are its ways through codecs.
var heldCodecs = []codec{
	{"GSM twice", append(sox("x.gsm"), []string{"sox", "out.wav", "y.gsm"}, []string{"sox", "y.gsm", "-b", "16", "-e", "signed", "out.wav"})},
	{"AMR 10.2", sox("x.amr-nb", "-C", "6")},
	{"AMR 6.7", sox("x.amr-nb", "-C", "3")},
	{"AMR 5.9", sox("x.amr-nb", "-C", "2")},
	{"AMR 5.15", sox("x.amr-nb", "-C", "1")},
	{"G.723.1", ffmpeg("x.wav", "-c:a", "g723_1", "-b:a", "6300")},
	{"G.726 24", ffmpeg("x.wav", "-c:a", "g726", "-b:a", "24k")},
	{"Speex 8", ffmpeg("x.spx", "-c:a", "libspeex", "-b:a", "8k")},
	{"Opus 8", ffmpeg("x.ogg", "-c:a", "libopus", "-b:a", "8k", "-application", "voip")},
	{"Opus 16, 3 % lost", [][]string{
		{"opusenc", "--quiet", "--bitrate", "16", "--expect-loss", "3", "in.wav", "x.opus"},
		{"opusdec", "--quiet", "--rate", "8000", "--packet-loss", "3", "x.opus", "y.wav"},
		{"sox", "y.wav", "-r", "8000", "-c", "1", "-b", "16", "-e", "signed", "out.wav"},
	}},
}
