package test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/bridge"
)

var update = flag.Bool("update", false, "write the golden files anew")

// story is a call as a reader sees it: its ladder, and what was written down.
func (w *world) story(title, id string) string {
	w.t.Helper()
	l := &Ladder{Began: w.began, Rep: repNumber, Prospect: prospectNumber}
	for _, add := range w.asked {
		add(l)
	}
	events := w.events(id)
	for _, e := range events {
		l.Event(e.Event.At, eventText(&e.Event))
	}
	l.Tapped(w.tap)
	return title + "\n\n" + l.String() + "\n" + w.recordText(&events[len(events)-1].Record)
}

func eventText(e *bridge.Event) string {
	text := string(e.Type)
	switch {
	case e.Hangup != nil:
		text += fmt.Sprintf(" %s's leg over, %s", e.Side, e.Hangup.Cause)
	case e.Ending != nil:
		text += " " + string(e.Ending.Outcome)
	case e.Attempt > 1:
		text += " on trunk " + e.Trunk
	}
	if e.Flag != "" {
		text += " " + string(e.Flag)
	}
	return text
}

// recordText is the call's record, in the order a reader asks.
func (w *world) recordText(r *bridge.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "outcome   %s, reason %s, ended by %s\n", r.Ending.Outcome, r.Ending.Reason, r.Ending.By)
	fmt.Fprintf(&b, "talk      %.3f s\n", r.Talk(r.EndedAt).Seconds())
	if len(r.Flags) > 0 {
		fmt.Fprintf(&b, "flags     %s\n", strings.Trim(fmt.Sprint(r.Flags), "[]"))
	}
	for _, side := range []bridge.Side{bridge.Rep, bridge.Prospect} {
		leg := r.Leg(side)
		fmt.Fprintf(&b, "%-9s %s %s", side, leg.Number, leg.Status)
		for _, step := range []struct {
			name string
			at   time.Time
		}{{"dialled", leg.DialedAt}, {"rang", leg.RingingAt}, {"answered", leg.AnsweredAt}, {"over", leg.EndedAt}} {
			if !step.at.IsZero() {
				fmt.Fprintf(&b, ", %s %.3f", step.name, step.at.Sub(w.began).Seconds())
			}
		}
		if h := leg.Hangup; h != nil {
			fmt.Fprintf(&b, "\n          %s", h.Cause)
			if h.SIPCode != 0 {
				fmt.Fprintf(&b, ", SIP %d", h.SIPCode)
			}
			if h.Q850 != 0 {
				fmt.Fprintf(&b, ", Q.850 %d", h.Q850)
			}
			if h.Text != "" {
				fmt.Fprintf(&b, ", %q", h.Text)
			}
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// golden holds a story to the one that was kept.
func (w *world) golden(name, story string) {
	w.t.Helper()
	file := filepath.Join("testdata", "ladders", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(story), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatalf("%v: write it with go test ./test -update, then read it", err)
	}
	if got, want := strings.Split(story, "\n"), strings.Split(string(want), "\n"); story != strings.Join(want, "\n") {
		for i := range max(len(got), len(want)) {
			a, b := "", ""
			if i < len(got) {
				a = got[i]
			}
			if i < len(want) {
				b = want[i]
			}
			if a != b {
				w.t.Errorf("%s, line %d is\n%s\nwant\n%s\n(go test ./test -update writes it anew; read the difference)\n\n%s", file, i+1, a, b, story)
				return
			}
		}
	}
}
