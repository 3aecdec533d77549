package sip

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Keepalive is how a trunk is watched.
type Keepalive struct {
	Every        time.Duration // between OPTIONS; 0 = none are sent, and INVITEs tell
	FailAfter    int           // so many unanswered in a row: down; 0 = 3
	RecoverAfter int           // so many answered in a row: up again; 0 = 2
}

// probeTimeout is how long an OPTIONS is waited for: it was sent five times by
// then, at 0, 0.5, 1.5, 3.5 and 7.5 s.
const probeTimeout = 8 * time.Second

// watch asks a trunk whether it is there, until ctx ends. Its state
// changes only after several answers that agree: a lost datagram is no outage.
func (e *Endpoint) watch(ctx context.Context, t *trunk) {
	every := t.Keepalive.Every
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(min(every, time.Second)))))
	defer timer.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-t.look:
			timer.Reset(max(0, time.Until(last.Add(soonest))))
			continue
		}
		last = time.Now()
		e.check(t)
		// Not all trunks at the same instant, now and after a restart.
		timer.Reset(every*9/10 + time.Duration(rand.Int64N(int64(every/5)+1)))
	}
}

// check probes the targets of a trunk until one answers.
func (e *Endpoint) check(t *trunk) {
	targets, err := e.locator.targets(e.ctx, &t.TrunkConfig)
	for _, at := range targets {
		if err = e.checkTarget(t, at); err == nil {
			break
		}
	}
	if e.ctx.Err() == nil {
		t.probed(err)
	}
}

func (e *Endpoint) checkTarget(t *trunk, at target) error {
	ctx, cancel := context.WithTimeout(e.ctx, probeTimeout)
	defer cancel()
	began := time.Now()
	res, err := e.probe(ctx, t, at)
	switch {
	case err == nil && res.StatusCode == sipmsg.StatusServiceUnavailable:
		wait := retryAfter(res)
		e.locator.punish(at, max(wait, penalty))
		t.rest(wait)
		return fmt.Errorf("OPTIONS: %d %s", res.StatusCode, legible(res.Reason))
	case err != nil:
		e.locator.punish(at, penalty)
		e.flows.drop(t, at) // the next request takes another connection
		return err
	}
	// Whatever else it says, 401, 404 or 405, somebody is there.
	e.locator.pardon(at)
	took := time.Since(began)
	e.metrics.probed(t.Name, took)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roundTrip = took
	return nil
}

// recheck has the trunk looked at now.
func (t *trunk) recheck() {
	select {
	case t.look <- struct{}{}:
	default:
	}
}

// probed counts one round of OPTIONS; why is nil if somebody answered.
func (t *trunk) probed(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if why != nil {
		t.lastFailed = why.Error()
		t.answers = min(t.answers, 0) - 1
	} else {
		t.answers = max(t.answers, 0) + 1
	}
	failAfter, recoverAfter := t.Keepalive.FailAfter, t.Keepalive.RecoverAfter
	if failAfter <= 0 {
		failAfter = 3
	}
	if recoverAfter <= 0 {
		recoverAfter = 2
	}
	switch {
	case t.up && t.answers <= -failAfter, !t.up && t.answers >= recoverAfter, t.since.IsZero() && t.answers > 0:
		t.be(t.answers > 0)
	}
}

// heard notes that the trunk responds to a call.
func (t *trunk) heard() { t.called(nil) }

// failed notes that it does not.
func (t *trunk) failed(why error) { t.called(why) }

// called takes what a call has found out. Where OPTIONS are sent they decide.
func (t *trunk) called(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if why != nil {
		t.lastFailed = why.Error()
	}
	if t.Keepalive.Every <= 0 {
		t.be(why == nil)
	}
}

// be sets the state; mu is held.
func (t *trunk) be(up bool) {
	if t.up != up || t.since.IsZero() {
		t.up, t.since = up, time.Now()
		t.turned(t.Name)
	}
	t.count.trunkUp(t.Name, up)
}

// rest prefers other trunks to this one for a while; resume does no longer.
func (t *trunk) rest(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until := time.Now().Add(min(d, longestPenalty)); until.After(t.busy) {
		t.busy = until
	}
}

func (t *trunk) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = time.Time{}
}
