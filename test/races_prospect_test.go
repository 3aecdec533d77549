package test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tandem/bridge"
	"tandem/test/carrier"
)

func TestRaceRepByeAndProspectAnswer(t *testing.T) {
	ends := sweep(t, -14*time.Millisecond, 14*time.Millisecond, 4*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		prospect := rings(time.Second+offset, answers(carrier.ProspectTone, stays))
		rep := aRep(func(w *world, c *carrier.Call) {
			w.tap.Await(prospectNumber, "INVITE")
			c.WaitExactly(time.Second + 5*time.Millisecond) // both are then 5 ms on their way
		})
		r, _ := play(t, setup{}, rep, prospect, nil)
		late := slices.Contains(r.Flags, bridge.FlagProspectAnsweredLate)
		if late && r.Ending.Outcome != bridge.Canceled {
			t.Errorf("%+v, flagged late", r.Ending)
		}
		return r.Ending.Reason
	})
	wantBoth(t, ends, bridge.ReasonCompleted, bridge.ReasonRepGone)
}

func TestRaceCancelRefused(t *testing.T) {
	prospect := func(w *world, c *carrier.Call) {
		c.Ring()
		c.RefuseCancel("481 Call/Transaction Does Not Exist")
		w.tap.Await(prospectNumber, "CANCEL")
		waits(time.Second, answers(carrier.ProspectTone, stays))(w, c)
	}
	r, tap := play(t, setup{}, aRep(hangsUpAfter(2*time.Second)), prospect, nil)
	wantReason(t, r, bridge.ReasonRepGone)
	if !slices.Contains(r.Flags, bridge.FlagProspectAnsweredLate) {
		t.Errorf("flags %v", r.Flags)
	}
	if !said(tap.Dialogs(prospectNumber)[0], true, "BYE") {
		t.Error("the prospect who answered after all was not hung up")
	}
}

// said reports whether a request was sent in a dialog, by tandem or to it.
func said(d *Dialog, out bool, method string) bool {
	return slices.ContainsFunc(d.Messages, func(m *Message) bool { return m.Out == out && m.Code == 0 && m.Method == method })
}

func TestRaceAnswerAsFirstResponse(t *testing.T) {
	s := setup{carrier: func(o *carrier.Options) { o.NoTrying = true }}
	at := answers(carrier.ProspectTone, hangsUpAfter(3*time.Second))
	r, _ := play(t, s, aRep(stays), at, nil)
	wantReason(t, r, bridge.ReasonCompleted)
	if !r.Prospect.RingingAt.IsZero() || slices.Contains(r.Flags, bridge.FlagProspectRang) {
		t.Errorf("a prospect who never rang is said to have rung: %v", r.Flags)
	}
	if r.Talk(r.EndedAt) != 3*time.Second {
		t.Errorf("talked %v", r.Talk(r.EndedAt))
	}
}

func TestRaceTwoAnswers(t *testing.T) {
	prospect := rings(time.Second, answers(carrier.ProspectTone, func(_ *world, c *carrier.Call) {
		c.WaitExactly(time.Millisecond) // of two at one instant either may be taken
		c.Fork()
		c.Wait(3 * time.Second)
	}))
	r, tap := play(t, setup{}, aRep(stays), prospect, nil)
	wantReason(t, r, bridge.ReasonCompleted)
	tags := map[string]bool{}
	for _, m := range tap.Dialogs(prospectNumber)[0].Messages {
		if !m.Out && m.Method == "INVITE" && m.Code == 200 {
			tags[m.ToTag] = true
		}
	}
	if len(tags) != 2 { // the checker holds each to its ACK and BYE
		t.Errorf("answers %v", tags)
	}
}

func TestRaceBothHangUp(t *testing.T) {
	ends := map[bridge.By]int{}
	sweep(t, -8*time.Millisecond, 8*time.Millisecond, 4*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		rep := aRep(func(w *world, c *carrier.Call) {
			w.tap.Await(prospectNumber, "ACK")
			c.WaitExactly(3 * time.Second)
		})
		prospect := aProspect(func(w *world, c *carrier.Call) {
			w.tap.Await(prospectNumber, "ACK")
			c.WaitExactly(3*time.Second + offset)
		})
		r, _ := play(t, setup{}, rep, prospect, nil)
		ends[r.Ending.By]++
		return r.Ending.Reason
	})
	if ends[bridge.ByRep] < 2 || ends[bridge.ByProspect] < 2 || len(ends) != 2 {
		t.Errorf("ended by %v", ends)
	}
}

// A phone that moves the call, and has no telephone-events where it goes: the
// key is heard as tones.
func TestRaceReinviteRemovesEvents(t *testing.T) {
	rep := rings(time.Second, answers(carrier.RepTone, func(w *world, c *carrier.Call) {
		c.Wait(500 * time.Millisecond)
		c.WithoutEvents()
		if !c.Redirect("sendrecv", carrier.RepTone) {
			w.t.Error("the re-INVITE was refused")
		}
		c.Wait(2 * time.Second)
		c.PressTones('1')
		<-c.Over()
	}))
	r, _ := play(t, setup{}, rep, aProspect(hangsUpAfter(3*time.Second)), nil)
	wantReason(t, r, bridge.ReasonCompleted)
	if !slices.Contains(r.Flags, bridge.FlagConfirmedInBand) {
		t.Errorf("flags %v", r.Flags)
	}
}

// The answer's session description names another socket than the 183's.
func TestRaceAnswerMovesSound(t *testing.T) {
	prospect := func(w *world, c *carrier.Call) {
		c.Early(700)
		c.Wait(2 * time.Second)
		c.Move()
		answers(carrier.ProspectTone, hangsUpAfter(5*time.Second))(w, c)
	}
	s := setup{phones: map[string]act{repNumber: aRep(stays), prospectNumber: prospect}}
	inWorld(t, s, func(w *world) {
		wantReason(t, w.settle(w.place()), bridge.ReasonCompleted)
		calls := w.carrier.Calls()
		heard, early := calls[0].Heard().Tone(carrier.ProspectTone), calls[0].Heard().Tone(700)
		if heard < 4900*time.Millisecond || early < 1800*time.Millisecond {
			t.Errorf("the rep heard %v of early media and %v of the answer's", early, heard)
		}
		if back := calls[1].Heard().Tone(carrier.RepTone); back < 4900*time.Millisecond {
			t.Errorf("the prospect heard %v at the new place", back)
		}
	})
}

// A 180 after a 183 must not bring our ringback back over the network's sound.
func TestRaceRingingAfterEarlyMedia(t *testing.T) {
	prospect := func(w *world, c *carrier.Call) {
		c.Early(carrier.ProspectTone)
		c.Wait(2 * time.Second)
		rings(3*time.Second, answers(carrier.ProspectTone, hangsUpAfter(2*time.Second)))(w, c)
	}
	r, tap := play(t, setup{}, aRep(stays), prospect, nil)
	wantReason(t, r, bridge.ReasonCompleted)
	for _, turn := range tap.Heard(repNumber).Turns {
		if turn.Out && turn.Sound == "ringback" {
			t.Errorf("the rep heard ringback over the network's sound: %v", tap.Heard(repNumber).Turns)
		}
	}
}

func TestRaceTwelveProvisionals(t *testing.T) {
	prospect := func(w *world, c *carrier.Call) {
		for i := range 12 {
			c.Provisional([]string{"180 Ringing", "181 Call Is Being Forwarded", "182 Queued", "183 Session Progress"}[i%4])
			if i%3 == 0 {
				c.Wait(100 * time.Millisecond)
			}
		}
		answers(carrier.ProspectTone, hangsUpAfter(2*time.Second))(w, c)
	}
	r, _ := play(t, setup{}, aRep(stays), prospect, nil)
	wantReason(t, r, bridge.ReasonCompleted)
}

func TestRaceByeDuringPrompt(t *testing.T) {
	ends := sweep(t, 0, 800*time.Millisecond, 100*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		r, tap := play(t, setup{}, rings(time.Second, answers(carrier.RepTone, hangsUpAfter(offset))), nil, nil)
		heard := tap.Heard(repNumber)
		if late := heard.LastOut.Sub(r.Rep.EndedAt); late > 20*time.Millisecond {
			t.Errorf("the prompt went on for %v after the BYE", late)
		}
		return r.Ending.Reason
	})
	wantBoth(t, ends, bridge.ReasonRepLeftPrompt)
}

func TestRaceLimitAndBye(t *testing.T) {
	ends := sweep(t, -9*time.Millisecond, 9*time.Millisecond, 3*time.Millisecond, func(t *testing.T, offset time.Duration) bridge.Reason {
		// Its BYE arrives as the limit of 30 s, counted from the 200's arrival, passes.
		prospect := rings(time.Second, answers(carrier.ProspectTone, func(_ *world, c *carrier.Call) {
			c.WaitExactly(30*time.Second + offset)
		}))
		r, _ := play(t, setup{yaml: "call_flow: {max_duration: 30s}"}, aRep(stays), prospect, nil)
		return r.Ending.Reason
	})
	wantBoth(t, ends, bridge.ReasonCompleted, bridge.ReasonMaxDuration)
}

// Tandem dies while the prospect rings, and another one starts on its store: both
// legs are ended, and the call has its one end.
func TestRaceRestartWhileProspectRings(t *testing.T) {
	s := setup{phones: map[string]act{repNumber: aRep(stays), prospectNumber: rings(time.Hour, stays)}}
	inWorld(t, s, func(w *world) {
		id := w.place()
		w.until(id, bridge.CallProspectRinging)
		<-time.After(time.Second)
		w.crash()
		r := w.settle(id)
		wantReason(t, r, bridge.ReasonServerRestart)
		synctest.Wait()
		rep, prospect := w.tap.Dialogs(repNumber)[0], w.tap.Dialogs(prospectNumber)[0]
		if !said(rep, true, "BYE") || !said(prospect, true, "CANCEL") {
			t.Error("a leg of the dead process was left")
		}
		for _, call := range w.carrier.Calls() {
			if final, acked, byes, _ := call.Fate(); !acked || final == 200 && byes == 0 {
				t.Errorf("%s: final %d, acked %v, %d BYEs", call.Number, final, acked, byes)
			}
		}
	})
}
