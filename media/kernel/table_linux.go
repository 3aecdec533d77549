//go:build amd64 || arm64

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// spare is how many more slots there are than flows, so that one that was freed
// rests before it is lent again.
const spare = 64

// Table is the flows that the program relays. It belongs to who opened it.
type Table struct {
	log   *slog.Logger
	prog  *ebpf.Program
	maps  [2]*ebpf.Map
	ports []uint64    // shared with the program: as in relay.c
	slots []relayFlow // likewise
	clock time.Time   // the time when CLOCK_MONOTONIC was at
	at    int64
	watch *watcher

	mu      sync.Mutex
	names   []string
	links   map[string]attached
	free    []uint32 // longest free first
	entries map[relayKey]*Entry
	ours    map[netip.AddrPort]int // ports of ours that flows come in by
	targets map[netip.AddrPort]int // far ends that flows go out to
	limit   int
	closed  bool
}

// attached is the program on one interface.
type attached struct {
	index int
	link  link.Link
}

// Open loads the program and attaches it to every interface named. The error is
// a *Refusal, and nothing is left attached.
func Open(cfg Config) (*Table, error) {
	t := &Table{
		log: cfg.Log, names: cfg.Interfaces, limit: cfg.Flows,
		links: make(map[string]attached), entries: make(map[relayKey]*Entry),
		ours: make(map[netip.AddrPort]int), targets: make(map[netip.AddrPort]int),
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Interfaces) == 0 {
		return nil, refuse(Interface, "no interface carries the media address: set media.interfaces")
	}
	if err := t.open(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Table) open() error {
	if err := t.load(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range t.names {
		if err := t.attach(name); err != nil {
			return err
		}
	}
	watch, err := watchNetwork(t.networkChanged)
	if err != nil {
		return refuse(Interface, "routes cannot be watched: %w", err)
	}
	t.watch = watch
	return nil
}

// load loads the program, and maps what it shares with us into our memory.
func (t *Table) load() error {
	spec, err := loadRelay()
	if err != nil {
		return refuse(Platform, "%w", err)
	}
	slots := uint32(t.limit + spare)
	spec.Maps[relayMapFlows].MaxEntries = slots
	var objects struct {
		Relay *ebpf.Program `ebpf:"relay"`
		Ports *ebpf.Map     `ebpf:"ports"`
		Flows *ebpf.Map     `ebpf:"flows"`
	}
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return loadRefused(err)
	}
	t.prog, t.maps = objects.Relay, [...]*ebpf.Map{objects.Ports, objects.Flows}
	if t.ports, err = shared[uint64](t, objects.Ports); err != nil {
		return err
	}
	if t.slots, err = shared[relayFlow](t, objects.Flows); err != nil {
		return err
	}
	for i := range slots {
		t.free = append(t.free, i)
	}
	t.at, t.clock = monotonic(), time.Now()
	return nil
}

// shared is an array of the program's, in our memory for as long as there is the
// Table, which an Entry keeps.
func shared[T any](t *Table, m *ebpf.Map) ([]T, error) {
	var one T
	memory, err := syscall.Mmap(m.FD(), 0, int(m.MaxEntries())*int(unsafe.Sizeof(one)), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, loadRefused(fmt.Errorf("%s: %w", m, err))
	}
	runtime.AddCleanup(t, func(b []byte) { _ = syscall.Munmap(b) }, memory)
	return unsafe.Slice((*T)(unsafe.Pointer(&memory[0])), m.MaxEntries()), nil
}

// loadRefused says why the kernel did not take the program.
func loadRefused(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission): // the rest of err guesses at memory limits
		return refuse(Capability, "this process may not load eBPF: %s (%w)", allow(), os.ErrPermission)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, syscall.ENOSYS):
		return refuse(TooOld, "this kernel cannot run it, Linux 6.6 can (%w)", err)
	}
	return refuse(TooOld, "this kernel does not take the program (%w)", err)
}

// allow is what lets a process load eBPF that may not.
func allow() string {
	if !capable() {
		return "give it CAP_BPF and CAP_NET_ADMIN"
	}
	return "it has CAP_BPF and CAP_NET_ADMIN, so let the container's seccomp profile pass bpf(2), and run it outside of user namespaces"
}

// capable reports whether the process has both capabilities, be it in a user
// namespace only.
func capable() bool {
	const netAdmin, bpf = 12, 39 // capabilities(7)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, text, _ := strings.Cut(string(status), "CapEff:")
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	caps, err := strconv.ParseUint(text, 16, 64)
	return err == nil && caps&(1<<netAdmin) != 0 && caps&(1<<bpf) != 0
}

// attach puts the program on an interface, under mu.
func (t *Table) attach(name string) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return refuse(Interface, "%s: %w: correct media.interfaces", name, err)
	}
	if i.Flags&net.FlagLoopback == 0 && len(i.HardwareAddr) != 6 {
		return refuse(Interface, "%s is not Ethernet: set media.interfaces to others", name)
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: i.Index, Program: t.prog, Attach: ebpf.AttachTCXIngress})
	switch {
	case err == nil:
		t.links[name] = attached{i.Index, l}
		return nil
	case errors.Is(err, ebpf.ErrNotSupported):
		return refuse(TooOld, "no TCX on this kernel, Linux 6.6 has it (%w)", err)
	case errors.Is(err, os.ErrPermission):
		return refuse(Capability, "this process may not attach eBPF to %s: %s (%w)", name, allow(), err)
	}
	return refuse(Interface, "%s: %w", name, err)
}

// Len is how many flows are in.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}

// Close takes every flow out, and the program off the interfaces. Entries may
// still be read. It may be called again.
func (t *Table) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	links := t.links
	for _, e := range t.entries {
		e.halt()
	}
	t.links, t.entries = nil, nil
	t.mu.Unlock()
	var errs []error
	if t.watch != nil {
		errs = append(errs, t.watch.close())
	}
	for _, a := range links {
		errs = append(errs, a.link.Close())
	}
	if t.prog != nil {
		errs = append(errs, t.prog.Close(), t.maps[0].Close(), t.maps[1].Close())
	}
	return errors.Join(errs...)
}

// monotonic is a time as the program reads it.
func (t *Table) monotonic(at time.Time) uint64 { return uint64(t.at + int64(at.Sub(t.clock))) }

func (t *Table) time(monotonic uint64) time.Time {
	return t.clock.Add(time.Duration(int64(monotonic) - t.at))
}

// inward is the key of packets that come from a leg's far end.
func inward(e Ends) relayKey {
	return relayKey{
		Local: e.Local.Addr().As16(), Remote: e.Remote.Addr().As16(),
		LocalPort: networkOrder(e.Local.Port()), RemotePort: networkOrder(e.Remote.Port()),
	}
}

// networkOrder is a number as it lies in a packet.
func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

func networkOrder32(n uint32) uint32 {
	return binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, n))
}
