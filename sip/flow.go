package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
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
	dialing map[flowKey]*dialing
	open    map[flowKey]*stream
	made    uint64 // so many
}

// flowKey is what a connection may be used for: a target, as one of those who may
// be met there. Trunks that trust the same names and authorities, and have the same
// certificate, share a connection; others at the same address do not.
type flowKey struct {
	target
	terms string // of TLS; "" = TCP
}

// dialing is a connection that is being made.
type dialing struct {
	done chan struct{}
	s    *stream
	err  error
}

func newFlows(e *Endpoint) *flows {
	return &flows{
		e: e, dialing: make(map[flowKey]*dialing), open: make(map[flowKey]*stream),
		given: map[string]*handover{"tcp": newHandover(), "tls": newHandover()},
	}
}

// key names a trunk's connection to a target.
func (t *trunk) key(at target) flowKey {
	if at.transport == "tls" {
		return flowKey{at, t.terms}
	}
	return flowKey{at, ""}
}

// connect makes sure that there is a connection for a request to a trunk, so that
// nothing has to wait for it later, and ties the request to it. UDP needs none.
func (f *flows) connect(t *trunk, req *sipmsg.Request) error {
	transport := sipmsg.NetworkToLower(req.Transport())
	if transport == "udp" {
		return nil
	}
	addr, err := netip.ParseAddrPort(req.Destination())
	if err != nil {
		return err
	}
	at := target{transport, addr}
	if f.accepted(at) {
		req.Laddr = sipmsg.Addr{}
		return nil
	}
	ctx, cancel := context.WithTimeout(f.e.ctx, tcpTimeout)
	defer cancel()
	s, err := f.to(ctx, t, at)
	if err != nil {
		return err
	}
	local := s.local()
	req.Laddr = sipmsg.Addr{IP: net.IP(local.Addr().AsSlice()), Port: int(local.Port())}
	return nil
}

// accepted reports whether somebody at a target, to whom we have no connection,
// has one to us.
func (f *flows) accepted(at target) bool {
	f.mu.Lock()
	for key := range f.open {
		if key.target == at {
			f.mu.Unlock()
			return false
		}
	}
	f.mu.Unlock()
	conn, err := f.e.tpl.GetConnection(at.transport, at.addr.String())
	if err != nil {
		return false
	}
	_, _ = conn.TryClose() // gives our reference back; the connection stays
	return true
}

// port is our end of a trunk's connection to a target, as that sees it if it has
// said so. The connection is made if there is none.
func (f *flows) port(ctx context.Context, t *trunk, at target) (uint16, error) {
	ctx, cancel := context.WithTimeout(ctx, tcpTimeout)
	defer cancel()
	s, err := f.to(ctx, t, at)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.port(), nil
}

// portNow is port of a connection that is there; 0 = there is none.
func (f *flows) portNow(t *trunk, at target) uint16 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.open[t.key(at)]; s != nil {
		return s.port()
	}
	return 0
}

// mapped notes the port that a target sees a trunk's connection come from. It
// reports whether that is news.
func (f *flows) mapped(t *trunk, at target, port uint16) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.open[t.key(at)]
	if s == nil || port == s.port() {
		return false
	}
	s.mapped = port
	return true
}

// to returns the connection of a trunk to a target. Where there is none one dials
// for everybody who waits for the same.
func (f *flows) to(ctx context.Context, t *trunk, at target) (*stream, error) {
	key := t.key(at)
	f.mu.Lock()
	if d := f.dialing[key]; d != nil {
		f.mu.Unlock()
		select {
		case <-d.done:
			return d.s, d.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s := f.open[key]; s != nil {
		f.mu.Unlock()
		return s, nil
	}
	d := &dialing{done: make(chan struct{})}
	f.dialing[key] = d
	f.mu.Unlock()
	d.s, d.err = f.dial(ctx, t, key)
	f.mu.Lock()
	delete(f.dialing, key)
	f.mu.Unlock()
	close(d.done)
	return d.s, d.err
}

func (f *flows) dial(ctx context.Context, t *trunk, key flowKey) (*stream, error) {
	dialer := net.Dialer{Timeout: tcpTimeout, Control: unacknowledged,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingEvery, Interval: 5 * time.Second, Count: 3}}
	conn, err := dialer.DialContext(ctx, "tcp", key.addr.String())
	if err != nil {
		return nil, err
	}
	if key.transport == "tls" {
		if conn, err = t.secure(ctx, conn); err != nil {
			return nil, err
		}
	}
	s := f.e.newStream(conn, key.transport)
	s.onBroken = func(why error) { f.lost(t, key, s, why) }
	f.mu.Lock()
	f.made++
	s.alias = aliasOf(key.addr, f.made)
	f.open[key] = s
	f.mu.Unlock()
	if !f.given[key.transport].give(ctx, s) {
		_ = s.Close()
		return nil, net.ErrClosed
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		_ = s.Close()
		return nil, ctx.Err()
	}
	f.e.log.Info("sip: connected", "trunk", t.Name, "transport", key.transport)
	f.e.keep(func() { f.watch(s) })
	return s, nil
}

// alias is what sipgo, which keeps connections by the far end's address, is told
// that it is: every connection of ours has another.
type alias netip.AddrPort

// aliasZone begins the zone of an alias.
const aliasZone = "connection"

func aliasOf(at netip.AddrPort, n uint64) *alias {
	zoned := netip.AddrFrom16(at.Addr().As16()).WithZone(fmt.Sprint(aliasZone, n))
	a := alias(netip.AddrPortFrom(zoned, at.Port()))
	return &a
}

// Network is net.Addr's.
func (a *alias) Network() string { return "tcp" }

func (a *alias) String() string { return netip.AddrPort(*a).String() }

// host is how it gets into messages: what sipgo says that it received from.
func (a *alias) host() []byte { return []byte(netip.AddrPort(*a).Addr().String()) }

// unalias is the address that an alias, or any other text of sipgo's, stands for.
func unalias(text string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(text)
	addr := at.Addr()
	if strings.HasPrefix(addr.Zone(), aliasZone) {
		addr = addr.WithZone("")
	}
	return netip.AddrPortFrom(addr.Unmap(), at.Port()), err
}

// lost is told that a connection is gone. Who is registered over it, or is to be
// reached by it, must not wait for the next call to find out.
func (f *flows) lost(t *trunk, key flowKey, s *stream, why error) {
	f.mu.Lock()
	mine := f.open[key] == s
	if mine {
		delete(f.open, key)
	}
	f.mu.Unlock()
	if !mine || f.e.quit.Err() != nil {
		return
	}
	f.e.log.Warn("sip: connection lost", "trunk", t.Name, "transport", key.transport, "err", why)
	for _, t := range f.e.trunks.list() {
		if t.key(key.target) == key && f.e.locator.holds(t.Name, key.target) {
			t.reregister()
			t.recheck()
		}
	}
}

// drop closes a trunk's connection to a target that does not answer on it.
func (f *flows) drop(t *trunk, at target) {
	f.mu.Lock()
	s := f.open[t.key(at)]
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
