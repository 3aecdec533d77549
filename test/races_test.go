package test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/bridge"
	"tandem/test/carrier"
)

// The races of a call, each a named test. Here they run through the whole of
// tandem, most of them at many offsets, so that either side wins; sip and bridge
// have theirs at close quarters.
//
//	key 1 and rep BYE in the same 10 ms      TestRaceKeyAndRepBye
//	key 1 twice (4733 + in-band)             TestRaceKeyByEveryMethod; dtmf, one press by two methods
//	key 1 before the ACK                     TestRaceKeyBeforeAck; bridge.TestKeyBeforeTheAnswerDoesNotCount
//	API cancel vs 200 on A                   TestRaceCancelAndRepAnswer; sip.TestCancelCrosses200
//	API cancel vs key 1                      TestRaceCancelAndKey
//	rep BYE vs 200 on B                      TestRaceRepByeAndProspectAnswer; sip.TestGuardIsTheRepsWhileUp
//	CANCEL B refused 481                     TestRaceCancelRefused; sip.TestCancelRefused481ThenAnswered
//	200 on B as first response, no 1xx       TestRaceAnswerAsFirstResponse; sip.TestFirstResponseIs200
//	two 200s                                 TestRaceTwoAnswers; sip.TestTwo200s, TestTwo200sBackToBack
//	B BYE vs rep BYE                         TestRaceBothHangUp; sip.TestByeCrossesBye; bridge.TestFirstByeEndedTheCall
//	re-INVITE glare (491)                    sip.TestGlareWithOurInvite, TestOurReoffer, TestReinviteRefusals
//	re-INVITE that removes telephone-event   TestRaceReinviteRemovesEvents
//	183 SDP ≠ 200 SDP                        TestRaceAnswerMovesSound; sip.TestProgressDiffersFromAnswer; media.TestEarlyAndFinalAnswerMayDiffer
//	180 after 183                            TestRaceRingingAfterEarlyMedia
//	12 provisional responses                 TestRaceTwelveProvisionals; sip.TestManyProvisionalsInOrder
//	BYE while the prompt is being read       TestRaceByeDuringPrompt
//	restart while B rings                    TestRaceRestartWhileProspectRings, TestCrashAnywhere
//	T_max and BYE together                   TestRaceLimitAndBye
//	rescue while B hangs up                  there is no rescue yet
//	5 simultaneous POSTs with one key        TestRaceFivePostsOneKey

// sweep plays one race at offsets from low to high, and counts how it ended.
func sweep(t *testing.T, low, high, step time.Duration, play func(t *testing.T, offset time.Duration) bridge.Reason) map[bridge.Reason]int {
	t.Helper()
	ends := make(map[bridge.Reason]int)
	for offset := low; offset <= high; offset += step {
		t.Run(offset.String(), func(t *testing.T) { ends[play(t, offset)]++ })
	}
	t.Log(ends)
	return ends
}

// wantBoth checks that a sweep saw each of these endings, and no other.
func wantBoth(t *testing.T, ends map[bridge.Reason]int, reasons ...bridge.Reason) {
	t.Helper()
	n := 0
	for _, reason := range reasons {
		if ends[reason] == 0 {
			t.Errorf("no call ended with %s", reason)
		}
		n++
	}
	if len(ends) != n {
		t.Errorf("calls ended %v, want only %v", ends, reasons)
	}
}

// settle waits for a call's end and for the wire to fall silent, holds it to all
// rules, and returns its record.
func (w *world) settle(id string) bridge.Record {
	w.t.Helper()
	events := w.events(id)
	<-time.After(40 * time.Second)
	synctest.Wait()
	w.wantSound(id)
	return events[len(events)-1].Record
}

// play places the one call of a world with these phones, and settles it.
func play(t *testing.T, s setup, rep, prospect act, meanwhile func(w *world, id string)) (record bridge.Record, tap *Wiretap) {
	t.Helper()
	s.phones = map[string]act{repNumber: rep, prospectNumber: prospect}
	inWorld(t, s, func(w *world) {
		id := w.place()
		if meanwhile != nil {
			meanwhile(w, id)
		}
		record, tap = w.settle(id), w.tap
	})
	return record, tap
}

func wantReason(t *testing.T, r bridge.Record, reason bridge.Reason) {
	t.Helper()
	if r.Ending == nil || r.Ending.Reason != reason {
		t.Errorf("ended %+v, want %s", r.Ending, reason)
	}
}

func TestRaceKeyAndRepBye(t *testing.T) {
	ends := sweep(t, -6*time.Millisecond, 42*time.Millisecond, 6*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		rep := rings(time.Second, answers(carrier.RepTone, func(_ *world, c *carrier.Call) {
			c.Wait(2 * time.Second)
			if offset >= 0 {
				c.PressEvent('1')
				c.WaitExactly(offset)
			}
			c.Hangup()
		}))
		r, tap := play(t, setup{}, rep, aProspect(stays), nil)
		if dialled := len(tap.Dialogs(prospectNumber)); dialled > 0 && r.Ending.Reason == bridge.ReasonRepLeftPrompt {
			t.Error("the prospect was dialled, and the rep is said not to have confirmed")
		}
		return r.Ending.Reason
	})
	wantBoth(t, ends, bridge.ReasonRepLeftPrompt, bridge.ReasonRepGone)
}

func TestRaceKeyByEveryMethod(t *testing.T) {
	rep := rings(time.Second, answers(carrier.RepTone, func(_ *world, c *carrier.Call) {
		c.Wait(3 * time.Second)
		c.PressAll('1')
		<-c.Over()
	}))
	r, tap := play(t, setup{}, rep, aProspect(hangsUpAfter(3*time.Second)), nil)
	wantReason(t, r, bridge.ReasonCompleted)
	if n := countFlags(r, "confirmed_"); n != 1 {
		t.Errorf("flags %v", r.Flags)
	}
	for _, turn := range tap.Heard(prospectNumber).Turns {
		if turn.Out && strings.HasPrefix(turn.Sound, "key") {
			t.Errorf("the prospect heard %s", turn.Sound)
		}
	}
}

func countFlags(r bridge.Record, prefix string) (n int) {
	for _, flag := range r.Flags {
		if strings.HasPrefix(string(flag), prefix) {
			n++
		}
	}
	return n
}

// The rep presses at once, and the ACK of the 200 is lost twice: the key counts
// from the answer on, whatever becomes of the ACK.
func TestRaceKeyBeforeAck(t *testing.T) {
	var mu sync.Mutex
	lost, answered := 0, false
	lose := func(d Datagram) bool {
		mu.Lock()
		defer mu.Unlock()
		text := string(d.Data)
		answered = answered || d.To == tandemAt && strings.HasPrefix(text, "SIP/2.0 200") && strings.Contains(text, " INVITE\r\n")
		if answered && lost < 2 && d.From == tandemAt && strings.HasPrefix(text, "ACK ") {
			lost++
			return true
		}
		return false
	}
	rep := rings(time.Second, answers(carrier.RepTone, func(_ *world, c *carrier.Call) {
		c.Wait(100 * time.Millisecond)
		c.PressEvent('1')
		<-c.Over()
	}))
	r, _ := play(t, setup{lose: lose}, rep, aProspect(hangsUpAfter(3*time.Second)), nil)
	wantReason(t, r, bridge.ReasonCompleted)
	if lost != 2 || r.ConfirmedAt.Sub(r.Rep.AnsweredAt) > 200*time.Millisecond {
		t.Errorf("%d ACKs lost, confirmed %v after the answer", lost, r.ConfirmedAt.Sub(r.Rep.AnsweredAt))
	}
}

func TestRaceCancelAndRepAnswer(t *testing.T) {
	fates := map[bool]int{}
	sweep(t, -12*time.Millisecond, 12*time.Millisecond, 4*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		r, tap := play(t, setup{}, rings(time.Second+offset, answers(carrier.RepTone, stays)), nil,
			hangsUpAt(bridge.CallRepRinging, time.Second-7*time.Millisecond))
		wantReason(t, r, bridge.ReasonCanceledByAPI)
		if len(tap.Dialogs(prospectNumber)) > 0 {
			t.Error("the prospect was dialled")
		}
		picked := false
		for _, m := range tap.Dialogs(repNumber)[0].Messages {
			picked = picked || m.Method == "INVITE" && m.Code == 200
		}
		fates[picked]++
		return r.Ending.Reason
	})
	if fates[true] == 0 || fates[false] == 0 {
		t.Errorf("answered and not: %v", fates)
	}
}

func TestRaceCancelAndKey(t *testing.T) {
	dialled := map[int]int{}
	sweep(t, 0, 40*time.Millisecond, 4*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		r, tap := play(t, setup{}, aRep(stays), aProspect(stays), hangsUpAt(bridge.CallRepAnswered, 2701*time.Millisecond+offset))
		wantReason(t, r, bridge.ReasonCanceledByAPI)
		dialled[len(tap.Dialogs(prospectNumber))]++
		return r.Ending.Reason
	})
	if dialled[0] == 0 || dialled[1] == 0 {
		t.Errorf("prospects dialled: %v", dialled)
	}
}

func TestRaceFivePostsOneKey(t *testing.T) {
	s := setup{phones: map[string]act{repNumber: aRep(stays), prospectNumber: aProspect(hangsUpAfter(time.Second))}}
	inWorld(t, s, func(w *world) {
		ids := make([]any, 5)
		var wait sync.WaitGroup
		for i := range ids {
			wait.Go(func() {
				status, answer := w.askWith("POST", "/v1/calls", map[string]any{"rep_number": repNumber, "to": prospectNumber},
					http.Header{"Idempotency-Key": {"0197c9a4-1111"}})
				// The others may be told that the first is under way, never another call.
				if status != http.StatusCreated && status != http.StatusOK && status != http.StatusConflict {
					t.Errorf("status %d: %v", status, answer)
				}
				ids[i] = answer["id"]
			})
		}
		wait.Wait()
		var id string
		for _, got := range ids {
			switch text, ok := got.(string); {
			case !ok:
			case id == "":
				id = text
			case id != text:
				t.Errorf("S3: calls %s and %s under one key", id, text)
			}
		}
		wantReason(t, w.settle(id), bridge.ReasonCompleted)
		if len(w.tap.Dialogs(repNumber)) != 1 || len(w.tap.Dialogs(prospectNumber)) != 1 {
			t.Error("S3: more than one call was placed")
		}
	})
}
