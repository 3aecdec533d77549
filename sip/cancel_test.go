package sip

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errEnough = errors.New("the caller has had enough")

// lateCounter counts Invite.Late.
func lateCounter(inv *Invite) *atomic.Int32 {
	var n atomic.Int32
	inv.Late = func() { n.Add(1) }
	return &n
}

// refuseCancelled answers the CANCEL that must come, and the INVITE with 487.
func (w *world) refuseCancelled(inv message) message {
	w.t.Helper()
	cancel := w.expect("CANCEL")
	w.respond(cancel, "200 OK", "callee")
	w.respond(inv, "487 Request Terminated", "callee")
	w.expect("ACK")
	return cancel
}

func TestCancelAfterProvisional(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee", peerContact)
		synctest.Wait()
		before := time.Now()
		d.cancel(errEnough)
		if err := d.fails(); !errors.Is(err, errEnough) || d.at != before {
			t.Errorf("Dial: %v after %v", err, d.at.Sub(before))
		}
		cancel := w.refuseCancelled(inv)
		if cancel.branch() != inv.branch() || cancel.uri() != inv.uri() || cancel.cseq() != inv.cseq() {
			t.Errorf("CANCEL does not match its INVITE: %v", cancel)
		}
		if cancel.param("to", "tag") != "" {
			t.Error("CANCEL has a To tag")
		}
		if cancel.get("reason") != NormalClearing.String() {
			t.Errorf("CANCEL says %q", cancel.get("reason"))
		}
		w.quiet(time.Minute)
		w.wantEmpty()
	})
}

func TestCancelWaitsForAProvisional(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		d.cancel(errEnough)
		if err := d.fails(); !errors.Is(err, errEnough) {
			t.Error(err)
		}
		w.quiet(5 * time.Second) // INVITE again and again, but no CANCEL
		w.respond(inv, "180 Ringing", "callee")
		w.refuseCancelled(inv)
		w.wantEmpty()
	})
}

func TestCancelNeverHeard(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		d.cancel(errEnough)
		_ = d.fails()
		w.quiet(40 * time.Second) // Timer B
		w.respond(inv, "200 OK", "callee", peerContact)
		w.expect("ACK")
		w.answerBye()
		w.wantEmpty()
	})
}

func TestCancelCrosses200(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		late := lateCounter(&call)
		d := w.dial(call)
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee")
		synctest.Wait()
		d.cancel(errEnough)
		_ = d.fails()
		cancel := w.expect("CANCEL")
		w.ok(inv, "callee")
		w.respond(cancel, "200 OK", "callee")
		ack := w.expect("ACK")
		if ack.cseq() != inv.cseq() || ack.param("to", "tag") != "callee" {
			t.Errorf("ACK %v", ack)
		}
		if bye := w.answerBye(); bye.get("reason") == "" || bye.get("reason") != cancel.get("reason") {
			t.Errorf("CANCEL because %q, BYE because %q", cancel.get("reason"), bye.get("reason"))
		}
		w.quiet(time.Minute)
		if late.Load() != 1 {
			t.Errorf("late %d times", late.Load())
		}
		w.wantEmpty()
	})
}

func TestCancelRefused481ThenAnswered(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		late := lateCounter(&call)
		d := w.dial(call)
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee")
		synctest.Wait()
		d.cancel(errEnough)
		_ = d.fails()
		w.respond(w.expect("CANCEL"), "481 Call/Transaction Does Not Exist", "x")
		w.quiet(10 * time.Second)
		w.ok(inv, "callee")
		w.expect("ACK")
		w.answerBye()
		if late.Load() != 1 {
			t.Errorf("late %d times", late.Load())
		}
		w.wantEmpty()
	})
}

func TestCancelLostThenAnsweredLate(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee")
		synctest.Wait()
		d.cancel(errEnough)
		_ = d.fails()
		w.expect("CANCEL")
		w.quiet(40 * time.Second) // nobody answers it; 64*T1 pass
		w.ok(inv, "callee")
		w.expect("ACK")
		w.answerBye()
		w.wantEmpty()
	})
}

// The 18x's Record-Route belongs to the dialog, not to the CANCEL.
func TestCancelIgnoresRecordRoute(t *testing.T) {
	inBubble(t, func(w *world) {
		other := newPeer(t, w.wire, "10.0.0.9:5060")
		w.e.allow.add(localhost())
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "callee", "Record-Route: <sip:10.0.0.9;lr>")
		synctest.Wait()
		d.cancel(errEnough)
		_ = d.fails()
		cancel := w.refuseCancelled(inv)
		if cancel.get("route") != "" || cancel.from.String() != "10.0.0.1:5060" {
			t.Errorf("CANCEL %v", cancel)
		}
		other.silence(time.Second)
	})
}

// A challenge starts a new INVITE, which has not been heard of yet.
func TestNoCancelBetweenChallengeAndProvisional(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "100 Trying", "")
		w.respond(inv, "407 Proxy Authentication Required", "x",
			`Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=MD5`)
		w.expect("ACK")
		second := w.expect("INVITE")
		d.cancel(errEnough)
		_ = d.fails()
		w.quiet(3 * time.Second)
		w.respond(second, "100 Trying", "")
		w.refuseCancelled(second)
		w.wantEmpty()
	})
}

func TestDialWithAnEndedContext(t *testing.T) {
	inBubble(t, func(w *world) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errEnough)
		if _, err := w.e.Dial(ctx, invite()); !errors.Is(err, errEnough) {
			t.Error(err)
		}
		// Nothing has left, or it is seen through; either way it ends by itself.
		if m, ok := w.next(time.Second); ok {
			w.respond(m, "486 Busy Here", "callee")
			w.expect("ACK")
		}
		w.wantEmpty()
	})
}

func TestCauseArrivesWithTheAnswer(t *testing.T) {
	inBubble(t, func(w *world) {
		for range 200 {
			d := w.dial(invite())
			inv := w.expect("INVITE")
			go d.cancel(errEnough)
			w.ok(inv, "callee")
			<-d.done
			if d.err == nil {
				d.leg.Hangup(Reason{})
			} else if !errors.Is(d.err, errEnough) {
				t.Fatal(d.err)
			}
			w.expect("ACK")
			w.answerBye()
		}
		w.wantEmpty()
	})
}

func TestTimeouts(t *testing.T) {
	limits := Timeouts{Trying: 5 * time.Second, Progress: 12 * time.Second, Ring: 20 * time.Second, Absolute: 35 * time.Second}
	tests := map[string]struct {
		want   error
		after  time.Duration
		script func(w *world, inv message)
		cancel Reason // zero = there is none
	}{
		"nothing": {ErrNoResponse, 5 * time.Second, func(*world, message) {}, Reason{}},
		"100 only": {ErrNoProgress, 12 * time.Second, func(w *world, inv message) {
			w.respond(inv, "100 Trying", "")
		}, TimerExpired},
		"ringing": {ErrNoAnswer, 23 * time.Second, func(w *world, inv message) {
			<-time.After(3 * time.Second)
			w.respond(inv, "180 Ringing", "a")
			<-time.After(3 * time.Second)
			w.respond(inv, "180 Ringing", "a") // does not start the clock again
		}, NoAnswer},
		"rings late": {ErrNoAnswer, 31 * time.Second, func(w *world, inv message) {
			w.respond(inv, "100 Trying", "")
			<-time.After(11 * time.Second)
			w.respond(inv, "183 Session Progress", "a")
			<-time.After(6 * time.Second)
			w.respond(inv, "180 Ringing", "b")
		}, NoAnswer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				call := invite()
				call.Timeouts = limits
				begin := time.Now()
				d := w.dial(call)
				inv := w.expect("INVITE")
				tt.script(w, inv)
				var failed *Error
				if err := d.fails(); !errors.As(err, &failed) || !errors.Is(err, tt.want) || failed.Code != 0 {
					t.Errorf("%v, want %v", err, tt.want)
				}
				if took := d.at.Sub(begin); took != tt.after {
					t.Errorf("after %v, want %v", took, tt.after)
				}
				if tt.cancel != (Reason{}) {
					if why := w.refuseCancelled(inv).get("reason"); why != tt.cancel.String() {
						t.Errorf("CANCEL says %q, want %v", why, tt.cancel)
					}
				}
				w.wantEmpty()
			})
		})
	}
}

func TestAbsoluteTimeout(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		call.Timeouts = Timeouts{Ring: 20 * time.Second, Absolute: 15 * time.Second}
		begin := time.Now()
		d := w.dial(call)
		inv := w.expect("INVITE")
		w.respond(inv, "180 Ringing", "a")
		if err := d.fails(); !errors.Is(err, ErrNoAnswer) || d.at.Sub(begin) != 15*time.Second {
			t.Errorf("%v after %v", err, d.at.Sub(begin))
		}
		w.refuseCancelled(inv)
	})
}

// Without a time-out of the caller's, the transaction's own ends it (Timer B).
func TestTimerB(t *testing.T) {
	inBubble(t, func(w *world) {
		begin := time.Now()
		d := w.dial(invite())
		if err := d.fails(); !errors.Is(err, ErrNoResponse) || d.at.Sub(begin) != 32*time.Second {
			t.Errorf("%v after %v", err, d.at.Sub(begin))
		}
		w.wire.mu.Lock()
		sent := len(w.wire.log)
		w.wire.mu.Unlock()
		if sent != 7 { // at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s
			t.Errorf("INVITE sent %d times", sent)
		}
		if s := w.e.Trunks()[0]; s.Up || !strings.Contains(s.LastFailed, "respond") {
			t.Errorf("trunk %+v", s)
		}
		w.wantEmpty()
	})
}

func TestInviteTimeout(t *testing.T) {
	inBubble(t, func(w *world) {
		begin := time.Now()
		d := w.dial(invite())
		if err := d.fails(); !errors.Is(err, ErrNoResponse) || d.at.Sub(begin) != 8*time.Second {
			t.Errorf("%v after %v", err, d.at.Sub(begin))
		}
	}, func(c *Config) { c.InviteTimeout = 8 * time.Second })
}

// An INVITE that was given up is not sent again after 20 s: arriving then it would ring
// a telephone for nobody. One that has arrived before is still silenced.
func TestUnwantedInviteFallsSilent(t *testing.T) {
	for name, rings := range map[string]bool{"never heard": false, "heard late": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				call := invite()
				call.Timeouts.Trying = 5 * time.Second
				d := w.dial(call)
				begin := time.Now()
				var inv message
				for _, at := range []time.Duration{0, 500, 1500, 3500, 7500, 15500} {
					m, ok := w.receive(10 * time.Second)
					if !ok || m.method() != "INVITE" || time.Since(begin) != at*time.Millisecond {
						t.Fatalf("%q after %v", m.line, time.Since(begin))
					}
					inv = m
				}
				_ = d.fails()
				w.silence(10 * time.Second)
				if rings {
					w.respond(inv, "180 Ringing", "callee")
					w.refuseCancelled(inv)
				}
				w.silence(time.Minute)
				w.wantEmpty()
			})
		})
	}
}

func TestLate200AfterTimeout(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		call.Timeouts.Trying = 2 * time.Second
		late := lateCounter(&call)
		d := w.dial(call)
		inv := w.expect("INVITE")
		if err := d.fails(); !errors.Is(err, ErrNoResponse) {
			t.Error(err)
		}
		<-time.After(20 * time.Second)
		w.ok(inv, "callee")
		w.expect("ACK")
		w.answerBye()
		if late.Load() != 1 {
			t.Errorf("late %d times", late.Load())
		}
		w.wantEmpty()
	})
}
