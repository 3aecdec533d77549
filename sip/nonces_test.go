package sip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

const aNonce = `Proxy-Authenticate: Digest realm="r", qop="auth", nonce=`

// credentialsOf are those of an INVITE; nil = it has none.
func credentialsOf(m message) map[string]string {
	if value := m.get("proxy-authorization"); value != "" {
		return parameters(value)
	}
	return nil
}

// refuse challenges a request with a nonce.
func (w *world) refuse(m message, nonce string) message {
	w.t.Helper()
	w.respond(m, "407 Proxy Authentication Required", "x", aNonce+nonce)
	w.expect("ACK")
	return w.expect("INVITE")
}

// busy answers an INVITE for good.
func (w *world) busy(m message) {
	w.t.Helper()
	w.respond(m, "486 Busy Here", "x")
	w.expect("ACK")
}

func TestTheNextCallIsNotChallenged(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		m := w.expect("INVITE")
		if credentialsOf(m) != nil {
			t.Error("credentials that nobody asked for")
		}
		w.busy(w.refuse(m, `"n"`))
		_ = d.fails()
		for call := 2; call <= 4; call++ {
			d = w.dial(invite())
			m = w.expect("INVITE")
			if c := credentialsOf(m); c["nonce"] != "n" || c["nc"] != fmt.Sprintf("%08x", call) {
				t.Errorf("call %d: %v", call, c)
			}
			w.busy(m)
			_ = d.fails()
		}
		// It has run out, and the trunk says so: the next one counts anew.
		d = w.dial(invite())
		m = w.refuse(w.expect("INVITE"), `"m", stale=true`)
		if c := credentialsOf(m); c["nonce"] != "m" || c["nc"] != "00000001" {
			t.Errorf("after a stale one: %v", c)
		}
		w.busy(m)
		_ = d.fails()
	})
}

// A trunk whose nonces are good for one request each is not shown an old one for
// ever, and one that has refused the password is not shown the same again.
func TestNoncesThatDoNotHold(t *testing.T) {
	inBubble(t, func(w *world) {
		for call := range 10 {
			d := w.dial(invite())
			m := w.expect("INVITE")
			if borrowed := credentialsOf(m) != nil; borrowed != (call > 0 && call <= enoughMisses) {
				t.Errorf("call %d begins with a nonce of another: %v", call+1, borrowed)
			}
			w.busy(w.refuse(m, fmt.Sprintf(`"%d"`, call)))
			_ = d.fails()
		}
	})
	inBubble(t, func(w *world) {
		for range 3 {
			d := w.dial(invite())
			m := w.expect("INVITE")
			if credentialsOf(m) != nil {
				t.Error("credentials that were refused before")
			}
			m = w.refuse(m, `"same"`)
			w.respond(m, "407 Proxy Authentication Required", "x", aNonce+`"same"`)
			w.expect("ACK")
			if err := d.fails(); !errors.Is(err, errAuthRefused) {
				t.Error(err)
			}
		}
	})
}

// No nonce is counted twice, by a thousand calls at once, while the trunk changes it
// every four hundred and says that the old one is stale.
func TestNoCountIsUsedTwice(t *testing.T) {
	const calls = 1000
	inBubble(t, func(w *world) {
		var over sync.WaitGroup
		for range calls {
			over.Go(func() {
				var refused *Error
				if _, err := w.e.Dial(context.Background(), invite()); !errors.As(err, &refused) || refused.Code != 486 {
					t.Error(err)
				}
			})
		}
		counts := make(map[string]bool)
		for taken := 0; taken < calls; {
			m, ok := w.next(time.Minute)
			if !ok {
				t.Fatalf("%d of %d calls came through", taken, calls)
			}
			if m.method() != "INVITE" {
				continue
			}
			c, current := credentialsOf(m), fmt.Sprint(taken/400)
			used := c["nonce"] + " " + c["nc"]
			switch {
			case c == nil:
				w.respond(m, "407 Proxy Authentication Required", "x", aNonce+`"`+current+`"`)
				continue
			case counts[used]:
				t.Fatalf("%s is used twice", used)
			case c["nonce"] != current:
				w.respond(m, "407 Proxy Authentication Required", "x", aNonce+`"`+current+`", stale=true`)
			default:
				taken++
				w.respond(m, "486 Busy Here", "x")
			}
			counts[used] = true
		}
		over.Wait()
	})
}

// The servers of a trunk need not know each other's nonces: each is shown its own.
func TestEachServerHasItsNonces(t *testing.T) {
	twoTargets(t, func(w *world, second *peer) {
		challenge := func(p *peer, nonce string) {
			inv := p.expect("INVITE")
			if c := credentialsOf(inv); c != nil {
				t.Errorf("shown %v before it has given any", c)
			}
			p.respond(inv, "407 Proxy Authentication Required", "x", aNonce+nonce)
			p.expect("ACK")
		}
		refuse := func(p *peer, nonce, status string) {
			inv := p.expect("INVITE")
			if c := credentialsOf(inv); c["nonce"] != nonce {
				t.Errorf("shown %v, has given %s", c, nonce)
			}
			p.respond(inv, status, "x")
			p.expect("ACK")
		}
		d := w.dial(hasty())
		challenge(w.peer, `"one"`)
		refuse(w.peer, "one", "500 Server Internal Error")
		challenge(second, `"two"`)
		refuse(second, "two", "486 Busy Here")
		_ = d.fails()
		d = w.dial(hasty())
		refuse(w.peer, "one", "500 Server Internal Error")
		refuse(second, "two", "486 Busy Here")
		_ = d.fails()
	}, func(c *TrunkConfig) { c.Username, c.Password = "acme", "secret" })
}
