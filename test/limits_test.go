package test

import (
	"net/http"
	"testing"
	"time"

	"tandem/bridge"
)

// many are phones for n calls at once that last until somebody hangs up.
func many(n int) map[string]act {
	phones := make(map[string]act)
	for i := range n {
		phones[repOf(i)], phones[prospectOf(i)] = aRep(stays), aProspect(stays)
	}
	return phones
}

// placeNth places the n-th of many calls.
func (w *world) placeNth(n int) (id string) {
	return w.place("rep_number", repOf(n), "to", prospectOf(n))
}

// refusedNth asks for the n-th of many calls, and is refused with 503.
func (w *world) refusedNth(n int, code string) {
	w.t.Helper()
	status, problem := w.ask("POST", "/v1/calls", map[string]any{"rep_number": repOf(n), "to": prospectOf(n)})
	if status != http.StatusServiceUnavailable || problem["code"] != code {
		w.t.Errorf("call %d: %d %v, want %s", n+1, status, problem, code)
	}
}

// trunkNow is the trunk as GET /v1/trunks shows it; nil = it has gone.
func (w *world) trunkNow(name string) map[string]any {
	w.t.Helper()
	_, answer := w.ask("GET", "/v1/trunks", nil)
	for _, one := range answer["data"].([]any) {
		if trunk := one.(map[string]any); trunk["name"] == name {
			return trunk
		}
	}
	return nil
}

// Calls beyond the calls per second of a trunk are queued, each leg for a slot of its
// own; a reload changes the pace for calls that begin then.
func TestCallsASecond(t *testing.T) {
	inWorld(t, setup{trunk: "limits: {cps: 0.5}", phones: many(5)}, func(w *world) {
		begun := time.Now()
		var ids []string
		for n := range 3 {
			ids = append(ids, w.placeNth(n))
		}
		<-time.After(time.Second)
		for n, want := range []string{"calling_rep", "queued", "queued"} {
			if _, call := w.ask("GET", "/v1/calls/"+ids[n], nil); call["status"] != want {
				t.Errorf("call %d is %v, want %s", n+1, call["status"], want)
			}
		}
		for n := range 3 {
			w.until(ids[n], bridge.CallRepDialing)
			if waited := time.Since(begun).Round(time.Second / 2); n > 0 && waited != time.Duration(2*n)*time.Second {
				t.Errorf("call %d left after %v", n+1, waited)
			}
		}
		for _, id := range ids {
			w.until(id, bridge.CallConnected)
			w.ask("POST", "/v1/calls/"+id+"/hangup", nil)
		}
		var left []time.Time
		for n := range 3 {
			for _, number := range []string{repOf(n), prospectOf(n)} {
				left = append(left, w.tap.Dialogs(number)[0].Messages[0].At)
			}
		}
		for i, a := range left {
			for _, b := range left[i+1:] {
				if apart := a.Sub(b).Abs(); apart < 2*time.Second {
					t.Errorf("two calls left %v apart", apart)
				}
			}
		}
		w.reload("cps: 0.5", "cps: 100")
		<-time.After(10 * time.Second)
		begun = time.Now()
		for n := range 2 {
			w.until(w.placeNth(3+n), bridge.CallRepDialing)
		}
		if waited := time.Since(begun); waited > time.Second {
			t.Errorf("after the reload two calls left in %v", waited)
		}
	})
}

// A trunk carries as many legs as it has channels, and a reload gives it more or
// fewer while calls are up.
func TestChannels(t *testing.T) {
	inWorld(t, setup{trunk: "limits: {channels: 4}", phones: many(4)}, func(w *world) {
		first, second := w.placeNth(0), w.placeNth(1)
		w.until(second, bridge.CallConnected)
		w.refusedNth(2, "no_capacity")
		w.reload("channels: 4", "channels: 6")
		third := w.placeNth(2)
		w.until(third, bridge.CallConnected)
		w.reload("channels: 6", "channels: 2") // the calls that are up stay
		w.refusedNth(3, "no_capacity")
		if channels := w.trunkNow("carrier")["channels"].(map[string]any); channels["in_use"] != 6.0 || channels["limit"] != 2.0 || channels["free"] != 0.0 {
			t.Errorf("%v", channels)
		}
		for _, id := range []string{first, second, third} {
			w.ask("POST", "/v1/calls/"+id+"/hangup", nil)
			if end := w.ended(id); end["outcome"] != "completed" {
				t.Errorf("%v", end)
			}
		}
		w.until(w.placeNth(3), bridge.CallConnected)
	})
}

// A trunk that is taken out of the configuration carries its calls to their end, and
// no other; its place is taken by another.
func TestARemovedTrunkDrains(t *testing.T) {
	inWorld(t, setup{phones: many(2)}, func(w *world) {
		id := w.placeNth(0)
		w.until(id, bridge.CallConnected)
		w.reload("  carrier:", "  another:")
		if old := w.trunkNow("carrier"); old == nil || old["draining"] != true {
			t.Errorf("the trunk that was removed: %v", old)
		}
		next := w.placeNth(1)
		w.until(next, bridge.CallConnected)
		for _, call := range []string{id, next} {
			w.ask("POST", "/v1/calls/"+call+"/hangup", nil)
			end := w.ended(call)
			want := map[string]string{id: "carrier", next: "another"}[call]
			if trunk := end["legs"].(map[string]any)["prospect"].(map[string]any)["trunk"]; end["outcome"] != "completed" || trunk != want {
				t.Errorf("by %v: %v", trunk, end["outcome"])
			}
		}
		if old := w.trunkNow("carrier"); old != nil {
			t.Errorf("it stays: %v", old)
		}
	})
}

// What a trunk may cost a day holds from the call on that passes it, until a reload
// allows more, or the day is over.
func TestDailySpend(t *testing.T) {
	const rates = "rates: {currency: USD, default: {per_minute: \"0.60\", first_increment: 60s, next_increment: 60s}}\n"
	inWorld(t, setup{trunk: "limits: {daily_spend: \"1.00 USD\"}", yaml: rates, phones: many(4)}, func(w *world) {
		spend := func(n int) {
			id := w.placeNth(n)
			w.until(id, bridge.CallConnected)
			w.ask("POST", "/v1/calls/"+id+"/hangup", nil)
			if end := w.ended(id); end["cost"].(map[string]any)["total"] != "1.2000" {
				t.Errorf("cost %v", end["cost"])
			}
		}
		spend(0)
		w.refusedNth(1, "spend_limit_reached")
		w.reload("1.00 USD", "2.00 USD")
		spend(1)
		w.refusedNth(2, "spend_limit_reached")
		<-time.After(24 * time.Hour)
		spend(2)
	})
}
