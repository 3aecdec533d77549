package sip

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// registering makes the world's trunk one that is registered at, for ten minutes.
func registering(c *Config) {
	c.Trunks[0].Register = Register{Expires: 10 * time.Minute}
}

const challengeLine = `WWW-Authenticate: Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5`

// registers waits for the next REGISTER, which may be long in coming.
func (w *world) registers() message {
	w.t.Helper()
	m, ok := w.next(time.Hour)
	if !ok || m.method() != "REGISTER" {
		w.t.Fatalf("waiting for REGISTER: %q", m.line)
	}
	return m
}

// register takes the REGISTER that must come, through a challenge, and grants it.
func (w *world) register(extra ...string) message {
	w.t.Helper()
	m := w.registers()
	if m.get("authorization") == "" {
		w.respond(m, "401 Unauthorized", "r", challengeLine)
		m = w.registers()
	}
	w.respond(m, "200 OK", "r", extra...)
	synctest.Wait()
	return m
}

// contactOf is the URI of a message's Contact.
func contactOf(m message) string { return addressURI(m.get("contact")) }

func TestRegistration(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.registers()
		if first.uri() != "sip:10.0.0.2" || first.get("to") != "<sip:acme@10.0.0.2>" || first.get("expires") != "600" ||
			first.get("contact") != "<sip:acme@10.0.0.1>;expires=600" || first.get("supported") != "path" {
			t.Errorf("%v", first)
		}
		if w.e.Trunks()[0].Usable() {
			t.Error("calls are sent to where we are not known yet")
		}
		w.respond(first, "401 Unauthorized", "r", challengeLine)
		second := w.registers()
		if second.get("call-id") != first.get("call-id") || second.cseq() != first.cseq()+1 || !strings.Contains(second.get("authorization"), "nc=00000001") {
			t.Errorf("%v", second)
		}
		// A registrar lists everybody who is registered.
		w.respond(second, "200 OK", "r", "Contact: <sip:acme@192.0.2.9>;expires=30, \"x\" <sip:acme@10.0.0.1:5060>;q=0.5;expires=120", "Expires: 3600")
		synctest.Wait()
		if s := w.e.Trunks()[0]; !s.Registered || !s.Usable() {
			t.Errorf("%+v", s)
		}
		for range 5 {
			began := time.Now()
			again := w.registers()
			if waited := time.Since(began); waited < 60*time.Second || waited > 97*time.Second {
				t.Errorf("refreshed after %v of 120 s", waited)
			}
			if again.get("call-id") != first.get("call-id") || !strings.Contains(again.get("authorization"), `nonce="n1"`) {
				t.Errorf("%v", again)
			}
			w.respond(again, "200 OK", "r", "Contact: <sip:acme@10.0.0.1>;expires=120")
		}
		// Requests to the contact are let in.
		w.write(w.e.sockets[0].local, strings.Replace(w.request("NOTIFY", first, "x", 1), ";tag="+first.param("from", "tag"), "", 1))
		if m := w.expect("200"); !strings.Contains(m.get("cseq"), "NOTIFY") {
			t.Errorf("%v", m)
		}
		// And at the end we go.
		done := make(chan error, 1)
		go func() { done <- w.e.Close() }()
		last := w.registers()
		if last.get("expires") != "0" || last.get("contact") != "<sip:acme@10.0.0.1>;expires=0" {
			t.Errorf("%v", last)
		}
		w.respond(last, "200 OK", "r")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := w.e.Trunks()[0]; s.Registered {
			t.Errorf("%+v", s)
		}
	}, registering)
}

func TestRegistrationIntervalTooBrief(t *testing.T) {
	inBubble(t, func(w *world) {
		m := w.registers()
		w.respond(m, "423 Interval Too Brief", "r", "Min-Expires: 1800")
		m = w.register("Expires: 1800")
		if m.get("expires") != "1800" {
			t.Errorf("%v", m)
		}
		began := time.Now()
		w.register("Expires: 1800")
		if waited := time.Since(began); waited < 15*time.Minute || waited > 24*time.Minute+time.Second {
			t.Errorf("refreshed after %v", waited)
		}
		// One that asks for less than what was too brief is not believed.
		w.respond(w.registers(), "423 Interval Too Brief", "r", "Min-Expires: 10")
		w.quiet(10 * time.Second)
	}, registering)
}

func TestRegistrationLearnsThePublicAddress(t *testing.T) {
	inBubble(t, func(w *world) {
		natted := func(m message, status string, extra ...string) {
			via := strings.Replace(m.get("via"), ";rport", ";rport=40001;received=203.0.113.7", 1)
			w.write(m.from, strings.Replace(response(m, status, "r", extra...), m.get("via"), via, 1))
		}
		m := w.registers()
		natted(m, "401 Unauthorized", challengeLine)
		m = w.registers()
		if contactOf(m) != "sip:acme@203.0.113.7:40001" || !strings.Contains(m.get("via"), "203.0.113.7:40001") {
			t.Errorf("%v", m)
		}
		natted(m, "200 OK", "Contact: <sip:acme@203.0.113.7:40001>;expires=600")
		synctest.Wait()
		if addr, err := w.e.Public(context.Background(), "carrier"); err != nil || addr != netip.MustParseAddr("203.0.113.7") {
			t.Errorf("media would name %v, %v", addr, err)
		}
		// The NAT gives us another port: the old contact goes, the new one comes.
		m = w.registers()
		via := strings.Replace(m.get("via"), ";rport", ";rport=40002;received=203.0.113.7", 1)
		w.write(m.from, strings.Replace(response(m, "200 OK", "r", "Contact: <sip:acme@203.0.113.7:40001>;expires=600"), m.get("via"), via, 1))
		m = w.registers()
		if contactOf(m) != "sip:acme@203.0.113.7:40001" || m.get("expires") != "0" {
			t.Errorf("the old contact is kept: %v", m)
		}
		w.respond(m, "200 OK", "r")
		m = w.registers()
		if contactOf(m) != "sip:acme@203.0.113.7:40002" || m.get("expires") != "600" {
			t.Errorf("%v", m)
		}
		w.respond(m, "200 OK", "r", "Contact: <sip:acme@203.0.113.7:40002>;expires=600")
	}, registering)
}

func TestRegistrationBacksOff(t *testing.T) {
	inBubble(t, func(w *world) {
		// Nobody answers: soon again, and then less and less often.
		var waits []time.Duration
		w.registers()
		for range 5 {
			began := time.Now()
			w.registers()
			waits = append(waits, time.Since(began)-registerTimeout)
		}
		if waits[0] > 2*time.Second || waits[4] < 16*time.Second || waits[4] > 33*time.Second {
			t.Errorf("tried again after %v", waits)
		}
		if s := w.e.Trunks()[0]; s.Registered || !strings.HasPrefix(s.LastFailed, "register: ") {
			t.Errorf("%+v", s)
		}
		// Refused: not before Retry-After, and not more often than that allows.
		m := w.registers()
		w.respond(m, "403 Forbidden", "r", "Retry-After: 600")
		began := time.Now()
		w.registers()
		if waited := time.Since(began); waited < 5*time.Minute || waited > 10*time.Minute {
			t.Errorf("after a refusal tried again after %v", waited)
		}
	}, registering)
}

func TestWrongPasswordIsRefusedAndSaid(t *testing.T) {
	inBubble(t, func(w *world) {
		for i := range 3 {
			m := w.registers()
			w.respond(m, "401 Unauthorized", "r", strings.Replace(challengeLine, "n1", "n"+string(rune('1'+i)), 1))
		}
		synctest.Wait()
		if s := w.e.Trunks()[0]; s.Registered || !strings.Contains(s.LastFailed, "check username, password and realm") {
			t.Errorf("%+v", s)
		}
		w.quiet(14 * time.Second) // no registrar likes to be asked again at once
	}, registering)
}

// Who passes the registrar's requests on to us is let in; nobody else of the Path is.
func TestPath(t *testing.T) {
	inBubble(t, func(w *world) {
		near, far := newPeer(t, w.wire, "10.0.0.4:5060"), newPeer(t, w.wire, "10.0.0.5:5060")
		ask := func(p *peer, id string) {
			p.write(w.e.sockets[0].local, strings.ReplaceAll(pingAs(id), "10.0.0.2", p.conn.LocalAddr().String()))
		}
		ask(near, "before")
		near.silence(time.Second)
		w.register("Expires: 600", "Path: <sip:10.0.0.5;lr>, <sip:10.0.0.4;lr;ob>")
		ask(near, "after")
		if res := near.expect("200"); res.get("call-id") != "after" {
			t.Errorf("%v", res)
		}
		ask(far, "far")
		far.silence(time.Second)
		w.register("Expires: 600", "Path: <tel:+1>") // no harm done
	}, registering)
}

// Requests to a trunk behind an outbound proxy go there, and say so by Route: calls
// with what the registrar wants after it. Carriers that cannot read that can be spared.
func TestOutboundProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		proxy, service string
		outside, call  string // Route of a REGISTER, and of an INVITE
	}{
		"by Route":                 {"10.0.0.2:5060", "", "<sip:10.0.0.2:5060;lr>", "<sip:10.0.0.2:5060;lr>"},
		"without":                  {"10.0.0.2;hide", "", "", ""},
		"and a Service-Route":      {"10.0.0.2", "<sip:core.example;lr>", "<sip:10.0.0.2;lr>", "<sip:10.0.0.2;lr> <sip:core.example;lr>"},
		"which is the same proxy":  {"10.0.0.2", "<sip:10.0.0.2;lr>, <sip:core.example;lr>", "<sip:10.0.0.2;lr>", "<sip:10.0.0.2;lr> <sip:core.example;lr>"},
		"hidden, and a Service-R.": {"10.0.0.2;hide", "<sip:core.example;lr>", "", "<sip:core.example;lr>"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				reg := w.register("Expires: 600", "Service-Route: "+tt.service)
				if got := strings.Join(reg.all("route"), " "); got != tt.outside || reg.uri() != "sip:pbx.example" {
					t.Errorf("REGISTER %s by %s", reg.uri(), got)
				}
				d := w.dial(invite())
				inv := w.expect("INVITE")
				if got := strings.Join(inv.all("route"), " "); got != tt.call || inv.uri() != "sip:+441632960001@pbx.example" {
					t.Errorf("INVITE %s by %s", inv.uri(), got)
				}
				w.respond(inv, "486 Busy Here", "x")
				if ack := w.expect("ACK"); strings.Join(ack.all("route"), " ") != tt.call {
					t.Errorf("ACK %v", ack)
				}
				_ = d.fails()
			}, registering, func(c *Config) { c.Trunks[0].Host, c.Trunks[0].Proxy = "pbx.example", tt.proxy })
		})
	}
}

// Calls take the route that the registrar gave.
func TestServiceRoute(t *testing.T) {
	inBubble(t, func(w *world) {
		w.register("Expires: 600", "Service-Route: <sip:10.0.0.4;lr>, <sip:core.example;lr>", "Path: <sip:edge.example;lr>")
		edge := newPeer(t, w.wire, "10.0.0.4:5060")
		d := w.dial(invite())
		inv := edge.expect("INVITE")
		if got := strings.Join(inv.all("route"), " "); got != "<sip:10.0.0.4;lr> <sip:core.example;lr>" || inv.uri() != "sip:+441632960001@10.0.0.2" {
			t.Errorf("%s by %s", inv.uri(), got)
		}
		edge.respond(inv, "180 Ringing", "x")
		synctest.Wait()
		d.cancel(errEnough)
		_ = d.fails()
		cancel := edge.expect("CANCEL")
		if got := strings.Join(cancel.all("route"), " "); got != "<sip:10.0.0.4;lr> <sip:core.example;lr>" {
			t.Errorf("CANCEL by %s", got)
		}
		edge.respond(cancel, "200 OK", "x")
		edge.respond(inv, "487 Request Terminated", "x")
		edge.expect("ACK")
	}, registering)
}

func TestGrantedTime(t *testing.T) {
	const ours = "sip:acme@10.0.0.1"
	for _, tt := range []struct {
		headers string
		want    time.Duration
	}{
		{"", 600 * time.Second},
		{"Expires: 120\r\n", 120 * time.Second},
		{"Contact: <sip:acme@10.0.0.1>;expires=60\r\nExpires: 120\r\n", 60 * time.Second},
		{"m: <sip:acme@10.0.0.1:5060;transport=udp>;expires=60\r\n", 60 * time.Second},
		{"Contact: <sip:acme@10.0.0.1>\r\nExpires: 120\r\n", 120 * time.Second},
		{"Contact: <sip:acme@10.0.0.9>;expires=30\r\nContact: <sip:acme@10.0.0.1>;EXPIRES=90\r\n", 90 * time.Second},
		{"Contact: <sip:acme@172.16.0.1:1024>;expires=45, <sip:x@y>;expires=300\r\n", 45 * time.Second}, // rewritten on the way
		{"Contact: <sip:acme@10.0.0.1>;expires=nonsense\r\n", 600 * time.Second},
		{"Contact: *\r\n", 600 * time.Second},
		{"Contact: <sip:acme@10.0.0.1>;expires=4294967295\r\n", longestExpires},
		{"Contact: <sip:acme@10.0.0.1>;expires=0\r\n", 0},
	} {
		res := parseResponse(t, tt.headers)
		if got := grantedTo(res, ours, 600*time.Second); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.headers, got, tt.want)
		}
	}
}

// parseResponse makes a 200 to a REGISTER with these header lines.
func parseResponse(t testing.TB, lines string) *sipmsg.Response {
	t.Helper()
	msg, err := newParser().ParseSIP([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n" +
		"Call-ID: x\r\nCSeq: 1 REGISTER\r\n" + lines + "Content-Length: 0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*sipmsg.Response)
}

func FuzzRegistrar(f *testing.F) {
	for _, lines := range []string{
		"Contact: <sip:acme@10.0.0.1>;expires=60\r\nService-Route: <sip:edge.example;lr>\r\nPath: <sip:p;lr>\r\n",
		"Contact: *\r\nMin-Expires: 99999999999\r\n", "Service-Route: <sip:[::1];transport=ws>\r\n", "m: \"<\";expires=\"5\"\r\n",
	} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		msg, err := newParser().ParseSIP([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n" +
			"Call-ID: x\r\nCSeq: 1 REGISTER\r\n" + lines + "Content-Length: 0\r\n\r\n"))
		res, ok := msg.(*sipmsg.Response)
		if err != nil || !ok {
			return
		}
		if granted := grantedTo(res, "sip:acme@10.0.0.1", time.Minute); granted < 0 || granted > longestExpires {
			t.Errorf("granted %v", granted)
		}
		tr := &trunk{pulse: &pulse{}}
		tr.follow(list(res, "service-route"))
		for _, route := range tr.routes {
			if !headerSafe(route) || addressURI(route) == "" {
				t.Errorf("would send Route: %q", route)
			}
		}
		for _, path := range list(res, "path") {
			if uri, transport, ok := nextHop(path); ok && (uri.Host == "" || uri.Port < 0 || uri.Port > 65535 || transport != "" && prefixes[transport] == "") {
				t.Errorf("would go by %q to %v", path, uri)
			}
		}
		r := &registrar{ask: time.Minute}
		if r.raise(res); r.ask < time.Minute || r.ask > longestExpires {
			t.Errorf("would ask for %v", r.ask)
		}
		sent := netip.MustParseAddrPort("10.0.0.1:5060")
		if seen := seenIn(sent, res); seen.IsValid() {
			tr.learn("udp", sent, seen)
		}
	})
}
