package kernel

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"tandem/test/namespace"
)

// attachedTo is how many programs are at an interface's ingress.
func attachedTo(t *testing.T, name string) int {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	result, err := link.QueryPrograms(link.QueryOptions{Target: i.Index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		t.Fatal(err)
	}
	return len(result.Programs)
}

// holdOpen is the body of a process that has a Table, until it is killed.
const holdOpen = "TANDEM_KERNEL_HOLD"

func TestHoldOpen(t *testing.T) {
	if os.Getenv(holdOpen) == "" {
		return // only for TestKilledProcess
	}
	c := newCall(t, open(t, "lo"), "127.0.0.1")
	add(t, c.table, c.flow())
	fmt.Println("attached")
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		c.passes()
		fmt.Println("passed")
	}
}

// TestKilledProcess: nothing of a process that was killed stays, and two beside
// each other relay without touching what the other has, whichever ends first.
func TestKilledProcess(t *testing.T) {
	if !network(t) {
		return
	}
	c := newCall(t, open(t, "lo"), "127.0.0.1")
	add(t, c.table, c.flow())
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldOpen$")
	cmd.Env = append(os.Environ(), holdOpen+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	says := func(want string) {
		t.Helper()
		if line, err := said.ReadString('\n'); line != want+"\n" {
			t.Fatalf("the other says %q, %v", line, err)
		}
	}
	otherPasses := func() {
		t.Helper()
		if _, err := fmt.Fprintln(in, "pass"); err != nil {
			t.Fatal(err)
		}
		says("passed")
	}
	says("attached")
	if n := attachedTo(t, "lo"); n != 2 {
		t.Fatalf("%d programs at lo", n)
	}
	c.passes()
	otherPasses()
	if err := c.table.Close(); err != nil {
		t.Fatal(err)
	}
	otherPasses()
	c = newCall(t, open(t, "lo"), "127.0.0.1")
	add(t, c.table, c.flow())
	c.passes()
	otherPasses()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	limit, tick := time.After(soon), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for attachedTo(t, "lo") != 1 { // the kernel frees files of the dead a little later
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%d programs at lo", attachedTo(t, "lo"))
		}
	}
	c.passes()
	if err := c.table.Close(); err != nil {
		t.Fatal(err)
	}
	if n := attachedTo(t, "lo"); n != 0 {
		t.Fatalf("%d programs at lo after Close", n)
	}
}

// TestInterfaceComesBack: an interface that was made anew gets the program again.
func TestInterfaceComesBack(t *testing.T) {
	if !network(t) {
		return
	}
	plug := func() {
		namespace.Run(t, "ip", "link", "add", "phones", "type", "veth", "peer", "name", "far")
		namespace.Run(t, "ip", "link", "set", "phones", "up")
	}
	plug()
	open(t, "lo", "phones")
	namespace.Run(t, "ip", "link", "delete", "phones")
	plug()
	limit, tick := time.After(soon), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for attachedTo(t, "phones") != 1 {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("not attached again")
		}
	}
	if n := attachedTo(t, "lo"); n != 1 {
		t.Fatalf("%d programs at lo", n)
	}
}

func TestRefusedInterfaces(t *testing.T) {
	if !network(t) {
		return
	}
	namespace.Run(t, "ip", "tuntap", "add", "tunnel", "mode", "tun")
	for _, names := range [][]string{{"lo", "no-such"}, {"lo", "tunnel"}, {}} {
		table, err := Open(Config{Interfaces: names, Flows: 1})
		if reason, _ := ReasonOf(err); reason != Interface {
			t.Errorf("%v: %v, %v", names, table, err)
		}
		if n := attachedTo(t, "lo"); n != 0 {
			t.Errorf("%v: %d programs left at lo", names, n)
		}
	}
}

// nobody is a user without any right.
const nobody = 65534

// TestCapabilities: an ordinary user is refused and told what is missing; with
// CAP_BPF and CAP_NET_ADMIN alone, as README's unit grants them, it works.
func TestCapabilities(t *testing.T) {
	if os.Getenv(alone) != "" {
		if os.Getuid() != nobody {
			t.Fatal("not nobody")
		}
		if os.Getenv(granted) == "" {
			refusedSoftly(t)
			return
		}
		c := newCall(t, open(t, "lo"), "127.0.0.1")
		add(t, c.table, c.flow())
		c.passes()
		return
	}
	if !namespace.Able(t) {
		refusedSoftly(t)
		return
	}
	binary := publicCopy(t)
	s := namespace.New(t)
	for _, caps := range [][]uintptr{nil, {namespace.CapBPF, namespace.CapNetAdmin}} {
		cmd := exec.Command(binary, "-test.run=^TestCapabilities$", "-test.v")
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), alone+"=1", "GORACE=atexit_sleep_ms=0", "TMPDIR=/tmp")
		if caps != nil {
			cmd.Env = append(cmd.Env, granted+"=1")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: caps, Pdeathsig: syscall.SIGKILL,
		}
		s.Do(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("capabilities %v: %v\n%s", caps, err, out)
			}
		})
	}
}

// alone is set in a process that is to be nobody's.
const alone = "TANDEM_TEST_NOBODY"

// granted is set in a process that has the capabilities.
const granted = "TANDEM_KERNEL_GRANTED"

// publicCopy is this test's binary where everybody may run it.
func publicCopy(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kernel-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "test")
	if err := os.WriteFile(name, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}
