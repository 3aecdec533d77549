package bridge

import (
	"slices"
	"time"
)

// EventType is the name an event has on every wire.
type EventType string

// The events of a call.
const (
	CallQueued           EventType = "call.queued"
	CallRepDialing       EventType = "call.rep_dialing"
	CallRepRinging       EventType = "call.rep_ringing"
	CallRepAnswered      EventType = "call.rep_answered"
	CallRepConfirmed     EventType = "call.rep_confirmed"
	CallProspectDialing  EventType = "call.prospect_dialing"
	CallProspectRinging  EventType = "call.prospect_ringing"
	CallProspectAnswered EventType = "call.prospect_answered"
	CallConnected        EventType = "call.connected"
	CallEnded            EventType = "call.ended"
	CallCostFinal        EventType = "call.cost_final" // with call.ended, where a leg has a rate
	CallUpdated          EventType = "call.updated"
)

// Event is one thing that happened to a call. Everything that is ever said of
// a call (record, CDR, webhook, metric, log line) is made from its events, so
// that they cannot disagree. An Event is immutable once emitted.
type Event struct {
	ID   string    `json:"id"`   // evt_…
	Call string    `json:"call"` // call_…
	Seq  int       `json:"seq"`  // 1, 2, 3 … within the call, without a gap
	Type EventType `json:"type"`
	At   time.Time `json:"at"`

	Asked     *Asked    `json:"asked,omitempty"`   // call.queued
	Side      Side      `json:"side,omitempty"`    // the leg that is meant
	Trunk     string    `json:"trunk,omitempty"`   // …_dialing; with FlagFailoverUsed, the one that failed
	Attempt   int       `json:"attempt,omitempty"` // …_dialing: 2 and more after a failover
	Rate      *Rate     `json:"rate,omitempty"`    // …_dialing
	SIPCallID string    `json:"sip_call_id,omitempty"`
	Hangup    *Hangup   `json:"hangup,omitempty"`  // the leg of Side is over
	Quality   *Quality  `json:"quality,omitempty"` // with Hangup
	Flag      Flag      `json:"flag,omitempty"`
	Press     *KeyPress `json:"press,omitempty"`
	Ending    *Ending   `json:"ending,omitempty"` // call.ended
	Patch     *Patch    `json:"patch,omitempty"`  // call.updated
	Note      string    `json:"note,omitempty"`   // for the timeline, in English

	// call.ended by a beep: the rep's voicemail picks up after so long of ringing.
	Voicemail time.Duration `json:"voicemail,omitempty"`
}

// Apply folds e into r. It is the only writer of a Record: the live one, the
// stored one and the one rebuilt after a crash come from here.
func (r *Record) Apply(e Event) {
	r.Sequence = e.Seq
	r.UpdatedAt = e.At
	switch e.Type {
	case CallQueued:
		r.ID, r.Asked, r.Status, r.CreatedAt = e.Call, *e.Asked, Queued, e.At
		r.Metadata = e.Asked.Metadata
		r.Rep = Leg{Status: LegPending, Number: e.Asked.RepNumber}
		r.Prospect = Leg{Status: LegPending, Number: e.Asked.To}
	case CallRepDialing, CallProspectDialing:
		leg := r.Leg(e.Side)
		leg.Status, leg.Trunk, leg.SIPCallID, leg.DialedAt, leg.Rate = LegDialing, e.Trunk, e.SIPCallID, e.At, e.Rate
		r.Status = CallingRep
		if e.Side == Prospect {
			r.Status = CallingProspect
		}
	case CallRepRinging, CallProspectRinging:
		leg := r.Leg(e.Side)
		leg.Status, leg.RingingAt = LegRinging, e.At
	case CallRepAnswered:
		r.Rep.Status, r.Rep.AnsweredAt = LegAnswered, e.At
		r.Status = AwaitingConfirmation
	case CallRepConfirmed:
		r.Status, r.ConfirmedAt = CallingProspect, e.At
	case CallProspectAnswered:
		r.Prospect.Status, r.Prospect.AnsweredAt = LegAnswered, e.At
		r.ReachedProspect = true
	case CallConnected:
		r.Status, r.ConnectedAt = InProgress, e.At
	case CallEnded:
		r.Status, r.Ending, r.EndedAt = Ended, e.Ending, e.At
		for _, leg := range []*Leg{&r.Rep, &r.Prospect} {
			if leg.Status != LegPending && leg.Status != LegEnded {
				leg.Status, leg.EndedAt = LegEnded, e.At
			}
		}
	}
	if e.Hangup != nil && e.Side != "" && e.Flag != FlagFailoverUsed { // that leg goes on elsewhere
		leg := r.Leg(e.Side)
		leg.Status, leg.EndedAt, leg.Hangup, leg.Quality = LegEnded, e.At, e.Hangup, e.Quality
	}
	if e.Patch != nil {
		r.patch(e.Patch)
	}
	if e.Press != nil {
		r.Presses = append(slices.Clone(r.Presses), *e.Press)
	}
	if e.Flag != "" && !slices.Contains(r.Flags, e.Flag) {
		r.Flags = append(slices.Clone(r.Flags), e.Flag)
	}
}
