package sip

import (
	"context"
	"errors"
	"net/netip"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// reofferTries bounds how often one offer is sent: challenges and glare.
const reofferTries = 5

// ackWait is how long an offer of ours gives the ACK of the peer's.
const ackWait = time.Second

// reoffer is an offer of ours inside a dialog, on its way.
type reoffer struct {
	offer  []byte
	result chan reofferResult // buffered: the actor never waits
	tries  int
	onWire bool            // unanswered: an offer of the peer's now is glare
	ack    *sipmsg.Request // of its 2xx

	refreshes *countdown // set where nobody asked: the session timer did
}

type reofferResult struct {
	answer []byte
	err    error
}

// Reoffer sends a re-INVITE with our new SDP and returns the answer. It fails
// with an *Error if the peer refuses; the session then goes on as it was, but
// for 481 and 408, which end the dialog (RFC 3261 §12.2.1.2). If both sides offer
// at once, or the peer's last one is not ACKed yet, it waits its turn. One that is
// heard and not answered is taken back after 64*T1. One Reoffer at a time. If ctx ends
// first its Cause is returned, and the peer's answer will be ACKed but not heard.
func (l *Leg) Reoffer(ctx context.Context, offer []byte) ([]byte, error) {
	r := &reoffer{offer: offer, result: make(chan reofferResult, 1)}
	l.do(func() {
		if l.reoffer != nil {
			r.result <- reofferResult{err: errors.New("reoffer: one is under way")}
			return
		}
		l.reoffer = r
		l.sendReoffer(r)
	})
	select {
	case got := <-r.result:
		return got.answer, got.err
	case <-l.up.Done():
		return nil, context.Cause(l.up)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// newRefresh begins a re-INVITE or UPDATE, which says anew what we are and can (RFC
// 3261 §12.2.1.1, RFC 4028 §7.4).
func (l *Leg) newRefresh(method sipmsg.RequestMethod) *sipmsg.Request {
	l.s.LocalSeq++
	l.relocate()
	req := l.s.within(&l.main.Dialog, method, l.s.LocalSeq)
	l.addAbilities(req)
	return req
}

// relocate has Contact and Via name the connection that there is now, where that is
// the only way to us: a target refresh (RFC 3261 §12.2.1.1) tells the far end.
func (l *Leg) relocate() {
	if !l.s.Flow {
		return
	}
	if port := l.e.flows.portNow(l.t, target{l.s.Transport, l.main.Hop}); port != 0 && port != l.s.Public.Port() {
		l.s.Public = netip.AddrPortFrom(l.s.Public.Addr(), port)
	}
}

// sendReoffer puts a re-INVITE on the wire.
func (l *Leg) sendReoffer(r *reoffer) {
	if l.up.Err() != nil || l.main == nil {
		l.endReoffer(r, reofferResult{err: ErrClosed})
		return
	}
	if l.unacked.waiting() { // one INVITE at a time (RFC 3261 §14.1)
		l.after(ackWait, func() { l.sendReoffer(r) })
		return
	}
	if r.tries++; r.tries > reofferTries {
		l.endReoffer(r, reofferResult{err: &Error{Code: sipmsg.StatusRequestPending, Text: "Request Pending"}})
		return
	}
	req := l.newRefresh(sipmsg.INVITE)
	withSDP(req, r.offer)
	l.authorise(req)
	a := &attempt{req: req, reoffer: r}
	l.attempts[branchOf(req)] = a
	l.e.expect(branchOf(req), l)
	tx, err := l.e.request(l.t, req)
	if err != nil {
		a.final = true
		l.endReoffer(r, reofferResult{err: l.unreachable(err)})
		return
	}
	a.tx, r.onWire = tx, true
	tx.OnRetransmission(l.e.stray)
	l.e.sent(req)
	l.e.async(func() { l.pump(a) })
	l.after(l.e.transactionLife(), func() { l.withdraw(a) })
}

// withdraw takes an offer back that was heard and never answered, for until then every
// one of the peer's would be glare. No timer of the transaction's ends it (RFC 3261
// §17.1.1.2).
func (l *Leg) withdraw(a *attempt) {
	if a.final || !a.provisional {
		return
	}
	a.final = true
	l.log.Warn("sip: re-INVITE not answered, withdrawn")
	cancel := l.s.hopByHop(sipmsg.CANCEL, a.req, l.main.To)
	l.task(func() { _, _ = l.e.roundTrip(l.t, cancel) }, func() {}) // a 2xx that crosses it is ACKed
	l.endReoffer(a.reoffer, reofferResult{err: &Error{Err: ErrNoResponse}})
}

// reoffered handles a final response to a re-INVITE, first or repeated. The ACK
// of a refusal has been sent by then.
func (l *Leg) reoffered(a *attempt, res *sipmsg.Response) {
	r := a.reoffer
	if res.IsSuccess() {
		l.ackReoffer(a, res)
	}
	if a.final {
		return
	}
	a.final, r.onWire = true, false
	switch {
	case res.IsSuccess():
		l.local = r.offer
		l.agree(res)
		l.endReoffer(r, reofferResult{answer: sdpOf(res)})
		if r.refreshes != nil {
			l.moved(sdpOf(res))
		}
	case l.complies(res):
		l.sendReoffer(r)
	case res.StatusCode == sipmsg.StatusRequestPending:
		l.after(glareWait(), func() { l.sendReoffer(r) })
	case forgotten(res.StatusCode):
		l.endReoffer(r, reofferResult{err: refusal(res)})
		l.dead(res.StatusCode)
	default:
		l.endReoffer(r, reofferResult{err: refusal(res)})
	}
}

// complies takes what a refusal within the dialog asks for, credentials, a longer
// interval or other extensions, and reports whether asking again can end otherwise.
func (l *Leg) complies(res *sipmsg.Response) bool {
	return challenged(res) && l.challenge(res) == nil || res.StatusCode == 422 && l.raise(res) || l.extend(res)
}

// reofferLost handles a re-INVITE without a final response. Only silence says that
// the peer is gone: a connection that broke says nothing of the dialog.
func (l *Leg) reofferLost(a *attempt, err error) {
	a.final = true
	if !errors.Is(err, sipmsg.ErrTransactionTimeout) {
		l.endReoffer(a.reoffer, reofferResult{err: l.unreachable(err)})
		return
	}
	l.e.metrics.timeout(sipmsg.INVITE)
	l.endReoffer(a.reoffer, reofferResult{err: &Error{Err: ErrNoResponse}})
	l.dead(sipmsg.StatusRequestTimeout)
}

// ackReoffer ACKs a 2xx to a re-INVITE, every time it comes.
func (l *Leg) ackReoffer(a *attempt, res *sipmsg.Response) {
	r := a.reoffer
	if r.ack == nil {
		l.main.refresh(res)
		l.s.aim(&l.main.Dialog, sourceOf(res), l.knows)
		l.publishDialog(l.main)
		r.ack = l.s.ackOf(&l.main.Dialog, a.req)
	}
	l.write(r.ack)
}

func (l *Leg) endReoffer(r *reoffer, result reofferResult) {
	l.reoffer = nil
	r.result <- result
	if r.refreshes != nil && result.err != nil {
		l.log.Warn("sip: refresh refused", "err", result.err)
		l.refreshLater(r.refreshes)
	}
}

// glareWait is how long we wait after a 491: we own the Call-ID, so ours is the
// longer wait, 2.1 to 4 s in steps of 10 ms (RFC 3261 §14.1).
func glareWait() time.Duration {
	return time.Duration(210+randomUpTo(190)) * 10 * time.Millisecond
}

// dead ends a dialog the peer no longer knows, with a BYE for good measure.
func (l *Leg) dead(code int) {
	why := Reason{Protocol: "SIP", Cause: code}
	if l.drop(&Ended{By: Us, Code: code, Err: ErrSessionExpired}) {
		l.log.Warn("sip: the peer no longer knows this call", "code", code)
		l.hangUp(why)
	}
}
