package sip

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Invite is one call to place.
type Invite struct {
	Trunk      string
	Call, Side string // ours: for logs and the Snapshot
	From       string // caller id, E.164 with +
	FromName   string // display name; "" = none
	To         string // E.164 with +, to which the trunk's Format, Strip and Prefix apply; or a SIP URI
	Offer      []byte // our SDP
	Timeouts   Timeouts

	// OnProgress hears provisional responses beside 100 in the order they had
	// on the wire, and nothing once Dial has returned. It must not block.
	OnProgress func(Progress)

	// Instead is another offer, for a far end that refuses the one it was sent and
	// has not rung; empty = there is none. It must not block. nil = there is none.
	Instead func() []byte

	// Reoffer answers the peer's re-INVITE or UPDATE. An empty offer asks for
	// one of ours, whose answer then comes to Reaccept. An error refuses with 488.
	Reoffer  func(offer []byte) (answer []byte, err error)
	Reaccept func(answer []byte) error

	// OnInfo hears INFO bodies in the order they had on the wire. It must not block.
	OnInfo func(contentType string, body []byte)

	// Guard runs send, or refuses to, in a critical section of the caller's
	// own: the rep's Leg.WhileUp. Its error is Dial's. nil = send.
	Guard func(send func() error) error

	// Sent is told when an INVITE is on the wire, again after a challenge.
	Sent func(SentInfo)

	// Late is told, once, that a call nobody waited for any more was answered
	// after all; it has been ACKed and is being hung up. It must not block.
	Late func()

	// Over is told, once, that nothing more of this call is on the wire but
	// what the network may repeat. It must not block.
	Over func()
}

func (inv *Invite) over() {
	if inv.Over != nil {
		inv.Over()
	}
}

// Timeouts are the limits of one Dial; zero = none.
type Timeouts struct {
	Trying   time.Duration // INVITE to any response: ErrNoResponse
	Progress time.Duration // INVITE to the first 18x: ErrNoProgress
	Ring     time.Duration // first 18x to an answer: ErrNoAnswer
	Absolute time.Duration // INVITE to an answer: ErrNoAnswer
	Hunt     time.Duration // first INVITE to the last that goes to another target of the trunk
}

// Progress is a provisional response, 101–199.
type Progress struct {
	Code int
	Text string
	SDP  []byte // early media, nil when there is none; the receiver's to keep
}

// SentInfo says what was sent, and when.
type SentInfo struct {
	CallID string
	At     time.Time
}

// dial is Dial at one target of a trunk.
func (e *Endpoint) dial(ctx context.Context, t *trunk, at target, inv Invite) (*Leg, error) {
	l, err := e.prepare(ctx, t, at, inv)
	if err != nil {
		inv.over()
		return nil, err
	}
	if err := e.adopt(l); err != nil {
		l.release()
		inv.over()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.giveUp(context.Cause(ctx)) })
	defer stop()
	l.do(l.invite)
	<-l.settled
	if l.verdict != nil {
		return nil, l.verdict
	}
	return l, nil
}

// prepare writes down who calls whom, and from where.
func (e *Endpoint) prepare(ctx context.Context, t *trunk, at target, inv Invite) (*Leg, error) {
	s, err := t.identify(inv, at.transport)
	if err != nil {
		return nil, fmt.Errorf("trunk %s: %w", t.Name, err)
	}
	sock := e.socketFor(at.addr.Addr())
	s.Hop, s.Bind, s.Transport, s.Flow = at.addr, sock.bind, at.transport, e.onlyByFlow(at.transport)
	if s.Public, err = e.public(ctx, t, sock, at); err != nil {
		return nil, &Error{Err: fmt.Errorf("%w: %w", ErrUnreachable, err)}
	}
	return e.newLeg(ctx, t, inv, s), nil
}

// The verdict is what Dial returns. It falls once: giveUp and claim race for it.

// giveUp makes Dial return err, unless the call has been answered, and sees to
// it that nothing is left ringing. It reports whether Dial will return err. Any
// goroutine may call it.
func (l *Leg) giveUp(err error) bool {
	l.verdictMu.Lock()
	first := !l.decided
	if first {
		l.decided, l.verdict, l.told = true, err, true
		close(l.settled)
	}
	l.verdictMu.Unlock()
	if first {
		l.do(l.wind)
	}
	return first
}

// claim is the answer's bid for the verdict: false if nobody waits any more.
// Dial returns when settle says that the ACK has left.
func (l *Leg) claim() bool {
	l.verdictMu.Lock()
	defer l.verdictMu.Unlock()
	if l.decided {
		return false
	}
	l.decided = true
	if l.dialCtx.Err() != nil { // ended this instant; its AfterFunc is on its way
		l.verdict, l.told = context.Cause(l.dialCtx), true
		close(l.settled)
		return false
	}
	return true
}

// settle lets Dial return the Leg.
func (l *Leg) settle() {
	l.verdictMu.Lock()
	defer l.verdictMu.Unlock()
	if !l.told {
		l.told = true
		close(l.settled)
	}
}

// disappoint lets Dial return err where the answer was claimed but its ACK
// never left: the actor failed in between.
func (l *Leg) disappoint(err error) {
	l.verdictMu.Lock()
	defer l.verdictMu.Unlock()
	if !l.told {
		l.decided, l.verdict, l.told = true, err, true
		close(l.settled)
	}
}

// unwanted reports whether Dial has returned with an error.
func (l *Leg) unwanted() bool {
	l.verdictMu.Lock()
	defer l.verdictMu.Unlock()
	return l.decided && l.verdict != nil
}

// report tells OnProgress while Dial still waits.
func (l *Leg) report(p Progress) {
	l.verdictMu.Lock()
	defer l.verdictMu.Unlock()
	if !l.decided && l.inv.OnProgress != nil {
		l.inv.OnProgress(p)
	}
}

// errPanic is the verdict on a leg whose own code failed.
var errPanic = errors.New("internal error")
