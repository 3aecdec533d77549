package test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tandem/bridge"
	"tandem/test/carrier"
)

// TestShutdown drains a whole tandem while two talk: new calls are refused, the
// live one goes on until the grace is over, and then both legs are hung up.
func TestShutdown(t *testing.T) {
	inWorld(t, setup{phones: map[string]act{repNumber: aRep(stays), prospectNumber: aProspect(stays)}}, func(w *world) {
		id := w.place()
		w.until(id, bridge.CallConnected)
		<-time.After(3 * time.Second)
		grace, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		refused := make(chan int, 1)
		time.AfterFunc(time.Second, func() {
			status, _ := w.ask("POST", "/v1/calls", map[string]any{"rep_number": repOf(1), "to": prospectOf(1)})
			w.http.CloseIdleConnections()
			refused <- status
		})
		if err := w.app.Stop(grace); err != nil {
			w.t.Error(err)
		}
		if status := <-refused; status != http.StatusServiceUnavailable {
			w.t.Errorf("a call during the drain: %d", status)
		}
		w.startApp() // to read what was kept
		wantReason(w.t, w.settle(id), bridge.ReasonServerShutdown)
		w.golden("shutdown", w.story("The server is told to stop while they talk: the call goes on for the grace of five seconds, and is then ended on both sides.", id))
		for _, c := range w.carrier.Calls() {
			w.wantHungUp(c)
		}
	})
}

func (w *world) wantHungUp(c *carrier.Call) {
	w.t.Helper()
	if final, acked, byes, byeSent := c.Fate(); final != 200 || !acked || byes == 0 && !byeSent {
		w.t.Errorf("the leg to %s is left: final %d, ACKed %v", c.Number, final, acked)
	}
}

// TestDrainAndBack: while the API has it drain, calls that are up go on and no other
// begins; once that is undone, others do.
func TestDrainAndBack(t *testing.T) {
	phones := map[string]act{repNumber: aRep(stays), prospectNumber: aProspect(hangsUpAfter(3 * time.Second))}
	inWorld(t, setup{phones: phones}, func(w *world) {
		id := w.place()
		w.until(id, bridge.CallConnected)
		w.ask("POST", "/v1/admin/drain", nil)
		if status, problem := w.ask("POST", "/v1/calls", map[string]any{"rep_number": "+12025550111", "to": prospectNumber}); status != 503 || problem["code"] != "draining" {
			t.Errorf("a call while draining: %d %v", status, problem)
		}
		if status, problem := w.ask("GET", "/readyz", nil); status != 503 || !strings.Contains(problem["detail"].(string), "draining") {
			t.Errorf("ready while draining: %d %v", status, problem)
		}
		if end := w.ended(id); end["outcome"] != "completed" {
			t.Errorf("%v", end)
		}
		w.ask("DELETE", "/v1/admin/drain", nil)
		if end := w.ended(w.place()); end["outcome"] != "completed" {
			t.Errorf("%v", end)
		}
	})
}
