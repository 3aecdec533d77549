package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// closeGrace is how long Close lets BYEs and CANCELs that are already under way
// go on: T_bye of the call's contract.
const closeGrace = 5 * time.Second

// Config is what an Endpoint needs of the world.
type Config struct {
	UDP []net.PacketConn // the Endpoint's from Open on; real or in memory
	TCP []net.Listener   // likewise; may be empty
	TLS []net.Listener   // likewise: of TLS connections

	Trunks    []TrunkConfig
	Examining bool           // nobody looks after the trunks: they are there for Examine
	UserAgent string         // "" = tandem
	T1        time.Duration  // RFC 3261 T1; 0 = 500 ms. One value for the whole process
	AllowFrom []netip.Prefix // who may send us SIP beside the trunks' addresses

	// InviteTimeout ends an INVITE that gets no response at all; 0 = 64*T1.
	InviteTimeout time.Duration

	// DNS sends one query in its wire format (RFC 1035) and returns the response;
	// nil = to the servers of /etc/resolv.conf.
	DNS func(ctx context.Context, query []byte) ([]byte, error)

	// Save makes a Snapshot durable before it returns. It is called before an
	// INVITE leaves (an error means that nothing is sent and Dial fails), before
	// the ACK of a 2xx, before a BYE or CANCEL (errors there are logged), and
	// with State Gone once a leg is over. nil = nothing survives a crash.
	Save func(Snapshot) error

	// TrunkTurned is told the name of a trunk that has gone down or come up, and of
	// one whose state is known for the first time. It must not block. nil = nobody.
	TrunkTurned func(trunk string)

	// Capture hears every message on the wire, without its secrets: HEP.Send. It
	// must not block. nil = nobody does.
	Capture func(Traced)

	Log      *slog.Logger // nil = slog.Default()
	Metrics  *Metrics     // nil = none
	Draining func() bool  // OPTIONS is answered 503 while it says so; nil = never
}

// Endpoint is our one SIP presence: the sockets, the trunks, and every leg.
type Endpoint struct {
	cfg     Config
	log     *slog.Logger
	metrics *Metrics
	parser  *sipmsg.Parser
	tpl     *sipmsg.TransportLayer
	txl     *sipmsg.TransactionLayer
	sockets []*socket
	streams []*listener
	flows   *flows
	allow   *allowlist
	tracer  *tracer
	locator *locator
	trunks  trunkTable

	reserveMu sync.Mutex // Reserve is all or nothing

	mu       sync.Mutex
	legs     map[legKey]*Leg
	branches map[string]*Leg // of every INVITE of ours that may still be answered
	closing  bool
	actors   sync.WaitGroup // legs and their requests; Add only under mu

	ctx     context.Context // ends when nothing is waited for any more
	stop    context.CancelFunc
	serving sync.WaitGroup
	keepers sync.WaitGroup // what watches the trunks

	quit        context.Context // ends first of all: registrations are taken back
	quitNow     context.CancelFunc
	registering sync.WaitGroup
}

// legKey finds a leg from before its INVITE leaves: the remote tag comes later.
type legKey struct{ callID, localTag string }

// Open starts serving. It takes the sockets over, also when it fails.
func Open(cfg Config) (*Endpoint, error) {
	e := &Endpoint{
		cfg:      cfg,
		log:      cfg.Log,
		metrics:  cfg.Metrics,
		parser:   newParser(),
		allow:    newAllowlist(cfg.AllowFrom),
		tracer:   newTracer(cfg.Capture),
		legs:     make(map[legKey]*Leg),
		branches: make(map[string]*Leg),
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	if e.cfg.UserAgent == "" {
		e.cfg.UserAgent = "tandem"
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.quit, e.quitNow = context.WithCancel(e.ctx)
	e.locator = newLocator(newResolver(cfg.DNS), e.allow, func(a netip.Addr) bool { return e.socketFor(a) != nil })
	if err := e.open(); err != nil {
		e.stop()
		return nil, errors.Join(err, e.closeSockets())
	}
	e.serve()
	for _, t := range e.trunks.list() {
		if !cfg.Examining {
			e.begin(t)
		}
	}
	return e, nil
}

// open checks the configuration and builds what serve needs.
func (e *Endpoint) open() error {
	if len(e.cfg.UDP) == 0 {
		return errors.New("endpoint: no UDP socket")
	}
	if !headerSafe(e.cfg.UserAgent) {
		return errors.New("endpoint: user agent cannot be sent")
	}
	for _, conn := range e.cfg.UDP {
		s, err := newSocket(conn, e)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		e.sockets = append(e.sockets, s)
	}
	for _, l := range e.cfg.TCP {
		e.streams = append(e.streams, &listener{l, e, "tcp"})
	}
	for _, l := range e.cfg.TLS {
		e.streams = append(e.streams, &listener{l, e, "tls"})
	}
	e.flows = newFlows(e)
	for _, cfg := range e.cfg.Trunks {
		if e.trunks.named(cfg.Name) != nil {
			return fmt.Errorf("trunk %s: configured twice", cfg.Name)
		}
		t, err := e.newTrunk(cfg)
		if err != nil {
			return err
		}
		e.trunks.all = append(e.trunks.all, t)
		e.letIn(e.ctx, &t.TrunkConfig)
	}
	e.startStack()
	return nil
}

// letIn opens the guard for a trunk. A name that cannot be resolved now is
// tried again by every Dial.
func (e *Endpoint) letIn(ctx context.Context, t *TrunkConfig) {
	if _, err := e.locator.targets(ctx, t); err != nil && ctx.Err() == nil {
		e.log.Warn("sip: trunk cannot be resolved yet", "trunk", t.Name, "err", err)
	}
}

// startStack builds sipgo's transport and transaction layers around our tap.
func (e *Endpoint) startStack() {
	configureLibrary(e.cfg.T1)
	quiet := quietLogger(e.log)
	e.tpl = sipmsg.NewTransportLayer(net.DefaultResolver, e.parser, nil,
		sipmsg.WithTransportLayerLogger(quiet),
		sipmsg.WithTransportLayerTransports(sipmsg.TransportsConfig{
			TCP: &sipmsg.TransportTCP{WriteTimeout: tcpTimeout, DialerCreate: undialled},
			TLS: &sipmsg.TransportTLS{TransportTCP: &sipmsg.TransportTCP{WriteTimeout: tcpTimeout, DialerCreate: undialled}},
		}))
	e.txl = sipmsg.NewTransactionLayer(e.tpl,
		sipmsg.WithTransactionLayerLogger(quiet),
		sipmsg.WithTransactionLayerTerminateOnConnClose(),
		sipmsg.WithTransactionLayerUnhandledResponseHandler(e.stray))
	e.txl.OnRequest(e.handle)
	e.tpl.OnMessage(e.tap)
}

// serve reads every socket, and returns once each can be sent from.
func (e *Endpoint) serve() {
	for _, s := range e.sockets {
		e.serving.Go(func() {
			if err := e.tpl.ServeUDP(s); err != nil {
				e.log.Error("sip: socket stopped", "err", err)
			}
		})
		<-s.ready
	}
	for _, l := range e.streams {
		e.accept(l.transport, l)
	}
	for transport, l := range e.flows.given {
		e.accept(transport, l)
	}
}

// accept serves the connections of a listener.
func (e *Endpoint) accept(transport string, l net.Listener) {
	serve := e.tpl.ServeTCP
	if transport == "tls" {
		serve = e.tpl.ServeTLS
	}
	e.serving.Go(func() {
		if err := serve(l); !errors.Is(err, net.ErrClosed) {
			e.log.Error("sip: listener stopped", "err", err)
		}
	})
}

// Close ends the Endpoint. Legs that are up are let go without a BYE, for the
// bridge has ended its calls by now; CANCELs and BYEs under way get a few
// seconds to be answered. Then the transactions, the sockets and their readers
// go, in this order. Close returns when no goroutine of the Endpoint is left.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return nil
	}
	e.closing = true
	legs := e.allLegs()
	e.mu.Unlock()

	e.quitNow()
	for _, l := range legs {
		l.do(l.letGo)
	}
	done := make(chan struct{})
	go func() {
		e.actors.Wait()
		e.registering.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeGrace):
		e.log.Warn("sip: closing with requests unanswered")
	}
	e.stop()
	for _, l := range legs {
		l.do(l.leave)
	}
	<-done
	e.keepers.Wait()

	e.txl.Close()
	err := errors.Join(e.tpl.Close(), e.closeSockets())
	e.serving.Wait()
	return err
}

func (e *Endpoint) closeSockets() error {
	var errs []error
	for _, conn := range e.cfg.UDP {
		errs = append(errs, conn.Close())
	}
	for _, l := range append(slices.Clone(e.cfg.TCP), e.cfg.TLS...) {
		errs = append(errs, l.Close())
	}
	if e.flows != nil {
		for _, l := range e.flows.given {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// allLegs is called with mu held.
func (e *Endpoint) allLegs() []*Leg {
	legs := make([]*Leg, 0, len(e.legs))
	for _, l := range e.legs {
		legs = append(legs, l)
	}
	return legs
}

// adopt puts a leg in the table and starts its actor.
func (e *Endpoint) adopt(l *Leg) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return ErrClosed
	}
	key := legKey{l.s.CallID, l.s.LocalTag}
	if e.legs[key] != nil {
		return fmt.Errorf("leg %s: %w", l.s.CallID, errKnown)
	}
	e.legs[key] = l
	e.tracer.follow(l.s.CallID, l.s.Call, l.s.Side)
	e.actors.Go(l.run)
	return nil
}

// forget takes a leg out of the tables; its actor is about to return.
func (e *Endpoint) forget(l *Leg, branches []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.legs, legKey{l.s.CallID, l.s.LocalTag})
	for _, branch := range branches {
		delete(e.branches, branch)
	}
}

// expect routes responses with this Via branch to l.
func (e *Endpoint) expect(branch string, l *Leg) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.branches[branch] = l
}

// async runs f in a goroutine that Close waits for. It is called by actors
// only: they are in the same WaitGroup, which is therefore not at zero.
func (e *Endpoint) async(f func()) {
	e.actors.Go(func() {
		defer e.rescue()
		f()
	})
}

func (e *Endpoint) legByBranch(branch string) *Leg {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.branches[branch]
}

func (e *Endpoint) legByTag(callID, localTag string) *Leg {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.legs[legKey{callID, localTag}]
}

// socketFor returns the socket that requests to hop leave from: the first of
// its address family.
func (e *Endpoint) socketFor(hop netip.Addr) *socket {
	i := slices.IndexFunc(e.sockets, func(s *socket) bool {
		return s.bind.Addr().Is4() == hop.Is4() || s.bind.Addr() == netip.IPv6Unspecified()
	})
	if i < 0 {
		return nil
	}
	return e.sockets[i]
}

func (e *Endpoint) draining() bool { return e.cfg.Draining != nil && e.cfg.Draining() }
