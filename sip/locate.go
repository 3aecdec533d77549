package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// penalty is how long a target that did not answer goes behind the others.
	penalty = 30 * time.Second
	// longestPenalty bounds what a Retry-After can ask for.
	longestPenalty = time.Hour
	// targetsLimit bounds the places one trunk can be at.
	targetsLimit = 32
)

// target is one place where a trunk is.
type target struct {
	transport string // udp, tcp or tls
	addr      netip.AddrPort
}

func (t target) String() string { return t.transport + ":" + t.addr.String() }

// locator finds the targets of trunks (RFC 3263), lets them through the guard,
// and remembers which of them are of no use for now.
type locator struct {
	dns    *resolver
	allow  *allowlist
	usable func(netip.Addr) bool // we have a socket that can send there

	mu    sync.Mutex
	boxed map[target]time.Time
	known map[string][]target // by trunk, as they were found last
}

func newLocator(dns *resolver, allow *allowlist, usable func(netip.Addr) bool) *locator {
	return &locator{dns: dns, allow: allow, usable: usable, boxed: make(map[target]time.Time), known: make(map[string][]target)}
}

// targets returns where a trunk is, the best place first. When that cannot be
// looked up just now, what was last known stands.
func (l *locator) targets(ctx context.Context, t *TrunkConfig) ([]target, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := l.find(ctx, t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(found) == 0 {
		if found = l.known[t.Name]; len(found) == 0 {
			return nil, fmt.Errorf("trunk %s: %w: %w: %w", t.Name, ErrUnreachable, ErrUnresolved, err)
		}
	}
	l.known[t.Name] = found
	for _, at := range found {
		l.allow.add(at.addr.Addr())
	}
	now := time.Now()
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b target) int {
		return cmp.Compare(max(0, l.boxed[a].Sub(now)), max(0, l.boxed[b].Sub(now)))
	})
	return found, nil
}

// punish puts a target behind the others for a while.
func (l *locator) punish(at target, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(l.boxed, func(_ target, until time.Time) bool { return until.Before(now) })
	if until := now.Add(min(d, longestPenalty)); until.After(l.boxed[at]) {
		l.boxed[at] = until
	}
}

// forget drops what is known of a trunk that is somewhere else now.
func (l *locator) forget(trunk string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, trunk)
}

// pardon is for one that has answered.
func (l *locator) pardon(at target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.boxed, at)
}

// at reports whether a trunk is, or was last, at an address.
func (l *locator) at(trunk string, addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.known[trunk], func(t target) bool { return t.addr.Addr() == addr })
}

// last returns the targets of a trunk as they were found last.
func (l *locator) last(trunk string) []target {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.known[trunk])
}

// holds reports whether a target is one of a trunk's.
func (l *locator) holds(trunk string, at target) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.known[trunk], at)
}

// find is RFC 3263 §4: a literal address or a port decides by itself; else SRV,
// of the transport that is configured, or of those that NAPTR or we prefer; and
// where there is none, the addresses of the name.
func (l *locator) find(ctx context.Context, t *TrunkConfig) ([]target, error) {
	host, port, transport := t.destination()
	if _, err := netip.ParseAddr(host); err == nil || port != 0 {
		return l.hosts(ctx, host, port, transport)
	}
	for _, name := range l.dns.search().names(host) {
		var all []target
		for _, s := range l.services(ctx, name, transport) {
			all = append(all, l.srv(ctx, s)...)
		}
		if len(all) > 0 {
			return all[:min(len(all), targetsLimit)], nil
		}
	}
	return l.hosts(ctx, host, 0, transport)
}

// service is a name to ask for SRV, and what it stands for.
type service struct{ name, transport string }

// prefixes are the SRV services of each transport (RFC 3263 §4.1).
var prefixes = map[string]string{"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}

// services lists where to look for a transport's servers. With auto NAPTR
// says, and without any we go from the safest transport to the commonest.
func (l *locator) services(ctx context.Context, host, transport string) (all []service) {
	if transport != transportAuto {
		return []service{{prefixes[transport] + host, transport}}
	}
	records, err := l.dns.lookup(ctx, host, dns.TypeNAPTR)
	if err == nil {
		all = naptr(records)
	}
	if len(all) > 0 {
		return all
	}
	for _, transport := range []string{"tls", "tcp", "udp"} {
		all = append(all, service{prefixes[transport] + host, transport})
	}
	return all
}

// naptr reads the records for SIP, in their order (RFC 3263 §4.1, RFC 3403 §4.1).
func naptr(records []dns.RR) (all []service) {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b dns.RR) int {
		x, okX := a.(*dns.NAPTR)
		y, okY := b.(*dns.NAPTR)
		if !okX || !okY {
			return 0
		}
		return cmp.Or(cmp.Compare(x.Order, y.Order), cmp.Compare(x.Preference, y.Preference))
	})
	for _, rr := range records {
		r, ok := rr.(*dns.NAPTR)
		if !ok || !strings.EqualFold(r.Flags, "s") || r.Replacement == "." {
			continue
		}
		switch strings.ToUpper(r.Service) {
		case "SIPS+D2T":
			all = append(all, service{r.Replacement, "tls"})
		case "SIP+D2T":
			all = append(all, service{r.Replacement, "tcp"})
		case "SIP+D2U":
			all = append(all, service{r.Replacement, "udp"})
		}
	}
	return all
}

// srv returns the targets of one service, in the order of RFC 2782.
func (l *locator) srv(ctx context.Context, s service) (all []target) {
	records, err := l.dns.lookup(ctx, s.name, dns.TypeSRV)
	if err != nil {
		return nil
	}
	for _, r := range inOrder(records) {
		if r.Target == "." { // "decidedly not available"
			continue
		}
		at, err := l.hosts(ctx, r.Target, r.Port, s.transport)
		if err == nil {
			all = append(all, at...)
		}
	}
	return all
}

// inOrder sorts by priority, and within one at random by weight (RFC 2782).
func inOrder(records []dns.RR) []*dns.SRV {
	var left, chosen []*dns.SRV
	for _, rr := range records {
		if r, ok := rr.(*dns.SRV); ok {
			left = append(left, r)
		}
	}
	// The weightless go first, so that they too have a chance.
	slices.SortStableFunc(left, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for len(left) > 0 {
		sum, end := 0, 0
		for end < len(left) && left[end].Priority == left[0].Priority {
			sum += int(left[end].Weight)
			end++
		}
		pick := rand.IntN(sum + 1)
		for i, r := range left[:end] {
			if pick -= int(r.Weight); pick <= 0 || i == end-1 {
				chosen = append(chosen, r)
				left = slices.Delete(left, i, i+1)
				break
			}
		}
	}
	return chosen
}

// hosts returns the targets at a host's addresses.
func (l *locator) hosts(ctx context.Context, host string, port uint16, transport string) ([]target, error) {
	addrs, err := l.dns.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	if transport == transportAuto { // nothing says which: as RFC 3263 §4.1
		transport = "udp"
	}
	if port == 0 {
		port = defaultPort(transport)
	}
	var all []target
	for _, addr := range addrs {
		if l.usable(addr) {
			all = append(all, target{transport, netip.AddrPortFrom(addr, port)})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no usable address among %v", addrs)
	}
	return all, nil
}

// transportAuto leaves the transport to NAPTR and SRV.
const transportAuto = "auto"

func defaultPort(transport string) uint16 {
	if transport == "tls" {
		return uint16(sipmsg.DefaultTlsPort)
	}
	return uint16(sipmsg.DefaultUdpPort) // for UDP and TCP alike (RFC 3261 §19.1.2)
}

// destination is where requests to a trunk go: to its outbound proxy, if it has one.
func (t *TrunkConfig) destination() (host string, port uint16, transport string) {
	if t.Proxy != "" {
		host, port, _ = splitHostPort(strings.TrimSuffix(t.Proxy, hideProxy)) // check has seen it
		return host, port, t.Transport
	}
	return t.Host, t.Port, t.Transport
}

// splitHostPort reads host, host:port, address and [address]:port.
func splitHostPort(text string) (host string, port uint16, err error) {
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return addr.Unmap().String(), 0, nil
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().String(), at.Port(), nil
	}
	var uri sipmsg.Uri
	if !printable(text) || strings.ContainsAny(text, "@;?<>,\"/") || sipmsg.ParseUri("sip:"+text, &uri) != nil || uri.Host == "" || uri.Port < 0 || uri.Port > 65535 {
		return "", 0, errors.New("it is not a host, or a host and a port")
	}
	return uri.Host, uint16(uri.Port), nil
}
