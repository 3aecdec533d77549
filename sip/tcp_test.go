package sip

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tcpPeer is a trunk that speaks SIP over one TCP connection.
type tcpPeer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (p *tcpPeer) read() message {
	p.t.Helper()
	m, err := p.tryRead()
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	return m
}

func (p *tcpPeer) tryRead() (message, error) {
	var head strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return message{}, err
		}
		if line == "\r\n" && head.Len() == 0 {
			continue // a ping or pong
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	m := parseMessage(head.String(), p.conn.RemoteAddr())
	n, _ := strconv.Atoi(m.get("content-length"))
	body := make([]byte, n)
	_, err := io.ReadFull(p.r, body)
	m.body = string(body)
	return m, err
}

func (p *tcpPeer) expect(what string) message {
	p.t.Helper()
	m := p.read()
	if m.method() != what && strconv.Itoa(m.code()) != what {
		p.t.Fatalf("got %q, want %s", m.line, what)
	}
	return m
}

func (p *tcpPeer) write(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, text); err != nil {
		p.t.Fatal(err)
	}
}

// tcpWorld opens an Endpoint with a TCP trunk on real sockets.
func tcpWorld(t *testing.T) (*Endpoint, net.Listener, net.Listener) {
	t.Helper()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	ours, theirs := listen(), listen()
	e, err := Open(Config{
		UDP: []net.PacketConn{udp}, TCP: []net.Listener{ours}, Log: testLog(),
		Trunks: []TrunkConfig{{
			Name: "carrier", Host: "127.0.0.1", Transport: "tcp",
			Port: netip.MustParseAddrPort(theirs.Addr().String()).Port(),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = theirs.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, ours, theirs
}

func accept(t *testing.T, l net.Listener) *tcpPeer {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &tcpPeer{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func TestCallOverTCP(t *testing.T) {
	e, ours, theirs := tcpWorld(t)
	type result struct {
		leg *Leg
		err error
	}
	dialled := make(chan result, 1)
	call := withMedia(new(mediaStub))
	go func() {
		l, err := e.Dial(t.Context(), call)
		dialled <- result{l, err}
	}()
	p := accept(t, theirs)
	inv := p.expect("INVITE")
	if !strings.HasSuffix(inv.uri(), ";transport=tcp") || !strings.Contains(inv.get("via"), "SIP/2.0/TCP "+ours.Addr().String()) {
		t.Errorf("INVITE %s via %s", inv.uri(), inv.get("via"))
	}
	// Both in one segment: the order is kept here too.
	contact := "Contact: <sip:x@" + theirs.Addr().String() + ";transport=tcp>"
	p.write(response(inv, "180 Ringing", "callee", contact) + response(inv, "200 OK", "callee", contact, "body:"+sdpAnswer))
	p.expect("ACK")
	got := <-dialled
	if got.err != nil {
		t.Fatal(got.err)
	}
	reinvite := (&peer{}).request("INVITE", inv, "callee", 1, "body:"+sdpHold)
	p.write(strings.Replace(reinvite, "SIP/2.0/UDP", "SIP/2.0/TCP", 1))
	p.expect("200")
	p.expect("200") // repeated, though TCP lost nothing (RFC 3261 §13.3.1.4)
	p.write(strings.Replace((&peer{}).request("ACK", inv, "callee", 1), "SIP/2.0/UDP", "SIP/2.0/TCP", 1))
	got.leg.Hangup(Reason{})
	for {
		m := p.read()
		if m.method() == "BYE" {
			p.write(response(m, "200 OK", ""))
			break
		}
	}
	<-got.leg.Done()
	messages, _, ok := e.Trace("call_1")
	var said []string
	for _, m := range messages {
		if word, _, _ := strings.Cut(startOf(m.Message), " "); m.Transport == "tcp" && m.Remote.String() == theirs.Addr().String() {
			said = append(said, word)
		}
	}
	for _, want := range []string{"INVITE", "180", "200", "ACK", "BYE"} {
		if !ok || !slices.Contains(said, want) {
			t.Errorf("the trace has no %s: %q", want, said)
		}
	}
}

func TestTCPClosesWhileDialling(t *testing.T) {
	e, _, theirs := tcpWorld(t)
	failed := make(chan error, 1)
	go func() {
		_, err := e.Dial(t.Context(), invite())
		failed <- err
	}()
	p := accept(t, theirs)
	p.expect("INVITE")
	_ = p.conn.Close()
	if err := <-failed; !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// Ringing when the connection breaks: the CANCEL takes a new one.
func TestTCPClosesWhileRinging(t *testing.T) {
	e, _, theirs := tcpWorld(t)
	failed := make(chan error, 1)
	ringing := make(chan struct{})
	call := invite()
	call.OnProgress = func(Progress) { close(ringing) }
	go func() {
		_, err := e.Dial(t.Context(), call)
		failed <- err
	}()
	p := accept(t, theirs)
	inv := p.expect("INVITE")
	p.write(response(inv, "180 Ringing", "callee"))
	<-ringing
	_ = p.conn.Close()
	if err := <-failed; !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
	p = accept(t, theirs)
	cancel := p.expect("CANCEL")
	p.write(response(cancel, "200 OK", "callee") + response(inv, "487 Request Terminated", "callee"))
	p.expect("ACK")
}

// A connection that breaks under a re-INVITE says nothing of the call, which goes on
// and ends over another.
func TestTCPClosesUnderAReinvite(t *testing.T) {
	e, _, theirs := tcpWorld(t)
	legs := make(chan *Leg, 1)
	go func() {
		if l, err := e.Dial(t.Context(), withMedia(new(mediaStub))); err == nil {
			legs <- l
		}
	}()
	p := accept(t, theirs)
	inv := p.expect("INVITE")
	p.write(response(inv, "200 OK", "callee", "Contact: <sip:x@"+theirs.Addr().String()+";transport=tcp>", "body:"+sdpAnswer))
	p.expect("ACK")
	l := <-legs
	failed := make(chan error, 1)
	go func() {
		_, err := l.Reoffer(t.Context(), []byte(sdpHold))
		failed <- err
	}()
	p.expect("INVITE")
	_ = p.conn.Close()
	if err := <-failed; !errors.Is(err, ErrUnreachable) || l.Context().Err() != nil {
		t.Errorf("%v; the call: %v", err, context.Cause(l.Context()))
	}
	l.Hangup(Reason{})
	p = accept(t, theirs)
	p.write(response(p.expect("BYE"), "200 OK", ""))
	<-l.Done()
}

func TestTCPRefused(t *testing.T) {
	e, _, theirs := tcpWorld(t)
	_ = theirs.Close()
	_, err := e.Dial(t.Context(), invite())
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// failingListener fails a few times as one out of file descriptors does.
type failingListener struct {
	net.Listener
	failures int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, errors.New("too many open files")
	}
	return l.Listener.Accept()
}

func TestListenerOutlivesErrorsAndStrangers(t *testing.T) {
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	allow := newAllowlist(nil)
	l := &listener{Listener: &failingListener{inner, 2}, e: &Endpoint{allow: allow, ctx: t.Context()}, transport: "tcp"}
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			accepted <- conn
		}
	}()
	stranger, err := net.Dial("tcp4", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Read(make([]byte, 1)); err == nil {
		t.Error("a stranger was let in")
	}
	allow.add(localhost())
	friend, err := net.Dial("tcp4", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer friend.Close()
	select {
	case conn := <-accepted:
		_ = conn.Close()
	case <-time.After(30 * time.Second):
		t.Error("nobody accepts any more")
	}
}
