package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"tandem/media/kernel"
)

// ErrNoPorts: every pair of RTP ports is lent or cooling.
var ErrNoPorts = errors.New("no free RTP port: widen media.rtp_ports or lower the trunks' channels")

// ErrNoFiles: as many sockets are open as the process may have.
var ErrNoFiles = errors.New("no room for more open files: raise LimitNOFILE of the systemd unit, or ulimit -n")

// PacketConn is what a stream needs of a UDP socket: *net.UDPConn has it. Those
// that UDP opens on Linux are read by lanes, the others by a goroutine each.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// Config is what a Pool lends from.
type Config struct {
	Listen           func(netip.AddrPort) (PacketConn, error) // UDP(46), or a test's
	Bind             netip.Addr                               // sockets are bound to it
	MinPort, MaxPort uint16                                   // RTP takes the even ports, RTCP the odd ones after them (RFC 3550 §11)
	Sockets          int                                      // open at most, two a stream; 0 = any number
	Cool             time.Duration                            // a used port rests this long, for packets of the old call
	Silence          time.Duration                            // then a leg that should send is Lost
	Symmetric        bool                                     // answer to where packets really come from
	Metrics          *Metrics                                 // nil = none
	Log              *slog.Logger                             // nil = none

	Kernel *kernel.Table       // the kernel path; nil = the user path only. The caller closes it, after the Pool
	DSCP   uint8               // of what the kernel sends
	Fell   func(reason string) // a stream does not take the kernel path, and why; nil = nobody asks
}

// Pool lends streams, and the ports under them.
type Pool struct {
	cfg   Config
	log   *slog.Logger
	total int // ports
	lanes *lanes

	observe observe // nil = none

	mu     sync.Mutex
	free   []uint16
	cool   []cooling // oldest first
	lent   int       // ports
	up     map[*Stream]bool
	closed bool

	paths paths
}

type cooling struct {
	port  uint16
	until time.Time
}

// NewPool returns a Pool with every port free. It opens no socket yet.
func NewPool(cfg Config) (*Pool, error) {
	if cfg.Listen == nil || !cfg.Bind.IsValid() || cfg.MinPort == 0 || cfg.MaxPort <= cfg.MinPort {
		return nil, errors.New("media: need Listen, Bind and a range of ports")
	}
	p := &Pool{cfg: cfg, log: cfg.Log, up: make(map[*Stream]bool)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.paths.table, p.paths.dscp, p.paths.fell = cfg.Kernel, cfg.DSCP, cfg.Fell
	if p.paths.fell == nil {
		p.paths.fell = func(string) {}
	}
	p.observe = cfg.Metrics.observe()
	p.lanes = newLanes(p.observe)
	for port := uint32(cfg.MinPort+1) &^ 1; port < uint32(cfg.MaxPort); port += 2 {
		p.free = append(p.free, uint16(port))
	}
	p.total = len(p.free)
	return p, nil
}

// Side says what one leg's stream is like.
type Side struct {
	Call, Name string         // for logs
	Address    netip.Addr     // what the session description says
	Codecs     []Codec        // in the order of the offer
	EventPT    uint8          // telephone-event's payload type; 0 = none
	InBand     bool           // listen for tones in the sound too …
	Score      float32        // … that are likely keys by this much (dtmf.Config) …
	Dwell      time.Duration  // … and last so long
	SRTP       SRTP           // whether it is enciphered
	From       []netip.Prefix // whence packets may come; empty = anywhere
}

// OpenPair opens the streams of a call's two legs, or neither. They are on one
// lane.
func (p *Pool) OpenPair(a, b Side) (*Stream, *Stream, error) {
	first, err := p.Open(a)
	if err != nil {
		return nil, nil, err
	}
	second, err := p.open(b, first.lane)
	if err != nil {
		first.Close()
		return nil, nil, err
	}
	return first, second, nil
}

// Open opens one stream. It belongs to the caller, who closes it.
func (p *Pool) Open(side Side) (*Stream, error) { return p.open(side, nil) }

// open opens one on a lane, or with nil on any.
func (p *Pool) open(side Side, lane *lane) (*Stream, error) {
	if len(side.Codecs) == 0 {
		return nil, errors.New("media: a side without codecs")
	}
	for range p.total {
		port, err := p.take()
		if err != nil {
			return nil, err
		}
		conn, control, err := p.listen(port)
		if outOfFiles(err) {
			p.rest(port)
			return nil, fmt.Errorf("%w: %w", ErrNoFiles, err)
		}
		if err != nil { // somebody else's: leave it for a while
			p.log.Warn("media: port not free", "err", err)
			p.rest(port)
			continue
		}
		if lane == nil {
			lane = p.lanes.pick(conn)
		}
		s := newStream(p, lane, side, conn, control, port)
		p.mu.Lock()
		p.up[s] = true
		p.mu.Unlock()
		return s, nil
	}
	return nil, fmt.Errorf("%w: others hold them", ErrNoPorts)
}

// listen opens a port for RTP, and the one after it for RTCP.
func (p *Pool) listen(port uint16) (conn, control PacketConn, err error) {
	conn, err = p.cfg.Listen(netip.AddrPortFrom(p.cfg.Bind, port))
	if err != nil {
		return nil, nil, err
	}
	if control, err = p.cfg.Listen(netip.AddrPortFrom(p.cfg.Bind, port+1)); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, control, nil
}

// outOfFiles reports whether the process, or the machine, may open no more.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// take returns the port that has been free for longest.
func (p *Pool) take() (port uint16, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for now := time.Now(); len(p.cool) > 0 && !now.Before(p.cool[0].until); p.cool = p.cool[1:] {
		p.free = append(p.free, p.cool[0].port)
	}
	switch {
	case p.closed || len(p.free) == 0:
		return 0, ErrNoPorts
	case p.cfg.Sockets > 0 && 2*(p.lent+1) > p.cfg.Sockets:
		return 0, ErrNoFiles
	}
	port, p.free = p.free[0], p.free[1:]
	p.lent++
	return port, nil
}

func (p *Pool) rest(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
	p.cool = append(p.cool, cooling{port, time.Now().Add(p.cfg.Cool)})
}

// release takes a stream's port back.
func (p *Pool) release(s *Stream, port uint16) {
	p.mu.Lock()
	delete(p.up, s)
	p.mu.Unlock()
	p.rest(port)
}

// InUse is how many streams are open.
func (p *Pool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.up)
}

// Close closes every stream that is still open, and lends no more.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	var open []*Stream
	for s := range p.up {
		open = append(open, s)
	}
	p.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
	p.lanes.close()
	return nil
}
