package bridge

import "time"

// Restarted is how a call ends whose process died under it.
func Restarted(r Record, now time.Time) (Record, []Event) {
	ending := &Ending{Outcome: ReasonServerRestart.outcome(!r.ConnectedAt.IsZero()), Reason: ReasonServerRestart, By: BySystem}
	events := []Event{{Type: CallEnded, Ending: ending}}
	if r.Priced() {
		events = append(events, Event{Type: CallCostFinal})
	}
	after := r.Clone()
	for i := range events {
		e := &events[i]
		e.ID, e.Call, e.Seq, e.At = NewID("evt"), r.ID, after.Sequence+1, now
		after.Apply(*e)
	}
	return after, events
}
