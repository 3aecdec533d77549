package sip

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// crash stops the endpoint as kill -9 would, as far as the wire can tell, and
// opens another one on the same address. It returns what had been saved of the
// one leg, by way of JSON.
func (w *world) crash() Snapshot {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	raw, err := json.Marshal(w.saved[len(w.saved)-1])
	w.mu.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	w.wire.mu.Lock()
	w.wire.lose = func(_ []byte, from, _ string) bool { return from == "10.0.0.1:5060" }
	w.wire.mu.Unlock()
	if err := w.e.Close(); err != nil {
		w.t.Error(err)
	}
	w.wire.mu.Lock()
	w.wire.lose = nil
	w.wire.mu.Unlock()

	second := newWorldOn(w.t, w.wire, w.peer)
	w.e = second.e
	var s Snapshot
	if err := json.Unmarshal(raw, &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// finish runs Finish and returns what tells of its end.
func (w *world) finish(s Snapshot) chan error {
	done := make(chan error, 1)
	go func() { done <- w.e.Finish(context.Background(), s, Reason{Protocol: "Q.850", Cause: 41}) }()
	return done
}

func TestFinishConfirmed(t *testing.T) {
	inBubble(t, func(w *world) {
		_, inv := w.connect(invite())
		s := w.crash()
		done := w.finish(s)
		if ack := w.expect("ACK"); ack.cseq() != inv.cseq() {
			t.Errorf("ACK %v", ack)
		}
		bye := w.answerBye()
		if bye.cseq() < inv.cseq()+1000 || bye.param("to", "tag") != "callee" || bye.get("from") != inv.get("from") ||
			bye.get("call-id") != inv.get("call-id") || !strings.Contains(bye.get("reason"), "cause=41") {
			t.Errorf("BYE %v", bye)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.wantEmpty()
	})
}

func TestFinishRinging(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee")
		s := w.crash()
		_ = d.fails()
		done := w.finish(s)
		cancel := w.refuseCancelled(inv)
		if cancel.branch() != inv.branch() || cancel.cseq() != inv.cseq() || cancel.get("call-id") != inv.get("call-id") {
			t.Errorf("CANCEL %v", cancel)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.wantEmpty()
	})
}

// Answered while we were dead: the peer sends its 200 until it is ACKed.
func TestFinishAnsweredMeanwhile(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee")
		s := w.crash()
		_ = d.fails()
		done := w.finish(s)
		w.respond(w.expect("CANCEL"), "481 Call/Transaction Does Not Exist", "x")
		if err := <-done; err != nil { // nothing is pending there, as far as the peer says
			t.Error(err)
		}
		w.ok(inv, "callee")
		w.expect("ACK")
		w.answerBye()
		w.wantEmpty()
	})
}

// Answered and ACKed by a process that died before it could write that down: the peer
// takes the CANCEL, and has nothing more to say.
func TestFinishAnsweredUnwritten(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(invite())
		w.mu.Lock()
		calling := w.saved[0]
		w.mu.Unlock()
		if w.crash(); calling.State != Calling {
			t.Fatalf("state %s", calling.State)
		}
		done := w.finish(calling)
		w.respond(w.expect("CANCEL"), "200 OK", "callee")
		if bye := w.answerBye(); bye.param("to", "tag") != "callee" || bye.cseq() < int(calling.InviteSeq)+1000 {
			t.Errorf("BYE %v", bye)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.wantEmpty()
	})
}

func TestFinishEnding(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		l.Hangup(Reason{})
		w.expect("BYE")
		s := w.crash()
		if s.State != Ending && s.State != Gone {
			t.Fatalf("state %s", s.State)
		}
		s.State = Ending
		done := w.finish(s)
		w.expect("ACK")
		w.respond(w.expect("BYE"), "481 Call/Transaction Does Not Exist", "")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The peer's BYE reaches a leg that is being finished.
func TestFinishByeFromPeer(t *testing.T) {
	inBubble(t, func(w *world) {
		_, inv := w.connect(invite())
		done := w.finish(w.crash())
		w.expect("ACK")
		w.expect("BYE")
		w.ask("BYE", inv, "callee", 1)
		w.expect("200")
		<-done
	})
}

func TestFinishGivesUp(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(invite())
		s := w.crash()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := w.e.Finish(ctx, s, Reason{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		w.expect("ACK")
		w.answerBye() // still on its way
		w.wantEmpty()
	})
}

func TestFinishNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		if err := w.e.Finish(context.Background(), Snapshot{State: Gone}, Reason{}); err != nil {
			t.Error(err)
		}
		if err := w.e.Finish(context.Background(), Snapshot{State: Calling, Trunk: "gone"}, Reason{}); !errors.Is(err, ErrNoTrunk) {
			t.Error(err)
		}
		w.silence(time.Minute)
	})
}

func TestSnapshotSurvivesJSON(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		s := l.Snapshot()
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Snapshot
		if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%v\n%+v\n%+v", err, back, s)
		}
		if strings.Contains(string(raw), "secret") {
			t.Error("the password was written down")
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}
