package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/bridge"
	"tandem/config"
	"tandem/media"
	"tandem/sip"
)

// trunk is a trunk as sip wants it.
func (a *App) trunk(name string) sip.TrunkConfig {
	t := a.cfg.Trunks[name]
	cfg := sip.TrunkConfig{
		Name: name, Host: t.Host, Port: uint16(t.Port), Transport: t.Transport,
		Realm: t.Auth.Realm, FromDomain: t.Identity.FromDomain,
		Identity: t.Identity.Headers, IdentityFormat: t.Identity.Format,
		Format: t.Dial.Format, Strip: t.Dial.Strip, Prefix: t.Dial.Prefix, ExtraHeaders: t.ExtraHeaders,
		SessionTimer:        sip.SessionTimer{Mode: t.SessionTimer.Mode, Expires: t.SessionTimer.Expires, MinSE: t.SessionTimer.MinSE},
		ReliableProvisional: t.ReliableProvisional,
		Privacy:             t.Identity.Privacy,
		Country:             bridge.CallingCode(a.cfg.Numbers.DefaultRegion),
		Channels:            t.Limits.Channels, CPS: t.Limits.CPS,
	}
	if t.Auth.Mode == "digest" {
		cfg.Username, cfg.Password = t.Auth.Username, t.Auth.Password
	}
	switch from := t.Identity.FromUser; {
	case from == "auth_user":
		cfg.FromUser = t.Auth.Username
	case strings.HasPrefix(from, "fixed:"):
		cfg.FromUser = strings.TrimPrefix(from, "fixed:")
	}
	if public, err := netip.ParseAddr(a.cfg.SIP.PublicAddress); err == nil {
		cfg.Local = netip.AddrPortFrom(public, 0)
	}
	return cfg
}

// routes finds the trunk of a leg, and what its stream must say of itself.
type routes struct {
	cfg     *config.Config
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	trunks  func() []sip.TrunkStatus

	mu    sync.Mutex
	ours  map[string]netip.Addr // by trunk: the address of the route to it
	until map[string]time.Time
}

func newRoutes(cfg *config.Config, resolve func(ctx context.Context, host string) ([]netip.Addr, error), trunks func() []sip.TrunkStatus) *routes {
	return &routes{cfg: cfg, resolve: resolve, trunks: trunks, ours: make(map[string]netip.Addr), until: make(map[string]time.Time)}
}

// find is bridge.Config.Route.
func (r *routes) find(side bridge.Side, number string) (ways []bridge.Route) {
	for _, name := range r.order(r.pick(side, number)) {
		ways = append(ways, r.way(name))
	}
	return ways
}

// way is one trunk as the bridge wants it.
func (r *routes) way(name string) bridge.Route {
	t := r.cfg.Trunks[name]
	stream := media.Side{Address: r.address(name), InBand: slices.Contains(t.DTMF, "inband"), From: config.Networks(t.MediaFrom)}
	if slices.Contains(t.DTMF, "rfc4733") {
		stream.EventPT = uint8(t.TelephoneEventPT)
	}
	for _, codec := range t.Codecs {
		stream.Codecs = append(stream.Codecs, map[string]media.Codec{"pcmu": media.PCMU, "pcma": media.PCMA}[codec])
	}
	return bridge.Route{Trunk: name, CallerIDs: t.CallerIDs, Media: stream}
}

// pick is the trunks of the first route that matches; without any route, the
// first trunk.
func (r *routes) pick(side bridge.Side, number string) []string {
	for _, route := range r.cfg.Routing {
		if route.Leg == string(side) && (route.Match == "*" || strings.HasPrefix(number, route.Match)) {
			return route.Trunks
		}
	}
	if len(r.cfg.Routing) > 0 {
		return nil
	}
	return r.cfg.TrunkNames()[:1]
}

// order puts the trunks that are known to be of no use now behind the others:
// they are still tried where nothing else is left.
func (r *routes) order(names []string) (ordered []string) {
	usable := make(map[string]bool)
	for _, t := range r.trunks() {
		usable[t.Name] = t.Usable()
	}
	for _, name := range names {
		if usable[name] {
			ordered = append(ordered, name)
		}
	}
	for _, name := range names {
		if !usable[name] {
			ordered = append(ordered, name)
		}
	}
	return ordered
}

// addressLife is how long the address of a route is believed.
const addressLife = time.Minute

// address is what SDP says of us on the way to a trunk.
func (r *routes) address(trunk string) netip.Addr {
	for _, text := range []string{r.cfg.Media.PublicAddress, r.cfg.SIP.PublicAddress} {
		if addr, err := netip.ParseAddr(text); err == nil {
			return addr
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !now.Before(r.until[trunk]) {
		if addr, err := r.source(trunk); err == nil {
			r.ours[trunk] = addr
		} else if !r.ours[trunk].IsValid() {
			return netip.IPv4Unspecified() // the trunk cannot be reached: the INVITE will say so
		}
		r.until[trunk] = now.Add(addressLife)
	}
	return r.ours[trunk]
}

// source asks the kernel which of our addresses it would use towards a trunk.
func (r *routes) source(trunk string) (netip.Addr, error) {
	t := r.cfg.Trunks[trunk]
	if l, err := config.ParseListener(r.cfg.SIP.Listen[0]); err == nil && !l.Address.Addr().IsUnspecified() {
		return l.Address.Addr(), nil
	}
	host, err := netip.ParseAddr(t.Host)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
		defer cancel()
		addrs, err := r.resolve(ctx, t.Host)
		if err != nil || len(addrs) == 0 {
			return netip.Addr{}, fmt.Errorf("trunk %s: %s has no address: %w", trunk, t.Host, err)
		}
		host = addrs[0].Unmap()
	}
	conn, err := net.Dial("udp", net.JoinHostPort(host.String(), "5060"))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return local.Addr().Unmap(), err
}

// policy is who may be dialled.
func (r *routes) policy() *bridge.Policy {
	p := &bridge.Policy{Region: r.cfg.Numbers.DefaultRegion, Allow: r.cfg.Numbers.Allow, Deny: r.cfg.Numbers.Deny}
	for _, name := range r.cfg.TrunkNames() {
		p.OwnNumber = append(p.OwnNumber, r.cfg.Trunks[name].CallerIDs...)
	}
	return p
}

// limits are the call's timers as configured.
func limits(cfg *config.Config) bridge.Limits {
	l, flow := bridge.DefaultLimits(), &cfg.CallFlow
	l.RepRing, l.RepTotal = flow.RepRingTimeout, flow.RepRingTimeout+15*time.Second
	l.ProspectRing, l.ProspectTotal = flow.ProspectRingTimeout, flow.ProspectRingTimeout+15*time.Second
	l.RTPStart, l.Plays, l.Confirm = flow.RTPStart, flow.Confirm.Plays, flow.Confirm.Timeout
	l.Talk, l.OneCallPerRep, l.Explain, l.ReadBack = flow.MaxDuration, flow.OneCallPerRep, flow.OutcomePrompts, flow.Confirm.ReadBackNumber
	l.Digit, l.Decline = flow.Confirm.Digit[0], 0
	if flow.Confirm.DeclineDigit != "" {
		l.Decline = flow.Confirm.DeclineDigit[0]
	}
	return l
}
