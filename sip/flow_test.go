package sip

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// sharedHost is one TLS address at which several names are.
type sharedHost struct {
	t        *testing.T
	listener net.Listener
	port     uint16
}

func newSharedHost(t *testing.T, a *authority, names ...string) *sharedHost {
	t.Helper()
	certs := make(map[string]*tls.Certificate)
	for _, name := range names {
		pair, err := tls.X509KeyPair(a.issue(name, time.Now().Add(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		certs[name] = &pair
	}
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{ClientAuth: tls.RequestClientCert,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if cert := certs[hello.ServerName]; cert != nil {
				return cert, nil
			}
			return certs[names[0]], nil // whoever is at home
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &sharedHost{t, l, netip.MustParseAddrPort(l.Addr().String()).Port()}
}

// accept takes the next connection, and says whom it is for and who it is from.
func (h *sharedHost) accept() (p *tcpPeer, name, client string) {
	h.t.Helper()
	conn, err := h.listener.Accept()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	secured := conn.(*tls.Conn)
	if err := secured.HandshakeContext(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	state := secured.ConnectionState()
	if certs := state.PeerCertificates; len(certs) > 0 {
		client = certs[0].Subject.CommonName
	}
	return &tcpPeer{t: h.t, conn: conn, r: bufio.NewReader(conn)}, state.ServerName, client
}

// flowWorld is an Endpoint without a TCP or TLS listener whose trunks are all on
// this machine.
func flowWorld(t *testing.T, trunks ...TrunkConfig) *Endpoint {
	t.Helper()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := newZone()
	for _, trunk := range trunks {
		z.set(trunk.Host+" A", address("127.0.0.1"))
	}
	e, err := Open(Config{UDP: []net.PacketConn{udp}, Log: testLog(), DNS: z.answer, Trunks: trunks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

type outcome struct {
	leg *Leg
	err error
}

func dialBy(t *testing.T, e *Endpoint, trunk string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		call := withMedia(new(mediaStub))
		call.Trunk = trunk
		l, err := e.Dial(t.Context(), call)
		done <- outcome{l, err}
	}()
	return done
}

// Two names at one address: each has its own connection, on which it is itself, and
// requests that come over one are answered on that one.
func TestTrunksAtOneAddressAreNotMistaken(t *testing.T) {
	a := newAuthority(t)
	h := newSharedHost(t, a, "one.example", "two.example")
	trunk := func(name, host string, change func(*TLS)) TrunkConfig {
		cfg := TrunkConfig{Name: name, Host: host, Port: h.port, Transport: "tls", TLS: TLS{CA: a.pem}}
		change(&cfg.TLS)
		return cfg
	}
	nothing := func(*TLS) {}
	e := flowWorld(t,
		trunk("one", "one.example", nothing), trunk("again", "one.example", nothing), trunk("two", "two.example", nothing),
		trunk("known", "one.example", func(c *TLS) { c.Cert, c.Key = a.issue("tandem", time.Now().Add(time.Hour)) }),
		trunk("three", "three.example", nothing))

	type call struct {
		p    *tcpPeer
		inv  message
		done <-chan outcome
	}
	calls := make(map[string]call)
	for _, tt := range []struct{ trunk, name, client string }{{"one", "one.example", ""}, {"two", "two.example", ""}, {"known", "one.example", "tandem"}} {
		done := dialBy(t, e, tt.trunk)
		p, name, client := h.accept()
		if name != tt.name || client != tt.client {
			t.Errorf("%s: a connection to %q from %q", tt.trunk, name, client)
		}
		calls[tt.trunk] = call{p, p.expect("INVITE"), done}
	}
	// One that trusts and shows the same as another shares its connection.
	done := dialBy(t, e, "again")
	calls["again"] = call{calls["one"].p, calls["one"].p.expect("INVITE"), done}

	for name, c := range calls {
		if !strings.Contains(c.inv.uri(), map[string]string{"two": "two.example"}[name]) {
			t.Errorf("%s: INVITE %s", name, c.inv.uri())
		}
		c.p.write(response(c.inv, "200 OK", "callee", "Contact: <sip:x@127.0.0.1;transport=tls>", "body:"+sdpAnswer))
		c.p.expect("ACK")
		got := <-c.done
		if got.err != nil {
			t.Fatal(got.err)
		}
		bye := strings.Replace((&peer{}).request("BYE", c.inv, "callee", 1), "SIP/2.0/UDP 10.0.0.2:5060", "SIP/2.0/TLS 10.0.0.2:5060;rport", 1)
		c.p.write(bye)
		if m := c.p.expect("200"); m.param("via", "received") != "127.0.0.1" {
			t.Errorf("%s: Via: %s", name, m.get("via"))
		}
		<-got.leg.Done()
	}
	// The name that nobody there can prove is not called, though others are connected.
	refused := dialBy(t, e, "three")
	go func() {
		if conn, err := h.listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	if got := <-refused; !errors.Is(got.err, ErrUnreachable) || !strings.Contains(got.err.Error(), "three.example") {
		t.Errorf("%v", got.err)
	}
}

// Without a listener the connection is the only way to us. Contact says so, with the
// address and port that the trunk sees, and what it sends back there reaches us.
func TestOnlyTheConnectionLeadsToUs(t *testing.T) {
	for _, public := range []string{"", "203.0.113.9"} {
		t.Run("public address "+public, func(t *testing.T) {
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			cfg := TrunkConfig{Name: "carrier", Host: "127.0.0.1", Transport: "tcp", Port: netip.MustParseAddrPort(listener.Addr().String()).Port(), Username: "acme", Password: "x",
				Register: Register{Expires: time.Hour}}
			if public != "" {
				cfg.Local = netip.AddrPortFrom(netip.MustParseAddr(public), 0)
			}
			e := flowWorld(t, cfg)
			p := accept(t, listener)
			nat := func(m message) string {
				return strings.Replace(response(m, "200 OK", "x", "Contact: "+m.get("contact"), "Expires: 3600"), ";rport", ";received=203.0.113.9;rport=4711", 1)
			}
			first := p.expect("REGISTER")
			if !strings.Contains(first.get("via"), ";alias") || !strings.Contains(first.get("contact"), ";transport=tcp;ob>") {
				t.Errorf("Via: %s\nContact: %s", first.get("via"), first.get("contact"))
			}
			p.write(nat(first))
			want := "@203.0.113.9:4711;transport=tcp;ob>"
			for {
				m := p.expect("REGISTER")
				p.write(nat(m))
				if strings.Contains(m.get("contact"), want) && strings.HasSuffix(m.get("contact"), ">;expires=3600") {
					break
				}
			}
			done := dialBy(t, e, "carrier")
			inv := p.expect("INVITE")
			if !strings.Contains(inv.get("contact"), want) || !strings.Contains(inv.get("via"), "203.0.113.9:4711") {
				t.Errorf("Via: %s\nContact: %s", inv.get("via"), inv.get("contact"))
			}
			p.write(response(inv, "200 OK", "callee", "Contact: <sip:x@10.1.2.3;transport=tcp>", "body:"+sdpAnswer))
			p.expect("ACK")
			got := <-done
			if got.err != nil {
				t.Fatal(got.err)
			}
			overTCP := func(text string) string { return strings.Replace(text, "SIP/2.0/UDP", "SIP/2.0/TCP", 1) }
			p.write(overTCP((&peer{}).request("INVITE", inv, "callee", 1, "body:"+sdpHold)))
			if m := p.expect("200"); !strings.Contains(m.get("contact"), want) {
				t.Errorf("Contact: %s", m.get("contact"))
			}
			p.write(overTCP((&peer{}).request("ACK", inv, "callee", 1)) + overTCP((&peer{}).request("INFO", inv, "callee", 2)))
			for p.expect("200").get("cseq") != "2 INFO" { // the answer to the INVITE, repeated
			}
			// The connection breaks. There is another, and a refresh names that.
			_ = p.conn.Close()
			p = accept(t, listener)
			p.write(strings.Replace(nat(p.expect("REGISTER")), "4711", "4712", 1))
			for {
				m := p.expect("REGISTER")
				p.write(strings.Replace(nat(m), "4711", "4712", 1))
				if strings.Contains(m.get("contact"), "@203.0.113.9:4712;") && strings.HasSuffix(m.get("contact"), ">;expires=3600") {
					break
				}
			}
			refreshed := make(chan error, 1)
			go func() {
				_, err := got.leg.Reoffer(t.Context(), []byte(sdpOffer))
				refreshed <- err
			}()
			again := p.expect("INVITE")
			if !strings.Contains(again.get("contact"), "@203.0.113.9:4712;transport=tcp;ob>") {
				t.Errorf("after a new connection, Contact: %s", again.get("contact"))
			}
			p.write(response(again, "200 OK", "callee", "Contact: <sip:x@10.1.2.3;transport=tcp>", "body:"+sdpAnswer))
			p.expect("ACK")
			if err := <-refreshed; err != nil {
				t.Error(err)
			}
			p.write(overTCP((&peer{}).request("BYE", inv, "callee", 3)))
			for {
				if m := p.expect("200"); m.get("cseq") == "3 BYE" {
					break
				}
			}
			<-got.leg.Done()
			go func() { // so that Close need not wait
				for {
					m, err := p.tryRead()
					if err != nil {
						return
					}
					_, _ = p.conn.Write([]byte(response(m, "200 OK", "x")))
				}
			}()
		})
	}
}
