package test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Path is what datagrams go through from one socket to another.
type Path struct {
	Delay     time.Duration // of every datagram
	Jitter    time.Duration // up to this much more; order is kept
	Loss      float64       // share that never arrives
	Duplicate float64       // share that arrives twice
	Reorder   float64       // share that is held back, for as long again, while others pass
}

// Datagram is one as it was sent. Data is valid during the call only.
type Datagram struct {
	At       time.Time
	From, To netip.AddrPort // as its sender knows them
	Data     []byte
	Lost     bool
}

// Network is UDP in memory, for testing/synctest: it has no goroutine of its
// own, and its readers wait on channels and timers only. What becomes of the
// n-th datagram from one socket to another follows from the seed and n.
type Network struct {
	// Route is the path of a datagram; nil = a millisecond, whatever it is. Lose
	// takes single datagrams out; nil = none. Tap sees every datagram as it is
	// sent, in the goroutine of its sender. All are set before the first socket
	// opens.
	Route func(from, to netip.AddrPort) Path
	Lose  func(Datagram) bool
	Tap   func(Datagram)

	seed  uint64
	mu    sync.Mutex
	conns map[netip.AddrPort]*Conn
	links map[link]*fortune
	nats  map[netip.Addr]*NAT // by address inside, and by public address
	free  uint16
	order uint64
}

type link struct{ from, to netip.AddrPort }

// fortune is a link's dice, and when its newest datagram in order arrives.
type fortune struct {
	dice *rand.Rand
	last time.Time
}

// NewNetwork returns a Network without sockets.
func NewNetwork(seed uint64) *Network {
	return &Network{seed: seed, conns: make(map[netip.AddrPort]*Conn), links: make(map[link]*fortune),
		nats: make(map[netip.Addr]*NAT), free: 40000}
}

// Listen opens a socket; port 0 is a free one. It is a net.PacketConn, and what
// media needs of a socket.
func (n *Network) Listen(at netip.AddrPort) (*Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for at.Port() == 0 || at.Port() >= 40000 && n.conns[at] != nil {
		n.free += 2 // the odd ones are for RTCP (RFC 3550 §11)
		if free := netip.AddrPortFrom(at.Addr(), n.free); n.conns[free] == nil {
			at = free
			break
		}
	}
	if n.conns[at] != nil {
		return nil, fmt.Errorf("network: %s is in use", at)
	}
	c := &Conn{n: n, at: at, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	n.conns[at] = c
	return c, nil
}

// Open is how many sockets are open.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

// Cut pulls the cable of an address: its sockets send into nothing, receive
// nothing, and are in nobody's way any more.
func (n *Network) Cut(at netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for where, c := range n.conns {
		if where.Addr() == at {
			c.cut.Store(true)
			delete(n.conns, where)
		}
	}
}

// send is a datagram's way. n.mu is not held.
func (n *Network) send(from, to netip.AddrPort, data []byte) {
	taken := n.Lose != nil && n.Lose(Datagram{time.Now(), from, to, data, true})
	n.mu.Lock()
	path := Path{Delay: time.Millisecond}
	if n.Route != nil {
		path = n.Route(from, to)
	}
	now, f := time.Now(), n.fortune(from, to)
	lost, again, late := f.dice.Float64() < path.Loss || taken, f.dice.Float64() < path.Duplicate, f.dice.Float64() < path.Reorder
	wait := path.Delay + time.Duration(f.dice.Float64()*float64(path.Jitter))
	source, dest := n.translate(from, to, now)
	if c := n.conns[dest]; c != nil && !lost {
		due := now.Add(wait)
		if late {
			due = due.Add(wait + time.Duration(f.dice.Float64()*float64(wait)))
		} else if due.Before(f.last) {
			due = f.last
		} else {
			f.last = due
		}
		copied := append([]byte(nil), data...)
		n.order++
		c.put(arrival{due, n.order, copied, source})
		if again {
			n.order++
			c.put(arrival{due.Add(wait), n.order, copied, source})
		}
	}
	n.mu.Unlock()
	if n.Tap != nil {
		n.Tap(Datagram{now, from, to, data, lost})
	}
}

// fortune is a link's; its dice depend on nothing but the seed and the link.
func (n *Network) fortune(from, to netip.AddrPort) *fortune {
	f := n.links[link{from, to}]
	if f == nil {
		hash := uint64(14695981039346656037) // FNV-1a
		for _, b := range []byte(from.String() + ">" + to.String()) {
			hash = (hash ^ uint64(b)) * 1099511628211
		}
		f = &fortune{dice: rand.New(rand.NewPCG(n.seed, hash))}
		n.links[link{from, to}] = f
	}
	return f
}

// arrival is a datagram on its way.
type arrival struct {
	due   time.Time
	order uint64
	data  []byte
	from  netip.AddrPort
}

type arrivals []arrival

func (a arrivals) Len() int { return len(a) }
func (a arrivals) Less(i, j int) bool {
	if !a[i].due.Equal(a[j].due) {
		return a[i].due.Before(a[j].due)
	}
	return a[i].order < a[j].order
}
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)   { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

// Conn is one socket.
type Conn struct {
	n    *Network
	at   netip.AddrPort
	wake chan struct{} // something came that is earlier than all there was
	gone chan struct{}
	once sync.Once
	cut  atomic.Bool

	mu    sync.Mutex
	queue arrivals
}

func (c *Conn) put(a arrival) {
	c.mu.Lock()
	heap.Push(&c.queue, a)
	first := c.queue[0].order == a.order
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// due returns what has arrived, or how long it is until something does.
func (c *Conn) due() (a arrival, wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return a, time.Hour, false
	}
	if wait = time.Until(c.queue[0].due); wait > 0 {
		return a, wait, false
	}
	return heap.Pop(&c.queue).(arrival), 0, true
}

// ReadFromUDPAddrPort waits for the next datagram.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		select {
		case <-c.gone:
			return 0, netip.AddrPort{}, net.ErrClosed
		default:
		}
		a, wait, ok := c.due()
		if ok {
			return copy(b, a.data), a.from, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.wake:
		case <-c.gone:
		}
		timer.Stop()
	}
}

// WriteToUDPAddrPort sends one datagram. What nobody listens for is lost.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.gone:
		return 0, net.ErrClosed
	default:
	}
	if c.cut.Load() {
		return len(b), nil
	}
	c.n.send(c.at, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), b)
	return len(b), nil
}

// ReadFrom is ReadFromUDPAddrPort for a net.PacketConn.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo is WriteToUDPAddrPort for a net.PacketConn.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	at, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return 0, err
	}
	return c.WriteToUDPAddrPort(b, at)
}

// LocalAddr is where it listens.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.at) }

// Close frees the address.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.gone)
		c.n.mu.Lock()
		defer c.n.mu.Unlock()
		if c.n.conns[c.at] == c {
			delete(c.n.conns, c.at)
		}
	})
	return nil
}

// SetDeadline cannot be done, like its like: nobody here needs it.
func (c *Conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline cannot be done.
func (c *Conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline cannot be done.
func (c *Conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
