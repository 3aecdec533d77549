package sip

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	// What one message on a connection may have.
	maxHead = 32 << 10
	maxBody = 64 << 10
	// handshakeTimeout bounds a TLS handshake, either way.
	handshakeTimeout = 5 * time.Second
)

var (
	ping = []byte("\r\n\r\n") // RFC 5626 §3.5.1
	pong = []byte("\r\n")
)

// errFraming: where a message ends cannot be told, so the connection is of no
// more use (RFC 3261 §18.3).
var errFraming = errors.New("connection: no Content-Length that can be read, or too long a message")

// stream is the one door for TCP and TLS, as socket is for UDP: it cuts what
// comes into messages, repairs what can be repaired, drops and refuses
// what the parser would choke on (sipgo would close the connection), answers
// pings, and traces.
type stream struct {
	net.Conn
	e         *Endpoint
	transport string // tcp or tls
	remote    netip.AddrPort
	onBroken  func(error) // told once
	mapped    uint16      // our port as the far end sees it, 0 = it has not said; flows.mu
	alias     *alias      // what sipgo is told that RemoteAddr is; nil = what it is

	in   []byte // read, and not a whole message yet
	out  []byte // whole messages that sipgo has not read yet
	read []byte

	shaken bool // the handshake was made, or tried

	ready     chan struct{} // closed at the first Read: sipgo can send by now
	readyOnce sync.Once
	broken    chan struct{}
	breakOnce sync.Once
	pongs     chan struct{} // a pong came
}

func (e *Endpoint) newStream(conn net.Conn, transport string) *stream {
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	return &stream{
		Conn: conn, e: e, transport: transport, remote: remote,
		read: make([]byte, 16<<10), ready: make(chan struct{}), broken: make(chan struct{}), pongs: make(chan struct{}, 1),
	}
}

// RemoteAddr is the far end's address, or what stands for it.
func (s *stream) RemoteAddr() net.Addr {
	if s.alias != nil {
		return s.alias
	}
	return s.Conn.RemoteAddr()
}

// local is our end.
func (s *stream) local() netip.AddrPort {
	at, _ := netip.ParseAddrPort(s.LocalAddr().String()) // of TCP it is one
	return at
}

// port is our port as the far end sees it, if it has said; flows.mu is held.
func (s *stream) port() uint16 {
	if s.mapped != 0 {
		return s.mapped
	}
	return s.local().Port()
}

// Read returns octets of whole messages only.
func (s *stream) Read(b []byte) (int, error) {
	s.readyOnce.Do(func() { close(s.ready) })
	if err := s.handshake(); err != nil {
		return 0, s.breaks(err)
	}
	for len(s.out) == 0 {
		n, err := s.Conn.Read(s.read)
		s.in = append(s.in, s.read[:n]...)
		if framing := s.cut(); framing != nil {
			err = framing
		}
		if err != nil && len(s.out) == 0 {
			return 0, s.breaks(err)
		}
	}
	n := copy(b, s.out)
	s.out = s.out[n:]
	return n, nil
}

// handshake is TLS's, if it has not been made: of connections that we accept.
func (s *stream) handshake() error {
	secure, ok := s.Conn.(interface {
		HandshakeContext(context.Context) error
	})
	if !ok || s.shaken {
		return nil
	}
	s.shaken = true
	ctx, cancel := context.WithTimeout(s.e.ctx, handshakeTimeout)
	defer cancel()
	return secure.HandshakeContext(ctx)
}

// cut moves the whole messages of what was read to where sipgo finds them.
func (s *stream) cut() error {
	for {
		s.in = s.keepAlives(s.in)
		length, err := frame(s.in)
		if err != nil {
			s.e.metrics.drop(dropParse)
			s.refuse(normalise(s.in))
			return err
		}
		if length == 0 || length > len(s.in) {
			return nil
		}
		raw := s.in[:length]
		s.in = append([]byte(nil), s.in[length:]...)
		clean := normalise(raw)
		if len(clean) == 0 || !tryParse(s.e.parser, s.e.log, clean) {
			s.e.metrics.drop(dropParse)
			s.refuse(clean)
			continue
		}
		s.trace(clean, false)
		s.out = append(s.out, clean...)
	}
}

// keepAlives takes the CRLFs between messages away, and answers pings.
func (s *stream) keepAlives(b []byte) []byte {
	for {
		switch {
		case bytes.HasPrefix(b, ping):
			b = b[len(ping):]
			_ = s.signal(pong) // a broken connection is noticed by Read
		case bytes.HasPrefix(b, pong) && (len(b) == 2 || b[2] != '\r'):
			b = b[len(pong):]
			select {
			case s.pongs <- struct{}{}:
			default:
			}
		default:
			return b
		}
	}
}

// signal writes a ping, a pong or a refusal. The deadline of sipgo's last message stands
// until another is set.
func (s *stream) signal(b []byte) error {
	if err := s.Conn.SetWriteDeadline(time.Now().Add(tcpTimeout)); err != nil {
		return err
	}
	_, err := s.Conn.Write(b)
	return err
}

// frame returns how long the first message of b is, 0 = its head is not whole
// yet. Messages on a connection have a Content-Length (RFC 3261 §20.14).
func frame(b []byte) (length int, err error) {
	head, rest, separator := cutHead(b)
	if separator == "" {
		if len(b) > maxHead {
			return 0, errFraming
		}
		return 0, nil
	}
	end := len(b) - len(rest)
	if end > maxHead {
		return 0, errFraming
	}
	body := -1
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); bytes.EqualFold(name, []byte("content-length")) || bytes.EqualFold(name, []byte("l")) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || n < 0 || n > maxBody || body >= 0 && n != body { // two that differ: a smuggled message
				return 0, errFraming
			}
			body = n
		}
	}
	if body < 0 {
		return 0, errFraming
	}
	return end + body, nil
}

// Write sends what sipgo gives, one message.
func (s *stream) Write(b []byte) (int, error) {
	text := b
	if s.alias != nil {
		text = bytes.ReplaceAll(b, s.alias.host(), []byte(s.remote.Addr().Unmap().String()))
	}
	s.trace(text, true)
	if _, err := s.Conn.Write(text); err != nil {
		_ = s.Close() // its reader must know too
		return 0, err
	}
	return len(b), nil
}

func (s *stream) trace(b []byte, sent bool) {
	s.e.tracer.note(Traced{Sent: sent, Transport: s.transport, Local: s.local(), Remote: s.remote}, b)
}

// breaks tells, once, that the connection is gone.
func (s *stream) breaks(why error) error {
	s.breakOnce.Do(func() {
		close(s.broken)
		if s.onBroken != nil {
			s.onBroken(why)
		}
	})
	return why
}

// Close closes the connection. One that is broken cannot be told so, and that is
// no error.
func (s *stream) Close() error {
	_ = s.Conn.Close()
	_ = s.breaks(net.ErrClosed)
	return nil
}
