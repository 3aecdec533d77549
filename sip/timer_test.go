package sip

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// timed is a trunk that uses session timers.
func timed(mode string, expires time.Duration) func(*Config) {
	return func(c *Config) {
		c.Trunks[0].SessionTimer = SessionTimer{Mode: mode, Expires: expires}
	}
}

// answerTimed brings a call up whose 200 has these headers.
func (w *world) answerTimed(call Invite, extra ...string) (*Leg, message) {
	w.t.Helper()
	d := w.dial(call)
	inv := w.expect("INVITE")
	w.ok(inv, "callee", extra...)
	w.expect("ACK")
	return d.up(), inv
}

// An hour under the shortest timer there is, refreshed in every way.
func TestSessionTimerForAnHour(t *testing.T) {
	tests := map[string]struct {
		mode   string
		answer []string
		method string // of the refresh
		ours   bool
	}{
		"we refresh by UPDATE":      {"request", []string{"Session-Expires: 90;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE, BYE"}, "UPDATE", true},
		"we refresh by INVITE":      {"request", []string{"Session-Expires: 90;refresher=uac", "Require: timer", "Allow: INVITE, BYE"}, "INVITE", true},
		"peer insists, we refresh":  {"accept", []string{"x: 90 ; Refresher = UAC", "Allow: UPDATE"}, "UPDATE", true},
		"peer knows no timer":       {"request", []string{"Allow: INVITE, BYE, OPTIONS"}, "INVITE", true},
		"peer refreshes by UPDATE":  {"request", []string{"Session-Expires: 90;refresher=uas"}, "UPDATE", false},
		"peer refreshes by INVITE":  {"accept", []string{"Session-Expires: 90;refresher=uas"}, "INVITE", false},
		"peer names no refresher":   {"request", []string{"Session-Expires: 90", "Allow: UPDATE"}, "UPDATE", true},
		"peer asks for ten seconds": {"request", []string{"Session-Expires: 10;refresher=uac", "Allow: UPDATE"}, "UPDATE", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				l, inv := w.answerTimed(withMedia(new(mediaStub)), tt.answer...)
				begin := time.Now()
				for i := range 80 {
					if tt.ours {
						w.wantRefresh(tt.method, i, begin, tt.answer)
					} else {
						w.refresh(tt.method, i, inv)
					}
					if l.Context().Err() != nil {
						t.Fatalf("the call ended after %v: %v", time.Since(begin), context.Cause(l.Context()))
					}
				}
				if took := time.Since(begin); took < time.Hour {
					t.Errorf("%v", took)
				}
				if s := l.Snapshot().Session; s.Interval != 90*time.Second || s.Ours != tt.ours || !s.Until.After(time.Now()) {
					t.Errorf("%+v", s)
				}
				l.Hangup(Reason{})
				w.answerBye()
				w.wantEmpty()
			}, timed(tt.mode, 90*time.Second))
		})
	}
}

// wantRefresh answers the refresh that must come 45 s after the last.
func (w *world) wantRefresh(method string, i int, begin time.Time, answer []string) {
	w.t.Helper()
	m := w.expect(method)
	if at := time.Since(begin); at != time.Duration(i+1)*45*time.Second {
		w.t.Fatalf("refresh %d after %v", i, at)
	}
	if got := m.get("session-expires"); got != "90;refresher=uac" || m.get("min-se") != "90" || !strings.Contains(m.get("supported"), "timer") {
		w.t.Fatalf("refresh %d: Session-Expires %q, Min-SE %q", i, got, m.get("min-se"))
	}
	if method == "UPDATE" {
		if m.body != "" {
			w.t.Fatalf("UPDATE with %q", m.body)
		}
		w.respond(m, "200 OK", "", append([]string{peerContact}, answer...)...)
		return
	}
	if m.body != sdpOffer {
		w.t.Fatalf("the refresh changes the session: %q", m.body)
	}
	w.ok(m, "callee", answer...)
	w.expect("ACK")
}

// refresh is the peer's, 45 s after its last.
func (w *world) refresh(method string, i int, inv message) {
	w.t.Helper()
	w.quiet(45 * time.Second)
	extra := []string{"Session-Expires: 90;refresher=uac", "Supported: timer"}
	if method == "INVITE" {
		extra = append(extra, "body:"+sdpAnswer)
	}
	w.ask(method, inv, "callee", 10+i, extra...)
	res := w.expect("200")
	if got := res.get("session-expires"); got != "90;refresher=uac" || res.get("require") != "timer" {
		w.t.Fatalf("answer %d: Session-Expires %q, Require %q", i, got, res.get("require"))
	}
	if method == "INVITE" {
		w.ask("ACK", inv, "callee", 10+i)
	}
}

func TestSessionIntervalTooSmall(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		first := w.expect("INVITE")
		if got := first.get("session-expires"); got != "90" || first.get("min-se") != "90" {
			t.Errorf("Session-Expires %q, Min-SE %q", got, first.get("min-se"))
		}
		w.respond(first, "422 Session Interval Too Small", "x", "Min-SE: 1800")
		w.expect("ACK")
		second := w.expect("INVITE")
		if got := second.get("session-expires"); got != "1800" || second.get("min-se") != "1800" {
			t.Errorf("second: Session-Expires %q, Min-SE %q", got, second.get("min-se"))
		}
		if second.get("call-id") != first.get("call-id") || second.cseq() != first.cseq()+1 || second.get("from") != first.get("from") {
			t.Errorf("second INVITE is another call: %v", second)
		}
		w.respond(second, "422 Session Interval Too Small", "x", "Min-SE: 1800") // it has what it wants
		w.expect("ACK")
		var refused *Error
		if err := d.fails(); !errors.As(err, &refused) || refused.Code != 422 {
			t.Errorf("%v", err)
		}
		w.wantEmpty()
	}, timed("request", 90*time.Second))
}

func TestPeerAsksForTooShortASession(t *testing.T) {
	for _, method := range []string{"INVITE", "UPDATE"} {
		inBubble(t, func(w *world) {
			m := new(mediaStub)
			l, inv := w.connect(withMedia(m))
			w.ask(method, inv, "callee", 1, "Session-Expires: 60", "Supported: timer", "body:"+sdpHold)
			res := w.expect("422")
			if res.get("min-se") != "90" || len(m.offers) != 0 {
				t.Errorf("Min-SE %q, offers %q", res.get("min-se"), m.offers)
			}
			if method == "INVITE" {
				ack := w.request("ACK", inv, "callee", 1)
				w.write(inv.from, strings.Replace(ack, "peerACK", "peerINVITE", 1))
			}
			// One that cannot be asked for more gets what it can live with, and no
			// refreshing of its own.
			w.ask(method, inv, "callee", 2, "Session-Expires: 60", "body:"+sdpHold)
			res = w.expect("200")
			if got := res.get("session-expires"); got != "90;refresher=uas" || res.get("require") != "" {
				t.Errorf("Session-Expires %q, Require %q", got, res.get("require"))
			}
			if method == "INVITE" {
				w.ask("ACK", inv, "callee", 2)
			}
			if !l.Snapshot().Session.Ours {
				t.Error("nobody refreshes")
			}
			l.Hangup(Reason{})
			w.answerBye()
		}, timed("accept", 0))
	}
}

// A peer that has promised to refresh and does not is gone.
func TestPeerDoesNotRefresh(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.answerTimed(invite(), "Session-Expires: 300;refresher=uas")
		begin := time.Now()
		if bye := w.answerBye(); !strings.HasPrefix(bye.get("reason"), "Q.850;cause=102") {
			t.Errorf("Reason %q", bye.get("reason"))
		}
		if took := time.Since(begin); took != 268*time.Second {
			t.Errorf("after %v", took)
		}
		wantExpired(t, l, 0)
		w.wantEmpty()
	}, timed("accept", 0))
}

func wantExpired(t *testing.T, l *Leg, code int) {
	t.Helper()
	var ended *Ended
	<-l.Context().Done()
	if cause := context.Cause(l.Context()); !errors.As(cause, &ended) || ended.By != Us || ended.Code != code || !errors.Is(ended, ErrSessionExpired) {
		t.Errorf("cause %v", cause)
	}
}

func TestRefreshFails(t *testing.T) {
	for _, method := range []string{"UPDATE", "INVITE"} {
		for answer, code := range map[string]int{
			"481 Call/Transaction Does Not Exist": 481,
			"408 Request Timeout":                 408,
			"":                                    408, // nobody there
		} {
			t.Run(method+" "+answer, func(t *testing.T) {
				inBubble(t, func(w *world) {
					l, _ := w.answerTimed(invite(), "Session-Expires: 300;refresher=uac", "Allow: BYE, "+method)
					m := w.expect(method)
					if answer != "" {
						w.respond(m, answer, "")
						if method == "INVITE" {
							w.expect("ACK")
						}
					}
					w.answerBye()
					wantExpired(t, l, code)
					w.wantEmpty()
				}, timed("accept", 0))
			})
		}
	}
}

// A refresh that is refused for now is tried again; one that never passes lets
// the timer run out.
func TestRefreshIsTriedAgain(t *testing.T) {
	for _, method := range []string{"UPDATE", "INVITE"} {
		inBubble(t, func(w *world) {
			l, _ := w.answerTimed(invite(), "Session-Expires: 300;refresher=uac", "Allow: BYE, "+method)
			ack := func() {
				if method == "INVITE" {
					w.expect("ACK")
				}
			}
			for _, refusal := range []string{"500 Server Internal Error", "491 Request Pending"} {
				w.respond(w.expect(method), refusal, "")
				ack()
			}
			m := w.expect(method)
			w.respond(m, "422 Session Interval Too Small", "", "Min-SE: 400")
			ack()
			m = w.expect(method)
			if got := m.get("session-expires"); got != "400;refresher=uac" || m.get("min-se") != "400" {
				t.Errorf("Session-Expires %q, Min-SE %q", got, m.get("min-se"))
			}
			w.respond(m, "401 Unauthorized", "", `WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5`)
			ack()
			m = w.expect(method)
			if m.get("authorization") == "" {
				t.Errorf("no credentials: %v", m)
			}
			w.respond(m, "200 OK", "", peerContact, "Session-Expires: 400;refresher=uac")
			ack()
			begin := time.Now()
			for time.Since(begin) < 370*time.Second {
				m, ok := w.next(100 * time.Second)
				if !ok {
					continue
				}
				if m.method() == "BYE" {
					w.respond(m, "200 OK", "")
					break
				}
				if m.method() == method {
					w.respond(m, "500 Server Internal Error", "")
				}
			}
			if took := time.Since(begin); took != 368*time.Second {
				t.Errorf("BYE after %v", took)
			}
			wantExpired(t, l, 0)
		}, timed("accept", 0))
	}
}

func TestUpdateNotAllowedAfterAll(t *testing.T) {
	inBubble(t, func(w *world) {
		l, _ := w.answerTimed(invite(), "Session-Expires: 300;refresher=uac", "Allow: UPDATE")
		w.respond(w.expect("UPDATE"), "405 Method Not Allowed", "")
		re := w.expect("INVITE")
		w.ok(re, "callee", "Session-Expires: 300;refresher=uac")
		w.expect("ACK")
		if l.Context().Err() != nil {
			t.Error("ended")
		}
		l.Hangup(Reason{})
		w.answerBye()
	}, timed("accept", 0))
}

// The answer to a refresh may move the sound, and the peer's hold stays a hold.
func TestRefreshKeepsWhatWasAgreed(t *testing.T) {
	inBubble(t, func(w *world) {
		m, heard := new(mediaStub), make(chan string, 1)
		call := withMedia(m)
		call.Reaccept = func(answer []byte) error { heard <- string(answer); return nil }
		l, inv := w.answerTimed(call, "Session-Expires: 300;refresher=uac")
		const onHold = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=recvonly\r\n"
		m.answer = onHold
		w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold)
		w.expect("200")
		w.ask("ACK", inv, "callee", 1)
		re := w.expect("INVITE")
		if re.body != onHold {
			t.Errorf("refreshed with %q", re.body)
		}
		w.respond(re, "200 OK", "callee", peerContact, "Session-Expires: 300;refresher=uac", "body:"+sdpHold)
		w.expect("ACK")
		re = w.expect("INVITE")
		if len(heard) != 0 {
			t.Errorf("an answer that says nothing new was heard: %q", <-heard)
		}
		w.ok(re, "callee", "Session-Expires: 300;refresher=uac")
		w.expect("ACK")
		if got := <-heard; got != sdpAnswer {
			t.Errorf("heard %q", got)
		}
		l.Hangup(Reason{})
		w.answerBye()
	}, timed("accept", 0))
}

// While their INVITE or ours is under way the refresh waits its turn.
func TestRefreshWaitsForAnInvite(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.answerTimed(withMedia(new(mediaStub)), "Session-Expires: 90;refresher=uac")
		w.quiet(44 * time.Second)
		w.ask("INVITE", inv, "callee", 1, "body:"+sdpHold)
		w.expect("200")
		w.quiet(2 * time.Second) // the 200 is not ACKed yet
		w.ask("ACK", inv, "callee", 1)
		w.expect("INVITE")
		if l.Context().Err() != nil {
			t.Error("ended")
		}
		l.Hangup(Reason{})
		w.answerBye()
	}, timed("accept", 0))
}

func TestWhatAnInviteOffers(t *testing.T) {
	tests := []struct {
		timer, reliable             string
		supported, require, expires string
	}{
		{"", "", "100rel", "", ""},
		{"none", "none", "", "", ""},
		{"accept", "accept", "100rel, timer", "", ""},
		{"request", "require", "100rel, timer", "100rel", "1800"},
	}
	for _, tt := range tests {
		inBubble(t, func(w *world) {
			d := w.dial(withMedia(new(mediaStub)))
			inv := w.expect("INVITE")
			if got := inv.get("supported"); got != tt.supported {
				t.Errorf("%s: Supported %q", tt.timer, got)
			}
			if got := inv.get("require"); got != tt.require {
				t.Errorf("%s: Require %q", tt.timer, got)
			}
			if got := inv.get("session-expires"); got != tt.expires {
				t.Errorf("%s: Session-Expires %q", tt.timer, got)
			}
			w.ok(inv, "callee", "Session-Expires: 90;refresher=uac", "Allow: UPDATE")
			w.expect("ACK")
			if got := d.up().Snapshot().Session.Interval; (got > 0) != (tt.timer == "accept" || tt.timer == "request") {
				t.Errorf("%s: interval %v", tt.timer, got)
			}
			w.ask("UPDATE", inv, "callee", 1, "Supported: timer", "Session-Expires: 1800;refresher=uac")
			if got := w.expect("200").get("session-expires"); (got != "") != (tt.timer == "accept" || tt.timer == "request") {
				t.Errorf("%s: answered Session-Expires %q", tt.timer, got)
			}
			synctest.Wait()
			d.leg.Hangup(Reason{})
			w.answerBye()
		}, func(c *Config) {
			c.Trunks[0].SessionTimer.Mode, c.Trunks[0].ReliableProvisional = tt.timer, tt.reliable
		})
	}
}

func TestSessionExpiresHeader(t *testing.T) {
	for value, want := range map[string]string{
		"1800":                    "30m0s ",
		"90;refresher=uas":        "1m30s uas",
		" 90 ; foo ;refresher=UA": "1m30s ",
		"4294967295":              "24h0m0s ",
		"99999999999":             "no",
		"0":                       "no",
		"-1":                      "no",
		"soon":                    "no",
	} {
		text := "UPDATE sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nSession-Expires: " + value + "\r\nContent-Length: 0\r\n\r\n"
		msg, err := newParser().ParseSIP([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := "no"
		if interval, who, ok := sessionExpires(msg); ok {
			got = interval.String() + " " + who
		}
		if got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	if !slices.Contains(splitList(understood), "timer") || seconds(90500*time.Millisecond) != strconv.Itoa(91) {
		t.Error("timer is not understood, or rounded down")
	}
}
