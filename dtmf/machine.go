package dtmf

import "math"

// How a machine sounds.
const (
	machineFrame = 160 // samples, 20 ms
	beepFrames   = 7   // of one steady tone make a beep
	beepLow      = 600 // Hz; below it are the tones of networks
	beepHigh     = 2300
	beepWanders  = 0.015 // of its frequency, from frame to frame
	beepPurity   = 0.02  // share of a frame's energy that is not the tone
	beepBeats    = 0.1   // variance of its amplitude's square, over that squared
	beepLeast    = 1.6e5 // mean square: -32 dBm0
	speechLeast  = 4e4   // -38 dBm0
	opening      = 300   // frames, 6 s, of which it is asked how much was speech
	greeting     = 50    // frames of speech before a beep means that a machine spoke
)

// Machine listens for what an answering machine does: it talks at length, and
// beeps. Tones of networks (dial, ringing, busy) are neither. It is pure, small,
// and does not allocate.
type Machine struct {
	frame  [machineFrame]float32
	n      int
	frames int
	speech int     // of them
	opened int     // speech in the opening
	tone   float64 // Hz of the tone under way, 0 = none
	steady int     // frames it has lasted
	beeped bool
}

// Audio takes samples, linear at 8 kHz. beep is true once, when a beep has followed
// a greeting of a second or more.
func (m *Machine) Audio(samples []int16) (beep bool) {
	for _, s := range samples {
		m.frame[m.n] = float32(s)
		if m.n++; m.n == machineFrame {
			m.n = 0
			beep = m.listen() || beep
		}
	}
	return beep
}

// Opening is the share of the first 6 s in which somebody spoke, 0 to 1; 0 until
// they are over.
func (m *Machine) Opening() float64 {
	if m.frames < opening {
		return 0
	}
	return float64(m.opened) / opening
}

// listen weighs one frame.
func (m *Machine) listen() (beep bool) {
	m.frames++
	hz, power, pure := single(&m.frame)
	if !pure || power < beepLeast {
		m.tone, m.steady = 0, 0
		if power >= speechLeast && !pure {
			m.speech++
			if m.frames <= opening {
				m.opened++
			}
		}
		return false
	}
	if m.tone == 0 || math.Abs(hz-m.tone) > beepWanders*m.tone {
		m.tone, m.steady = hz, 0
	}
	m.steady++
	if m.steady < beepFrames || m.beeped || m.speech < greeting || hz < beepLow || hz > beepHigh {
		return false
	}
	m.beeped = true
	return true
}

// single fits one sine to a frame: its frequency, the frame's mean square, and
// whether hardly anything else is in it. Of a sine, each sample and the one before
// its neighbour are 2·cos(w) times the one between.
func single(x *[machineFrame]float32) (hz, power float64, pure bool) {
	var cross, square, total float64
	for n := 1; n < machineFrame-1; n++ {
		sum, mid := float64(x[n-1]+x[n+1]), float64(x[n])
		cross += sum * mid
		square += mid * mid
		total += sum * sum
	}
	power = square / (machineFrame - 2)
	if square == 0 {
		return 0, 0, false
	}
	c := cross / square // 2·cos(w)
	left := (total - c*cross) / square
	if math.Abs(c) >= 2 {
		return 0, power, false
	}
	w := math.Acos(c / 2)
	hz = w * rate / (2 * math.Pi)
	// The second difference takes white noise up six-fold; a tone leaves nothing.
	return hz, power, left < 6*beepPurity && beating(x, math.Sin(w)) < beepBeats
}

// beating is how much the amplitude of a sine that fits a frame goes up and down:
// two sines beat.
func beating(x *[machineFrame]float32, sin float64) float64 {
	var sum, squares float64
	for n := 1; n < machineFrame-1; n++ {
		mid, across := float64(x[n]), float64(x[n+1]-x[n-1])/(2*sin)
		a := mid*mid + across*across
		sum += a
		squares += a * a
	}
	const n = machineFrame - 2
	return squares*n/(sum*sum) - 1
}
