package test

import (
	"slices"
	"testing"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// TestVoicemailIsDodgedTheNextTime: a phone whose voicemail took a call rings
// until 2 s before it would take the next.
func TestVoicemailIsDodgedTheNextTime(t *testing.T) {
	inWorld(t, setup{phones: map[string]act{repNumber: rings(16*time.Second, greets)}}, func(w *world) {
		rang := func(want bridge.Reason) time.Duration {
			t.Helper()
			events := w.events(w.place("to", prospectNumber))
			last := events[len(events)-1].Record
			if last.Ending.Reason != want || last.ReachedProspect {
				t.Fatalf("ended %+v, want %s", last.Ending, want)
			}
			if slices.ContainsFunc(events, func(e store.Envelope) bool { return e.Event.Type == bridge.CallProspectDialing }) {
				t.Fatal("the prospect was dialled")
			}
			return last.Rep.EndedAt.Sub(last.Rep.RingingAt)
		}
		rang(bridge.ReasonRepVoicemail)
		if got := rang(bridge.ReasonRepNoAnswer).Round(100 * time.Millisecond); got != 14*time.Second {
			t.Errorf("it rang for %v, want 14s", got)
		}
	})
}
