package bridge

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tandem/sip"
)

// trunks is a world with three trunks, some of which fail.
type trunks struct {
	*world
	fail   map[string]error // by trunk, for the prospect's number
	rings  map[string]bool  // it rings first
	after  time.Duration    // this long after the INVITE
	full   map[string]bool
	linger time.Duration // an INVITE that failed is on the wire for so long
	asked  []string      // trunk and caller id of each INVITE to the prospect
	taken  map[string]int
}

func (w *trunks) Dial(ctx context.Context, inv sip.Invite) (AnsweredLeg, error) {
	if inv.To != prospectNumber {
		return w.world.Dial(ctx, inv)
	}
	err, fails := w.fail[inv.Trunk]
	if !fails {
		w.asked = append(w.asked, inv.Trunk+" "+inv.From)
		return w.world.Dial(ctx, inv)
	}
	send := func() error { w.asked = append(w.asked, inv.Trunk+" "+inv.From); return nil }
	if refused := inv.Guard(send); refused != nil {
		inv.Over()
		return nil, refused
	}
	defer time.AfterFunc(w.after+w.linger, inv.Over)
	if w.rings[inv.Trunk] {
		inv.OnProgress(sip.Progress{Code: 180})
	}
	select {
	case <-time.After(w.after):
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (w *trunks) Reserve(names ...string) (func(), error) {
	for _, name := range names {
		if w.full[name] {
			return nil, sip.ErrNoChannel
		}
		w.taken[name]++
	}
	return func() {
		for _, name := range names {
			w.taken[name]--
		}
	}, nil
}

// huntProspect places a call whose prospect has three trunks, a, b and c.
func huntProspect(t *testing.T, prepare func(w *trunks), check func(w *trunks, m *Metrics)) {
	t.Helper()
	inBubble(t, func(inner *world) {
		w := &trunks{world: inner, taken: make(map[string]int)}
		prepare(w)
		route := w.b.Route
		w.b.Trunks = w
		w.b.Route = func(side Side, number string) (ways []Route) {
			for i, name := range []string{"a", "b", "c"} {
				way := route(side, number)[0]
				way.Trunk, way.CallerIDs = name, []string{"+44163296010" + string(rune('0'+i))}
				ways = append(ways, way)
			}
			return ways
		}
		m := NewMetrics(prometheus.NewRegistry(), w.world, []string{"a", "b", "c"})
		w.b.Sink = m
		if _, err := w.b.Start(w.t.Context(), Request{RepNumber: repNumber, To: prospectNumber}); err != nil {
			t.Fatal(err)
		}
		w.until(CallRepAnswered)
		w.press('1')
		check(w, m)
		w.b.Drain(w.t.Context())
		for name, n := range w.taken {
			if n != 0 {
				t.Errorf("%d channels of %s are not given back", n, name)
			}
			for _, side := range []string{"rep", "prospect"} {
				if up := testutil.ToFloat64(m.legsUp.WithLabelValues(side, name)); up != 0 {
					t.Errorf("%v %s legs of %s count as up", up, side, name)
				}
			}
		}
	})
}

func TestNextTrunk(t *testing.T) {
	busy := refusal(486, 0)
	for _, tt := range []struct {
		name   string
		fail   map[string]error
		rings  map[string]bool
		full   map[string]bool
		after  time.Duration
		asked  []string // a, b, c
		reason Reason   // "" = the prospect answers
	}{
		{name: "503", fail: map[string]error{"a": refusal(503, 0)}, asked: []string{"a", "b"}},
		{name: "500 twice", fail: map[string]error{"a": refusal(500, 0), "b": refusal(504, 0)}, asked: []string{"a", "b", "c"}},
		{name: "silence", fail: map[string]error{"a": &sip.Error{Err: sip.ErrNoResponse}}, after: 5 * time.Second, asked: []string{"a", "b"}},
		{name: "100 only", fail: map[string]error{"a": &sip.Error{Err: sip.ErrNoProgress}}, after: 15 * time.Second, asked: []string{"a", "b"}},
		{name: "no way", fail: map[string]error{"a": &sip.Error{Err: sip.ErrUnreachable}}, asked: []string{"a", "b"}},
		{name: "408 before it rang", fail: map[string]error{"a": refusal(408, 0)}, asked: []string{"a", "b"}},
		{name: "the next is full", fail: map[string]error{"a": refusal(503, 0)}, full: map[string]bool{"b": true}, asked: []string{"a", "c"}},
		{name: "none is left", fail: map[string]error{"a": refusal(500, 0), "b": refusal(503, 0), "c": refusal(500, 0)}, asked: []string{"a", "b", "c"}, reason: ReasonProspectTrunk},
		{name: "too late", fail: map[string]error{"a": &sip.Error{Err: sip.ErrNoProgress}, "b": &sip.Error{Err: sip.ErrNoProgress}}, after: 15 * time.Second, asked: []string{"a", "b"}, reason: ReasonProspectTrunk},
		{name: "503 after it rang", fail: map[string]error{"a": refusal(503, 0)}, rings: map[string]bool{"a": true}, asked: []string{"a"}, reason: ReasonTrunkCongestion},
		{name: "408 after it rang", fail: map[string]error{"a": refusal(408, 0)}, rings: map[string]bool{"a": true}, asked: []string{"a"}, reason: ReasonProspectNoAnswer},
		{name: "busy", fail: map[string]error{"a": busy}, asked: []string{"a"}, reason: ReasonProspectBusy},
		{name: "503 that says busy", fail: map[string]error{"a": refusal(503, 17)}, asked: []string{"a"}, reason: ReasonProspectBusy},
		{name: "no such number", fail: map[string]error{"a": refusal(404, 0)}, asked: []string{"a"}, reason: ReasonProspectInvalid},
		{name: "forbidden", fail: map[string]error{"a": refusal(403, 0)}, asked: []string{"a"}, reason: ReasonCallerIDRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			huntProspect(t, func(w *trunks) {
				w.fail, w.rings, w.full, w.after = tt.fail, tt.rings, tt.full, tt.after
			}, func(w *trunks, m *Metrics) {
				if tt.reason == "" {
					w.until(CallConnected)
					w.hangUp(prospectNumber)
					w.wantEnd(Completed, ReasonCompleted, ByProspect)
				} else {
					w.until(CallEnded)
				}
				record := w.only()
				if tt.reason != "" && record.Ending.Reason != tt.reason {
					t.Errorf("ended %s, want %s", record.Ending.Reason, tt.reason)
				}
				var asked []string
				for _, name := range tt.asked {
					asked = append(asked, name+" +44163296010"+string(name[0]-'a'+'0'))
				}
				if !slices.Equal(w.asked, asked) {
					t.Errorf("dialled %v, want %v", w.asked, asked)
				}
				if last := tt.asked[len(tt.asked)-1]; record.Prospect.Trunk != last {
					t.Errorf("the record names trunk %s, want %s", record.Prospect.Trunk, last)
				}
				if used := slices.Contains(record.Flags, FlagFailoverUsed); used != (len(tt.asked) > 1) {
					t.Errorf("flags %v", record.Flags)
				}
				failovers := 0.0
				for _, why := range failedWhy {
					failovers += testutil.ToFloat64(m.failovers.WithLabelValues("a", why)) + testutil.ToFloat64(m.failovers.WithLabelValues("b", why))
				}
				if int(failovers) != len(tt.asked)-1 {
					t.Errorf("%v failovers counted", failovers)
				}
			})
		})
	}
}

// The rep who gives up while the first trunk is silent is not followed by a
// call over the second.
func TestNoNextTrunkForACallThatIsOver(t *testing.T) {
	huntProspect(t, func(w *trunks) {
		w.fail, w.after = map[string]error{"a": &sip.Error{Err: sip.ErrNoResponse}}, 5*time.Second
	}, func(w *trunks, _ *Metrics) {
		w.until(CallProspectDialing)
		w.hangUp(repNumber)
		w.wantEnd(Canceled, ReasonRepGone, ByRep)
		if len(w.asked) != 1 {
			t.Errorf("dialled %v", w.asked)
		}
	})
}

// The end of a call does not wait for an INVITE that nobody has answered on a
// trunk that was left.
func TestEndDoesNotWaitForATrunkThatWasLeft(t *testing.T) {
	huntProspect(t, func(w *trunks) {
		w.fail = map[string]error{"a": &sip.Error{Err: sip.ErrNoResponse}}
		w.after, w.linger = 5*time.Second, 27*time.Second
		w.far[prospectNumber].err = refusal(404, 0)
		w.far[prospectNumber].rings = 0
	}, func(w *trunks, _ *Metrics) {
		w.until(CallProspectRinging)
		began := time.Now()
		w.until(CallEnded)
		if waited := time.Since(began); waited > time.Second || len(w.asked) != 2 {
			t.Errorf("ended %v later, after %v", waited, w.asked)
		}
		<-time.After(time.Minute) // Over is told of both
	})
}

// A caller id that was asked for is shown, or the call is not placed.
func TestNextTrunkShowsTheCallerIDAskedFor(t *testing.T) {
	routes := []Route{{Trunk: "a", CallerIDs: []string{"+1"}}, {Trunk: "b", CallerIDs: []string{"+2"}}, {Trunk: "c"}}
	able, refused := own(routes, &Asked{CallerID: "+2"})
	if refused != nil || len(able) != 2 || able[0].Trunk != "b" || able[1].Trunk != "c" {
		t.Errorf("%v, %v", able, refused)
	}
}

// slowTrunks makes a call wait for its slot.
type slowTrunks struct {
	*world
	wait time.Duration
}

func (w slowTrunks) Turn(ctx context.Context, _ string) error {
	select {
	case <-time.After(w.wait):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A call that waits for its trunk's calls-per-second slot is seen to be queued,
// and does not wait for ever.
func TestQueuedForATrunk(t *testing.T) {
	for _, wait := range []time.Duration{10 * time.Second, time.Minute} {
		inBubble(t, func(w *world) {
			w.b.Trunks = slowTrunks{w, wait}
			id := w.start()
			<-time.After(9 * time.Second)
			if record, err := w.b.Get(id); err != nil || record.Status != Queued || w.dialed(repNumber) != 0 {
				t.Errorf("%v %v, dialled %d times", record.Status, err, w.dialed(repNumber))
			}
			if wait > w.b.Limits.Queue {
				w.wantEnd(Failed, ReasonQueueTimeout, BySystem)
				return
			}
			w.until(CallRepRinging)
			_, _ = w.b.Hangup(id)
			w.wantEnd(Canceled, ReasonCanceledByAPI, ByAPI)
		})
	}
}
