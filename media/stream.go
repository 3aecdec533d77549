package media

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/dtmf"
)

// Stream is one leg's sound: a socket, what comes in by it, and the one RTP
// stream that goes out. Its methods may be called by several goroutines.
//
// With thousands of them most of what a packet touches must come from far away
// in memory. So it lies together: what one that comes in needs, from inMu on, and
// what one that goes out needs, from mu on.
type Stream struct {
	pool    *Pool
	side    Side
	port    uint16
	log     *slog.Logger
	started chan struct{} // closed by the first packet that is believed
	lost    chan struct{}
	silence *time.Timer

	peer atomic.Pointer[Stream] // who hears what comes in here
	inMu sync.Mutex
	in   inbound // the reader's, and guarded by inMu for the others

	conn PacketConn
	to   atomic.Pointer[netip.AddrPort] // where packets go; nil until agreed
	// agreedOn is how often the far end and we have agreed.
	agreedOn atomic.Uint32
	// wantsTones is set while somebody listens for keys that come as tones.
	wantsTones atomic.Bool
	// echoesTo is until when tones may be the echo of a key that was sent to this
	// leg from the other one, Unix ns.
	echoesTo atomic.Int64

	mu        sync.Mutex // guards what follows; never taken before inMu
	agreed    bool       // theirs is set
	closed    bool
	speaks    bool    // the far end takes what we can make …
	law       Codec   // … which is this
	codec     Codec   // what it speaks itself
	cipher    *cipher // of what we send; nil = in plain
	playing   *player
	fed       *flow // what the kernel sends in our name
	out       *line // the one of lines that is sent
	sent      uint64
	sentBytes uint64
	sentWide  bool
	relayed   time.Time // when the other leg's sound came last
	lines     [2]line   // one a clock (RFC 7160 §4.1)
	theirs    remote

	ours     local
	reported netip.Addr // of theirs, as out of reach
	keys     keys
	scratch  []byte
	aside    pressed // the key that is relayed beside the sound …
	asideTS  uint32  // … and its timestamp here
	coder    g722    // of what we send …
	decoder  g722    // … and of what is turned into that
	tone     [frameSamples]int16
	spoken   pressed // the key that is relayed as tones …
	spokenTo uint16  // … and how far, ticks
	said     string  // what we described last

	meter  *meter         // nil = nobody counts
	lane   *lane          // nil = readers of its own
	detach func()         // takes the sockets off their lane; nil = there is none
	wait   sync.WaitGroup // readers and players
}

func newStream(p *Pool, l *lane, side Side, conn, control PacketConn, port uint16) *Stream {
	s := &Stream{
		pool: p, side: side, conn: conn, port: port, lane: l,
		log:     p.log.With("call", side.Call, "side", side.Name),
		started: make(chan struct{}),
		lost:    make(chan struct{}),
		ours: local{
			addr: netip.AddrPortFrom(side.Address, port), id: rand.Uint64() >> 2, version: 1,
			codecs: lawsFirst(side.Codecs), numbers: ourNumbers(side), sends: true, hears: true,
		},
		lines:   [2]line{newLine(sampleRate), newLine(wideRate)},
		coder:   newG722(),
		decoder: newG722(),
		scratch: make([]byte, 0, usualPacket),
	}
	s.out = &s.lines[0]
	s.keys.mode = side.SRTP
	s.in = newInbound(s)
	s.in.reports = newReports(control)
	s.meter = p.cfg.Metrics.of(side.Name)
	s.inMu.Lock() // which the timers' functions wait for
	if p.cfg.Silence > 0 {
		s.silence = time.AfterFunc(p.cfg.Silence, s.checkSilence)
	}
	s.in.reports.timer = time.AfterFunc(soon(time.Now()), s.report)
	s.inMu.Unlock()
	s.attach(source{conn, s.packet}, source{control, s.control})
	return s
}

// OnHold reports whether the far end does not want to hear.
func (s *Stream) OnHold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agreed && !s.theirs.hears
}

// Started is closed by the first packet of the far end.
func (s *Stream) Started() <-chan struct{} { return s.started }

// Lost is closed when a far end that should send has been silent for Silence.
func (s *Stream) Lost() <-chan struct{} { return s.lost }

// Listen reports key presses from now on, until the func it returns is called.
// The channel has room; presses that find none are dropped and logged, for
// packets do not wait.
func (s *Stream) Listen() (presses <-chan dtmf.Press, stop func()) { return s.listen(true) }

// ListenSignals is Listen for keys that come as telephone-events or by INFO: they
// reach us also while the sound goes by the kernel, and no speech sounds like
// them.
func (s *Stream) ListenSignals() (presses <-chan dtmf.Press, stop func()) { return s.listen(false) }

func (s *Stream) listen(tones bool) (presses <-chan dtmf.Press, stop func()) {
	mine := ear{make(chan dtmf.Press, earRoom), tones}
	s.inMu.Lock()
	if tones && s.side.InBand {
		s.ascend(time.Now(), false) // tones are heard here only
	}
	s.in.ears = append(s.in.ears, mine)
	s.wantsTones.Store(s.side.InBand && s.in.hearsTones())
	s.in.watch()
	s.inMu.Unlock()
	s.watchOther()
	return mine.presses, sync.OnceFunc(func() {
		s.inMu.Lock()
		defer s.inMu.Unlock()
		s.in.ears = slices.DeleteFunc(s.in.ears, func(e ear) bool { return e == mine })
		s.wantsTones.Store(s.side.InBand && s.in.hearsTones())
		s.in.hushed = s.in.hushed && s.in.hearsTones()
	})
}

// Info takes the body of a SIP INFO that carries a key.
func (s *Stream) Info(contentType string, body []byte) error {
	digit, held, err := dtmf.ParseInfo(contentType, body)
	if err != nil {
		return err
	}
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.in.report(s.in.keys.Info(time.Now(), digit, held, nil))
	return nil
}

// Join passes what each of two streams hears to the other, from this instant,
// until part is called. A press that is under way is not passed on, nor anything
// else until it is over.
func Join(a, b *Stream) (part func()) {
	for _, s := range []*Stream{a, b} {
		s.inMu.Lock()
		s.ascend(time.Now(), false)
		s.in.hush()
		s.inMu.Unlock()
	}
	a.peer.Store(b)
	b.peer.Store(a)
	return sync.OnceFunc(func() {
		for _, s := range []*Stream{a, b} {
			s.peer.Store(nil)
			s.inMu.Lock()
			s.ascend(time.Now(), false)
			s.inMu.Unlock()
		}
	})
}

// checkSilence closes lost, or looks again when the far end could be silent for
// so long at the earliest.
func (s *Stream) checkSilence() {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	held := s.agreed && !s.theirs.sends || s.closed
	s.mu.Unlock()
	now := time.Now()
	s.in.count()
	if held {
		s.in.last = now
	}
	left := s.pool.cfg.Silence - now.Sub(s.in.last)
	if left > 0 {
		s.silence.Reset(left)
		return
	}
	close(s.lost)
}

// Close closes the socket and waits for the reader and what plays. It may be
// called again.
func (s *Stream) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.reclaim()
	if s.playing != nil {
		s.playing.halt()
	}
	s.mu.Unlock()
	if !first {
		return
	}
	if peer := s.peer.Swap(nil); peer != nil {
		peer.peer.CompareAndSwap(s, nil)
	}
	if s.silence != nil {
		s.silence.Stop()
	}
	s.inMu.Lock()
	s.in.unwatch()
	s.in.reports.timer.Stop()
	s.ascend(time.Now(), false)
	s.mu.Lock()
	s.sendReport(time.Now(), true)
	s.meter.end(s.stats())
	s.mu.Unlock()
	s.inMu.Unlock()
	if s.detach != nil {
		s.detach()
	}
	for _, conn := range []PacketConn{s.conn, s.in.reports.conn} {
		if err := conn.Close(); err != nil {
			s.log.Warn("media: socket not closed", "err", err)
		}
	}
	s.wait.Wait()
	s.pool.release(s, s.port)
}
