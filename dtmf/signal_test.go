package dtmf

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// chime is part of a network's tone: up to two frequencies, Hz, and how long, ms.
type chime struct {
	low, high float64
	ms        int
}

// signalled is what networks send, as ITU-T E.180 supplement 2 has it.
var signalled = []struct {
	name   string
	chimes []chime
	want   Signal
}{
	{"busy, us", []chime{{480, 620, 500}, {0, 0, 500}}, SignalBusy},
	{"busy, gb", []chime{{400, 0, 375}, {0, 0, 375}}, SignalBusy},
	{"busy, de", []chime{{425, 0, 480}, {0, 0, 480}}, SignalBusy},
	{"busy, fr", []chime{{440, 0, 500}, {0, 0, 500}}, SignalBusy},
	{"busy, at", []chime{{420, 0, 400}, {0, 0, 400}}, SignalBusy},
	{"busy, cn", []chime{{450, 0, 350}, {0, 0, 350}}, SignalBusy},
	{"busy, jp", []chime{{400, 0, 500}, {0, 0, 500}}, SignalBusy},
	{"busy, in", []chime{{400, 0, 750}, {0, 0, 750}}, SignalBusy},
	{"busy, fi", []chime{{425, 0, 300}, {0, 0, 300}}, SignalBusy},
	{"busy, ru", []chime{{425, 0, 350}, {0, 0, 350}}, SignalBusy},
	{"busy, br", []chime{{425, 0, 250}, {0, 0, 250}}, SignalFastBusy},
	{"busy, es", []chime{{425, 0, 200}, {0, 0, 200}}, SignalFastBusy},
	{"congestion, us", []chime{{480, 620, 250}, {0, 0, 250}}, SignalFastBusy},
	{"reorder, us, uneven", []chime{{480, 620, 300}, {0, 0, 200}}, SignalFastBusy},
	{"congestion, de", []chime{{425, 0, 240}, {0, 0, 240}}, SignalFastBusy},
	{"congestion, it", []chime{{425, 0, 200}, {0, 0, 200}}, SignalFastBusy},
	{"congestion, be", []chime{{425, 0, 167}, {0, 0, 167}}, SignalFastBusy},
	{"SIT, most of the world", []chime{{950, 0, 330}, {1400, 0, 330}, {1800, 0, 330}, {0, 0, 1000}}, SignalInvalid},
	{"SIT, cz", []chime{{950, 0, 330}, {0, 0, 30}, {1400, 0, 330}, {0, 0, 30}, {1800, 0, 330}, {0, 0, 1000}}, SignalInvalid},
	{"SIT, at", []chime{{950, 0, 330}, {1450, 0, 330}, {1850, 0, 330}, {0, 0, 1000}}, SignalInvalid},
	{"SIT, us, intercept", []chime{{913.8, 0, 274}, {1370.6, 0, 274}, {1776.7, 0, 380}, {0, 0, 1000}}, SignalInvalid},
	{"SIT, us, vacant code", []chime{{985.2, 0, 380}, {1370.6, 0, 274}, {1776.7, 0, 380}, {0, 0, 1000}}, SignalInvalid},
	{"SIT, us, no circuit", []chime{{985.2, 0, 380}, {1428.5, 0, 380}, {1776.7, 0, 380}, {0, 0, 1000}}, SignalNoCircuit},
	{"SIT, us, reorder", []chime{{913.8, 0, 274}, {1428.5, 0, 380}, {1776.7, 0, 380}, {0, 0, 1000}}, SignalNoCircuit},

	{"ringing, us", []chime{{440, 480, 2000}, {0, 0, 4000}}, SignalNone},
	{"ringing, gb", []chime{{400, 450, 400}, {0, 0, 200}, {400, 450, 400}, {0, 0, 2000}}, SignalNone},
	{"ringing, my", []chime{{425, 0, 400}, {0, 0, 200}, {425, 0, 400}, {0, 0, 2000}}, SignalNone},
	{"ringing, de", []chime{{425, 0, 1000}, {0, 0, 4000}}, SignalNone},
	{"ringing, jp", []chime{{400, 415, 1000}, {0, 0, 2000}}, SignalNone},
	{"ringing, a PBX", []chime{{425, 0, 1000}, {0, 0, 1000}}, SignalNone},
	{"dial tone, us", []chime{{350, 440, 3000}}, SignalNone},
	{"dial tone, cz", []chime{{425, 0, 330}, {0, 0, 330}, {425, 0, 660}, {0, 0, 660}}, SignalNone},
	{"dial tone, it", []chime{{425, 0, 200}, {0, 0, 200}, {425, 0, 600}, {0, 0, 1000}}, SignalNone},
	{"stutter", []chime{{425, 0, 100}, {0, 0, 100}}, SignalNone},
	{"call waiting, ch", []chime{{425, 0, 200}, {0, 0, 200}, {425, 0, 200}, {0, 0, 4000}}, SignalNone},
	{"the way is sought, fr", []chime{{440, 0, 50}, {0, 0, 50}}, SignalNone},
	{"congestion, gb", []chime{{400, 0, 400}, {0, 0, 350}, {400, 0, 225}, {0, 0, 525}}, SignalNone},
	{"fax", []chime{{1100, 0, 500}, {0, 0, 3000}}, SignalNone},
	{"a pip each second", []chime{{425, 0, 150}, {0, 0, 850}}, SignalNone},
	{"a falling chord", []chime{{1800, 0, 330}, {1400, 0, 330}, {950, 0, 330}, {0, 0, 1000}}, SignalNone},
	{"keys", []chime{{697, 1209, 300}, {0, 0, 300}}, SignalNone},
	{"beeps of machines", []chime{{1000, 0, 400}, {0, 0, 400}}, SignalNone},
}

// chimed is 7 s of a network's tone, which begins somewhere in a frame.
func chimed(random *rand.Rand, chimes []chime, level float64) sound {
	s := make(sound, 4000+random.IntN(160))
	for len(s) < 7*rate {
		for _, c := range chimes {
			d := time.Duration(c.ms) * time.Millisecond
			low, high := level, level
			if c.low == 0 {
				low = -90
			}
			if c.high == 0 {
				high = -90
			}
			s = s.pair(c.low, c.high, low, high, d)
		}
	}
	return s
}

// signalsIn are those that a network's listener reports, in packets of 20 ms of which
// a share is lost.
func signalsIn(random *rand.Rand, s sound, loss float64) (all []Signal) {
	var w Network
	for at := 0; at+160 <= len(s); at += 160 {
		if random.Float64() < loss {
			continue
		}
		if heard := w.Audio(uint32(at), s[at:at+160]); heard != SignalNone {
			all = append(all, heard)
		}
	}
	return all
}

func TestWhatNetworksSay(t *testing.T) {
	random := rand.New(rand.NewPCG(41, 42))
	for _, tt := range signalled {
		for _, line := range []struct{ level, noise float64 }{{-12, -90}, {-30, -52}} { // dBm0
			s := chimed(random, tt.chimes, line.level)
			sigma := 22377 / math.Sqrt2 * math.Pow(10, line.noise/20)
			heard := signalsIn(random, s.under(func(int) float64 { return sigma * random.NormFloat64() }), 0)
			if tt.want == SignalNone && len(heard) > 0 || tt.want != SignalNone && (len(heard) == 0 || heard[0] != tt.want) {
				t.Errorf("%s at %v dBm0 over %v: %v, want %v", tt.name, line.level, line.noise, heard, tt.want)
			}
		}
	}
}

// TestASignalOutlivesLosses: a packet that is lost makes no tone another's, and a
// gateway may send none in a pause.
func TestASignalOutlivesLosses(t *testing.T) {
	random := rand.New(rand.NewPCG(43, 44))
	for _, tt := range signalled {
		heard := signalsIn(random, chimed(random, tt.chimes, -18), 0.01)
		for _, s := range heard {
			if s != tt.want {
				t.Errorf("%s: %v", tt.name, heard)
			}
		}
	}
	s := chimed(random, []chime{{425, 0, 480}, {0, 0, 480}}, -18)
	var w Network
	var heard []Signal
	for at := 0; at+160 <= len(s); at += 160 {
		quiet := true
		for _, x := range s[at : at+160] {
			quiet = quiet && x == 0
		}
		if signal := w.Audio(uint32(at), s[at:at+160]); !quiet && signal != SignalNone {
			heard = append(heard, signal)
		}
	}
	if fmt.Sprint(heard) != "[busy tone]" {
		t.Errorf("with its pauses not sent: %v", heard)
	}
}

// TestSpeechAndMusicAreNoSignal: whatever people and players let through while it rings.
func TestSpeechAndMusicAreNoSignal(t *testing.T) {
	random := rand.New(rand.NewPCG(45, 46))
	music := make(sound, 0, 40*rate)
	for len(music) < 40*rate { // a beat of plucked notes, with a bar's rest here and there
		hz := 220 * math.Pow(2, float64(random.IntN(24))/12)
		for n := range rate / 4 {
			x, fade := float64(n)/rate, math.Exp(-float64(n)/1200)
			music = append(music, int16(6000*fade*(math.Sin(2*math.Pi*hz*x)+0.4*math.Sin(4*math.Pi*hz*x))))
		}
		music = music.silence(time.Duration(250*random.IntN(3)) * time.Millisecond)
	}
	for name, s := range map[string]sound{"speech": greet(random, 300), "music": music} {
		if heard := signalsIn(random, s, 0); len(heard) > 0 {
			t.Errorf("%s: %v", name, heard)
		}
	}
}

func FuzzNetwork(f *testing.F) {
	f.Add(uint32(160), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, step uint32, data []byte) {
		var w Network
		ts := uint32(0)
		for _, b := range data {
			ts += step
			if heard := w.Audio(ts, []int16{int16(b) << 8, -32768, 32767, 0}); heard != SignalNone {
				t.Errorf("heard %v in noise", heard)
			}
		}
	})
}
