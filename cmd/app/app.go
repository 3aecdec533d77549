// Package app makes every object of a running tandem, in the order of need, and
// unmakes them in reverse. Wire is the holes through which it reaches the world.
package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/api"
	"tandem/bridge"
	"tandem/cmd/tracing"
	"tandem/config"
	"tandem/media"
	"tandem/media/kernel"
	"tandem/sip"
	"tandem/store"
)

// Wire is how an App reaches the world; a test plugs its own.
type Wire struct {
	ListenUDP func(netip.AddrPort) (net.PacketConn, error) // SIP
	ListenTCP func(addr string) (net.Listener, error)      // SIP, HTTP and metrics
	ListenRTP func(netip.AddrPort) (media.PacketConn, error)
	DNS       func(ctx context.Context, query []byte) ([]byte, error) // nil = the system's servers
	Config    func() (*config.Config, config.Problems)                // reads the configuration again; nil = there is none
	Level     *slog.LevelVar                                          // of the log; nil = it cannot change
	Simulated bool                                                    // the trunks reach no carrier, so test keys call by them

	// OpenKernel opens the kernel path of what ListenRTP opens; nil = it has none.
	OpenKernel func(media.PathConfig) (*kernel.Table, error)
}

// RealWire is the machine's own network.
func RealWire(dscp int) Wire {
	return Wire{
		ListenUDP: func(at netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		},
		ListenTCP:  func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) },
		ListenRTP:  media.UDP(dscp),
		OpenKernel: media.OpenKernel,
	}
}

// App is a running tandem.
type App struct {
	cfg      *config.Config
	wire     Wire
	log      *slog.Logger
	registry *prometheus.Registry

	Store    *store.Store
	endpoint *sip.Endpoint
	pool     *media.Pool
	bridge   atomic.Pointer[bridge.Bridge] // SIP is heard before it is there
	test     testMode
	api      *api.Server
	serving  sync.WaitGroup
	closers  []func() error // in reverse
	routes   atomic.Pointer[routes]
	reloads  *reloader

	HTTP    net.Addr // where the API listens
	Metrics net.Addr // likewise, nil = nowhere
}

// Start makes an App, and takes calls once it returns. On an error nothing is
// left. Stop must follow.
func Start(ctx context.Context, cfg *config.Config, wire Wire, log *slog.Logger) (_ *App, err error) {
	a := &App{cfg: cfg, wire: wire, registry: prometheus.NewRegistry()}
	a.log, a.reloads = countLogs(limitLogs(hideNumbers(log, cfg.Log.Numbers)), a.registry), newReloader(a.registry)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	for _, step := range []func(context.Context) error{a.openStore, a.openMedia, a.openSIP, a.openBridge, a.recover, a.openHTTP} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// later has f called when the App closes, before all that was made earlier.
func (a *App) later(f func() error) { a.closers = append(a.closers, f) }

func (a *App) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// Stop takes no new calls, lets those that are up go on until ctx ends, ends the
// rest, and gives everything back.
func (a *App) Stop(ctx context.Context) error {
	a.bridge.Load().Drain(ctx)
	return a.close()
}

func (a *App) openStore(ctx context.Context) (err error) {
	path, err := store.ParseURL(a.cfg.Store.URL)
	if err != nil {
		return err
	}
	a.Store, err = store.Open(ctx, store.Config{
		Path: path, Serves: true, KeepEvents: a.cfg.Store.KeepEvents, KeepCalls: a.cfg.Store.KeepCDRs,
		Log: a.log, Metrics: store.NewMetrics(a.registry),
	})
	if err == nil {
		a.later(a.Store.Close)
		a.later(func() error { a.serving.Wait(); return nil })
	}
	return err
}

// portCool is how long a port rests between two calls.
const portCool = 5 * time.Second

func (a *App) openMedia(context.Context) (err error) {
	low, high, err := a.cfg.Media.Ports()
	if err != nil {
		return err
	}
	metrics := media.NewPathMetrics(a.registry)
	table, err := a.openKernel(metrics, (int(high)-int(low)+1)/2)
	if err != nil {
		return err
	}
	files, err := Files()
	if err != nil {
		return err
	}
	if calls := int(high-low+1) / socketsPerCall; files < FilesFor(calls) {
		a.log.Warn("open files are fewer than media.rtp_ports would need", "err", fmt.Errorf("%d are allowed, which carry %d calls; %d calls need %d", files, CallsWithin(files), calls, FilesFor(calls)))
	}
	a.pool, err = media.NewPool(media.Config{
		Sockets: rtpSockets(files),
		Listen:  a.wire.ListenRTP, Bind: a.bind(), MinPort: low, MaxPort: high, Cool: portCool,
		Silence: a.cfg.Media.InactivityTimeout, Symmetric: a.cfg.Media.Symmetric, Log: a.log,
		Kernel: table, DSCP: uint8(a.cfg.Media.DSCP), Fell: metrics.Fell,
		Metrics: media.NewMetrics(a.registry),
	})
	if err == nil {
		a.later(a.pool.Close)
		metrics.Watch(a.registry, a.pool)
	}
	return err
}

// bind is the address RTP sockets are bound to: that of the first SIP socket.
func (a *App) bind() netip.Addr {
	for _, text := range a.cfg.SIP.Listen {
		if l, err := config.ParseListener(text); err == nil {
			return l.Address.Addr()
		}
	}
	return netip.IPv4Unspecified()
}

func (a *App) openSIP(context.Context) error {
	cfg := sip.Config{
		UserAgent: a.cfg.SIP.UserAgent, T1: a.cfg.SIP.Timers.T1, InviteTimeout: a.cfg.SIP.Timers.InviteTimeout,
		AllowFrom: config.Networks(a.cfg.SIP.AllowFrom), DNS: a.wire.DNS, Save: a.saveLeg,
		Log: a.log, Metrics: sip.NewMetrics(a.registry, a.cfg.TrunkNames()),
		Draining: func() bool { b := a.bridge.Load(); return b != nil && b.Draining() },
	}
	var err error
	if cfg.Capture, err = a.capture(); err != nil {
		return fmt.Errorf("hep.collector: %w", err)
	}
	if cfg.Trunks, err = trunksOf(a.cfg); err != nil {
		return err
	}
	for _, text := range a.cfg.SIP.Listen {
		l, err := config.ParseListener(text)
		if err != nil {
			return err
		}
		if err := a.listenSIP(&cfg, l); err != nil {
			for _, conn := range cfg.UDP {
				err = errors.Join(err, conn.Close())
			}
			for _, listener := range append(cfg.TCP, cfg.TLS...) {
				err = errors.Join(err, listener.Close())
			}
			return fmt.Errorf("sip.listen %s: %w", text, err)
		}
	}
	teller := newTrunkTeller(a.Store, a.log)
	cfg.TrunkTurned = teller.turned
	endpoint, err := sip.Open(cfg)
	if err != nil {
		return err
	}
	a.endpoint = endpoint
	teller.start(endpoint)
	a.later(teller.stop)
	a.later(endpoint.Close)
	return nil
}

func (a *App) listenSIP(cfg *sip.Config, l config.Listener) error {
	switch l.Network {
	case "tcp":
		listener, err := a.wire.ListenTCP(l.Address.String())
		if err == nil {
			cfg.TCP = append(cfg.TCP, listener)
		}
		return err
	case "tls":
		secured, err := serverTLS(a.cfg.SIP.TLS)
		if err != nil {
			return err
		}
		listener, err := a.wire.ListenTCP(l.Address.String())
		if err == nil {
			cfg.TLS = append(cfg.TLS, tls.NewListener(listener, secured))
		}
		return err
	}
	conn, err := a.wire.ListenUDP(l.Address)
	if err == nil {
		cfg.UDP = append(cfg.UDP, conn)
	}
	return err
}

// saveWithin is the longest a SIP message waits for the disk.
const saveWithin = 2 * time.Second

func (a *App) saveLeg(s sip.Snapshot) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
	defer cancel()
	leg := bridge.SavedLeg{Call: s.Call, Side: bridge.Side(s.Side), SIPCallID: s.CallID, Doc: doc, Gone: s.State == sip.Gone}
	if b := a.bridge.Load(); b != nil {
		return b.SaveLeg(ctx, leg)
	}
	return a.Store.SaveLeg(ctx, leg, bridge.Record{}) // an answer to an earlier process
}

// dialer is the Endpoint as the bridge wants it.
type dialer struct{ *sip.Endpoint }

// Dial keeps a nil *Leg from becoming an AnsweredLeg that is not nil.
func (d dialer) Dial(ctx context.Context, inv sip.Invite) (bridge.AnsweredLeg, error) {
	leg, err := d.Endpoint.Dial(ctx, inv)
	if err != nil {
		return nil, err
	}
	return leg, nil
}

func (a *App) openBridge(ctx context.Context) error {
	sounds, err := loadSounds(a.cfg)
	if err != nil {
		return err
	}
	rates, err := loadRates(&a.cfg.Rates)
	if err != nil {
		return err
	}
	a.routes.Store(newRoutes(a.cfg, a.endpoint, rates, a.Store))
	var sink bridge.Sink = bridge.NewMetrics(a.registry, a.Store, a.cfg.TrunkNames())
	var trace func(call, traceparent string) string
	if endpoint := a.cfg.Tracing.OTLPEndpoint; endpoint != "" {
		version, _ := Version()
		tracer, err := tracing.Open(ctx, tracing.Config{Endpoint: endpoint, Ratio: a.cfg.Tracing.SampleRatio, Version: version, Log: a.log})
		if err != nil {
			return err
		}
		a.later(func() error {
			if err := tracer.Close(); err != nil {
				a.log.Warn("the last spans are lost", "err", err)
			}
			return nil
		})
		sink, trace = tracer.Sink(sink), tracer.ID
	}
	a.bridge.Store(bridge.New(bridge.Config{
		Trunks: dialer{a.endpoint}, Sound: a.pool,
		Route:  func(side bridge.Side, number string) []bridge.Route { return a.routes.Load().find(side, number) },
		Policy: func() *bridge.Policy { return a.routes.Load().policy },
		Sink:   sink, Trace: trace,
		Limits: limits(a.cfg), Sounds: sounds, Log: a.log,
	}))
	a.later(a.test.stop)
	return nil
}

// recover ends what another process left: its calls in the store, its legs on
// the wire.
func (a *App) recover(ctx context.Context) error {
	left, err := a.Store.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, r := range left {
		record, events := bridge.Restarted(r, time.Now())
		if err := a.Store.Emit(ctx, record, events...); err != nil {
			return err
		}
		a.log.Warn("call ended by a restart", "call", r.ID, "state", r.Status)
	}
	docs, err := a.Store.LiveLegs(ctx)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		var s sip.Snapshot
		if err := json.Unmarshal(doc, &s); err != nil {
			a.log.Error("stored leg cannot be read", "err", err)
			continue
		}
		a.serving.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
			defer cancel()
			if err := a.endpoint.Finish(ctx, s, sip.NormalClearing); err != nil {
				a.log.Error("leg of an earlier process not ended", "call", s.Call, "side", s.Side, "sip_call_id", s.CallID, "err", err)
			}
		})
	}
	return nil
}

// finishWithin is how long a leg of an earlier process is waited for: 64*T1.
const finishWithin = 32 * time.Second

// ready is what must be well for calls to be taken.
func (a *App) ready(ctx context.Context) []api.Check {
	ctx, cancel := context.WithTimeout(ctx, saveWithin)
	defer cancel()
	checks := []api.Check{{Name: "store", Err: a.Store.Writable(ctx)}}
	var trunks error
	if !a.anyTrunk() {
		trunks = errors.New("no trunk answers")
	}
	var draining error
	if a.bridge.Load().Draining() {
		draining = errors.New("no new calls are taken")
	}
	return append(checks, api.Check{Name: "trunks", Err: trunks}, api.Check{Name: "draining", Err: draining})
}

func (a *App) anyTrunk() bool {
	for _, t := range a.endpoint.Trunks() {
		if t.Up && !t.Draining {
			return true
		}
	}
	return false
}
