package dtmf

import (
	"math/rand/v2"
	"testing"
	"time"
)

// greet is a greeting of so many syllables.
func greet(random *rand.Rand, syllables int) (s sound) {
	for range syllables {
		s = append(s, syllable(90+random.Float64()*160, random.Float64()*40-20,
			[3]float64{300 + random.Float64()*600, 900 + random.Float64()*1200, 2300 + random.Float64()*600})...)
		s = s.silence(time.Duration(random.IntN(60)) * time.Millisecond)
	}
	return s
}

// beeps counts the beeps that a machine's listener reports, in packets.
func beeps(s sound) (n int) {
	var m Machine
	for at := 0; at+160 <= len(s); at += 160 {
		if m.Audio(s[at : at+160]) {
			n++
		}
	}
	return n
}

func TestTheBeepOfAVoicemailIsHeard(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	for _, hz := range []float64{620, 800, 950, 1000, 1200, 1400, 2000} {
		for _, d := range []time.Duration{180 * time.Millisecond, 300 * time.Millisecond, time.Second} {
			s := greet(random, 15).silence(300*time.Millisecond).pair(hz, hz, -14, -90, d).silence(time.Second)
			s = s.under(func(int) float64 { return random.NormFloat64() * 60 })
			if n := beeps(s); n != 1 {
				t.Errorf("%v Hz for %v: %d beeps", hz, d, n)
			}
		}
	}
}

func TestWhatIsNoBeep(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 24))
	for name, s := range map[string]sound{
		"speech":                greet(random, 200),
		"a beep and nothing":    sound(nil).silence(time.Second).pair(1000, 1000, -14, -90, time.Second),
		"busy after a greeting": greet(random, 15).pair(480, 620, -20, -20, time.Second),
		"European busy":         greet(random, 15).pair(425, 425, -14, -90, time.Second),
		"a key":                 append(greet(random, 15), AppendTone(nil, '1', 400*time.Millisecond, -9)...),
		"a click":               greet(random, 15).silence(time.Second).pair(1000, 1000, -14, -90, 60*time.Millisecond).silence(time.Second),
	} {
		if n := beeps(s); n != 0 {
			t.Errorf("%s: %d beeps", name, n)
		}
	}
}

func TestHowMuchWasSpoken(t *testing.T) {
	random := rand.New(rand.NewPCG(25, 26))
	var machine, human, short Machine
	machine.Audio(greet(random, 40))
	if share := machine.Opening(); share < 0.7 {
		t.Errorf("a greeting: %.2f", share)
	}
	human.Audio(greet(random, 3).silence(7 * time.Second))
	if share := human.Opening(); share > 0.2 {
		t.Errorf("a hello: %.2f", share)
	}
	short.Audio(greet(random, 10))
	if share := short.Opening(); share != 0 {
		t.Errorf("before it is over: %.2f", share)
	}
}

func FuzzMachine(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Machine
		for _, b := range data {
			m.Audio([]int16{int16(b) << 8, -32768, 32767})
		}
		if share := m.Opening(); share < 0 || share > 1 {
			t.Errorf("spoke %v of the time", share)
		}
	})
}
