package media

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tandem/dtmf"
	"tandem/media/kernel"
)

func TestTalkGoesDownAndIsCounted(t *testing.T) {
	fast(t, func(w *fastWorld) {
		w.descended()
		before, other := w.rep.Stats(), w.caller.Stats()
		talk(500, w.a, w.b)
		w.a.lose(5)
		last := talk(70, w.a, w.b)
		if last[1] != 0 || len(last) != rtpHeader+frameSamples {
			t.Errorf("heard %x…", last[:12])
		}
		if w.pool.Below() != 2 {
			t.Fatalf("%d directions are below", w.pool.Below())
		}
		after, sent := w.rep.Stats(), w.caller.Stats()
		if n := after.Received - before.Received; n != 570 {
			t.Errorf("received %d", n)
		}
		if n := sent.Sent - other.Sent; n != 570 || sent.SentBytes-other.SentBytes != 570*frameSamples {
			t.Errorf("sent %d, %d octets", n, sent.SentBytes-other.SentBytes)
		}
		if after.Expected-before.Expected != 575 || after.Lost != 5 || after.Bursts != 1 || after.Silent || after.Jitter == 0 {
			t.Errorf("%+v", after)
		}
		w.rep.Close()
		w.none()
		if again := w.rep.Stats(); again != after {
			t.Errorf("closed: %+v, was %+v", again, after)
		}
	})
}

// TestWideCodecsGoDown: G.722 and Opus are the kernel's too, each leg by its own
// number and clock; and G.711 that comes between is not.
func TestWideCodecsGoDown(t *testing.T) {
	for _, tt := range []struct {
		codec Codec
		a, b  uint8
	}{{G722, 9, 9}, {Opus, 96, 111}} {
		t.Run(tt.codec.String(), func(t *testing.T) {
			fast(t, func(w *fastWorld) {
				w.a.codec, w.b.codec, w.a.pt, w.b.pt = tt.codec, tt.codec, tt.a, tt.b
				for s, f := range map[*Stream]*farEnd{w.rep: w.a, w.caller: w.b} {
					if _, err := s.Reoffer(f.sdp("sendrecv")); err != nil {
						t.Fatal(err)
					}
				}
				w.descended()
				before := w.rep.Stats()
				last := talk(1, w.a, w.b)
				for range 200 {
					next := talk(1, w.a, w.b)
					if next[1] != tt.b || binary.BigEndian.Uint16(next[2:]) != binary.BigEndian.Uint16(last[2:])+1 || string(next[8:12]) != string(last[8:12]) ||
						binary.BigEndian.Uint32(next[4:])-binary.BigEndian.Uint32(last[4:]) != tt.codec.rate()/50 {
						t.Fatalf("%x after %x", next[:12], last[:12])
					}
					last = next
				}
				if after := w.rep.Stats(); after.Received-before.Received != 201 || after.Lost != 0 || w.pool.Below() != 2 {
					t.Errorf("%d directions are below; %+v", w.pool.Below(), after)
				}
				w.a.send(0, w.a.ts, make([]byte, frameSamples)) // which b has not said it takes
				w.a.ts += tt.codec.rate() / 50
				if heard := talk(1, w.a, w.b); heard[1]&0x7f != tt.b || w.pool.Below() != 1 {
					t.Errorf("%x, %d directions are below", heard[:12], w.pool.Below())
				}
				w.rep.Close()
				w.none()
			})
		})
	}
}

// TestKeysComeUp: a press while the talk is below is heard, passed on in its
// place, and the talk goes down again.
func TestKeysComeUp(t *testing.T) {
	fast(t, func(w *fastWorld) {
		presses, deaf := w.caller.ListenSignals()
		defer deaf()
		w.descended()
		seq := binary.BigEndian.Uint16(talk(1, w.a, w.b)[2:])
		ears, stop := w.rep.Listen() // for tones too: the rep's sound comes up, and what may echo in it
		defer stop()
		if n := w.pool.Below(); n != 0 {
			t.Fatalf("%d directions are below while tones are listened for", n)
		}
		start := w.a.ts
		for i := range 8 {
			w.a.key('5', start, i)
			b := w.b.hear()
			if seq++; binary.BigEndian.Uint16(b[2:]) != seq || b[1]&0x7f != 101 {
				t.Fatalf("heard %x, want event %d", b, seq)
			}
		}
		if p := <-ears; p.Digit != '5' || p.Method != dtmf.MethodEvent {
			t.Errorf("pressed %+v", p)
		}
		stop()
		w.descended()
		start = w.a.ts
		for i := range 8 { // nobody listens now, and it is passed on all the same
			w.a.key('7', start, i)
			if b := w.b.hear(); b[1]&0x7f != 101 {
				t.Fatalf("heard %x", b)
			}
			if n := w.pool.Below(); n != 1 { // the caller's sound stays there
				t.Fatal("a press went by, and the talk is below")
			}
		}
		w.descended()
		if len(presses) != 0 {
			t.Errorf("the caller pressed %v", <-presses)
		}
	})
}

// TestChangesTakeItUpAtOnce: whatever the flow was set up with changes, and no
// packet goes by the old flow from then on.
func TestChangesTakeItUpAtOnce(t *testing.T) {
	reoffer := func(s *Stream, sdp []byte) error { _, err := s.Reoffer(sdp); return err }
	changes := map[string]struct {
		change func(w *fastWorld) error
		left   int // directions
	}{
		"rep holds":         {func(w *fastWorld) error { return reoffer(w.rep, w.a.sdp("sendonly")) }, 0},
		"prospect holds":    {func(w *fastWorld) error { return reoffer(w.caller, w.b.sdp("inactive")) }, 0},
		"re-INVITE, as was": {func(w *fastWorld) error { return reoffer(w.caller, w.b.sdp("sendrecv")) }, 0},
		"prompt":            {func(w *fastWorld) error { w.caller.Play(Tick()); return nil }, 1},
		"digits": {func(w *fastWorld) error {
			go w.caller.SendDigits(w.t.Context(), "5")
			<-w.until(func() bool { return w.pool.Below() == 1 })
			return nil
		}, 1},
		"ear for tones":       {func(w *fastWorld) error { w.rep.Listen(); return nil }, 0}, // what goes to it may come back
		"ear for the network": {func(w *fastWorld) error { w.caller.Network(); return nil }, 1},
		"part":                {func(w *fastWorld) error { w.part(); return nil }, 0},
		"rep ends":            {func(w *fastWorld) error { w.rep.Close(); return nil }, 0},
		"prospect ends":       {func(w *fastWorld) error { w.caller.Close(); return nil }, 0},
		"shutdown":            {func(w *fastWorld) error { return w.pool.Close() }, 0},
	}
	fast(t, func(w *fastWorld) {
		for name, c := range changes {
			w.descended()
			if err := c.change(w); err != nil {
				t.Fatal(name, err)
			}
			if n, below := w.table.Len(), w.pool.Below(); n != c.left || below != c.left {
				t.Errorf("%s: %d flows in the table, %d directions below", name, n, below)
			}
			w.rep.Close()
			w.caller.Close()
			w.none()
			w.pool.Close()
			w.pool = w.newPool(w.table)
			w.a.listen()
			w.b.listen()
			w.connect()
		}
	})
}

// until is closed once it is true.
func (w *fastWorld) until(is func() bool) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for limit := time.Now().Add(20 * time.Second); !is() && time.Now().Before(limit); {
			<-time.After(time.Millisecond)
		}
	}()
	return done
}

// TestBothPathsCountAlike passes the same packets, with loss, doubles and
// disorder, by the kernel and by the user path.
func TestBothPathsCountAlike(t *testing.T) {
	fast(t, func(w *fastWorld) {
		other := newFastWorld(t, nil)
		other.a.ssrc = w.a.ssrc
		w.descended()
		for other.a.seq != w.a.seq {
			talk(1, other.a, other.b)
		}
		const packets = 400
		series := disorder(packets)
		var gained [2]Stats
		for i, side := range []*fastWorld{w, other} {
			before := side.rep.Stats()
			first, ts := side.a.seq, side.a.ts
			for i, n := range series {
				side.a.seq, side.a.ts = first+n, ts+uint32(n)*frameSamples
				side.a.frame()
				if i%100 == 0 && n < packets-100 {
					side.b.drain() // its buffer is small
				}
			}
			for last := first + packets - 1; binary.BigEndian.Uint16(side.b.hear()[2:])-side.caller.out.seqOffset != last; {
			}
			after := side.rep.Stats()
			gained[i] = Stats{
				Received: after.Received - before.Received, Bytes: after.Bytes - before.Bytes, Expected: after.Expected - before.Expected,
				Lost: after.Lost - before.Lost, Bursts: after.Bursts - before.Bursts,
				Duplicate: after.Duplicate - before.Duplicate, Reordered: after.Reordered - before.Reordered,
			}
		}
		if w.pool.Below() == 0 {
			t.Error("it did not go by the kernel")
		}
		if gained[0] != gained[1] || gained[0].Lost == 0 || gained[0].Reordered == 0 || gained[0].Duplicate == 0 {
			t.Errorf("by the kernel %+v\nby the user path %+v", gained[0], gained[1])
		}
	})
}

// disorder is the numbers of a stream of n packets as they come: some late, some
// twice, some never; the last 120 in order but for late ones.
func disorder(n int) (series []uint16) {
	late := make(map[int][]uint16)
	for i := range n {
		switch at := uint16(i); {
		case i >= n-120:
			series = append(series, at)
		case rand.IntN(10) == 0: // lost
		case rand.IntN(10) == 0:
			then := i + 1 + rand.IntN(40)
			late[then] = append(late[then], at)
		case rand.IntN(10) == 0:
			series = append(series, at, at)
		default:
			series = append(series, at)
		}
		series = append(series, late[i]...)
	}
	return series
}

// TestMovedFarEnd: a re-INVITE with another address; what b says goes there at
// once, and goes down again.
func TestMovedFarEnd(t *testing.T) {
	fast(t, func(w *fastWorld) {
		w.descended()
		w.a.listen()
		if _, err := w.rep.Reoffer(w.a.sdp("sendrecv")); err != nil {
			t.Fatal(err)
		}
		w.none()
		w.descended()
	})
}

func TestSilenceBelowIsNoticed(t *testing.T) {
	fast(t, func(w *fastWorld) {
		w.descended()
		limit := time.After(20 * time.Second)
		for lost := false; !lost; talk(20, w.b, w.a) { // b talks, by the kernel
			select {
			case <-w.rep.Lost():
				lost = true
			case <-w.caller.Lost():
				t.Fatal("b talks, and is lost")
			case <-limit:
				t.Fatal("a has said nothing, and is not lost")
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}

// TestTranscodingStaysUp, and goes down soon after the legs have agreed on one law.
func TestTranscodingStaysUp(t *testing.T) {
	fast(t, func(w *fastWorld) {
		sdp := fmt.Appendf(nil, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", w.b.at.Port())
		if _, err := w.caller.Reoffer(sdp); err != nil {
			t.Fatal(err)
		}
		talk(200, w.a, w.b)
		w.none()
		if !slices.Equal(w.reasons(), []string{fallTranscoding}) {
			t.Errorf("stayed up for %v", w.reasons())
		}
		if _, err := w.caller.Reoffer(w.b.sdp("sendrecv")); err != nil {
			t.Fatal(err)
		}
		for n := 0; w.pool.Below() == 0; n++ {
			if talk(1, w.a, w.b); n == settleMost/2 {
				t.Fatal("stays up, though nothing is transcoded any more")
			}
		}
	})
}

// TestFullTableStaysUp: the kernel refuses, and the call goes on as before.
func TestRefusedFlowStaysUp(t *testing.T) {
	fast(t, func(w *fastWorld) {
		if err := w.table.Close(); err != nil {
			t.Fatal(err)
		}
		talk(200, w.a, w.b)
		w.none()
		if !slices.Equal(w.reasons(), []string{string(kernel.Closed)}) {
			t.Errorf("stayed up for %v", w.reasons())
		}
	})
}
