package sip

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// maxTargets bounds the places one Dial tries: somebody is waiting.
	maxTargets = 3
	// largestDatagram is the size from which a request must not go over UDP, if
	// there is another way (RFC 3261 §18.1.1).
	largestDatagram = 1300
	// credentialsRoom is what the answer to a challenge adds to an INVITE.
	credentialsRoom = 300
)

// hunt is one Dial on its way through the targets of a trunk.
type hunt struct {
	e     *Endpoint
	t     *trunk
	inv   Invite
	began time.Time
	rang  bool         // the telephone rang; written before the verdict falls
	legs  atomic.Int32 // that are not over, and one for Dial itself
}

// Dial places a call and waits until it is answered. It returns the Leg, whose
// 2xx has been ACKed; or an *Error with the far end's refusal or the time-out
// that passed; or the Cause of ctx, at once, if that ends first; or whatever
// Guard or Save refused with. With an error nothing is left ringing: what there
// is to CANCEL or to hang up is the Endpoint's from here on.
//
// Where the trunk is at several targets, a failure that is not the callee's own
// answer makes it go on to the next, with a new Call-ID.
func (e *Endpoint) Dial(ctx context.Context, inv Invite) (*Leg, error) {
	t := e.trunks.named(inv.Trunk)
	if t == nil {
		inv.over()
		return nil, fmt.Errorf("trunk %s: %w", inv.Trunk, ErrNoTrunk)
	}
	h := &hunt{e: e, t: t, inv: inv, began: time.Now()}
	h.legs.Store(1)
	defer h.over()
	targets, err := e.way(ctx, t)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		t.failed(err)
		h.fault(err)
		return nil, &Error{Err: err}
	}
	if targets, err = h.whereItFits(targets); err != nil {
		return nil, err
	}
	for i, at := range targets {
		if i > 0 && !h.turn(ctx) {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, err
		}
		var l *Leg
		l, err = h.dial(ctx, at)
		var failed *Error
		if !errors.As(err, &failed) {
			return l, err
		}
		if failed.Rang = h.rang; i+1 == len(targets) || !h.goOn(failed) {
			return nil, err
		}
		e.log.Warn("sip: next target", "call", inv.Call, "side", inv.Side, "trunk", t.Name, "err", err)
	}
	return nil, &Error{Err: ErrUnreachable} // a trunk without targets is an error of locate
}

// goOn reports whether the next target may be tried.
func (h *hunt) goOn(failed *Error) bool {
	limit := h.inv.Timeouts.Hunt
	late := limit > 0 && time.Since(h.began) >= limit
	// One that said 100 is alive: it is what lies behind it that is silent.
	return failed.Elsewhere() && !late && !errors.Is(failed.Err, ErrNoProgress)
}

// turn waits for the trunk's next calls-per-second slot: another target of the
// same trunk counts as another call. It is false if that comes too late.
func (h *hunt) turn(ctx context.Context) bool {
	if limit := h.inv.Timeouts.Hunt; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, h.began.Add(limit))
		defer cancel()
	}
	return h.e.Turn(ctx, h.t.Name) == nil
}

// whereItFits puts TCP before UDP for an INVITE that is too large for a
// datagram, where the trunk lets us choose. UDP stays as the last resort.
func (h *hunt) whereItFits(targets []target) ([]target, error) {
	targets = targets[:min(len(targets), maxTargets)]
	if h.t.Transport != transportAuto || targets[0].transport != "udp" {
		return targets, nil
	}
	l, err := h.e.prepare(context.Background(), h.t, targets[0], h.inv)
	if err != nil {
		return nil, err
	}
	l.release()
	size := len(l.newInvite(1).String())
	if h.t.Username != "" {
		size += credentialsRoom
	}
	if size <= largestDatagram {
		return targets, nil
	}
	var all []target
	for _, at := range targets {
		if at.transport == "udp" {
			all = append(all, target{"tcp", at.addr})
		}
		all = append(all, at)
	}
	return all, nil
}

// dial tries one target.
func (h *hunt) dial(ctx context.Context, at target) (*Leg, error) {
	h.legs.Add(1)
	inv := h.inv
	inv.Over = h.over
	inv.OnProgress = func(p Progress) {
		h.rang = h.rang || p.Code >= 180
		if h.inv.OnProgress != nil {
			h.inv.OnProgress(p)
		}
	}
	if h.inv.Instead != nil {
		inv.Instead = func() []byte { // which the next target gets at once
			offer := h.inv.Instead()
			if len(offer) > 0 {
				h.inv.Offer = offer
			}
			return offer
		}
	}
	l, err := h.e.dial(ctx, h.t, at, inv)
	h.judge(at, err)
	h.fault(err)
	return l, err
}

// fault writes down what an error says of the trunk.
func (h *hunt) fault(err error) {
	h.e.fault(h.e.log.With("call", h.inv.Call, "side", h.inv.Side, "trunk", h.t.Name), h.t.Name, FaultOf(err), err)
}

// judge remembers how a target has done.
func (h *hunt) judge(at target, err error) {
	var failed *Error
	switch {
	case err != nil && !errors.As(err, &failed):
	case err != nil && (errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNoResponse)):
		h.t.failed(err)
		h.e.locator.punish(at, penalty)
		h.t.rest(penalty)
	case err != nil && failed.RetryAfter > 0 && failed.Code == 503: // RFC 3261 §21.5.4
		h.e.locator.punish(at, failed.RetryAfter)
		h.t.rest(failed.RetryAfter)
	default:
		h.e.locator.pardon(at)
		h.t.resume()
	}
}

// over tells that nothing more of the call is on the wire, once all its legs
// have said so.
func (h *hunt) over() {
	if h.legs.Add(-1) == 0 {
		h.inv.over()
	}
}
