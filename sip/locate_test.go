package sip

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestTargetsOfATrunk(t *testing.T) {
	z := newZone()
	z.set("plain.example A", address("10.0.0.5"), address("10.0.0.6"))
	z.set("six.example AAAA", address("2001:db8::5"))
	z.set("alias.example CNAME", domainName("plain.example"))
	z.set("srv.example A", address("10.9.9.9"))
	z.set("_sip._udp.srv.example SRV", srv(20, 0, 5080, "b.example"), srv(10, 0, 5070, "a.example"), srv(30, 0, 1, "gone.example"))
	z.set("_sip._tcp.srv.example SRV", srv(1, 1, 5060, "a.example"))
	z.set("_sips._tcp.srv.example SRV", srv(1, 1, 5061, "a.example"))
	z.set("a.example A", address("10.0.1.1"))
	z.set("b.example A", address("10.0.1.2"), address("10.0.1.3"))
	z.set("naptr.example NAPTR",
		pointer(20, 10, "SIP+D2U", "_sip._udp.srv.example"), pointer(10, 20, "SIP+D2T", "_sip._tcp.srv.example"),
		pointer(10, 30, "E2U+sip", "enum.example"))
	z.set("closed.example A", address("10.0.0.7"))
	z.set("_sip._udp.closed.example SRV", srv(0, 0, 0, ""))

	for _, tt := range []struct {
		name  string
		trunk TrunkConfig
		want  string
	}{
		{"a literal address", TrunkConfig{Host: "10.0.0.2", Transport: "udp"}, "udp:10.0.0.2:5060"},
		{"IPv6", TrunkConfig{Host: "2001:db8::1", Transport: "tcp"}, "tcp:[2001:db8::1]:5060"},
		{"a literal over TLS", TrunkConfig{Host: "10.0.0.2", Transport: "tls"}, "tls:10.0.0.2:5061"},
		{"a name without SRV", TrunkConfig{Host: "plain.example", Transport: "udp"}, "udp:10.0.0.5:5060 udp:10.0.0.6:5060"},
		{"an alias", TrunkConfig{Host: "alias.example", Transport: "udp"}, "udp:10.0.0.5:5060 udp:10.0.0.6:5060"},
		{"a name with IPv6 only", TrunkConfig{Host: "six.example", Transport: "udp"}, "udp:[2001:db8::5]:5060"},
		{"a port: no SRV", TrunkConfig{Host: "srv.example", Port: 5060, Transport: "udp"}, "udp:10.9.9.9:5060"},
		{"SRV by priority", TrunkConfig{Host: "srv.example", Transport: "udp"}, "udp:10.0.1.1:5070 udp:10.0.1.2:5080 udp:10.0.1.3:5080"},
		{"SRV of TCP", TrunkConfig{Host: "srv.example", Transport: "tcp"}, "tcp:10.0.1.1:5060"},
		{"SRV of TLS is _sips._tcp", TrunkConfig{Host: "srv.example", Transport: "tls"}, "tls:10.0.1.1:5061"},
		{"NAPTR by order and preference", TrunkConfig{Host: "naptr.example", Transport: "auto"},
			"tcp:10.0.1.1:5060 udp:10.0.1.1:5070 udp:10.0.1.2:5080 udp:10.0.1.3:5080"},
		{"auto without NAPTR", TrunkConfig{Host: "srv.example", Transport: "auto"},
			"tls:10.0.1.1:5061 tcp:10.0.1.1:5060 udp:10.0.1.1:5070 udp:10.0.1.2:5080 udp:10.0.1.3:5080"},
		{"auto with nothing", TrunkConfig{Host: "plain.example", Transport: "auto"}, "udp:10.0.0.5:5060 udp:10.0.0.6:5060"},
		{"a service that is not there", TrunkConfig{Host: "closed.example", Transport: "udp"}, "udp:10.0.0.7:5060"},
		{"an outbound proxy", TrunkConfig{Host: "far.example", Proxy: "plain.example:5090", Transport: "udp"}, "udp:10.0.0.5:5090 udp:10.0.0.6:5090"},
		{"a proxy with SRV", TrunkConfig{Host: "far.example", Proxy: "srv.example", Transport: "tcp"}, "tcp:10.0.1.1:5060"},
		{"nothing", TrunkConfig{Host: "nowhere.example", Transport: "udp"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLocator(newResolver(z.answer), newAllowlist(nil), func(netip.Addr) bool { return true })
			tt.trunk.Name = "t"
			found, err := l.targets(t.Context(), &tt.trunk)
			var got []string
			for _, at := range found {
				got = append(got, at.String())
				if !l.allow.contains(at.addr.Addr()) {
					t.Errorf("%s may not send to us", at)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, %v", got, err)
			}
			if tt.want == "" && !errors.Is(err, ErrUnreachable) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestSRVWeights draws a thousand orders: the first follows the weights, and
// no target is ever left out.
func TestSRVWeights(t *testing.T) {
	var records []dns.RR
	for i, weight := range []uint16{0, 10, 30, 60} {
		records = append(records, &dns.SRV{Priority: 1, Weight: weight, Target: string(rune('a' + i))})
	}
	records = append(records, &dns.SRV{Priority: 0, Weight: 0, Target: "first"})
	count := make(map[string]int)
	const draws = 2000
	for range draws {
		order := inOrder(records)
		if len(order) != 5 || order[0].Target != "first" {
			t.Fatalf("order %v", order)
		}
		count[order[1].Target]++
	}
	for target, share := range map[string]float64{"b": .1, "c": .3, "d": .6} {
		if got := float64(count[target]) / draws; got < share-.06 || got > share+.06 {
			t.Errorf("%s first in %.2f of the draws, want %.2f", target, got, share)
		}
	}
	if count["a"] == 0 || count["a"] > draws/20 {
		t.Errorf("the weightless was first %d times", count["a"])
	}
}

func TestDNSIsAskedOncePerTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone()
		z.set("carrier.example A", address("10.0.0.5"))
		r := newResolver(z.answer)
		look := func(want string) {
			t.Helper()
			addrs, err := r.addresses(t.Context(), "carrier.example")
			if len(addrs) != 1 || addrs[0].String() != want {
				t.Errorf("%v, %v; want %s", addrs, err, want)
			}
		}
		for range 10 {
			look("10.0.0.5")
		}
		if n := z.queries("carrier.example A"); n != 1 {
			t.Errorf("asked %d times", n)
		}
		z.set("carrier.example A", address("10.0.0.6"))
		look("10.0.0.5")
		<-time.After(61 * time.Second)
		look("10.0.0.6")
		// The servers go away: what they said last stands.
		z.breakDown(true)
		<-time.After(time.Hour)
		look("10.0.0.6")
		look("10.0.0.6")
		if _, err := r.addresses(t.Context(), "other.example"); err == nil || errors.Is(err, errNoRecord) {
			t.Errorf("a broken server says %v", err)
		}
		// Who asks soon again need not wait for them again.
		n := z.queries("other.example A")
		if _, err := r.addresses(t.Context(), "other.example"); err == nil || z.queries("other.example A") != n {
			t.Errorf("%v after %d queries, not %d", err, z.queries("other.example A"), n)
		}
		z.breakDown(false)
		z.set("other.example A", address("10.0.0.8"))
		<-time.After(shortestTTL)
		if addrs, err := r.addresses(t.Context(), "other.example"); err != nil || len(addrs) != 1 {
			t.Errorf("%v, %v", addrs, err)
		}
		// A name that is not there is not asked for again and again.
		for range 5 {
			if _, err := r.addresses(t.Context(), "none.example"); !errors.Is(err, errNoRecord) {
				t.Errorf("%v", err)
			}
		}
		if n := z.queries("none.example A"); n != 1 {
			t.Errorf("asked %d times for a name that is not there", n)
		}
	})
}

func TestHostsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("# ours\n10.1.1.1 pbx pbx.local # the office\n2001:db8::7\tPBX.local\nnonsense pbx.local\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newResolver(newZone().answer)
	r.hosts = file
	addrs, err := r.addresses(t.Context(), "pbx.local")
	if want := []netip.Addr{netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("2001:db8::7")}; !slices.Equal(addrs, want) {
		t.Errorf("%v, %v", addrs, err)
	}
	if addrs, err := r.addresses(t.Context(), "office"); err == nil {
		t.Errorf("a comment is a host: %v", addrs)
	}
}

// A call is pinned to the address it began with, whatever the name turns to.
func TestTrunkByName(t *testing.T) {
	z := newZone()
	z.set("carrier.example A", address("10.0.0.2"))
	inBubble(t, func(w *world) {
		d := w.dial(invite())
		inv := w.expect("INVITE")
		if inv.uri() != "sip:+441632960001@carrier.example" {
			t.Errorf("to %s", inv.uri())
		}
		w.respond(inv, "180 Ringing", "x", "Record-Route: <sip:carrier.example;lr>")
		z.set("carrier.example A", address("10.0.0.3"))
		<-time.After(2 * time.Minute)
		d.cancel(errEnough)
		_ = d.fails()
		w.refuseCancelled(inv)

		other := newPeer(t, w.wire, "10.0.0.3:5060")
		d = w.dial(invite())
		inv = other.expect("INVITE")
		other.respond(inv, "486 Busy Here", "x")
		other.expect("ACK")
		_ = d.fails()
	}, z.at(TrunkConfig{Name: "carrier", Host: "carrier.example"}))
}

func TestTrunkCannotBeResolved(t *testing.T) {
	z := newZone()
	z.breakDown(true)
	inBubble(t, func(w *world) {
		_, err := w.e.Dial(context.Background(), invite())
		var failed *Error
		if !errors.As(err, &failed) || !errors.Is(err, ErrUnreachable) || !failed.Elsewhere() {
			t.Errorf("%v", err)
		}
		if s := w.e.Trunks()[0]; s.Up || s.InUse != 0 {
			t.Errorf("%+v", s)
		}
	}, z.at(TrunkConfig{Name: "carrier", Host: "carrier.example"}))
}

// A DNS server that never answers costs a call three seconds and no more.
func TestSlowDNS(t *testing.T) {
	z := newZone()
	z.slow = time.Minute
	inBubble(t, func(w *world) {
		began := time.Now()
		if _, err := w.e.Dial(context.Background(), invite()); !errors.Is(err, ErrUnreachable) || time.Since(began) > resolveTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	}, z.at(TrunkConfig{Name: "carrier", Host: "carrier.example", Transport: "auto"}))
}

// TestDNSOverTheNetwork: the first server is dead, the second answers late
// answers first, and what does not fit a datagram over TCP.
func TestDNSOverTheNetwork(t *testing.T) {
	z := newZone()
	z.set("carrier.example A", address("10.0.0.5"))
	dead, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close() // it takes queries and says nothing
	stream, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	live, err := net.ListenPacket("udp4", stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := live.ReadFrom(b)
			if err != nil {
				return
			}
			late := append([]byte{b[0] ^ 1, b[1]}, b[2:n]...)
			_, _ = live.WriteTo(late, from)
			_, _ = live.WriteTo(append([]byte{b[0], b[1], 0x83, 0x80}, b[4:n]...), from) // TC
		}
	}()
	go func() {
		conn, err := stream.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		size := make([]byte, 2)
		_, _ = io.ReadFull(conn, size)
		query := make([]byte, binary.BigEndian.Uint16(size))
		_, _ = io.ReadFull(conn, query)
		answer, _ := z.answer(context.Background(), query)
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}()
	servers := []string{dead.LocalAddr().String(), live.LocalAddr().String()}
	r := newResolver(func(ctx context.Context, query []byte) ([]byte, error) { return askServers(ctx, servers, query) })
	records, err := r.lookup(t.Context(), "carrier.example", dns.TypeA)
	if err != nil || len(records) != 1 {
		t.Errorf("%v, %v", records, err)
	}
	if _, err := systemDNS("/nowhere/at/all")(t.Context(), nil); err == nil {
		t.Error("servers without a resolv.conf")
	}
}

// A short name is looked for in the search domains of resolv.conf, its services
// before its addresses; one with dots enough, and what DNS itself has named, is not.
func TestSearchDomains(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1\nsearch lab.example office.example\noptions ndots:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	z := newZone()
	z.set("pbx.office.example A", address("10.0.0.5"))
	z.set("_sip._udp.sbc.lab.example SRV", srv(1, 1, 5070, "host7"), srv(2, 1, 5070, "host7.office"))
	z.set("host7 A", address("10.0.0.7"))
	z.set("host7.office A", address("10.0.0.8"))
	z.set("host7.office.lab.example A", address("192.0.2.66"))
	z.set("sip.carrier A", address("10.0.0.9"))
	z.set("sip.carrier.lab.example A", address("10.0.0.10"))
	z.set("a.b.c A", address("10.0.0.11"))
	z.set("a.b.c.lab.example A", address("192.0.2.66"))
	r := newResolver(z.answer)
	r.search = systemSearch(conf)
	l := newLocator(r, newAllowlist(nil), func(netip.Addr) bool { return true })
	for host, want := range map[string]string{
		"pbx": "udp:10.0.0.5:5060", "sbc": "udp:10.0.0.7:5070 udp:10.0.0.8:5070", "host7": "udp:10.0.0.7:5060",
		"sip.carrier": "udp:10.0.0.10:5060", "sip.carrier.": "udp:10.0.0.9:5060",
		"a.b.c": "udp:10.0.0.11:5060", "nobody": "",
	} {
		found, err := l.targets(t.Context(), &TrunkConfig{Name: host, Host: host, Transport: "udp"})
		var got []string
		for _, at := range found {
			got = append(got, at.String())
		}
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%s: %v, %v; want %s", host, got, err, want)
		}
	}
	if s := systemSearch("/nowhere/at/all")(); len(s.names("pbx")) != 1 {
		t.Errorf("without a resolv.conf: %v", s.names("pbx"))
	}
}

// What a resolv.conf makes of a host can be asked for.
func FuzzSearchList(f *testing.F) {
	f.Add("nameserver 127.0.0.1\nsearch lab.example .\noptions ndots:2\n", "pbx")
	f.Add("domain .x\nsearch "+strings.Repeat("a", 64)+".example\n", "sip.carrier")
	f.Fuzz(func(t *testing.T, conf, host string) {
		cfg, err := dns.ClientConfigFromReader(strings.NewReader(conf))
		if err != nil {
			return
		}
		names := searchList{cfg.Search, cfg.Ndots}.names(host)
		if len(names) == 0 || names[len(names)-1] != host && names[len(names)-1] != dns.Fqdn(host) {
			t.Errorf("%q is sought as %q", host, names)
		}
		for _, name := range names[:len(names)-1] {
			if _, ok := dns.IsDomainName(name); !ok || !dns.IsFqdn(name) {
				t.Errorf("%q is no name", name)
			}
		}
	})
}

func FuzzDNSAnswer(f *testing.F) {
	z := newZone()
	z.set("x.example NAPTR", pointer(1, 1, "SIP+D2U", "_sip._udp.x.example"))
	z.set("x.example SRV", srv(1, 1, 5060, "a.example"), srv(1, 5, 5061, "b.example"))
	z.set("x.example A", address("10.0.0.1"))
	for kind := range kinds {
		query := binary.BigEndian.AppendUint16(append([]byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, domainName("x.example")...), kind)
		answer, err := z.answer(context.Background(), append(query, 0, 1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(answer, kind)
	}
	f.Fuzz(func(t *testing.T, response []byte, kind uint16) {
		a, err := readAnswer(response, 7, dns.Question{Name: "x.example.", Qtype: kind, Qclass: dns.ClassINET})
		if err != nil {
			return
		}
		if len(a.records) > recordsLimit {
			t.Errorf("%d records", len(a.records))
		}
		if got := inOrder(a.records); kind == dns.TypeSRV && len(got) != len(a.records) {
			t.Errorf("%d of %d SRV records", len(got), len(a.records))
		}
		for _, s := range naptr(a.records) {
			if prefixes[s.transport] == "" {
				t.Errorf("transport %q", s.transport)
			}
		}
	})
}
