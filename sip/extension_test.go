package sip

import (
	"context"
	"slices"
	"testing"
	"time"
)

// A 420 is answered by an INVITE without what it does not know, a 421 by one with
// what it wants; once, and only where that makes a difference.
func TestExtensionsByResponse(t *testing.T) {
	require := func(c *Config) { c.Trunks[0].ReliableProvisional = "require" }
	request := func(c *Config) { c.Trunks[0].SessionTimer = SessionTimer{Mode: "request"} }
	none := func(c *Config) { c.Trunks[0].ReliableProvisional = "none" }
	tests := map[string]struct {
		trunk          func(*Config)
		status, header string
		again          bool
		supported      string // of the second INVITE
	}{
		"100rel not known":        {require, "420 Bad Extension", "Unsupported: 100rel", true, ""},
		"timer not known":         {request, "420 Bad Extension", "Unsupported: Timer, teleport", true, "100rel"},
		"what we never sent":      {require, "420 Bad Extension", "Unsupported: timer", false, ""},
		"nothing named":           {require, "420 Bad Extension", "X: y", false, ""},
		"100rel wanted":           {none, "421 Extension Required", "Require: 100rel", true, "100rel"},
		"both wanted":             {none, "421 Extension Required", "Require: 100rel, timer", true, "100rel, timer"},
		"wanted and offered":      {require, "421 Extension Required", "Require: 100rel", false, ""},
		"beside it, what we lack": {none, "421 Extension Required", "Require: 100rel, teleport", false, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.dial(invite())
				first := w.expect("INVITE")
				w.respond(first, tt.status, "x", tt.header)
				w.expect("ACK")
				if !tt.again {
					if err := d.fails(); err == nil || len(w.states()) == 0 {
						t.Errorf("%v", err)
					}
					w.quiet(time.Minute)
					return
				}
				second := w.expect("INVITE")
				if second.get("call-id") != first.get("call-id") || second.cseq() != first.cseq()+1 || second.branch() == first.branch() {
					t.Errorf("not the next INVITE of the same call: %v", second)
				}
				if second.get("supported") != tt.supported || second.get("require") != "" || second.get("session-expires") != "" {
					t.Errorf("Supported %q, Require %q, Session-Expires %q", second.get("supported"), second.get("require"), second.get("session-expires"))
				}
				w.respond(second, tt.status, "x", tt.header) // it will not be pleased
				w.expect("ACK")
				d.fails()
				w.quiet(time.Minute)
			}, tt.trunk)
		})
	}
}

// What a 421 made us offer is kept to: the timer runs on a trunk that has none.
func TestTimerByDemand(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		w.respond(w.expect("INVITE"), "421 Extension Required", "x", "Require: timer")
		w.expect("ACK")
		second := w.expect("INVITE")
		w.respond(second, "200 OK", "callee", peerContact, "Allow: UPDATE", "Require: timer", "Session-Expires: 90;refresher=uac", "body:"+sdpAnswer)
		w.expect("ACK")
		l := d.up()
		refresh, ok := w.next(46 * time.Second)
		if !ok || refresh.method() != "UPDATE" || !slices.Contains(refresh.all("session-expires"), "90;refresher=uac") {
			t.Errorf("%v", refresh)
		}
		w.respond(refresh, "200 OK", "callee", peerContact, "Session-Expires: 90;refresher=uac")
		l.Hangup(Reason{})
		w.answerBye()
		w.wantEmpty()
	}, func(c *Config) { c.Trunks[0].SessionTimer = SessionTimer{Mode: "none"} })
}

// Within the call too: what a refresh is refused for is left out, or offered, and the
// refreshes go on.
func TestExtensionsByResponseWithinACall(t *testing.T) {
	tests := map[string]struct {
		status, header string
		supported      string // of the second try
		expires        string
	}{
		"timer no longer known": {"420 Bad Extension", "Unsupported: timer", "", ""},
		"100rel wanted":         {"421 Extension Required", "Require: 100rel", "100rel, timer", "90;refresher=uac"},
	}
	for name, tt := range tests {
		for _, method := range []string{"UPDATE", "INVITE"} {
			t.Run(name+" "+method, func(t *testing.T) {
				inBubble(t, func(w *world) {
					l, _ := w.answerTimed(withMedia(new(mediaStub)), "Session-Expires: 90;refresher=uac", "Allow: BYE, "+method)
					answer := func(status string, extra ...string) message {
						m := w.expect(method)
						w.respond(m, status, "", extra...)
						if method == "INVITE" {
							w.expect("ACK")
						}
						return m
					}
					answer(tt.status, tt.header)
					for range 10 {
						again := answer("200 OK", peerContact, "body:"+sdpAnswer)
						if again.get("supported") != tt.supported || again.get("session-expires") != tt.expires {
							t.Errorf("Supported %q, Session-Expires %q", again.get("supported"), again.get("session-expires"))
						}
					}
					if l.Context().Err() != nil {
						t.Errorf("ended: %v", context.Cause(l.Context()))
					}
					l.Hangup(Reason{})
					w.answerBye()
				}, func(c *Config) {
					c.Trunks[0].SessionTimer = SessionTimer{Mode: "request", Expires: 90 * time.Second}
					c.Trunks[0].ReliableProvisional = "none"
				})
			})
		}
	}
}
