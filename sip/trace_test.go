package sip

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// One call with a challenge and a repeated 200, drawn.
func TestTraceOfACall(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		w.respond(inv, "407 Proxy Authentication Required", "x", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
		w.expect("ACK")
		inv = w.expect("INVITE")
		if !strings.Contains(inv.get("proxy-authorization"), `response="`) {
			t.Fatalf("no credentials: %v", inv)
		}
		<-time.After(100 * time.Millisecond)
		w.respond(inv, "183 Session Progress", "callee", peerContact, "body:"+sdpAnswer)
		<-time.After(time.Second)
		w.ok(inv, "callee")
		w.expect("ACK")
		w.ok(inv, "callee")
		l := d.up()
		w.receive(time.Second)
		w.ask("BYE", inv, "callee", 1, `Reason: Q.850;cause=16;text="Normal"`)
		w.expect("200")
		<-l.Done()

		messages, dropped, ok := w.e.Trace("call_1")
		if !ok || dropped != 0 {
			t.Fatalf("%v, %d dropped", ok, dropped)
		}
		for _, m := range messages {
			if strings.Contains(m.Message, "secret") || strings.Contains(m.Message, "response=\"") && !strings.Contains(m.Message, `response="***"`) {
				t.Errorf("a secret is shown: %s", m.Message)
			}
			if m.Call != "call_1" || m.Side != "rep" || m.Transport != "udp" || m.CallID != l.CallID() {
				t.Errorf("%+v", m)
			}
		}
		_, drawn, _ := strings.Cut(Ladder(messages, dropped), "\n")
		if drawn != strings.TrimPrefix(wantLadder, "\n") {
			t.Errorf("got\n%s\nwant%s", drawn, wantLadder)
		}
		if _, _, ok := w.e.Trace("call_2"); ok {
			t.Error("a call nobody made has a trace")
		}
	})
}

const wantLadder = `
    0.000 rep       INVITE sip:+441632960001@10.0.0.2                    ──► 10.0.0.2:5060          SDP
    0.000 rep       407 Proxy Authentication Required                    ◄── 10.0.0.2:5060
    0.000 rep       ACK sip:+441632960001@10.0.0.2                       ──► 10.0.0.2:5060
    0.000 rep       INVITE sip:+441632960001@10.0.0.2                    ──► 10.0.0.2:5060          SDP
    0.100 rep       183 Session Progress                                 ◄── 10.0.0.2:5060          SDP
    1.100 rep       200 OK                                               ◄── 10.0.0.2:5060          SDP
    1.100 rep       ACK sip:callee@10.0.0.2:5060                         ──► 10.0.0.2:5060
    1.100 rep       200 OK                                               ◄── 10.0.0.2:5060          again, SDP
    1.100 rep       ACK sip:callee@10.0.0.2:5060                         ──► 10.0.0.2:5060          again
    1.100 rep       BYE sip:tandem@10.0.0.1                              ◄── 10.0.0.2:5060          Reason: Q.850;cause=16;text="Normal"
    1.100 rep       200 OK  (BYE)                                        ──► 10.0.0.2:5060
`

func TestTraceIsBounded(t *testing.T) {
	tr := newTracer(nil)
	raw := []byte("OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n" + strings.Repeat("x", 5000))
	tr.follow("1", "call_1", "rep")
	for range tracedMessages + 5 {
		tr.note(Traced{}, raw)
	}
	c := tr.calls["call_1"]
	if len(c.messages) != tracedMessages || c.dropped != 5 || len(c.messages[0].Message) != tracedOctets {
		t.Errorf("%d kept, %d dropped", len(c.messages), c.dropped)
	}
	for i := 2; i < tracedCalls+100; i++ {
		tr.follow(fmt.Sprint(i), fmt.Sprintf("call_%d", i), "rep")
	}
	if len(tr.calls) != tracedCalls || len(tr.legs) != tracedCalls || len(tr.order) != tracedCalls || tr.octets != 0 {
		t.Errorf("%d calls, %d legs, %d octets", len(tr.calls), len(tr.legs), tr.octets)
	}
	for i := 200; i < 1000; i++ {
		for range 20 {
			tr.note(Traced{}, []byte("OPTIONS sip:a SIP/2.0\r\ni: "+fmt.Sprint(i)+"\r\n\r\n"+strings.Repeat("x", 5000)))
		}
	}
	if tr.octets > tracedTotal {
		t.Errorf("%d octets", tr.octets)
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range [][2]string{
		{"A: b\r\nAuthorization: Digest username=\"acme\", response=\"0123\", uri=\"x\"\r\n", "A: b\r\nAuthorization: Digest username=\"acme\", response=\"***\", uri=\"x\"\r\n"},
		{"proxy-authorization:Digest response=0123,nc=1\r\n", "proxy-authorization:Digest response=***,nc=1\r\n"},
		{"Authorization: Basic Zm9vOmJhcg==\r\nX: y", "Authorization: Basic ***\r\nX: y"},
		{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20\r\n", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20\r\n"},
		{"a=CRYPTO:1 AES_CM_128_HMAC_SHA1_80 INLINE:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20\r\n", "a=CRYPTO:1 AES_CM_128_HMAC_SHA1_80 INLINE:***|2^20\r\n"},
		{"A: b\r\nPROXY-AUTHORIZATION: Digest response=\"0123\"\r\n\r\nv=0\r\na=x inline:k3y\r\n", "A: b\r\nPROXY-AUTHORIZATION: Digest response=\"***\"\r\n\r\nv=0\r\na=x inline:***\r\n"},
		{"WWW-Authenticate: Digest realm=\"r\"\r\n", "WWW-Authenticate: Digest realm=\"r\"\r\n"},
	} {
		if got := redact([]byte(tt[0])); got != tt[1] {
			t.Errorf("%q, want %q", got, tt[1])
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	invite := []byte("INVITE sip:+12062000001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK.x\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 2 INVITE\r\n" +
		"Proxy-Authorization: Digest username=\"bench\", realm=\"carrier\", nonce=\"0123456789abcdef\", uri=\"sip:+12062000001@192.0.2.1\", response=\"0123456789abcdef0123456789abcdef\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"f00\"\r\n" +
		"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO\r\nSupported: timer, 100rel\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 10000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n")
	b.ReportAllocs()
	for b.Loop() {
		redact(invite)
	}
}

// What a collector gets, read by hand.
func TestHEP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		dials := 0
		h := NewHEP(func(context.Context) (net.Conn, error) {
			if dials++; dials == 1 {
				return nil, errEnough
			}
			return near, nil
		}, 2001, "geheim", testLog())
		at := time.Unix(1795420931, 204000000)
		h.Send(Traced{
			At: at, Call: "call_1", Side: "rep", Sent: true, Transport: "udp", Message: "INVITE sip:a SIP/2.0\r\n\r\n",
			Local: netip.MustParseAddrPort("10.0.0.1:5060"), Remote: netip.MustParseAddrPort("10.0.0.2:5062"),
		})
		h.Send(Traced{
			At: at, Transport: "tls", Message: "SIP/2.0 200 OK\r\n\r\n",
			Local: netip.MustParseAddrPort("[2001:db8::1]:5061"), Remote: netip.MustParseAddrPort("[2001:db8::2]:40000"),
		})
		b := make([]byte, 2000)
		n, err := far.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got := chunks(t, b[:n])
		for kind, want := range map[uint16]string{
			1: "\x02", 2: "\x11", 3: "\x0a\x00\x00\x01", 4: "\x0a\x00\x00\x02", 7: "\x13\xc4", 8: "\x13\xc6",
			9: string(binary.BigEndian.AppendUint32(nil, 1795420931)), 10: string(binary.BigEndian.AppendUint32(nil, 204000)),
			11: "\x01", 12: "\x00\x00\x07\xd1", 14: "geheim", 15: "INVITE sip:a SIP/2.0\r\n\r\n", 17: "call_1",
		} {
			if got[kind] != want {
				t.Errorf("chunk %d: %q, want %q", kind, got[kind], want)
			}
		}
		if n, err = far.Read(b); err != nil {
			t.Fatal(err)
		}
		got = chunks(t, b[:n])
		local, remote := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
		if got[1] != "\x0a" || got[2] != "\x06" || got[5] != string(remote[:]) || got[6] != string(local[:]) || got[17] != "" {
			t.Errorf("%v", got)
		}
		for range hepQueue + 10 { // nobody reads
			h.Send(Traced{})
		}
		if h.Lost() == 0 {
			t.Error("nothing is lost")
		}
		_ = far.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// chunks reads a HEP3 packet.
func chunks(t *testing.T, b []byte) map[uint16]string {
	t.Helper()
	if string(b[:4]) != "HEP3" || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		t.Fatalf("no HEP3 packet: %q", b)
	}
	all := make(map[uint16]string)
	for b = b[6:]; len(b) > 0; {
		size := binary.BigEndian.Uint16(b[4:])
		if vendor := binary.BigEndian.Uint16(b); vendor != 0 || size < 6 || int(size) > len(b) {
			t.Fatalf("chunk %q", b)
		}
		all[binary.BigEndian.Uint16(b[2:])] = string(b[6:size])
		b = b[size:]
	}
	return all
}

// The collector hears what belongs to no call, too.
func TestCaptureHearsEverything(t *testing.T) {
	heard := make(chan Traced, 100)
	inBubble(t, func(w *world) {
		w.write(w.e.sockets[0].local, "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nFrom: <sip:a@10.0.0.2>;tag=1\r\n"+
			"To: <sip:10.0.0.1>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
		w.expect("200")
		var got []string
		for range 2 {
			m := <-heard
			got = append(got, fmt.Sprintf("%s%s %v", m.Call, m.CallID, m.Sent))
		}
		if !slices.Equal(got, []string{"ping false", "ping true"}) {
			t.Errorf("%q", got)
		}
	}, func(c *Config) { c.Capture = func(m Traced) { heard <- m } })
}
