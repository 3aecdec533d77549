package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/bridge"
	"tandem/config"
	"tandem/media"
	"tandem/sip"
)

// nobody is a number that nobody has: of a country code that the ITU does not
// assign.
const nobody = "+999123456"

// Examined is what a trunk was found to be like.
type Examined struct {
	Trunk    string
	Findings []sip.Finding
	Ladder   string // four lines, "" where no call was placed
}

// Ready reports whether calls can be placed over the trunk. Being seen at
// another address is a warning: calls are placed, and may have no sound.
func (e *Examined) Ready() bool {
	for _, f := range e.Findings {
		if f.Fault != sip.FaultNone && f.Step != "nat" {
			return false
		}
	}
	return true
}

// Examine tries trunks of a configuration, from the addresses that serve listens
// at, or from other ports where those are taken: note says so. A number that is
// given is called on each of them, and hung up once it has answered.
func Examine(ctx context.Context, cfg *config.Config, wire Wire, log *slog.Logger, trunks []string, number string) (all []Examined, note string, err error) {
	a := &App{cfg: cfg, wire: wire, log: log, registry: prometheus.NewRegistry()}
	endpoint, note, err := a.examiner()
	if err != nil {
		return nil, note, err
	}
	defer endpoint.Close()
	if err := a.openMedia(ctx); err != nil {
		return nil, note, err
	}
	defer a.close()
	r := newRoutes(cfg, endpoint, nil, nil)
	for _, name := range trunks {
		one := Examined{Trunk: name}
		// The way is asked for once the trunk can be reached at all: its SDP
		// names the address of the route to it.
		sound, err := a.pool.Open(r.way(name).Media)
		if err != nil {
			return all, note, err
		}
		inv := sip.Invite{Trunk: name, From: shown(cfg, name), To: nobody, Offer: sound.Offer(), Instead: sound.Instead}
		if one.Findings, err = endpoint.Examine(ctx, inv); err == nil && number != "" && one.Ready() {
			inv.To, inv.Offer = number, sound.Offer()
			one.Findings = append(one.Findings, ring(ctx, endpoint, inv, sound))
		}
		sound.Close()
		if err != nil {
			return all, note, err
		}
		one.Ladder = endpoint.ShortLadder()
		all = append(all, one)
	}
	return all, note, nil
}

// shown is a number of ours for a call by a trunk; one that only rings reps shows
// those of the others.
func shown(cfg *config.Config, trunk string) string {
	for _, name := range append([]string{trunk}, cfg.TrunkNames()...) {
		if ids := cfg.Trunks[name].CallerIDs; len(ids) > 0 {
			return ids[0]
		}
	}
	return nobody
}

// examiner is an endpoint that looks after no trunk by itself.
func (a *App) examiner() (endpoint *sip.Endpoint, note string, err error) {
	cfg := sip.Config{
		UserAgent: a.cfg.SIP.UserAgent, T1: a.cfg.SIP.Timers.T1, Examining: true,
		AllowFrom: config.Networks(a.cfg.SIP.AllowFrom), DNS: a.wire.DNS, Log: a.log,
	}
	if cfg.Trunks, err = trunksOf(a.cfg); err != nil {
		return nil, "", err
	}
	for _, text := range a.cfg.SIP.Listen {
		l, err := config.ParseListener(text)
		if err != nil || l.Network != "udp" {
			continue // connections are made from any port
		}
		conn, err := a.wire.ListenUDP(l.Address)
		if errors.Is(err, syscall.EADDRINUSE) {
			conn, err = a.wire.ListenUDP(netip.AddrPortFrom(l.Address.Addr(), 0))
			if err == nil {
				note = fmt.Sprintf("%s is taken (is tandem serving?), so this asks from %s: a trunk that knows us by address and port will refuse.", l.Address, conn.LocalAddr())
			}
		}
		if err != nil {
			return nil, note, fmt.Errorf("sip.listen %s: %w", text, err)
		}
		cfg.UDP = append(cfg.UDP, conn)
	}
	endpoint, err = sip.Open(cfg)
	return endpoint, note, err
}

// ringWithin is how long somebody has to answer.
const ringWithin = 30 * time.Second

// ring calls a number somebody has, and looks at what the answer says of sound.
func ring(ctx context.Context, endpoint *sip.Endpoint, inv sip.Invite, sound *media.Stream) sip.Finding {
	began := time.Now()
	found := func(f sip.Fault, text string, args ...any) sip.Finding {
		return sip.Finding{Step: "ring", Fault: f, Text: fmt.Sprintf(text, args...), Took: time.Since(began)}
	}
	inv.Timeouts = sip.Timeouts{Trying: 5 * time.Second, Progress: 15 * time.Second, Ring: ringWithin}
	inv.OnProgress = func(p sip.Progress) { _ = sound.Hear(p.SDP) } // the answer decides
	leg, err := endpoint.Dial(ctx, inv)
	if err != nil {
		return found(sip.FaultOf(err), "%s: %v", inv.To, err)
	}
	defer leg.Hangup(sip.NormalClearing) // Close waits for its answer
	if err := sound.Accept(leg.Answer()); err != nil {
		return found(bridge.FaultOfAnswer(err), "%s answered: %v", inv.To, err)
	}
	codec, _ := sound.Codec()
	return found(sip.FaultNone, "%s answered with %v, and was hung up", inv.To, codec)
}
