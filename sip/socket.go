package sip

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// receiveBuffer is asked of the kernel for each UDP socket: a burst of
	// responses must not be lost while one of them is being read.
	receiveBuffer = 4 << 20
	// readPause spaces retries of a socket or listener that fails but is not closed.
	readPause = 20 * time.Millisecond
)

// socket is the one door for UDP: it turns strangers away, repairs what can be
// repaired, and drops what the parser would choke on, before sipgo sees a byte
// of it. sipgo stops serving at the first read error and remembers every source
// address for ever; neither can happen behind this type.
type socket struct {
	net.PacketConn
	local  *net.UDPAddr // how sipgo knows this socket
	bind   netip.AddrPort
	allow  *allowlist
	parser *sipmsg.Parser
	count  *Metrics
	log    *slog.Logger
	in     *repeats
	out    *repeats
	tracer *tracer

	ready     chan struct{} // closed at the first read: sipgo can send by now
	readyOnce sync.Once
	closed    <-chan struct{}
}

func newSocket(conn net.PacketConn, e *Endpoint) (*socket, error) {
	addr, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, err
	}
	bind := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if buffered, ok := conn.(interface{ SetReadBuffer(int) error }); ok {
		_ = buffered.SetReadBuffer(receiveBuffer) // the kernel may grant less; it still works
	}
	return &socket{
		PacketConn: conn,
		local:      net.UDPAddrFromAddrPort(bind),
		bind:       bind,
		allow:      e.allow,
		parser:     e.parser,
		count:      e.metrics,
		log:        e.log,
		in:         newRepeats(),
		out:        newRepeats(),
		tracer:     e.tracer,
		ready:      make(chan struct{}),
		closed:     e.ctx.Done(),
	}, nil
}

// LocalAddr is the key under which sipgo finds this socket for a request.
func (s *socket) LocalAddr() net.Addr { return s.local }

// ReadFrom returns the next datagram that may be SIP from somebody we know.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	s.readyOnce.Do(func() { close(s.ready) })
	for {
		n, from, err := s.PacketConn.ReadFrom(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !s.pause() {
				return 0, nil, net.ErrClosed
			}
			continue
		}
		if n = s.admit(b, n, from); n > 0 {
			return n, from, nil
		}
	}
}

// pause waits a little and reports whether the endpoint is still open.
func (s *socket) pause() bool {
	select {
	case <-s.closed:
		return false
	case <-time.After(readPause):
		return true
	}
}

// admit repairs the datagram b[:n] in place and returns its new length, 0 to drop it.
func (s *socket) admit(b []byte, n int, from net.Addr) int {
	if !s.allow.contains(addressOf(from)) {
		s.count.drop(dropNotAllowed)
		return 0
	}
	if keepAlive(b[:n]) {
		return 0
	}
	repeated := s.in.seen(b[:n])
	if repeated {
		s.count.retransmission(inbound)
	}
	clean := normalise(b[:n])
	if len(clean) == 0 || len(clean) > len(b) || !tryParse(s.parser, s.log, clean) {
		s.count.drop(dropParse)
		s.refuse(clean, from)
		return 0
	}
	s.datagram(clean, from, false, repeated)
	return copy(b, clean)
}

// keepAlive reports whether a datagram is one of the usual hole punchers: CRLFs
// (RFC 5626 §3.5.1), zeros, or a lone byte.
func keepAlive(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 {
			return len(b) < 4
		}
	}
	return true
}

// tryParse tries the parser where its panic or error costs nothing: in sipgo's
// own goroutine the one ends the process and the other prints the message, with
// its telephone numbers, to the log.
func tryParse(parser *sipmsg.Parser, log *slog.Logger, b []byte) (ok bool) {
	defer func() {
		if fault := recover(); fault != nil {
			log.Error("sip: parser panicked", "err", fault)
			ok = false
		}
	}()
	_, err := parser.ParseSIP(b)
	if err != nil {
		log.Debug("sip: message dropped", "err", err)
	}
	return err == nil
}

// WriteTo sends a datagram and counts it if it was sent before.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	repeated := s.out.seen(b)
	if repeated {
		s.count.retransmission(outbound)
	}
	s.datagram(b, to, true, repeated)
	return s.PacketConn.WriteTo(b, to)
}

// addressOf returns the IP address of a socket address, unmapped, zero if it has none.
func addressOf(addr net.Addr) netip.Addr {
	switch a := addr.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// listener is the one door for inbound TCP and TLS: strangers' connections are
// closed before a byte is read, and running out of file descriptors passes.
type listener struct {
	net.Listener
	e         *Endpoint
	transport string // tcp or tls
}

// Accept returns the next connection from somebody we know.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			select {
			case <-l.e.ctx.Done():
				return nil, net.ErrClosed
			case <-time.After(readPause):
			}
			continue
		}
		if l.e.allow.contains(addressOf(conn.RemoteAddr())) {
			return l.e.newStream(conn, l.transport), nil
		}
		l.e.metrics.drop(dropNotAllowed)
		_ = conn.Close()
	}
}
