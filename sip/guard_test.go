package sip

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// outOfDialog is a request of somebody's who has no call with us.
func outOfDialog(method, branch string, extra ...string) string {
	var b strings.Builder
	b.WriteString(method + " sip:tandem@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK" + branch +
		"\r\nFrom: <sip:x@10.0.0.2>;tag=f\r\nTo: <sip:tandem@10.0.0.1>\r\nCall-ID: out" + branch +
		"\r\nCSeq: 1 " + method + "\r\n")
	return finishMessage(&b, extra)
}

func endpointAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:5060"))
}

func TestOutOfDialog(t *testing.T) {
	inBubble(t, func(w *world) {
		for method, want := range map[string]string{
			"OPTIONS": "200", "NOTIFY": "200", "INVITE": "403", "REFER": "403", "BYE": "481", "CANCEL": "481",
			"UPDATE": "481", "INFO": "481", "MESSAGE": "405", "SUBSCRIBE": "405", "REGISTER": "405", "FLY": "501",
		} {
			w.write(endpointAddr(), outOfDialog(method, "a"+method))
			res := w.expect(want)
			if want[0] == '4' && method == "MESSAGE" && !strings.Contains(res.get("allow"), "INVITE") {
				t.Errorf("405 without Allow: %v", res)
			}
			if method == "OPTIONS" && (res.get("allow") == "" || res.get("accept") != sdpType || res.get("supported") == "") {
				t.Errorf("OPTIONS 200 %v", res)
			}
			if method == "INVITE" {
				ack := strings.Replace(outOfDialog("ACK", "aINVITE"), "CSeq: 1 ACK", "CSeq: 1 ACK", 1)
				w.write(endpointAddr(), ack)
			}
		}
		w.write(endpointAddr(), outOfDialog("ACK", "zz"))
		w.quiet(time.Second)
	})
}

func TestOptionsWhileDraining(t *testing.T) {
	inBubble(t, func(w *world) {
		w.write(endpointAddr(), outOfDialog("OPTIONS", "a"))
		w.expect("503")
	}, func(c *Config) { c.Draining = func() bool { return true } })
}

func TestMalformedRequests(t *testing.T) {
	tests := map[string]struct {
		change [2]string
		want   string
	}{
		"no From tag":      {[2]string{";tag=f", ""}, "400"},
		"other CSeq":       {[2]string{"CSeq: 1 OPTIONS", "CSeq: 1 INFO"}, "400"},
		"scheme":           {[2]string{"OPTIONS sip:tandem@10.0.0.1", "OPTIONS urn:service:sos"}, "416"},
		"the last hop":     {[2]string{"CSeq:", "Max-Forwards: 0\r\nCSeq:"}, "200"}, // it came as far as it was meant to
		"unknown required": {[2]string{"CSeq:", "Require: a, 100rel\r\nCSeq:"}, "420"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.write(endpointAddr(), strings.Replace(outOfDialog("OPTIONS", "a"), tt.change[0], tt.change[1], 1))
				w.expect(tt.want)
			})
		})
	}
}

func TestOurOwnInviteComesBack(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		text := outOfDialog("INVITE", "loop")
		text = strings.Replace(text, "Call-ID: outloop", "Call-ID: "+inv.get("call-id"), 1)
		text = strings.Replace(text, "From: <sip:x@10.0.0.2>;tag=f", "From: "+inv.get("from"), 1)
		w.write(endpointAddr(), text)
		w.expect("482")
		ack := strings.Replace(text, "INVITE sip:", "ACK sip:", 1)
		w.write(endpointAddr(), strings.Replace(ack, "CSeq: 1 INVITE", "CSeq: 1 ACK", 1))
		w.respond(inv, "482 Loop Detected", "x")
		w.expect("ACK")
		var failed *Error
		if err := d.fails(); !errors.As(err, &failed) || failed.Code != 482 {
			t.Error(err)
		}
	})
}

func TestStrangersAreNotHeard(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg, []string{"carrier"})
	inBubble(t, func(w *world) {
		pool := w.e.tpl.Pool("udp")
		size := pool.Size()
		for i := range 3000 {
			stranger := w.wire.listen(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 5060).String())
			text := outOfDialog("INVITE", "junk")
			if i%2 == 0 {
				text = "junk\x00\xff"
			}
			if _, err := stranger.WriteTo([]byte(text), endpointAddr()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(stranger.in) != 0 {
				t.Fatal("a stranger got an answer")
			}
		}
		if grown := pool.Size() - size; grown != 0 {
			t.Errorf("sipgo's pool grew by %d", grown)
		}
		if n := measure(t, reg, "tandem_sip_dropped_total", dropNotAllowed); n != 3000 {
			t.Errorf("%v strangers counted", n)
		}
	}, func(c *Config) { c.Metrics = metrics })
}

func TestAllowFrom(t *testing.T) {
	inBubble(t, func(w *world) {
		monitor := newPeer(t, w.wire, "192.0.2.7:5060")
		monitor.write(endpointAddr(), strings.ReplaceAll(outOfDialog("OPTIONS", "a"), "10.0.0.2", "192.0.2.7"))
		monitor.expect("200")
	}, func(c *Config) { c.AllowFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
}

func TestJunkFromTheTrunk(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg, []string{"carrier"})
	inBubble(t, func(w *world) {
		junk := []string{"\r\n\r\n", "\x00", "x", "INVITE", "SIP/2.0 200 OK\r\n\r\n", "INVITE sip:x SIP/2.0\r\n\r\n", strings.Repeat("A", 60000)}
		for _, text := range junk {
			w.write(endpointAddr(), text)
		}
		w.write(endpointAddr(), outOfDialog("OPTIONS", "after"))
		for {
			m, ok := w.next(time.Second)
			if !ok {
				t.Fatal("deaf after junk")
			}
			if m.code() == 200 {
				break
			}
		}
		if n := measure(t, reg, "tandem_sip_dropped_total", dropParse); n == 0 {
			t.Error("no junk counted")
		}
	}, func(c *Config) { c.Metrics = metrics })
}

// Everything leaves from the one socket.
func TestEverythingFromTheListener(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "183 Session Progress", "callee", peerContact, "Require: 100rel", "RSeq: 1")
		w.respond(w.expect("PRACK"), "200 OK", "")
		w.ok(inv, "callee")
		w.expect("ACK")
		d.up().Hangup(Reason{})
		w.answerBye()
		cancelled := w.dial(invite())
		inv = w.expect("INVITE")
		w.respond(inv, "180 Ringing", "x")
		synctest.Wait()
		cancelled.cancel(errEnough)
		w.refuseCancelled(inv)
		w.wire.mu.Lock()
		defer w.wire.mu.Unlock()
		for _, line := range w.wire.log {
			from, rest, _ := strings.Cut(line, ">")
			if from != "10.0.0.1:5060" && from != "10.0.0.2:5060" {
				t.Errorf("%s sent %q", from, rest)
			}
		}
	})
}
