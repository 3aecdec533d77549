package sip

import (
	"crypto/rand"
	"math/big"
	"strconv"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// badOffer is why we hang up on a peer whose answer we cannot use.
var badOffer = Reason{Protocol: "SIP", Cause: 488, Text: "Not Acceptable Here"}

// reinvite answers a re-INVITE (RFC 3261 §14.2).
func (l *Leg) reinvite(in *inboundRequest, f *fork) {
	if f != l.main { // our own INVITE is still unanswered on this branch
		in.respond(sipmsg.StatusRequestPending, "Request Pending")
		return
	}
	answer, ok := l.consider(in, f)
	if !ok {
		return
	}
	res := in.reply(sipmsg.StatusOK, "OK", append(l.capabilities(), l.grant(in)...)...)
	withSDP(res, answer)
	l.publishDialog(f)
	l.untilAcked(in, res)
}

// update answers an UPDATE (RFC 3311 §5.2), in an early dialog too.
func (l *Leg) update(in *inboundRequest, f *fork) {
	if f != l.main && f.rseq == 0 && len(in.Body()) > 0 { // no answer to our offer yet
		in.respond(sipmsg.StatusRequestPending, "Request Pending")
		return
	}
	var answer []byte
	if len(in.Body()) > 0 {
		var ok bool
		if answer, ok = l.consider(in, f); !ok {
			return
		}
	} else if !l.inOrder(in, f) || l.tooShort(in) {
		return
	} else {
		f.refresh(in)
		l.s.aim(&f.Dialog, sourceOf(in), l.knows)
	}
	capabilities := l.capabilities()
	if f == l.main {
		capabilities = append(capabilities, l.grant(in)...)
	}
	res := in.reply(sipmsg.StatusOK, "OK", capabilities...)
	withSDP(res, answer)
	l.publishDialog(f)
	in.send(res)
	in.finish()
}

// consider takes an offer, or the wish for one, through the checks and to
// Reoffer. If it may not pass it has been refused.
func (l *Leg) consider(in *inboundRequest, f *fork) (answer []byte, ok bool) {
	offer := sdpOf(in)
	switch {
	case !l.inOrder(in, f), l.tooShort(in):
		return nil, false
	case l.reoffer != nil && l.reoffer.onWire, in.Method == sipmsg.UPDATE && l.unacked.offering():
		in.respond(sipmsg.StatusRequestPending, "Request Pending")
		return nil, false
	case offer == nil && len(in.Body()) > 0:
		in.respond(sipmsg.StatusUnsupportedMediaType, "Unsupported Media Type", sipmsg.NewHeader("Accept", sdpType))
		return nil, false
	case l.inv.Reoffer == nil:
		in.respond(sipmsg.StatusNotAcceptableHere, "Not Acceptable Here")
		return nil, false
	}
	answer, err := l.inv.Reoffer(offer)
	if err != nil {
		l.log.Info("sip: offer refused", "err", err)
		in.respond(sipmsg.StatusNotAcceptableHere, "Not Acceptable Here")
		return nil, false
	}
	l.local = answer
	if len(offer) > 0 {
		f.early, l.remote = offer, offer
	}
	f.refresh(in)
	l.s.aim(&f.Dialog, sourceOf(in), l.knows)
	return answer, true
}

// inOrder refuses a request older than the last one that counted (§12.2.2).
func (l *Leg) inOrder(in *inboundRequest, f *fork) bool {
	if seq := seqOf(in); seq > f.RemoteSeq || f.RemoteSeq == 0 { // none has come yet, and 0 is a number too
		f.RemoteSeq = seq
		return true
	}
	in.respond(sipmsg.StatusInternalServerError, "Server Internal Error",
		sipmsg.NewHeader("Retry-After", strconv.Itoa(randomUpTo(10))))
	return false
}

// capabilities are the headers of our 2xx.
func (l *Leg) capabilities() []sipmsg.Header {
	all := []sipmsg.Header{
		sipmsg.NewHeader("Contact", l.s.contact()),
		sipmsg.NewHeader("Allow", allow),
	}
	if tags := l.supported(); tags != "" {
		all = append(all, sipmsg.NewHeader("Supported", tags))
	}
	return all
}

// withSDP gives a message a session description, nil = none.
func withSDP(msg interface {
	AppendHeader(sipmsg.Header)
	SetBody([]byte)
}, sdp []byte) {
	if len(sdp) > 0 {
		msg.AppendHeader(sipmsg.NewHeader("Content-Type", sdpType))
	}
	msg.SetBody(sdp)
}

// publishDialog writes a refreshed target down where Snapshot shows it.
func (l *Leg) publishDialog(f *fork) {
	if f == l.main {
		l.s.Dialog = f.Dialog
		l.publish()
	}
}

// unacked is our 2xx to a re-INVITE, sent until it is ACKed.
type unacked struct {
	in      *inboundRequest
	res     *sipmsg.Response
	offered bool // the 2xx holds an offer of ours; the ACK brings the answer
	every   time.Duration
	resend  *time.Timer
	limit   *time.Timer
}

// waiting reports whether the ACK is still to come.
func (u *unacked) waiting() bool { return u != nil && u.resend != nil }

// offering reports whether an offer of ours has no answer yet (RFC 3311 §5.2).
func (u *unacked) offering() bool { return u.waiting() && u.offered }

// stop ends the repetition; on nil it does nothing.
func (u *unacked) stop() {
	if !u.waiting() {
		return
	}
	u.resend.Stop()
	u.limit.Stop()
	u.resend = nil
	u.in.finish()
}

// untilAcked sends a 2xx, again after T1, 2*T1 … T2, and hangs up when no ACK
// has come in 64*T1 (RFC 3261 §13.3.1.4).
func (l *Leg) untilAcked(in *inboundRequest, res *sipmsg.Response) {
	l.unacked.stop() // a newer re-INVITE is as good as an ACK
	u := &unacked{in: in, res: res, offered: sdpOf(in) == nil, every: l.e.t1()}
	l.unacked = u
	in.send(res)
	u.resend = l.after(u.every, func() { l.resend(u) })
	u.limit = l.after(l.e.transactionLife(), func() {
		if l.unacked == u && u.resend != nil {
			l.log.Warn("sip: 200 to re-INVITE never ACKed")
			l.Hangup(Reason{Protocol: "SIP", Cause: 408, Text: "ACK missing"})
			u.stop()
		}
	})
}

func (l *Leg) resend(u *unacked) {
	if l.unacked != u || u.resend == nil {
		return
	}
	if err := u.in.tx.Respond(u.res); err != nil {
		l.log.Debug("sip: response not sent", "err", err)
	}
	u.every = min(2*u.every, 8*l.e.t1()) // T2
	u.resend = l.after(u.every, func() { l.resend(u) })
}

// acked is the ACK of a 2xx of ours.
func (l *Leg) acked(in *inboundRequest) {
	u := l.unacked
	if !u.waiting() || seqOf(in) != seqOf(u.in) {
		return
	}
	u.stop()
	if !u.offered || l.inv.Reaccept == nil {
		return
	}
	l.remote = sdpOf(in)
	if err := l.inv.Reaccept(sdpOf(in)); err != nil {
		l.log.Warn("sip: answer in ACK not usable", "err", err)
		l.Hangup(badOffer)
	}
}

// randomUpTo returns a number from 0 to n.
func randomUpTo(n int64) int {
	v, err := rand.Int(rand.Reader, big.NewInt(n+1))
	if err != nil {
		panic(err) // crypto/rand does not fail (Go 1.24 on)
	}
	return int(v.Int64())
}
