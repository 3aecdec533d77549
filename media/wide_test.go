package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/dtmf"
)

// takes describes a phone by what it takes: payload types, with the rtpmap of
// those that need one ("96 opus/48000/2").
func (p *phone) takes(formats ...string) []byte {
	var numbers, maps strings.Builder
	for _, f := range formats {
		number, name, named := strings.Cut(f, " ")
		numbers.WriteString(" " + number)
		if named {
			fmt.Fprintf(&maps, "a=rtpmap:%s %s\r\n", number, name)
		}
	}
	text, _, _ := strings.Cut(string(p.sdp()), "m=audio")
	return fmt.Appendf(nil, "%sm=audio %d RTP/AVP%s\r\n%s", text, p.conn.addr.Port(), numbers.String(), maps.String())
}

// wideWorld is a call whose legs may speak codecs, and whose phones say what they
// take.
func wideWorld(t *testing.T, codecs []Codec, ana, jane []string, f func(w *world)) {
	t.Helper()
	inBubble(t, func(w *world) {
		side := Side{Address: w.pool.cfg.Bind, Codecs: codecs, EventPT: 101}
		w.rep.Retry(side)
		w.prospect.Retry(side)
		w.rep.Offer()
		if err := w.rep.Accept(w.ana.takes(ana...)); err != nil {
			t.Fatal(err)
		}
		w.prospect.Match(w.rep)
		w.prospect.Offer()
		if err := w.prospect.Accept(w.jane.takes(jane...)); err != nil {
			t.Fatal(err)
		}
		defer Join(w.rep, w.prospect)()
		f(w)
	})
}

const (
	opus96   = "96 opus/48000/2"
	event8k  = "101 telephone-event/8000"
	event48k = "97 telephone-event/48000"
)

// speak sends n packets of 20 ms in a codec that we can only pass on.
func (p *phone) speak(n int, pt uint8, c Codec) (sent [][]byte) {
	for i := range n {
		payload := append([]byte("as it is"), byte(i), byte(n))
		p.packet(pt, p.ts, payload)
		p.ts += c.rate() / 50
		sent = append(sent, payload)
		<-time.After(frameTime)
	}
	return sent
}

// TestOfferIsWhatTheOtherLegTakes: G.711 goes first to the rep, whatever the
// trunk's order; to the prospect the trunk's order counts, of what the rep takes.
func TestOfferIsWhatTheOtherLegTakes(t *testing.T) {
	offered := func(s *Stream) string {
		_, after, _ := strings.Cut(string(s.Offer()), "RTP/AVP ")
		line, _, _ := strings.Cut(after, "\r\n")
		return line
	}
	for name, tt := range map[string]struct {
		codecs       []Codec
		rep          []string
		first, later string
	}{
		"laws only":                        {[]Codec{PCMU, PCMA}, []string{"8", event8k}, "0 8 101", "8 0 101"},
		"the rep takes all":                {[]Codec{Opus, G722, PCMU, PCMA}, []string{"8", "9", opus96, "0", event8k}, "0 8 107 9 101 110", "107 9 8 0 101 110"},
		"the rep takes one":                {[]Codec{Opus, G722, PCMU, PCMA}, []string{"0", "9", event8k}, "0 8 107 9 101 110", "9 0 8 101"},
		"the rep takes none":               {[]Codec{G722, PCMU}, []string{"0", event8k}, "0 9 101", "0 101"},
		"the trunk would rather have laws": {[]Codec{PCMU, PCMA, G722}, []string{"8", "9", event8k}, "0 8 9 101", "8 0 9 101"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				side := Side{Address: w.pool.cfg.Bind, Codecs: tt.codecs, EventPT: 101}
				w.rep.Retry(side)
				w.prospect.Retry(side)
				if got := offered(w.rep); got != tt.first {
					t.Errorf("the rep is offered %s, want %s", got, tt.first)
				}
				if err := w.rep.Accept(w.ana.takes(tt.rep...)); err != nil {
					t.Fatal(err)
				}
				w.prospect.Match(w.rep)
				if got := offered(w.prospect); got != tt.later {
					t.Errorf("the prospect is offered %s, want %s", got, tt.later)
				}
			})
		})
	}
}

// TestWideCodecsPassUntouched: both ways, octet for octet, each leg by its own
// number; and one line a clock, with what we play in G.711 between.
func TestWideCodecsPassUntouched(t *testing.T) {
	for _, tt := range []struct {
		codec     Codec
		ana, jane string
		in, out   uint8
	}{{G722, "9", "9", 9, 9}, {Opus, opus96, "111 opus/48000/2", 96, 111}} {
		t.Run(tt.codec.String(), func(t *testing.T) {
			wideWorld(t, []Codec{tt.codec, PCMU, PCMA}, []string{"0", tt.ana, event8k}, []string{tt.jane, "0", event8k}, func(w *world) {
				if c, _ := w.prospect.Codec(); c != tt.codec {
					t.Fatalf("the prospect speaks %v", c)
				}
				lines := map[string][]wirePacket{}
				listen := func() (heard []wirePacket) {
					heard = w.jane.heard()
					for _, p := range heard {
						ssrc := string(p.data[8:12])
						lines[ssrc] = append(lines[ssrc], p)
					}
					return heard
				}
				pass := func() {
					sent := w.ana.speak(20, tt.in, tt.codec)
					heard := listen()
					if len(heard) != 20 {
						t.Fatalf("%d of 20 packets", len(heard))
					}
					for i, p := range heard {
						if payloadType(p) != tt.out || !bytes.Equal(p.data[rtpHeader:], sent[i]) {
							t.Fatalf("%d: %q as type %d", i, p.data[rtpHeader:], payloadType(p))
						}
						if i > 0 && timestamp(p)-timestamp(heard[i-1]) != tt.codec.rate()/50 {
							t.Fatalf("a step of %d", timestamp(p)-timestamp(heard[i-1]))
						}
					}
				}
				pass()
				quiet := w.prospect.Play(Chirp())
				<-time.After(100 * time.Millisecond)
				quiet()
				<-time.After(frameTime)
				if heard := listen(); len(heard) == 0 || payloadType(heard[0]) != 0 {
					t.Errorf("our own sound: %d packets", len(heard))
				}
				pass()
				w.ana.pt, w.ana.ssrc = uint8(PCMU), 77 // it goes over to G.711, which the prospect takes too
				<-time.After(100 * time.Millisecond)
				w.ana.talk(10, 0x21)
				if heard := listen(); len(heard) == 0 || payloadType(heard[0]) != 0 {
					t.Errorf("G.711 of the rep: %d packets", len(heard))
				}
				if want := map[Codec]int{G722: 1, Opus: 2}[tt.codec]; len(lines) != want {
					t.Errorf("%d sources are heard, not one for each of %d clocks", len(lines), want)
				}
				for _, line := range lines {
					wantLine(t, line)
				}
				w.jane.speak(5, tt.out, tt.codec)
				if heard := w.ana.heard(); len(heard) != 5 || payloadType(heard[0]) != tt.in {
					t.Errorf("the other way: %d packets", len(heard))
				}
				for leg, s := range map[string]Stats{"rep": w.rep.Stats(), "prospect": w.prospect.Stats()} {
					if s.Silent || s.Lost != 0 || !s.Wide || !s.SentWide {
						t.Errorf("%s: %+v", leg, s)
					}
				}
				w.jane.speak(enough, tt.out, tt.codec)
				if mos, known := w.prospect.Stats().MOS(); known {
					t.Errorf("%v has a MOS of %v by the model of G.711", tt.codec, mos)
				}
			})
		})
	}
}

// TestWhatTheFarEndDoesNotTakeStaysOut: Opus cannot be turned into another codec,
// and is left out without a gap.
func TestWhatTheFarEndDoesNotTakeStaysOut(t *testing.T) {
	wideWorld(t, []Codec{Opus, PCMU}, []string{"0", opus96, event8k}, []string{"0", event8k}, func(w *world) {
		w.ana.talk(5, 0x21)
		w.ana.speak(5, 96, Opus)
		w.ana.talk(5, 0x21)
		heard := w.jane.heard()
		if len(heard) != 10 {
			t.Errorf("%d packets, not 10", len(heard))
		}
		wantLine(t, heard)
	})
}

// TestLegIsAskedToChange: the offer says what is wanted, an answer changes what is
// spoken, a refusal nothing.
func TestLegIsAskedToChange(t *testing.T) {
	wideWorld(t, []Codec{G722, PCMU, PCMA}, []string{"8", "9", event8k}, []string{"9", event8k}, func(w *world) {
		before := w.rep.Offer()
		refused := errors.New("488")
		err := w.rep.Renegotiate(G722, w.prospect, func([]byte) ([]byte, error) { return nil, refused })
		if c, _ := w.rep.Codec(); !errors.Is(err, refused) || c != PCMA {
			t.Errorf("refused: %v, and it speaks %v", err, c)
		}
		if m := string(w.rep.Offer()); !strings.Contains(m, "RTP/AVP 0 8 9 101") {
			t.Errorf("after the refusal the offer is %s, was %s", m, before)
		}
		err = w.rep.Renegotiate(G722, w.prospect, func(offer []byte) ([]byte, error) {
			if !strings.Contains(string(offer), "RTP/AVP 9 8 0 101") {
				t.Errorf("offer %s", offer)
			}
			return w.ana.takes("9", "8", event8k), nil
		})
		if c, _ := w.rep.Codec(); err != nil || c != G722 {
			t.Errorf("%v, and it speaks %v", err, c)
		}
		if law, ok := w.rep.Law(); !ok || law != PCMA {
			t.Errorf("it is spoken to in %v", law)
		}
		answer, err := w.rep.Reoffer(append(w.ana.takes("8", "0", "9", event8k), "a=sendonly\r\n"...))
		if err != nil || !strings.Contains(string(answer), "RTP/AVP 9 8 101") || !strings.Contains(string(answer), "a=recvonly") {
			t.Errorf("hold is answered by %s, %v", answer, err)
		}
		if c, _ := w.rep.Codec(); c != G722 {
			t.Errorf("after a hold it speaks %v", c)
		}
		if answer, err = w.rep.Reoffer(w.ana.takes("0", event8k)); err != nil || !strings.Contains(string(answer), "RTP/AVP 0 101") {
			t.Errorf("%s, %v", answer, err)
		}
		if c, _ := w.rep.Codec(); c != PCMU {
			t.Errorf("transferred to a phone without, it speaks %v", c)
		}
	})
}

// TestKeysAcrossClocks: a key is as long for the far end, whatever clock each leg
// counts it by.
func TestKeysAcrossClocks(t *testing.T) {
	for name, tt := range map[string]struct {
		ana, jane       []string
		pt, want        uint8
		clock, expected uint32
	}{
		"48 kHz to 8 kHz":  {[]string{"0", opus96, event48k}, []string{"0", event8k}, 97, 101, 48000, 8000},
		"8 kHz to 48 kHz":  {[]string{"0", opus96, event8k}, []string{opus96, "0", event48k}, 101, 97, 8000, 48000},
		"48 kHz to 48 kHz": {[]string{"0", opus96, event48k}, []string{opus96, "0", event48k}, 97, 97, 48000, 48000},
	} {
		t.Run(name, func(t *testing.T) {
			wideWorld(t, []Codec{Opus, PCMU}, tt.ana, tt.jane, func(w *world) {
				presses, deaf := w.rep.Listen()
				defer deaf()
				w.ana.speak(5, 96, Opus)
				w.jane.heard()
				start := w.ana.ts
				for i := range 8 {
					w.ana.packet(tt.pt, start, dtmf.AppendEvent(nil, '5', i > 4, 10, uint16(tt.clock/50*uint32(min(i+1, 6)))))
					<-time.After(frameTime)
				}
				w.ana.ts += 8 * 960
				if p := <-presses; p.Digit != '5' || p.Method != dtmf.MethodEvent {
					t.Errorf("the press is %+v", p)
				}
				var ends int
				heard := w.jane.heard()
				for _, p := range heard {
					if payloadType(p) != tt.want {
						continue
					}
					digit, end, duration, ok := dtmf.ParseEvent(p.data[rtpHeader:])
					if !ok || digit != '5' {
						t.Fatalf("%x is heard", p.data[rtpHeader:])
					}
					if end {
						ends++
						if want := tt.expected * 120 / 1000; uint32(duration) != want {
							t.Errorf("it lasts %d of the far end's ticks, not %d", duration, want)
						}
					}
				}
				if ends != 3 {
					t.Errorf("%d ends of the key in %d packets", ends, len(heard))
				}
				w.ana.speak(5, 96, Opus)
				if want := slices.Contains(tt.jane, opus96); want && len(w.jane.heard()) != 5 {
					t.Error("the sound does not go on")
				}
			})
		})
	}
}

// TestDigitsToAWideLeg are events by its clock.
func TestDigitsToAWideLeg(t *testing.T) {
	wideWorld(t, []Codec{Opus, PCMU}, []string{"0", opus96, event8k}, []string{opus96, event48k}, func(w *world) {
		w.ana.speak(3, 96, Opus)
		w.jane.heard()
		if err := w.prospect.SendDigits(context.Background(), "7"); err != nil {
			t.Fatal(err)
		}
		heard := w.jane.heard()
		last := heard[len(heard)-1]
		if d := binary.BigEndian.Uint16(last.data[rtpHeader+2:]); payloadType(last) != 97 || d < 80*48 {
			t.Errorf("type %d, duration %d", payloadType(last), d)
		}
		w.prospect.Play(Chirp()) // which it has no ear for
		<-time.After(time.Second)
		if heard := w.jane.heard(); len(heard) != 0 {
			t.Errorf("%d packets of a type it did not ask for", len(heard))
		}
	})
}
