package bridge

import (
	"context"
	"time"

	"tandem/dtmf"
)

// What tones must show to be a key where a key places a call: humans hold one for
// 80 ms and more, and what is none seldom scores so high.
const (
	surely = 2
	dwell  = 50 * time.Millisecond
)

// settle is how long after the answer tones do not count: lines click and ring
// then. Telephone-events and INFO are nobody's accident, and count at once.
const settle = 300 * time.Millisecond

// KeyPress is a key that the rep pressed, or what came near to one: why a press
// counted, or did not.
type KeyPress struct {
	Digit    string  `json:"digit"`
	Method   string  `json:"method"`          // rfc4733, inband or info
	Counted  bool    `json:"counted"`         //
	Why      string  `json:"why,omitempty"`   // it did not
	AfterMS  int64   `json:"after_ms"`        // since the rep answered
	HeldMS   int64   `json:"held_ms"`         // as far as known then
	Level    float32 `json:"level,omitempty"` // dBm0, and the rest as in dtmf.Figures
	Twist    float32 `json:"twist,omitempty"`
	LowOff   float32 `json:"low_off,omitempty"`
	HighOff  float32 `json:"high_off,omitempty"`
	Residual float32 `json:"residual,omitempty"`
	Score    float32 `json:"score,omitempty"`
}

// weigh says whether a press counts, and what there is to tell of it; tell is nil
// for a key that came up.
func weigh(p *dtmf.Press, after time.Duration) (counts bool, tell *KeyPress) {
	if p.Up {
		return false, nil
	}
	tell = &KeyPress{
		Digit: string(p.Digit), Method: p.Method.String(), Why: p.Near.String(),
		AfterMS: after.Milliseconds(), HeldMS: p.Held.Milliseconds(),
		Level: p.Level, Twist: p.Twist, LowOff: p.LowOff, HighOff: p.HighOff, Residual: p.Residual, Score: p.Score,
	}
	if tell.Why == "" && p.Method == dtmf.MethodInBand && after-p.Held < settle {
		tell.Why = "early"
	}
	tell.Counted = tell.Why == ""
	return tell.Counted, tell
}

// tellAtMost is how many presses of a call are told of: noise must not fill a store.
const tellAtMost = 30

// heard tells of a press that did not lead on.
func (c *call) heard(tell *KeyPress) {
	if c.told++; tell != nil && c.told <= tellAtMost {
		c.say(Event{Type: CallUpdated, Side: Rep, Press: tell})
	}
}

// talksOn is the share of the first 6 s after the answer that only a greeting fills.
const talksOn = 0.7

// ask plays the prompt until the rep presses the key, another says no, a machine
// beeps, or time is up. It returns the event that confirms the call.
func (c *call) ask(ctx context.Context, presses <-chan dtmf.Press) (Event, *End) {
	limit := c.Limits.Confirm
	if c.asked.RepExtension != "" {
		limit = max(limit, c.Limits.ConfirmExtension)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, End{Reason: ReasonRepNoConfirm, By: BySystem})
	defer cancel()
	machine, deaf := c.rep.Machine()
	defer deaf()
	hush := c.prompt(ctx, c.Limits.ReadBack)
	defer func() { hush() }()
	told, answered := c.Sounds.WhoIs == nil, c.get().Rep.AnsweredAt
	for {
		select {
		case p := <-presses:
			counts, tell := weigh(&p, time.Since(answered))
			if counts && p.Digit == c.Limits.Digit {
				return Event{Type: CallRepConfirmed, Flag: confirmedBy[p.Method], Press: tell}, nil
			}
			if counts && p.Digit == c.Limits.Decline {
				return Event{}, &End{Reason: ReasonRepDeclinedByKey, By: ByRep, Press: tell}
			}
			c.heard(tell)
			switch {
			case !counts:
			case p.Digit == whoDigit && !told: // once, and the prompt from its beginning
				told = true
				hush()
				hush = c.prompt(ctx, true)
			default:
				c.rep.Play(c.Sounds.Wrong)
			}
		case <-machine.Beep():
			end := c.beeped()
			return Event{}, &end
		case <-c.confirm:
			return Event{Type: CallRepConfirmed, Flag: FlagConfirmedByUI}, nil
		case <-ctx.Done():
			end := causeOf(ctx)
			if end.Reason == ReasonRepNoConfirm && machine.Opening() >= talksOn && !c.byPerson() {
				end.Reason = ReasonRepVoicemail
			}
			return Event{}, &end
		}
	}
}
