package sip

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// wire is an in-memory UDP network: delivery is instant and in order, unless
// lose says that a datagram is lost.
type wire struct {
	mu    sync.Mutex
	conns map[string]*wireConn
	lose  func(b []byte, from, to string) bool
	log   []string // every datagram sent, "from>to first line"
}

func newWire() *wire { return &wire{conns: make(map[string]*wireConn)} }

func (w *wire) listen(addr string) *wireConn {
	c := &wireConn{
		wire:   w,
		local:  net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)),
		in:     make(chan datagram, 4096),
		closed: make(chan struct{}),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[addr] = c
	return c
}

type datagram struct {
	data []byte
	from net.Addr
}

// wireConn is one socket on a wire.
type wireConn struct {
	wire   *wire
	local  *net.UDPAddr
	in     chan datagram
	closed chan struct{}
	once   sync.Once
}

func (c *wireConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(b, d.data), d.from, nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *wireConn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	w := c.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	from := c.local.String()
	line, _, _ := cutLine(string(b))
	w.log = append(w.log, from+">"+to.String()+" "+line)
	if w.lose != nil && w.lose(b, from, to.String()) {
		return len(b), nil
	}
	if dest := w.conns[to.String()]; dest != nil {
		select {
		case dest.in <- datagram{append([]byte(nil), b...), c.local}:
		default: // its buffer is full
		}
	}
	return len(b), nil
}

func (c *wireConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *wireConn) LocalAddr() net.Addr              { return c.local }
func (c *wireConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *wireConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *wireConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
