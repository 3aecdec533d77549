//go:build linux && (amd64 || arm64)

package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// own is a loopback address that no other run of the tests has.
var own = netip.AddrFrom4([4]byte{127, 77, byte(os.Getpid() >> 8), byte(os.Getpid())})

// realEnd is a phone on a real socket.
func realEnd(t testing.TB, addr netip.Addr) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func portOf(conn *net.UDPConn) uint16 { return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// agreed makes a stream talk to a far end.
func agreed(t testing.TB, s *Stream, far *net.UDPConn) {
	t.Helper()
	family := "IP4"
	if s.ours.addr.Addr().Is6() {
		family = "IP6"
	}
	if err := s.Accept(fmt.Appendf(nil, "v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\nm=audio %[3]d RTP/AVP 0\r\n",
		family, s.ours.addr.Addr(), portOf(far))); err != nil {
		t.Fatal(err)
	}
}

// realPool is a pool of real sockets.
func realPool(t testing.TB, addr netip.Addr, listen func(netip.AddrPort) (PacketConn, error)) *Pool {
	t.Helper()
	pool, err := NewPool(Config{Listen: listen, Bind: addr, MinPort: 20000, MaxPort: 20999, Symmetric: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

func joined(t testing.TB, pool *Pool) (a, b *Stream, ana, jane *net.UDPConn) {
	t.Helper()
	side := Side{Address: pool.cfg.Bind, Codecs: []Codec{PCMU}}
	a, b, err := pool.OpenPair(side, side)
	if err != nil {
		t.Fatal(err)
	}
	ana, jane = realEnd(t, pool.cfg.Bind), realEnd(t, pool.cfg.Bind)
	agreed(t, a, ana)
	agreed(t, b, jane)
	Join(a, b)
	return a, b, ana, jane
}

func TestLanesCarryCallsBothWays(t *testing.T) {
	for _, addr := range []netip.Addr{own, netip.IPv6Loopback()} {
		pool := realPool(t, addr, UDP(46))
		var calls sync.WaitGroup
		for range 8 {
			a, b, ana, jane := joined(t, pool)
			if a.lane == nil || a.lane != b.lane {
				t.Error("the legs of a call are not on one lane")
			}
			calls.Go(func() {
				buffer := make([]byte, maxPacket)
				for i := range uint16(50) {
					for from, to := range map[*net.UDPConn]*net.UDPConn{ana: jane, jane: ana} {
						s := a
						if from == jane {
							s = b
						}
						if _, err := from.WriteToUDPAddrPort(rtpOf(i, 7), s.conn.(*socket).local); err != nil {
							t.Error(err)
							return
						}
						_ = to.SetReadDeadline(time.Now().Add(20 * time.Second))
						n, _, err := to.ReadFromUDPAddrPort(buffer)
						if err != nil || n != rtpHeader+frameSamples {
							t.Errorf("packet %d: %d octets, %v", i, n, err)
							return
						}
					}
				}
			})
		}
		calls.Wait()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestALaneIsFilledBeforeTheNext: few calls are on one lane, many on one a core.
func TestALaneIsFilledBeforeTheNext(t *testing.T) {
	conn, err := UDP(46)(netip.AddrPortFrom(own, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := newLanes(nil)
	defer l.close()
	first := l.pick(conn)
	if first == nil || l.pick(conn) != first {
		t.Error("a second lane before the first was full")
	}
	first.load.Store(laneFull)
	for range runtime.GOMAXPROCS(0) - 1 {
		next := l.pick(conn)
		if next == nil || next.load.Load() != 0 {
			t.Fatal("no new lane, and there is a core for it")
		}
		next.load.Store(laneFull + 1)
	}
	if l.pick(conn) != first {
		t.Error("all are full: not on the lane that has the fewest sockets")
	}
	first.load.Store(laneFull - 1)
	if l.pick(conn) != first {
		t.Error("not on the lane that has room again")
	}
}

func TestPacketsCarryTheirDSCP(t *testing.T) {
	far, err := openSocket(netip.AddrPortFrom(own, 0))
	if err != nil {
		t.Fatal(err)
	}
	near, err := UDP(46)(netip.AddrPortFrom(own, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := near.WriteToUDPAddrPort([]byte("hello"), far.local); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, from, err := far.ReadFromUDPAddrPort(b); err != nil || string(b[:n]) != "hello" || from != near.(*socket).local {
		t.Errorf("read %q of %v, %v", b[:n], from, err)
	}
	if tos := tosOf(t, near.(*socket)); tos != 46<<2 {
		t.Errorf("TOS %#x", tos)
	}
	for _, s := range []PacketConn{far, near} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
		if _, err := s.WriteToUDPAddrPort([]byte("x"), near.(*socket).local); !errors.Is(err, net.ErrClosed) {
			t.Errorf("written after it was closed: %v", err)
		}
	}
}

// TestNoPacketOfAnEndedCallIsForwarded ends calls in the middle of a flood of
// their packets: none comes through once Close has returned, and none gets to
// the call that has the port then.
func TestNoPacketOfAnEndedCallIsForwarded(t *testing.T) {
	pool := realPool(t, own, UDP(46))
	before := openFiles(t)
	for range 5 {
		a, b, ana, jane := joined(t, pool)
		to, stop := a.conn.(*socket).local, make(chan struct{})
		var flood sync.WaitGroup
		flood.Go(func() {
			for i := uint16(0); ; i++ {
				select {
				case <-stop:
					return
				default:
					_, _ = ana.WriteToUDPAddrPort(rtpOf(i, 7), to)
				}
			}
		})
		buffer := make([]byte, maxPacket)
		_ = jane.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, _, err := jane.ReadFromUDPAddrPort(buffer); err != nil {
			t.Fatal("nothing came through at all")
		}
		a.Close()
		b.Close()
		for left := 0; ; left++ { // what jane had not read yet
			_ = jane.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			if _, _, err := jane.ReadFromUDPAddrPort(buffer); err != nil {
				break
			}
			if left > rateCap {
				t.Error("packets of an ended call come through")
				break
			}
		}
		close(stop)
		flood.Wait()
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if after := openFiles(t); after > before+2*5+1 { // the far ends' own, and the runtime's
		t.Errorf("%d files open, %d before", after, before)
	}
}

// BenchmarkForward compares ways to carry a packet over real sockets: what a
// bare socket takes, a goroutine for each of two sockets, and lanes. One packet
// is under way at a time: p50 and p99 are its delay, ns/op is the pace.
func BenchmarkForward(b *testing.B) {
	b.Run("bare socket", func(b *testing.B) {
		ana, jane := realEnd(b, own), realEnd(b, own)
		pingPong(b, ana, jane, jane.LocalAddr().(*net.UDPAddr).AddrPort())
	})
	b.Run("plain goroutines", func(b *testing.B) {
		ana, jane, near, out := realEnd(b, own), realEnd(b, own), realEnd(b, own), realEnd(b, own)
		go func() {
			buffer := make([]byte, maxPacket)
			for {
				n, _, err := near.ReadFromUDPAddrPort(buffer)
				if err != nil {
					return
				}
				_, _ = out.WriteToUDPAddrPort(buffer[:n], jane.LocalAddr().(*net.UDPAddr).AddrPort())
			}
		}()
		pingPong(b, ana, jane, near.LocalAddr().(*net.UDPAddr).AddrPort())
	})
	for name, listen := range map[string]func(netip.AddrPort) (PacketConn, error){
		"stream on a lane":       UDP(46),
		"stream on a goroutine ": func(at netip.AddrPort) (PacketConn, error) { return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)) },
	} {
		b.Run(name, func(b *testing.B) {
			pool := realPool(b, own, listen)
			a, _, ana, jane := joined(b, pool)
			pingPong(b, ana, jane, a.conn.LocalAddr().(*net.UDPAddr).AddrPort())
			_ = pool.Close()
		})
	}
}

func pingPong(b *testing.B, ana, jane *net.UDPConn, to netip.AddrPort) {
	buffer := make([]byte, maxPacket)
	delays := make([]time.Duration, 0, 1<<20)
	_ = jane.SetReadDeadline(time.Now().Add(time.Minute))
	cpu, n := cpuTime(b), uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		n++
		if _, err := ana.WriteToUDPAddrPort(rtpOf(n, 7), to); err != nil {
			b.Fatal(err)
		}
		if _, _, err := jane.ReadFromUDPAddrPort(buffer); err != nil {
			b.Fatal(err)
		}
		delays = append(delays, time.Since(begin))
		<-time.After(2*time.Millisecond - time.Since(begin)) // not faster than rateCap
	}
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "p99-µs")
}

func tosOf(t *testing.T, s *socket) int {
	t.Helper()
	tos, err := syscall.GetsockoptInt(s.fd, syscall.IPPROTO_IP, syscall.IP_TOS)
	if err != nil {
		t.Fatal(err)
	}
	return tos
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkLegs is what the sockets of a call cost, from its beginning to its end.
func BenchmarkLegs(b *testing.B) {
	here := netip.MustParseAddr("127.0.0.1")
	pool, err := NewPool(Config{Listen: UDP(46), Bind: here, MinPort: 20000, MaxPort: 29999})
	if err != nil {
		b.Fatal(err)
	}
	side := Side{Address: here, Codecs: []Codec{PCMU}, EventPT: 101}
	for b.Loop() {
		one, other, err := pool.OpenPair(side, side)
		if err != nil {
			b.Fatal(err)
		}
		one.Close()
		other.Close()
	}
	if err := pool.Close(); err != nil {
		b.Error(err)
	}
}
