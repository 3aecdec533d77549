package media

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/dtmf"
)

// withRed is a phone's description that offers to repeat its telephone-events.
func withRed(p *phone, fmtp string) []byte {
	return []byte(strings.Replace(string(p.sdp()), " 101\r\n", " 101 121\r\na=rtpmap:121 red/8000\r\n"+fmtp, 1))
}

// TestRepeatedEventsAreTakenWhereOffered: and nothing that is more than keys.
func TestRepeatedEventsAreTakenWhereOffered(t *testing.T) {
	for fmtp, taken := range map[string]bool{
		"a=fmtp:121 101/101\r\n":     true,
		"a=fmtp:121 101/101/101\r\n": true,
		"a=fmtp:121 0/101\r\n":       false,
		"a=fmtp:121 101/x\r\n":       false,
		"":                           false,
	} {
		inBubble(t, func(w *world) {
			answer, err := w.rep.Reoffer(withRed(w.ana, fmtp))
			if err != nil {
				t.Fatal(err)
			}
			lines := "a=rtpmap:121 red/8000\r\na=fmtp:121 101/101\r\n"
			if got := strings.Contains(string(answer), " 101 121\r\n") && strings.Contains(string(answer), lines); got != taken {
				t.Errorf("%q is answered by %s", fmtp, answer)
			}
			if ours := w.rep.Offer(); strings.Contains(string(ours), "red") {
				t.Errorf("we ask for it: %s", ours)
			}
		})
	}
}

// repeated is a telephone-event behind what came before it (RFC 2198 §3).
func repeated(older, newest []byte, ticks uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1<<31|101<<24|ticks<<10|uint32(len(older)))
	return slices.Concat(b, []byte{101}, older, newest)
}

// TestAPressThatOnlyRepetitionsTellOf: all packets of its own are lost, and it is
// heard by those of the next; that one reaches the other leg as an event of its own.
func TestAPressThatOnlyRepetitionsTellOf(t *testing.T) {
	inBubble(t, func(w *world) {
		if _, err := w.rep.Reoffer(withRed(w.ana, "a=fmtp:121 101/101\r\n")); err != nil {
			t.Fatal(err)
		}
		presses, deaf := w.rep.Listen()
		defer deaf()
		defer Join(w.rep, w.prospect)()
		w.ana.talk(5, 0x11)
		w.jane.heard()
		older := dtmf.AppendEvent(nil, '1', true, 10, 800)
		w.ana.ts += 2400 // the 1 was pressed then, and a rest came after it
		start := w.ana.ts
		for i := range 8 {
			newest := dtmf.AppendEvent(nil, '5', i > 4, 10, uint16(160*min(i+1, 6)))
			w.ana.packet(121, start, repeated(older, newest, 1600))
			w.ana.ts += frameSamples
			<-time.After(frameTime)
		}
		synctest.Wait()
		var keys string
		for len(presses) > 0 {
			if p := <-presses; p.Down() {
				keys += string(p.Digit)
			}
		}
		if keys != "15" {
			t.Errorf("heard %q", keys)
		}
		events := 0
		for _, p := range w.jane.heard() {
			if payloadType(p) == 101 && len(p.data) == rtpHeader+4 && p.data[rtpHeader] == 5 {
				events++
			}
		}
		if events != 8 {
			t.Errorf("%d events reached the other leg, of 8", events)
		}
	})
}
