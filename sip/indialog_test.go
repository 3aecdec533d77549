package sip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// mediaStub answers offers and remembers them.
type mediaStub struct {
	mu     sync.Mutex
	offers []string
	err    error
	answer string // "" = sdpOffer
}

func (m *mediaStub) reoffer(offer []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offers = append(m.offers, string(offer))
	if m.answer != "" {
		return []byte(m.answer), m.err
	}
	return []byte(sdpOffer), m.err
}

func withMedia(m *mediaStub) Invite {
	inv := invite()
	inv.Reoffer = m.reoffer
	return inv
}

func TestByeCause(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		w.ask("BYE", inv, "callee", 1, `Reason: SIP;cause=200, Q.850;cause=16;text="x"`)
		w.expect("200")
		<-l.Done()
		var ended *Ended
		if !errors.As(context.Cause(l.Context()), &ended) || ended.By != Peer {
			t.Fatalf("cause %v", context.Cause(l.Context()))
		}
		l.Hangup(Reason{}) // to no effect
		w.quiet(time.Second)
	})
}

func TestHangupIsIdempotent(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		for range 3 {
			l.Hangup(Reason{})
		}
		w.answerBye()
		l.Hangup(Reason{})
		w.quiet(time.Minute)
		var ended *Ended
		if !errors.As(context.Cause(l.Context()), &ended) || ended.By != Us {
			t.Errorf("cause %v", context.Cause(l.Context()))
		}
		if n := len(w.states()); n != 4 {
			t.Errorf("saved %v", w.states())
		}
	})
}

func TestByeCrossesBye(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		l.Hangup(Reason{})
		ours := w.expect("BYE")
		w.ask("BYE", inv, "callee", 1)
		w.expect("200")
		w.respond(ours, "481 Call/Transaction Does Not Exist", "")
		<-l.Done()
		w.quiet(time.Minute)
		w.wantEmpty()
	})
}

func TestByeIsAnsweredAgainFor32Seconds(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		w.ask("BYE", inv, "callee", 1)
		w.expect("200")
		<-l.Done()
		<-time.After(20 * time.Second)
		w.ask("BYE", inv, "callee", 2) // a new transaction: the first one's memory does not help
		w.expect("200")
		w.wantEmpty()
		w.ask("BYE", inv, "callee", 3)
		w.expect("481")
	})
}

func TestByeOfAStranger(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		w.ask("BYE", inv, "nobody", 1)
		w.expect("481")
		other := inv
		other.headers = slices.Clone(inv.headers)
		for i, h := range other.headers {
			if h[0] == "from" {
				other.headers[i][1] = strings.Replace(h[1], ";tag=", ";tag=x", 1)
			}
		}
		w.ask("BYE", other, "callee", 2)
		w.expect("481")
		if l.Context().Err() != nil {
			t.Error("a stranger hung up")
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}

// The BYE is right behind the 200, and our ACK is still on its way.
func TestByeBeforeAck(t *testing.T) {
	inBubble(t, func(w *world) {
		for range 200 {
			d := w.dial(invite())
			inv := w.expect("INVITE")
			w.ok(inv, "callee")
			w.ask("BYE", inv, "callee", 1)
			l := d.up()
			<-l.Done()
			var got []string
			for range 2 {
				m, _ := w.next(10 * time.Second)
				got = append(got, m.line)
			}
			slices.Sort(got)
			if !strings.HasPrefix(got[0], "ACK ") || !strings.HasPrefix(got[1], "SIP/2.0 200") {
				t.Fatalf("got %q", got)
			}
		}
		w.wantEmpty()
	})
}

func TestByeProvisionalThenFinal(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		l.Hangup(Reason{})
		bye := w.expect("BYE")
		w.respond(bye, "100 Trying", "")
		synctest.Wait()
		select {
		case <-l.Done():
			t.Error("100 ended it")
		default:
		}
		w.respond(bye, "200 OK", "")
		<-l.Done()
	})
}

func TestByeNeverAnswered(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		l.Hangup(Reason{})
		w.expect("BYE")
		<-l.Done()
		w.wantEmpty()
	})
}

func TestWhileUp(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		inside, leave := make(chan struct{}), make(chan struct{})
		result := make(chan error)
		go func() {
			result <- l.WhileUp(func() error {
				close(inside)
				<-leave
				return errEnough
			})
		}()
		<-inside
		w.ask("BYE", inv, "callee", 1)
		if m, ok := w.tryNext(); ok { // the BYE waits for the critical section
			t.Errorf("answered %q inside WhileUp", m.line)
		}
		close(leave)
		if err := <-result; !errors.Is(err, errEnough) {
			t.Error(err)
		}
		w.expect("200")
		<-l.Context().Done()
		var ended *Ended
		if err := l.WhileUp(func() error { t.Error("ran"); return nil }); !errors.As(err, &ended) {
			t.Errorf("%v", err)
		}
	})
}

// tryNext looks without waiting on the clock, which stands still while somebody
// holds a mutex another waits for.
func (w *world) tryNext() (message, bool) {
	for range 1000 {
		select {
		case dg := <-w.peer.conn.in:
			return parseMessage(string(dg.data), dg.from), true
		default:
		}
	}
	return message{}, false
}

func TestHold(t *testing.T) {
	inBubble(t, func(w *world) {
		m := new(mediaStub)
		l, inv := w.connect(withMedia(m))
		w.ask("INVITE", inv, "callee", 1, "Contact: <sip:moved@10.0.0.2:5060>", "body:"+sdpHold)
		res := w.expect("200")
		if res.body != sdpOffer || res.get("contact") == "" || res.get("allow") == "" {
			t.Errorf("200 %v", res)
		}
		w.ask("ACK", inv, "callee", 1)
		w.quiet(time.Minute)
		if !slices.Equal(m.offers, []string{sdpHold}) {
			t.Errorf("offers %q", m.offers)
		}
		l.Hangup(Reason{})
		if bye := w.answerBye(); bye.uri() != "sip:moved@10.0.0.2:5060" {
			t.Errorf("BYE to %s: the target was not refreshed", bye.uri())
		}
		w.wantEmpty()
	})
}

func TestReinvite200IsRepeatedUntilAcked(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(withMedia(new(mediaStub)))
		begin := time.Now()
		w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold)
		var at []time.Duration
		for range 5 {
			m, ok := w.receive(10 * time.Second)
			if !ok || m.code() != 200 {
				t.Fatalf("got %q", m.line)
			}
			at = append(at, time.Since(begin))
		}
		want := []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond, 7500 * time.Millisecond}
		if !slices.Equal(at, want) {
			t.Errorf("at %v, want %v", at, want)
		}
		w.ask("ACK", inv, "callee", 1)
		w.silence(time.Minute)
		l.Hangup(Reason{})
		w.answerBye()
	})
}

func TestReinviteNeverAcked(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(withMedia(new(mediaStub)))
		begin := time.Now()
		w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold)
		w.expect("200")
		w.answerBye()
		<-l.Done()
		if took := time.Since(begin); took != 32*time.Second {
			t.Errorf("after %v", took)
		}
		w.wantEmpty()
	})
}

func TestReinviteWithoutOffer(t *testing.T) {
	inBubble(t, func(w *world) {
		m := new(mediaStub)
		call := withMedia(m)
		answers := make(chan string, 1)
		call.Reaccept = func(answer []byte) error { answers <- string(answer); return nil }
		l, inv := w.connect(call)
		w.ask("INVITE", inv, "callee", 1)
		if res := w.expect("200"); res.body != sdpOffer {
			t.Errorf("offer %q", res.body)
		}
		w.ask("UPDATE", inv, "callee", 2, "body:"+sdpHold) // ours is not answered yet
		w.expect("491")
		w.ask("UPDATE", inv, "callee", 3)
		w.expect("200")
		w.ask("ACK", inv, "callee", 1, "body:"+sdpAnswer)
		if got := <-answers; got != sdpAnswer || !slices.Equal(m.offers, []string{""}) {
			t.Errorf("answer %q, offers %q", got, m.offers)
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}

func TestReinviteAnswerUnusable(t *testing.T) {
	inBubble(t, func(w *world) {
		call := withMedia(new(mediaStub))
		call.Reaccept = func([]byte) error { return errEnough }
		_, inv := w.connect(call)
		w.ask("INVITE", inv, "callee", 1)
		w.expect("200")
		w.ask("ACK", inv, "callee", 1)
		if bye := w.answerBye(); !strings.Contains(bye.get("reason"), "488") {
			t.Errorf("BYE %q", bye.get("reason"))
		}
	})
}

func TestReinviteRefusals(t *testing.T) {
	tests := map[string]struct {
		err   error
		seq   int
		extra []string
		want  string
	}{
		"offer refused": {errEnough, 6, []string{"body:" + sdpHold}, "488"},
		"old CSeq":      {nil, 4, []string{"body:" + sdpHold}, "500"},
		"same CSeq":     {nil, 5, []string{"body:" + sdpHold}, "500"},
		"extension":     {nil, 6, []string{"Require: teleport", "body:" + sdpHold}, "420"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				m := new(mediaStub)
				l, inv := w.connect(withMedia(m))
				w.ask("UPDATE", inv, "callee", 5)
				w.expect("200")
				m.mu.Lock()
				m.err = tt.err
				m.mu.Unlock()
				text := w.request("INVITE", inv, "callee", tt.seq, tt.extra...)
				w.write(inv.from, text)
				res := w.expect(tt.want)
				if tt.want == "420" && res.get("unsupported") != "teleport" {
					t.Errorf("unsupported %q", res.get("unsupported"))
				}
				if tt.want == "500" && res.get("retry-after") == "" {
					t.Error("no Retry-After")
				}
				ack := w.request("ACK", inv, "callee", tt.seq)
				w.write(inv.from, strings.Replace(ack, "peerACK", "peerINVITE", 1))
				if l.Context().Err() != nil {
					t.Error("the call ended")
				}
				l.Hangup(Reason{})
				w.answerBye()
			})
		})
	}
}

func TestUpdate(t *testing.T) {
	inBubble(t, func(w *world) {
		m := new(mediaStub)
		l, inv := w.connect(withMedia(m))
		w.ask("UPDATE", inv, "callee", 0, "body:"+sdpHold) // some count from 0
		if res := w.expect("200"); res.body != sdpOffer {
			t.Errorf("answer %q", res.body)
		}
		w.ask("UPDATE", inv, "callee", 1, "Contact: <sip:moved@10.0.0.2>")
		if res := w.expect("200"); res.body != "" || len(m.offers) != 1 {
			t.Errorf("UPDATE without SDP: %q, offers %q", res.body, m.offers)
		}
		l.Hangup(Reason{})
		if bye := w.answerBye(); bye.uri() != "sip:moved@10.0.0.2" {
			t.Errorf("BYE to %s", bye.uri())
		}
	})
}

// Their re-INVITE or UPDATE while our INVITE is unanswered.
func TestGlareWithOurInvite(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(withMedia(new(mediaStub)))
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee", peerContact)
		synctest.Wait()
		w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold)
		w.expect("491")
		w.ask("UPDATE", inv, "callee", 2, "body:"+sdpHold)
		w.expect("491")
		w.ok(inv, "callee")
		w.expect("ACK")
		d.up().Hangup(Reason{})
		w.answerBye()
	})
}

func TestInfoInWireOrderAndOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		var heard []string
		call.OnInfo = func(kind string, body []byte) { heard = append(heard, kind+" "+string(body)) }
		l, inv := w.connect(call)
		var want []string
		for i := range 100 {
			text := fmt.Sprintf("Signal=%d", i%10)
			req := w.request("INFO", inv, "callee", i+1, "Content-Type: application/dtmf-relay")
			req = strings.Replace(req, "Content-Length: 0\r\n\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text), 1)
			w.write(inv.from, req)
			w.write(inv.from, req)
			want = append(want, "application/dtmf-relay "+text)
		}
		synctest.Wait()
		l.Hangup(Reason{})
		<-time.After(time.Second)
		if !slices.Equal(heard, want) {
			t.Errorf("heard %d: %q", len(heard), heard)
		}
	})
}

func TestInDialogOdds(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(invite())
		for i, tt := range []struct{ method, want string }{
			{"OPTIONS", "200"}, {"NOTIFY", "200"}, {"INFO", "200"}, {"REFER", "403"},
			{"MESSAGE", "405"}, {"PRACK", "481"}, {"FLY", "501"}, {"INVITE", "488"}, // no Reoffer given
		} {
			w.ask(tt.method, inv, "callee", i+1)
			w.expect(tt.want)
		}
		ack := w.request("ACK", inv, "callee", 8)
		w.write(inv.from, strings.Replace(ack, "peerACK", "peerINVITE", 1))
		w.ask("ACK", inv, "callee", 99) // for nothing: no answer
		w.quiet(time.Second)
		l.Hangup(Reason{})
		w.answerBye()
	})
}

func TestOurReoffer(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(withMedia(new(mediaStub)))
		type result struct {
			answer string
			err    error
		}
		results := make(chan result, 1)
		reoffer := func() {
			go func() {
				answer, err := l.Reoffer(context.Background(), []byte(sdpHold))
				results <- result{string(answer), err}
			}()
		}

		reoffer()
		re := w.expect("INVITE")
		if re.body != sdpHold || re.cseq() <= inv.cseq() || re.param("to", "tag") != "callee" {
			t.Errorf("re-INVITE %v", re)
		}
		w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold) // glare
		w.expect("491")
		w.respond(re, "491 Request Pending", "")
		w.expect("ACK")
		begin := time.Now()
		re = w.expect("INVITE")
		if wait := time.Since(begin); wait < 2100*time.Millisecond || wait > 4*time.Second {
			t.Errorf("waited %v", wait)
		}
		w.ok(re, "callee")
		w.expect("ACK")
		if got := <-results; got.err != nil || got.answer != sdpAnswer {
			t.Errorf("%+v", got)
		}
		w.ok(re, "callee") // our ACK was lost
		if m, ok := w.receive(time.Second); !ok || m.method() != "ACK" || m.cseq() != re.cseq() {
			t.Errorf("no second ACK: %q", m.line)
		}

		reoffer()
		re = w.expect("INVITE")
		w.respond(re, "488 Not Acceptable Here", "")
		w.expect("ACK")
		var refused *Error
		if got := <-results; !errors.As(got.err, &refused) || refused.Code != 488 || l.Context().Err() != nil {
			t.Errorf("%+v", got)
		}

		w.ask("INVITE", inv, "callee", 2, "body:"+sdpHold) // theirs is under way
		w.expect("200")
		reoffer()
		if m, ok := w.receive(900 * time.Millisecond); ok && m.method() == "INVITE" {
			t.Error("two INVITEs at once")
		}
		w.ask("ACK", inv, "callee", 2)
		re = w.expect("INVITE")
		w.respond(re, "481 Call/Transaction Does Not Exist", "")
		w.expect("ACK")
		w.expect("BYE")
		var ended *Ended
		if <-results; !errors.As(context.Cause(l.Context()), &ended) || ended.Code != 481 {
			t.Errorf("cause %v", context.Cause(l.Context()))
		}
	})
}

// An offer of ours that is heard, and never answered, does not refuse the peer's own
// for ever: it is taken back after 32 s, and an answer that comes all the same is ACKed.
func TestOurReofferIsWithdrawn(t *testing.T) {
	for _, late := range []string{"487 Request Terminated", "200 OK"} {
		inBubble(t, func(w *world) {
			m := new(mediaStub)
			l, inv := w.connect(withMedia(m))
			failed := make(chan error, 1)
			go func() {
				_, err := l.Reoffer(context.Background(), []byte(sdpHold))
				failed <- err
			}()
			re := w.expect("INVITE")
			w.respond(re, "100 Trying", "")
			begin := time.Now()
			cancel := w.expect("CANCEL")
			if took := time.Since(begin); took != 32*time.Second || cancel.branch() != re.branch() || cancel.get("to") != re.get("to") {
				t.Errorf("after %v: %v", took, cancel)
			}
			if err := <-failed; !errors.Is(err, ErrNoResponse) {
				t.Errorf("%v", err)
			}
			w.respond(cancel, "200 OK", "")
			w.respond(re, late, "callee", peerContact, "body:"+sdpAnswer)
			w.expect("ACK")
			w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold)
			w.expect("200")
			w.ask("ACK", inv, "callee", 1)
			if l.Context().Err() != nil {
				t.Errorf("the call ended: %v", context.Cause(l.Context()))
			}
			l.Hangup(Reason{})
			w.answerBye()
			w.wantEmpty()
		})
	}
}
