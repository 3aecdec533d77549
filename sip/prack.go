package sip

import (
	"fmt"

	sipmsg "github.com/emiago/sipgo/sip"
)

// forksLimit bounds the early dialogs one INVITE may open.
const forksLimit = 32

// early takes a provisional response into its early dialog (RFC 3261 §12.1) and
// reports whether it is news. A reliable one gets its PRACK (RFC 3262 §4): in
// sequence, each once; a repeated one is answered by the repeated PRACK of its
// transaction.
func (l *Leg) early(a *attempt, res *sipmsg.Response) bool {
	if toTag(res) == "" {
		return true
	}
	if l.forks[toTag(res)] == nil && len(l.forks) >= forksLimit {
		return false
	}
	f := l.fork(res)
	if f.ack != nil {
		return false // overtaken by its 200
	}
	if f.Target == "" {
		f.Dialog = l.s.newDialog(res, l.knows)
	}
	if sdp := sdpOf(res); len(sdp) > 0 {
		f.early, l.remote = sdp, sdp
	}
	rseq, ok := number(header(res, "rseq"))
	if !ok || !hasToken(res, "require", "100rel") {
		return true
	}
	if rseq <= f.rseq || f.rseq != 0 && rseq != f.rseq+1 {
		return false
	}
	f.rseq = rseq
	l.prack(f, fmt.Sprintf("%d %d INVITE", rseq, seqOf(a.req)))
	return true
}

// prack acknowledges a reliable provisional response. Its CSeq is the leg's
// next one; the ACK of the 2xx keeps the INVITE's.
func (l *Leg) prack(f *fork, rack string) {
	s, d, seq := l.s.clone(), f.Dialog, l.s.LocalSeq+1
	l.s.LocalSeq += byeTries
	l.task(func() {
		for try := range uint32(byeTries) {
			req := s.within(&d, sipmsg.PRACK, seq+try)
			req.AppendHeader(sipmsg.NewHeader("RAck", rack))
			req.SetBody(nil)
			l.authorise(req)
			res, err := l.e.roundTrip(l.t, req)
			if err != nil {
				l.log.Warn("sip: PRACK not answered", "err", err)
				return
			}
			if !challenged(res) {
				l.log.Debug("sip: PRACK answered", "code", res.StatusCode)
				return
			}
			if l.challenge(res) != nil {
				return
			}
		}
	}, func() {})
}
