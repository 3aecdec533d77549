package dtmf

import "math"

// How a machine sounds.
const (
	beepFrames  = 7   // of one steady tone make a beep
	beepLow     = 600 // Hz; below it are the tones of networks
	beepHigh    = 2300
	beepWanders = 0.015 // of its frequency, from frame to frame
	beepLeast   = 1.6e5 // mean square: -32 dBm0
	speechLeast = 4e4   // -38 dBm0
	opening     = 300   // frames, 6 s, of which it is asked how much was speech
	greeting    = 50    // frames of speech before a beep means that a machine spoke
)

// Machine listens for what an answering machine does: it talks at length, and
// beeps. Tones of networks (dial, ringing, busy) are neither. It is pure, small,
// and does not allocate.
type Machine struct {
	frame  [sineFrame]float32
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
		if m.n++; m.n == sineFrame {
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
	hz, power, pure := sine(&m.frame)
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
