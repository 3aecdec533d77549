package bridge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/media"
	"tandem/sip"
)

// answering is what a phone answers that takes these, the first of which it speaks.
func answering(host, formats string) string {
	return "v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio 4000 RTP/AVP " + formats +
		" 101\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:107 opus/48000/2\r\n"
}

// again is a phone that answers a later offer so, if that begins with first.
func again(host, first, formats string) func(string) ([]byte, error) {
	return func(offer string) ([]byte, error) {
		if !strings.Contains(offer, "RTP/AVP "+first+" ") {
			return nil, &sip.Error{Code: 488, Text: "Not Acceptable Here"}
		}
		return []byte(answering(host, formats)), nil
	}
}

// wide lets both trunks have a codec before G.711.
func (w *world) wide(codec media.Codec) {
	route := w.b.Route
	w.b.Route = func(side Side, number string) []Route {
		all := route(side, number)
		all[0].Media.Codecs = []media.Codec{codec, media.PCMU, media.PCMA}
		return all
	}
}

// spoken is what a leg of the one call speaks.
func (w *world) spoken(side Side) string {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	for _, c := range w.b.calls {
		codec, _ := map[Side]*media.Stream{Rep: c.rep, Prospect: c.prospect}[side].Codec()
		return codec.String()
	}
	return ""
}

// connect takes a call to the talk.
func (w *world) talking() {
	w.t.Helper()
	w.start()
	w.until(CallRepAnswered)
	w.press('1')
	w.until(CallConnected)
	<-time.After(time.Second)
}

func (w *world) reoffers(number string) []string {
	w.mu.Lock()
	l := w.far[number].leg
	w.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reoffers
}

const repHost, prospectHost = "10.0.0.2", "10.0.0.3"

// TestLegsAgreeOnAWideCodec where both far ends take it, and only there.
func TestLegsAgreeOnAWideCodec(t *testing.T) {
	for name, tt := range map[string]struct {
		rep, prospect         string // answers
		repAgain, laterAgain  func(string) ([]byte, error)
		offered               string // to the prospect
		repSays, prospectSays string // in the end
		asked                 [2]int // how often each is
	}{
		"both":                                 {"0 9", "9 0", again(repHost, "9", "9 0"), nil, "9 0 8", "G722", "G722", [2]int{1, 0}},
		"the rep's phone knows none":           {"0", "0", nil, nil, "0 8", "PCMU", "PCMU", [2]int{}},
		"the prospect's network knows none":    {"0 9", "0", nil, nil, "9 0 8", "PCMU", "PCMU", [2]int{}},
		"the rep's phone does not change":      {"0 9", "9", nil, nil, "9 0 8", "PCMU", "G722", [2]int{1, 0}},
		"the rep's phone says yes, and speaks": {"0 9", "9 0", again(repHost, "9", "0 9"), again(prospectHost, "0", "0"), "9 0 8", "PCMU", "PCMU", [2]int{1, 1}},
		"the rep's phone answers wide only":    {"9", "0", nil, nil, "9 0 8", "G722", "PCMU", [2]int{}},
		"the prospect's goes on in G.722":      {"0 9", "9 0", again(repHost, "8", "8"), nil, "9 0 8", "PCMU", "G722", [2]int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.wide(media.G722)
				rep, prospect := w.far[repNumber], w.far[prospectNumber]
				rep.answer, rep.again = answering(repHost, tt.rep), tt.repAgain
				prospect.answer, prospect.again = answering(prospectHost, tt.prospect), tt.laterAgain
				w.talking()
				if !strings.Contains(rep.offered, "RTP/AVP 0 8 9 101") || !strings.Contains(prospect.offered, "RTP/AVP "+tt.offered+" 101") {
					t.Errorf("offered\n%s\n%s", rep.offered, prospect.offered)
				}
				if a, b := w.spoken(Rep), w.spoken(Prospect); a != tt.repSays || b != tt.prospectSays {
					t.Errorf("they speak %s and %s", a, b)
				}
				if a, b := w.reoffers(repNumber), w.reoffers(prospectNumber); len(a) != tt.asked[0] || len(b) != tt.asked[1] {
					t.Errorf("asked to change: the rep %d times, the prospect %d times", len(a), len(b))
				}
				w.hangUp(prospectNumber)
				w.wantEnd(Completed, ReasonCompleted, ByProspect)
			})
		})
	}
}

// TestTransferToAPhoneWithout: a far end that goes back to G.711 takes the other
// with it.
func TestTransferToAPhoneWithout(t *testing.T) {
	inBubble(t, func(w *world) {
		w.wide(media.G722)
		rep, prospect := w.far[repNumber], w.far[prospectNumber]
		rep.answer, prospect.answer = answering(repHost, "0 9"), answering(prospectHost, "9 0")
		rep.again = func(offer string) ([]byte, error) {
			_, formats, _ := strings.Cut(offer, "RTP/AVP ")
			formats, _, _ = strings.Cut(formats, " 101")
			return []byte(answering(repHost, formats)), nil
		}
		w.talking()
		if got := w.spoken(Rep); got != "G722" {
			t.Fatalf("the rep speaks %s", got)
		}
		if _, err := prospect.reoffer([]byte(answering(prospectHost, "8"))); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if a, b := w.spoken(Rep), w.spoken(Prospect); a == "G722" || b != "PCMA" {
			t.Errorf("they speak %s and %s", a, b)
		}
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
	})
}

// TestNothingInCommon ends the call, at the answer or later: nobody talks to
// somebody who does not hear.
func TestNothingInCommon(t *testing.T) {
	t.Run("the rep's phone has nothing to hear the prompt in", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.wide(media.Opus)
			w.far[repNumber].answer = answering(repHost, "107")
			w.start()
			w.wantEnd(Failed, ReasonRepMedia, ByCarrier)
		})
	})
	t.Run("neither changes", func(t *testing.T) {
		inBubble(t, func(w *world) {
			w.wide(media.Opus)
			w.far[repNumber].answer, w.far[prospectNumber].answer = answering(repHost, "0 107"), answering(prospectHost, "107")
			w.start()
			w.until(CallRepAnswered)
			w.press('1')
			w.until(CallProspectAnswered)
			w.wantEnd(Completed, ReasonCodecRejected, BySystem)
		})
	})
}

// TestAskedToChangeWhileItEnds: the call does not wait for an answer.
func TestAskedToChangeWhileItEnds(t *testing.T) {
	inBubble(t, func(w *world) {
		w.wide(media.G722)
		w.far[repNumber].answer, w.far[prospectNumber].answer = answering(repHost, "0 9"), answering(prospectHost, "9 0")
		w.far[repNumber].again = func(string) ([]byte, error) {
			<-time.After(2 * time.Second)
			return nil, errors.New("it is over")
		}
		w.start()
		w.until(CallRepAnswered)
		w.press('1')
		w.until(CallConnected)
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
	})
}
