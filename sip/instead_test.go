package sip

import (
	"errors"
	"strings"
	"testing"
)

// offers hands out offers that say which one they are.
func offers(n int) func() []byte {
	given := 0
	return func() []byte {
		if given == n {
			return nil
		}
		given++
		return []byte(strings.Replace(sdpOffer, "s=-", "s="+strings.Repeat("x", given), 1))
	}
}

// A refused offer is followed by another in the same call, until there is none.
func TestAnotherOffer(t *testing.T) {
	for _, status := range []string{"488 Not Acceptable Here", "606 Not Acceptable", "415 Unsupported Media Type"} {
		t.Run(status, func(t *testing.T) {
			inBubble(t, func(w *world) {
				inv := invite()
				inv.Instead = offers(1)
				d := w.dial(inv)
				first := w.expect("INVITE")
				w.respond(first, "100 Trying", "")
				w.respond(first, status, "x")
				w.expect("ACK")
				second := w.expect("INVITE")
				if second.get("call-id") != first.get("call-id") || second.get("from") != first.get("from") || second.cseq() != first.cseq()+1 || second.branch() == first.branch() {
					t.Errorf("the second try is %q %q %q", second.get("call-id"), second.get("from"), second.get("cseq"))
				}
				if !strings.Contains(first.body, "s=-") || !strings.Contains(second.body, "s=x") {
					t.Errorf("offers %q and %q", first.body, second.body)
				}
				w.respond(second, "401 Unauthorized", "y", `WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"`)
				w.expect("ACK")
				third := w.expect("INVITE")
				if !strings.Contains(third.body, "s=x") {
					t.Errorf("after a challenge it offers %q", third.body)
				}
				w.ok(third, "callee")
				w.expect("ACK")
				d.up().Hangup(NormalClearing)
				w.answerBye()
				w.wantEmpty()
			})
		})
	}
}

func TestNoOtherOffer(t *testing.T) {
	for name, tt := range map[string]struct {
		before, status string
		offers         int
	}{
		"there is none":     {"", "488 Not Acceptable Here", 0},
		"it rang":           {"180 Ringing", "488 Not Acceptable Here", 1},
		"the callee's word": {"", "486 Busy Here", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				inv := invite()
				inv.Instead = offers(tt.offers)
				d := w.dial(inv)
				m := w.expect("INVITE")
				if tt.before != "" {
					w.respond(m, tt.before, "x", peerContact)
				}
				w.respond(m, tt.status, "x")
				w.expect("ACK")
				var refused *Error
				if err := d.fails(); !errors.As(err, &refused) || !strings.HasSuffix(tt.status, refused.Text) {
					t.Error(err)
				}
				w.wantEmpty()
			})
		})
	}
}

// What one target has brought us to offer, the next is offered at once.
func TestTheNextTargetGetsTheOtherOffer(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		inv := hasty()
		inv.Instead = offers(1)
		d := w.dial(inv)
		w.respond(w.expect("INVITE"), "488 Not Acceptable Here", "x")
		w.expect("ACK")
		w.respond(w.expect("INVITE"), "503 Service Unavailable", "x")
		w.expect("ACK")
		m := second.expect("INVITE")
		if !strings.Contains(m.body, "s=x") {
			t.Errorf("the second target is offered %q", m.body)
		}
		second.respond(m, "486 Busy Here", "x")
		second.expect("ACK")
		_ = d.fails()
	})
}
