package bridge

import (
	"time"

	"tandem/dtmf"
)

// Reason is the fine cause of an ending.
type Reason string

// Every Reason an ended call can have, beside the Code of a policy that
// refused the prospect on the second look.
const (
	ReasonCompleted        Reason = "completed"
	ReasonMaxDuration      Reason = "max_duration"
	ReasonMediaTimeout     Reason = "media_timeout"
	ReasonSessionExpired   Reason = "session_expired"
	ReasonServerShutdown   Reason = "server_shutdown"
	ReasonServerRestart    Reason = "server_restart"
	ReasonInternalError    Reason = "internal_error"
	ReasonCanceledByAPI    Reason = "canceled_by_api"
	ReasonQueueTimeout     Reason = "queue_timeout"
	ReasonProspectHungUp   Reason = "prospect_hung_up"
	ReasonCanceledByRep    Reason = "prospect_canceled_by_rep"
	ReasonRepGone          Reason = "rep_hung_up_during_dial"
	ReasonRepNoAnswer      Reason = "rep_no_answer"
	ReasonRepBusy          Reason = "rep_line_busy"
	ReasonRepDeclined      Reason = "rep_declined"
	ReasonRepDeclinedByKey Reason = "rep_declined_by_key"
	ReasonRepLeftPrompt    Reason = "rep_hung_up_before_confirm"
	ReasonRepNoConfirm     Reason = "rep_no_confirm"
	ReasonRepVoicemail     Reason = "rep_voicemail"
	ReasonRepUnreachable   Reason = "rep_unreachable"
	ReasonRepInvalid       Reason = "rep_number_invalid"
	ReasonRepMedia         Reason = "media_failed_rep"
	ReasonRepRefused       Reason = "trunk_refused_rep"
	ReasonRepTrunk         Reason = "trunk_failed_rep"

	ReasonProspectNoAnswer    Reason = "prospect_no_answer"
	ReasonProspectBusy        Reason = "prospect_busy"
	ReasonProspectDeclined    Reason = "prospect_declined"
	ReasonProspectInvalid     Reason = "prospect_number_invalid"
	ReasonProspectUnreachable Reason = "prospect_unreachable"
	ReasonBlockedByCallee     Reason = "blocked_by_callee"
	ReasonBlockedByAnalytics  Reason = "blocked_by_analytics"
	ReasonCallerIDRejected    Reason = "caller_id_rejected"
	ReasonCodecRejected       Reason = "codec_rejected"
	ReasonTrunkCongestion     Reason = "trunk_congestion"
	ReasonProspectTrunk       Reason = "trunk_failed_prospect"
)

// outcomes files the reasons of calls that never connected, and those that
// mean the same whether or not they did.
var outcomes = map[Reason]Outcome{
	ReasonCompleted:      Completed,
	ReasonProspectHungUp: Completed,
	ReasonMaxDuration:    TimeLimit,

	ReasonCanceledByAPI:  Canceled,
	ReasonCanceledByRep:  Canceled,
	ReasonRepGone:        Canceled,
	ReasonServerShutdown: Canceled,

	ReasonRepNoAnswer:      RepNoAnswer,
	ReasonRepBusy:          RepBusy,
	ReasonRepDeclined:      RepDeclined,
	ReasonRepDeclinedByKey: RepDeclined,
	ReasonRepLeftPrompt:    RepDeclined,
	ReasonRepNoConfirm:     RepNotConfirmed,
	ReasonRepVoicemail:     RepNotConfirmed,
	ReasonRepUnreachable:   RepUnreachable,
	ReasonRepInvalid:       RepUnreachable,

	ReasonProspectNoAnswer:    ProspectNoAnswer,
	ReasonProspectBusy:        ProspectBusy,
	ReasonProspectDeclined:    ProspectDeclined,
	ReasonBlockedByCallee:     ProspectDeclined,
	ReasonBlockedByAnalytics:  ProspectDeclined,
	ReasonProspectInvalid:     ProspectUnreachable,
	ReasonProspectUnreachable: ProspectUnreachable,

	ReasonMediaTimeout:     Failed,
	ReasonSessionExpired:   Failed,
	ReasonServerRestart:    Failed,
	ReasonInternalError:    Failed,
	ReasonQueueTimeout:     Failed,
	ReasonRepMedia:         Failed,
	ReasonRepRefused:       Failed,
	ReasonRepTrunk:         Failed,
	ReasonCallerIDRejected: Failed,
	ReasonCodecRejected:    Failed,
	ReasonTrunkCongestion:  Failed,
	ReasonProspectTrunk:    Failed,
}

// outcome files a reason. Whatever ends a conversation, but for the time
// limit, completed it; a policy's code canceled it.
func (r Reason) outcome(connected bool) Outcome {
	switch o, known := outcomes[r]; {
	case r == ReasonMaxDuration:
		return TimeLimit
	case connected:
		return Completed
	case known:
		return o
	default:
		return Canceled
	}
}

// End is why a call ends. It is an error only so that it can be the cause a
// context is canceled with.
type End struct {
	Reason Reason
	By     By
	Side   Side    // the leg whose hang-up or silence it was; "" = neither
	Hangup *Hangup // how that leg ended, nil = we hung it up
	Err    error   // for the log

	Press     *KeyPress     // the key that ended it
	Voicemail time.Duration // a machine answered after so long of ringing, and beeped
	Signal    dtmf.Signal   // what the prospect's network said by tones
}

func (e End) Error() string {
	text := string(e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e End) Unwrap() error { return e.Err }
