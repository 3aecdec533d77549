package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"tandem/api"
	"tandem/bridge"
	"tandem/media"
	"tandem/sip"
	"tandem/test/carrier"
)

// testNumbers are the fictional numbers that the simulated trunk knows.
const testNumbers = "+1202555"

// testMode is where calls of test keys go: the same code, towards a simulated
// trunk on this machine's loopback. It is made when it is first wanted.
type testMode struct {
	mu     sync.Mutex
	bridge *bridge.Bridge
	close  []func() error // in reverse
	over   bool
}

// testCalls is api.Config.TestCalls.
func (a *App) testCalls() (api.Calls, error) {
	if a.wire.Simulated {
		return a.bridge.Load(), nil
	}
	t := &a.test
	if b := t.made(); b != nil {
		return b, nil
	}
	a.reloads.mu.Lock() // its configuration is the one that a reload changes
	defer a.reloads.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, errors.New("the server is shutting down")
	}
	if t.bridge != nil {
		return t.bridge, nil
	}
	if err := a.openTest(t); err != nil {
		return nil, errors.Join(fmt.Errorf("test mode: %w", err), t.undo())
	}
	return t.bridge, nil
}

func (t *testMode) made() *bridge.Bridge {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bridge
}

var loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

func (a *App) openTest(t *testMode) error {
	far, err := a.wire.ListenUDP(loopback)
	if err != nil {
		return err
	}
	trunk, err := carrier.Open(far, carrier.Options{ListenRTP: func(at netip.Addr) (net.PacketConn, error) {
		return net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
	}})
	if err != nil {
		return err
	}
	t.close = append(t.close, trunk.Close)
	near, err := a.wire.ListenUDP(loopback)
	if err != nil {
		return err
	}
	endpoint, err := sip.Open(sip.Config{UserAgent: a.cfg.SIP.UserAgent, UDP: []net.PacketConn{near}, Log: a.log,
		Trunks: []sip.TrunkConfig{{Name: "simulated", Host: "127.0.0.1", Port: trunk.Addr().Port(), Transport: "udp"}}})
	if err != nil {
		return err
	}
	t.close = append(t.close, endpoint.Close)
	pool, err := a.testPool(t)
	if err != nil {
		return err
	}
	sounds, err := loadSounds(a.cfg)
	if err != nil {
		return err
	}
	t.bridge = bridge.New(bridge.Config{Trunks: dialer{endpoint}, Sound: pool, Sink: a.Store, Limits: limits(a.cfg), Sounds: sounds, Log: a.log,
		Policy: a.testPolicy, Route: a.testRoute})
	return nil
}

// testPool lends streams on the loopback: ours where it does, or one of its own.
func (a *App) testPool(t *testMode) (*media.Pool, error) {
	if bind := a.bind(); bind.IsUnspecified() || bind.IsLoopback() {
		return a.pool, nil
	}
	low, high, err := a.cfg.Media.Ports()
	if err != nil {
		return nil, err
	}
	pool, err := media.NewPool(media.Config{Listen: a.wire.ListenRTP, Bind: loopback.Addr(), MinPort: low, MaxPort: high, Cool: portCool,
		Silence: a.cfg.Media.InactivityTimeout, Symmetric: true, Log: a.log})
	if err == nil {
		t.close = append(t.close, pool.Close)
	}
	return pool, err
}

// testPolicy is the live one, with the fictional numbers allowed, and without
// what is kept of real people: test calls reach nobody.
func (a *App) testPolicy() *bridge.Policy {
	p := *a.routes.Load().policy
	p.Allow = append(append([]string{}, p.Allow...), testNumbers)
	p.Past, p.Window, p.Countries = nil, bridge.Window{}, nil
	return &p
}

func (a *App) testRoute(side bridge.Side, number string) []bridge.Route {
	r := a.routes.Load()
	return []bridge.Route{{Trunk: "simulated", CallerIDs: r.policy.OwnNumber, Rate: r.rates.of(number),
		Media: media.Side{Address: loopback.Addr(), EventPT: 101, InBand: true, Codecs: []media.Codec{media.PCMU, media.PCMA}}}}
}

// retune is bridge.Retune, where there is a test bridge already; later ones begin
// with the configuration as it is then.
func (t *testMode) retune(limits bridge.Limits, sounds bridge.Sounds) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bridge != nil {
		t.bridge.Retune(limits, sounds)
	}
}

// stop ends the test calls and what carries them.
func (t *testMode) stop() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.bridge != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		t.bridge.Drain(now)
	}
	return t.undo()
}

func (t *testMode) undo() error {
	var errs []error
	for i := len(t.close) - 1; i >= 0; i-- {
		errs = append(errs, t.close[i]())
	}
	t.close, t.bridge = nil, nil
	return errors.Join(errs...)
}
