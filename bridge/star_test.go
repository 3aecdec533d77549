package bridge

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStarEndsTheTalk: held, or pressed twice, * hangs up on the prospect while
// the rep stays to hear that; one that is meant for the prospect's menu does not,
// nor does anything that only sounds like it.
func TestStarEndsTheTalk(t *testing.T) {
	for name, tt := range map[string]struct {
		press func(l *line)
		ends  bool
	}{
		"held": {func(l *line) { l.key('*', time.Second) }, true},
		"twice": {func(l *line) {
			l.key('*', 100*time.Millisecond)
			l.rest(300*time.Millisecond, 0)
			l.key('*', 100*time.Millisecond)
		}, true},
		"once": {func(l *line) { l.key('*', 200*time.Millisecond); l.rest(2*time.Second, 0) }, false},
		"twice, slowly": {func(l *line) {
			l.key('*', 100*time.Millisecond)
			l.rest(time.Second, 0)
			l.key('*', 100*time.Millisecond)
		}, false},
		"with another key": {func(l *line) {
			l.key('*', 100*time.Millisecond)
			l.key('5', 100*time.Millisecond)
			l.key('*', 100*time.Millisecond)
		}, false},
		"as tones": {func(l *line) { l.tone('*', 1500*time.Millisecond, 0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.connect(Request{To: prospectNumber})
				w.until(CallConnected)
				l := w.line()
				l.rest(500*time.Millisecond, 0)
				tt.press(l)
				synctest.Wait()
				if over := w.only().Prospect.Status == LegEnded; over != tt.ends {
					t.Errorf("the prospect's leg is over: %v", over)
				}
				if !tt.ends {
					w.hangUp(prospectNumber)
					w.wantEnd(Completed, ReasonCompleted, ByProspect)
					return
				}
				w.wantEnd(Completed, ReasonCompleted, ByRep)
			})
		})
	}
}
