package app

import (
	"context"
	"net"
	"net/url"
	"slices"

	"tandem/api"
	"tandem/sip"
)

// operations is what api asks for those who run this App.
type operations struct{ *App }

// Pause is api.Operations's.
func (o operations) Pause(on bool) { o.bridge.Load().Pause(on) }

// Trunks is api.Operations's.
func (o operations) Trunks() []api.Trunk {
	all := []api.Trunk{}
	for _, s := range o.endpoint.Trunks() {
		all = append(all, trunkJSON(&s))
	}
	return all
}

// trunkJSON is the state of a trunk as the API shows it.
func trunkJSON(s *sip.TrunkStatus) api.Trunk {
	t := api.Trunk{
		Object: "trunk", Name: s.Name, Up: s.Up, CPS: max(0, s.CPS), LastFailed: s.LastFailed,
		Channels: api.Channels{Limit: max(0, s.Channels), InUse: s.InUse, Reserved: s.Reserved}, Draining: s.Draining,
	}
	if !s.Since.IsZero() {
		t.Since = &s.Since
	}
	if s.Registers {
		t.Registered = &s.Registered
	}
	if s.RoundTrip > 0 {
		ms := float64(s.RoundTrip.Microseconds()) / 1000
		t.OptionsMS = &ms
	}
	if s.Channels > 0 {
		free := max(0, s.Channels-s.Reserved)
		t.Channels.Free = &free
	}
	return t
}

// Trace is api.Operations's.
func (o operations) Trace(call string) (api.Trace, bool) {
	messages, dropped, ok := o.endpoint.Trace(call)
	if !ok {
		return api.Trace{}, false
	}
	slices.SortStableFunc(messages, func(a, b sip.Traced) int { return a.At.Compare(b.At) })
	trace := api.Trace{Messages: make([]api.TraceMessage, len(messages)), Dropped: dropped, Ladder: sip.Ladder(messages, dropped)}
	for i, m := range messages {
		direction := "in"
		if m.Sent {
			direction = "out"
		}
		trace.Messages[i] = api.TraceMessage{
			At: m.At.UTC(), Leg: m.Side, Direction: direction, Repeated: m.Repeated, Transport: m.Transport,
			Peer: m.Remote.String(), SIPCallID: m.CallID, Message: m.Message,
		}
	}
	return trace, true
}

// capture starts sending SIP to a Homer collector, if there is one.
func (a *App) capture() (func(sip.Traced), error) {
	collector := a.cfg.HEP.Collector
	if collector == "" {
		return nil, nil
	}
	at, err := url.Parse(collector)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, saveWithin)
		defer cancel()
		return (&net.Dialer{}).DialContext(ctx, "udp", at.Host)
	}
	h := sip.NewHEP(dial, uint32(a.cfg.HEP.CaptureID), a.cfg.HEP.Password, a.log)
	a.later(h.Close)
	return h.Send, nil
}
