package store

import (
	"path/filepath"
	"testing"
	"time"

	"tandem/bridge"
)

// TestVoicemailsAreRememberedForAMonth: the soonest counts, and test calls and
// other people's phones do not.
func TestVoicemailsAreRememberedForAMonth(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	knows := func(want time.Duration) {
		t.Helper()
		got, err := s.Voicemail(t.Context(), "+14155550199")
		if err != nil || got != want {
			t.Fatalf("it picks up after %v, want %v, %v", got, want, err)
		}
	}
	knows(0)
	for _, call := range []struct {
		number string
		test   bool
		after  time.Duration
	}{{"+14155550199", false, 18 * time.Second}, {"+14155550199", false, 16 * time.Second}, {"+14155550199", false, 0},
		{"+14155550199", true, 12 * time.Second}, {"+14155550198", false, 11 * time.Second}} {
		var c story
		if err := c.emit(t.Context(), s, bridge.CallQueued); err != nil {
			t.Fatal(err)
		}
		c.record.Asked.RepNumber, c.record.Asked.Test = call.number, call.test
		record, ended := c.next(bridge.CallEnded)
		ended.Voicemail = call.after
		if err := s.Emit(t.Context(), record, ended); err != nil {
			t.Fatal(err)
		}
	}
	knows(16 * time.Second)
	if err := s.Prune(t.Context(), time.Now().Add(32*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	knows(0)
}
