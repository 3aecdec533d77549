package test

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// Listener accepts connections in memory, for HTTP within testing/synctest.
type Listener struct {
	at    netip.AddrPort
	conns chan net.Conn
	gone  chan struct{}
	once  sync.Once
}

// NewListener listens at an address of which there is only the name.
func NewListener(at netip.AddrPort) *Listener {
	return &Listener{at: at, conns: make(chan net.Conn), gone: make(chan struct{})}
}

// Dial connects to it; it fits http.Transport.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- &pipe{theirs, l.at}:
		return ours, nil
	case <-l.gone:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.gone:
		return nil, net.ErrClosed
	}
}

// Close stops it.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.gone) })
	return nil
}

// Addr is the name it was given.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// pipe is a connection that has addresses.
type pipe struct {
	net.Conn
	at netip.AddrPort
}

func (p *pipe) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(p.at) }
func (p *pipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.at) }
