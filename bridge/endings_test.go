package bridge

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tandem/sip"
)

// ending is one way out of a state. State is the event until which the call goes
// on by itself; 1 is pressed when it asks.
type ending struct {
	name    string
	before  func(w *world)
	state   EventType
	happen  func(w *world, id string)
	outcome Outcome
	reason  Reason
	by      By
	dialled bool // the prospect was
}

// What a far end, or anybody, may do.
func repIs(change func(f *far)) func(w *world) {
	return func(w *world) { change(w.far[repNumber]) }
}

func prospectIs(change func(f *far)) func(w *world) {
	return func(w *world) { change(w.far[prospectNumber]) }
}

func refuses(code, q850 int) func(f *far) {
	return func(f *far) { f.err = refusal(code, q850) }
}

func fails(why error) func(f *far) {
	return func(f *far) { f.err, f.silent = &sip.Error{Err: why}, true }
}

func neverAnswers(f *far) { f.never = true }
func panics(f *far)       { f.panics = true }
func cannotTalk(f *far)   { f.answer = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nt=0 0\r\n" }

func apiEnds(w *world, id string) {
	if _, err := w.b.Hangup(id); err != nil {
		w.t.Error(err)
	}
	var refused *Refusal // R2: it may be asked for again, also when the call has gone meanwhile
	if _, err := w.b.Hangup(id); err != nil && (!errors.As(err, &refused) || refused.Code != CodeNotFound) {
		w.t.Error(err)
	}
}

func repLeaves(w *world, _ string)      { w.hangUp(repNumber) }
func prospectLeaves(w *world, _ string) { w.hangUp(prospectNumber) }

func presses(digit byte) func(w *world, id string) {
	return func(w *world, _ string) { w.press(digit) }
}

func loses(number string, why error) func(w *world, id string) {
	return func(w *world, _ string) {
		w.mu.Lock()
		l := w.far[number].leg
		w.mu.Unlock()
		l.lose(why)
	}
}

func extended(w *world) { w.to = prospectNumber + ",,123" }
func soon(w *world) {
	limits := w.b.Limits
	limits.Talk = 10 * time.Second
	w.b.Retune(limits, w.b.Sounds)
}
func crowded(w *world)             { w.turn = time.Hour }
func crowds(w *world, _ string)    { w.mu.Lock(); w.turn = time.Hour; w.mu.Unlock() }
func (w *world) fill()             { w.mu.Lock(); w.full = true; w.mu.Unlock() }
func (w *world) empty()            { w.mu.Lock(); w.full = false; w.mu.Unlock() }
func prospectBusy(w *world)        { w.far[prospectNumber].err = refusal(486, 0) }
func diskFills(w *world, _ string) { w.fill(); w.press('1'); w.empty() }

func forbids(w *world, _ string) {
	w.b.Policy = func() *Policy { return &Policy{Region: "GB", Allow: []string{"+44"}, Deny: []string{prospectNumber}} }
	w.press('1')
}

func shutdown(w *world, _ string) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	w.b.Drain(now)
}

// endings are the rows of the contract: every state, every way out of it. The
// number of a row in the contract's table is in brackets.
var endings = []ending{
	// Waiting for the trunk's turn.
	{"no turn for the rep [7]", crowded, "", nil, Failed, ReasonQueueTimeout, BySystem, false},
	{"API ends in the queue [62]", crowded, CallQueued, apiEnds, Canceled, ReasonCanceledByAPI, ByAPI, false},
	{"shutdown in the queue [63]", crowded, CallQueued, shutdown, Canceled, ReasonServerShutdown, BySystem, false},

	// Ringing the rep.
	{"rep's trunk is silent [10]", repIs(fails(sip.ErrNoResponse)), "", nil, Failed, ReasonRepTrunk, ByCarrier, false},
	{"rep's trunk says 100 only [10]", repIs(fails(sip.ErrNoProgress)), "", nil, Failed, ReasonRepTrunk, ByCarrier, false},
	{"rep's trunk is not there [10]", repIs(fails(sip.ErrUnreachable)), "", nil, Failed, ReasonRepTrunk, ByCarrier, false},
	{"rep's trunk fails [10]", repIs(refuses(500, 0)), "", nil, Failed, ReasonRepTrunk, ByCarrier, false},
	{"rep's trunk refuses the password [11]", repIs(refuses(407, 0)), "", nil, Failed, ReasonRepRefused, ByCarrier, false},
	{"rep is redirected [12]", repIs(refuses(302, 0)), "", nil, RepUnreachable, ReasonRepUnreachable, ByCarrier, false},
	{"rep busy [14]", repIs(refuses(486, 0)), "", nil, RepBusy, ReasonRepBusy, ByRep, false},
	{"rep busy everywhere [14]", repIs(refuses(600, 0)), "", nil, RepBusy, ReasonRepBusy, ByRep, false},
	{"rep declines [14]", repIs(refuses(603, 0)), "", nil, RepDeclined, ReasonRepDeclined, ByRep, false},
	{"rep declines, says the PBX [14]", repIs(refuses(403, 21)), "", nil, RepDeclined, ReasonRepDeclined, ByRep, false},
	{"rep not there [14]", repIs(refuses(480, 0)), "", nil, RepNoAnswer, ReasonRepNoAnswer, BySystem, false},
	{"rep rang in vain [14]", repIs(refuses(408, 0)), "", nil, RepNoAnswer, ReasonRepNoAnswer, BySystem, false},
	{"rep's phone is off [14]", repIs(refuses(480, 20)), "", nil, RepUnreachable, ReasonRepUnreachable, ByCarrier, false},
	{"rep's number is none [14]", repIs(refuses(404, 1)), "", nil, RepUnreachable, ReasonRepInvalid, ByCarrier, false},
	{"rep is forbidden [14]", repIs(refuses(403, 0)), "", nil, Failed, ReasonRepRefused, ByCarrier, false},
	{"rep does not answer [15]", repIs(neverAnswers), "", nil, RepNoAnswer, ReasonRepNoAnswer, BySystem, false},
	{"API ends while rep rings [16]", nil, CallRepRinging, apiEnds, Canceled, ReasonCanceledByAPI, ByAPI, false},
	{"rep answers without sound [19]", repIs(cannotTalk), "", nil, Failed, ReasonRepMedia, ByCarrier, false},
	{"rep has no codec [19]", repIs(refuses(488, 0)), "", nil, Failed, ReasonRepMedia, ByCarrier, false},
	{"shutdown while rep rings [63]", nil, CallRepRinging, shutdown, Canceled, ReasonServerShutdown, BySystem, false},
	{"bug while rep rings [66]", repIs(panics), "", nil, Failed, ReasonInternalError, BySystem, false},

	// Asking the rep.
	{"rep presses 2 [23]", nil, CallRepAnswered, presses('2'), RepDeclined, ReasonRepDeclinedByKey, ByRep, false},
	{"rep presses 5 [24]", nil, CallRepAnswered, presses('5'), RepNotConfirmed, ReasonRepNoConfirm, BySystem, false},
	{"rep presses 3 [22]", nil, CallRepAnswered, presses('3'), RepNotConfirmed, ReasonRepNoConfirm, BySystem, false},
	{"rep presses nothing [26]", nil, CallRepAnswered, nil, RepNotConfirmed, ReasonRepNoConfirm, BySystem, false},
	{"rep's voicemail beeps [25]", nil, CallRepAnswered, voicemailBeeps, RepNotConfirmed, ReasonRepVoicemail, BySystem, false},
	{"rep's voicemail talks on [26]", nil, CallRepAnswered, talksForEver, RepNotConfirmed, ReasonRepVoicemail, BySystem, false},
	{"rep hangs up at the prompt [27]", nil, CallRepAnswered, repLeaves, RepDeclined, ReasonRepLeftPrompt, ByRep, false},
	{"API ends at the prompt [29]", nil, CallRepAnswered, apiEnds, Canceled, ReasonCanceledByAPI, ByAPI, false},
	{"rep's dialog is lost at the prompt", nil, CallRepAnswered, loses(repNumber, nil), RepDeclined, ReasonRepLeftPrompt, ByCarrier, false},
	{"shutdown at the prompt [63]", nil, CallRepAnswered, shutdown, Canceled, ReasonServerShutdown, BySystem, false},
	{"disk full at the press", nil, CallRepAnswered, diskFills, Failed, ReasonInternalError, BySystem, false},

	// Before and while the prospect rings.
	{"prospect is forbidden meanwhile [30]", nil, CallRepAnswered, forbids, Canceled, Reason(CodeDestinationForbidden), BySystem, false},
	{"no turn for the prospect", nil, CallRepAnswered, func(w *world, id string) { crowds(w, id); w.press('1') }, Failed, ReasonQueueTimeout, BySystem, false},
	{"rep hangs up before the prospect's turn [39]", nil, CallRepAnswered, func(w *world, id string) { crowds(w, id); w.press('1'); w.hangUp(repNumber) }, Canceled, ReasonRepGone, ByRep, false},
	{"prospect's trunk is silent [33]", prospectIs(fails(sip.ErrNoResponse)), CallRepConfirmed, nil, Failed, ReasonProspectTrunk, ByCarrier, true},
	{"prospect's trunk fails [33]", prospectIs(refuses(500, 0)), CallRepConfirmed, nil, Failed, ReasonProspectTrunk, ByCarrier, true},
	{"prospect's trunk is congested [36]", prospectIs(refuses(503, 0)), CallRepConfirmed, nil, Failed, ReasonTrunkCongestion, ByCarrier, true},
	{"prospect busy [36]", prospectBusy, CallRepConfirmed, nil, ProspectBusy, ReasonProspectBusy, ByProspect, true},
	{"prospect declines [36]", prospectIs(refuses(603, 0)), CallRepConfirmed, nil, ProspectDeclined, ReasonProspectDeclined, ByProspect, true},
	{"prospect blocks us [36]", prospectIs(refuses(607, 0)), CallRepConfirmed, nil, ProspectDeclined, ReasonBlockedByCallee, ByProspect, true},
	{"prospect's network blocks us [36]", prospectIs(refuses(608, 0)), CallRepConfirmed, nil, ProspectDeclined, ReasonBlockedByAnalytics, ByProspect, true},
	{"prospect's number is none [36]", prospectIs(refuses(404, 1)), CallRepConfirmed, nil, ProspectUnreachable, ReasonProspectInvalid, ByCarrier, true},
	{"prospect's phone is off [36]", prospectIs(refuses(480, 20)), CallRepConfirmed, nil, ProspectUnreachable, ReasonProspectUnreachable, ByCarrier, true},
	{"caller id is refused [36]", prospectIs(refuses(403, 0)), CallRepConfirmed, nil, Failed, ReasonCallerIDRejected, ByCarrier, true},
	{"prospect has no codec [36]", prospectIs(refuses(488, 0)), CallRepConfirmed, nil, Failed, ReasonCodecRejected, ByCarrier, true},
	{"prospect answers without sound", prospectIs(cannotTalk), CallRepConfirmed, nil, Failed, ReasonCodecRejected, ByCarrier, true},
	{"prospect does not answer [37]", prospectIs(neverAnswers), CallRepConfirmed, nil, ProspectNoAnswer, ReasonProspectNoAnswer, BySystem, true},
	{"rep gives up by * [38]", nil, CallProspectRinging, presses('*'), Canceled, ReasonCanceledByRep, ByRep, true},
	{"rep hangs up while prospect rings [39]", nil, CallProspectRinging, repLeaves, Canceled, ReasonRepGone, ByRep, true},
	{"API ends while prospect rings [62]", nil, CallProspectRinging, apiEnds, Canceled, ReasonCanceledByAPI, ByAPI, true},
	{"rep's dialog is lost while prospect rings", nil, CallProspectRinging, loses(repNumber, nil), Canceled, ReasonRepGone, ByCarrier, true},
	{"shutdown while prospect rings [63]", nil, CallProspectRinging, shutdown, Canceled, ReasonServerShutdown, BySystem, true},
	{"bug while prospect rings [66]", prospectIs(panics), CallRepConfirmed, nil, Failed, ReasonInternalError, BySystem, true},

	// Telling the rep why.
	{"rep hangs up while told [61]", prospectBusy, CallProspectRinging, func(w *world, _ string) { w.told(); w.hangUp(repNumber) }, ProspectBusy, ReasonProspectBusy, ByProspect, true},
	{"API ends while the rep is told [58]", prospectBusy, CallProspectRinging, func(w *world, id string) { w.told(); apiEnds(w, id) }, ProspectBusy, ReasonProspectBusy, ByProspect, true},

	// Dialling the extension.
	{"prospect hangs up while digits go [45]", extended, CallProspectAnswered, prospectLeaves, Completed, ReasonProspectHungUp, ByProspect, true},
	{"rep hangs up while digits go", extended, CallProspectAnswered, repLeaves, Canceled, ReasonRepGone, ByRep, true},
	{"API ends while digits go [62]", extended, CallProspectAnswered, apiEnds, Canceled, ReasonCanceledByAPI, ByAPI, true},
	{"shutdown while digits go [63]", extended, CallProspectAnswered, shutdown, Canceled, ReasonServerShutdown, BySystem, true},

	// Talking.
	{"prospect hangs up [46]", nil, CallConnected, prospectLeaves, Completed, ReasonCompleted, ByProspect, true},
	{"rep hangs up [47]", nil, CallConnected, repLeaves, Completed, ReasonCompleted, ByRep, true},
	{"time is up [51]", soon, CallConnected, nil, TimeLimit, ReasonMaxDuration, BySystem, true},
	{"nobody is heard [52]", nil, CallConnected, nil, Completed, ReasonMediaTimeout, BySystem, true},
	{"prospect's session expires [54]", nil, CallConnected, loses(prospectNumber, sip.ErrSessionExpired), Completed, ReasonSessionExpired, ByCarrier, true},
	{"rep's session expires [54]", nil, CallConnected, loses(repNumber, sip.ErrSessionExpired), Completed, ReasonSessionExpired, ByCarrier, true},
	{"both hang up [55]", nil, CallConnected, func(w *world, _ string) { w.hangUp(repNumber); synctest.Wait(); w.hangUp(prospectNumber) }, Completed, ReasonCompleted, ByRep, true},
	{"API ends the talk [62]", nil, CallConnected, apiEnds, Completed, ReasonCompleted, ByAPI, true},
	{"shutdown while they talk [63]", nil, CallConnected, shutdown, Completed, ReasonServerShutdown, BySystem, true},
}

// told waits until the rep is being told why there is no prospect.
func (w *world) told() {
	w.t.Helper()
	w.until(CallUpdated) // the prospect's leg is over
	<-time.After(100 * time.Millisecond)
	synctest.Wait()
}

func TestEveryStateEveryEnding(t *testing.T) {
	for _, tt := range endings {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.t = t
				if tt.before != nil {
					tt.before(w)
				}
				id := w.start()
				pressed := []EventType{CallRepConfirmed, CallProspectRinging, CallProspectAnswered, CallConnected}
				if slices.Contains(pressed, tt.state) {
					w.until(CallRepAnswered)
					w.press('1')
				}
				if tt.state != "" {
					w.until(tt.state)
				}
				if tt.happen != nil {
					tt.happen(w, id)
				}
				w.wantEnd(tt.outcome, tt.reason, tt.by)
				if got := w.dialed(prospectNumber) > 0; got != tt.dialled || w.dialed(prospectNumber) > 1 {
					t.Errorf("the prospect was dialled %d times", w.dialed(prospectNumber))
				}
			})
		})
	}
}

// Every reason there is has its row above, but for those that no call of this
// bridge can end with.
func TestEveryReasonHasItsRow(t *testing.T) {
	rows := make(map[Reason]bool)
	for _, row := range endings {
		rows[row.reason] = true
	}
	rows[ReasonServerRestart] = true // of a bridge that is no more: Restarted
	for _, reason := range slices.Sorted(maps.Keys(outcomes)) {
		if !rows[reason] {
			t.Errorf("%s has no row", reason)
		}
	}
}
