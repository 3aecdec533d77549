package kernel

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"tandem/test/namespace"
)

// soon is the limit for what must happen, on a machine under load.
const soon = 20 * time.Second

// network runs the test in a network of its own, and reports whether this is
// there. Where the machine cannot, Open must have said so.
func network(t *testing.T) bool {
	t.Helper()
	return namespace.Alone(t, refusedSoftly)
}

func refusedSoftly(t *testing.T) {
	t.Helper()
	table, err := Open(Config{Interfaces: []string{"lo"}, Flows: 4})
	if err == nil {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
		if namespace.MayLoad(t) {
			return
		}
		t.Fatal("opened, though this process has not the capabilities, or the kernel no TCX")
	}
	if namespace.MayLoad(t) {
		t.Fatalf("refused, though nothing is missing: %v", err)
	}
	reason, is := ReasonOf(err)
	if !is || reason != Capability && reason != TooOld {
		t.Fatalf("refused with %q: %v", reason, err)
	}
	t.Logf("not to be had here: %v", err)
}

// phone is a socket that sends and hears RTP written by hand.
type phone struct {
	t    *testing.T
	conn *net.UDPConn
	at   netip.AddrPort
	ssrc uint32
	seq  uint16
	ts   uint32
}

func newPhone(t *testing.T, addr string, in *namespace.Space) *phone {
	t.Helper()
	p := &phone{t: t, ssrc: 0x11223344, seq: 65500, ts: 0xffffff00}
	var err error
	listen := func() { p.conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))) }
	if in != nil {
		in.Do(listen)
	} else {
		listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	p.at = p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	p.at = netip.AddrPortFrom(p.at.Addr().Unmap(), p.at.Port())
	return p
}

// rtp is one packet, 20 ms of PCMU that says its number.
func rtp(pt uint8, seq uint16, ts, ssrc uint32, marker bool) []byte {
	b := make([]byte, 172)
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := range b[12:] {
		b[12+i] = byte(int(seq)*7 + i)
	}
	return b
}

// next is the phone's next packet.
func (p *phone) next() []byte {
	b := rtp(0, p.seq, p.ts, p.ssrc, false)
	p.seq++
	p.ts += 160
	return b
}

func (p *phone) send(b []byte, to netip.AddrPort) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

// hear returns the next packet that comes.
func (p *phone) hear() ([]byte, netip.AddrPort) {
	p.t.Helper()
	b := make([]byte, 4096)
	if err := p.conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
		p.t.Fatal(err)
	}
	n, from, err := p.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		p.t.Fatalf("%v heard nothing: %v", p.at, err)
	}
	return b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// want hears one packet, which must be b from there.
func (p *phone) want(b []byte, from netip.AddrPort) {
	p.t.Helper()
	got, by := p.hear()
	if !bytes.Equal(got, b) {
		p.t.Fatalf("%v heard %x…, want %x…", p.at, got[:min(16, len(got))], b[:min(16, len(b))])
	}
	if by != from {
		p.t.Fatalf("%v heard %v, want %v", p.at, by, from)
	}
}

// deaf says that nothing else came: what is sent by itself now is the next.
func (p *phone) deaf() {
	p.t.Helper()
	mark := []byte("the end")
	p.send(mark, p.at)
	p.want(mark, p.at)
}
