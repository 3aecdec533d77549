package carrier

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	t1    = 500 * time.Millisecond // RFC 3261 T1
	t2    = 4 * time.Second
	realm = "carrier"
)

// Options is what a Carrier is like.
type Options struct {
	User, Password string                                   // digest; User "" = no authentication
	Server         bool                                     // challenges by 401, not 407
	Everything     bool                                     // challenges every request, not only the first INVITE
	NoTrying       bool                                     // sends no 100
	Quiet          bool                                     // phones send keys, and no sound
	NonceLife      time.Duration                            // then an old nonce is stale; 0 = never
	ListenRTP      func(netip.Addr) (net.PacketConn, error) // a socket on a free port
	Script         func(number string) Script               // nil = Magic
	Speed          float64                                  // how much faster than life phones are; 0 = 1
}

// Script is what one phone does when it is called. It runs in a goroutine of its
// own, and is over when the call is.
type Script func(*Call)

// Carrier is a trunk. It serves until Close.
type Carrier struct {
	opts  Options
	conn  net.PacketConn
	addr  netip.AddrPort
	nonce string

	opened time.Time

	mu     sync.Mutex
	calls  map[string]*Call // by Call-ID
	order  []*Call
	asked  map[string]*asked // by branch: requests of phones' own
	closed bool
	done   chan struct{} // closed with it
	wait   sync.WaitGroup
}

// Open serves on conn, which is the Carrier's from here on.
func Open(conn net.PacketConn, opts Options) (*Carrier, error) {
	addr, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("carrier: %w", err)
	}
	if opts.Speed == 0 {
		opts.Speed = 1
	}
	if opts.Script == nil {
		opts.Script = Magic
	}
	c := &Carrier{opts: opts, conn: conn, addr: addr, nonce: fmt.Sprintf("%016x", rand.Uint64()), opened: time.Now(), calls: make(map[string]*Call),
		asked: make(map[string]*asked), done: make(chan struct{})}
	c.wait.Go(c.serve)
	return c, nil
}

// Addr is where it serves.
func (c *Carrier) Addr() netip.AddrPort { return c.addr }

// Calls are all calls that were placed, in their order.
func (c *Carrier) Calls() []*Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Call(nil), c.order...)
}

// Close ends every call without a word, and returns when nothing runs.
func (c *Carrier) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	close(c.done)
	for _, call := range c.Calls() {
		call.finish()
	}
	err := c.conn.Close()
	c.wait.Wait()
	return err
}

func (c *Carrier) send(b []byte, to net.Addr) {
	_, _ = c.conn.WriteTo(b, to) // lost, as on the wire
}

func (c *Carrier) serve() {
	b := make([]byte, 65535)
	for {
		n, from, err := c.conn.ReadFrom(b)
		if err != nil {
			return
		}
		if m, ok := parse(b[:n]); ok {
			c.take(&m, from)
		}
	}
}

// take does one message. Requests are answered at once, so that a repeated one
// gets the same answer.
func (c *Carrier) take(m *message, from net.Addr) {
	c.mu.Lock()
	call := c.calls[m.get("Call-ID")]
	c.mu.Unlock()
	switch {
	case m.status() > 0:
		c.answer(m)
	case m.method() == "INVITE" && call == nil:
		c.invite(m, from)
	case m.method() == "OPTIONS":
		c.send(respond(m, "200 OK", "", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE\r\n", ""), from)
	case call != nil && (!c.opts.Everything || call.repeated(m) || c.admit(m, from)):
		call.request(m, from)
	case call != nil: // challenged
	case m.method() != "ACK":
		c.send(respond(m, "481 Call/Transaction Does Not Exist", "", "", ""), from)
	}
}

// invite authenticates a call and starts its phone.
func (c *Carrier) invite(m *message, from net.Addr) {
	if !c.admit(m, from) {
		return
	}
	call := newCall(c, m, from)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.calls[m.get("Call-ID")] = call
	c.order = append(c.order, call)
	if !c.opts.NoTrying {
		c.send(respond(m, "100 Trying", "", "", ""), from)
	}
	c.wait.Go(call.run)
	c.mu.Unlock()
}

// digitsOf keeps the digits of a number.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}
