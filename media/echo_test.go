package media

import (
	"testing"
	"time"

	"tandem/dtmf"
)

// frames is sound in µ-law or A-law, cut to packets.
func frames(c Codec, sound []int16) (all [][]byte) {
	for ; len(sound) >= frameSamples; sound = sound[frameSamples:] {
		all = append(all, c.encode(nil, sound[:frameSamples]))
	}
	return all
}

// TestAKeyThatComesBackFromTheLineIsNoPress: while a key's tones, or its events, pass
// to the rep, what the rep's line sends back of them is an echo. The rep's own key is
// heard before and after that.
func TestAKeyThatComesBackFromTheLineIsNoPress(t *testing.T) {
	for name, byEvents := range map[string]bool{"tones": false, "events": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.rep.side.InBand, w.prospect.side.InBand = true, true
				if w.rep.Accept(w.ana.sdp()) != nil || w.prospect.Accept(w.jane.sdp()) != nil {
					t.Fatal("not accepted")
				}
				presses, deaf := w.rep.Listen()
				defer deaf()
				defer Join(w.rep, w.prospect)()
				key := frames(PCMU, dtmf.AppendTone(make([]int16, 400), '*', 120*time.Millisecond, -24))
				say := func() { // 60 ms behind what jane does
					for _, payload := range key {
						w.ana.packet(0, w.ana.ts, payload)
						w.ana.ts += frameSamples
						<-time.After(frameTime)
					}
				}
				want := func(step string, near dtmf.Near) {
					t.Helper()
					w.ana.talk(12, 0xff)
					var got []dtmf.Press
					for len(presses) > 0 {
						if p := <-presses; !p.Up {
							got = append(got, p)
						}
					}
					if len(got) != 1 || got[0].Digit != '*' || got[0].Near != near {
						t.Errorf("%s: heard %+v", step, got)
					}
				}
				w.ana.talk(20, 0xff)
				say()
				want("her own key", 0)

				jane := make(chan struct{})
				go func() {
					defer close(jane)
					if byEvents {
						w.jane.press('*')
						return
					}
					for _, payload := range frames(PCMA, dtmf.AppendTone(nil, '*', 120*time.Millisecond, -9)) {
						w.jane.packet(8, w.jane.ts, payload)
						w.jane.ts += frameSamples
						<-time.After(frameTime)
					}
				}()
				say()
				<-jane
				want("an echo", dtmf.NearEcho)

				w.ana.talk(15, 0xff) // the echo's time is over
				say()
				want("her own key again", 0)
			})
		})
	}
}
