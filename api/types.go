package api

import (
	"fmt"
	"strings"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// Call is a call as the CRM sees it. Pointers are what the schema lets be null.
type Call struct {
	ID              string            `json:"id"`
	Object          string            `json:"object"`
	Kind            bridge.Kind       `json:"kind"`
	Status          bridge.Status     `json:"status"`
	Outcome         *bridge.Outcome   `json:"outcome"`
	Reason          *bridge.Reason    `json:"reason"`
	ReachedProspect bool              `json:"reached_prospect"`
	Flags           []bridge.Flag     `json:"flags"`
	Presses         []bridge.KeyPress `json:"presses"`
	Banner          Banner            `json:"banner"`
	EndedBy         *bridge.By        `json:"ended_by"`
	RepID           *string           `json:"rep_id"`
	RepExternalID   *string           `json:"rep_external_id"`
	To              string            `json:"to"`
	ToDisplay       string            `json:"to_display"`
	ToExtension     *string           `json:"to_extension"`
	ContactName     *string           `json:"contact_name"`
	CallerID        string            `json:"caller_id"`
	Legs            Legs              `json:"legs"`
	TalkSeconds     int               `json:"talk_seconds"`
	Cost            *Cost             `json:"cost"`
	Disposition     *string           `json:"disposition"`
	Notes           *string           `json:"notes"`
	Metadata        map[string]string `json:"metadata"`
	TraceID         *string           `json:"trace_id"`
	Sequence        int               `json:"sequence"`
	CreatedAt       time.Time         `json:"created_at"`
	ConnectedAt     *time.Time        `json:"connected_at"`
	EndedAt         *time.Time        `json:"ended_at"`
}

// Banner is what the alert at the top of the rep's page says.
type Banner struct {
	Text    string   `json:"text"`
	Actions []string `json:"actions"`
}

// Legs are the two halves of a call.
type Legs struct {
	Rep      Leg `json:"rep"`
	Prospect Leg `json:"prospect"`
}

// Leg is one half.
type Leg struct {
	Status          bridge.LegStatus `json:"status"`
	Number          string           `json:"number,omitempty"`
	Trunk           string           `json:"trunk,omitempty"`
	SIPCallID       string           `json:"sip_call_id,omitempty"`
	DialedAt        *time.Time       `json:"dialed_at"`
	RingingAt       *time.Time       `json:"ringing_at"`
	AnsweredAt      *time.Time       `json:"answered_at"`
	EndedAt         *time.Time       `json:"ended_at"`
	BillableSeconds int              `json:"billable_seconds"`
	Hangup          *Hangup          `json:"hangup"`
	Quality         *Quality         `json:"quality"`
}

// Hangup is how a leg ended, in the network's own words.
type Hangup struct {
	Cause   bridge.Cause `json:"cause"`
	SIPCode *int         `json:"sip_code"`
	Q850    *int         `json:"q850"`
	Text    *string      `json:"text"`
}

// Quality is what was heard of a leg.
type Quality struct {
	MOS       *float64 `json:"mos"`
	JitterMS  *float64 `json:"jitter_ms"`
	LossRatio *float64 `json:"loss_ratio"`
	RTTMS     *float64 `json:"rtt_ms"`

	Series []bridge.Heard `json:"series"` // over time
}

// Event is one thing that happened, with the whole call or rep after it.
type Event struct {
	ID        string           `json:"id"`
	Seq       int64            `json:"seq"`
	Type      bridge.EventType `json:"type"`
	Timestamp time.Time        `json:"timestamp"`
	Data      any              `json:"data"` // Call, Rep or WebhookEndpoint
}

// orNull is v, or null where it is nothing.
func orNull[T comparable](v T) *T {
	var nothing T
	if v == nothing {
		return nil
	}
	return &v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// callJSON shows a record as it stands at now.
func callJSON(r *bridge.Record, now time.Time) Call {
	c := Call{
		ID: r.ID, Object: "call", Kind: r.Asked.Kind, RepID: orNull(r.Asked.RepID), RepExternalID: orNull(r.Asked.RepExternal), Status: r.Status, ReachedProspect: r.ReachedProspect,
		Flags: r.Flags, Presses: r.Presses, Banner: banner(r, now),
		To: r.Asked.To, ToDisplay: r.Asked.ToDisplay, ToExtension: orNull(r.Asked.Extension), ContactName: orNull(r.Asked.ContactName), TraceID: orNull(r.Asked.TraceID), CallerID: r.Asked.CallerID,
		Legs:        Legs{legJSON(&r.Rep, now), legJSON(&r.Prospect, now)},
		TalkSeconds: int(r.Talk(now) / time.Second), Metadata: r.Metadata, Disposition: orNull(r.Disposition), Notes: orNull(r.Notes), Sequence: r.Sequence,
		Cost:      costJSON(r, now),
		CreatedAt: *moment(r.CreatedAt), ConnectedAt: moment(r.ConnectedAt), EndedAt: moment(r.EndedAt),
	}
	if r.Ending != nil {
		c.Outcome, c.Reason, c.EndedBy = &r.Ending.Outcome, &r.Ending.Reason, &r.Ending.By
	}
	if c.Flags == nil {
		c.Flags = []bridge.Flag{}
	}
	if c.Presses == nil {
		c.Presses = []bridge.KeyPress{}
	}
	if c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	return c
}

func legJSON(l *bridge.Leg, now time.Time) Leg {
	leg := Leg{
		Status: l.Status, Number: l.Number, Trunk: l.Trunk, SIPCallID: l.SIPCallID,
		DialedAt: moment(l.DialedAt), RingingAt: moment(l.RingingAt), AnsweredAt: moment(l.AnsweredAt), EndedAt: moment(l.EndedAt),
	}
	if !l.AnsweredAt.IsZero() {
		end := l.EndedAt
		if end.IsZero() {
			end = now
		}
		leg.BillableSeconds = int((end.Sub(l.AnsweredAt) + time.Second - 1) / time.Second)
	}
	if h := l.Hangup; h != nil {
		leg.Hangup = &Hangup{Cause: h.Cause, SIPCode: orNull(h.SIPCode), Q850: orNull(h.Q850), Text: orNull(h.Text)}
	}
	if q := l.Quality; q != nil {
		leg.Quality = &Quality{MOS: orNull(q.MOS), JitterMS: &q.JitterMS, LossRatio: &q.LossRatio, RTTMS: orNull(q.RTTMS), Series: q.Series}
		if q.Series == nil {
			leg.Quality.Series = []bridge.Heard{}
		}
	}
	return leg
}

// endings is what the alert says of a call that has ended.
var endings = map[bridge.Outcome]string{
	bridge.ProspectNoAnswer:    "No answer",
	bridge.ProspectBusy:        "Busy",
	bridge.ProspectDeclined:    "Declined",
	bridge.ProspectUnreachable: "Number not in service",
	bridge.RepNoAnswer:         "You did not answer your phone",
	bridge.RepBusy:             "You did not answer your phone",
	bridge.RepUnreachable:      "You did not answer your phone",
	bridge.RepDeclined:         "You declined the call",
	bridge.RepNotConfirmed:     "No 1 was pressed. Did voicemail answer?",
	bridge.Canceled:            "Canceled",
	bridge.TimeLimit:           "Ended at the time limit",
}

// banner is what the alert at the top of the page says of a call.
func banner(r *bridge.Record, now time.Time) Banner {
	who := r.Asked.ContactName
	if who == "" {
		who = r.Asked.ToDisplay
	}
	switch r.Status {
	case bridge.Queued:
		return Banner{"Waiting for a line…", []string{"hangup"}}
	case bridge.CallingRep:
		phone := r.Asked.RepNumber
		if phone = "••• " + phone[max(0, len(phone)-4):]; bridge.IsDesk(r.Asked.RepNumber) {
			phone, _, _ = strings.Cut(r.Asked.RepNumber[len("sip:"):], "@")
		}
		return Banner{"Your phone " + phone + " is ringing. Answer it.", []string{"hangup"}}
	case bridge.AwaitingConfirmation:
		return Banner{"Press 1 on your phone to call " + who, []string{"hangup", "confirm"}}
	case bridge.CallingProspect:
		if r.Prospect.Status == bridge.LegRinging {
			return Banner{who + " is ringing…", []string{"hangup"}}
		}
		return Banner{"Calling " + who + "…", []string{"hangup"}}
	case bridge.InProgress:
		talk := int(r.Talk(now) / time.Second)
		return Banner{fmt.Sprintf("Connected %02d:%02d", talk/60, talk%60), []string{"hangup", "dtmf"}}
	}
	text := endings[r.Ending.Outcome]
	switch r.Ending.Outcome {
	case bridge.Completed:
		text = "Call ended" + spoken(r.Talk(now))
	case bridge.Failed:
		text = "Could not place the call (" + r.ID + ")"
	}
	return Banner{text, []string{}}
}

// spoken is a length of time as people say it, behind a comma.
func spoken(d time.Duration) string {
	switch minutes, seconds := int(d/time.Minute), int(d%time.Minute/time.Second); {
	case minutes > 0:
		return fmt.Sprintf(", %d min %d s", minutes, seconds)
	case seconds > 0:
		return fmt.Sprintf(", %d s", seconds)
	}
	return ""
}

func (s *Server) eventJSON(e *store.Envelope) Event {
	event := Event{ID: e.Event.ID, Seq: e.Seq, Type: e.Event.Type, Timestamp: *moment(e.Event.At)}
	switch {
	case e.Rep != nil:
		event.Data = s.repJSON(e.Rep)
	case e.Endpoint != nil:
		event.Data = endpointJSON(e.Endpoint)
	case e.Trunk != nil:
		event.Data = e.Trunk
	default:
		event.Data = callJSON(&e.Record, e.Event.At)
	}
	return event
}
