package bridge

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tandem/dtmf"
)

// line is what a phone sends, 20 ms at a time.
type line struct {
	w      *world
	conn   *conn
	seq    uint16
	ts     uint32
	random *rand.Rand
	loss   float64
}

// line is the rep's.
func (w *world) line() *line { return w.lineOf(repNumber, "10.0.0.1:20000") }

// lineOf is that of a number's phone, which sends to this socket of ours.
func (w *world) lineOf(number, to string) *line {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.conns[netip.MustParseAddrPort(to)]
	c.from = w.far[number].addr
	return &line{w: w, conn: c, seq: 100, ts: uint32(time.Now().UnixMilli() * 8), random: rand.New(rand.NewPCG(1, 1))}
}

// packet sends one, or loses it.
func (l *line) packet(pt byte, ts uint32, payload []byte) {
	b := binary.BigEndian.AppendUint16([]byte{0x80, pt}, l.seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	l.seq++
	if l.random.Float64() < l.loss {
		return
	}
	select {
	case l.conn.in <- append(binary.BigEndian.AppendUint32(b, 7), payload...):
	case <-l.conn.gone: // the call is over
	}
}

// tick lets a frame's time pass.
func (l *line) tick() {
	l.ts += 160
	<-time.After(20 * time.Millisecond)
	synctest.Wait()
}

// say sends sound, in µ-law.
func (l *line) say(sound []int16) {
	for at := 0; at+160 <= len(sound); at += 160 {
		payload := make([]byte, 160)
		for i, x := range sound[at : at+160] {
			payload[i] = muLaw(int(x))
		}
		l.packet(0, l.ts, payload)
		l.tick()
	}
}

// muLaw is ITU-T G.711 of one 16-bit sample.
func muLaw(x int) byte {
	sign := byte(0)
	if x < 0 {
		x, sign = -x, 0x80
	}
	x = min(x, 32635) + 132
	exponent := byte(7)
	for mask := 0x4000; exponent > 0 && x&mask == 0; mask >>= 1 {
		exponent--
	}
	return ^(sign | exponent<<4 | byte(x>>(exponent+3))&0x0f)
}

// rest is silence with so much noise in it, as an amplitude.
func (l *line) rest(d time.Duration, noise float64) {
	sound := make([]int16, int(d.Seconds()*8000)/160*160)
	for i := range sound {
		sound[i] = int16(noise * l.random.NormFloat64())
	}
	l.say(sound)
}

// tone sends a key as sound, over noise.
func (l *line) tone(key byte, d time.Duration, noise float64) {
	sound := dtmf.AppendTone(make([]int16, l.random.IntN(160)), key, d, -12)
	sound = append(sound, make([]int16, 160+160-len(sound)%160)...)
	for i := range sound {
		sound[i] += int16(noise * l.random.NormFloat64())
	}
	l.say(sound)
}

// key sends a key as telephone-events.
func (l *line) key(key byte, d time.Duration) {
	start, packets := l.ts, int(d/(20*time.Millisecond))
	for i := 1; i <= packets; i++ {
		l.packet(101, start, dtmf.AppendEvent(nil, key, false, 10, uint16(160*i)))
		l.tick()
	}
	for range 3 {
		l.packet(101, start, dtmf.AppendEvent(nil, key, true, 10, uint16(160*packets)))
	}
	l.tick()
}

// greeting is a voice: harmonics of a pitch under a moving formant.
func greeting(d time.Duration) []int16 {
	sound := make([]int16, int(d.Seconds()*8000))
	for n := range sound {
		x := float64(n) / 8000
		pitch, formant := 120+15*math.Sin(9*x), 600+350*math.Sin(14*x)
		y := 0.0
		for i := 1.0; i < 20; i++ {
			y += math.Sin(2*math.Pi*i*(120*x+15/9.0*(1-math.Cos(9*x)))) / (1 + math.Pow((i*pitch-formant)/150, 2))
		}
		sound[n] = int16(3000 * y)
	}
	return sound
}

func beep(d time.Duration) []int16 {
	sound := make([]int16, int(d.Seconds()*8000))
	for n := range sound {
		sound[n] = int16(8000 * math.Sin(2*math.Pi*1000*float64(n)/8000))
	}
	return sound
}

// voicemailBeeps is a greeting with its beep; talksForEver one without.
func voicemailBeeps(w *world, _ string) {
	l := w.line()
	l.say(greeting(3 * time.Second))
	l.say(beep(400 * time.Millisecond))
}

func talksForEver(w *world, _ string) { w.line().say(greeting(8 * time.Second)) }

// presses are what the record tells of keys.
func (w *world) presses() []KeyPress { record := w.only(); return record.Presses }

func TestTonesCountOnceTheyAreSurelyAKey(t *testing.T) {
	for name, tt := range map[string]struct {
		wait, held time.Duration
		counts     bool
		why        string
	}{
		"a press":                {600 * time.Millisecond, 120 * time.Millisecond, true, ""},
		"at once on the answer":  {60 * time.Millisecond, 120 * time.Millisecond, false, "early"},
		"a splinter of 40 ms":    {600 * time.Millisecond, 40 * time.Millisecond, false, "short"},
		"a press over the first": {320 * time.Millisecond, 80 * time.Millisecond, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.t = t
				w.start()
				w.until(CallRepAnswered)
				l := w.line()
				l.rest(tt.wait, 20)
				l.tone('1', tt.held, 20)
				l.rest(200*time.Millisecond, 20)
				told := w.presses()
				if len(told) != 1 || told[0].Counted != tt.counts || told[0].Why != tt.why || told[0].Digit != "1" || told[0].Method != "inband" {
					t.Fatalf("told %+v", told)
				}
				if p := told[0]; p.Level < -12 || p.Level > -8 || p.Twist < 1 || p.Twist > 3 || p.Residual > 0.05 || p.HeldMS < 30 {
					t.Errorf("figures %+v", p)
				}
				if (w.dialed(prospectNumber) == 1) != tt.counts {
					t.Errorf("the prospect was dialled %d times", w.dialed(prospectNumber))
				}
				w.hangUp(repNumber)
				w.until(CallEnded)
			})
		})
	}
}

func TestEventsCountFromTheAnswerOn(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.until(CallRepAnswered)
		w.line().key('1', 100*time.Millisecond)
		w.until(CallConnected)
		if told := w.presses(); len(told) != 1 || !told[0].Counted || told[0].Method != "rfc4733" || told[0].AfterMS > 100 {
			t.Errorf("told %+v", told)
		}
		w.hangUp(repNumber)
		w.wantEnd(Completed, ReasonCompleted, ByRep)
	})
}

// TestAThousandPresses: every session in noise or loss, at any time from the
// answer on, by any method: one call to the prospect, and never a second.
func TestAThousandPresses(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 32))
	connects := 0
	const sessions = 1000
	for range sessions {
		inBubble(t, func(w *world) {
			w.start()
			w.until(CallRepAnswered)
			l := w.line()
			l.random, l.loss = random, random.Float64()*0.03
			noise := 10 * math.Pow(30, random.Float64()) // 8 to 38 dB below the tones
			held := time.Duration(90+random.IntN(260)) * time.Millisecond
			wait := time.Duration(random.IntN(1800)) * time.Millisecond // the prompt has begun, or not yet
			switch random.IntN(4) {
			case 0:
				l.rest(max(wait, 320*time.Millisecond), noise)
				l.tone('1', held, noise)
			case 1:
				l.rest(wait, noise)
				l.key('1', held)
			case 2:
				l.rest(wait, noise)
				w.far[repNumber].info("application/dtmf-relay", []byte("Signal=1\r\nDuration=160\r\n"))
			default: // a phone that sends both, one after the other
				l.rest(max(wait, 320*time.Millisecond), noise)
				l.tone('1', 100*time.Millisecond, noise)
				l.key('1', held)
			}
			l.loss = 0
			l.rest(200*time.Millisecond, noise)
			if record := w.only(); record.ConfirmedAt.IsZero() {
				t.Logf("held %v over noise of %.0f, loss %.3f: %+v", held, noise, l.loss, record.Presses)
			} else {
				w.until(CallConnected)
			}
			if w.dialed(prospectNumber) == 1 {
				connects++
			}
			w.hangUp(repNumber)
			w.until(CallEnded)
			if n := w.dialed(prospectNumber); n > 1 {
				t.Errorf("the prospect was dialled %d times", n)
			}
		})
	}
	t.Logf("%d of %d sessions connected", connects, sessions)
	if connects != sessions {
		t.Error("not all of them")
	}
}
