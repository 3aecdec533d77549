package api

import (
	"testing"
	"time"

	"tandem/bridge"
)

// TestBannerOfAnEnd: how long they talked, as people say it.
func TestBannerOfAnEnd(t *testing.T) {
	began := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	for talk, want := range map[time.Duration]string{
		400 * time.Millisecond: "Call ended",
		11 * time.Second:       "Call ended, 11 s",
		192 * time.Second:      "Call ended, 3 min 12 s",
	} {
		record := bridge.Record{Status: bridge.Ended, ConnectedAt: began, EndedAt: began.Add(talk), Ending: &bridge.Ending{Outcome: bridge.Completed}}
		if got := banner(&record, began.Add(time.Hour)).Text; got != want {
			t.Errorf("%v: %q, want %q", talk, got, want)
		}
	}
}
