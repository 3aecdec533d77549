package sip

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Trunks come, change and go while calls are up.
func TestReconfigure(t *testing.T) {
	reg := prometheus.NewRegistry()
	inBubble(t, func(w *world) {
		l, _ := w.connect(invite())
		release, err := w.e.Reserve("carrier", "carrier")
		if err != nil {
			t.Fatal(err)
		}
		carrier := TrunkConfig{Name: "carrier", Host: "10.0.0.2", Channels: 3, Keepalive: Keepalive{Every: 30 * time.Second}}
		other := TrunkConfig{Name: "other", Host: "10.0.0.3"}
		if err := w.e.Reconfigure([]TrunkConfig{other, {Name: "bad"}}); err == nil {
			t.Error("a trunk without a host was taken")
		}
		if err := w.e.Reconfigure([]TrunkConfig{other, other}); err == nil {
			t.Error("a trunk was taken twice")
		}
		if all := w.e.Trunks(); len(all) != 1 {
			t.Errorf("a wrong configuration changed something: %+v", all)
		}

		// Changed: its channels are those in use before.
		if err := w.e.Reconfigure([]TrunkConfig{other, carrier}); err != nil {
			t.Fatal(err)
		}
		all := w.e.Trunks()
		if len(all) != 2 || all[0].Name != "other" || all[1].InUse != 1 || all[1].Reserved != 2 || all[1].Channels != 3 {
			t.Errorf("%+v", all)
		}
		if _, err := w.e.Reserve("carrier", "carrier"); !errors.Is(err, ErrNoChannel) {
			t.Errorf("two channels of one: %v", err)
		}
		w.respond(w.expect("OPTIONS"), "200 OK", "x") // it is watched from now on

		// Gone: no new calls, but the one that is up goes on, as does one that has
		// its channels.
		if err := w.e.Reconfigure([]TrunkConfig{other}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.e.Reserve("carrier"); !errors.Is(err, ErrNoTrunk) {
			t.Errorf("a channel of a trunk that is gone: %v", err)
		}
		if err := w.e.Turn(context.Background(), "carrier"); err != nil {
			t.Error(err)
		}
		w.quiet(2 * time.Minute) // no OPTIONS any more
		if all = w.e.Trunks(); len(all) != 2 || !all[1].Draining || all[1].InUse != 1 {
			t.Errorf("%+v", all)
		}
		second, _ := w.connect(invite())
		for _, leg := range []*Leg{l, second} {
			leg.Hangup(Reason{})
			w.answerBye()
			<-leg.Done()
		}
		if all = w.e.Trunks(); len(all) != 2 {
			t.Errorf("gone before its channels were given back: %+v", all)
		}
		release()
		if all = w.e.Trunks(); len(all) != 1 || all[0].Name != "other" {
			t.Errorf("%+v", all)
		}
		synctest.Wait()
		series, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range series {
			for _, m := range family.Metric {
				for _, label := range m.Label {
					if label.GetName() == "trunk" && label.GetValue() == "carrier" {
						t.Errorf("%s still speaks of the trunk", family.GetName())
					}
				}
			}
		}
		// Back again.
		if err := w.e.Reconfigure([]TrunkConfig{carrier, other}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.e.Reserve("carrier"); err != nil {
			t.Error(err)
		}
	}, func(c *Config) { c.Metrics = NewMetrics(reg, []string{"carrier"}) })
}
