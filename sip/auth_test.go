package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// parameters are the parts of a credentials header.
func parameters(value string) map[string]string {
	all := make(map[string]string)
	for _, part := range splitQuoted(strings.TrimPrefix(value, "Digest "), ',') {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		all[name] = strings.Trim(v, `"`)
	}
	return all
}

func TestDigestVectors(t *testing.T) {
	// RFC 7616 §3.9.1: one request, two algorithms.
	mufasa := newAuthenticator(credentials{Username: "Mufasa", Password: "Circle of Life"}, new(nonces))
	const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	for algorithm, want := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		n := &nonce{
			space: space{realm: "http-auth@example.org"}, value: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			opaque: "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", algorithm: algorithm, qop: "auth",
		}
		if got := parameters(mufasa.answer(n, 1, "GET", "/dir/index.html", nil, cnonce))["response"]; got != want {
			t.Errorf("%s: %s, want %s", algorithm, got, want)
		}
	}
	// RFC 2069 §2.4 as corrected by errata 749: a server without qop.
	old := newAuthenticator(credentials{Username: "Mufasa", Password: "CircleOfLife"}, new(nonces))
	n := &nonce{space: space{realm: "testrealm@host.com"}, value: "dcd98b7102dd2f0e8b11d0f600bfb0c093"}
	if got := parameters(old.answer(n, 1, "GET", "/dir/index.html", nil, "x"))["response"]; got != "1949323746fe6a43ef61f9606e7febea" {
		t.Errorf("without qop: %s", got)
	}
}

func acme() *authenticator {
	return newAuthenticator(credentials{Username: "acme", Password: "secret"}, new(nonces))
}

func TestStrongestAlgorithmOfARealmIsAnswered(t *testing.T) {
	a := acme()
	err := a.challenge(401, []string{
		`Digest realm="r", nonce="m", algorithm=MD5, qop="auth"`,
		`Basic realm="r"`,
		`Digest realm="r", nonce="x", algorithm=SHA-512-256, qop="auth"`,
		`Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth-int, auth"`,
	})
	if err != nil {
		t.Fatal(err)
	}
	all := a.headers("INVITE", "sip:+1@host", nil)
	if len(all) != 1 || all[0].Name != "Authorization" {
		t.Fatalf("got %v", all)
	}
	if p := parameters(all[0].Value); p["nonce"] != "s" || p["algorithm"] != "SHA-256" || p["qop"] != "auth" || p["nc"] != "00000001" {
		t.Errorf("got %v", p)
	}
}

func TestProxyAndServerAreAnsweredTogether(t *testing.T) {
	a := acme()
	for code, value := range map[int]string{407: `Digest realm="proxy", nonce="p"`, 401: `Digest realm="server", nonce="s"`} {
		if err := a.challenge(code, []string{value}); err != nil {
			t.Fatal(err)
		}
	}
	names := ""
	for _, h := range a.headers("INVITE", "sip:+1@host", nil) {
		names += h.Name + " "
	}
	if !strings.Contains(names, "Proxy-Authorization ") || len(strings.Fields(names)) != 2 {
		t.Errorf("got %q", names)
	}
}

func TestTwoChallengesInOneHeader(t *testing.T) {
	a := acme()
	if err := a.challenge(401, []string{`Digest realm="a, b", nonce="1", qop="auth",Digest realm="c\"", nonce="2"`}); err != nil {
		t.Fatal(err)
	}
	all := a.headers("INVITE", "sip:+1@host", nil)
	if len(all) != 2 || !strings.Contains(all[0].Value, `realm="a, b"`) || !strings.Contains(all[1].Value, `realm="c\""`) {
		t.Errorf("got %v", all)
	}
}

func TestNonceIsUsedAgainWithARisingCount(t *testing.T) {
	a := acme()
	if err := a.challenge(401, []string{`Digest realm="r", nonce="n", qop="auth", opaque="o"`}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"00000001", "00000002", "00000003"} {
		p := parameters(a.headers("BYE", "sip:+1@host", nil)[0].Value)
		if p["nc"] != want || p["opaque"] != "o" {
			t.Errorf("got %v, want nc %s", p, want)
		}
	}
}

func TestRefusalIsToldFromAStaleNonce(t *testing.T) {
	a := acme()
	ask := func(nonce, more string) error {
		err := a.challenge(407, []string{`Digest realm="r", nonce="` + nonce + `"` + more})
		a.headers("INVITE", "sip:+1@host", nil)
		return err
	}
	for i := range 10 {
		if err := ask(strings.Repeat("n", i+1), ", stale=TRUE"); err != nil {
			t.Fatalf("stale %d: %v", i, err)
		}
		a.headers("UPDATE", "sip:+1@host", nil) // the answer was taken
	}
	if err := ask("other", ""); err != nil {
		t.Fatalf("a nonce that ran out unsaid: %v", err)
	}
	if err := ask("another", ""); !errors.Is(err, errAuthRefused) || authReason(err) != authRefused {
		t.Errorf("got %v", err)
	}
}

// Whatever is asked for, and however often: there is an end to it.
func TestChallengesEnd(t *testing.T) {
	for name, challenge := range map[string]func(i int) (code int, value string){
		"always stale":       func(i int) (int, string) { return 407, fmt.Sprintf(`Digest realm="r", nonce="%d", stale=true`, i) },
		"two, turn by turn":  func(i int) (int, string) { return 401 + 6*(i%2), fmt.Sprintf(`Digest realm="r", nonce="%d"`, i) },
		"always other realm": func(i int) (int, string) { return 401, fmt.Sprintf(`Digest realm="r%d", nonce="n"`, i) },
	} {
		given := new(nonces)
		for range 3 { // calls
			a := newAuthenticator(credentials{Username: "acme", Password: "secret"}, given)
			var err error
			rounds := 0
			for ; err == nil && rounds < 100; rounds++ {
				if n := len(a.headers("INVITE", "sip:+1@host", nil)); n > realmsLimit {
					t.Errorf("%s: %d credentials in one request", name, n)
				}
				code, value := challenge(rounds)
				err = a.challenge(code, []string{value})
			}
			if !errors.Is(err, errAuthRefused) || rounds > challengeRounds+1 {
				t.Errorf("%s: %v after %d rounds", name, err, rounds)
			}
		}
	}
}

func TestSameNonceAgainIsARefusalAtOnce(t *testing.T) {
	a := acme()
	_ = a.challenge(401, []string{`Digest realm="r", nonce="n"`})
	a.headers("INVITE", "sip:+1@host", nil)
	if err := a.challenge(401, []string{`Digest realm="r", nonce="n"`}); !errors.Is(err, errAuthRefused) {
		t.Errorf("got %v", err)
	}
}

func TestWhatCannotBeAnswered(t *testing.T) {
	for name, tt := range map[string]struct {
		c     credentials
		value string
	}{
		"no username":    {credentials{}, `Digest realm="r", nonce="n"`},
		"basic":          {credentials{Username: "u"}, `Basic realm="r"`},
		"another realm":  {credentials{Username: "u", Realm: "mine"}, `Digest realm="r", nonce="n"`},
		"unknown qop":    {credentials{Username: "u"}, `Digest realm="r", nonce="n", qop="telepathy"`},
		"unknown digest": {credentials{Username: "u"}, `Digest realm="r", nonce="n", algorithm=SHA-512`},
		"no nonce":       {credentials{Username: "u"}, `Digest realm="r"`},
		"garbage":        {credentials{Username: "u"}, `"`},
	} {
		if err := newAuthenticator(tt.c, new(nonces)).challenge(401, []string{tt.value}); !errors.Is(err, errAuthUnsupported) || authReason(err) != authUnsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=true, Basic realm="x"`)
	f.Fuzz(func(t *testing.T, value string) {
		a := acme()
		if a.challenge(401, []string{value}) != nil {
			return
		}
		for _, h := range a.headers("INVITE", "sip:+1@host", nil) {
			if strings.Count(h.Value, `response="`) == 0 {
				t.Errorf("no response in %q", h.Value)
			}
		}
	})
}

func TestReasonHeader(t *testing.T) {
	tests := []struct {
		values []string
		want   Reason
		sent   string
	}{
		{nil, Reason{}, ""},
		{[]string{`Q.850;cause=16;text="Normal call clearing"`}, NormalClearing, `Q.850;cause=16;text="Normal call clearing"`},
		{[]string{`SIP ;cause=200 ;text="Call completed elsewhere", q.850; cause=17`}, Reason{"Q.850", 17, ""}, "Q.850;cause=17"},
		{[]string{`SIP;cause=603;text="a \"b\"; c, d"`}, Reason{"SIP", 603, `a "b"; c, d`}, `SIP;cause=603;text="a \"b\"; c, d"`},
		{[]string{"X.900;cause=1"}, Reason{}, ""},
		{[]string{"Q.850;cause=many", "SIP;cause=487"}, Reason{"SIP", 487, ""}, "SIP;cause=487"},
		{[]string{"Q.850;cause=16;text=\"a\r\nEvil: 1\""}, Reason{"Q.850", 16, "aEvil: 1"}, `Q.850;cause=16;text="aEvil: 1"`},
	}
	for _, tt := range tests {
		got := ParseReason(tt.values)
		if got != tt.want || got.String() != tt.sent {
			t.Errorf("%q: %+v, sent %q", tt.values, got, got.String())
		}
	}
}

func FuzzReason(f *testing.F) {
	f.Add(`Q.850;cause=16;text="Normal, \"call\" clearing", SIP;cause=200`)
	f.Fuzz(func(t *testing.T, value string) {
		r := ParseReason([]string{value})
		if again := ParseReason([]string{r.String()}); r.Text != "" && again != r || !headerSafe(r.String()) {
			t.Errorf("%+v is sent as %q and read as %+v", r, r.String(), again)
		}
	})
}

func TestWhatMayReachAHeader(t *testing.T) {
	for _, bad := range []string{"a\r\nb", "a\x00", "a\nb", "\xff"} {
		if headerSafe(bad) {
			t.Errorf("%q passed", bad)
		}
		if name, err := quoteName(bad); err == nil {
			t.Errorf("%q became %s", bad, name)
		}
	}
	if got, err := quoteName(`Ana "A" \ Ruíz`); err != nil || got != `"Ana \"A\" \\ Ruíz"` {
		t.Errorf("got %s, %v", got, err)
	}
	for number, ok := range map[string]bool{"+14155550100": true, "911*#": true, "": false, "+": false, "+1 415": false, "1;ext=2": false, "1\r\n": false, "1@evil": false} {
		if _, err := cleanNumber(number); (err == nil) != ok {
			t.Errorf("%q: %v", number, err)
		}
	}
}

// An ACK cannot be challenged, so it shows what its INVITE was let in with, and no
// count is used for it (RFC 3261 §13.2.2.4, §22.1).
func TestAckHasTheCredentialsOfItsInvite(t *testing.T) {
	inBubble(t, func(w *world) {
		shown := func(m message) string { return m.get("authorization") + m.get("proxy-authorization") }
		d := w.dial(invite())
		w.respond(w.expect("INVITE"), "401 Unauthorized", "x", `WWW-Authenticate: Digest realm="server", qop="auth", nonce="s"`)
		w.expect("ACK")
		w.respond(w.expect("INVITE"), "407 Proxy Authentication Required", "x", aNonce+`"p"`)
		w.expect("ACK")
		inv := w.expect("INVITE")
		w.ok(inv, "callee")
		ack := w.expect("ACK")
		if inv.get("authorization") == "" || inv.get("proxy-authorization") == "" || shown(ack) != shown(inv) {
			t.Errorf("INVITE %q\nACK %q", shown(inv), shown(ack))
		}
		l := d.up()
		go func() { _, _ = l.Reoffer(context.Background(), []byte(sdpHold)) }()
		again := w.expect("INVITE")
		w.ok(again, "callee")
		if ack := w.expect("ACK"); shown(again) == shown(inv) || shown(ack) != shown(again) {
			t.Errorf("re-INVITE %q\nACK %q", shown(again), shown(ack))
		}
		l.Hangup(Reason{})
		w.answerBye()
	})
}
