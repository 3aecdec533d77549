package bridge

import (
	"context"

	"tandem/media"
	"tandem/sip"
)

// AnsweredLeg is an answered call to one side: *sip.Leg, or a fake of it in tests.
type AnsweredLeg interface {
	// Answer is the SDP of the 2xx, nil if an earlier one stands.
	Answer() []byte
	// Context ends with the dialog; its Cause is then a *sip.Ended.
	Context() context.Context
	// Reoffer sends a re-INVITE with an offer and returns its answer. One at a time.
	Reoffer(ctx context.Context, offer []byte) ([]byte, error)
	// WhileUp runs f in the critical section that an incoming BYE takes.
	WhileUp(f func() error) error
	// Hangup sends a BYE and returns at once. It may be called again.
	Hangup(why sip.Reason)
}

// Trunks places calls: *sip.Endpoint behind an adapter, or a fake in tests.
type Trunks interface {
	// Dial returns an answered Leg, or an error and nothing left ringing. Either
	// way it calls Invite.Over once nothing of it is on the wire.
	Dial(ctx context.Context, inv sip.Invite) (AnsweredLeg, error)
	// Reserve takes one channel for every trunk named, or sip.ErrNoChannel.
	Reserve(trunks ...string) (release func(), err error)
	// Turn waits for the trunk's next calls-per-second slot.
	Turn(ctx context.Context, trunk string) error
}

// Sound lends the streams of a call's two legs: *media.Pool.
type Sound interface {
	OpenPair(rep, prospect media.Side) (*media.Stream, *media.Stream, error)
}

// Sink keeps what is said of calls.
type Sink interface {
	// Emit keeps events, and the record that they lead to, durably before it
	// returns nil. On an error nothing of them is kept.
	Emit(ctx context.Context, record Record, events ...Event) error
	// SaveLeg keeps a SIP leg, and with it, as Emit does, what led to it: there
	// may be no events. All of it is kept or nothing.
	SaveLeg(ctx context.Context, leg SavedLeg, record Record, events ...Event) error
}

// SavedLeg is what ends a SIP leg after a crash.
type SavedLeg struct {
	Call      string // the call's id
	Side      Side
	SIPCallID string
	Doc       []byte // JSON
	Gone      bool   // it is over: forget it
}
