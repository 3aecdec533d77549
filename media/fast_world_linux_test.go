package media

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"tandem/dtmf"
	"tandem/media/kernel"
	"tandem/test/namespace"
)

// pace is how often phones send here: often, and not more than rateCap.
const pace = 2500 * time.Microsecond

// farEnd is a phone on a real socket that writes its RTP by hand.
type farEnd struct {
	t      *testing.T
	conn   *net.UDPConn
	at, to netip.AddrPort
	ssrc   uint32
	seq    uint16
	ts     uint32
	tick   *time.Ticker
	codec  Codec    // of its frames …
	pt     uint8    // … and how it calls that
	srtp   *secured // nil = in plain
}

func newFarEnd(t *testing.T) *farEnd {
	f := &farEnd{t: t, ssrc: rand.Uint32(), seq: 65400, ts: 0xffffffff - 100*frameSamples, tick: time.NewTicker(pace)}
	f.listen()
	t.Cleanup(func() { f.conn.Close(); f.tick.Stop() })
	return f
}

// listen opens a socket, in place of one there was.
func (f *farEnd) listen() { f.t.Helper(); f.listenAt("127.0.0.1") }

func (f *farEnd) listenAt(host string) {
	f.t.Helper()
	if f.conn != nil {
		f.conn.Close()
	}
	var err error
	if f.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host)}); err != nil {
		f.t.Fatal(err)
	}
	f.at = f.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (f *farEnd) sdp(direction string) []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP %d 101\r\n"+
		"a=rtpmap:%[2]d %s\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n", f.at.Port(), f.pt, f.codec.rtpmap(), direction)
}

func (f *farEnd) send(pt uint8, ts uint32, payload []byte) {
	f.t.Helper()
	<-f.tick.C
	f.raw(f.srtp.seal(f.packet(pt, ts, payload)), f.to)
	f.seq++
}

// packet is the next one.
func (f *farEnd) packet(pt uint8, ts uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x80, pt}, f.seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, f.ssrc)
	return append(b, payload...)
}

// raw sends octets at once.
func (f *farEnd) raw(b []byte, to netip.AddrPort) {
	f.t.Helper()
	if _, err := f.conn.WriteToUDPAddrPort(b, to); err != nil {
		f.t.Fatal(err)
	}
}

// frame sends 20 ms of sound.
func (f *farEnd) frame() {
	f.t.Helper()
	f.send(f.pt, f.ts, slices.Repeat([]byte{0x12, 0x92}, frameSamples/2))
	f.ts += f.codec.rate() / 50
}

// lose takes n packets off the line.
func (f *farEnd) lose(n int) {
	f.seq += uint16(n)
	f.ts += uint32(n) * f.codec.rate() / 50
}

// key sends one packet of a press that began at ts.
func (f *farEnd) key(digit byte, ts uint32, n int) {
	f.t.Helper()
	f.send(101, ts, dtmf.AppendEvent(nil, digit, n >= 5, 10, uint16(frameSamples*min(n+1, 6))))
	f.ts += frameSamples
}

// hear returns the next packet.
func (f *farEnd) hear() []byte {
	f.t.Helper()
	b := make([]byte, maxPacket)
	if err := f.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	n, err := f.conn.Read(b)
	if err != nil {
		f.t.Fatalf("heard nothing: %v", err)
	}
	return b[:n]
}

// drain reads what is there, and returns how much that was.
func (f *farEnd) drain() (n int) {
	f.t.Helper()
	mark := []byte("the end")
	f.raw(mark, f.at)
	for ; !slices.Equal(f.hear(), mark); n++ {
	}
	return n
}

// fastWorld is a call on real sockets, with the kernel path.
type fastWorld struct {
	t           *testing.T
	table       *kernel.Table
	pool        *Pool
	a, b        *farEnd
	rep, caller *Stream // of a and b
	side        Side    // of both
	part        func()
	fell        []string
	mu          sync.Mutex
}

// alone runs the test in a network of its own, and reports whether this is there.
func alone(t *testing.T) bool {
	t.Helper()
	return namespace.Alone(t, func(t *testing.T) {
		table, err := OpenKernel(PathConfig{Mode: "auto", Interfaces: "lo", Flows: 1})
		if may := namespace.MayLoad(t); may != (err == nil) {
			t.Fatalf("the kernel path: %v; should this process have it: %v", err, may)
		}
		if err == nil {
			err = table.Close()
		}
		t.Logf("not run in a network of its own: %v", err)
	})
}

// fast runs the test in a network of its own, by the kernel path.
func fast(t *testing.T, f func(w *fastWorld)) {
	if alone(t) {
		f(newFastWorld(t, openTable(t)))
	}
}

// newFastWorld is a call that has just been answered; without a table it takes
// the user path.
func newFastWorld(t *testing.T, table *kernel.Table) *fastWorld {
	w := &fastWorld{t: t, table: table, a: newFarEnd(t), b: newFarEnd(t), side: Side{
		Address: netip.MustParseAddr("127.0.0.1"), Codecs: []Codec{PCMU, PCMA, G722, Opus}, EventPT: 101, InBand: true,
	}}
	w.pool = w.newPool(table)
	w.connect()
	return w
}

// reasons is why directions stayed up.
func (w *fastWorld) reasons() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.fell)
}

func openTable(t *testing.T) *kernel.Table {
	t.Helper()
	table, err := kernel.Open(kernel.Config{Interfaces: []string{"lo"}, Flows: 64})
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

func (w *fastWorld) newPool(table *kernel.Table) *Pool {
	w.t.Helper()
	ports := map[bool]uint16{true: 20000, false: 21000}[table != nil]
	pool, err := NewPool(Config{
		Listen: UDP(46), Bind: netip.IPv4Unspecified(), MinPort: ports, MaxPort: ports + 999, Silence: 4 * time.Second, Cool: time.Hour, Symmetric: true,
		Kernel: table, DSCP: 46, Fell: func(reason string) { w.mu.Lock(); defer w.mu.Unlock(); w.fell = append(w.fell, reason) },
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { pool.Close() })
	return pool
}

func (w *fastWorld) connect() {
	w.t.Helper()
	var err error
	if w.rep, w.caller, err = w.pool.OpenPair(w.side, w.side); err != nil {
		w.t.Fatal(err)
	}
	for s, f := range map[*Stream]*farEnd{w.rep: w.a, w.caller: w.b} {
		if err := s.Accept(f.sdp("sendrecv")); err != nil {
			w.t.Fatal(err)
		}
		f.to = netip.AddrPortFrom(w.side.Address, s.port)
	}
	w.part = Join(w.rep, w.caller)
}

// talk passes n packets from one far end to the other, one at a time, and
// returns the last that was heard.
func talk(n int, from, to *farEnd) (last []byte) {
	from.t.Helper()
	for range n {
		from.frame()
		last = to.hear()
	}
	return last
}

// descended talks until both directions are below, where they can be.
func (w *fastWorld) descended() {
	w.t.Helper()
	if w.table == nil {
		talk(settleAfter, w.a, w.b)
		talk(settleAfter, w.b, w.a)
		return
	}
	for range 25 {
		talk(settleAfter, w.a, w.b)
		talk(settleAfter, w.b, w.a)
		if w.pool.Below() == 2 {
			return
		}
	}
	// They talked so fast that a packet met a stream on its way down, which came
	// up again and takes its time now. More slowly, then, and within rateCap.
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); <-time.After(4 * time.Millisecond) {
		talk(1, w.a, w.b)
		talk(1, w.b, w.a)
		if w.pool.Below() == 2 {
			return
		}
	}
	w.t.Fatalf("%d directions are below; stayed up for %v", w.pool.Below(), w.reasons())
}

// none says that no flow is left.
func (w *fastWorld) none() {
	w.t.Helper()
	flows := 0
	if w.table != nil {
		flows = w.table.Len()
	}
	if flows != 0 || w.pool.Below() != 0 {
		w.t.Fatalf("%d flows left, %d directions below", flows, w.pool.Below())
	}
}
