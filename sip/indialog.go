package sip

import (
	sipmsg "github.com/emiago/sipgo/sip"
)

// parkedLimit bounds the BYEs that wait for the 200 they have overtaken.
const parkedLimit = 4

// serve answers a request that names this leg by Call-ID and our tag.
func (l *Leg) serve(in *inboundRequest) {
	defer func() {
		if fault := recover(); fault != nil {
			in.respond(sipmsg.StatusInternalServerError, "Server Internal Error")
			panic(fault) // step ends the leg
		}
	}()
	f := l.forks[fromTag(in)]
	switch {
	case in.IsAck():
		l.acked(in)
		in.finish()
	case in.Method == sipmsg.BYE:
		l.peerBye(in, f)
	case f == nil:
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	case in.Method == sipmsg.OPTIONS:
		l.e.options(in)
	case in.Method == sipmsg.REFER:
		in.respond(sipmsg.StatusForbidden, "Forbidden")
	case f.byed || l.concluded:
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	case in.Method == sipmsg.INVITE:
		l.reinvite(in, f)
	case in.Method == sipmsg.UPDATE:
		l.update(in, f)
	case in.Method == sipmsg.INFO, in.Method == sipmsg.NOTIFY:
		in.respond(sipmsg.StatusOK, "OK") // the tap has taken what INFO says
	case in.Method == sipmsg.PRACK, in.Method == sipmsg.CANCEL: // we have nothing to match
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		l.e.notAllowed(in)
	}
}

// peerBye is the peer hanging up. Whatever its CSeq, and whether or not our own
// BYE crosses it: the dialog is over.
func (l *Leg) peerBye(in *inboundRequest, f *fork) {
	if f == nil || f.ack == nil {
		l.park(in)
		return
	}
	if f == l.main {
		l.drop(&Ended{By: Peer, Reason: reasonOf(in)})
	}
	in.respond(sipmsg.StatusOK, "OK")
	if f.byed {
		return
	}
	f.byed = true
	if f == l.main {
		l.log.Info("sip: peer hung up")
		l.unacked.stop()
		l.conclude()
	}
}

// park keeps a BYE that was handled before the 200 it follows: each message has
// a goroutine of its own in sipgo, and the peer may not have waited for our ACK.
func (l *Leg) park(in *inboundRequest) {
	waiting := l.pending != nil && !l.pending.final
	if !waiting || len(l.parked) >= parkedLimit {
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	l.parked = append(l.parked, in)
}

// unpark serves what had to wait.
func (l *Leg) unpark() {
	parked := l.parked
	l.parked = nil
	for _, in := range parked {
		l.serve(in)
	}
}

// infoKept bounds the memory for INFOs that were heard.
const infoKept = 256

// info hears an INFO (RFC 6086) from the tap. The CSeq tells a repeated one; its
// order among others is the wire's.
func (l *Leg) info(req *sipmsg.Request) {
	if l.main == nil || fromTag(req) != l.main.RemoteTag || l.main.byed || l.infoSeen[seqOf(req)] {
		return
	}
	if len(l.infoSeen) >= infoKept {
		clear(l.infoSeen)
	}
	l.infoSeen[seqOf(req)] = true
	if l.inv.OnInfo != nil && len(req.Body()) > 0 {
		l.inv.OnInfo(header(req, "content-type"), req.Body())
	}
}
