package media

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestLineAcrossPaths does at random what may happen to a call. An independent
// receiver must hear one line: no jump, no repetition, nothing going back.
func TestLineAcrossPaths(t *testing.T) {
	fast(t, func(w *fastWorld) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		ear := receiver{t: t}
		say := func(n int) {
			for range n {
				w.a.frame()
				ear.take(w.b.hear())
			}
		}
		say(1)
		down := 0
		for range 30 {
			if w.pool.Below() > 0 {
				down++
			}
			switch random.IntN(6) {
			case 0:
				lost := 1 + random.IntN(100)
				w.a.lose(lost)
				ear.lost = lost
			case 1: // a press
				start, digit := w.a.ts, byte('0'+random.IntN(10))
				for i := range 8 {
					w.a.key(digit, start, i)
					ear.take(w.b.hear())
				}
			case 2: // another source, of another clock
				<-time.After(ssrcQuiet)
				w.a.ssrc, w.a.seq, w.a.ts = random.Uint32(), uint16(random.Uint32()), random.Uint32()
				w.a.frame() // is kept until the second
				ear.fresh = true
			case 3: // re-INVITE, perhaps from elsewhere
				if random.IntN(2) == 0 {
					w.a.listen()
				}
				if _, err := w.rep.Reoffer(w.a.sdp("sendrecv")); err != nil {
					t.Fatal(err)
				}
			case 4: // numbers wrap soon
				if random.IntN(2) == 0 {
					<-time.After(ssrcQuiet)
					w.a.ssrc, w.a.seq, w.a.ts = random.Uint32(), 65535-uint16(random.IntN(200)), -uint32(random.IntN(200*frameSamples))
					w.a.frame()
					ear.fresh = true
				}
			}
			if ear.fresh {
				w.a.frame()
				ear.take(w.b.hear())
				ear.fresh = false
				ear.take(w.b.hear())
			}
			say(80 + random.IntN(60))
		}
		if down < 10 {
			t.Errorf("it was below %d times of 30; stayed up for %v", down, w.reasons())
		}
	})
}

// receiver checks one stream as a phone would see it.
type receiver struct {
	t     *testing.T
	begun bool
	ssrc  uint32
	seq   uint16
	ts    uint32
	lost  int  // packets that may be missing
	fresh bool // the source has changed
}

func (r *receiver) take(b []byte) {
	r.t.Helper()
	h, _, ok := parseRTP(b)
	if !ok {
		r.t.Fatalf("heard %x", b)
	}
	event := h.pt == 101
	if !r.begun {
		r.begun, r.ssrc, r.seq, r.ts = true, h.ssrc, h.seq-1, h.ts
	}
	if h.ssrc != r.ssrc {
		r.t.Fatalf("SSRC %x after %x", h.ssrc, r.ssrc)
	}
	if missing := int(int16(h.seq - r.seq - 1)); missing != r.lost {
		r.t.Fatalf("seq %d after %d: %d missing, %d were lost", h.seq, r.seq, missing, r.lost)
	}
	if by := int32(h.ts - r.ts); by < 0 && !event || by > sampleRate*20 {
		r.t.Fatalf("timestamp %d after %d", h.ts, r.ts)
	}
	r.seq, r.lost = h.seq, 0
	if !event {
		r.ts = h.ts
	}
}
