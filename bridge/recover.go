package bridge

import "time"

// Restarted is the one last event of a call whose process died under it.
func Restarted(r Record, now time.Time) (Record, Event) {
	e := Event{ID: NewID("evt"), Call: r.ID, Seq: r.Sequence + 1, Type: CallEnded, At: now,
		Ending: &Ending{Outcome: ReasonServerRestart.outcome(!r.ConnectedAt.IsZero()), Reason: ReasonServerRestart, By: BySystem}}
	after := r.Clone()
	after.Apply(e)
	return after, e
}
