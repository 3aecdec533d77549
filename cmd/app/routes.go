package app

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tandem/api"
	"tandem/bridge"
	"tandem/config"
	"tandem/media"
	"tandem/sip"
)

// trunkOf is a trunk as sip wants it.
func trunkOf(conf *config.Config, name string) sip.TrunkConfig {
	t := conf.Trunks[name]
	cfg := sip.TrunkConfig{
		Name: name, Host: t.Host, Port: uint16(t.Port), Transport: t.Transport, Proxy: t.OutboundProxy,
		Keepalive: sip.Keepalive{Every: t.Keepalive.Options, FailAfter: t.Keepalive.FailAfter, RecoverAfter: t.Keepalive.RecoverAfter},
		Realm:     t.Auth.Realm, FromDomain: t.Identity.FromDomain,
		Identity: t.Identity.Headers, IdentityFormat: t.Identity.Format,
		Format: t.Dial.Format, Strip: t.Dial.Strip, Prefix: t.Dial.Prefix, ExtraHeaders: t.ExtraHeaders,
		SessionTimer:        sip.SessionTimer{Mode: t.SessionTimer.Mode, Expires: t.SessionTimer.Expires, MinSE: t.SessionTimer.MinSE},
		ReliableProvisional: t.ReliableProvisional,
		Privacy:             t.Identity.Privacy,
		Country:             bridge.CallingCode(conf.Numbers.DefaultRegion),
		Channels:            t.Limits.Channels, CPS: t.Limits.CPS,
	}
	if t.Auth.Mode != "ip" {
		cfg.Username, cfg.Password = t.Auth.Username, t.Auth.Password
	}
	if t.Auth.Mode == "register" {
		cfg.Register = sip.Register{Expires: t.Register.Expires, User: t.Register.ContactUser}
	}
	switch from := t.Identity.FromUser; {
	case from == "auth_user":
		cfg.FromUser = t.Auth.Username
	case strings.HasPrefix(from, "fixed:"):
		cfg.FromUser = strings.TrimPrefix(from, "fixed:")
	}
	if public, err := netip.ParseAddr(conf.SIP.PublicAddress); err == nil {
		cfg.Local = netip.AddrPortFrom(public, 0)
	} else if conf.SIP.PublicAddress != "auto" {
		cfg.LocalName = conf.SIP.PublicAddress
	}
	return cfg
}

// routes finds the trunks of a leg, and what its stream must say of itself.
type routes struct {
	cfg      *config.Config
	endpoint *sip.Endpoint
	policy   *bridge.Policy // who may be dialled
	rates    rates
}

func newRoutes(cfg *config.Config, endpoint *sip.Endpoint, rates rates, past bridge.Past) *routes {
	return &routes{cfg: cfg, endpoint: endpoint, policy: policy(cfg, past), rates: rates}
}

// find is bridge.Config.Route.
func (r *routes) find(side bridge.Side, number string) (ways []bridge.Route) {
	for _, name := range r.order(r.pick(side, number)) {
		way := r.way(name)
		way.Rate = r.rates.of(number)
		ways = append(ways, way)
	}
	return ways
}

// way is one trunk as the bridge wants it.
func (r *routes) way(name string) bridge.Route {
	t := r.cfg.Trunks[name]
	stream := media.Side{Address: r.address(name), InBand: slices.Contains(t.DTMF, "inband"), From: config.Networks(t.MediaFrom)}
	stream.SRTP = map[string]media.SRTP{"none": media.SRTPNone, "optional": media.SRTPOptional, "required": media.SRTPRequired}[t.SRTP]
	if slices.Contains(t.DTMF, "rfc4733") {
		stream.EventPT = uint8(t.TelephoneEventPT)
	}
	for _, codec := range t.Codecs {
		stream.Codecs = append(stream.Codecs, media.Codecs[codec])
	}
	return bridge.Route{Trunk: name, CallerIDs: t.CallerIDs, Media: stream}
}

// pick is the trunks of the first route that matches; without any route, the
// first trunk.
func (r *routes) pick(side bridge.Side, number string) []string {
	for _, route := range r.cfg.Routing {
		if route.Leg == string(side) && matches(route.Match, number) {
			return route.Trunks
		}
	}
	if len(r.cfg.Routing) > 0 {
		return nil
	}
	return r.cfg.TrunkNames()[:1]
}

// matches reports whether a route is a number's. A SIP URI is only for the route
// that names its host.
func matches(match, number string) bool {
	if host, desk := strings.CutPrefix(match, "sip:"); desk || bridge.IsDesk(number) {
		return desk && strings.HasSuffix(number, "@"+host)
	}
	return match == "*" || strings.HasPrefix(number, match)
}

// order puts the trunks that are known to be of no use now behind the others:
// they are still tried where nothing else is left.
func (r *routes) order(names []string) (ordered []string) {
	usable := make(map[string]bool)
	for _, t := range r.endpoint.Trunks() {
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

// address is what SDP says of us on the way to a trunk.
func (r *routes) address(trunk string) netip.Addr {
	if addr, err := netip.ParseAddr(r.cfg.Media.PublicAddress); err == nil {
		return addr
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
	defer cancel()
	addr, err := r.endpoint.Public(ctx, trunk)
	if err != nil {
		return netip.IPv4Unspecified() // the trunk cannot be reached: the INVITE will say so
	}
	return addr
}

// policy is who may be dialled.
func policy(cfg *config.Config, past bridge.Past) *bridge.Policy {
	p := &bridge.Policy{Region: cfg.Numbers.DefaultRegion, Allow: cfg.Numbers.Allow, Deny: cfg.Numbers.Deny,
		Countries: cfg.Policy.Countries, Premium: cfg.Policy.Premium == "allow", Attempts: cfg.Policy.Attempts.Max, AttemptsWithin: cfg.Policy.Attempts.Within,
		RepPerHour: cfg.Policy.RepCallsPerHour, KeyPerMinute: cfg.Policy.KeyCallsPerMinute, DailySpend: make(map[string]bridge.Money), Past: past}
	p.Window, _ = bridge.ParseWindow(cfg.Policy.CallWindow) // checked by config
	for _, route := range cfg.Routing {
		if host, desk := strings.CutPrefix(route.Match, "sip:"); desk {
			p.Desks = append(p.Desks, host)
		}
	}
	for _, name := range cfg.TrunkNames() {
		if amount, _, limited := strings.Cut(cfg.Trunks[name].Limits.DailySpend, " "); limited {
			p.DailySpend[name], _ = bridge.ParseMoney(amount) // likewise
		}
		for _, id := range cfg.Trunks[name].CallerIDs {
			if !slices.Contains(p.OwnNumber, id) { // trunks may share one
				p.OwnNumber = append(p.OwnNumber, id)
			}
		}
	}
	return p
}

// numbers is what api must know of them.
func (a *App) numbers() api.Numbers {
	p := a.routes.Load().policy
	return api.Numbers{Region: p.Region, CallerIDs: slices.Compact(slices.Sorted(slices.Values(p.OwnNumber)))}
}

// limits are the call's timers as configured.
func limits(cfg *config.Config) bridge.Limits {
	l, flow := bridge.DefaultLimits(), &cfg.CallFlow
	l.RepRing, l.RepTotal = flow.RepRingTimeout, flow.RepRingTimeout+15*time.Second
	l.ProspectRing, l.ProspectTotal = flow.ProspectRingTimeout, flow.ProspectRingTimeout+15*time.Second
	l.RTPStart, l.Plays, l.Confirm = flow.RTPStart, flow.Confirm.Plays, flow.Confirm.Timeout
	l.Double = cfg.Policy.DuplicateWindow
	l.Talk, l.OneCallPerRep, l.Explain, l.ReadBack = flow.MaxDuration, flow.OneCallPerRep, flow.OutcomePrompts, flow.Confirm.ReadBackNumber
	l.Digit, l.Decline = flow.Confirm.Digit[0], 0
	if flow.Confirm.DeclineDigit != "" {
		l.Decline = flow.Confirm.DeclineDigit[0]
	}
	return l
}
