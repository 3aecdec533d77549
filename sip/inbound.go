package sip

import (
	"runtime/debug"
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// inboundRequest is a request of the peer's on its way through a leg.
type inboundRequest struct {
	*sipmsg.Request
	e        *Endpoint
	tx       *sipmsg.ServerTx
	finished chan struct{} // closed when the transaction needs nobody any more
	answered bool
	closed   bool
}

func (e *Endpoint) newInbound(req *sipmsg.Request, tx *sipmsg.ServerTx) *inboundRequest {
	return &inboundRequest{Request: req, e: e, tx: tx, finished: make(chan struct{})}
}

// reply builds a response.
func (in *inboundRequest) reply(code int, text string, extra ...sipmsg.Header) *sipmsg.Response {
	res := sipmsg.NewResponseFromRequest(in.Request, code, text, nil)
	res.SipVersion = "SIP/2.0" // whatever version was asked in
	for _, h := range extra {
		res.AppendHeader(h)
	}
	return res
}

// send gives a response to the transaction; the first final one stands.
func (in *inboundRequest) send(res *sipmsg.Response) {
	if in.answered || in.IsAck() {
		return
	}
	in.answered = true
	in.e.sent(res)
	if err := in.tx.Respond(res); err != nil {
		in.e.log.Debug("sip: response not sent", "err", err)
	}
}

// respond answers and is done with the request.
func (in *inboundRequest) respond(code int, text string, extra ...sipmsg.Header) {
	in.send(in.reply(code, text, extra...))
	in.finish()
}

// finish lets the transaction's goroutine go.
func (in *inboundRequest) finish() {
	if !in.closed {
		in.closed = true
		close(in.finished)
	}
}

// tap sees every message in the order it had on the wire, in the goroutine that
// reads the socket. What must stay in order is taken here.
func (e *Endpoint) tap(msg sipmsg.Message) {
	defer e.rescue()
	e.metrics.message(inbound, msg)
	e.overStream(msg, false)
	switch msg := msg.(type) {
	case *sipmsg.Response:
		if msg.IsProvisional() && methodOf(msg) == sipmsg.INVITE {
			e.toAttempt(msg, func(l *Leg, a *attempt) { l.ringing(a, msg) })
		}
	case *sipmsg.Request:
		if msg.Method == sipmsg.INFO {
			if l := e.legByTag(callID(msg), toTag(msg)); l != nil {
				l.box.offer(func() { l.info(msg) })
			}
		}
	}
}

// stray handles a response that no transaction waits for: repeated, forked or late.
func (e *Endpoint) stray(res *sipmsg.Response) {
	defer e.rescue()
	if res.IsProvisional() || methodOf(res) != sipmsg.INVITE {
		return
	}
	known := e.toAttempt(res, func(l *Leg, a *attempt) { l.final(a, res, false) })
	if !known && res.IsSuccess() {
		e.orphan(res)
	}
}

// toAttempt posts a response to the leg whose INVITE it answers, if there is one.
func (e *Endpoint) toAttempt(res *sipmsg.Response, f func(*Leg, *attempt)) bool {
	branch := branchOf(res)
	l := e.legByBranch(branch)
	if l == nil {
		return false
	}
	return l.box.offer(func() {
		if a := l.attempts[branch]; a != nil {
			f(l, a)
		}
	})
}

// handle serves one request; sipgo calls it in a goroutine of its own, and the
// transaction ends with it unless a final response was sent.
func (e *Endpoint) handle(req *sipmsg.Request, tx *sipmsg.ServerTx) {
	defer tx.TerminateGracefully()
	in := e.newInbound(req, tx)
	defer func() {
		if fault := recover(); fault != nil {
			e.log.Error("sip: handler panicked", "err", fault, "stack", string(debug.Stack()))
			in.respond(sipmsg.StatusInternalServerError, "Server Internal Error")
		}
	}()
	if code, text, extra := e.validate(req); code != 0 {
		in.respond(code, text, extra...)
		return
	}
	if toTag(req) == "" {
		e.outOfDialog(in)
		return
	}
	l := e.legByTag(callID(req), toTag(req))
	if l == nil || !l.box.offer(func() { l.serve(in) }) {
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	select {
	case <-in.finished:
	case <-l.exited:
		// The actor has gone and can no longer answer; it may have.
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	}
}

// rescue keeps a panic from ending the process.
func (e *Endpoint) rescue() {
	if fault := recover(); fault != nil {
		e.log.Error("sip: handler panicked", "err", fault, "stack", string(debug.Stack()))
	}
}

// validate is RFC 3261 §8.2 for every request; code 0 = it may pass.
func (e *Endpoint) validate(req *sipmsg.Request) (code int, text string, extra []sipmsg.Header) {
	switch {
	case req.SipVersion != "SIP/2.0":
		return sipmsg.StatusVersionNotSupported, "Version Not Supported", nil
	case req.From() == nil || req.To() == nil || callID(req) == "" || fromTag(req) == "" ||
		!strings.EqualFold(string(methodOf(req)), string(req.Method)) || ambiguous(req):
		return sipmsg.StatusBadRequest, "Bad Request", nil
	case req.Recipient.Scheme != "sip" && req.Recipient.Scheme != "sips":
		return 416, "Unsupported URI Scheme", nil
	}
	if unknown := unsupported(req); len(unknown) > 0 && !req.IsAck() && !req.IsCancel() {
		return sipmsg.StatusBadExtension, "Bad Extension",
			[]sipmsg.Header{sipmsg.NewHeader("Unsupported", strings.Join(unknown, ", "))}
	}
	return 0, "", nil
}

// ambiguous reports whether a header that there must be one of is there twice
// (§7.3.1).
func ambiguous(req *sipmsg.Request) bool {
	for _, name := range []string{"from", "to", "call-id", "cseq", "max-forwards", "content-length"} {
		if len(headers(req, name)) > 1 {
			return true
		}
	}
	return false
}

// unsupported returns the option tags of Require that we do not know (§8.2.2.3).
func unsupported(req *sipmsg.Request) []string {
	var unknown []string
	for _, tag := range list(req, "require") {
		if !slices.Contains(splitList(understood), strings.ToLower(tag)) && cleanToken(tag) {
			unknown = append(unknown, tag)
		}
	}
	return unknown
}

// outOfDialog answers what belongs to no call of ours. The guard has let only
// the trunks come this far.
func (e *Endpoint) outOfDialog(in *inboundRequest) {
	switch in.Method {
	case sipmsg.OPTIONS:
		e.options(in)
	case sipmsg.NOTIFY: // message-waiting lamps and the like: unsolicited, harmless
		in.respond(sipmsg.StatusOK, "OK")
	case sipmsg.INVITE:
		if e.legByTag(callID(in), fromTag(in)) != nil {
			e.metrics.drop(dropLoop)
			in.respond(sipmsg.StatusLoopDetected, "Loop Detected")
			return
		}
		in.respond(sipmsg.StatusForbidden, "Forbidden")
	case sipmsg.REFER:
		in.respond(sipmsg.StatusForbidden, "Forbidden")
	case sipmsg.BYE, sipmsg.CANCEL, sipmsg.UPDATE, sipmsg.PRACK, sipmsg.INFO:
		in.respond(sipmsg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		e.notAllowed(in)
	}
}

// options says what we can do (§11.2), and whether we take calls.
func (e *Endpoint) options(in *inboundRequest) {
	if e.draining() {
		in.respond(sipmsg.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	in.respond(sipmsg.StatusOK, "OK",
		sipmsg.NewHeader("Allow", allow),
		sipmsg.NewHeader("Accept", sdpType),
		sipmsg.NewHeader("Supported", understood),
		sipmsg.NewHeader("Server", e.cfg.UserAgent))
}

// notAllowed refuses a method: 405 if it is one, 501 if we have never heard of it.
func (e *Endpoint) notAllowed(in *inboundRequest) {
	switch in.Method {
	case sipmsg.ACK:
		in.finish()
	case sipmsg.REGISTER, sipmsg.SUBSCRIBE, sipmsg.PUBLISH, sipmsg.MESSAGE:
		in.respond(sipmsg.StatusMethodNotAllowed, "Method Not Allowed", sipmsg.NewHeader("Allow", allow))
	default:
		in.respond(sipmsg.StatusNotImplemented, "Not Implemented", sipmsg.NewHeader("Allow", allow))
	}
}

// cleanToken reports whether s is an RFC 3261 token, fit to be sent back.
func cleanToken(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-.!%*_+`'~", rune(c)) {
			return false
		}
	}
	return s != ""
}
