package media

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// What a leg with optional SRTP offers, one after the other, while it is refused.
func TestInstead(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 30)
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPOptional, "10.0.0.7")
		offers := []string{string(s.Offer()), string(s.Instead())}
		if !strings.Contains(offers[0], "RTP/AVP") || !strings.Contains(offers[0], "a=crypto") ||
			!strings.Contains(offers[1], "RTP/SAVP") || !strings.Contains(offers[1], "a=crypto") {
			t.Fatalf("offers %q", offers)
		}
		tag, _ := keyOf(t, []byte(offers[1]), aes80)
		if err := s.Hear(ann.sdp()); !errors.Is(err, ErrPlain) {
			t.Errorf("RTP/SAVP is answered in plain: %v", err)
		}
		if err := s.Accept(ann.srtpSDP("RTP/SAVP", tag, aes80, key)); err != nil || s.cipher == nil {
			t.Fatal(err)
		}
		if again := s.Instead(); again != nil {
			t.Errorf("an answered leg offers %s", again)
		}
		if later := s.Offer(); !bytes.Contains(later, []byte("RTP/SAVP")) {
			t.Errorf("the next offer of the same session is %s", later)
		}
		if answer, err := s.Reoffer(ann.sdp()); err != nil || s.cipher != nil { // optional it stays
			t.Errorf("a transfer to a plain phone: %s, %v", answer, err)
		}
	})
	inBubble(t, func(w *world) {
		s, ann := secureLeg(w, SRTPOptional, "10.0.0.7")
		s.Offer()
		s.Instead()
		if last := string(s.Instead()); !strings.Contains(last, "RTP/AVP") || strings.Contains(last, "crypto") {
			t.Errorf("the last offer is %s", last)
		}
		if more := s.Instead(); more != nil {
			t.Errorf("one more: %s", more)
		}
		if err := s.Accept(ann.sdp()); err != nil || s.cipher != nil {
			t.Errorf("%v", err)
		}
	})
	inBubble(t, func(w *world) {
		for i, mode := range []SRTP{SRTPNone, SRTPRequired} {
			s, _ := secureLeg(w, mode, []string{"10.0.0.7", "10.0.0.8"}[i])
			if other := s.Instead(); other != nil {
				t.Errorf("mode %d offers %s", mode, other)
			}
		}
	})
}
