package store

import (
	"errors"
	"path/filepath"
	"testing"

	"tandem/bridge"
)

// An INVITE's bytes and the event that tells of it are kept together or not at all.
func TestALegAndItsEventAreOneWrite(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var c story
	if err := c.emit(t.Context(), s, bridge.CallQueued); err != nil {
		t.Fatal(err)
	}
	id := c.record.ID
	leg := bridge.SavedLeg{Call: id, Side: bridge.Rep, SIPCallID: "x@y", Doc: []byte(`{}`)}
	_, lost := c.next(bridge.CallRepDialing)
	record, e := c.next(bridge.CallRepRinging)
	if err := s.SaveLeg(t.Context(), leg, record, e); !errors.Is(err, ErrSequence) {
		t.Errorf("after a gap: %v", err)
	}
	if docs, err := s.LiveLegs(t.Context()); err != nil || len(docs) != 0 {
		t.Errorf("the leg of a refused event is kept: %q %v", docs, err)
	}
	if err := s.SaveLeg(t.Context(), leg, record, lost, e); err != nil {
		t.Fatal(err)
	}
	docs, err := s.LiveLegs(t.Context())
	got, failed := s.Call(t.Context(), id)
	if err != nil || failed != nil || len(docs) != 1 || got.Sequence != 3 {
		t.Errorf("%q %v %+v %v", docs, err, got, failed)
	}
	envelopes, err := s.EventsAfter(t.Context(), 0, EventFilter{Call: id}, 10)
	if err != nil || len(envelopes) != 3 || envelopes[1].Record.Rep.Status != bridge.LegDialing || envelopes[2].Record.Rep.Status != bridge.LegRinging {
		t.Errorf("%+v %v", envelopes, err)
	}
}
