package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"tandem/test/namespace"
)

// family is one address plan of the networks in TestAcrossInterfaces.
type family struct {
	name                  string
	trunk, rep            string // the far ends
	toTrunk, toRep        string // our addresses on the way
	bits                  int
	src, dst, ttl, dscp   string // tshark's names of the fields
	route                 []string
	first, second, target string // ways to rep
	header                string // status of the IP header's checksum, if there is one
}

var families = []family{
	{"IPv4", "10.1.0.2", "10.9.0.9", "10.1.0.1", "10.2.0.1", 24, "ip.src", "ip.dst", "ip.ttl", "ip.dsfield.dscp",
		nil, "10.2.0.2", "10.3.0.2", "10.9.0.9/32", "1"},
	{"IPv6", "fd01::2", "fd09::9", "fd01::1", "fd02::1", 64, "ipv6.src", "ipv6.dst", "ipv6.hlim", "ipv6.tclass.dscp",
		[]string{"-6"}, "fd02::2", "fd03::2", "fd09::9/128", ""},
}

// checksums is who makes them: the sender; or the card we send by, so that what
// is rewritten is not complete yet.
var checksums = map[string]bool{"made by the sender": true, "left to the card": false}

// TestAcrossInterfaces relays between a trunk and a rep, each behind another
// interface, and moves the way to the rep meanwhile.
func TestAcrossInterfaces(t *testing.T) {
	if !network(t) {
		return
	}
	trunk, rep := namespace.New(t), namespace.New(t)
	pair := func(name string, far *namespace.Space, plan ...string) {
		namespace.Run(t, "ip", "link", "add", name, "type", "veth", "peer", "name", "far", "netns", far.Path)
		namespace.Run(t, "ip", "link", "set", name, "up")
		far.IP(t, "link", "set", "far", "name", "from-"+name, "up")
		for i := 0; i < len(plan); i += 2 {
			namespace.Run(t, "ip", "address", "add", plan[i], "dev", name, "nodad")
			far.IP(t, "address", "add", plan[i+1], "dev", "from-"+name, "nodad")
		}
	}
	pair("trunk", trunk, "10.1.0.1/24", "10.1.0.2/24", "fd01::1/64", "fd01::2/64")
	pair("rep", rep, "10.2.0.1/24", "10.2.0.2/24", "fd02::1/64", "fd02::2/64")
	pair("detour", rep, "10.3.0.1/24", "10.3.0.2/24", "fd03::1/64", "fd03::2/64")
	rep.IP(t, "address", "add", "10.9.0.9/32", "dev", "lo")
	rep.IP(t, "address", "add", "fd09::9/128", "dev", "lo", "nodad")

	names, err := Interfaces(netip.IPv4Unspecified())
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"detour", "lo", "rep", "trunk"}) {
		t.Fatalf("interfaces are %v, %v", names, err)
	}
	if names, _ = Interfaces(netip.MustParseAddr("10.2.0.1")); !slices.Equal(names, []string{"lo", "rep"}) {
		t.Fatalf("interfaces of 10.2.0.1 are %v", names)
	}
	table := open(t, "lo", "trunk", "rep", "detour")
	for _, f := range families {
		for who, bySender := range checksums {
			t.Log(f.name, who)
			offload := map[bool]string{true: "off", false: "on"}[bySender]
			trunk.Run(t, "ethtool", "-K", "from-trunk", "tx", offload)
			rep.Run(t, "ethtool", "-K", "from-rep", "tx", offload)
			for _, ours := range []string{"trunk", "rep", "detour"} {
				namespace.Run(t, "ethtool", "-K", ours, "tx", map[bool]string{true: "on", false: "off"}[bySender])
			}
			namespace.Run(t, "ip", append(f.route, "route", "replace", f.target, "via", f.first)...)
			across(t, table, f, trunk, rep)
		}
	}
}

func across(t *testing.T, table *Table, f family, trunk, rep *namespace.Space) {
	t.Helper()
	at := func(host string) string { return net.JoinHostPort(host, "0") }
	c := &call{table, newPhone(t, at(f.trunk), trunk), newPhone(t, at(f.rep), rep), newPhone(t, at(f.toTrunk), nil), newPhone(t, at(f.toRep), nil)}
	out := c.flow()
	out.In.Local = netip.AddrPortFrom(netip.IPv4Unspecified(), out.In.Local.Port()) // found by the route
	if f.name == "IPv6" {
		out.In.Local = netip.AddrPortFrom(netip.IPv6Unspecified(), out.In.Local.Port())
	}
	there := add(t, table, out)
	defer there.Remove()
	back := c.flow()
	back.In, back.Out, back.TTL = Ends{c.theirs.at, c.b.at}, Ends{c.ours.at, c.a.at}, 33
	defer add(t, table, back).Remove()

	leg := func(from, to *phone, ours, by netip.AddrPort, w *tap, face, far string, in *namespace.Space, ttl string) {
		t.Helper()
		const packets = 3
		for range packets {
			p := from.next()
			from.send(p, ours)
			to.want(relayed(p), by)
		}
		file := w.rtp(packets)
		rows := dissect(t, file, to.at.Port(), "eth.src", "eth.dst", f.src, f.dst, "udp.srcport", "udp.dstport", f.ttl, f.dscp,
			"udp.checksum.status", "rtp.p_type", "rtp.ssrc", "rtp.seq", "ip.checksum.status")
		for i, row := range rows {
			want := []string{mac(t, nil, face), mac(t, in, far), by.Addr().String(), to.at.Addr().String(),
				fmt.Sprint(by.Port()), fmt.Sprint(to.at.Port()), ttl, "46", "1", "8", "0xcafebabe",
				strconv.Itoa(int(from.seq + 1000 - packets + uint16(i))), f.header}
			if !slices.Equal(row, want) {
				t.Errorf("%s frame is\n%q, want\n%q", f.name, row, want)
			}
		}
	}
	atRep, atTrunk := newTap(t, rep, "from-rep"), newTap(t, trunk, "from-trunk")
	leg(c.a, c.b, c.ours.at, c.theirs.at, atRep, "rep", "from-rep", rep, "64")
	c.b.seq, c.b.ts = c.a.seq-3, c.a.ts-480 // as back was told
	leg(c.b, c.a, c.theirs.at, c.ours.at, atTrunk, "trunk", "from-trunk", trunk, "33")

	// The way to the rep changes: packets follow, with the same addresses.
	detour := newTap(t, rep, "from-detour")
	namespace.Run(t, "ip", append(f.route, "route", "replace", f.target, "via", f.second)...)
	follows(t, there, "detour")
	leg(c.a, c.b, c.ours.at, c.theirs.at, detour, "detour", "from-detour", rep, "64")

	// There is no way: the stack is asked, and the packet comes up.
	namespace.Run(t, "ip", append(f.route, "route", "delete", f.target)...)
	follows(t, there, "")
	p := c.a.next()
	c.a.send(p, c.ours.at)
	c.ours.want(p, c.a.at)
	namespace.Run(t, "ip", append(f.route, "route", "replace", f.target, "via", f.first)...)
	follows(t, there, "rep")
	c.passes()

	there.Remove()
	p = c.a.next()
	c.a.send(p, c.ours.at)
	c.ours.want(p, c.a.at)
	c.b.deaf()
}

// follows waits until a flow goes by an interface.
func follows(t *testing.T, e *Entry, name string) {
	t.Helper()
	want := uint64(0)
	if name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		want = uint64(i.Index)
	}
	limit, tick := time.After(soon), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for e.via() != want {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("the flow goes by %x, not by %q", e.via(), name)
		}
	}
}

func mac(t *testing.T, in *namespace.Space, name string) string {
	t.Helper()
	var i *net.Interface
	var err error
	look := func() { i, err = net.InterfaceByName(name) }
	if in == nil {
		look()
	} else {
		in.Do(look)
	}
	if err != nil {
		t.Fatal(err)
	}
	return i.HardwareAddr.String()
}

// TestFarEndsOnOneMachine relays between a far end on this machine, heard by lo,
// and one behind an interface.
func TestFarEndsOnOneMachine(t *testing.T) {
	if !network(t) {
		return
	}
	trunk := namespace.New(t)
	namespace.Run(t, "ip", "link", "add", "trunk", "type", "veth", "peer", "name", "far", "netns", trunk.Path)
	namespace.Run(t, "ip", "link", "set", "trunk", "up")
	trunk.IP(t, "link", "set", "far", "up")
	namespace.Run(t, "ip", "address", "add", "10.1.0.1/24", "dev", "trunk")
	namespace.Run(t, "ip", "address", "add", "fd01::1/64", "dev", "trunk", "nodad")
	trunk.IP(t, "address", "add", "10.1.0.2/24", "dev", "far")
	trunk.IP(t, "address", "add", "fd01::2/64", "dev", "far", "nodad")
	table := open(t, "lo", "trunk")
	for _, hosts := range [][3]string{
		{"10.1.0.2:0", "10.1.0.1:0", "127.0.0.1:0"}, // a PBX on 127.0.0.1
		{"10.1.0.2:0", "10.1.0.1:0", "10.1.0.1:0"},  // or on the address of the machine
		{"[fd01::2]:0", "[fd01::1]:0", "[::1]:0"},
		{"[fd01::2]:0", "[fd01::1]:0", "[fd01::1]:0"},
	} {
		c := &call{table, newPhone(t, hosts[0], trunk), newPhone(t, hosts[2], nil), newPhone(t, hosts[1], nil), newPhone(t, hosts[2], nil)}
		add(t, table, c.flow())
		back := c.flow()
		back.In, back.Out = Ends{c.theirs.at, c.b.at}, Ends{c.ours.at, c.a.at}
		add(t, table, back)
		for range 3 {
			p := c.a.next()
			c.a.send(p, c.ours.at)
			c.b.want(relayed(p), c.theirs.at)
			c.b.send(p, c.theirs.at)
			c.a.want(relayed(p), c.ours.at)
		}
		c.ours.deaf()
		c.theirs.deaf()
	}
}
