package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// resolveTimeout bounds one look-up: the rep is waiting.
	resolveTimeout = 3 * time.Second
	// serverTimeout is how long one DNS server is waited for.
	serverTimeout = time.Second
	// Answers are believed for at least and at most so long, whatever their TTL.
	shortestTTL = 5 * time.Second
	longestTTL  = time.Hour
	// absentTTL is how long a name is believed not to exist (RFC 2308 allows more).
	absentTTL = 30 * time.Second
	// recordsLimit bounds what one answer can make us remember.
	recordsLimit = 32
)

// errNoRecord: the name has no record of this kind.
var errNoRecord = errors.New("no such record")

// resolver asks DNS servers, and remembers what they said for as long as they
// said it holds. When they do not answer, what they said last stands.
type resolver struct {
	ask    func(ctx context.Context, query []byte) ([]byte, error)
	hosts  string            // a file such as /etc/hosts
	search func() searchList // for short names

	mu    sync.Mutex
	cache map[dns.Question]*answer
}

type answer struct {
	records []dns.RR // none = there is no such record
	failure error    // why nobody could say
	until   time.Time
}

func newResolver(ask func(ctx context.Context, query []byte) ([]byte, error)) *resolver {
	search := func() searchList { return searchList{} }
	if ask == nil {
		ask, search = systemDNS("/etc/resolv.conf"), systemSearch("/etc/resolv.conf")
	}
	return &resolver{ask: ask, hosts: "/etc/hosts", search: search, cache: make(map[dns.Question]*answer)}
}

// lookup returns the records of a name, in the order they came; or
// errNoRecord, or what kept the servers from answering.
func (r *resolver) lookup(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	question := dns.Question{Name: dns.CanonicalName(name), Qtype: kind, Qclass: dns.ClassINET}
	if _, ok := dns.IsDomainName(question.Name); !ok {
		return nil, fmt.Errorf("dns: %q is no name", name)
	}
	known, fresh := r.recall(question)
	if !fresh {
		said, err := r.query(ctx, question)
		if err != nil { // not everybody who asks now is to wait as long
			said = &answer{failure: err, until: time.Now().Add(shortestTTL)}
		}
		if err == nil || known == nil {
			known = said
			r.remember(question, said)
		}
	}
	if known.failure != nil {
		return nil, fmt.Errorf("dns: %s %s: %w", dns.TypeToString[kind], name, known.failure)
	}
	if len(known.records) == 0 {
		return nil, fmt.Errorf("dns: %s %s: %w", dns.TypeToString[kind], name, errNoRecord)
	}
	return known.records, nil
}

// recall returns what was said last, nil = nothing. What is too old is for one
// to ask for again; the others have it meanwhile.
func (r *resolver) recall(question dns.Question) (known *answer, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known = r.cache[question]
	now := time.Now()
	if known == nil || known.failure != nil && !now.Before(known.until) {
		return nil, false
	}
	if !now.Before(known.until) {
		r.cache[question] = &answer{records: known.records, until: now.Add(shortestTTL)}
		return known, false
	}
	return known, true
}

// cacheLimit is more names than any configuration has trunks.
const cacheLimit = 4096

func (r *resolver) remember(question dns.Question, a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache) >= cacheLimit {
		clear(r.cache)
	}
	r.cache[question] = a
}

func (r *resolver) query(ctx context.Context, question dns.Question) (*answer, error) {
	query := &dns.Msg{Question: []dns.Question{question}}
	query.Id, query.RecursionDesired = dns.Id(), true
	query.SetEdns0(4096, false)
	packed, err := query.Pack()
	if err != nil {
		return nil, err
	}
	response, err := r.ask(ctx, packed)
	if err != nil {
		return nil, err
	}
	return readAnswer(response, query.Id, question)
}

// readAnswer takes the records of one kind out of a response, CNAMEs followed.
func readAnswer(response []byte, id uint16, question dns.Question) (*answer, error) {
	var msg dns.Msg
	if err := msg.Unpack(response); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	switch {
	case msg.Id != id || !msg.Response || len(msg.Question) > 0 && !strings.EqualFold(msg.Question[0].Name, question.Name):
		return nil, errors.New("answer to another question")
	case msg.Rcode == dns.RcodeNameError:
		return &answer{until: time.Now().Add(absentTTL)}, nil
	case msg.Rcode != dns.RcodeSuccess:
		return nil, fmt.Errorf("answer: %s", dns.RcodeToString[msg.Rcode])
	}
	name, ttl := question.Name, longestTTL
	var found []dns.RR
	for range 8 { // CNAMEs in a row
		alias := ""
		for _, rr := range msg.Answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) || h.Class != dns.ClassINET {
				continue
			}
			switch cname, is := rr.(*dns.CNAME); {
			case h.Rrtype == question.Qtype && len(found) < recordsLimit:
				found = append(found, rr)
			case is:
				alias = cname.Target
			default:
				continue
			}
			ttl = min(ttl, time.Duration(h.Ttl)*time.Second)
		}
		if len(found) > 0 || alias == "" {
			break
		}
		name = alias
	}
	if len(found) == 0 {
		ttl = absentTTL
	}
	return &answer{records: found, until: time.Now().Add(max(ttl, shortestTTL))}, nil
}

// addresses returns a host's addresses: of the hosts file, else of DNS, IPv4
// before IPv6. A literal is itself, and a short name is looked for in the search
// domains.
func (r *resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[].")); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	if addrs := inHosts(r.hosts, host); len(addrs) > 0 {
		return addrs, nil
	}
	var errs []error
	for _, name := range r.search().names(host) {
		addrs, err := r.addressesOf(ctx, name)
		if len(addrs) > 0 {
			return addrs, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%s has no address: %w", host, errors.Join(errs...))
}

// addressesOf asks DNS for the addresses of one name.
func (r *resolver) addressesOf(ctx context.Context, name string) (addrs []netip.Addr, _ error) {
	var errs []error
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		records, err := r.lookup(ctx, name, kind)
		if err != nil {
			errs = append(errs, err)
		}
		for _, rr := range records {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if addr, ok := netip.AddrFromSlice(ip); ok && !addr.Unmap().IsUnspecified() {
				addrs = append(addrs, addr.Unmap())
			}
		}
	}
	return addrs, errors.Join(errs...)
}

// inHosts looks a name up in a hosts file (hosts(5)).
func inHosts(file, host string) (addrs []netip.Addr) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	host = strings.TrimSuffix(host, ".")
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		for i, name := range fields {
			if addr, err := netip.ParseAddr(fields[0]); err == nil && i > 0 && strings.EqualFold(name, host) {
				addrs = append(addrs, addr.Unmap())
			}
		}
	}
	return addrs
}

// systemDNS asks the servers that a resolv.conf names.
func systemDNS(conf string) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, query []byte) ([]byte, error) {
		cfg, err := dns.ClientConfigFromFile(conf)
		if err != nil {
			return nil, err
		}
		var servers []string
		for _, server := range cfg.Servers {
			servers = append(servers, net.JoinHostPort(server, cfg.Port))
		}
		return askServers(ctx, servers, query)
	}
}

// askServers asks one server after the other, twice, and over TCP for what does
// not fit a datagram.
func askServers(ctx context.Context, servers []string, query []byte) (response []byte, err error) {
	for range 2 {
		for _, at := range servers {
			if response, err = exchange(ctx, "udp", at, query); err == nil && truncated(response) {
				response, err = exchange(ctx, "tcp", at, query)
			}
			if err == nil || ctx.Err() != nil {
				return response, err
			}
		}
	}
	return nil, fmt.Errorf("no DNS server answers: %w", err)
}

func exchange(ctx context.Context, network, at string, query []byte) ([]byte, error) {
	conn, err := (&net.Dialer{Timeout: serverTimeout}).DialContext(ctx, network, at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(serverTimeout)); err != nil {
		return nil, err
	}
	c := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	for {
		response := make([]byte, dns.MaxMsgSize)
		n, err := c.Read(response)
		if err != nil {
			return nil, err
		}
		if n >= 2 && response[0] == query[0] && response[1] == query[1] { // of this query, not a late one
			return response[:n], nil
		}
	}
}

// truncated reports the TC bit (RFC 1035 §4.1.1).
func truncated(response []byte) bool { return len(response) > 2 && response[2]&2 != 0 }
