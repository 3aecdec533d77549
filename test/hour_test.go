package test

import (
	"testing"
	"time"

	"tandem/bridge"
	"tandem/test/carrier"
)

// TestAnHourUnderSessionTimers: a call whose legs are both refreshed every 45 s, half
// of the shortest interval there is (RFC 4028), is up for an hour, on hold at both
// ends, and ends when the prospect hangs up.
func TestAnHourUnderSessionTimers(t *testing.T) {
	const refreshes = int(time.Hour / (45 * time.Second))
	holds := func(then act) act {
		return waits(time.Second, func(w *world, c *carrier.Call) {
			if !c.Redirect("inactive", 0) {
				w.t.Error("hold was refused")
			}
			then(w, c)
		})
	}
	inWorld(t, setup{
		trunk:  "session_timer: {mode: request, expires: 90s}",
		phones: map[string]act{repNumber: aRep(holds(stays)), prospectNumber: aProspect(holds(hangsUpAfter(time.Hour)))},
	}, func(w *world) {
		id := w.place()
		events := w.events(id)
		<-time.After(40 * time.Second)
		w.wantSound(id)
		last := events[len(events)-1]
		if end := last.Record.Ending; end.Reason != bridge.ReasonCompleted || end.By != bridge.ByProspect || last.Record.Talk(last.Record.EndedAt) < time.Hour {
			t.Errorf("ended %+v after %v", end, last.Record.Talk(last.Record.EndedAt))
		}
		for _, number := range []string{repNumber, prospectNumber} {
			asked, answered := 0, 0
			for _, m := range w.tap.Dialogs(number)[0].Messages {
				refresh := m.Method == "INVITE" && m.ToTag != "" && !m.Again && m.At.Sub(w.began) > 30*time.Second
				switch {
				case refresh && m.Out && m.Code == 0 && m.Header("Session-Expires") == "90;refresher=uac":
					asked++
				case refresh && !m.Out && m.Code == 200:
					answered++
				}
			}
			if asked < refreshes-1 || asked > refreshes+1 || answered != asked {
				t.Errorf("%s: %d refreshes, %d answered; want %d", number, asked, answered, refreshes)
			}
		}
	})
}
