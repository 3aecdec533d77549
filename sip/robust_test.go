package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPanicEndsOneLegOnly(t *testing.T) {
	tests := map[string]struct {
		prepare func(*Invite)
		provoke func(w *world, inv message)
		early   bool
	}{
		"progress": {func(i *Invite) { i.OnProgress = func(Progress) { panic("boom") } }, nil, true},
		"sent":     {func(i *Invite) { i.Sent = func(SentInfo) { panic("boom") } }, nil, true},
		"reoffer": {func(i *Invite) { i.Reoffer = func([]byte) ([]byte, error) { panic("boom") } },
			func(w *world, inv message) { w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold) }, false},
		"info": {func(i *Invite) { i.OnInfo = func(string, []byte) { panic("boom") } },
			func(w *world, inv message) { w.ask("INFO", inv, "callee", 1, "body:x") }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				healthy, _ := w.connect(invite())
				call := invite()
				tt.prepare(&call)
				d := w.dial(call)
				inv := w.expect("INVITE")
				w.respond(inv, "180 Ringing", "callee", peerContact)
				if tt.early {
					var failed *Error
					if err := d.fails(); !errors.As(err, &failed) {
						t.Error(err)
					}
					w.refuseCancelled(inv)
				} else {
					w.ok(inv, "callee")
					w.expect("ACK")
					l := d.up()
					tt.provoke(w, inv)
					<-l.Context().Done()
					for {
						if m := mustNext(w); m.method() == "BYE" {
							w.respond(m, "200 OK", "")
							break
						}
					}
					<-l.Done()
				}
				if healthy.Context().Err() != nil {
					t.Error("the other leg died")
				}
				healthy.Hangup(Reason{})
				for {
					if m := mustNext(w); m.method() == "BYE" {
						w.respond(m, "200 OK", "")
						break
					}
				}
				<-healthy.Done()
				w.wantEmpty()
			})
		})
	}
}

func mustNext(w *world) message {
	w.t.Helper()
	m, ok := w.next(time.Minute)
	if !ok {
		w.t.Fatal("nothing came")
	}
	return m
}

func TestSaveBeforeInvite(t *testing.T) {
	inBubble(t, func(w *world) {
		if _, err := w.e.Dial(context.Background(), invite()); !errors.Is(err, errEnough) {
			t.Error(err)
		}
		w.silence(time.Minute)
		w.wantEmpty()
	}, func(c *Config) { c.Save = func(Snapshot) error { return errEnough } })
}

func TestSaveFailsLater(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		l.Hangup(Reason{})
		w.answerBye()
		<-l.Done()
	}, func(c *Config) {
		c.Save = func(s Snapshot) error {
			if s.State != Calling {
				return errEnough
			}
			return nil
		}
	})
}

// What is saved comes before what it is about.
func TestSaveOrder(t *testing.T) {
	var wire *wire
	var at []string
	inBubble(t, func(w *world) {
		wire = w.wire
		l, _ := w.connect(invite())
		l.Hangup(Reason{})
		w.answerBye()
		<-l.Done()
		want := "calling:none answered:INVITE ending:ACK gone:BYE"
		if got := strings.Join(at, " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}, func(c *Config) {
		c.Save = func(s Snapshot) error {
			last := "none"
			if wire != nil {
				wire.mu.Lock()
				defer wire.mu.Unlock()
				for _, line := range wire.log {
					if from, rest, _ := strings.Cut(line, " "); strings.HasPrefix(from, "10.0.0.1:") && !strings.HasPrefix(rest, "SIP") {
						last = strings.Fields(rest)[0]
					}
				}
			}
			at = append(at, string(s.State)+":"+last)
			return nil
		}
	})
}

func TestGuardRefuses(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		call.Guard = func(func() error) error { return errEnough }
		if _, err := w.e.Dial(context.Background(), call); !errors.Is(err, errEnough) {
			t.Error(err)
		}
		w.silence(time.Minute)
		if got := fmt.Sprint(w.states()); got != "[calling gone]" {
			t.Errorf("saved %s", got)
		}
		w.wantEmpty()
	})
}

// The prospect is dialled only while the rep is there: R4.
func TestGuardIsTheRepsWhileUp(t *testing.T) {
	inBubble(t, func(w *world) {
		rep, repInv := w.connect(invite())
		call := invite()
		call.Side, call.Guard = "prospect", rep.WhileUp
		prospect, _ := w.connect(call)

		w.ask("BYE", repInv, "callee", 1)
		w.expect("200")
		<-rep.Context().Done()
		_, err := w.e.Dial(context.Background(), call)
		var ended *Ended
		if !errors.As(err, &ended) || ended.By != Peer {
			t.Errorf("Dial without a rep: %v", err)
		}
		w.silence(time.Second)
		prospect.Hangup(Reason{})
		w.answerBye()
	})
}

func TestGuardSendsAndFails(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		call.Guard = func(send func() error) error { return errors.Join(send(), errEnough) }
		d := w.dial(call)
		inv := w.expect("INVITE")
		if err := d.fails(); !errors.Is(err, errEnough) {
			t.Error(err)
		}
		w.respond(inv, "180 Ringing", "x")
		w.refuseCancelled(inv)
		w.wantEmpty()
	})
}

func TestSentTellsTheCallID(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		var sent SentInfo
		call.Sent = func(s SentInfo) { sent = s }
		l, inv := w.connect(call)
		if sent.CallID != inv.get("call-id") || sent.CallID != l.CallID() || sent.At.IsZero() {
			t.Errorf("%+v", sent)
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}

func TestCloseWhileRinging(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee")
		synctest.Wait()
		go w.refuseCancelled(inv)
		begin := time.Now()
		if err := w.e.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		if err := d.fails(); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := w.e.Dial(context.Background(), invite()); !errors.Is(err, ErrClosed) {
			t.Errorf("Dial after Close: %v", err)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	inBubble(t, func(w *world) {
		up, _ := w.connect(invite())
		ending, _ := w.connect(invite())
		ending.Hangup(Reason{})
		w.expect("BYE") // never answered
		w.dial(invite())
		w.expect("INVITE") // neither
		begin := time.Now()
		if err := w.e.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != closeGrace {
			t.Errorf("Close took %v", took)
		}
		for _, l := range []*Leg{up, ending} {
			<-l.Done()
			<-l.Context().Done()
		}
	})
}

// obliging answers everything the way a trunk does, each call for itself, until
// the test ends. It asks for nothing in return.
func (w *world) obliging() {
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case dg := <-w.peer.conn.in:
				w.oblige(parseMessage(string(dg.data), dg.from), stop, &done)
			case <-stop:
				return
			}
		}
	})
	w.t.Cleanup(func() { close(stop); done.Wait() })
}

func (w *world) oblige(m message, stop <-chan struct{}, done *sync.WaitGroup) {
	switch m.method() {
	case "INVITE":
		w.respond(m, "180 Ringing", "callee", peerContact)
		acked := w.ackOf(m)
		select {
		case <-acked: // an INVITE that was on its way while we answered
			return
		default:
		}
		done.Go(func() { // RFC 3261 §13.3.1.4
			for wait := 500 * time.Millisecond; wait < 64*time.Second; wait = min(2*wait, 4*time.Second) + 1 {
				w.ok(m, "callee")
				select {
				case <-acked:
					return
				case <-stop:
					return
				case <-time.After(wait):
				}
			}
		})
	case "ACK":
		w.mu.Lock()
		if ch := w.acks[m.get("call-id")]; ch != nil && !w.acked[m.get("call-id")] {
			w.acked[m.get("call-id")] = true
			close(ch)
		}
		w.mu.Unlock()
	case "BYE", "CANCEL":
		w.respond(m, "200 OK", "callee")
	}
}

// ackOf returns what closes when the call's ACK comes.
func (w *world) ackOf(m message) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.acks == nil {
		w.acks, w.acked = make(map[string]chan struct{}), make(map[string]bool)
	}
	id := m.get("call-id")
	if w.acks[id] == nil {
		w.acks[id] = make(chan struct{})
	}
	return w.acks[id]
}

func TestThousandCallsLeaveNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.obliging()
		var calls sync.WaitGroup
		for i := range 1000 {
			calls.Go(func() {
				<-time.After(time.Duration(i) * 10 * time.Millisecond)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				l, err := w.e.Dial(ctx, invite())
				if err != nil {
					t.Error(err)
					return
				}
				<-time.After(3 * time.Second)
				l.Hangup(Reason{})
				<-l.Done()
			})
		}
		calls.Wait()
		w.wantEmpty()
	})
}

// A tenth of all datagrams is lost, either way, and no call is.
func TestTenPercentLoss(t *testing.T) {
	inBubble(t, func(w *world) {
		w.obliging()
		n := 0
		w.wire.mu.Lock()
		w.wire.lose = func([]byte, string, string) bool { n++; return n%10 == 7 || n%97 == 3 }
		w.wire.mu.Unlock()
		var calls sync.WaitGroup
		for i := range 1000 {
			calls.Go(func() {
				<-time.After(time.Duration(i) * 7 * time.Millisecond)
				l, err := w.e.Dial(context.Background(), invite())
				if err != nil {
					t.Error(err)
					return
				}
				<-time.After(time.Second)
				l.Hangup(Reason{})
				<-l.Done()
			})
		}
		calls.Wait()
		w.wantEmpty()
		for _, s := range w.byeless() {
			t.Errorf("leg %s was never hung up", s)
		}
	})
}

// byeless lists the Call-IDs whose last Snapshot is not Gone.
func (w *world) byeless() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := make(map[string]State)
	for _, s := range w.saved {
		last[s.CallID] = s.State
	}
	var open []string
	for id, state := range last {
		if state != Gone {
			open = append(open, id)
		}
	}
	return open
}
