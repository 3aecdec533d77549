package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	capNetAdmin = 12
	capSysAdmin = 21
	capBPF      = 39

	inside = "TANDEM_KERNEL_TEST" // set in a process that has a network of its own
	soon   = 20 * time.Second     // for what must happen, on a machine under load
)

// able says, without asking what is tested, whether this machine can do it: root
// of the machine, on a kernel with TCX.
func able(t *testing.T) bool {
	t.Helper()
	status := read(t, "/proc/self/status")
	_, text, _ := strings.Cut(status, "CapEff:")
	caps, err := strconv.ParseUint(strings.Fields(text)[0], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []int{capNetAdmin, capSysAdmin, capBPF} {
		if caps>>c&1 == 0 {
			return false
		}
	}
	if strings.Fields(read(t, "/proc/self/uid_map"))[2] != "4294967295" {
		return false // root of a user namespace only
	}
	var major, minor int
	if _, err := fmt.Sscanf(read(t, "/proc/sys/kernel/osrelease"), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 6
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// network runs the test in a process whose network is its own, so that a
// program gone wrong meets nobody's packets. It reports whether this is that
// process. Where the machine cannot, Open must have said so.
func network(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if !able(t) {
		refusedSoftly(t)
		return false
	}
	again(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	return false
}

func refusedSoftly(t *testing.T) {
	t.Helper()
	table, err := Open(Config{Interfaces: []string{"lo"}, Flows: 4})
	if err == nil {
		table.Close()
		t.Fatal("opened, though this process has not the capabilities, or the kernel no TCX")
	}
	reason, is := ReasonOf(err)
	if !is || reason != Capability && reason != TooOld {
		t.Fatalf("refused with %q: %v", reason, err)
	}
	t.Logf("not to be had here: %v", err)
}

// again runs this test once more, in a process with attr.
func again(t *testing.T, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), inside+"=1", "GORACE=atexit_sleep_ms=0")
	attr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("in a network of its own: %v", err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// space is one more network, that of a far end.
type space struct {
	jobs chan func()
	path string
}

// newSpace makes one. It goes with the sockets and the thread that are in it.
func newSpace(t *testing.T) *space {
	t.Helper()
	s := &space{jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		s.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), syscall.Gettid())
		ready <- err
		for job := range s.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	t.Cleanup(func() { close(s.jobs) })
	s.ip(t, "link", "set", "lo", "up")
	return s
}

// do runs f in the space.
func (s *space) do(f func()) {
	done := make(chan struct{})
	s.jobs <- func() { defer close(done); f() }
	<-done
}

func (s *space) ip(t *testing.T, args ...string) {
	t.Helper()
	s.run(t, "ip", args...)
}

func (s *space) run(t *testing.T, name string, args ...string) {
	t.Helper()
	var out []byte
	var err error
	s.do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
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

func newPhone(t *testing.T, addr string, in *space) *phone {
	t.Helper()
	p := &phone{t: t, ssrc: 0x11223344, seq: 65500, ts: 0xffffff00}
	var err error
	listen := func() { p.conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))) }
	if in != nil {
		in.do(listen)
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
