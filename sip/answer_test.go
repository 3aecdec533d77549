package sip

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func TestFirstResponseIs200(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.ok(inv, "callee")
		w.expect("ACK")
		d.up().Hangup(Reason{})
		w.answerBye()
		w.wantEmpty()
	})
}

func TestTwo200s(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		late := lateCounter(&call)
		l, inv := w.connect(call)
		w.ok(inv, "other")
		ack := w.expect("ACK")
		bye := w.answerBye()
		for _, m := range []message{ack, bye} {
			if m.param("to", "tag") != "other" {
				t.Errorf("%s to tag %q", m.method(), m.param("to", "tag"))
			}
		}
		if !strings.Contains(bye.get("reason"), "200") {
			t.Errorf("BYE without a reason: %q", bye.get("reason"))
		}
		if l.Context().Err() != nil || late.Load() != 0 {
			t.Error("the second 200 hurt the first")
		}
		// Both are sent again: each gets its own ACK again, and no more BYEs.
		for _, tag := range []string{"callee", "other"} {
			w.ok(inv, tag)
			if m, ok := w.receive(time.Second); !ok || m.method() != "ACK" || m.param("to", "tag") != tag {
				t.Errorf("200 of %s again: got %q to %q", tag, m.line, m.param("to", "tag"))
			}
		}
		l.Hangup(Reason{})
		if bye := w.answerBye(); bye.param("to", "tag") != "callee" {
			t.Errorf("BYE to %q", bye.param("to", "tag"))
		}
		w.wantEmpty()
	})
}

// Both at once: the transaction must not swallow the second.
func TestTwo200sBackToBack(t *testing.T) {
	inBubble(t, func(w *world) {
		for range 100 {
			d := w.dial(invite())
			inv := w.expect("INVITE")
			w.ok(inv, "a")
			w.ok(inv, "b")
			got := make(map[string]int)
			for range 3 { // ACK, ACK, BYE in some order
				m, ok := w.next(time.Second)
				if !ok { // swallowed by a race in the library: the peer sends it again
					w.ok(inv, "a")
					w.ok(inv, "b")
					continue
				}
				got[m.method()]++
				if m.method() == "BYE" {
					w.respond(m, "200 OK", "")
				}
			}
			l := d.up()
			if got["ACK"] == 0 {
				t.Fatalf("got %v", got)
			}
			l.Hangup(Reason{})
			for got["BYE"] < 2 {
				m, ok := w.next(time.Second)
				if !ok {
					t.Fatalf("got %v", got)
				}
				got[m.method()]++
				if m.method() == "BYE" {
					w.respond(m, "200 OK", "")
				}
			}
		}
		w.wantEmpty()
	})
}

func Test200RepeatedFor32Seconds(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		for elapsed := time.Duration(0); elapsed < 31*time.Second; elapsed += 4 * time.Second {
			<-time.After(4 * time.Second)
			w.ok(inv, "callee")
			m, ok := w.receive(time.Second)
			if !ok || m.method() != "ACK" {
				t.Fatalf("at %v: %q", elapsed, m.line)
			}
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}

func TestManyProvisionalsInOrder(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		var heard []int
		call.OnProgress = func(p Progress) { heard = append(heard, p.Code) }
		d := w.dial(call)
		inv := w.expect("INVITE")
		var want []int
		for i := range 30 {
			code := 180 + i%4
			want = append(want, code)
			w.respond(inv, fmt.Sprintf("%d Progress", code), "callee", peerContact)
		}
		w.ok(inv, "callee")
		w.expect("ACK")
		d.up().Hangup(Reason{})
		if fmt.Sprint(heard) != fmt.Sprint(want) {
			t.Errorf("heard %v", heard)
		}
		w.answerBye()
		w.wantEmpty()
	})
}

// The only SDP is in the 183, and the 200 is right behind it.
func TestEarlyMediaIsNeverLost(t *testing.T) {
	inBubble(t, func(w *world) {
		for i := range 500 {
			call := invite()
			var early string
			call.OnProgress = func(p Progress) { early = string(p.SDP) }
			d := w.dial(call)
			inv := w.expect("INVITE")
			w.respond(inv, "183 Session Progress", "callee", peerContact, "body:"+sdpAnswer)
			w.respond(inv, "200 OK", "callee", peerContact)
			l := d.up()
			if early != sdpAnswer || l.Answer() != nil {
				t.Fatalf("run %d: early %q, answer %q", i, early, l.Answer())
			}
			w.expect("ACK")
			l.Hangup(Reason{})
			w.answerBye()
		}
	})
}

// Of two forks with early media the one that answers decides, though its 200
// says nothing and the other was heard last.
func TestForkWithoutSDPAnswers(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, reliable := range []bool{false, true} {
			d := w.dial(invite())
			inv := w.expect("INVITE")
			early := func(tag, sdp string) {
				extra := []string{peerContact, "body:" + sdp}
				if reliable {
					extra = append(extra, "Require: 100rel", "RSeq: 1")
				}
				w.respond(inv, "183 Session Progress", tag, extra...)
				if reliable {
					w.respond(w.expect("PRACK"), "200 OK", "")
				}
			}
			early("a", sdpAnswer)
			early("b", sdpHold)
			w.respond(inv, "200 OK", "a", peerContact)
			w.expect("ACK")
			if l := d.up(); string(l.Answer()) != sdpAnswer {
				t.Errorf("reliable %v: answer %q", reliable, l.Answer())
			}
			d.leg.Hangup(Reason{})
			w.answerBye()
		}
	})
}

func TestProgressDiffersFromAnswer(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		var heard []Progress
		call.OnProgress = func(p Progress) { heard = append(heard, p) }
		d := w.dial(call)
		inv := w.expect("INVITE")
		w.respond(inv, "183 Session Progress", "a", peerContact, "body:"+sdpHold)
		w.respond(inv, "180 Ringing", "b", peerContact) // after a 183, and of another fork
		w.ok(inv, "c")                                  // a third tag
		ack := w.expect("ACK")
		l := d.up()
		if len(heard) != 2 || string(heard[0].SDP) != sdpHold || heard[1].SDP != nil {
			t.Errorf("heard %v", heard)
		}
		if string(l.Answer()) != sdpAnswer || ack.param("to", "tag") != "c" {
			t.Errorf("answer %q to %q", l.Answer(), ack.param("to", "tag"))
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}

// Timer B and the first 1xx at the same moment: the call is alive.
func TestTimerBCrossesRinging(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee", peerContact)
		synctest.Wait()
		l := w.onlyLeg()
		l.do(func() { l.lost(l.pending, sipmsg.ErrTransactionTimeout) })
		<-time.After(40 * time.Second)
		w.ok(inv, "callee")
		w.expect("ACK")
		d.up().Hangup(Reason{})
		w.answerBye()
		w.wantEmpty()
	})
}

// onlyLeg is the one leg in the table.
func (w *world) onlyLeg() *Leg {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	for _, l := range w.e.legs {
		return l
	}
	w.t.Fatal("no leg")
	return nil
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		status string
		extra  []string
		want   Error
	}{
		{"486 Busy Here", nil, Error{Code: 486, Text: "Busy Here"}},
		{"302 Moved Temporarily", []string{"Contact: <sip:elsewhere@192.0.2.1>"}, Error{Code: 302, Text: "Moved Temporarily"}},
		{"503 Service Unavailable", []string{"Retry-After: 30 (congested);duration=5"}, Error{Code: 503, Text: "Service Unavailable", RetryAfter: 30 * time.Second}},
		{"403 Forbidden", []string{`Reason: Q.850;cause=21;text="Call rejected"`}, Error{Code: 403, Text: "Forbidden", Reason: Reason{Protocol: "Q.850", Cause: 21, Text: "Call rejected"}}},
		{"603 Decline", nil, Error{Code: 603, Text: "Decline"}},
	}
	for _, tt := range tests {
		tt.want.Rang = true
		t.Run(tt.status, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.dial(invite())
				inv := w.expect("INVITE")
				w.respond(inv, "180 Ringing", "callee")
				w.respond(inv, tt.status, "callee", tt.extra...)
				ack := w.expect("ACK")
				if ack.branch() != inv.branch() || ack.param("to", "tag") != "callee" {
					t.Errorf("ACK %v", ack)
				}
				tt.want.Rang = true
				var got *Error
				if err := d.fails(); !errors.As(err, &got) || *got != tt.want {
					t.Errorf("%#v, want %#v", got, tt.want)
				}
				// Our ACK was lost: another one, at once.
				w.respond(inv, tt.status, "callee")
				if m, ok := w.receive(100 * time.Millisecond); !ok || m.method() != "ACK" || m.branch() != inv.branch() {
					t.Errorf("no ACK for the repeated refusal: %q", m.line)
				}
				w.wantEmpty()
			})
		})
	}
}

// A 200 whose Contact or Record-Route leads nowhere is still ACKed and BYEd, by
// the way it came.
func TestUnroutable200(t *testing.T) {
	tests := map[string][]string{
		"contact a stranger":   {"Contact: <sip:x@192.0.2.66:5060>"},
		"contact a name":       {"Contact: <sip:x@nowhere.invalid>"},
		"contact broken":       {"Contact: <sip:x@10.0.0.2:notaport>"},
		"contact empty":        {"Contact:"},
		"contact missing":      {},
		"contact not sip":      {"Contact: <tel:+441632960001>"},
		"contact any":          {"Contact: *"},
		"route to a stranger":  {peerContact, "Record-Route: <sip:192.0.2.66;lr>"},
		"route to a name":      {peerContact, "Record-Route: <sip:nowhere.invalid;lr>"},
		"route broken":         {peerContact, "Record-Route: <sip:;;lr"},
		"contact unspecified":  {"Contact: <sip:x@0.0.0.0>"},
		"content type nothing": {peerContact, "Content-Type:"},
	}
	for name, headers := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.dial(invite())
				inv := w.expect("INVITE")
				w.respond(inv, "200 OK", "callee", headers...)
				w.expect("ACK")
				d.up().Hangup(Reason{})
				w.answerBye()
				w.wantEmpty()
			})
		})
	}
}

// The Contact is one of the trunk's addresses, but nothing listens there.
func TestContactIsDead(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		for range 3 { // sent again, for no ACK arrives
			w.respond(inv, "200 OK", "callee", "Contact: <sip:x@10.0.0.2:5099>")
			<-time.After(time.Second)
		}
		w.expect("ACK")
		d.up().Hangup(Reason{})
		w.answerBye()
		w.wantEmpty()
	})
}

func TestRouteSets(t *testing.T) {
	tests := map[string]struct {
		record []string
		uri    string
		routes []string
	}{
		"none":    {nil, "sip:callee@10.0.0.2:5060;x=1", nil},
		"loose":   {[]string{"<sip:10.0.0.2;lr;ftag=1>", "<sip:far.example;lr>;p=2"}, "sip:callee@10.0.0.2:5060;x=1", []string{"<sip:far.example;lr>;p=2", "<sip:10.0.0.2;lr;ftag=1>"}},
		"listed":  {[]string{"<sip:10.0.0.2;lr=on>, <sip:far.example;lr>"}, "sip:callee@10.0.0.2:5060;x=1", []string{"<sip:far.example;lr>", "<sip:10.0.0.2;lr=on>"}},
		"strict":  {[]string{"<sip:far.example;lr>", "<sip:10.0.0.2>"}, "sip:10.0.0.2", []string{"<sip:far.example;lr>", "<sip:callee@10.0.0.2:5060;x=1>"}},
		"one":     {[]string{"<sip:10.0.0.2>"}, "sip:10.0.0.2", []string{"<sip:callee@10.0.0.2:5060;x=1>"}},
		"capital": {[]string{"<sip:10.0.0.2;LR>"}, "sip:callee@10.0.0.2:5060;x=1", []string{"<sip:10.0.0.2;LR>"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.dial(invite())
				inv := w.expect("INVITE")
				extra := []string{"Contact: <sip:callee@10.0.0.2:5060;x=1>"}
				for _, r := range tt.record {
					extra = append(extra, "Record-Route: "+r)
				}
				w.respond(inv, "200 OK", "callee", extra...)
				ack := w.expect("ACK")
				d.up().Hangup(Reason{})
				bye := w.answerBye()
				for _, m := range []message{ack, bye} {
					if m.uri() != tt.uri || fmt.Sprint(m.all("route")) != fmt.Sprint(tt.routes) {
						t.Errorf("%s %s via %q, want %s via %q", m.method(), m.uri(), m.all("route"), tt.uri, tt.routes)
					}
				}
			})
		})
	}
}

func TestOrphan200(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		l.Hangup(Reason{})
		w.answerBye()
		w.wantEmpty() // forgotten
		w.ok(inv, "ghost")
		if ack := w.expect("ACK"); ack.param("to", "tag") != "ghost" {
			t.Errorf("ACK %v", ack)
		}
		if bye := w.answerBye(); bye.param("to", "tag") != "ghost" || bye.cseq() <= inv.cseq() {
			t.Errorf("BYE %v", bye)
		}
		w.wantEmpty()
	})
}

func TestBigInvite(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		call.Offer = []byte(sdpOffer + strings.Repeat("a=x:0123456789\r\n", 400))
		d := w.dial(call)
		inv := w.expect("INVITE")
		if inv.body != string(call.Offer) {
			t.Errorf("%d bytes of %d arrived", len(inv.body), len(call.Offer))
		}
		w.respond(inv, "486 Busy Here", "x")
		w.expect("ACK")
		_ = d.fails()
	})
}
