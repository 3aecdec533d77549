package sip

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Leg is one call of ours: from before its INVITE leaves until the network can
// have nothing more to say about it. One goroutine, run, executes what is
// posted to its mailbox; the fields below the line are that goroutine's alone.
type Leg struct {
	e   *Endpoint
	t   *trunk
	inv Invite
	log *slog.Logger
	box *mailbox

	// Dial's verdict (dial.go).
	dialCtx   context.Context
	settled   chan struct{}
	verdictMu sync.Mutex
	decided   bool
	told      bool  // settled is closed
	verdict   error // read after settled

	// The dialog, as others see it.
	answer   []byte // set before settled
	upMu     sync.Mutex
	up       context.Context
	down     context.CancelCauseFunc
	done     chan struct{}
	exited   chan struct{} // run has returned
	snapshot atomic.Pointer[Snapshot]

	// --- the actor's ---

	s        Snapshot
	auth     *legAuth
	attempts map[string]*attempt // by Via branch
	pending  *attempt
	forks    map[string]*fork // by remote tag: early, winner and losers
	main     *fork            // the first to send a 2xx
	parked   []*inboundRequest
	release  func() // the trunk's channel count
	finish   func() // release, and close done; once

	trying, progress, ring, absolute clock
	clocked, rang                    bool

	local     []byte // our last session description, offer or answer
	remote    []byte // the peer's last
	minSE     time.Duration
	counting  *countdown // of the session timer, nil = none
	reoffer   *reoffer   // an offer of our own
	unacked   *unacked   // our 2xx to a re-INVITE
	infoSeen  map[uint32]bool
	tasks     int  // requests of ours that are not answered yet
	concluded bool // over, but for stragglers
	late      bool // Invite.Late was told
	hurried   bool // the endpoint is closing: do not linger
	faulty    bool // it has panicked once
	quit      bool // run returns

	extensions extensions
}

// fork is the far end of one branch of our INVITE.
type fork struct {
	Dialog
	source  netip.AddrPort  // where its 2xx came from
	ack     *sipmsg.Request // nil = no 2xx yet
	repeats int             // of its 2xx
	rseq    uint32          // last reliable provisional (RFC 3262)
	early   []byte          // its last session description before its 2xx
	byed    bool            // a BYE has gone either way
}

func (e *Endpoint) newLeg(ctx context.Context, t *trunk, inv Invite, s Snapshot) *Leg {
	up, down := context.WithCancelCause(context.Background())
	l := &Leg{
		e: e, t: t, inv: inv, s: s,
		log:      e.log.With("call", s.Call, "side", s.Side, "trunk", t.Name, "sip_call_id", s.CallID),
		box:      newMailbox(),
		dialCtx:  ctx,
		settled:  make(chan struct{}),
		up:       up,
		down:     down,
		done:     make(chan struct{}),
		exited:   make(chan struct{}),
		auth:     newLegAuth(t, s.Hop),
		attempts: make(map[string]*attempt),
		forks:    make(map[string]*fork),
		infoSeen: make(map[uint32]bool),
		release:  t.take(),
	}
	l.finish = sync.OnceFunc(func() {
		l.release()
		close(l.done)
		l.inv.over()
	})
	l.publish()
	return l
}

// Answer is the SDP of the 2xx, or where it had none that of its fork's last
// provisional response; nil when that is what was reported last, and stands.
func (l *Leg) Answer() []byte { return l.answer }

// CallID is the SIP Call-ID.
func (l *Leg) CallID() string { return l.snapshot.Load().CallID }

// Snapshot is the leg's state as last saved, or as it was offered to Save.
func (l *Leg) Snapshot() Snapshot { return l.snapshot.Load().clone() }

// Context ends with the dialog; its Cause is then an *Ended.
func (l *Leg) Context() context.Context { return l.up }

// Done is closed once the BYE, ours or theirs, is answered or given up: nothing
// more of this dialog will be sent.
func (l *Leg) Done() <-chan struct{} { return l.done }

// WhileUp runs f while no BYE can take effect, and returns its error; or, if
// the dialog is over, does not run it and returns the Cause. f must be brief
// and must not call Hangup or WhileUp on this leg.
func (l *Leg) WhileUp(f func() error) error {
	l.upMu.Lock()
	defer l.upMu.Unlock()
	if l.up.Err() != nil {
		return context.Cause(l.up)
	}
	return f()
}

// drop ends the dialog for everybody who looks at it, and reports whether it
// was still up: whoever comes first names the cause.
func (l *Leg) drop(why *Ended) bool {
	l.upMu.Lock()
	defer l.upMu.Unlock()
	if l.up.Err() != nil {
		return false
	}
	why.At = time.Now()
	l.down(why)
	return true
}

// Hangup ends the dialog with a BYE that carries why, if it is not over yet. It
// returns at once; the Endpoint sees the BYE through. Done tells when.
func (l *Leg) Hangup(why Reason) {
	if l.drop(&Ended{By: Us, Reason: why}) {
		if f := Fault(why.Text); why.Cause == Incompatible.Cause && f.Advice() != "" {
			l.e.fault(l.log, l.t.Name, f, nil)
		}
		l.do(func() { l.hangUp(why) })
	}
}

// do posts f to the actor.
func (l *Leg) do(f func()) { l.box.post(f) }

// after posts f to the actor in d.
func (l *Leg) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { l.do(f) })
}

// task runs f, which may wait for the network, outside the actor, and then in
// it. The actor does not return before.
func (l *Leg) task(f, then func()) {
	l.tasks++
	l.e.async(func() {
		defer l.do(func() {
			l.tasks--
			then()
			l.leaveIfIdle()
		})
		f()
	})
}

// run is the actor.
func (l *Leg) run() {
	defer l.bury()
	for !l.quit {
		<-l.box.wake
		for _, f := range l.box.take() {
			if !l.quit {
				l.step(f)
			}
		}
	}
}

// step runs one function. A panic ends this leg and no other.
func (l *Leg) step(f func()) {
	defer func() {
		if fault := recover(); fault != nil {
			l.log.Error("sip: leg panicked", "err", fault, "stack", string(debug.Stack()))
			l.do(l.crash)
		}
	}()
	f()
}

// crash ends a leg whose own code has failed: on the wire if it can, and at
// once if that fails too.
func (l *Leg) crash() {
	if l.faulty {
		l.leave()
		return
	}
	l.faulty = true
	_ = l.giveUp(&Error{Err: errPanic})
	l.disappoint(&Error{Err: errPanic})
	why := Reason{Protocol: "Q.850", Cause: 41, Text: "Temporary failure"}
	if l.drop(&Ended{By: Us, Reason: why, Err: errPanic}) && l.main != nil {
		l.hangUp(why)
	}
}

// bury leaves nothing behind.
func (l *Leg) bury() {
	l.box.close()
	l.giveUp(&Error{Err: ErrClosed})
	l.disappoint(&Error{Err: ErrClosed})
	l.drop(&Ended{By: Us, Err: ErrClosed})
	l.stopClocks()
	l.stopCount()
	l.unacked.stop()
	l.finish()
	branches := make([]string, 0, len(l.attempts))
	for branch, a := range l.attempts {
		branches = append(branches, branch)
		if a.tx != nil {
			a.tx.Terminate()
		}
	}
	l.e.forget(l, branches)
	close(l.exited)
}

// save writes the leg down in a new state.
func (l *Leg) save(state State) error {
	l.s.State = state
	snapshot := l.publish()
	if l.e.cfg.Save == nil {
		return nil
	}
	return l.e.cfg.Save(snapshot.clone())
}

// saveOrLog is save where the message must leave whatever happens.
func (l *Leg) saveOrLog(state State) {
	if err := l.save(state); err != nil {
		l.log.Error("sip: leg not saved", "state", string(state), "err", err)
	}
}

func (l *Leg) publish() *Snapshot {
	snapshot := l.s.clone()
	l.snapshot.Store(&snapshot)
	return &snapshot
}

// write sends a request that gets no answer: an ACK.
func (l *Leg) write(req *sipmsg.Request) {
	l.e.sent(req)
	err := l.e.flows.connect(l.t, req)
	if err == nil {
		err = l.e.tpl.WriteMsg(req)
	}
	if err != nil {
		l.log.Warn("sip: request not sent", "err", fmt.Errorf("%s: %w", req.Method, err))
	}
}

// conclude is the end of the leg but for what the network may still repeat.
func (l *Leg) conclude() {
	if l.concluded {
		return
	}
	l.concluded = true
	l.stopClocks()
	l.stopCount()
	l.unacked.stop()
	l.unpark()
	l.saveOrLog(Gone)
	l.finish()
	l.linger()
}

// end is conclude for a dialog that may have come after it.
func (l *Leg) end() {
	if l.concluded {
		l.saveOrLog(Gone)
		return
	}
	l.conclude()
}

// linger keeps the leg for 64*T1 more: to ACK and BYE a late 200, to ACK again
// what is sent again, to answer a repeated BYE.
func (l *Leg) linger() {
	l.leaveIfIdle()
	l.after(l.e.transactionLife(), func() {
		if l.tasks > 0 {
			l.linger()
			return
		}
		l.leave()
	})
}

// leaveIfIdle ends a concluded leg at once when the endpoint is closing.
func (l *Leg) leaveIfIdle() {
	if l.hurried && l.concluded && l.tasks == 0 {
		l.leave()
	}
}

// letGo is the endpoint closing.
func (l *Leg) letGo() {
	l.hurried = true
	l.giveUp(&Error{Err: ErrClosed})
	if l.drop(&Ended{By: Us, Err: ErrClosed}) && l.main != nil {
		l.leave() // up, and saved as such: Finish ends it from the store
		return
	}
	l.leaveIfIdle()
}

// leave makes the actor return.
func (l *Leg) leave() { l.quit = true }
