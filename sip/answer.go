package sip

import (
	"net/netip"

	sipmsg "github.com/emiago/sipgo/sip"
)

// elsewhere is why the losers of a forked call are hung up (RFC 3326 §2).
var elsewhere = Reason{Protocol: "SIP", Cause: 200, Text: "Call completed elsewhere"}

// answered handles a 2xx to our INVITE. The first one is the call, if somebody
// still wants it; every other is ACKed with its own tag and hung up (RFC 3261
// §13.2.2.4); and each one seen before is ACKed again.
func (l *Leg) answered(a *attempt, res *sipmsg.Response) {
	f := l.fork(res)
	if f.ack != nil {
		l.ackAgain(f, res)
		return
	}
	f.Dialog = l.s.newDialog(res, l.knows)
	f.source = sourceOf(res)
	f.ack = l.s.ackOf(&f.Dialog, a.req)
	a.final = true
	l.heard(res)
	if l.main != nil {
		l.log.Info("sip: second fork answered")
		l.write(f.ack)
		l.bye(f, elsewhere, func() {})
		return
	}
	l.main = f
	l.stopClocks()
	l.s.Dialog = f.Dialog
	if l.claim() {
		l.accept(f, res)
	} else {
		l.acceptLate(f, res)
	}
}

// accept is the answer Dial waits for.
func (l *Leg) accept(f *fork, res *sipmsg.Response) {
	l.answer = sdpOf(res)
	if l.answer == nil && string(f.early) != string(l.remote) {
		l.answer = f.early // another fork was heard after this one
	}
	if l.answer != nil {
		l.remote = l.answer
	}
	l.agree(res)
	l.saveOrLog(Answered)
	l.write(f.ack)
	l.s.Acked, l.s.Invite = true, nil
	l.publish()
	l.log.Info("sip: answered", "code", res.StatusCode)
	l.settle()
	l.unpark()
}

// acceptLate is an answer nobody waits for any more.
func (l *Leg) acceptLate(f *fork, res *sipmsg.Response) {
	l.log.Info("sip: answered too late", "code", res.StatusCode)
	l.drop(&Ended{By: Us, Err: l.verdict})
	l.s.Acked = true
	l.saveOrLog(Ending)
	l.write(f.ack)
	if !l.late && l.inv.Late != nil {
		l.late = true
		l.inv.Late()
	}
	l.bye(f, l.whyCancelled(), l.end)
	l.unpark()
}

// ackAgain answers a 2xx that was sent again: our ACK was lost, or went astray.
// From the second time on it goes to where the 2xx comes from, and so does
// everything later in this dialog, whatever its Contact and Record-Route say.
func (l *Leg) ackAgain(f *fork, res *sipmsg.Response) {
	f.repeats++
	if source := sourceOf(res); f.repeats > 1 && source.IsValid() && source != f.Hop {
		l.log.Warn("sip: ACK does not arrive, using the source of the 200")
		f.Hop = source
		l.s.pin(f.ack, source)
		if f == l.main {
			l.s.Dialog.Hop = source
			l.publish()
		}
	}
	l.write(f.ack)
}

// fork returns the branch a response comes from, new or known.
func (l *Leg) fork(res *sipmsg.Response) *fork {
	tag := toTag(res)
	f := l.forks[tag]
	if f == nil {
		f = &fork{Dialog: Dialog{RemoteTag: tag}}
		l.forks[tag] = f
	}
	return f
}

// knows reports whether addr may be the trunk's: what the guard lets in.
func (l *Leg) knows(addr netip.Addr) bool {
	return l.e.allow.contains(addr) && l.e.socketFor(addr) != nil
}

// hangUp sends our BYE.
func (l *Leg) hangUp(why Reason) {
	l.unacked.stop()
	l.s.ByeSent = true
	l.saveOrLog(Ending)
	l.bye(l.main, why, l.end)
}

// byeTries bounds the BYEs of one fork: challenges, and another way to the peer.
const byeTries = 4

// bye hangs a fork up, unless a BYE has gone already, and then runs then.
func (l *Leg) bye(f *fork, why Reason, then func()) {
	if f.byed {
		then()
		return
	}
	f.byed = true
	s, d, source := l.s.clone(), f.Dialog, f.source
	seq := l.s.LocalSeq + 1
	l.s.LocalSeq += byeTries // gaps are legal (§12.2.2), and nobody else may use these
	l.log.Info("sip: BYE sent")
	l.task(func() { l.sendBye(&s, d, source, seq, why) }, then)
}

// sendBye sends BYEs until one is answered: with credentials if the peer asks,
// and by way of the 2xx's source if the right way is dead. 481 and 408 mean
// that there is nothing left to end (RFC 3261 §15.1.1).
func (l *Leg) sendBye(s *Snapshot, d Dialog, source netip.AddrPort, seq uint32, why Reason) {
	for try := range uint32(byeTries) {
		req := s.within(&d, sipmsg.BYE, seq+try)
		if why != (Reason{}) {
			req.AppendHeader(sipmsg.NewHeader("Reason", why.String()))
		}
		req.SetBody(nil)
		l.authorise(req)
		res, err := l.e.roundTrip(l.t, req)
		switch {
		case err != nil && source.IsValid() && d.Hop != source:
			d.Hop = source
		case err != nil:
			l.log.Warn("sip: BYE not answered", "err", err)
			return
		case challenged(res):
			if err := l.challenge(res); err != nil {
				l.log.Warn("sip: BYE refused", "code", res.StatusCode, "err", err)
				return
			}
		default:
			l.log.Info("sip: BYE answered", "code", res.StatusCode)
			return
		}
	}
}
