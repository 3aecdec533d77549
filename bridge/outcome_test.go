package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"tandem/dtmf"
	"tandem/media"
	"tandem/sip"
)

// refusal is an INVITE that got a final response, perhaps with a Q.850 cause.
func refusal(code, q850 int) *sip.Error {
	e := &sip.Error{Code: code, Text: "as sent"}
	if q850 != 0 {
		e.Reason = sip.Reason{Protocol: "Q.850", Cause: q850, Text: "in words"}
	}
	return e
}

func TestRefusalsHaveTheirReason(t *testing.T) {
	tests := []struct {
		name          string
		err           error
		rang          bool
		rep, prospect Reason
		cause         Cause
	}{
		{"486", refusal(486, 0), false, ReasonRepBusy, ReasonProspectBusy, CauseBusy},
		{"600", refusal(600, 0), true, ReasonRepBusy, ReasonProspectBusy, CauseBusy},
		{"480", refusal(480, 0), true, ReasonRepNoAnswer, ReasonProspectNoAnswer, CauseNoAnswer},
		{"480 with absent subscriber", refusal(480, 20), false, ReasonRepUnreachable, ReasonProspectUnreachable, CauseUnreachable},
		{"408 after it rang", refusal(408, 0), true, ReasonRepNoAnswer, ReasonProspectNoAnswer, CauseNoAnswer},
		{"408 before", refusal(408, 0), false, ReasonRepTrunk, ReasonProspectTrunk, CauseTimeout},
		{"603", refusal(603, 0), true, ReasonRepDeclined, ReasonProspectDeclined, CauseDeclined},
		{"404", refusal(404, 0), false, ReasonRepInvalid, ReasonProspectInvalid, CauseInvalidNumber},
		{"484", refusal(484, 0), false, ReasonRepInvalid, ReasonProspectInvalid, CauseInvalidNumber},
		{"401", refusal(401, 0), false, ReasonRepRefused, ReasonProspectTrunk, CauseForbidden},
		{"407", refusal(407, 0), false, ReasonRepRefused, ReasonProspectTrunk, CauseForbidden},
		{"403", refusal(403, 0), false, ReasonRepRefused, ReasonCallerIDRejected, CauseForbidden},
		{"403 with call rejected", refusal(403, 21), true, ReasonRepDeclined, ReasonProspectDeclined, CauseDeclined},
		{"403 with a cause without a row", refusal(403, 16), false, ReasonRepRefused, ReasonCallerIDRejected, CauseForbidden},
		{"488", refusal(488, 0), false, ReasonRepMedia, ReasonCodecRejected, CauseError},
		{"502 with out of order", refusal(502, 27), false, ReasonRepUnreachable, ReasonProspectUnreachable, CauseUnreachable},
		{"503", refusal(503, 0), false, ReasonRepTrunk, ReasonTrunkCongestion, CauseCongestion},
		{"500", refusal(500, 0), false, ReasonRepTrunk, ReasonProspectTrunk, CauseError},
		{"500 with no circuit", refusal(500, 34), false, ReasonRepTrunk, ReasonTrunkCongestion, CauseCongestion},
		{"607", refusal(607, 0), false, ReasonRepDeclined, ReasonBlockedByCallee, CauseDeclined},
		{"608", refusal(608, 0), false, ReasonRepDeclined, ReasonBlockedByAnalytics, CauseDeclined},
		{"302", refusal(302, 0), false, ReasonRepUnreachable, ReasonProspectUnreachable, CauseUnreachable},
		{"499, nobody knows it", refusal(499, 0), false, ReasonRepTrunk, ReasonProspectTrunk, CauseError},
		{"699, nobody knows it", refusal(699, 0), false, ReasonRepDeclined, ReasonProspectDeclined, CauseDeclined},
		{"rang too long", &sip.Error{Err: sip.ErrNoAnswer}, true, ReasonRepNoAnswer, ReasonProspectNoAnswer, CauseNoAnswer},
		{"silence", &sip.Error{Err: sip.ErrNoResponse}, false, ReasonRepTrunk, ReasonProspectTrunk, CauseTimeout},
		{"100 only", &sip.Error{Err: sip.ErrNoProgress}, false, ReasonRepTrunk, ReasonProspectTrunk, CauseTimeout},
		{"no way there", &sip.Error{Err: sip.ErrUnreachable}, false, ReasonRepTrunk, ReasonProspectTrunk, CauseError},
		{"a fault of ours", errors.New("disk full"), false, ReasonInternalError, ReasonInternalError, CauseError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep, prospect := refused(Rep, tt.err, tt.rang, dtmf.SignalNone), refused(Prospect, tt.err, tt.rang, dtmf.SignalNone)
			if rep.Reason != tt.rep || prospect.Reason != tt.prospect {
				t.Errorf("rep %s, prospect %s; want %s, %s", rep.Reason, prospect.Reason, tt.rep, tt.prospect)
			}
			if prospect.Hangup.Cause != tt.cause {
				t.Errorf("cause %s, want %s", prospect.Hangup.Cause, tt.cause)
			}
			var failure *sip.Error
			if errors.As(tt.err, &failure) && prospect.Hangup.SIPCode != failure.Code {
				t.Errorf("the code %d is hidden as %d", failure.Code, prospect.Hangup.SIPCode)
			}
		})
	}
}

func TestWhoEndsACallSaysSoByItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(End{Reason: ReasonCanceledByAPI, By: ByAPI})
	if got := refused(Rep, context.Cause(ctx), false, dtmf.SignalNone); got.Reason != ReasonCanceledByAPI || got.By != ByAPI {
		t.Errorf("Dial's error became %v", got)
	}
	if got := causeOf(ctx); got.Reason != ReasonCanceledByAPI {
		t.Errorf("causeOf %v", got)
	}
}

func TestAnEndingNobodyNamedIsAnInternalError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := causeOf(ctx); got.Reason != ReasonInternalError {
		t.Errorf("got %v", got)
	}
}

func TestByeCarriesItsCause(t *testing.T) {
	got := gone(Rep, &sip.Ended{By: sip.Peer, Reason: sip.Reason{Protocol: "Q.850", Cause: 31, Text: "Normal, unspecified"}})
	if got.By != ByRep || got.Hangup.Q850 != 31 || got.Hangup.Text != "Normal, unspecified" || got.Hangup.Cause != CauseNormal {
		t.Errorf("got %+v, %+v", got, *got.Hangup)
	}
	got = gone(Prospect, &sip.Ended{By: sip.Us, Code: 481})
	if got.By != ByCarrier || got.Hangup.SIPCode != 481 || got.Hangup.Cause != CauseTimeout {
		t.Errorf("a lost dialog: got %+v, %+v", got, *got.Hangup)
	}
	for _, code := range []int{0, 481, 408} { // the timer ran out; the refresh was refused
		got = gone(Prospect, &sip.Ended{By: sip.Us, Code: code, Err: sip.ErrSessionExpired})
		if got.By != ByCarrier || got.Reason != ReasonSessionExpired || got.Hangup.SIPCode != code {
			t.Errorf("an expired session: got %+v, %+v", got, *got.Hangup)
		}
	}
}

// What is wrong with an answer is told to the trunk, and counted, by its word.
func TestUnusableAnswers(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want sip.Fault
	}{
		{media.ErrNoAnswer, sip.FaultNoSDP},
		{fmt.Errorf("session description: %w", media.ErrNoPort), sip.FaultPort},
		{media.ErrTwoMedia, sip.FaultTwoMedia},
		{fmt.Errorf("session description: %w", media.ErrNoCodec), sip.FaultCodec},
		{errors.New("session description: no c= line"), sip.FaultSDP},
	} {
		if got := unusable(tt.err); got != sip.Unusable(tt.want) || got.Cause != 88 {
			t.Errorf("%v: %+v, want %s", tt.err, got, tt.want)
		}
	}
}

// TestRepGoneBeforeTheInvite: the guard that keeps the prospect's INVITE from
// leaving may be the first to know that the rep hung up.
func TestRepGoneBeforeTheInvite(t *testing.T) {
	end := refused(Prospect, fmt.Errorf("invite: %w", &sip.Ended{By: sip.Peer}), false, dtmf.SignalNone)
	if named := end.or(ReasonRepGone); named.Reason != ReasonRepGone || named.By != ByRep || named.Reason.outcome(false) != Canceled {
		t.Errorf("%+v", named)
	}
}

func TestEveryReasonHasItsOutcome(t *testing.T) {
	tests := []struct {
		reason    Reason
		connected bool
		want      Outcome
	}{
		{ReasonCompleted, true, Completed},
		{ReasonMediaTimeout, true, Completed},
		{ReasonSessionExpired, true, Completed},
		{ReasonSessionExpired, false, Failed},
		{ReasonServerRestart, true, Completed},
		{ReasonServerRestart, false, Failed},
		{ReasonServerShutdown, true, Completed},
		{ReasonServerShutdown, false, Canceled},
		{ReasonMaxDuration, true, TimeLimit},
		{ReasonCanceledByAPI, false, Canceled},
		{ReasonRepGone, false, Canceled},
		{ReasonRepLeftPrompt, false, RepDeclined},
		{ReasonRepNoConfirm, false, RepNotConfirmed},
		{ReasonProspectInvalid, false, ProspectUnreachable},
		{ReasonBlockedByCallee, false, ProspectDeclined},
		{ReasonInternalError, false, Failed},
		{Reason(CodeDestinationForbidden), false, Canceled}, // a policy's second look
	}
	for _, tt := range tests {
		if got := tt.reason.outcome(tt.connected); got != tt.want {
			t.Errorf("%s, connected %v: %s, want %s", tt.reason, tt.connected, got, tt.want)
		}
	}
}
