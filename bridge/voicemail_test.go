package bridge

import (
	"errors"
	"testing"
	"time"
)

// remembers gives the bridge a Past.
func (w *world) remembers(m *memory) {
	w.b.Policy = func() *Policy { return &Policy{Region: "GB", Allow: []string{"+44"}, Past: m} }
}

func TestRingsUntilBeforeTheVoicemail(t *testing.T) {
	for name, tt := range map[string]struct {
		past *memory
		want time.Duration
	}{
		"not known":                {&memory{}, 20 * time.Second},
		"known":                    {&memory{voicemail: 17 * time.Second}, 15 * time.Second},
		"later than the limit":     {&memory{voicemail: 30 * time.Second}, 28 * time.Second},
		"too soon to answer":       {&memory{voicemail: 11 * time.Second}, 10 * time.Second},
		"later than anybody rings": {&memory{voicemail: time.Minute}, 45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.t = t
				w.remembers(tt.past)
				w.far[repNumber].never = true
				w.start()
				w.wantEnd(RepNoAnswer, ReasonRepNoAnswer, BySystem)
				if got := w.far[repNumber].limits.Ring; got != tt.want {
					t.Errorf("rings for %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestVoicemailIsOnlyLookedUp: a store that fails refuses the call for what it
// must know, and not for this.
func TestVoicemailIsOnlyLookedUp(t *testing.T) {
	inBubble(t, func(w *world) {
		w.remembers(&memory{mute: errors.New("disk")})
		w.start()
		w.until(CallRepAnswered)
		w.press('1')
		w.until(CallConnected)
		w.hangUp(repNumber)
		w.wantEnd(Completed, ReasonCompleted, ByRep)
	})
}

func TestBeepTellsWhenTheVoicemailPicksUp(t *testing.T) {
	for name, tt := range map[string]struct {
		rings, want time.Duration
	}{
		"after its time":             {15 * time.Second, 15 * time.Second},
		"at once: the phone was off": {2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.t = t
				w.far[repNumber].rings = tt.rings
				w.start()
				w.until(CallRepAnswered)
				voicemailBeeps(w, "")
				w.wantEnd(RepNotConfirmed, ReasonRepVoicemail, BySystem)
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, e := range w.events {
					if e.Type == CallEnded && e.Voicemail != tt.want {
						t.Errorf("it picks up after %v, want %v", e.Voicemail, tt.want)
					}
				}
			})
		})
	}
}

// TestWhoAnswersSoonIsNoVoicemail [4.2]: somebody who talks on and presses
// nothing, long before the voicemail would.
func TestWhoAnswersSoonIsNoVoicemail(t *testing.T) {
	for name, tt := range map[string]struct {
		rings time.Duration
		want  Reason
	}{
		"soon":                  {5 * time.Second, ReasonRepNoConfirm},
		"when a voicemail does": {15 * time.Second, ReasonRepVoicemail},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.t = t
				w.remembers(&memory{voicemail: 16 * time.Second})
				w.far[repNumber].rings = tt.rings
				w.start()
				w.until(CallRepAnswered)
				talksForEver(w, "")
				w.wantEnd(RepNotConfirmed, tt.want, BySystem)
			})
		})
	}
}
