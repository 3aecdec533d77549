package dtmf

import "math"

// Signal is what a network says by tones, in place of an answer, of why there is none.
type Signal uint8

// The tones of networks that end an attempt (ITU-T E.180).
const (
	SignalNone      Signal = iota
	SignalBusy             // a tone, on and off about once a second
	SignalFastBusy         // twice as fast: congestion, and in some countries busy
	SignalInvalid          // the three rising tones of "is not in service"
	SignalNoCircuit        // the same three, as they say that no line is free
)

var signals = [...]string{"", "busy tone", "fast busy tone", "number not in service (SIT)", "no circuit (SIT)"}

// String is the word for records; "" for SignalNone.
func (s Signal) String() string { return signals[min(int(s), len(signals)-1)] }

// Network listens for the tones by which a network says that a call does not come
// about. Ringing, dial tone, music and speech are none. It is pure, small, and does
// not allocate.
type Network struct {
	frame  [sineFrame]float32
	n      int
	next   uint32 // media time of the next sample
	primed bool
	beat   cadence
	rising rising
}

// frameMS is how long a frame lasts.
const frameMS = 1000 * sineFrame / rate

// What is missing between two packets was lost, or, beyond lossMS, silence that
// was not sent.
const (
	lossMS    = 60
	silenceMS = 2000 // and beyond this the sound begins anew
)

// Audio takes samples, linear at 8 kHz, that begin at media time ts, and returns
// the first signal that they complete.
func (w *Network) Audio(ts uint32, samples []int16) (heard Signal) {
	gap := int32(ts - w.next)
	switch {
	case !w.primed || gap == 0:
	case gap < 0 && gap >= -lateBy:
		return SignalNone // a late copy
	case gap > 0 && gap <= silenceMS*rate/1000:
		w.n = 0
		w.beat.missing(float64(gap) * 1000 / rate)
		w.rising.missing(float64(gap) * 1000 / rate)
	default:
		*w = Network{}
	}
	w.primed, w.next = true, ts+uint32(len(samples))
	for _, s := range samples {
		w.frame[w.n] = float32(s)
		if w.n++; w.n < sineFrame {
			continue
		}
		w.n = 0
		if signal := w.listen(); heard == SignalNone {
			heard = signal
		}
	}
	return heard
}

// listen weighs one frame.
func (w *Network) listen() Signal {
	hz, power, pure := sine(&w.frame)
	if !pure && americanBusy.in(&w.frame) {
		hz, pure = americanBusy.name, true
	}
	pure = pure && power >= toneLeast
	if signal := w.rising.add(hz, pure); signal != SignalNone {
		return signal
	}
	return w.beat.add(hz, power, pure)
}

// toneLeast is the mean square of the faintest tone, -38 dBm0.
const toneLeast = 4e4

// How a busy tone goes on and off. That of ringing is never so short and so even.
const (
	beatLow, beatHigh   = 330, 650 // Hz
	beatLeast, beatMost = 140, 800 // ms of a burst, and of a pause
	beatFast            = 560      // ms of both, at most, are fast
	beatEven            = 35       // ms that one may differ from the one before
	beatSkew            = 2.5      // one over the other, at most
	beatWanders         = 0.035    // of the tone's frequency: half a semitone
	beatQuiet           = 0.01     // of its power, in a pause
	beatEdge            = 2        // frames from the one to the other, at most
	beatCycles          = 3        // that must be alike …
	beatLasts           = 2000     // … and ms
)

// cadence is a tone that goes on and off. Times are in ms.
type cadence struct {
	hz, power     float64 // of the tone; 0 = none yet
	on, off       float64 // of the burst under way and the pause after it
	lead          float64 // of the next burst, as far as its first frame is part of it
	wasOn, wasOff float64 // of the cycle before
	edge          int     // frames in a row that were neither tone nor silence
	cycles        int     // that were alike
	lasted        float64 // all of them
	said          bool
}

func (c *cadence) add(hz, power float64, pure bool) Signal {
	switch {
	case pure && hz >= beatLow && hz <= beatHigh:
		return c.tone(hz, power)
	case c.hz == 0:
	case !pure && power < beatQuiet*c.power:
		c.edge, c.lead = 0, 0
		c.pause(frameMS)
	case c.edge == beatEdge || pure:
		*c = cadence{}
	default:
		c.edge++
		c.lead = min(1, power/c.power) * frameMS
		if c.off == 0 {
			c.on += c.lead
		}
		c.pause(frameMS - c.lead)
	}
	return SignalNone
}

// tone takes a frame that the tone fills.
func (c *cadence) tone(hz, power float64) (s Signal) {
	if math.Abs(hz-c.hz) > beatWanders*c.hz || power > 2*c.power || power < c.power/2 {
		*c = cadence{hz: hz, power: power}
	}
	if c.off > frameMS {
		s = c.cycle()
		c.on = c.lead
	} else { // noise in it
		c.on += c.off
	}
	c.off = 0
	c.edge, c.lead = 0, 0
	c.hz += (hz - c.hz) / 8
	if c.on += frameMS; c.on > beatMost+beatEven {
		c.cycles, c.lasted = 0, 0
	}
	return s
}

func (c *cadence) pause(ms float64) {
	if c.off += ms; c.off > beatMost+beatEven {
		*c = cadence{}
	}
}

// missing takes time of which no sound came.
func (c *cadence) missing(ms float64) {
	switch {
	case c.hz == 0:
	case c.off == 0 && ms <= lossMS:
		c.on += ms
	default:
		c.pause(ms)
	}
}

// cycle weighs a burst and its pause, once the next burst has begun.
func (c *cadence) cycle() Signal {
	alike := math.Abs(c.on-c.wasOn) <= beatEven && math.Abs(c.off-c.wasOff) <= beatEven
	if c.wasOn, c.wasOff = c.on, c.off; !alike {
		c.cycles, c.lasted = 0, 0
	}
	if c.on < beatLeast || c.off < beatLeast || c.on > beatSkew*c.off || c.off > beatSkew*c.on {
		c.cycles, c.lasted = 0, 0
		return SignalNone
	}
	c.cycles++
	c.lasted += c.on + c.off
	switch {
	case c.said || c.cycles < beatCycles || c.lasted < beatLasts:
		return SignalNone
	case c.on+c.off <= beatFast:
		c.said = true
		return SignalFastBusy
	default:
		c.said = true
		return SignalBusy
	}
}

// chord is two tones of one level, by what they span in a frame.
type chord struct {
	name  float64 // Hz, between the two
	basis [4][sineFrame]float32
}

// americanBusy is the one busy tone of two frequencies.
var americanBusy = newChord(480, 620)

func newChord(low, high float64) (c chord) {
	c.name = (low + high) / 2
	for i := range c.basis {
		w := 2 * math.Pi * [2]float64{low, high}[i/2] / rate
		b := &c.basis[i]
		for n := range b {
			b[n] = float32(math.Sin(w*float64(n) + float64(i%2)*math.Pi/2))
		}
		for _, other := range c.basis[:i] { // Gram and Schmidt
			along := dot(b, &other)
			for n := range b {
				b[n] -= along * other[n]
			}
		}
		norm := float32(math.Sqrt(float64(dot(b, b))))
		for n := range b {
			b[n] /= norm
		}
	}
	return c
}

func dot(a, b *[sineFrame]float32) (sum float32) {
	for n := range a {
		sum += a[n] * b[n]
	}
	return sum
}

// in reports whether a frame is hardly anything else, and both of its tones are there.
func (c *chord) in(x *[sineFrame]float32) bool {
	var part [4]float32
	for i := range c.basis {
		part[i] = dot(x, &c.basis[i])
		part[i] *= part[i]
	}
	low, high := part[0]+part[1], part[2]+part[3]
	return low+high > sineShare*dot(x, x) && low < 8*high && high < 8*low
}

// A special information tone is three notes that rise, each of about a third of a
// second. North America says by the second how bad it is.
const (
	noteLeast, noteMost = 180, 480 // ms
	noteWanders         = 0.02     // of its frequency
	notePause           = 80       // ms between two, at most
	fullHz, fullMS      = 1414, 335
)

// risingNotes are the frequencies of each, from and to.
var risingNotes = [3][2]float64{{880, 1040}, {1320, 1480}, {1700, 1900}}

// rising is a special information tone under way.
type rising struct {
	note   int     // which, 0 = the first
	hz, ms float64 // of it; 0 = none yet
	pause  float64 // since, ms
	full   bool    // the second was high and long: no circuit
}

func (r *rising) add(hz float64, pure bool) Signal {
	switch {
	case !pure:
		r.missing(frameMS)
	case r.hz > 0 && math.Abs(hz-r.hz) <= noteWanders*r.hz:
		r.ms += r.pause + frameMS
		r.pause = 0
		if r.note == 2 && r.ms >= noteLeast {
			full := r.full
			*r = rising{}
			if full {
				return SignalNoCircuit
			}
			return SignalInvalid
		}
	case r.hz > 0 && r.note < 2 && r.lasted() && within(hz, risingNotes[r.note+1]):
		*r = rising{note: r.note + 1, hz: hz, ms: frameMS, full: r.note == 1 && r.hz > fullHz && r.ms > fullMS}
	case within(hz, risingNotes[0]):
		*r = rising{hz: hz, ms: frameMS}
	default: // a frame with the end of one and the beginning of the next seems to lie between
		r.missing(frameMS)
	}
	return SignalNone
}

// lasted reports whether the note was as long as it should be.
func (r *rising) lasted() bool { return r.ms >= noteLeast && r.ms <= noteMost }

// missing takes time without a note.
func (r *rising) missing(ms float64) {
	if r.hz == 0 {
		return
	}
	if r.pause += ms; r.pause > notePause {
		*r = rising{}
	}
}

func within(hz float64, band [2]float64) bool { return hz >= band[0] && hz <= band[1] }
