package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"tandem/dtmf"
	"tandem/media"
	"tandem/sip"
)

// maxAttempts bounds the trunks one side is tried over: somebody is waiting.
const maxAttempts = 3

// dialing is the event that a side is dialled.
var dialing = map[Side]EventType{Rep: CallRepDialing, Prospect: CallProspectDialing}

// hunt dials one side over the trunks of its route, one after the other, until
// one answers or the next may not be tried: the telephone rang, the one called
// has said something, or too much time has passed.
func (c *call) hunt(ctx context.Context, side Side, inv sip.Invite, sound *media.Stream) (AnsweredLeg, *End) {
	giveUp := time.Now().Add(c.Limits.Hunt)
	for attempt := 1; ; attempt++ {
		route := c.routes[side][0]
		inv.Timeouts.Hunt = max(time.Until(giveUp), 1) // for the trunk's own targets
		leg, failed, end := c.attempt(ctx, side, route, attempt, inv, sound)
		if failed == nil {
			return leg, end
		}
		end = new(refused(side, failed.err, failed.rang, failed.said))
		if attempt == maxAttempts || ctx.Err() != nil || !time.Now().Before(giveUp) || !failed.elsewhere() || !c.nextTrunk(side) {
			c.legOver(side, *end)
			return nil, end
		}
		next := c.routes[side][0]
		c.log.Warn("bridge: next trunk", "side", side, "trunk", next.Trunk, "err", failed.err)
		c.say(Event{Type: CallUpdated, Side: side, Trunk: route.Trunk, Hangup: end.Hangup, Flag: FlagFailoverUsed, Note: whyFailed(failed.err)})
		sound.Retry(next.Media)
		c.over = c.over[:len(c.over)-1] // sip sees that INVITE through; the call's end need not wait for it
	}
}

// failure is why a trunk brought no answer.
type failure struct {
	err  error
	rang bool
	said dtmf.Signal
}

// elsewhere reports whether another trunk may be tried after it.
func (f *failure) elsewhere() bool {
	var refusal *sip.Error
	return !f.rang && errors.As(f.err, &refusal) && refusal.Elsewhere()
}

// attempt dials one side over one trunk. An End without a failure is one of
// our own: the INVITE was not sent.
func (c *call) attempt(ctx context.Context, side Side, route Route, attempt int, inv sip.Invite, sound *media.Stream) (AnsweredLeg, *failure, *End) {
	if err := c.turn(ctx, route.Trunk); err != nil {
		return nil, nil, err
	}
	c.note(Event{Type: dialing[side], Side: side, Trunk: route.Trunk, Attempt: attempt, Rate: route.Rate})
	inv.Guard = c.onceKept(ctx, inv.Guard)
	if side == Prospect {
		sound.Match(c.rep)
	}
	over := make(chan struct{})
	c.over = append(c.over, over)
	inv.Trunk, inv.From, inv.Offer, inv.Instead = route.Trunk, route.show(c.asked.CallerID), sound.Offer(), sound.Instead
	inv.Over = sync.OnceFunc(func() { close(over) })
	ctx, said := c.untilBusy(ctx, side, sound)
	leg, rang, err := c.dial(ctx, side, inv, sound)
	if said := said(); err != nil {
		return nil, &failure{err, rang, said}, nil
	}
	return leg, nil, nil
}

// nextTrunk moves a side's channel to the next trunk of its route that has one.
func (c *call) nextTrunk(side Side) bool {
	for len(c.routes[side]) > 1 {
		c.routes[side] = c.routes[side][1:]
		release, err := c.Trunks.Reserve(c.routes[side][0].Trunk)
		if err == nil {
			c.lent[side]()
			c.lent[side] = release
			return true
		}
	}
	return false
}

// reserve takes one channel for each side, on the first trunk of its route that
// has one, which then goes first. Calls do so one at a time, so that two cannot
// each hold half of what either needs.
func (c *call) reserve() error {
	c.reserving.Lock()
	defer c.reserving.Unlock()
	for _, side := range c.asked.sides() {
		release, err := c.reserveOn(side)
		if err != nil {
			c.release()
			return err
		}
		c.lent[side] = release
	}
	return nil
}

func (c *call) reserveOn(side Side) (release func(), err error) {
	for i, route := range c.routes[side] {
		var full error
		if release, full = c.Trunks.Reserve(route.Trunk); full == nil {
			c.routes[side] = append([]Route{route}, append(c.routes[side][:i:i], c.routes[side][i+1:]...)...)
			return release, nil
		}
		err = errors.Join(err, full)
	}
	return nil, err
}

// release gives the channels back.
func (c *call) release() {
	for _, release := range c.lent {
		release()
	}
}

// Why a trunk was given up: the reason of tandem_trunk_failovers_total.
const (
	failedUnreachable = "unreachable"
	failedSilence     = "no_response"
	failedProgress    = "no_progress"
	failedCongestion  = "congestion"
	failedError       = "server_error"
)

var failedWhy = []string{failedUnreachable, failedSilence, failedProgress, failedCongestion, failedError}

func whyFailed(err error) string {
	var failure *sip.Error
	switch {
	case errors.Is(err, sip.ErrUnreachable):
		return failedUnreachable
	case errors.Is(err, sip.ErrNoResponse):
		return failedSilence
	case errors.Is(err, sip.ErrNoProgress):
		return failedProgress
	case errors.As(err, &failure) && failure.Code == 503:
		return failedCongestion
	default:
		return failedError
	}
}
