package sip

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority is a private CA.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue makes a certificate for a name, valid from an hour ago until then.
func (a *authority) issue(name string, until time.Time) (cert, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	bytes, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes})
}

// tlsWorld opens an Endpoint whose trunk is carrier.example over TLS, and the
// trunk's listener, which asks for a certificate of ours.
func tlsWorld(t *testing.T, a *authority, name string, until time.Time, change func(*TrunkConfig)) (*Endpoint, net.Listener) {
	t.Helper()
	cert, key := a.issue(name, until)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	theirs, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := newZone()
	z.set("_sips._tcp.carrier.example SRV", srv(1, 1, netip.MustParseAddrPort(theirs.Addr().String()).Port(), "host7.hosting.example"))
	z.set("host7.hosting.example A", address("127.0.0.1"))
	trunk := TrunkConfig{Name: "carrier", Host: "carrier.example", Transport: "tls", TLS: TLS{CA: a.pem}}
	trunk.TLS.Cert, trunk.TLS.Key = a.issue("tandem", time.Now().Add(time.Hour))
	change(&trunk)
	e, err := Open(Config{UDP: []net.PacketConn{udp}, Log: testLog(), DNS: z.answer, Trunks: []TrunkConfig{trunk}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = theirs.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, theirs
}

func TestCallOverTLS(t *testing.T) {
	e, theirs := tlsWorld(t, newAuthority(t), "carrier.example", time.Now().Add(time.Hour), func(*TrunkConfig) {})
	type result struct {
		leg *Leg
		err error
	}
	dialled := make(chan result, 1)
	go func() {
		l, err := e.Dial(t.Context(), invite())
		dialled <- result{l, err}
	}()
	p := accept(t, theirs)
	inv := p.expect("INVITE")
	if inv.uri() != "sip:+441632960001@carrier.example;transport=tls" || !strings.HasPrefix(inv.get("via"), "SIP/2.0/TLS ") || !strings.HasSuffix(inv.get("contact"), ";transport=tls;ob>") {
		t.Errorf("%v", inv)
	}
	// We do not listen: the connection is the only way to us, and Contact names its end.
	if want := "@" + p.conn.RemoteAddr().String() + ";"; !strings.Contains(inv.get("contact"), want) {
		t.Errorf("Contact: %s, want one with %s", inv.get("contact"), want)
	}
	// A Contact that names the same machine without a port keeps the connection.
	p.write(response(inv, "200 OK", "callee", "Contact: <sip:x@127.0.0.1>", "body:"+sdpAnswer))
	p.expect("ACK")
	got := <-dialled
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.leg.Hangup(NormalClearing)
	p.write(response(p.expect("BYE"), "200 OK", ""))
	<-got.leg.Done()
}

// Requests that come over a connection the trunk has opened are answered on it.
func TestTLSListener(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("tandem", time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(Config{UDP: []net.PacketConn{udp}, TLS: []net.Listener{listener}, Log: testLog(),
		Trunks: []TrunkConfig{{Name: "carrier", Host: "127.0.0.1", Transport: "tls"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	conn, err := tls.Dial("tcp4", listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "tandem"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := &tcpPeer{t: t, conn: conn, r: bufio.NewReader(conn)}
	p.write("\r\n\r\n" + strings.Replace(optionsOnStream, "SIP/2.0/TCP", "SIP/2.0/TLS", 1))
	if m := p.expect("200"); m.get("cseq") != "1 OPTIONS" || m.get("allow") == "" {
		t.Errorf("%v", m)
	}
}

func TestTLSProvesTheName(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name, cert string
		until      time.Time
		change     func(*TrunkConfig)
		want       string
	}{
		{"another name", "host7.hosting.example", soon, func(*TrunkConfig) {}, "host7.hosting.example"},
		{"expired", "carrier.example", time.Now().Add(-time.Minute), func(*TrunkConfig) {}, "expired"},
		{"another authority", "carrier.example", soon, func(t *TrunkConfig) { t.TLS.CA = stranger.pem }, "unknown authority"},
		{"the name that is configured", "host7.hosting.example", soon, func(t *TrunkConfig) { t.TLS.ServerName = "host7.hosting.example" }, ""},
		{"no certificate of ours", "carrier.example", soon, func(t *TrunkConfig) { t.TLS.Cert, t.TLS.Key = nil, nil }, "trunk unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, theirs := tlsWorld(t, a, tt.cert, tt.until, tt.change)
			go func() { // a trunk that is busy, if it comes to that
				for {
					conn, err := theirs.Accept()
					if err != nil {
						return
					}
					go serveBusy(conn)
				}
			}()
			_, err := e.Dial(t.Context(), invite())
			var failed *Error
			switch {
			case tt.want == "" && (!errors.As(err, &failed) || failed.Code != 486):
				t.Errorf("%v", err)
			case tt.want != "" && (!errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// serveBusy answers INVITEs on a connection with 486.
func serveBusy(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
		if line != "\r\n" {
			continue
		}
		if m := parseMessage(head.String(), conn.RemoteAddr()); m.method() == "INVITE" {
			_, _ = conn.Write([]byte(response(m, "486 Busy Here", "x")))
		}
		head.Reset()
	}
}

func TestTLSConfigChecks(t *testing.T) {
	for name, cfg := range map[string]TLS{
		"no CA in the file": {CA: []byte("nonsense")},
		"no key":            {Cert: newAuthority(t).pem},
	} {
		if _, err := newTrunk(TrunkConfig{Name: "x", Host: "h", Transport: "tls", TLS: cfg}, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A connection that breaks is noticed at once, and so is a registration over it.
func TestBrokenConnectionIsRebuilt(t *testing.T) {
	e, theirs := tlsWorld(t, newAuthority(t), "carrier.example", time.Now().Add(time.Hour), func(t *TrunkConfig) {
		t.Register = Register{Expires: time.Hour}
		t.Keepalive = Keepalive{Every: time.Hour}
	})
	seen := func(p *tcpPeer, want map[string]bool) {
		t.Helper()
		for len(want) > 0 {
			m := p.read()
			if m.method() == "REGISTER" || m.method() == "OPTIONS" {
				p.write(response(m, "200 OK", "x", "Expires: 3600"))
				delete(want, m.method())
			}
		}
	}
	p := accept(t, theirs)
	seen(p, map[string]bool{"REGISTER": true, "OPTIONS": true})
	for range 2 {
		_ = p.conn.Close()
		p = accept(t, theirs)
		seen(p, map[string]bool{"REGISTER": true})
	}
	go func() { // so that Close need not wait
		for {
			m, err := p.tryRead()
			if err != nil {
				return
			}
			_, _ = p.conn.Write([]byte(response(m, "200 OK", "x")))
		}
	}()
	if s := e.Trunks()[0]; !s.Registered {
		t.Errorf("%+v", s)
	}
}

// A trunk that closes every connection at once is not connected to again and
// again.
func TestConnectionsThatDoNotLastAreNoStorm(t *testing.T) {
	var connections atomic.Int32
	_, theirs := tlsWorld(t, newAuthority(t), "carrier.example", time.Now().Add(time.Hour), func(t *TrunkConfig) {
		t.Register = Register{Expires: time.Hour}
		t.Keepalive = Keepalive{Every: time.Hour}
	})
	enough := time.After(2500 * time.Millisecond)
	go func() {
		for {
			conn, err := theirs.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	<-enough
	if n := connections.Load(); n < 1 || n > 12 {
		t.Errorf("%d connections in 2.5 s", n)
	}
}

// One message that makes no sense does not cost the connection, which other
// calls use too.
func TestNonsenseDoesNotCloseTheConnection(t *testing.T) {
	e, _, theirs := tcpWorld(t)
	failed := make(chan error, 1)
	go func() {
		_, err := e.Dial(t.Context(), invite())
		failed <- err
	}()
	p := accept(t, theirs)
	inv := p.expect("INVITE")
	p.write("SIP/2.0 180 Ringing\r\nContact:\r\nVia:\r\nCSeq: x\r\nContent-Length: 0\r\n\r\n\r\n\r\n" + response(inv, "486 Busy Here", "x"))
	var refused *Error
	if err := <-failed; !errors.As(err, &refused) || refused.Code != 486 {
		t.Errorf("%v", err)
	}
}
