//go:build amd64 || arm64

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The head of a flow, as in relay.c: alive, 15 bits of life, sequence, timestamp.
const (
	alive    = 1 << 63
	lifeStep = 1 << 48
	lifeMask = 0x7fff << 48
	noType   = 0xff
	here     = 1 << 32 // in a way's via
)

// What a Flow that does not say has.
const (
	defaultRate = 1000
	defaultTTL  = 64
	defaultHz   = 8000
)

// Entry is a Flow that is in the kernel, until it is removed.
type Entry struct {
	t    *Table
	slot uint32
	key  relayKey
	in   netip.AddrPort // where packets come to
	out  netip.AddrPort // and are sent to,
	from netip.Addr     // from here
	tos  uint8

	mu   sync.Mutex // taken after t.mu
	gone bool
	last Tally // once it is gone
}

func (e *Entry) flow() *relayFlow { return &e.t.slots[e.slot] }

// port is where the program looks for the flow.
func (e *Entry) port() *uint64 { return &e.t.ports[e.in.Port()] }

// Add puts a flow in: from now on its packets go by the kernel. The error is a
// *Refusal, and says what is in the way.
func (t *Table) Add(f Flow) (*Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tos := f.DSCP << 2
	via, err := t.admit(&f, tos)
	if err != nil {
		return nil, err
	}
	e := &Entry{t: t, slot: t.free[0], key: inward(f.In), in: f.In.Local, out: f.Out.Remote, from: f.Out.Local.Addr(), tos: tos}
	if atomic.LoadUint64(e.port()) != 0 {
		return nil, refuse(Full, "another flow comes in by port %d", f.In.Local.Port())
	}
	e.fill(&f, via)
	atomic.StoreUint64(e.port(), uint64(e.slot)+1)
	t.free = t.free[1:]
	t.entries[e.key] = e
	t.ours[e.in]++
	t.targets[e.out]++
	return e, nil
}

// admit makes both legs' ends definite, and says how packets leave.
func (t *Table) admit(f *Flow, tos uint8) (via uint64, err error) {
	if t.closed {
		return 0, refuse(Closed, "it was closed")
	}
	if len(t.entries) >= t.limit {
		return 0, refuse(Full, "all %d flows are in use", t.limit)
	}
	if f.In.Remote.Addr().Is4() != f.Out.Remote.Addr().Is4() {
		return 0, refuse(Family, "%v and %v are of two families", f.In.Remote, f.Out.Remote)
	}
	back, err := f.In.settle(0)
	if err != nil {
		return 0, refuse(Route, "%v: %w", f.In.Remote, err)
	}
	if !t.on(back) {
		return 0, refuse(Interface, "packets of %v do not come by an interface the program is on", f.In.Remote)
	}
	if via, err = f.Out.settle(tos); err != nil {
		return 0, refuse(Route, "%v: %w", f.Out.Remote, err)
	}
	if f.In.Local == f.Out.Remote || t.targets[f.In.Local] > 0 || t.ours[f.Out.Remote] > 0 {
		return 0, refuse(Loop, "a flow between %v and %v would meet another of ours", f.In.Local, f.Out.Remote)
	}
	return via, nil
}

// on says whether the program is on the interface of a way.
func (t *Table) on(via uint64) bool {
	for _, a := range t.links {
		if a.index == int(uint32(via)) {
			return true
		}
	}
	return false
}

// settle finds the way to a leg's far end, and our address on it.
func (e *Ends) settle(tos uint8) (via uint64, err error) {
	e.Local = netip.AddrPortFrom(e.Local.Addr().Unmap(), e.Local.Port())
	e.Remote = netip.AddrPortFrom(e.Remote.Addr().Unmap(), e.Remote.Port())
	if e.Remote.Addr().IsLinkLocalUnicast() {
		return 0, errors.New("a link-local address is of one interface, which the route does not say")
	}
	r, err := routeTo(e.Remote.Addr(), e.Local.Addr(), tos)
	if err != nil {
		return 0, err
	}
	if e.Local.Addr().IsUnspecified() {
		if !r.source.IsValid() {
			return 0, errors.New("the route has no address of ours")
		}
		e.Local = netip.AddrPortFrom(r.source, e.Local.Port())
	}
	if e.Local.Addr().Is4() != e.Remote.Addr().Is4() {
		return 0, fmt.Errorf("our address there is %v", e.Local.Addr())
	}
	return r.via, nil
}

// fill writes the slot's next life. The program reads none of it before the head.
func (e *Entry) fill(f *Flow, via uint64) {
	s, now := e.flow(), time.Now()
	life := (s.Head + lifeStep) & lifeMask
	atomic.StoreUint64(&s.Head, life)
	*s = relayFlow{
		Head: life, In: e.key, Source: networkOrder32(f.Source),
		Tick: uint32(time.Second) / or(f.ClockRate, defaultHz), Rate: or(f.Rate, defaultRate), Epoch: e.t.monotonic(or(f.Epoch, now)),
		Out: relayWay{
			Local: f.Out.Local.Addr().As16(), Remote: f.Out.Remote.Addr().As16(),
			LocalPort: networkOrder(f.Out.Local.Port()), RemotePort: networkOrder(f.Out.Remote.Port()),
			Ssrc: networkOrder32(f.SSRC), Via: via, SeqOffset: uint32(f.SeqOffset), TsOffset: f.TSOffset,
			Tos: e.tos, Ttl: or(f.TTL, defaultTTL), Priority: [4]uint32{0, 2, 6, 4}[e.tos>>3&3], // as rt_tos2priority
		},
	}
	for i := range s.Types {
		s.Types[i] = noType
	}
	for in, out := range f.Types {
		s.Types[in&0x7f] = out & 0x7f
	}
	s.Seen, s.Last = f.Seen|1, e.t.monotonic(or(f.Last, now))
	if !f.Second.IsZero() {
		s.Since, s.Within = e.t.monotonic(f.Second), f.Within
	}
	s.InBurst, s.Timed = bit(f.InBurst), bit(f.Timed)
	s.Transit, s.Quickest, s.Jitter16 = f.Transit, f.Quickest, f.Jitter16
	atomic.StoreUint64(&s.Head, alive|life|uint64(f.Seq)<<32|uint64(f.Timestamp))
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Tally is what the flow did so far, or until it was removed.
func (e *Entry) Tally() Tally {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return e.last
	}
	return e.read(atomic.LoadUint64(&e.flow().Head))
}

func (e *Entry) read(head uint64) Tally {
	s := e.flow()
	return Tally{
		Packets: atomic.LoadUint64(&s.Packets), Bytes: atomic.LoadUint64(&s.Bytes), Advance: atomic.LoadUint64(&s.Advance),
		Lost: atomic.LoadUint64(&s.Lost), Bursts: atomic.LoadUint64(&s.Bursts), Late: atomic.LoadUint64(&s.Late),
		Duplicates: atomic.LoadUint64(&s.Duplicates), Reordered: atomic.LoadUint64(&s.Reordered),
		MaxGap: time.Duration(atomic.LoadUint64(&s.MaxGap)),
		Seq:    uint16(head >> 32), Timestamp: uint32(head),
		Reception: Reception{
			Epoch: e.t.time(s.Epoch), Last: e.t.time(atomic.LoadUint64(&s.Last)), Seen: atomic.LoadUint64(&s.Seen),
			Second: e.t.time(atomic.LoadUint64(&s.Since)), Within: atomic.LoadUint32(&s.Within),
			InBurst: atomic.LoadUint32(&s.InBurst) != 0, Timed: atomic.LoadUint32(&s.Timed) != 0,
			Transit: atomic.LoadInt32(&s.Transit), Quickest: atomic.LoadInt32(&s.Quickest), Jitter16: atomic.LoadInt32(&s.Jitter16),
		},
	}
}

// Remove takes the flow out: no packet that comes after it returns goes by the
// kernel. It may be called again; what it returns is the last word.
func (e *Entry) Remove() Tally {
	last, first := e.halt()
	t := e.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if !first || t.closed {
		return last
	}
	atomic.StoreUint64(e.port(), 0)
	delete(t.entries, e.key)
	fewer(t.ours, e.in)
	fewer(t.targets, e.out)
	t.free = append(t.free, e.slot)
	return last
}

func fewer(count map[netip.AddrPort]int, of netip.AddrPort) {
	if count[of]--; count[of] == 0 {
		delete(count, of)
	}
}

// halt ends the flow's life at once, and returns what it did; first is false if
// it was over.
func (e *Entry) halt() (last Tally, first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.flow()
	for !e.gone {
		head := atomic.LoadUint64(&s.Head)
		if atomic.CompareAndSwapUint64(&s.Head, head, head&^uint64(alive)) {
			e.gone, e.last, first = true, e.read(head), true
		}
	}
	return e.last, first
}

// reroute finds the way anew.
func (e *Entry) reroute() {
	r, err := routeTo(e.out.Addr(), e.from, e.tos)
	if err != nil {
		r.via = 0 // the stack shall say so to the socket
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone {
		atomic.StoreUint64(&e.flow().Out.Via, r.via)
	}
}

// via is how the flow leaves now.
func (e *Entry) via() uint64 { return atomic.LoadUint64(&e.flow().Out.Via) }
