package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	sipmsg "github.com/emiago/sipgo/sip"
)

// restoredGap is added to the CSeq of a restored leg, for the process that died
// may have used some numbers it never wrote down. Gaps are legal (RFC 3261
// §12.2.2).
const restoredGap = 1000

// errKnown says that a leg is in the tables already.
var errKnown = errors.New("already known")

// errRestored is the verdict on a leg whose Dial died with its process.
var errRestored = errors.New("process restarted")

// Finish ends, from its Snapshot, a leg whose process has died: a CANCEL, and
// ACK and BYE should a 2xx come, where the INVITE was unanswered; ACK and BYE
// where it was. why goes into the BYE. It returns nil when the far end has
// confirmed or there was nothing to do, and the Cause of ctx if that ends first;
// the Endpoint goes on trying then.
func (e *Endpoint) Finish(ctx context.Context, s Snapshot, why Reason) error {
	if s.State == Gone {
		return nil
	}
	t := e.trunks.named(s.Trunk)
	if t == nil {
		return fmt.Errorf("trunk %s: %w", s.Trunk, ErrNoTrunk)
	}
	l, err := e.restore(t, s)
	if errors.Is(err, errKnown) {
		return nil // its 200 came first, and hung it up
	}
	if err != nil {
		return err
	}
	l.do(func() { l.resume(why) })
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// restore puts a leg of another process into the tables.
func (e *Endpoint) restore(t *trunk, s Snapshot) (*Leg, error) {
	hop := s.Hop
	if s.Dialog.Hop.IsValid() {
		hop = s.Dialog.Hop
	}
	sock := e.socketFor(hop.Addr())
	if sock == nil {
		return nil, fmt.Errorf("leg %s: %w: no socket for %s", s.CallID, ErrUnreachable, hop)
	}
	if !slices.ContainsFunc(e.sockets, func(known *socket) bool { return known.bind == s.Bind }) {
		s.Bind = sock.bind
	}
	e.allow.add(s.Hop.Addr(), hop.Addr()) // the trunk may have another address by now
	s.LocalSeq += restoredGap
	l := e.newLeg(context.Background(), t, Invite{Trunk: s.Trunk, Call: s.Call, Side: s.Side}, s)
	l.decided, l.verdict, l.told = true, errRestored, true
	close(l.settled)
	if err := e.adopt(l); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// resume goes on where the other process stopped.
func (l *Leg) resume(why Reason) {
	l.drop(&Ended{By: Us, Reason: why, Err: errRestored})
	a := l.restoreAttempt()
	switch {
	case l.s.Dialog.Target != "":
		f := &fork{Dialog: l.s.Dialog, source: l.s.Dialog.Hop}
		f.ack = l.s.ack(&f.Dialog, l.s.InviteSeq)
		l.forks[f.RemoteTag] = f
		l.main = f
		l.write(f.ack)
		l.hangUp(why)
	case a != nil:
		a.restored = true
		l.cancel(a)
	default:
		l.conclude()
	}
}

// restoreAttempt makes the stored INVITE the pending one, nil if there is none.
func (l *Leg) restoreAttempt() *attempt {
	if len(l.s.Invite) == 0 {
		return nil
	}
	msg, err := l.e.parser.ParseSIP(l.s.Invite)
	req, ok := msg.(*sipmsg.Request)
	if err != nil || !ok || req.Via() == nil {
		l.log.Error("sip: stored INVITE cannot be read", "err", err)
		return nil
	}
	l.s.pin(req, l.s.Hop)
	a := &attempt{req: req, provisional: true, final: l.s.Dialog.Target != ""}
	l.attempts[branchOf(req)] = a
	l.pending = a
	l.e.expect(branchOf(req), l)
	return a
}

// byeUnheard ends a call that the process that died may have ACKed without having
// written that down: its 2xx comes no more, and a CANCEL does not end it (RFC 3261
// §9.2). The answer to the CANCEL has the tag of the dialog (likewise).
func (l *Leg) byeUnheard(a *attempt, res *sipmsg.Response) {
	if a.final {
		return
	}
	a.final = true
	f := &fork{Dialog: l.s.newDialog(res, l.knows), source: sourceOf(res)}
	f.ack = l.s.ack(&f.Dialog, l.s.InviteSeq)
	l.forks[f.RemoteTag], l.main = f, f
	l.bye(f, NormalClearing, func() {
		delete(l.forks, f.RemoteTag) // a 2xx that comes all the same is hung up as any other
		l.main = nil
		l.end()
	})
}

// orphan is a 2xx to an INVITE nobody remembers: of a process that died without
// a store, or one that is later than late. Somebody has picked up a telephone
// and is being charged for it, so it is ACKed and hung up from what it says.
func (e *Endpoint) orphan(res *sipmsg.Response) {
	source := sourceOf(res)
	if !ours(branchOf(res)) || len(fromTag(res)) != len(token()) {
		return // no INVITE of ours: never ours to answer (RFC 3261 §18.1.2)
	}
	t, sock := e.trunkAt(source.Addr()), e.socketFor(source.Addr())
	via := res.Via()
	if t == nil || sock == nil || via == nil || res.From() == nil || res.To() == nil || callID(res) == "" {
		return
	}
	public, err := netip.ParseAddr(via.Host)
	if err != nil {
		return // no Via of ours looks like that
	}
	s := Snapshot{
		State:     Calling,
		Trunk:     t.Name,
		CallID:    callID(res),
		LocalTag:  fromTag(res),
		From:      res.From().Value(),
		To:        res.To().Value(),
		URI:       "sip:" + hostPort(source),
		LocalSeq:  seqOf(res),
		InviteSeq: seqOf(res),
		Transport: t.Transport,
		Bind:      sock.bind,
		Public:    netip.AddrPortFrom(public, uint16(via.Port)),
		Hop:       source,
	}
	l, err := e.restore(t, s)
	if err != nil {
		return // being hung up already, or the endpoint is closing
	}
	l.log.Warn("sip: 200 to an INVITE nobody remembers")
	l.do(func() {
		l.drop(&Ended{By: Us, Err: errRestored})
		invite := l.s.message(sipmsg.INVITE, sipmsg.Uri{Host: source.Addr().String()}, nil, s.To, s.InviteSeq, branchOf(res), source)
		a := &attempt{req: invite, final: true}
		l.attempts[branchOf(res)] = a
		l.e.expect(branchOf(res), l)
		l.answered(a, res)
	})
}

// trunkAt returns the first trunk that is at addr, nil if none is.
func (e *Endpoint) trunkAt(addr netip.Addr) *trunk {
	for _, t := range e.trunks.list() {
		if e.locator.at(t.Name, addr) {
			return t
		}
	}
	return nil
}
