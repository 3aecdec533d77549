package sip

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// TrunkConfig is one trunk: where it is, who we are there, how it wants numbers
// written, and how much it takes. Numbers are E.164 with + everywhere else.
type TrunkConfig struct {
	Name      string
	Host      string // address or name
	Port      uint16 // 0 = what SRV says, else 5060, or 5061 for tls
	Transport string // udp, tcp, tls, or auto: what NAPTR and SRV say; "" = udp
	Proxy     string // host or host:port; requests go there first; ;hide behind it: and no Route says so; "" = none

	Username, Password string // digest; Username "" = none
	Realm              string // only this realm is answered; "" = any

	// Local is what Via and Contact say: the public address behind a NAT. An
	// unset address is the socket's own, or that of the route to the trunk if
	// the socket has none; an unset port is the socket's.
	Local     netip.AddrPort
	LocalName string // a name that is looked up for the address of Local; "" = none

	TLS       TLS
	Keepalive Keepalive
	Register  Register

	FromUser       string   // user part of From; "" = the caller id
	FromDomain     string   // host part of From and of identities; "" = Host
	Identity       []string // p-asserted-identity, p-preferred-identity, remote-party-id, diversion
	IdentityFormat string   // as Format, for From and identities
	Privacy        string   // "id" hides the number from those who are called; "" or "allowed"
	Country        string   // calling code without +, "1": where national numbers are; "" = anywhere
	Format         string   // e164_plus (the default), e164, national: the dialled number
	Strip          string   // taken from its front, if it is there
	Prefix         string   // then put in front
	ExtraHeaders   map[string]string

	SessionTimer        SessionTimer
	ReliableProvisional string // none, accept or require (RFC 3262); "" = accept

	Channels int     // calls at once; ≤ 0 = as many as come
	CPS      float64 // INVITEs a second; ≤ 0 = as fast as they come
}

// TrunkStatus is the live state of a trunk. It holds no secret.
type TrunkStatus struct {
	Name       string
	Up         bool // OPTIONS are answered; or, where none are sent, the last INVITE was
	Watched    bool // OPTIONS are sent
	Registers  bool // it is one that we register at
	Registered bool
	Since      time.Time     // of Up; zero when none was sent yet
	Channels   int           // the limit, ≤ 0 = none
	Reserved   int           // channels promised to calls, InUse included
	InUse      int           // legs up or being set up
	CPS        float64       // the limit, ≤ 0 = none
	RoundTrip  time.Duration // of the last OPTIONS that was answered; 0 = none was
	Busy       time.Time     // others go first until then: it did not answer, or said Retry-After
	Draining   bool          // gone from the configuration, and waiting for its last calls
	LastFailed string        // what went wrong last, in English; "" = nothing yet
}

// Usable reports whether calls should go there before they go elsewhere.
func (s *TrunkStatus) Usable() bool {
	return (s.Up || !s.Watched) && (s.Registered || !s.Registers) && !time.Now().Before(s.Busy)
}

// trunk is a TrunkConfig at work. A changed configuration is another trunk of the
// same pulse.
type trunk struct {
	TrunkConfig
	count *Metrics
	stop  context.CancelFunc // of those who look after it
	again chan struct{}      // to its registrar: now
	look  chan struct{}      // to who watches it: now

	turned func(name string) // it is up, or down, since now

	secured *tls.Config  // of TLS connections to it
	terms   string       // what must be equal for another trunk to share one
	nonces  serverNonces // that its servers have given to calls
	*pulse
}

// pulse is how a trunk is doing.
type pulse struct {
	registration sync.Mutex // one registrar at a time

	mu        sync.Mutex
	draining  bool // gone from the configuration: no new calls
	reserved  int
	inUse     int
	up        bool
	since     time.Time
	answers   int            // to OPTIONS, in a row; negative = none
	seen      netip.AddrPort // what the trunk says that we come from
	busy      time.Time
	roundTrip time.Duration

	registeredUntil time.Time
	routes          []string // Service-Route

	lastFailed string
	nextSlot   time.Time // when the next INVITE may leave
}

func newTrunk(cfg TrunkConfig, count *Metrics) (*trunk, error) {
	if cfg.Transport == "" {
		cfg.Transport = "udp"
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("trunk %s: %w", cfg.Name, err)
	}
	secured, err := cfg.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("trunk %s: %w", cfg.Name, err)
	}
	return &trunk{TrunkConfig: cfg, count: count, stop: func() {}, again: make(chan struct{}, 1), look: make(chan struct{}, 1),
		turned: func(string) {}, secured: secured, terms: cfg.TLS.terms(secured.ServerName), pulse: &pulse{up: true}}, nil
}

// check refuses what would corrupt a message or be silently ignored.
func (t *TrunkConfig) check() error {
	switch {
	case t.Name == "":
		return fmt.Errorf("it has no name")
	case t.Host == "" || !headerSafe(t.Host):
		return fmt.Errorf("host %q is no host", t.Host)
	case !slices.Contains([]string{"udp", "tcp", "tls", transportAuto}, t.Transport):
		return fmt.Errorf("transport %q is none of udp, tcp, tls, auto", t.Transport)
	}
	if t.Register.Expires > 0 && !userPart(t.Register.User) {
		return fmt.Errorf("contact user %q cannot stand in a URI", t.Register.User)
	}
	if _, _, err := splitHostPort(strings.TrimSuffix(t.Proxy, hideProxy)); t.Proxy != "" && err != nil {
		return fmt.Errorf("proxy %q: %w", t.Proxy, err)
	}
	if !slices.Contains([]string{"", "none", "accept", "request"}, t.SessionTimer.Mode) {
		return fmt.Errorf("session timer %q is none of none, accept, request", t.SessionTimer.Mode)
	}
	if !slices.Contains([]string{"", "none", "accept", "require"}, t.ReliableProvisional) {
		return fmt.Errorf("reliable provisionals %q are none of none, accept, require", t.ReliableProvisional)
	}
	for _, format := range []string{t.Format, t.IdentityFormat} {
		if !slices.Contains([]string{"", "e164_plus", "e164", "national"}, format) {
			return fmt.Errorf("number format %q is unknown", format)
		}
	}
	for _, name := range t.Identity {
		if _, ok := identities[name]; !ok {
			return fmt.Errorf("identity header %q is unknown", name)
		}
	}
	if !slices.Contains([]string{"", "allowed", "id"}, t.Privacy) {
		return fmt.Errorf("privacy %q is neither allowed nor id", t.Privacy)
	}
	for name, value := range t.ExtraHeaders {
		if !extraHeader(name) || !headerSafe(value) {
			return fmt.Errorf("extra header %q cannot be sent", name)
		}
	}
	return nil
}

// take counts a leg that is being set up; the func it returns counts it out.
func (t *trunk) take() func() {
	t.change(func() { t.inUse++ })
	return sync.OnceFunc(func() { t.change(func() { t.inUse-- }) })
}

func (t *trunk) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	t.count.channels(t.Name, t.inUse, max(0, t.reserved-t.inUse))
}

func (t *trunk) status() TrunkStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TrunkStatus{
		Name: t.Name, Up: t.up, Watched: t.Keepalive.Every > 0,
		Registers: t.Register.Expires > 0, Registered: time.Now().Before(t.registeredUntil), Since: t.since,
		Channels: t.Channels, Reserved: t.reserved, InUse: t.inUse,
		RoundTrip: t.roundTrip, CPS: t.CPS, Busy: t.busy, LastFailed: t.lastFailed, Draining: t.draining,
	}
}

// Reserve takes one channel on each trunk named, two where a name comes twice,
// or none at all and ErrNoChannel or ErrNoTrunk. release gives them back; it may
// be called again, to no effect.
func (e *Endpoint) Reserve(names ...string) (release func(), err error) {
	want := make(map[*trunk]int)
	for _, name := range names {
		t := e.trunks.named(name)
		if t == nil || t.status().Draining {
			return nil, fmt.Errorf("trunk %s: %w", name, ErrNoTrunk)
		}
		want[t]++
	}
	e.reserveMu.Lock()
	defer e.reserveMu.Unlock()
	for t, n := range want {
		if t.Channels > 0 && t.status().Reserved+n > t.Channels {
			return nil, fmt.Errorf("trunk %s: %w", t.Name, ErrNoChannel)
		}
	}
	for t, n := range want {
		t.change(func() { t.reserved += n })
	}
	return sync.OnceFunc(func() {
		for t, n := range want {
			t.change(func() { t.reserved -= n })
		}
	}), nil
}

// Turn waits for the next INVITE the trunk's calls-per-second limit allows. It
// returns the Cause of ctx if that ends first; the slot then goes to the next
// in line where it still can.
func (e *Endpoint) Turn(ctx context.Context, name string) error {
	t := e.trunks.named(name)
	if t == nil {
		return fmt.Errorf("trunk %s: %w", name, ErrNoTrunk)
	}
	if t.CPS <= 0 {
		return nil
	}
	slot := t.slot()
	wait := time.Until(slot)
	if wait <= 0 {
		return nil
	}
	t.count.turn(t.Name, wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		t.unslot(slot)
		return context.Cause(ctx)
	}
}

// slot books the next moment an INVITE may leave. The bucket holds one token:
// carriers count over a second, and a burst at its edge would count twice.
func (t *trunk) slot() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := t.nextSlot
	if now := time.Now(); slot.Before(now) {
		slot = now
	}
	t.nextSlot = slot.Add(t.interval())
	return slot
}

// unslot gives a booked moment back if nobody has booked after it.
func (t *trunk) unslot(slot time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nextSlot.Equal(slot.Add(t.interval())) {
		t.nextSlot = slot
	}
}

func (t *trunk) interval() time.Duration {
	return time.Duration(float64(time.Second) / t.CPS)
}
