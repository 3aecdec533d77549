package bridge

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tandem/sip"
)

// connect starts a call and presses 1.
func (w *world) connect(request Request) string {
	w.t.Helper()
	request.RepNumber, request.CallerID = repNumber, "+441632960000"
	record, err := w.b.Start(w.t.Context(), request)
	if err != nil {
		w.t.Fatal(err)
	}
	w.until(CallRepAnswered)
	w.press('1')
	return record.ID
}

func (w *world) flagged(flag Flag) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Flag == flag {
			return true
		}
	}
	return false
}

func TestStarGivesUpWhileTheProspectRings(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(Request{To: prospectNumber})
		w.until(CallProspectRinging)
		w.press('5')
		w.press('*')
		w.wantEnd(Canceled, ReasonCanceledByRep, ByRep)
	})
}

func TestExtensionIsDialledBeforeTheyTalk(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(Request{To: prospectNumber + ",,12;3"})
		w.until(CallProspectAnswered)
		begin := time.Now()
		<-time.After(20 * time.Second)
		synctest.Wait()
		if record := w.only(); record.Status != CallingProspect {
			t.Errorf("without the rep's # the call is %s", record.Status)
		}
		w.press('#')
		w.until(CallConnected)
		// 20 s passed before the #; then one digit of 200 ms.
		if took := w.only().ConnectedAt.Sub(begin); took < 20100*time.Millisecond || took > 20500*time.Millisecond {
			t.Errorf("connected after %v", took)
		}
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
	})
}

func TestHashSkipsTheExtension(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(Request{To: prospectNumber + ",,,,,,,,1"})
		w.until(CallProspectAnswered)
		begin := time.Now()
		w.press('#')
		w.until(CallConnected)
		if took := w.only().ConnectedAt.Sub(begin); took > time.Second {
			t.Errorf("connected after %v", took)
		}
		w.hangUp(repNumber)
		w.wantEnd(Completed, ReasonCompleted, ByRep)
	})
}

func TestHangUpsWhileTheExtensionIsDialled(t *testing.T) {
	for number, want := range map[string]Ending{
		prospectNumber: {Completed, ReasonProspectHungUp, ByProspect},
		repNumber:      {Canceled, ReasonRepGone, ByRep},
	} {
		inBubble(t, func(w *world) {
			w.connect(Request{To: prospectNumber + " x123"})
			w.until(CallProspectAnswered)
			w.hangUp(number)
			w.wantEnd(want.Outcome, want.Reason, want.By)
		})
	}
}

func TestDigitsOfTheAPI(t *testing.T) {
	inBubble(t, func(w *world) {
		id := w.connect(Request{To: prospectNumber})
		var refused *Refusal
		if err := w.b.SendDigits(id, "1"); !errors.As(err, &refused) || refused.Code != CodeTooEarly {
			t.Errorf("before the answer: %v", err)
		}
		w.until(CallConnected)
		if err := w.b.SendDigits(id, "12w#"); err != nil {
			t.Error(err)
		}
		<-time.After(2 * time.Second)
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
		if err := w.b.SendDigits(id, "1"); !errors.As(err, &refused) || refused.Code != CodeNotFound {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestPolicyIsAskedAgainBeforeTheProspect: whatever comes to be forbidden while the
// rep's phone rings is not dialled, and the call says by its code what it was.
func TestPolicyIsAskedAgainBeforeTheProspect(t *testing.T) {
	for code, change := range map[Code]func(p *Policy, m *memory){
		CodeDestinationForbidden: func(p *Policy, _ *memory) { p.Deny = []string{prospectNumber} },
		CodeCountry:              func(p *Policy, _ *memory) { p.Countries = []string{"US"} },
		CodeDoNotCall:            func(_ *Policy, m *memory) { m.listed = map[string]string{prospectNumber: "asked us"} },
		CodeAttempts:             func(p *Policy, m *memory) { p.Attempts, p.AttemptsWithin, m.attempts = 3, time.Hour, 3 },
		CodeOutsideWindow:        func(p *Policy, _ *memory) { p.Window = Window{12 * time.Hour, 13 * time.Hour} }, // it is midnight
		CodeSpendLimit:           func(p *Policy, m *memory) { p.DailySpend, m.spent = map[string]Money{"carrier": 5}, 5 },
		CodeStoreUnavailable:     func(_ *Policy, m *memory) { m.err = errors.New("disk") },
	} {
		t.Run(string(code), func(t *testing.T) {
			inBubble(t, func(w *world) {
				policy := &Policy{Region: "GB", Allow: []string{"+44"}, Past: new(memory)}
				w.b.Policy = func() *Policy { w.mu.Lock(); defer w.mu.Unlock(); return policy }
				w.start()
				w.until(CallRepAnswered)
				w.mu.Lock()
				changed, past := *policy, new(memory)
				changed.Past = past
				change(&changed, past)
				policy = &changed
				w.mu.Unlock()
				w.press('1')
				w.wantEnd(Canceled, Reason(code), BySystem)
				if w.dialed(prospectNumber) != 0 {
					t.Error("the prospect was dialled")
				}
			})
		})
	}
}

func TestSilentLegsAreFlagged(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.until(CallRepAnswered)
		<-time.After(3100 * time.Millisecond)
		synctest.Wait()
		if !w.flagged(FlagOneWayRep) {
			t.Error("a silent rep is not flagged after 3 s")
		}
		w.press('1')
		w.until(CallConnected)
		<-time.After(6100 * time.Millisecond)
		synctest.Wait()
		if !w.flagged(FlagOneWayProspect) {
			t.Error("a silent prospect is not flagged after 6 s")
		}
		w.hangUp(repNumber)
		w.wantEnd(Completed, ReasonCompleted, ByRep)
	})
}

func TestFirstByeEndedTheCall(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(Request{To: prospectNumber})
		w.until(CallConnected)
		w.hangUp(prospectNumber)
		<-time.After(time.Nanosecond)
		w.hangUp(repNumber) // before anybody has looked at the first
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
	})
}

func TestLateAnswerIsFlaggedBeforeTheEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		w.far[prospectNumber].never, w.far[prospectNumber].late = true, 400*time.Millisecond
		id := w.connect(Request{To: prospectNumber})
		w.until(CallProspectRinging)
		_, _ = w.b.Hangup(id)
		w.wantEnd(Canceled, ReasonCanceledByAPI, ByAPI)
		if !w.flagged(FlagProspectAnsweredLate) {
			t.Error("not flagged")
		}
	})
}

func TestEarlierByeWins(t *testing.T) {
	inBubble(t, func(w *world) {
		at := time.Now()
		leg := func(after time.Duration) *fakeLeg {
			l := &fakeLeg{over: func() {}}
			l.ctx, l.down = ended(&sip.Ended{At: at.Add(after), By: sip.Peer})
			return l
		}
		seen := gone(Rep, nil)
		for _, tt := range []struct {
			rep, prospect time.Duration
			want          By
		}{{1, 2, ByRep}, {2, 1, ByProspect}} {
			if got := earlier(seen.or(ReasonCompleted), leg(tt.rep), leg(tt.prospect)); got.By != tt.want {
				t.Errorf("rep at %d, prospect at %d: ended by %s", tt.rep, tt.prospect, got.By)
			}
		}
	})
}
