package dtmf

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// sound builds test signals, linear at 8 kHz.
type sound []int16

func (s sound) silence(d time.Duration) sound {
	return append(s, make([]int16, int(d.Seconds()*rate))...)
}

// pair appends two tones, each with its own level in dBm0 and frequency.
func (s sound) pair(low, high, lowLevel, highLevel float64, d time.Duration) sound {
	amplitude := func(level float64) float64 { return 32124 * math.Pow(10, (level-3.14)/20) }
	for t := range int(d.Seconds() * rate) {
		phase := 2 * math.Pi * float64(t) / rate
		s = append(s, int16(amplitude(lowLevel)*math.Sin(low*phase)+amplitude(highLevel)*math.Sin(high*phase)))
	}
	return s
}

// under adds f(t) to every sample.
func (s sound) under(f func(t int) float64) sound {
	for t := range s {
		s[t] = int16(max(-32768, min(32767, float64(s[t])+f(t))))
	}
	return s
}

// hear is the digits that a receiver finds, in packets of 20 ms.
func hear(s sound) (downs string) {
	l := newLine(Config{InBand: true})
	s = append(s, make([]int16, 1600)...)
	for ts := 0; ts+160 <= len(s); ts += 160 {
		l.got = l.r.Audio(l.now, uint32(ts), s[ts:ts+160], l.got)
		l.now = l.now.Add(20 * time.Millisecond)
	}
	downs, ups := l.downs()
	if downs != ups {
		return downs + " down, " + ups + " up"
	}
	return downs
}

func TestEveryKeyIsHeard(t *testing.T) {
	var s sound
	for i := range len(keys) {
		s = AppendTone(s, keys[i], 60*time.Millisecond, -10)
		s = s.silence(60 * time.Millisecond)
	}
	if got := hear(s); got != keys {
		t.Errorf("heard %q", got)
	}
}

func TestWhatQ24AsksToBeHeard(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name                 string
		low, high            float64 // factors on the frequencies of key 1
		lowLevel, highLevel  float64
		d                    time.Duration
		offset               int // samples of silence before
		want                 string
		noise, dialTone, hum float64 // dBm0; 0 = none
	}{
		{"usual", 1, 1, -10, -10, 60 * ms, 0, "1", 0, 0, 0},
		{"40 ms at every phase of the block", 1, 1, -10, -10, 40 * ms, 37, "1", 0, 0, 0},
		{"loud", 1, 1, -4, -4, 60 * ms, 0, "1", 0, 0, 0},
		{"faint", 1, 1, -27, -27, 60 * ms, 0, "1", 0, 0, 0},
		{"1.5 % high", 1.015, 1.015, -10, -10, 60 * ms, 0, "1", 0, 0, 0},
		{"1.5 % low", 0.985, 0.985, -10, -10, 60 * ms, 0, "1", 0, 0, 0},
		{"apart", 0.985, 1.015, -10, -10, 60 * ms, 0, "1", 0, 0, 0},
		{"4 dB twist", 1, 1, -14, -10, 60 * ms, 0, "1", 0, 0, 0},
		{"6 dB reverse twist", 1, 1, -10, -16, 60 * ms, 0, "1", 0, 0, 0},
		{"dial tone under it", 1, 1, -10, -10, 80 * ms, 0, "1", 0, -13, 0},
		{"hum under it", 1, 1, -16, -16, 80 * ms, 0, "1", 0, 0, -20},
		{"noise under it", 1, 1, -10, -10, 80 * ms, 0, "1", -26, 0, 0},

		{"3.5 % off", 1.035, 1, -10, -10, 100 * ms, 0, "", 0, 0, 0},
		{"20 ms", 1, 1, -10, -10, 20 * ms, 0, "", 0, 0, 0},
		{"one tone only", 1, 1, -10, -90, 100 * ms, 0, "", 0, 0, 0},
		{"15 dB twist", 1, 1, -25, -10, 100 * ms, 0, "", 0, 0, 0},
		{"below hearing", 1, 1, -50, -50, 100 * ms, 0, "", 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			level := func(dbm0, f float64, n int) float64 {
				if dbm0 == 0 {
					return 0
				}
				return 32124 * math.Pow(10, (dbm0-3.14)/20) * math.Sin(2*math.Pi*f*float64(n)/rate)
			}
			s := make(sound, 800+tt.offset).pair(697*tt.low, 1209*tt.high, tt.lowLevel, tt.highLevel, tt.d).silence(100 * ms)
			s = s.under(func(n int) float64 {
				x := level(tt.dialTone, 350, n) + level(tt.dialTone, 440, n) + level(tt.hum, 50, n) + level(tt.hum, 150, n)
				if tt.noise != 0 {
					x += random.NormFloat64() * 32124 / math.Sqrt2 * math.Pow(10, (tt.noise-3.14)/20)
				}
				return x
			})
			if got := hear(s); got != tt.want {
				t.Errorf("heard %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAnEchoMakesNoStepThatCounts: Q.24 has keys of 40 ms heard over an echo 10 dB
// below, which takes one tone up and the other down once it comes.
func TestAnEchoMakesNoStepThatCounts(t *testing.T) {
	for key := range len(keys) {
		for delay := 3; delay <= 20; delay++ {
			s := AppendTone(make(sound, 2400), keys[key], 40*time.Millisecond, -12)
			s = sound(s).silence(200 * time.Millisecond)
			for at := len(s) - 1; at >= 8*delay; at-- {
				s[at] += int16(float64(s[at-8*delay]) * 0.316)
			}
			if got := hear(s); got != string(keys[key]) {
				t.Errorf("%c over an echo after %d ms: heard %q", keys[key], delay, got)
			}
		}
	}
}

// TestWhatIsOddInTwoWaysIsNoKey: the widest twist and the widest frequency of all
// columns of Q.24 are a key's together, a little more of both is a chord's.
func TestWhatIsOddInTwoWaysIsNoKey(t *testing.T) {
	for _, tt := range []struct {
		low, high float64 // Hz
		twist     float64 // dB
		want      string
	}{
		{697*1.015 + 4, 1209*1.015 + 4, -10, "1"}, // Australia
		{697*0.985 - 4, 1209*0.985 - 4, 10, "1"},
		{697, 1209 * 1.023, 0, "1"},
		{697, 1209 * 1.023, -10, ""},
		{697, 1209 * 0.977, 9, ""},
		{697 * 1.024, 1209, -10, ""},
		{697, 1209, -11.5, ""},
		{697, 1209, 11.5, ""},
	} {
		s := sound(nil).silence(300*time.Millisecond).pair(tt.low, tt.high, -12-tt.twist/2, -12+tt.twist/2, 60*time.Millisecond)
		if got := hear(s.silence(100 * time.Millisecond)); got != tt.want {
			t.Errorf("%.0f and %.0f Hz, twist %v dB: heard %q, want %q", tt.low, tt.high, tt.twist, got, tt.want)
		}
	}
}

func TestTwoPressesOfOneToneAreTwo(t *testing.T) {
	s := sound(AppendTone(nil, '1', 60*time.Millisecond, -10)).silence(60 * time.Millisecond)
	s = AppendTone(s, '1', 60*time.Millisecond, -10)
	if got := hear(s); got != "11" {
		t.Errorf("heard %q", got)
	}
}

func TestADropOutDoesNotDoubleAPress(t *testing.T) {
	s := sound(AppendTone(nil, '1', 200*time.Millisecond, -10))
	clear(s[800:880]) // 10 ms, ITU-T Q.24
	if got := hear(s); got != "1" {
		t.Errorf("heard %q", got)
	}
}

func TestALostPacketDoesNotDoubleAPress(t *testing.T) {
	l := newLine(Config{InBand: true})
	s := sound(AppendTone(nil, '1', 200*time.Millisecond, -10)).silence(200 * time.Millisecond)
	for ts := 0; ts < len(s); ts += 160 {
		if ts == 1600 {
			continue // the end of the press is lost too
		}
		l.got = l.r.Audio(l.now, uint32(ts), s[ts:ts+160], l.got)
	}
	l.want(t, "1")
}

// TestPacketsOutOfOrderAreOnePress: whichever of them overtakes the one before, or
// comes once more, and wherever in a packet the key goes down.
func TestPacketsOutOfOrderAreOnePress(t *testing.T) {
	for begin := 0; begin < 160; begin += 16 {
		s := make(sound, 1600+begin)
		s = sound(AppendTone(s, '1', 100*time.Millisecond, -10)).silence(220 * time.Millisecond)
		for swapped := 0; swapped+320 <= len(s)/160*160; swapped += 160 {
			l := newLine(Config{InBand: true})
			for ts := 0; ts+160 <= len(s); ts += 160 {
				at := ts
				switch ts {
				case swapped:
					at += 160
				case swapped + 160:
					at -= 160
				}
				l.got = l.r.Audio(l.now, uint32(at), s[at:at+160], l.got)
				l.got = l.r.Audio(l.now, uint32(at), s[at:at+160], l.got)
			}
			downs, ups := l.downs()
			if downs != "1" || ups != "1" {
				t.Errorf("begun at %d, %d and the next out of order: %q down, %q up", begin, swapped/160, downs, ups)
			}
		}
	}
}

// TestSoundsThatAreNoKeys: voices made of a pitch and its harmonics with
// moving formants, network tones, noise and sweeps.
func TestSoundsThatAreNoKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	tests := map[string]func() sound{
		"voices": func() sound {
			var s sound
			for range 600 { // 120 s in syllables of 200 ms
				pitch, glide := 90+random.Float64()*160, random.Float64()*40-20
				formants := [3]float64{300 + random.Float64()*600, 900 + random.Float64()*1200, 2300 + random.Float64()*600}
				s = append(s, syllable(pitch, glide, formants)...)
			}
			return s
		},
		"noise": func() sound {
			return make(sound, 60*rate).under(func(int) float64 { return random.NormFloat64() * 4000 })
		},
		"dial tone": func() sound { return sound(nil).pair(350, 440, -13, -13, 5*time.Second) },
		"ringback":  func() sound { return sound(nil).pair(440, 480, -19, -19, 5*time.Second) },
		"busy":      func() sound { return sound(nil).pair(480, 620, -24, -24, 5*time.Second) },
		"voicemail": func() sound { return sound(nil).pair(1000, 1400, -10, -60, time.Second) },
		"special tone": func() sound {
			return sound(nil).pair(950, 1400, -14, -60, time.Second).pair(1400, 1800, -14, -60, time.Second)
		},
		"sweep": func() sound {
			return make(sound, 20*rate).under(func(n int) float64 {
				x := float64(n) / rate
				return 8000 * math.Sin(2*math.Pi*(300*x+80*x*x))
			})
		},
	}
	for name, signal := range tests {
		t.Run(name, func(t *testing.T) {
			s := signal()
			got := hear(s)
			t.Logf("%d s of sound, %d false keys", len(s)/rate, len(got))
			if got != "" {
				t.Errorf("heard %q", got)
			}
		})
	}
}

// syllable is 200 ms of harmonics under three formants.
func syllable(pitch, glide float64, formants [3]float64) sound {
	s := make(sound, rate/5)
	phase := 0.0
	for n := range s {
		f := pitch + glide*float64(n)/float64(len(s))
		phase += 2 * math.Pi * f / rate
		x := 0.0
		for h := 1; float64(h)*f < 3400; h++ {
			gain := 0.02
			for _, centre := range formants {
				d := (float64(h)*f - centre) / 80
				gain += 1 / (1 + d*d)
			}
			x += gain * math.Sin(float64(h)*phase)
		}
		s[n] = int16(max(-32768, min(32767, 3000*x*math.Sin(math.Pi*float64(n)/float64(len(s))))))
	}
	return s
}

func TestAnEarIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Receiver{}); size > 4096 {
		t.Errorf("a Receiver takes %d bytes", size)
	}
}

func FuzzAudio(f *testing.F) {
	f.Add(uint32(0), []byte{1, 2, 3, 4}, uint32(160))
	f.Fuzz(func(t *testing.T, ts uint32, data []byte, jump uint32) {
		r := NewReceiver(Config{InBand: true})
		samples := make([]int16, len(data))
		for i, b := range data {
			samples[i] = int16(b) << 8
		}
		out := r.Audio(time.Unix(0, 0), ts, samples, nil)
		_ = r.Audio(time.Unix(1, 0), ts+jump, samples, out)
	})
}

func BenchmarkAudio(b *testing.B) {
	r := NewReceiver(Config{InBand: true})
	tone := AppendTone(nil, '1', 20*time.Millisecond, -10)
	out := make([]Press, 0, 8)
	b.ReportAllocs()
	for ts := uint32(0); b.Loop(); ts += 160 {
		out = r.Audio(time.Time{}, ts, tone, out[:0])
	}
}

// scoreOf is the score of a key's run, whether that was a press or came near to one.
func scoreOf(t *testing.T, s sound, digit byte) float32 {
	t.Helper()
	l := newLine(Config{InBand: true})
	s = append(s, make([]int16, 1600)...)
	for ts := 0; ts+160 <= len(s); ts += 160 {
		l.got = l.r.Audio(l.now, uint32(ts), s[ts:ts+160], l.got)
	}
	for _, p := range l.got {
		if p.Digit == digit && !p.Up {
			return p.Score
		}
	}
	t.Fatalf("nothing like a %c was heard", digit)
	return 0
}

func TestWhatCameBeforeIsWeighed(t *testing.T) {
	voice := func(s sound) sound {
		for range 3 {
			s = append(s, syllable(140, 10, [3]float64{500, 1500, 2500})...)
		}
		return s
	}
	key := func(s sound) sound { return s.pair(697*1.008, 1209*0.992, -12, -10, 80*time.Millisecond) }
	calm := scoreOf(t, key(sound(nil).silence(400*time.Millisecond)), '1')
	amid := scoreOf(t, key(voice(sound(nil).silence(400*time.Millisecond))), '1')
	if amid > calm-1 {
		t.Errorf("score %.1f behind a voice, %.1f after silence", amid, calm)
	}
	// The key before is no reason to doubt the next.
	after := key(sound(nil).silence(400*time.Millisecond).pair(770, 1336, -12, -10, 60*time.Millisecond).silence(40 * time.Millisecond))
	if next := scoreOf(t, after, '1'); next < calm-1 {
		t.Errorf("score %.1f behind another key, %.1f after silence", next, calm)
	}
}

func TestKeysInARowAtTheEdgesOfTheirFrequencies(t *testing.T) {
	for _, off := range []float64{-0.018, -0.015, 0.015, 0.018} {
		s := sound(nil).silence(300 * time.Millisecond)
		for i := range 16 {
			s = s.pair(lows[i/4]*(1+off), highs[i%4]*(1+off), -14, -10, 40*time.Millisecond).silence(40 * time.Millisecond)
		}
		if got := hear(s); got != keys {
			t.Errorf("%+.1f %%: heard %q", 100*off, got)
		}
	}
}
