package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// tcpTimeout bounds a connect and a write on a TCP connection.
	tcpTimeout = 5 * time.Second
	// pingEvery keeps the bindings of NATs and firewalls open; the answer to a
	// ping is due within pongWithin (RFC 5626 §4.4.1), of those that answer.
	pingEvery, pongWithin = 25 * time.Second, 10 * time.Second
)

// flows are the connections we make to TCP and TLS trunks. sipgo would dial by
// itself, with one TLS configuration for all; so we do, and hand it the
// connection as if somebody had called us.
type flows struct {
	e     *Endpoint
	given map[string]*handover // by transport

	mu      sync.Mutex
	dialing map[target]*dialing
	open    map[target]*stream
}

// dialing is a connection that is being made.
type dialing struct {
	done chan struct{}
	err  error
}

func newFlows(e *Endpoint) *flows {
	return &flows{
		e: e, dialing: make(map[target]*dialing), open: make(map[target]*stream),
		given: map[string]*handover{"tcp": newHandover(), "tls": newHandover()},
	}
}

// connect makes sure that there is a connection for a request, so that nothing
// has to wait for it later. UDP needs none.
func (f *flows) connect(req *sipmsg.Request) error {
	transport := sipmsg.NetworkToLower(req.Transport())
	if transport == "udp" {
		return nil
	}
	addr, err := netip.ParseAddrPort(req.Destination())
	if err != nil {
		return err
	}
	at := target{transport, addr}
	if f.has(at) {
		return nil
	}
	ctx, cancel := context.WithTimeout(f.e.ctx, tcpTimeout)
	defer cancel()
	return f.dialOnce(ctx, at)
}

// has reports whether sipgo has a connection to a target, whoever made it.
func (f *flows) has(at target) bool {
	conn, err := f.e.tpl.GetConnection(at.transport, at.addr.String())
	if err != nil {
		return false
	}
	_, _ = conn.TryClose() // gives our reference back; the connection stays
	return true
}

// port is our end of the connection to a target, which is made if there is none.
func (f *flows) port(ctx context.Context, at target) (uint16, error) {
	ctx, cancel := context.WithTimeout(ctx, tcpTimeout)
	defer cancel()
	if err := f.dialOnce(ctx, at); err != nil {
		return 0, err
	}
	conn, err := f.e.tpl.GetConnection(at.transport, at.addr.String())
	if err != nil {
		return 0, errBroken
	}
	defer conn.TryClose()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return local.Port(), err
}

// dialOnce dials for everybody who waits for the same target, unless there is a
// connection by now.
func (f *flows) dialOnce(ctx context.Context, at target) error {
	f.mu.Lock()
	if d := f.dialing[at]; d != nil {
		f.mu.Unlock()
		select {
		case <-d.done:
			return d.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d := &dialing{done: make(chan struct{})}
	f.dialing[at] = d
	f.mu.Unlock()
	if !f.has(at) {
		d.err = f.dial(ctx, at)
	}
	f.mu.Lock()
	delete(f.dialing, at)
	f.mu.Unlock()
	close(d.done)
	return d.err
}

func (f *flows) dial(ctx context.Context, at target) error {
	t := f.e.trunkOf(at)
	if t == nil {
		return fmt.Errorf("no trunk is at %s", at)
	}
	dialer := net.Dialer{Timeout: tcpTimeout, Control: unacknowledged,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingEvery, Interval: 5 * time.Second, Count: 3}}
	conn, err := dialer.DialContext(ctx, "tcp", at.addr.String())
	if err != nil {
		return err
	}
	if at.transport == "tls" {
		if conn, err = t.secure(ctx, conn); err != nil {
			return err
		}
	}
	s := f.e.newStream(conn, at.transport)
	s.onBroken = func(why error) { f.lost(t, at, s, why) }
	f.mu.Lock()
	f.open[at] = s
	f.mu.Unlock()
	if !f.given[at.transport].give(ctx, s) {
		_ = s.Close()
		return net.ErrClosed
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		_ = s.Close()
		return ctx.Err()
	}
	f.e.log.Info("sip: connected", "trunk", t.Name, "transport", at.transport)
	f.e.keep(func() { f.watch(s) })
	return nil
}

// lost is told that a connection is gone. Who is registered over it, or is to be
// reached by it, must not wait for the next call to find out.
func (f *flows) lost(t *trunk, at target, s *stream, why error) {
	f.mu.Lock()
	mine := f.open[at] == s
	if mine {
		delete(f.open, at)
	}
	f.mu.Unlock()
	if !mine || f.e.quit.Err() != nil {
		return
	}
	f.e.log.Warn("sip: connection lost", "trunk", t.Name, "transport", at.transport, "err", why)
	t.reregister()
	t.recheck()
}

// drop closes the connection to a target that does not answer on it.
func (f *flows) drop(at target) {
	f.mu.Lock()
	s := f.open[at]
	f.mu.Unlock()
	if s != nil {
		_ = s.Close()
	}
}

// watch pings, and closes a connection whose pongs have stopped coming.
func (f *flows) watch(s *stream) {
	answers := false
	for {
		if !s.wait(f.e.ctx, pingEvery) {
			return
		}
		select {
		case <-s.pongs: // of an earlier ping, late
		default:
		}
		if err := s.signal(ping); err != nil {
			_ = s.Close()
			return
		}
		if !s.wait(f.e.ctx, pongWithin) {
			return
		}
		select {
		case <-s.pongs:
			answers = true
		default:
			if answers {
				_ = s.Close()
				return
			}
		}
	}
}

// wait is false if the connection broke, or ctx ended, within d.
func (s *stream) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.broken:
	case <-ctx.Done():
	}
	return false
}

// keep runs f, which ends with the endpoint, unless that is closing.
func (e *Endpoint) keep(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closing {
		e.keepers.Go(f)
	}
}

// trunkOf returns the trunk that is at a target, else one that is at its address.
func (e *Endpoint) trunkOf(at target) *trunk {
	for _, t := range e.trunks.list() {
		if e.locator.holds(t.Name, at) {
			return t
		}
	}
	return e.trunkAt(at.addr.Addr())
}

// errBroken is what sipgo gets when it wants to dial: the connection that was
// there a moment ago has gone.
var errBroken = errors.New("connection has just broken")

// undialled is a dialer for sipgo that does not dial.
func undialled(net.Addr) net.Dialer {
	return net.Dialer{Control: func(string, string, syscall.RawConn) error { return errBroken }}
}

// handover is a listener whose connections are given to it.
type handover struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give hands a connection over; false if nobody takes it any more.
func (h *handover) give(ctx context.Context, conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.closed:
	case <-ctx.Done():
	}
	return false
}

// Accept returns the next connection.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept return.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is nowhere; sipgo wants to know it.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
