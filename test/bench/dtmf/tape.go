package main

import (
	"math"
	"math/rand/v2"
)

const (
	rate  = 8000
	frame = 160 // 20 ms, what a packet carries
)

// span is one stimulus on a tape: what should be heard in it, and where its first
// key goes down.
type span struct {
	begin, end int // samples
	digits     string
	start      int // of the first digit
	note       string
	whole      bool // no key of it is interrupted
}

// tape is the sound of one category, as it would come by RTP.
type tape struct {
	category string
	sound    []int16
	lost     []bool // frames that never came; nil = all came
	spans    []span
}

// add puts a stimulus on the tape.
func (t *tape) add(s *stimulus) {
	begin := len(t.sound)
	t.sound = append(t.sound, s.sound()...)
	if s.erased {
		t.lost = append(t.lost, make([]bool, begin/frame-len(t.lost))...)
		t.lost = append(t.lost, s.lost...)
	}
	digits := s.digits
	if s.reject {
		digits = ""
	}
	t.spans = append(t.spans, span{begin, len(t.sound), digits, begin + s.start, s.note, !s.cut})
}

// stimulus is keys and what lies over them, in the making.
type stimulus struct {
	r      *rand.Rand
	x      []float64 // linear, 16-bit scale
	digits string
	start  int  // sample at which the first key goes down
	reject bool // nothing must be heard
	lost   []bool
	erased bool // lost frames are known to be
	laws   int  // companding passes
	note   string
	cut    bool // a key was interrupted
	alaw   bool
}

const keypad = "123A456B789C*0#D"

var (
	lowHz  = [4]float64{697, 770, 852, 941}
	highHz = [4]float64{1209, 1336, 1477, 1633}
)

// peak is the amplitude of a sine of a level in dBm0 (ITU-T G.711).
func peak(dBm0 float64) float64 { return 32124 * math.Pow(10, (dBm0-3.14)/20) }

// press is one key of a stimulus.
type press struct {
	digit           byte
	on, off         float64 // ms
	low, high       float64 // dBm0
	lowDev, highDev float64 // shares
	lowAdd, highAdd float64 // Hz
	ramp            float64 // ms
	cut, cutAt      float64 // an interruption, ms
}

// usual is a key as phones send it.
func usual(digit byte) press { return press{digit: digit, on: 70, off: 70, low: -12, high: -10} }

func newStimulus(r *rand.Rand) *stimulus {
	s := &stimulus{r: r, laws: 1, alaw: r.IntN(2) == 0}
	s.x = make([]float64, 2400+r.IntN(frame)) // 300 ms before, at any phase of any block
	s.start = len(s.x)
	return s
}

// key appends a press and its pause.
func (s *stimulus) key(p press) {
	i := 0
	for keypad[i] != p.digit {
		i++
	}
	low, high := lowHz[i/4]*(1+p.lowDev)+p.lowAdd, highHz[i%4]*(1+p.highDev)+p.highAdd
	s.pair(low, high, p)
	s.digits += string(p.digit)
	s.cut = s.cut || p.cut > 0
}

// pair appends two tones of any frequency, and a pause.
func (s *stimulus) pair(low, high float64, p press) {
	n := int(p.on * rate / 1000)
	a, b := s.r.Float64()*2*math.Pi, s.r.Float64()*2*math.Pi
	ramp := max(1, p.ramp*rate/1000)
	from, to := int(p.cutAt*rate/1000), int((p.cutAt+p.cut)*rate/1000)
	for t := range n {
		gain := min(1, float64(t)/ramp, float64(n-t)/ramp)
		if t >= from && t < to {
			gain = 0
		}
		w := 2 * math.Pi * float64(t) / rate
		s.x = append(s.x, gain*(peak(p.low)*math.Sin(low*w+a)+peak(p.high)*math.Sin(high*w+b)))
	}
	s.rest(p.off)
}

func (s *stimulus) rest(ms float64) {
	s.x = append(s.x, make([]float64, int(ms*rate/1000))...)
}

// finish gives the stimulus time to end, in whole frames.
func (s *stimulus) finish() {
	s.rest(250)
	s.x = append(s.x, make([]float64, (frame-len(s.x)%frame)%frame)...)
}

// under adds f(t) to every sample; the first 20 ms fade in.
func (s *stimulus) under(f func(t int) float64) {
	for t := range s.x {
		s.x[t] += f(t) * min(1, float64(t)/frame)
	}
}

// noise is white, in dBm0.
func (s *stimulus) noise(dBm0 float64) {
	sigma := peak(dBm0) / math.Sqrt2
	s.under(func(int) float64 { return sigma * s.r.NormFloat64() })
}

// tones adds steady sines of one level.
func (s *stimulus) tones(dBm0 float64, hz ...float64) {
	for _, f := range hz {
		phase := s.r.Float64() * 2 * math.Pi
		s.under(func(t int) float64 { return peak(dBm0) * math.Sin(2*math.Pi*f*float64(t)/rate+phase) })
	}
}

// impulses adds clicks, so many a second.
func (s *stimulus) impulses(perSecond, dBm0 float64) {
	for t := 0; ; {
		t += int(s.r.ExpFloat64() * rate / perSecond)
		if t >= len(s.x)-8 {
			return
		}
		sign := float64(1 - 2*s.r.IntN(2))
		for k := range 4 {
			s.x[t+k] += sign * peak(dBm0) * math.Pow(-0.6, float64(k))
		}
	}
}

// echo adds what was said a while ago.
func (s *stimulus) echo(ms, down float64) {
	d, gain := int(ms*rate/1000), math.Pow(10, -down/20)
	for t := len(s.x) - 1; t >= d; t-- {
		s.x[t] += gain * s.x[t-d]
	}
}

// clip limits the amplitude.
func (s *stimulus) clip(dBm0 float64) {
	for t, x := range s.x {
		s.x[t] = max(-peak(dBm0), min(peak(dBm0), x))
	}
}

// slip drops or doubles a few samples within the first key.
func (s *stimulus) slip(n int) {
	at := s.start + 120 + s.r.IntN(200)
	if n < 0 {
		s.x = append(s.x[:at:at], s.x[at-n:]...)
		s.x = append(s.x, make([]float64, -n)...)
		return
	}
	doubled := append(append([]float64{}, s.x[at-n:at]...), s.x[at:len(s.x)-n]...)
	copy(s.x[at:], doubled)
}

// Concealments of a lost frame.
const (
	zeroed = iota
	repeated
	faded
	marked // zeroed, and the receiver knows
	concealments
)

// lose takes frames away, a share of them, and conceals them. The frames lie on
// the grid of the tape.
func (s *stimulus) lose(share float64, how int) {
	s.loseBy(func() bool { return s.r.Float64() < share }, how)
}

// loseBy takes those away that gone says so of.
func (s *stimulus) loseBy(gone func() bool, how int) {
	s.lost = make([]bool, len(s.x)/frame)
	s.erased = how == marked
	gain := 1.0
	for i := 1; i < len(s.lost); i++ {
		if s.lost[i] = gone(); !s.lost[i] {
			gain = 1
			continue
		}
		gain *= 0.7
		for k := range frame {
			at := i*frame + k
			switch how {
			case repeated:
				s.x[at] = s.x[at-frame]
			case faded:
				s.x[at] = s.x[at-frame] * gain
			default:
				s.x[at] = 0
			}
		}
	}
}

// sound is the stimulus as 16-bit samples that went through G.711.
func (s *stimulus) sound() []int16 {
	out := make([]int16, len(s.x))
	for i, x := range s.x {
		out[i] = int16(max(-32767, min(32767, math.Round(x))))
		for pass := range s.laws {
			out[i] = compand(out[i], s.alaw != (pass > 0))
		}
	}
	return out
}
