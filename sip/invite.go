package sip

import (
	"errors"
	"fmt"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// attempt is one INVITE transaction: the first, or the one after a challenge.
type attempt struct {
	req         *sipmsg.Request // as sent; never changed again
	tx          *sipmsg.ClientTx
	sent        time.Time
	hushed      bool // it is not sent again
	provisional bool // some 1xx came: a CANCEL may be sent (RFC 3261 §9.1)
	cancelled   bool
	final       bool     // its final response came, or will not be waited for
	restored    bool     // of a process that has died: it may never have left
	reoffer     *reoffer // set for a re-INVITE
}

// invite sends the INVITE, or the next one after a challenge.
func (l *Leg) invite() {
	if l.unwanted() {
		l.conclude()
		return
	}
	a := l.newAttempt()
	if err := l.save(Calling); err != nil {
		l.refuse(a, fmt.Errorf("save: %w", err))
		return
	}
	if err := l.transmit(a); err != nil {
		l.refuse(a, err)
		return
	}
	l.await(a)
}

// refuse ends a leg whose INVITE has not left.
func (l *Leg) refuse(a *attempt, err error) {
	a.final = true
	l.giveUp(err)
	l.conclude()
}

// newAttempt builds the INVITE and makes it the leg's pending one.
func (l *Leg) newAttempt() *attempt {
	l.s.LocalSeq++
	l.s.InviteSeq = l.s.LocalSeq
	l.s.Provisional = false
	req := l.newInvite(l.s.InviteSeq)
	l.s.Invite = []byte(req.String())
	l.authorise(req)
	a := &attempt{req: req}
	l.attempts[branchOf(req)] = a
	l.pending = a
	return a
}

// newInvite builds an INVITE with CSeq seq, without credentials.
func (l *Leg) newInvite(seq uint32) *sipmsg.Request {
	s := &l.s
	uri, _ := sipURI(s.URI) // identify made it
	req := s.message(sipmsg.INVITE, uri, l.t.routeSet(s.Transport), s.To, seq, newBranch(), s.Hop)
	req.AppendHeader(sipmsg.NewHeader("Contact", s.contact()))
	for _, h := range l.t.callerHeaders(l.inv) {
		req.AppendHeader(h)
	}
	l.addAbilities(req)
	if l.requires100rel() {
		req.AppendHeader(sipmsg.NewHeader("Require", "100rel"))
	}
	req.AppendHeader(sipmsg.NewHeader("User-Agent", l.e.cfg.UserAgent))
	withSDP(req, l.inv.Offer)
	l.local = l.inv.Offer
	return req
}

// transmit puts the INVITE on the wire, in the caller's critical section.
func (l *Leg) transmit(a *attempt) error {
	l.e.expect(branchOf(a.req), l)
	if err := l.e.flows.connect(l.t, a.req); err != nil { // not inside the caller's critical section
		return l.unreachable(err)
	}
	send := func() (err error) {
		if a.tx, err = l.e.request(l.t, a.req); err != nil {
			return l.unreachable(err)
		}
		return nil
	}
	guard := l.inv.Guard
	if guard == nil {
		guard = func(send func() error) error { return send() }
	}
	switch err := guard(send); {
	case a.tx == nil && err == nil:
		return errors.New("guard: INVITE not sent")
	case a.tx == nil:
		return err
	case err != nil: // it has left all the same
		l.giveUp(err)
	}
	return nil
}

func (l *Leg) unreachable(err error) error {
	l.t.failed(err)
	return &Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, err)}
}

// await starts the clocks of an INVITE that has just left.
func (l *Leg) await(a *attempt) {
	a.sent = time.Now()
	a.tx.OnRetransmission(l.e.stray)
	l.e.async(func() { l.pump(a) })
	l.e.sent(a.req)
	l.log.Info("sip: INVITE sent")
	if l.inv.Sent != nil {
		l.inv.Sent(SentInfo{CallID: l.s.CallID, At: time.Now()})
	}
	limits := l.inv.Timeouts
	trying := limits.Trying
	if trying <= 0 {
		trying = l.e.cfg.InviteTimeout
	}
	l.trying.start(l, trying, ErrNoResponse)
	if !l.clocked { // a challenge does not start them again
		l.clocked = true
		l.progress.start(l, limits.Progress, ErrNoProgress)
		l.absolute.start(l, limits.Absolute, ErrNoAnswer)
	}
}

// pump takes the final response from the transaction. It reads on whatever
// happens, for a transaction holds its lock until it is read from.
func (l *Leg) pump(a *attempt) {
	for {
		select {
		case res := <-a.tx.Responses():
			if res.IsProvisional() {
				continue // the tap has brought it, in its place
			}
			// From here on its responses are strays, which we ACK at once;
			// sipgo would take 4 s over each.
			a.tx.Terminate()
			l.do(func() { l.final(a, res, true) })
			return
		case <-a.tx.Done():
			l.do(func() { l.lost(a, a.tx.Err()) })
			return
		case <-l.e.ctx.Done():
			a.tx.Terminate()
			return
		}
	}
}

// heard notes that the trunk responds, and what it sees us as.
func (l *Leg) heard(res *sipmsg.Response) {
	l.t.heard()
	if l.e.learn(l.t, &l.s, res) {
		l.t.reregister()
	}
}

// ringing handles a provisional response.
func (l *Leg) ringing(a *attempt, res *sipmsg.Response) {
	if a.reoffer != nil {
		a.provisional = true
	}
	if a.final || a.reoffer != nil {
		return
	}
	a.provisional, l.s.Provisional = true, true
	l.heard(res)
	l.trying.stop()
	if l.unwanted() {
		l.cancel(a)
		return
	}
	if res.StatusCode <= 100 || !l.early(a, res) {
		return
	}
	l.log.Info("sip: progress", "code", res.StatusCode)
	if res.StatusCode >= 180 && res.StatusCode < 190 {
		l.progress.stop()
		if !l.rang {
			l.rang = true
			l.ring.start(l, l.inv.Timeouts.Ring, ErrNoAnswer)
		}
	}
	l.report(Progress{Code: res.StatusCode, Text: res.Reason, SDP: sdpOf(res)})
}

// final handles a final response of the INVITE: the first, a repeated one, or
// another fork's. acked says that the transaction has ACKed it, as it does with
// those of 300 and above that reach it.
func (l *Leg) final(a *attempt, res *sipmsg.Response, acked bool) {
	if res.IsSuccess() && a.reoffer == nil {
		l.answered(a, res)
		return
	}
	switch {
	case res.IsSuccess():
	case acked:
		l.e.sent(l.s.hopByHop(sipmsg.ACK, a.req, toValue(res, l.s.To)))
	default:
		l.write(l.s.hopByHop(sipmsg.ACK, a.req, toValue(res, l.s.To)))
	}
	if a.reoffer != nil {
		l.reoffered(a, res)
		return
	}
	if a.final {
		return
	}
	a.final = true
	l.heard(res)
	l.trying.stop()
	l.log.Info("sip: INVITE refused", "code", res.StatusCode)
	if challenged(res) && !l.unwanted() {
		if err := l.challenge(res); err != nil {
			refused := refusal(res)
			refused.Err = err
			l.giveUp(refused)
		} else {
			l.invite()
			return
		}
	}
	if res.StatusCode == 422 && !l.unwanted() && l.raise(res) {
		l.invite() // once more, with the interval it can live with (RFC 4028 §7.3)
		return
	}
	if !l.unwanted() && (l.instead(res) || l.extend(res)) {
		l.invite()
		return
	}
	l.giveUp(refusal(res))
	l.conclude()
}

// instead takes another offer, if it is the offer that was refused and there is one.
func (l *Leg) instead(res *sipmsg.Response) bool {
	if !refusal(res).ofOffer() || l.inv.Instead == nil || l.rang || l.remote != nil {
		return false
	}
	offer := l.inv.Instead()
	if len(offer) == 0 {
		return false
	}
	l.log.Info("sip: another offer", "code", res.StatusCode)
	l.inv.Offer = offer
	return true
}

// lost handles a transaction that ended without a final response.
func (l *Leg) lost(a *attempt, err error) {
	switch {
	case a.final, a.hushed:
	case a.reoffer != nil:
		l.reofferLost(a, err)
	case errors.Is(err, sipmsg.ErrTransactionTimeout) && a.provisional:
		// The first 1xx came as Timer B fired. The call is alive; its final
		// response will come as a stray.
	case errors.Is(err, sipmsg.ErrTransactionTimeout):
		l.e.metrics.timeout(sipmsg.INVITE)
		a.final = true
		l.t.failed(ErrNoResponse)
		l.giveUp(&Error{Err: ErrNoResponse})
		l.conclude()
	default:
		l.giveUp(l.unreachable(err))
		if a.provisional {
			l.cancel(a) // over a new connection: somebody's telephone is ringing
			return
		}
		a.final = true
		l.conclude()
	}
}

// wind winds a leg up whose Dial has returned an error.
func (l *Leg) wind() {
	a := l.pending
	switch {
	case a == nil || a.final:
		if l.main == nil {
			l.conclude()
		}
	case a.tx == nil: // it was never sent
		l.refuse(a, l.verdict)
	case a.provisional:
		l.cancel(a)
	default: // the first response decides
		l.after(time.Until(a.sent.Add(l.e.resendUnwanted())), func() { l.hush(a) })
	}
}

// resendUnwanted is how long after it first left an INVITE that nobody waits for any
// more is sent again: one that has arrived is ringing a telephone that only a CANCEL
// will silence, and we may not send it before we have heard (RFC 3261 §9.1); but one
// that arrives so late would ring a telephone by itself.
func (e *Endpoint) resendUnwanted() time.Duration { return 40 * e.t1() }

// hush ends the repetition of an INVITE. Should it be answered all the same, the answer
// finds it as a stray.
func (l *Leg) hush(a *attempt) {
	if a.provisional || a.final {
		return
	}
	a.hushed = true
	a.tx.Terminate()
	l.after(time.Until(a.sent.Add(l.e.transactionLife())), func() {
		if !a.provisional {
			l.abandon(a)
		}
	})
}

// cancel sends a CANCEL and waits for the INVITE's final response, for 64*T1 at
// most (RFC 3261 §9.1).
func (l *Leg) cancel(a *attempt) {
	if a.cancelled || a.final {
		return
	}
	a.cancelled = true
	l.stopClocks()
	l.saveOrLog(Ending)
	req := l.s.hopByHop(sipmsg.CANCEL, a.req, l.s.To)
	req.AppendHeader(sipmsg.NewHeader("Reason", l.whyCancelled().String()))
	l.log.Info("sip: CANCEL sent")
	var res *sipmsg.Response
	l.task(func() {
		answer, err := l.e.roundTrip(l.t, req)
		if err != nil {
			l.log.Warn("sip: CANCEL not answered", "err", err)
			return
		}
		res = answer
		l.log.Info("sip: CANCEL answered", "code", res.StatusCode)
	}, func() {
		switch {
		case !a.restored || res == nil:
		case res.StatusCode == sipmsg.StatusCallTransactionDoesNotExists:
			l.abandon(a)
		case res.IsSuccess() && toTag(res) != "":
			l.after(8*l.e.t1(), func() { l.byeUnheard(a, res) })
		}
	})
	l.after(l.e.transactionLife(), func() { l.abandon(a) })
}

// whyCancelled is what the called telephone may show of a missed call (RFC 3326 §1).
func (l *Leg) whyCancelled() Reason {
	switch {
	case errors.Is(l.verdict, ErrNoAnswer):
		return NoAnswer
	case errors.Is(l.verdict, ErrNoProgress), errors.Is(l.verdict, ErrNoResponse):
		return TimerExpired
	default:
		return NormalClearing
	}
}

// abandon stops waiting for an INVITE's final response. A late 2xx still finds
// the leg while it lingers.
func (l *Leg) abandon(a *attempt) {
	if a.final {
		return
	}
	a.final = true
	if a.tx != nil {
		a.tx.Terminate()
	}
	l.conclude()
}

// clock is one time limit of a Dial.
type clock struct{ timer *time.Timer }

// start makes the leg give up with err after d; d ≤ 0 = never.
func (c *clock) start(l *Leg, d time.Duration, err error) {
	c.stop()
	if d > 0 {
		c.timer = time.AfterFunc(d, func() {
			if l.giveUp(&Error{Err: err}) && errors.Is(err, ErrNoResponse) {
				l.t.failed(err)
			}
		})
	}
}

func (c *clock) stop() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

func (l *Leg) stopClocks() {
	l.trying.stop()
	l.progress.stop()
	l.ring.stop()
	l.absolute.stop()
}
