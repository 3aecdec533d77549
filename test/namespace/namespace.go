//go:build linux

// Package namespace gives tests networks of their own, so that what they do to
// a network meets nobody's packets. It needs root, and the ip of iproute2.
package namespace

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Capabilities (capabilities(7)) the kernel path needs, and one for namespaces.
const (
	CapNetAdmin = 12
	CapBPF      = 39
	capSysAdmin = 21
)

// inside is set in a process that has a network of its own.
const inside = "TANDEM_TEST_ALONE"

// Able says whether Alone runs tests of the kernel path on this machine: it can
// have that path, and this process may make networks.
func Able(t *testing.T) bool {
	t.Helper()
	return MayLoad(t) && capable(t, capSysAdmin)
}

// MayLoad says, without asking what is tested, whether this process can have the
// kernel path: by its capabilities, those of the machine's root, and by the
// kernel's version.
func MayLoad(t *testing.T) bool {
	t.Helper()
	if strings.Fields(read(t, "/proc/self/uid_map"))[2] != "4294967295" {
		return false // root of a user namespace only
	}
	var major, minor int
	if _, err := fmt.Sscanf(read(t, "/proc/sys/kernel/osrelease"), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return capable(t, CapNetAdmin) && capable(t, CapBPF) && (major > 6 || major == 6 && minor >= 6)
}

func capable(t *testing.T, capability int) bool {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "/proc/self/status"), "CapEff:")
	caps, err := strconv.ParseUint(strings.Fields(text)[0], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return caps>>capability&1 != 0
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Alone runs the test in a process whose network is its own, with lo up. It
// reports whether this is that process. Where the machine is not Able, it calls
// refused instead.
func Alone(t *testing.T, refused func(*testing.T)) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		Run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if !Able(t) {
		refused(t)
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), inside+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("in a network of its own: %v", err)
	}
	return false
}

// Run runs a command, which must succeed.
func Run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// Space is one more network, that of a far end.
type Space struct {
	Path string // of its namespace
	jobs chan func()
}

// New makes one. It goes with the sockets and the thread that are in it.
func New(t *testing.T) *Space {
	t.Helper()
	s := &Space{jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		s.Path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), syscall.Gettid())
		ready <- err
		for job := range s.jobs {
			job()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	t.Cleanup(func() { close(s.jobs) })
	s.IP(t, "link", "set", "lo", "up")
	return s
}

// Do runs f in the space: sockets it opens, and commands it starts, belong there.
func (s *Space) Do(f func()) {
	done := make(chan struct{})
	s.jobs <- func() { defer close(done); f() }
	<-done
}

// IP runs ip in the space.
func (s *Space) IP(t *testing.T, args ...string) {
	t.Helper()
	s.Run(t, "ip", args...)
}

// Run runs a command in the space, which must succeed.
func (s *Space) Run(t *testing.T, name string, args ...string) {
	t.Helper()
	var out []byte
	var err error
	s.Do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
