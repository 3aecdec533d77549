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

// twoTargets is a world whose trunk is at 10.0.0.2 first, then at 10.0.0.3.
func twoTargets(t *testing.T, f func(w *world, second *peer), with ...func(*TrunkConfig)) {
	t.Helper()
	z := newZone()
	z.set("_sip._udp.carrier.example SRV", srv(10, 0, 5060, "one.example"), srv(20, 0, 5060, "two.example"))
	z.set("one.example A", address("10.0.0.2"))
	z.set("two.example A", address("10.0.0.3"))
	trunk := TrunkConfig{Name: "carrier", Host: "carrier.example"}
	for _, change := range with {
		change(&trunk)
	}
	inBubble(t, func(w *world) { f(w, newPeer(w.t, w.wire, "10.0.0.3:5060")) }, z.at(trunk))
}

const secondContact = "Contact: <sip:callee@10.0.0.3:5060>"

// hasty is a call with the time limits of a call.
func hasty() Invite {
	inv := invite()
	inv.Timeouts = Timeouts{Trying: 5 * time.Second, Progress: 12 * time.Second, Hunt: 16 * time.Second}
	return inv
}

func TestNextTargetOnSilence(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		var over atomic.Int32
		call := hasty()
		call.Over = func() { over.Add(1) }
		began := time.Now()
		d := w.dial(call)
		first := w.expect("INVITE")
		inv := second.expect("INVITE")
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("the second target was tried after %v", waited)
		}
		if inv.get("call-id") == first.get("call-id") || inv.param("from", "tag") == first.param("from", "tag") || inv.branch() == first.branch() {
			t.Error("the second target sees the first one's call")
		}
		second.respond(inv, "180 Ringing", "callee", secondContact)
		second.respond(inv, "200 OK", "callee", secondContact, "body:"+sdpAnswer)
		second.expect("ACK")
		l := d.up()
		// The first target wakes up: its telephone must not go on ringing.
		w.respond(first, "180 Ringing", "late")
		w.refuseCancelled(first)
		synctest.Wait()
		if over.Load() != 0 {
			t.Error("the call is over while it is up")
		}
		l.Hangup(NormalClearing)
		second.answerByeTo(t)
		<-l.Done()
		synctest.Wait()
		if over.Load() != 1 {
			t.Errorf("told %d times that the call is over", over.Load())
		}
		// It was silent, so the next call goes to the second at once.
		d = w.dial(hasty())
		inv = second.expect("INVITE")
		second.respond(inv, "486 Busy Here", "x")
		second.expect("ACK")
		_ = d.fails()
		<-time.After(penalty)
		// And after a while the first has another chance.
		d = w.dial(hasty())
		inv = w.expect("INVITE")
		w.respond(inv, "486 Busy Here", "x")
		w.expect("ACK")
		_ = d.fails()
		w.wantEmpty()
	})
}

func (p *peer) answerByeTo(t *testing.T) {
	t.Helper()
	m := p.expect("BYE")
	p.respond(m, "200 OK", "")
}

// The first target answers after all, when the second has too: nobody is left
// talking to nobody.
func TestBothTargetsAnswer(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		var late atomic.Int32
		call := hasty()
		call.Late = func() { late.Add(1) }
		d := w.dial(call)
		first := w.expect("INVITE")
		inv := second.expect("INVITE")
		second.respond(inv, "200 OK", "callee", secondContact, "body:"+sdpAnswer)
		second.expect("ACK")
		l := d.up()
		w.ok(first, "late")
		w.expect("ACK")
		w.answerBye()
		if l.Context().Err() != nil || late.Load() != 1 {
			t.Errorf("the answered leg: %v, late %d", l.Context().Err(), late.Load())
		}
		l.Hangup(NormalClearing)
		second.answerByeTo(t)
		w.wantEmpty()
	})
}

func TestNextTargetOnRefusal(t *testing.T) {
	for _, tt := range []struct {
		status string
		extra  []string
		rings  bool
		next   bool
	}{
		{"503 Service Unavailable", nil, false, true},
		{"500 Server Internal Error", nil, false, true},
		{"408 Request Timeout", nil, false, true},
		{"503 Service Unavailable", nil, true, false},
		{"503 Service Unavailable", []string{"Reason: Q.850;cause=17"}, false, false},
		{"503 Service Unavailable", []string{"Reason: Q.850;cause=34"}, false, true},
		{"502 Bad Gateway", []string{"Reason: Q.850;cause=27"}, false, false},
		{"486 Busy Here", nil, false, false},
		{"404 Not Found", nil, false, false},
		{"603 Decline", nil, false, false},
		{"403 Forbidden", nil, false, false},
		{"302 Moved Temporarily", nil, false, false},
	} {
		name := tt.status + strings.Join(tt.extra, "")
		t.Run(name, func(t *testing.T) {
			twoTargets(t, func(w *world, second *peer) {
				d := w.dial(hasty())
				inv := w.expect("INVITE")
				if tt.rings {
					w.respond(inv, "180 Ringing", "x")
				}
				w.respond(inv, tt.status, "x", tt.extra...)
				w.expect("ACK")
				if tt.next {
					inv := second.expect("INVITE")
					second.respond(inv, "486 Busy Here", "x")
					second.expect("ACK")
				}
				var failed *Error
				if err := d.fails(); !errors.As(err, &failed) || failed.Rang != tt.rings || tt.next != (failed.Code == 486 && tt.status[:3] != "486") {
					t.Errorf("%+v", failed)
				}
				second.quiet(time.Minute)
			})
		})
	}
}

// A target that asks to be left alone is, for as long as it asked.
func TestRetryAfterIsKept(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		refuse := func(p *peer, status string, extra ...string) {
			t.Helper()
			inv := p.expect("INVITE")
			p.respond(inv, status, "x", extra...)
			p.expect("ACK")
		}
		d := w.dial(hasty())
		refuse(w.peer, "503 Service Unavailable", "Retry-After: 120")
		refuse(second, "486 Busy Here")
		_ = d.fails()
		if s := w.e.Trunks()[0]; !s.Usable() {
			t.Errorf("the trunk's second target is there: %+v", s)
		}
		<-time.After(119 * time.Second)
		d = w.dial(hasty())
		refuse(second, "503 Service Unavailable", "Retry-After: 300")
		refuse(w.peer, "503 Service Unavailable", "Retry-After: 60") // the last resort
		_ = d.fails()
		if s := w.e.Trunks()[0]; s.Usable() || time.Until(s.Busy) < 50*time.Second {
			t.Errorf("every target wants to be left alone: %+v", s)
		}
		<-time.After(5 * time.Minute)
		if s := w.e.Trunks()[0]; !s.Usable() {
			t.Errorf("%+v", s)
		}
	})
}

func TestNoNextTargetTooLateOrAfter100(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		call := hasty()
		d := w.dial(call)
		inv := w.expect("INVITE")
		w.respond(inv, "100 Trying", "")
		if err := d.fails(); !errors.Is(err, ErrNoProgress) {
			t.Errorf("%v", err)
		}
		w.refuseCancelled(inv)
		call.Timeouts.Hunt = 4 * time.Second
		d = w.dial(call)
		w.expect("INVITE")
		if err := d.fails(); !errors.Is(err, ErrNoResponse) {
			t.Errorf("%v", err)
		}
		second.quiet(time.Minute)
	})
}

// Who gives up while the first target is silent does not wake the second.
func TestNoNextTargetForACallThatIsOver(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		d := w.dial(hasty())
		first := w.expect("INVITE")
		<-time.After(4 * time.Second)
		d.cancel(errEnough)
		if err := d.fails(); !errors.Is(err, errEnough) {
			t.Errorf("%v", err)
		}
		second.quiet(10 * time.Second)
		w.respond(first, "100 Trying", "")
		w.refuseCancelled(first)
		w.wantEmpty()
	})
}

func watched(t *TrunkConfig) {
	t.Keepalive = Keepalive{Every: 30 * time.Second, FailAfter: 3, RecoverAfter: 2}
}

func TestOptionsTellWhetherATrunkIsThere(t *testing.T) {
	inBubble(t, func(w *world) {
		state := func() bool { synctest.Wait(); return w.e.Trunks()[0].Up }
		probe := w.expect("OPTIONS")
		if probe.uri() != "sip:10.0.0.2" || probe.get("max-forwards") != "70" || !strings.Contains(probe.get("contact"), "10.0.0.1") {
			t.Errorf("%v", probe)
		}
		w.respond(probe, "200 OK", "x")
		if s := w.e.Trunks()[0]; !s.Up || !s.Watched {
			t.Errorf("%+v", s)
		}
		// One lost OPTIONS is no outage, and neither are two.
		for i := range 3 {
			w.expect("OPTIONS")
			<-time.After(probeTimeout + time.Second)
			if want := i < 2; state() != want {
				t.Fatalf("after %d silences up is %v", i+1, !want)
			}
		}
		if s := w.e.Trunks()[0]; s.Usable() || !strings.Contains(s.LastFailed, "does not respond") {
			t.Errorf("%+v", s)
		}
		// A single answer is no recovery. Even a refusal is an answer.
		for i, status := range []string{"404 Not Found", "405 Method Not Allowed"} {
			w.respond(w.expect("OPTIONS"), status, "x")
			if want := i == 1; state() != want {
				t.Fatalf("after %d answers up is %v", i+1, !want)
			}
		}
		// A 503 is an answer of somebody who cannot help.
		for range 3 {
			w.respond(w.expect("OPTIONS"), "503 Service Unavailable", "x")
		}
		if state() {
			t.Error("up, though it says 503")
		}
	}, func(c *Config) { watched(&c.Trunks[0]) })
}

func TestOptionsLookForATargetThatAnswers(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		w.expect("OPTIONS")
		second.respond(second.expect("OPTIONS"), "200 OK", "x")
		// A call goes where somebody answered.
		d := w.dial(hasty())
		inv := second.expect("INVITE")
		second.respond(inv, "486 Busy Here", "x")
		second.expect("ACK")
		_ = d.fails()
	}, watched)
}

// What the trunk sees us as is what Contact, Via and SDP say from then on.
func TestPublicAddressIsLearnt(t *testing.T) {
	inBubble(t, func(w *world) {
		probe := w.expect("OPTIONS")
		via := strings.Replace(probe.get("via"), ";rport", ";rport=40001;received=203.0.113.7", 1)
		w.write(probe.from, strings.Replace(response(probe, "200 OK", "x"), probe.get("via"), via, 1))
		synctest.Wait()
		if addr, err := w.e.Public(context.Background(), "carrier"); err != nil || addr.String() != "203.0.113.7" {
			t.Errorf("media would name %v, %v", addr, err)
		}
		d := w.dial(invite())
		inv := w.expect("INVITE")
		if !strings.Contains(inv.get("via"), " 203.0.113.7:40001;") || inv.get("contact") != "<sip:tandem@203.0.113.7:40001>" {
			t.Errorf("Via %s, Contact %s", inv.get("via"), inv.get("contact"))
		}
		w.respond(inv, "486 Busy Here", "x")
		w.expect("ACK")
		_ = d.fails()
	}, func(c *Config) { watched(&c.Trunks[0]) })
}

// A large INVITE goes over TCP where the trunk lets us choose, and over UDP
// where nobody listens there (RFC 3261 §18.1.1).
func TestLargeInvitePrefersTCP(t *testing.T) {
	at := target{"udp", localhostPort(5060)}
	for _, tt := range []struct {
		transport string
		size      int
		want      []string
	}{
		{"auto", 100, []string{"udp"}},
		{"auto", 1200, []string{"tcp", "udp"}},
		{"udp", 1200, []string{"udp"}},
	} {
		inBubble(t, func(w *world) {
			call := invite()
			call.Offer = []byte(strings.Repeat("x", tt.size))
			h := &hunt{e: w.e, t: w.e.trunks.named("carrier"), inv: call}
			targets, err := h.whereItFits([]target{at})
			var got []string
			for _, at := range targets {
				got = append(got, at.transport)
			}
			if err != nil || strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("%s, %d octets: %v, %v", tt.transport, tt.size, got, err)
			}
		}, withTrunks(TrunkConfig{Name: "carrier", Host: "127.0.0.1", Port: 5060, Transport: tt.transport}))
	}
}
