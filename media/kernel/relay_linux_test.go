package kernel

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// call is two far ends and our two sockets between them.
type call struct {
	table        *Table
	a, b         *phone // far ends
	ours, theirs *phone // our sockets: a's leg, b's leg
}

func newCall(t *testing.T, table *Table, host string) *call {
	return &call{table,
		newPhone(t, host+":0", nil), newPhone(t, host+":0", nil), newPhone(t, host+":0", nil), newPhone(t, host+":0", nil)}
}

// flow is from a to b; the last packet of a was the one before its next.
func (c *call) flow() Flow {
	return Flow{
		In: Ends{c.ours.at, c.a.at}, Out: Ends{c.theirs.at, c.b.at},
		Source: c.a.ssrc, SSRC: 0xcafebabe, Types: map[uint8]uint8{0: 8}, DSCP: 46,
		Seq: c.a.seq - 1, Timestamp: c.a.ts - 160, SeqOffset: 1000, TSOffset: 0x80000000,
		Reception: Reception{Seen: ^uint64(0)},
	}
}

// relayed is what b hears of a packet, by flow.
func relayed(in []byte) []byte {
	out := append([]byte{}, in...)
	out[1] = in[1]&0x80 | 8
	binary.BigEndian.PutUint16(out[2:], binary.BigEndian.Uint16(in[2:])+1000)
	binary.BigEndian.PutUint32(out[4:], binary.BigEndian.Uint32(in[4:])+0x80000000)
	binary.BigEndian.PutUint32(out[8:], 0xcafebabe)
	return out
}

// passes sends a packet by the kernel.
func (c *call) passes() {
	c.a.t.Helper()
	p := c.a.next()
	c.a.send(p, c.ours.at)
	c.b.want(relayed(p), c.theirs.at)
}

func open(t *testing.T, interfaces ...string) *Table {
	t.Helper()
	table, err := Open(Config{Interfaces: interfaces, Flows: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func add(t *testing.T, table *Table, f Flow) *Entry {
	t.Helper()
	e, err := table.Add(f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestObjectIsOfItsSource(t *testing.T) {
	text, err := os.ReadFile("relay.c")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := loadRelay()
	if err != nil {
		t.Fatal(err)
	}
	var was [64]byte
	if err := spec.Variables[relayVarSource].Get(&was); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != string(was[:]) {
		t.Fatal("relay.c was changed: go generate ./media/kernel, and commit what it makes")
	}
}

func TestLoopback(t *testing.T) {
	if !network(t) {
		return
	}
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		c := newCall(t, open(t, "lo"), host)
		e := add(t, c.table, c.flow())
		began := time.Now()
		for range 200 { // both counters wrap, going in and going out
			c.passes()
		}
		marked := rtp(0, c.a.seq, c.a.ts, c.a.ssrc, true)
		c.a.send(marked, c.ours.at)
		c.b.want(relayed(marked), c.theirs.at)
		tally := e.Tally()
		if tally.Packets != 201 || tally.Bytes != 201*160 || tally.Duplicates != 0 || tally.Reordered != 0 ||
			tally.Seq != c.a.seq || tally.Timestamp != c.a.ts {
			t.Errorf("%s: %+v", host, tally)
		}
		if tally.Last.Before(began) || tally.Last.After(time.Now()) || tally.MaxGap <= 0 || tally.Jitter16 == 0 {
			t.Errorf("%s: times are %+v, began %v", host, tally, began)
		}
		c.ours.deaf()
	}
}

func TestLossStaysVisibleAndDoublesGo(t *testing.T) {
	if !network(t) {
		return
	}
	c := newCall(t, open(t, "lo"), "127.0.0.1")
	e := add(t, c.table, c.flow())
	var p [8][]byte
	for i := range p {
		p[i] = c.a.next()
	}
	for _, i := range []int{0, 1, 4, 4, 3, 3, 7, 1} { // 2, 5 and 6 are lost
		c.a.send(p[i], c.ours.at)
	}
	for _, i := range []int{0, 1, 4, 3, 7} {
		c.b.want(relayed(p[i]), c.theirs.at)
	}
	c.b.deaf()
	if tally := e.Tally(); tally.Packets != 5 || tally.Duplicates != 3 || tally.Reordered != 1 || tally.Advance != 8 ||
		tally.Seq != c.a.seq-1 || tally.Lost != 0 || tally.Seen&0xff != 0b11011001 {
		t.Errorf("%+v", tally)
	}
	for range 64 { // what did not come by now will not
		c.passes()
	}
	if tally := e.Tally(); tally.Lost != 3 || tally.Bursts != 2 || tally.InBurst {
		t.Errorf("%+v", tally)
	}
	c.a.seq += 100 // more than the window, at once
	p[0] = c.a.next()
	c.a.send(p[0], c.ours.at)
	c.b.want(relayed(p[0]), c.theirs.at)
	for range 64 {
		c.passes()
	}
	if tally := e.Tally(); tally.Lost != 103 || tally.Bursts != 3 || tally.InBurst || tally.Advance != 8+64+101+64 {
		t.Errorf("%+v", tally)
	}
	c.ours.deaf()
}

func TestWhatComesUp(t *testing.T) {
	if !network(t) {
		return
	}
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		c := newCall(t, open(t, "lo"), host)
		e := add(t, c.table, c.flow())
		before := e.Tally()
		plain := func() []byte { return rtp(0, c.a.seq, c.a.ts, c.a.ssrc, false) }
		with := func(at int, value byte) []byte { b := plain(); b[at] = value; return b }
		up := map[string][]byte{
			"telephone-event":  rtp(101, c.a.seq, c.a.ts, c.a.ssrc, true)[:16],
			"other codec":      rtp(8, c.a.seq, c.a.ts, c.a.ssrc, false),
			"RTCP":             with(1, 200),
			"other SSRC":       rtp(0, c.a.seq, c.a.ts, c.a.ssrc+1, false),
			"version 1":        with(0, 0x40),
			"padding":          with(0, 0xa0),
			"extension":        with(0, 0x90),
			"CSRC":             with(0, 0x81),
			"no payload":       plain()[:12],
			"half a header":    plain()[:11],
			"empty":            {},
			"STUN":             {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
			"too large":        append(plain(), make([]byte, 1301)...),
			"jump ahead":       rtp(0, c.a.seq+3001, c.a.ts, c.a.ssrc, false),
			"jump back":        rtp(0, c.a.seq-3003, c.a.ts, c.a.ssrc, false),
			"much too late":    rtp(0, c.a.seq-65, c.a.ts-64*160, c.a.ssrc, false),
			"clock going back": rtp(0, c.a.seq, c.a.ts-1000, c.a.ssrc, false),
			"clock set anew":   rtp(0, c.a.seq, c.a.ts+8000*1000, c.a.ssrc, false),
		}
		for what, b := range up {
			t.Log(host, what)
			c.a.send(b, c.ours.at)
			c.ours.want(b, c.a.at)
		}
		stranger := newPhone(t, host+":0", nil)
		stranger.send(plain(), c.ours.at)
		c.ours.want(plain(), stranger.at)
		c.a.send(plain(), c.theirs.at) // the other leg's port
		c.theirs.want(plain(), c.a.at)
		c.b.deaf()
		if tally := e.Tally(); tally.Packets != 0 || tally.Last != before.Last {
			t.Errorf("%s: %+v", host, tally)
		}
		c.a.send(plain(), c.ours.at) // and none of it did harm
		c.b.want(relayed(plain()), c.theirs.at)
	}
}

func TestFloodComesUp(t *testing.T) {
	if !network(t) {
		return
	}
	c := newCall(t, open(t, "lo"), "127.0.0.1")
	f := c.flow()
	f.Rate = 10
	e := add(t, c.table, f)
	const sent = 60
	for range sent {
		c.a.send(c.a.next(), c.ours.at)
	}
	tally := e.Tally()
	// As many as the seconds it took, which may be several under load.
	if tally.Packets < 10 || tally.Packets == sent {
		t.Fatalf("%+v", tally)
	}
	for range sent - tally.Packets {
		c.ours.hear()
	}
	c.ours.deaf()
}

// TestPathSwitches passes one stream by the kernel and by user space in turn.
// The far end must hear one line, without a gap, jump or repetition.
func TestPathSwitches(t *testing.T) {
	if !network(t) {
		return
	}
	c := newCall(t, open(t, "lo"), "127.0.0.1")
	for round := range 40 {
		e := add(t, c.table, c.flow())
		for range round % 5 {
			c.passes()
		}
		if tally := e.Remove(); tally.Seq != c.a.seq-1 || tally.Timestamp != c.a.ts-160 || tally.Packets != uint64(round%5) {
			t.Fatalf("round %d: %+v, sent up to %d", round, tally, c.a.seq-1)
		}
		if again := e.Remove(); again.Seq != c.a.seq-1 {
			t.Fatalf("removed twice: %+v", again)
		}
		p := c.a.next()
		c.a.send(p, c.ours.at)
		c.ours.want(p, c.a.at) // it came up
		c.theirs.send(relayed(p), c.b.at)
		c.b.want(relayed(p), c.theirs.at)
	}
	if n := c.table.Len(); n != 0 {
		t.Errorf("%d flows left", n)
	}
}

// TestNoPacketAfterRemoval takes flows out under fire. Every packet goes one
// way, and the last that went by the kernel is the one Remove tells.
func TestNoPacketAfterRemoval(t *testing.T) {
	if !network(t) {
		return
	}
	c := newCall(t, open(t, "lo"), "127.0.0.1")
	if err := c.b.conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f := c.flow()
		f.Rate = 1 << 30
		e := add(t, c.table, f)
		const sent = 400
		first, half := c.a.seq, make(chan struct{})
		var firing sync.WaitGroup
		firing.Go(func() {
			for i := range sent {
				c.a.send(c.a.next(), c.ours.at)
				if i == sent/2 {
					close(half)
				}
			}
		})
		<-half
		tally := e.Remove()
		firing.Wait()
		down := int(tally.Seq - first + 1)
		if down < sent/2 || tally.Packets > uint64(down) {
			t.Fatalf("%d of %d went down: %+v", down, sent, tally)
		}
		for i := range sent {
			if i < down {
				b, _ := c.b.hear()
				if seq := binary.BigEndian.Uint16(b[2:]); seq != first+uint16(i)+1000 {
					t.Fatalf("packet %d: seq %d, began with %d", i, seq, first+1000)
				}
				continue
			}
			b, _ := c.ours.hear()
			if seq := binary.BigEndian.Uint16(b[2:]); seq != first+uint16(i) {
				t.Fatalf("packet %d came up as %d, began with %d", i, seq, first)
			}
		}
		c.b.deaf()
		c.ours.deaf()
	}
}

func TestRefusedFlows(t *testing.T) {
	if !network(t) {
		return
	}
	table, err := Open(Config{Interfaces: []string{"lo"}, Flows: 2})
	if err != nil {
		t.Fatal(err)
	}
	c := newCall(t, table, "127.0.0.1")
	refused := func(want Reason, change func(*Flow)) {
		t.Helper()
		f := c.flow()
		change(&f)
		_, err := table.Add(f)
		if got, _ := ReasonOf(err); got != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	remote := netip.MustParseAddrPort("192.0.2.1:4000")
	refused(Family, func(f *Flow) { f.Out.Remote = netip.MustParseAddrPort("[::1]:4000") })
	refused(Route, func(f *Flow) { f.Out.Remote = remote })
	refused(Route, func(f *Flow) { f.In.Remote = remote })
	refused(Route, func(f *Flow) {
		one, two := netip.MustParseAddrPort("[::1]:4000"), netip.MustParseAddrPort("[::1]:4002")
		f.In, f.Out = Ends{one, two}, Ends{one, netip.MustParseAddrPort("[fe80::1%lo]:4000")}
	})
	refused(Loop, func(f *Flow) { f.Out.Remote = f.In.Local })
	first := add(t, table, c.flow())
	refused(Full, func(*Flow) {})                              // it is in
	refused(Full, func(f *Flow) { f.In.Remote = c.theirs.at }) // a port is one leg's
	refused(Full, func(f *Flow) { f.In.Local = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), f.In.Local.Port()) })
	refused(Loop, func(f *Flow) { f.In.Local, f.Out.Remote = c.theirs.at, c.ours.at })
	refused(Loop, func(f *Flow) { f.In.Local = c.b.at })
	other := newCall(t, table, "127.0.0.1")
	second := add(t, table, other.flow())
	refused(Full, func(f *Flow) { f.In.Local = other.theirs.at })
	first.Remove()
	third := add(t, table, c.flow())
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	refused(Closed, func(*Flow) {})
	for _, e := range []*Entry{first, second, third} {
		if tally := e.Remove(); tally.Packets != 0 {
			t.Errorf("%+v", tally)
		}
	}
}
