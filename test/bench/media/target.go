//go:build linux && (amd64 || arm64)

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
)

// ports are where the two far ends of a call send to.
type ports struct{ A, B uint16 }

// target is what carries the packets.
type target interface {
	// start has it carry calls between a and b.
	start(calls int, a, b netip.AddrPort) ([]ports, error)
	// pid is its process; 0 = none.
	pid() int
	// allocs is how many objects it has allocated so far; negative = it cannot say.
	allocs() int64
	stop() error
}

// targets makes each target, in the order of the table.
var targets = []struct {
	name, what string
	make       func() target
}{
	{"floor", "a bare socket pair: nothing in between", func() target { return &floor{} }},
	{"tandem kernel", "media.fast_path: kernel", func() target { return &child{mode: "kernel"} }},
	{"tandem user", "media.fast_path: user", func() target { return &child{mode: "user"} }},
	{"goroutines", "a goroutine a socket, nothing but the rewriting", func() target { return &child{mode: "goroutines"} }},
	{"rtpengine", "Debian's, in user space", func() target { return &rtpengine{} }},
}

// floor has the far ends send to each other.
type floor struct{}

func (*floor) start(calls int, a, b netip.AddrPort) (all []ports, err error) {
	for range calls {
		all = append(all, ports{b.Port(), a.Port()})
	}
	return all, nil
}

func (*floor) pid() int      { return 0 }
func (*floor) allocs() int64 { return -1 }
func (*floor) stop() error   { return nil }

// child is this program again, as a relay.
type child struct {
	mode string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

// order is what a child is told first.
type order struct {
	Calls int
	A, B  netip.AddrPort
}

func (c *child) start(calls int, a, b netip.AddrPort) (all []ports, err error) {
	c.cmd = exec.Command("/proc/self/exe", "-relay", c.mode)
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return v == undisturbed })
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(bufio.NewReader(out))
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(c.in).Encode(order{calls, a, b}); err != nil {
		return nil, err
	}
	if err := c.out.Decode(&all); err != nil {
		return nil, fmt.Errorf("relay %s: %w", c.mode, err)
	}
	return all, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) allocs() int64 {
	n := int64(-1)
	if _, err := io.WriteString(c.in, "\n"); err != nil || c.out.Decode(&n) != nil {
		return -1
	}
	return n
}

func (c *child) stop() error {
	if c.cmd.ProcessState != nil {
		return nil
	}
	return errors.Join(c.in.Close(), c.cmd.Wait())
}

// programTime is what the kernel has counted of a process's eBPF program.
func programTime(pid int) (ns, runs int64) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fdinfo"
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0
	}
	for _, f := range files {
		text, err := os.ReadFile(dir + "/" + f.Name())
		if err != nil {
			continue
		}
		t, r := field(string(text), "run_time_ns:"), field(string(text), "run_cnt:")
		if r > runs {
			ns, runs = t, r
		}
	}
	return ns, runs
}
