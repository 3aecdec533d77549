package test

import (
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tandem/api"
	"tandem/store"
)

// One lost OPTIONS is no event, three are; so are two answers after that. What was
// said last is not said again by the next process.
func TestATrunkGoesDownAndComesUp(t *testing.T) {
	var deaf atomic.Bool
	lose := func(d Datagram) bool { return deaf.Load() && d.To == carrierAt }
	inWorld(t, setup{options: "10s", lose: lose}, func(w *world) {
		silence := func(d time.Duration) {
			deaf.Store(true)
			<-time.After(d)
			deaf.Store(false)
			<-time.After(time.Minute)
		}
		<-time.After(time.Minute)
		silence(9 * time.Second) // one OPTIONS, or none
		w.wantTurns("up")
		silence(time.Minute)
		all := w.wantTurns("up", "down", "up")
		if down := all[1].Trunk; down.Object != "trunk" || down.Name != "carrier" || down.Up || down.LastFailed == "" || down.Since == nil {
			t.Errorf("trunk.down says %+v", down)
		}
		if !all[2].Trunk.Up {
			t.Errorf("trunk.up says %+v", all[2].Trunk)
		}
		w.stopApp()
		w.startApp()
		<-time.After(time.Minute)
		w.wantTurns("up", "down", "up")
		silence(time.Minute)
		w.wantTurns("up", "down", "up", "down", "up")
		for i, e := range w.turns() {
			if e.Seq != i+1 {
				t.Errorf("event %d has number %d", i+1, e.Seq)
			}
		}
	})
}

type turn struct {
	Seq   int
	Trunk api.Trunk
}

// turns are the trunk's events.
func (w *world) turns() (all []turn) {
	w.t.Helper()
	events, err := w.app.Store.EventsAfter(w.t.Context(), 0, store.EventFilter{Types: []string{"trunk.*"}}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		one := turn{Seq: e.Event.Seq}
		if err := json.Unmarshal(e.Trunk, &one.Trunk); err != nil {
			w.t.Fatal(err)
		}
		if got := string(e.Event.Type); got != "trunk."+map[bool]string{true: "up", false: "down"}[one.Trunk.Up] {
			w.t.Errorf("%s of a trunk with up %v", got, one.Trunk.Up)
		}
		all = append(all, one)
	}
	return all
}

func (w *world) wantTurns(want ...string) []turn {
	w.t.Helper()
	var got []string
	all := w.turns()
	for _, e := range all {
		got = append(got, map[bool]string{true: "up", false: "down"}[e.Trunk.Up])
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("the trunk went %q, want %q", got, want)
	}
	return all
}
