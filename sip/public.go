package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	sipmsg "github.com/emiago/sipgo/sip"
)

// public is the address Via and Contact show on the way to a target: what is
// configured, else what the trunk has seen us as, else what the kernel would
// send from.
func (e *Endpoint) public(ctx context.Context, t *trunk, sock *socket, at target) (netip.AddrPort, error) {
	addr, port := t.Local.Addr(), t.Local.Port()
	if port == 0 {
		var err error
		if port, err = e.localPort(ctx, t, sock, at); err != nil {
			return netip.AddrPort{}, err
		}
	}
	if t.LocalName != "" {
		found, err := e.locator.dns.addresses(ctx, t.LocalName)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("public address: %w", err)
		}
		addr = found[0]
	}
	if !addr.IsValid() || addr.IsUnspecified() {
		if seen := t.seenAs(); seen.IsValid() && seen.Addr().Is4() == at.addr.Addr().Is4() {
			addr = seen.Addr()
			if at.transport == "udp" { // the port is that of the NAT's binding
				port = seen.Port()
			}
		} else {
			addr = sock.bind.Addr()
		}
	}
	if addr.IsUnspecified() {
		var err error
		if addr, err = routeSource(at.addr); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return netip.AddrPortFrom(addr, port), nil
}

// Public is the address that a trunk's media should name as ours.
func (e *Endpoint) Public(ctx context.Context, trunk string) (netip.Addr, error) {
	t := e.trunks.named(trunk)
	if t == nil {
		return netip.Addr{}, fmt.Errorf("trunk %s: %w", trunk, ErrNoTrunk)
	}
	targets := e.locator.last(trunk) // the call itself will look again
	if len(targets) == 0 {
		var err error
		if targets, err = e.locator.targets(ctx, &t.TrunkConfig); err != nil {
			return netip.Addr{}, err
		}
	}
	at, err := e.public(ctx, t, e.socketFor(targets[0].addr.Addr()), targets[0])
	return at.Addr(), err
}

// localPort is where a target can reach us over its transport: where we listen for
// it, else our end of the connection to it, as the target sees that. It is found by
// who sends over the connections he has to an address, as proxies do, and it is the
// only way there is to us.
func (e *Endpoint) localPort(ctx context.Context, t *trunk, sock *socket, at target) (uint16, error) {
	if at.transport == "udp" {
		return sock.bind.Port(), nil
	}
	if l := e.listener(at.transport); l != nil {
		addr, err := netip.ParseAddrPort(l.Addr().String())
		return addr.Port(), err
	}
	return e.flows.port(ctx, t, at)
}

// listener is where we are called over TCP or TLS, nil = nowhere.
func (e *Endpoint) listener(transport string) net.Listener {
	listeners := map[string][]net.Listener{"tcp": e.cfg.TCP, "tls": e.cfg.TLS}[transport]
	if len(listeners) == 0 {
		return nil
	}
	return listeners[0]
}

// onlyByFlow reports whether requests can reach us over the connection only that
// ours leave by.
func (e *Endpoint) onlyByFlow(transport string) bool {
	return transport != "udp" && e.listener(transport) == nil
}

// routeSource asks the kernel which of our addresses it would use towards hop.
func routeSource(hop netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(hop))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("route: %w", err)
	}
	defer conn.Close()
	return addressOf(conn.LocalAddr()), nil
}

// learn takes from a response what the trunk has seen a request of ours come from.
// It reports whether our address to it is another now.
func (e *Endpoint) learn(t *trunk, s *Snapshot, res *sipmsg.Response) bool {
	seen := seenIn(s.Public, res)
	if !seen.IsValid() {
		return false
	}
	moved := t.learn(s.Transport, s.Public, seen)
	if s.Flow && e.flows.mapped(t, target{s.Transport, s.Hop}, seen.Port()) {
		moved = true
	}
	return moved
}

// seenIn reads the received and rport of our Via (RFC 3261 §18.2.1, RFC 3581 §4):
// what a NAT has made of the address that was sent. Without a Via it is not valid.
func seenIn(sent netip.AddrPort, res *sipmsg.Response) netip.AddrPort {
	via := res.Via()
	if via == nil {
		return netip.AddrPort{}
	}
	seen := sent
	if addr, err := netip.ParseAddr(via.Params.GetOr("received", "")); err == nil && !addr.IsUnspecified() && !addr.IsMulticast() {
		seen = netip.AddrPortFrom(addr.Unmap(), seen.Port())
	}
	if port, err := strconv.ParseUint(via.Params.GetOr("rport", ""), 10, 16); err == nil && port > 0 {
		seen = netip.AddrPortFrom(seen.Addr(), uint16(port))
	}
	return seen
}

// learn keeps the address that the trunk has seen.
func (t *trunk) learn(transport string, sent, seen netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if transport != "udp" { // a connection's port is not that of the next
		seen = netip.AddrPortFrom(seen.Addr(), sent.Port())
		if seen.Addr() == t.seen.Addr() {
			return false
		}
	}
	if seen == t.seen || seen == sent && !t.seen.IsValid() {
		return false
	}
	t.seen = seen
	return !t.Local.Addr().IsValid() && t.LocalName == "" // else what is configured stands
}

// seenAs is what learn took last; invalid = nothing but what we thought.
func (t *trunk) seenAs() netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}
