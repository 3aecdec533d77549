package bridge

import (
	"context"
	"errors"

	"tandem/dtmf"
	"tandem/media"
	"tandem/sip"
)

// verdict is what a refusal means: for the call, if the rep's leg or the
// prospect's got it, and for the leg.
type verdict struct {
	rep, prospect Reason
	cause         Cause
}

var (
	noAnswer    = verdict{ReasonRepNoAnswer, ReasonProspectNoAnswer, CauseNoAnswer}
	busy        = verdict{ReasonRepBusy, ReasonProspectBusy, CauseBusy}
	declined    = verdict{ReasonRepDeclined, ReasonProspectDeclined, CauseDeclined}
	invalid     = verdict{ReasonRepInvalid, ReasonProspectInvalid, CauseInvalidNumber}
	unreachable = verdict{ReasonRepUnreachable, ReasonProspectUnreachable, CauseUnreachable}
	badCodec    = verdict{ReasonRepMedia, ReasonCodecRejected, CauseError}
	badIdentity = verdict{ReasonRepRefused, ReasonCallerIDRejected, CauseForbidden}
	// A password that is refused says nothing of the caller id.
	notAuthorised = verdict{ReasonRepRefused, ReasonProspectTrunk, CauseForbidden}
	congestion    = verdict{ReasonRepTrunk, ReasonTrunkCongestion, CauseCongestion}
	trunkFailed   = verdict{ReasonRepTrunk, ReasonProspectTrunk, CauseError}
	timedOut      = verdict{ReasonRepTrunk, ReasonProspectTrunk, CauseTimeout}
)

// byQ850 is the meaning of ITU-T Q.850 causes. Where a response carries one
// with a row here, it decides over the SIP code: a PBX that says 403 with
// cause 21 means declined.
var byQ850 = map[int]verdict{
	1:  invalid, // unallocated number
	17: busy,
	18: noAnswer, // no user responding
	19: noAnswer,
	20: unreachable, // subscriber absent
	21: declined,
	27: unreachable, // destination out of order
	28: invalid,     // invalid number format
	34: congestion,  // no circuit
	42: congestion,  // switching equipment
	88: badCodec,    // incompatible destination
}

// byCode is the meaning of SIP final responses.
var byCode = map[int]verdict{
	401: notAuthorised, 403: badIdentity, 407: notAuthorised,
	404: invalid, 410: invalid, 484: invalid, 604: invalid,
	408: timedOut,
	433: badIdentity, 436: badIdentity, 438: badIdentity,
	480: noAnswer,
	486: busy, 600: busy,
	488: badCodec, 606: badCodec,
	502: unreachable,
	503: congestion,
	603: declined,
	607: {ReasonRepDeclined, ReasonBlockedByCallee, CauseDeclined},
	608: {ReasonRepDeclined, ReasonBlockedByAnalytics, CauseDeclined},
}

// byClass takes the codes without a row; the code itself is kept in the leg.
func byClass(code int) verdict {
	switch code / 100 {
	case 3: // not followed: a redirect is how toll fraud starts
		return unreachable
	case 6:
		return declined
	default:
		return trunkFailed
	}
}

// bySignal is the meaning of what a network says by tones. It decides over the SIP
// code, which may be any that stands for "no", and over a time-out.
var bySignal = map[dtmf.Signal]verdict{
	dtmf.SignalBusy:      busy,
	dtmf.SignalFastBusy:  congestion,
	dtmf.SignalInvalid:   invalid,
	dtmf.SignalNoCircuit: congestion,
}

// judge reads a *sip.Error. rang says that the far end rang before, said what was
// heard of its network.
func judge(e *sip.Error, rang bool, said dtmf.Signal) verdict {
	if q850, ok := e.Reason.Q850(); ok {
		if v, ok := byQ850[q850]; ok {
			return v
		}
	}
	if v, ok := bySignal[said]; ok {
		return v
	}
	switch {
	case errors.Is(e.Err, sip.ErrNoAnswer), e.Code == 408 && rang:
		return noAnswer
	case errors.Is(e.Err, sip.ErrNoResponse), errors.Is(e.Err, sip.ErrNoProgress):
		return timedOut
	case e.Code == 0:
		return trunkFailed
	}
	if v, ok := byCode[e.Code]; ok {
		return v
	}
	return byClass(e.Code)
}

// refused turns what Dial returned, other than an answer, into the End of a call.
func refused(side Side, err error, rang bool, said dtmf.Signal) End {
	var end End
	if errors.As(err, &end) {
		return end // somebody ended the call while it rang
	}
	var left *sip.Ended
	if errors.As(err, &left) {
		return gone(Rep, left) // the guard's word: they hung up before the INVITE left
	}
	var failure *sip.Error
	if !errors.As(err, &failure) {
		return End{Reason: ReasonInternalError, By: BySystem, Side: side, Err: err,
			Hangup: &Hangup{Cause: CauseError}}
	}
	v := judge(failure, rang, said)
	hangup := &Hangup{Cause: v.cause, SIPCode: failure.Code, Text: failure.Text}
	if q850, ok := failure.Reason.Q850(); ok {
		hangup.Q850 = q850
	}
	if failure.Reason.Text != "" {
		hangup.Text = failure.Reason.Text
	}
	if failure.Code == 0 && failure.Err != nil {
		hangup.Text = failure.Err.Error()
	}
	hangup.Text = blaming(sip.FaultOf(err), hangup.Text)
	return End{Reason: v.of(side), By: v.by(side), Side: side, Hangup: hangup, Signal: said, Err: err}
}

func (v verdict) of(side Side) Reason {
	if side == Rep {
		return v.rep
	}
	return v.prospect
}

// by says who is behind a refusal: the person called, or the network.
func (v verdict) by(side Side) By {
	switch v.cause {
	case CauseBusy, CauseDeclined:
		return By(side)
	case CauseNoAnswer:
		return BySystem
	default:
		return ByCarrier
	}
}

// blaming puts the word for what is wrong with the trunk, if anything is, before
// what was said: several faults share a reason, which is of a closed list.
func blaming(fault sip.Fault, said string) string {
	switch {
	case fault == sip.FaultNone:
		return said
	case said == "":
		return string(fault)
	default:
		return string(fault) + ": " + said
	}
}

// unusable is why a leg is hung up whose answer has no sound for us.
func unusable(err error) sip.Reason { return sip.Unusable(FaultOfAnswer(err)) }

// FaultOfAnswer is what is wrong with an answer that a stream has refused.
func FaultOfAnswer(err error) sip.Fault {
	for _, known := range []struct {
		err   error
		fault sip.Fault
	}{
		{media.ErrNoAnswer, sip.FaultNoSDP}, {media.ErrNoPort, sip.FaultPort},
		{media.ErrTwoMedia, sip.FaultTwoMedia}, {media.ErrNoCodec, sip.FaultCodec},
	} {
		if errors.Is(err, known.err) {
			return known.fault
		}
	}
	return sip.FaultSDP
}

// gone turns the end of an answered leg's dialog into the cause its call ends
// with. What that is called depends on how far the call had come (stage).
func gone(side Side, cause error) End {
	end := End{By: By(side), Side: side, Err: cause, Hangup: &Hangup{Cause: CauseNormal}}
	var ended *sip.Ended
	if !errors.As(cause, &ended) {
		return end
	}
	end.Hangup.SIPCode = ended.Code
	if q850, ok := ended.Reason.Q850(); ok {
		end.Hangup.Q850 = q850
	}
	end.Hangup.Text = ended.Reason.Text
	if ended.By == sip.Us && (ended.Code != 0 || ended.Err != nil) { // the dialog was lost, nobody hung up
		end.By, end.Hangup.Cause = ByCarrier, CauseTimeout
	}
	if errors.Is(ended, sip.ErrSessionExpired) {
		end.Reason = ReasonSessionExpired
	}
	return end
}

// parted is gone, for a leg that is over: where it was us who hung it up, why
// says what for.
func parted(side Side, cause error, why End) End {
	end := gone(side, cause)
	switch {
	case end.Hangup.Cause != CauseNormal || end.Hangup.SIPCode != 0:
	case side == Rep && (why.Reason == ReasonRepNoConfirm || why.Reason == ReasonRepVoicemail):
		end.Hangup.Cause = CauseNotConfirmed
	case side == why.Side && why.Reason == ReasonMediaTimeout:
		end.Hangup.Cause = CauseMediaLost
	}
	return end
}

// causeOf is context.Cause as an End.
func causeOf(ctx context.Context) End {
	var end End
	if errors.As(context.Cause(ctx), &end) {
		return end
	}
	return End{Reason: ReasonInternalError, By: BySystem, Err: context.Cause(ctx)}
}
