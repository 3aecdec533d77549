package bridge

import (
	"testing"
	"time"
)

// TestStuck: a call is stuck once its state lasts longer than the state can.
func TestStuck(t *testing.T) {
	inBubble(t, func(w *world) {
		w.connect(Request{To: prospectNumber, MaxDuration: time.Hour})
		w.until(CallConnected)
		now := time.Now()
		for after, want := range map[time.Duration]int{0: 0, time.Hour: 0, 2*time.Hour + 6*time.Minute: 1} {
			if got := w.b.Stuck(now.Add(after)); got != want {
				t.Errorf("%v after the start %d calls are stuck, not %d", after, got, want)
			}
		}
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
		if got := w.b.Stuck(now.Add(24 * time.Hour)); got != 0 {
			t.Errorf("%d calls are stuck, and none is up", got)
		}
	})
}
