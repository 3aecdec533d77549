package bridge

import (
	"testing"
	"time"
)

// What a call cost is told right after its end, where anything is known of it.
func TestCostIsToldWithTheEnd(t *testing.T) {
	for _, rate := range []*Rate{nil, {Currency: "USD", PerMinute: 20_000_000, First: time.Minute, Next: time.Minute}} {
		inBubble(t, func(w *world) {
			route := w.b.Route
			w.b.Route = func(side Side, number string) []Route {
				ways := route(side, number)
				ways[0].Rate = rate
				return ways
			}
			w.start()
			w.until(CallRepAnswered)
			w.press('1')
			w.until(CallConnected)
			w.hangUp(prospectNumber)
			w.b.wait.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			last, before := w.events[len(w.events)-1], w.events[len(w.events)-2]
			if rate == nil && last.Type != CallEnded || rate != nil && (last.Type != CallCostFinal || before.Type != CallEnded || last.Seq != before.Seq+1) {
				t.Errorf("rate %v: %s, then %s", rate, before.Type, last.Type)
			}
		})
	}
}

// So it is for a call that its process did not end.
func TestCostIsToldAfterARestart(t *testing.T) {
	r := Record{ID: "call_1", Status: InProgress, Sequence: 7, Rep: Leg{Status: LegAnswered, Rate: &Rate{}}}
	after, events := Restarted(r, time.Now())
	if len(events) != 2 || events[0].Type != CallEnded || events[1].Type != CallCostFinal || events[1].Seq != 9 || after.Sequence != 9 || after.Status != Ended {
		t.Errorf("%+v %+v", after, events)
	}
	r.Rep.Rate = nil
	if _, events := Restarted(r, time.Now()); len(events) != 1 {
		t.Errorf("%+v", events)
	}
}
