package media

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/media/kernel"
)

// listener reads one stream as a phone would that knows nothing else.
type listener struct {
	t       *testing.T
	begun   bool
	highest uint16
	ts      uint32          // of the highest
	had     map[uint64]bool // extended sequence numbers
	cycles  uint64
	at      time.Time
	numbers map[uint64]uint32
}

// take fails for a number that came before, one from before the stream began,
// a jump, or sound whose timestamps do not rise with its numbers.
func (l *listener) take(now time.Time, seq uint16, ts uint32) {
	l.t.Helper()
	if !l.begun {
		l.begun, l.highest, l.ts, l.at = true, seq, ts, now
		l.had, l.numbers = map[uint64]bool{uint64(seq): true}, map[uint64]uint32{uint64(seq): ts}
		return
	}
	ahead := int64(int16(seq - l.highest))
	number := uint64(int64(l.cycles<<16|uint64(l.highest)) + ahead)
	switch {
	case l.had[number]:
		l.t.Fatalf("number %d twice", seq)
	case ahead > jumpAhead || ahead <= -window:
		l.t.Fatalf("number %d after %d", seq, l.highest)
	case ahead > 0:
		if by := int32(ts - l.ts); by <= 0 {
			l.t.Fatalf("timestamp goes by %d from number %d to %d", by, l.highest, seq)
		} else if limit := int32(now.Sub(l.at).Milliseconds()*sampleRate/1000) + restamp*sampleRate + jumpAhead*frameSamples; by > limit {
			l.t.Fatalf("timestamp jumps by %d in %v", by, now.Sub(l.at))
		}
		if seq < l.highest {
			l.cycles++
		}
		l.highest, l.ts, l.at = seq, ts, now
	default: // late: its time is between those of its neighbours
		for n := number + 1; n < number+window; n++ {
			if later, came := l.numbers[n]; came && int32(later-ts) <= 0 {
				l.t.Fatalf("late number %d has a timestamp %d above a later one's", seq, int32(ts-later))
			}
		}
	}
	l.had[number], l.numbers[number] = true, ts
}

// belowModel is a flow of the kernel's as relay.c has it, on what a line says of
// itself.
type belowModel struct {
	f kernel.Flow
	t kernel.Tally
}

func modelOf(l *line, t *tally) *belowModel {
	m := &belowModel{f: kernel.Flow{Source: l.source, SeqOffset: l.seqOffset, TSOffset: l.tsOffset}}
	m.t = kernel.Tally{Seq: l.sourceSeq, Timestamp: l.sourceTS, Reception: kernel.Reception{Seen: t.seen, Last: t.at}}
	return m
}

// pass is what the kernel does with a packet; up is set for one that it leaves
// to us.
func (m *belowModel) pass(now time.Time, h *header) (seq uint16, ts uint32, sent, up bool) {
	ahead := int(int16(h.seq - m.t.Seq))
	switch {
	case h.ssrc != m.f.Source || ahead > jumpAhead || ahead <= -window || ahead > 0 && int32(h.ts-m.t.Timestamp) < 0:
		return 0, 0, false, true
	case ahead > 0:
		m.t.Seen = m.t.Seen<<ahead | 1
		m.t.Advance += uint64(ahead)
		m.t.Seq, m.t.Timestamp, m.t.Last = h.seq, h.ts, now
	case m.t.Seen>>-ahead&1 != 0:
		m.t.Duplicates++
		return 0, 0, false, false
	default:
		m.t.Seen |= 1 << -ahead
		m.t.Reordered++
	}
	m.t.Packets++
	return h.seq + m.f.SeqOffset, h.ts + m.f.TSOffset, true, false
}

// TestOneLineWhateverHappens does at random what may happen to a leg: its source
// changes, begins anew, wraps, is lost, doubled, reordered; our own sound comes
// between; keys are put in and left out; the kernel relays for a while.
func TestOneLineWhateverHappens(t *testing.T) {
	wentBelow := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 2))
		now := time.Unix(1000, 0)
		out := line{rate: sampleRate, seq: uint16(random.Uint32()), ts: random.Uint32()}
		in := tally{rate: sampleRate}
		ear := &listener{t: t}
		var below *belowModel
		src := header{ssrc: 1, seq: uint16(random.Uint32()), ts: random.Uint32()}
		var delayed []header
		rise := func() {
			if below != nil {
				out.below(below.t)
				in.below(kernel.Tally{}, below.t)
				below = nil
			}
		}
		hear := func(h header) {
			if below != nil {
				seq, ts, sent, up := below.pass(now, &h)
				if sent {
					ear.take(now, seq, ts)
				}
				if !up {
					return
				}
				rise()
			}
			in.packet(now, &h, frameSamples, true)
			if seq, ts, _, ok := out.relay(now, &h, false); ok {
				ear.take(now, seq, ts)
			}
		}
		for range 1500 {
			now = now.Add(frameTime)
			src.seq++
			src.ts += frameSamples
			switch random.IntN(60) {
			case 0: // another source
				src = header{ssrc: random.Uint32(), seq: uint16(random.Uint32()), ts: random.Uint32()}
				delayed = nil
			case 1: // soon its numbers wrap
				src = header{ssrc: random.Uint32(), seq: 65535 - uint16(random.IntN(20)), ts: -uint32(random.IntN(20 * frameSamples))}
				delayed = nil
			case 2, 3: // lost
				n := 1 + random.IntN(40)
				now = now.Add(time.Duration(n) * frameTime)
				src.seq += uint16(n)
				src.ts += uint32(n) * frameSamples
			case 4, 5: // late
				delayed = append(delayed, src)
				continue
			case 6: // our own sound, for which it comes up
				rise()
				for range 1 + random.IntN(10) {
					seq, ts, _ := out.own(now)
					ear.take(now, seq, ts)
					now = now.Add(frameTime)
				}
				n := uint16(random.IntN(10)) // packets of the source that were not passed on
				src.seq += n
				src.ts += uint32(n) * frameSamples
			case 7: // a key that the far end does not take
				rise()
				h := src
				in.packet(now, &h, 4, false)
				out.skip(&h)
				continue
			case 8: // a key of another stream's
				rise()
				if out.started {
					out.insert()
					ear.had[ear.cycles<<16|uint64(ear.highest)+1], ear.highest = true, ear.highest+1
					if ear.highest == 0 {
						ear.cycles++
					}
				}
			case 9, 10, 11: // the kernel takes it
				if below == nil && out.relaying && out.sourceSeq == uint16(in.highest) && out.seen == in.seen && int16(out.sourceSeq-out.floor) >= window {
					below = modelOf(&out, &in)
					wentBelow++
				}
			}
			hear(src)
			if random.IntN(20) == 0 {
				hear(src) // twice
			}
			for len(delayed) > 0 && random.IntN(3) == 0 {
				hear(delayed[0])
				delayed = delayed[1:]
			}
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	if wentBelow < 1000 {
		t.Errorf("the kernel relayed only %d times", wentBelow)
	}
}

// TestAnyPacketTimePasses: 10, 30, 40 and 60 ms a packet come through as they
// are, in one codec and between two.
func TestAnyPacketTimePasses(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)() // PCMU to PCMA
		for _, ms := range []int{10, 20, 30, 40, 60} {
			samples := ms * sampleRate / 1000
			for range 10 {
				w.ana.packet(w.ana.pt, w.ana.ts, slices.Repeat([]byte{0x21}, samples))
				w.ana.ts += uint32(samples)
				<-time.After(time.Duration(ms) * time.Millisecond)
			}
			got := w.jane.heard()
			if len(got) != 10 {
				t.Fatalf("%d ms: %d of 10 packets", ms, len(got))
			}
			wantLine(t, got)
			for i, p := range got {
				if len(p.data) != rtpHeader+samples || p.data[len(p.data)-1] != between[0][0x21] {
					t.Fatalf("%d ms: packet %d has %d octets", ms, i, len(p.data))
				}
				if i > 0 && timestamp(p)-timestamp(got[i-1]) != uint32(samples) {
					t.Fatalf("%d ms: a step of %d", ms, timestamp(p)-timestamp(got[i-1]))
				}
			}
		}
	})
}

// TestReofferAtRandom: whatever the far ends re-negotiate while both talk, each
// hears one line: with one codec and between two, in plain, and by SRTP whose key
// changes.
func TestReofferAtRandom(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, func(w *world) {
			random := rand.New(rand.NewPCG(seed, 3))
			secure, key := seed%2 == 1, byte(1)
			describe := func() string {
				if !secure {
					return string(w.jane.sdp())
				}
				return string(w.jane.srtpSDP("RTP/SAVP", 1, aes80, bytes.Repeat([]byte{key}, 30)))
			}
			if secure {
				w.prospect.Retry(Side{Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA}, EventPT: 101, SRTP: SRTPRequired})
				if _, err := w.prospect.Reoffer([]byte(describe())); err != nil {
					t.Fatal(err)
				}
			}
			defer Join(w.rep, w.prospect)()
			ear := &listener{t: t}
			for range 60 {
				if random.IntN(6) == 0 {
					key++
				}
				offer := describe()
				switch random.IntN(6) {
				case 0:
					offer += "a=sendonly\r\n"
				case 1:
					offer += "a=inactive\r\n"
				case 2:
					offer = strings.Replace(offer, "VP 8", "VP 0", 1)
				}
				if random.IntN(2) == 0 {
					if _, err := w.prospect.Reoffer([]byte(offer)); err != nil {
						t.Fatal(err)
					}
				}
				switch random.IntN(8) {
				case 0:
					w.ana.ssrc, w.ana.seq, w.ana.ts = random.Uint32(), uint16(random.Uint32()), random.Uint32()
				case 1:
					w.prospect.Play(Chirp())
				case 2:
					w.ana.seq += uint16(random.IntN(30))
				}
				w.ana.talk(1+random.IntN(20), 0x21)
			}
			for _, p := range w.jane.heard() {
				ear.take(p.at, sequence(p), timestamp(p))
			}
			if !ear.begun {
				t.Fatal("nothing was heard")
			}
		})
	}
}

// TestLongPacketsAreRepackedForWhoTakesShortOnes where they are transcoded, and
// only there.
func TestLongPacketsAreRepackedForWhoTakesShortOnes(t *testing.T) {
	inBubble(t, func(w *world) {
		if err := w.prospect.Accept(append(w.jane.sdp(), "a=maxptime:20\r\n"...)); err != nil {
			t.Fatal(err)
		}
		if err := w.rep.Accept(append(w.ana.sdp(), "a=maxptime:20\r\n"...)); err != nil {
			t.Fatal(err)
		}
		defer Join(w.rep, w.prospect)()
		long := func(p *phone, samples int) {
			for range 10 {
				p.packet(p.pt, p.ts, slices.Repeat([]byte{0x21}, samples))
				p.ts += uint32(samples)
				<-time.After(time.Duration(samples) * time.Second / sampleRate)
			}
		}
		long(w.ana, 400) // 50 ms: 20, 20 and 10
		got := w.jane.heard()
		if len(got) != 30 {
			t.Fatalf("%d packets of 30", len(got))
		}
		wantLine(t, got)
		for i, p := range got {
			want := []int{160, 160, 80}[i%3]
			if len(p.data)-rtpHeader != want || i > 0 && timestamp(p)-timestamp(got[i-1]) != uint32([]int{80, 160, 160}[i%3]) {
				t.Fatalf("packet %d has %d samples", i, len(p.data)-rtpHeader)
			}
		}
		if err := w.prospect.Accept([]byte(strings.Replace(string(w.jane.sdp()), "AVP 8", "AVP 0", 1) + "a=maxptime:20\r\n")); err != nil {
			t.Fatal(err)
		}
		long(w.ana, 400)
		if got = w.jane.heard(); len(got) != 10 || len(got[0].data) != rtpHeader+400 {
			t.Errorf("in one codec %d packets of %d octets", len(got), len(got[0].data))
		}
		wantLine(t, got)
	})
}

// TestComfortNoise passes to who takes it (RFC 3389), and is left out without a
// gap for who does not, also where the sound beside it is transcoded.
func TestComfortNoise(t *testing.T) {
	for name, tt := range map[string]struct {
		takes []string
		want  int
	}{"taken": {[]string{"8", "13", event8k}, 11}, "not taken": {[]string{"8", event8k}, 10}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				if err := w.prospect.Accept(w.jane.takes(tt.takes...)); err != nil {
					t.Fatal(err)
				}
				defer Join(w.rep, w.prospect)()
				w.ana.talk(5, 0x21)
				w.ana.packet(noisePT, w.ana.ts, []byte{40})
				w.ana.ts += 10 * frameSamples
				<-time.After(10 * frameTime)
				w.ana.talk(5, 0x21)
				got := w.jane.heard()
				if len(got) != tt.want {
					t.Fatalf("%d packets, want %d", len(got), tt.want)
				}
				wantLine(t, got)
				if last, first := got[len(got)-1], got[0]; timestamp(last)-timestamp(first) != 19*frameSamples {
					t.Errorf("the pause has become %d ticks", timestamp(last)-timestamp(first))
				}
			})
		})
	}
}
