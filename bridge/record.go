package bridge

import (
	"slices"
	"time"
)

// Status is the word the API shows for where a call stands; contract states
// finer than these are what run's lines are.
type Status string

// The six words, in the order a call passes through them.
const (
	Queued               Status = "queued"                // waiting for the trunk's calls-per-second slot
	CallingRep           Status = "calling_rep"           // the INVITE to the rep is out
	AwaitingConfirmation Status = "awaiting_confirmation" // the rep answered and hears the prompt
	CallingProspect      Status = "calling_prospect"      // 1 was pressed; the prospect is dialled
	InProgress           Status = "in_progress"           // both answered, sound flows
	Ended                Status = "ended"
)

// Statuses lists every Status, for metrics born at zero.
var Statuses = []Status{Queued, CallingRep, AwaitingConfirmation, CallingProspect, InProgress, Ended}

// Side names one of the two legs of a call. The empty Side is neither.
type Side string

// The rep's leg is dialled first, the prospect's only after the 1.
const (
	Rep      Side = "rep"
	Prospect Side = "prospect"
)

// Outcome is the one-word ending of a call, from a closed list.
type Outcome string

// Every Outcome there is.
const (
	Completed           Outcome = "completed"
	Canceled            Outcome = "canceled"
	RepNoAnswer         Outcome = "rep_no_answer"
	RepBusy             Outcome = "rep_busy"
	RepDeclined         Outcome = "rep_declined"
	RepNotConfirmed     Outcome = "rep_not_confirmed"
	RepUnreachable      Outcome = "rep_unreachable"
	ProspectNoAnswer    Outcome = "prospect_no_answer"
	ProspectBusy        Outcome = "prospect_busy"
	ProspectDeclined    Outcome = "prospect_declined"
	ProspectUnreachable Outcome = "prospect_unreachable"
	TimeLimit           Outcome = "time_limit"
	Failed              Outcome = "failed"
)

// Outcomes lists every Outcome, for metrics born at zero.
var Outcomes = []Outcome{
	Completed, Canceled, RepNoAnswer, RepBusy, RepDeclined, RepNotConfirmed, RepUnreachable,
	ProspectNoAnswer, ProspectBusy, ProspectDeclined, ProspectUnreachable, TimeLimit, Failed,
}

// By says who ended a call.
type By string

// Who may have ended a call.
const (
	ByRep      By = "rep"
	ByProspect By = "prospect"
	ByAPI      By = "api"
	ByPage     By = "page"
	BySystem   By = "system"
	ByCarrier  By = "carrier"
)

// Flag marks something that happened on the way and that an ending does not tell.
type Flag string

// Every Flag there is.
const (
	FlagConfirmedEvent       Flag = "confirmed_rfc4733"
	FlagConfirmedInBand      Flag = "confirmed_inband"
	FlagConfirmedInfo        Flag = "confirmed_info"
	FlagConfirmedByUI        Flag = "confirmed_by_ui"
	FlagEarlyMedia           Flag = "early_media"
	FlagProspectRang         Flag = "prospect_rang"
	FlagProspectAnsweredLate Flag = "prospect_answered_late"
	FlagOneWayRep            Flag = "one_way_audio_rep"
	FlagOneWayProspect       Flag = "one_way_audio_prospect"
	FlagFailoverUsed         Flag = "failover_used"
)

// LegStatus is where one leg stands.
type LegStatus string

// A leg goes down this list and never back.
const (
	LegPending  LegStatus = "pending"
	LegDialing  LegStatus = "dialing"
	LegRinging  LegStatus = "ringing"
	LegAnswered LegStatus = "answered"
	LegEnded    LegStatus = "ended"
)

// Cause is the API's word for how one leg ended.
type Cause string

// Every Cause there is.
const (
	CauseNormal        Cause = "normal"
	CauseNoAnswer      Cause = "no_answer"
	CauseBusy          Cause = "busy"
	CauseDeclined      Cause = "declined"
	CauseCanceled      Cause = "canceled"
	CauseNotConfirmed  Cause = "not_confirmed"
	CauseUnreachable   Cause = "unreachable"
	CauseInvalidNumber Cause = "invalid_number"
	CauseForbidden     Cause = "forbidden"
	CauseCongestion    Cause = "congestion"
	CauseTimeout       Cause = "timeout"
	CauseMediaLost     Cause = "media_lost"
	CauseError         Cause = "error"
)

// Hangup is how one leg ended, as the far side said it.
type Hangup struct {
	Cause   Cause  `json:"cause"`
	SIPCode int    `json:"sip_code,omitempty"` // 0 = none
	Q850    int    `json:"q850,omitempty"`     // 0 = none
	Text    string `json:"text,omitempty"`     // the far side's own words, after what is wrong with the trunk (a sip.Fault), if anything
}

// Quality is what one leg sounded like, as received by us.
type Quality struct {
	MOS       float64 `json:"mos"`       // 1 to 4.5, ITU-T G.107; 0 = not measured
	JitterMS  float64 `json:"jitter_ms"` // RFC 3550 §6.4.1
	LossRatio float64 `json:"loss_ratio"`
	RTTMS     float64 `json:"rtt_ms,omitempty"` // by RTCP; 0 = none came
	Received  uint64  `json:"received"`         // RTP packets
	Sent      uint64  `json:"sent"`
	MaxGapMS  float64 `json:"max_gap_ms"`

	// The other direction: what the far end's RTCP said it heard of us. All are 0
	// where it sent none.
	FarMOS       float64 `json:"far_mos,omitempty"`
	FarJitterMS  float64 `json:"far_jitter_ms,omitempty"`
	FarLossRatio float64 `json:"far_loss_ratio,omitempty"`

	Series []Heard `json:"series,omitempty"` // over time, the oldest first; at most 60
}

// Heard is what was heard of a leg from the one before it until then.
type Heard struct {
	UntilMS   int64   `json:"until_ms"` // since the leg was first heard
	LossRatio float64 `json:"loss_ratio"`
	JitterMS  float64 `json:"jitter_ms"`
}

// Leg is what is known of one leg. Times that have not come are zero.
type Leg struct {
	Status     LegStatus `json:"status"`
	Number     string    `json:"number,omitempty"` // E.164
	Trunk      string    `json:"trunk,omitempty"`
	SIPCallID  string    `json:"sip_call_id,omitempty"`
	DialedAt   time.Time `json:"dialed_at,omitzero"`
	RingingAt  time.Time `json:"ringing_at,omitzero"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	Rate       *Rate     `json:"rate,omitempty"` // what it costs, nil = not known
	Hangup     *Hangup   `json:"hangup,omitempty"`
	Quality    *Quality  `json:"quality,omitempty"`
}

// Kind is what a call is for.
type Kind string

// A verification rings the rep alone, to hear the key: "test my phone".
const (
	PassThrough  Kind = "pass_through"
	Verification Kind = "verification"
)

// sides are the legs that a call is to have.
func (a *Asked) sides() []Side {
	if a.Kind == Verification {
		return []Side{Rep}
	}
	return []Side{Rep, Prospect}
}

// Source is where a call was asked for.
type Source string

// Sources of calls; verification is whoever asks for one.
const (
	FromAPI          Source = "api"
	FromPage         Source = "page"
	FromVerification Source = "verification"
)

// Sources lists every Source, for metrics born at zero.
var Sources = []Source{FromAPI, FromPage, FromVerification}

// Asked is what a call was asked to do; it never changes after the start.
type Asked struct {
	Kind         Kind              `json:"kind"`
	Source       Source            `json:"source"`
	Test         bool              `json:"test,omitempty"`   // by a test key: it never reaches a carrier
	RepID        string            `json:"rep_id,omitempty"` // of a stored rep
	RepExternal  string            `json:"rep_external_id,omitempty"`
	Key          string            `json:"key,omitempty"` // id of the API key
	RepNumber    string            `json:"rep_number"`    // E.164, or a SIP URI
	To           string            `json:"to"`            // E.164
	ToDisplay    string            `json:"to_display"`
	Extension    string            `json:"extension,omitempty"`     // dialled after the prospect's answer; "," = 2 s, ";" = until the rep's #
	RepExtension string            `json:"rep_extension,omitempty"` // likewise after the rep's
	CallerID     string            `json:"caller_id"`               // E.164, shown to the prospect
	ContactName  string            `json:"contact_name,omitempty"`
	TimeZone     string            `json:"time_zone,omitempty"`    // the prospect's, where the request said it
	MaxDuration  time.Duration     `json:"max_duration,omitempty"` // 0 = the configured limit
	Metadata     map[string]string `json:"metadata,omitempty"`
	Traceparent  string            `json:"traceparent,omitempty"` // of who asked, W3C Trace Context
	TraceID      string            `json:"trace_id,omitempty"`    // of the trace that the call is in
}

// Ending is the last word on a call.
type Ending struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"` // the fine cause
	By      By      `json:"by"`
}

// Record is everything known of a call: the fold of its events.
type Record struct {
	ID              string            `json:"id"`
	Asked           Asked             `json:"asked"`
	Status          Status            `json:"status"`
	Ending          *Ending           `json:"ending,omitempty"` // nil until ended
	ReachedProspect bool              `json:"reached_prospect,omitempty"`
	Flags           []Flag            `json:"flags,omitempty"`
	Presses         []KeyPress        `json:"presses,omitempty"` // by the rep while asked, and near-misses
	Rep             Leg               `json:"rep"`
	Prospect        Leg               `json:"prospect"`
	Metadata        map[string]string `json:"metadata,omitempty"` // never changed in place
	Disposition     string            `json:"disposition,omitempty"`
	Notes           string            `json:"notes,omitempty"`
	Sequence        int               `json:"sequence"` // of its newest event
	CreatedAt       time.Time         `json:"created_at"`
	ConfirmedAt     time.Time         `json:"confirmed_at,omitzero"`
	ConnectedAt     time.Time         `json:"connected_at,omitzero"`
	EndedAt         time.Time         `json:"ended_at,omitzero"`
	UpdatedAt       time.Time         `json:"updated_at"`
}

// Leg returns the leg of side, which must be Rep or Prospect.
func (r *Record) Leg(side Side) *Leg {
	if side == Prospect {
		return &r.Prospect
	}
	return &r.Rep
}

// Talk is how long both parties were bridged, up to now while they still are.
func (r *Record) Talk(now time.Time) time.Duration {
	switch {
	case r.ConnectedAt.IsZero():
		return 0
	case r.EndedAt.IsZero():
		return now.Sub(r.ConnectedAt)
	}
	end := r.EndedAt
	for _, leg := range []Leg{r.Rep, r.Prospect} {
		if !leg.EndedAt.IsZero() && leg.EndedAt.Before(end) {
			end = leg.EndedAt
		}
	}
	return end.Sub(r.ConnectedAt)
}

// Clone returns a copy that shares nothing that Apply changes.
func (r *Record) Clone() Record {
	c := *r
	c.Flags = slices.Clone(r.Flags)
	return c
}
