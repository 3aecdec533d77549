package store

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tandem/bridge"
)

// spreadFrom spreads n transactions of it, or all where n is 0.
func (s *Store) spreadFrom(t testing.TB, n int) {
	t.Helper()
	for i := 1; ; i++ {
		more, err := s.Spread(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more || i == n {
			return
		}
	}
}

func (s *Store) endpoint(t testing.TB, types ...string) Endpoint {
	t.Helper()
	e, err := s.CreateEndpoint(t.Context(), Endpoint{URL: "https://crm.example.com/", Types: types, Scheme: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// deliveries are the places in the stream of what goes to an endpoint.
func (s *Store) deliveries(t testing.TB, endpoint string) (seqs []int64) {
	t.Helper()
	all, _, err := s.Deliveries(t.Context(), endpoint, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		seqs = append([]int64{d.Seq}, seqs...)
	}
	return seqs
}

// TestNoCallWaitsForItsDeliveries: the transaction of an event writes none, and those
// that do write a few each. A process that dies between two of them leaves the rest to
// the next.
func TestNoCallWaitsForItsDeliveries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := open(t, path)
	var endpoints []Endpoint
	for range 50 {
		endpoints = append(endpoints, s.endpoint(t))
	}
	var c story
	for _, kind := range []bridge.EventType{bridge.CallQueued, bridge.CallUpdated, bridge.CallEnded} {
		if err := c.emit(t.Context(), s, kind); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		for _, e := range endpoints {
			n += len(s.deliveries(t, e.ID))
		}
		return n
	}
	if n := count(); n != 0 {
		t.Errorf("%d were written with the events", n)
	}
	for want := spreadRows; want <= 9*spreadRows; want += spreadRows {
		s.spreadFrom(t, 1)
		if n := count(); n != want {
			t.Errorf("%d written, want %d", n, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	s.spreadFrom(t, 0)
	for _, e := range endpoints {
		if got := s.deliveries(t, e.ID); fmt.Sprint(got) != "[1 2 3]" {
			t.Errorf("%s gets %v", e.ID, got)
		}
	}
}

// TestSpreadingComesToAnEnd, also where the last delivery that fits is an event's last.
func TestSpreadingComesToAnEnd(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	for range spreadRows {
		s.endpoint(t)
	}
	var c story
	if err := c.emit(t.Context(), s, bridge.CallQueued); err != nil {
		t.Fatal(err)
	}
	s.spreadFrom(t, 0)
	s.TakeTouched()
	if s.spreadFrom(t, 0); len(s.TakeTouched()) > 0 {
		t.Error("what is spread is spread again")
	}
}

// TestEndpointsGetWhatTheyAskedForWhenItHappened, however late it is spread.
func TestEndpointsGetWhatTheyAskedForWhenItHappened(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	var c story
	emit := func(kind bridge.EventType) {
		t.Helper()
		if err := c.emit(t.Context(), s, kind); err != nil {
			t.Fatal(err)
		}
	}
	emit(bridge.CallQueued) // 1: before anybody is there
	all := s.endpoint(t)
	emit(bridge.CallUpdated) // 2
	picky := s.endpoint(t, "call.ended")
	emit(bridge.CallUpdated) // 3: not asked for
	if _, err := s.UpdateEndpoint(t.Context(), false, picky.ID, func(e *Endpoint) error { e.Types = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	emit(bridge.CallUpdated) // 4
	if _, err := s.UpdateEndpoint(t.Context(), false, all.ID, func(e *Endpoint) error { e.Disabled = DisabledByHand; return nil }); err != nil {
		t.Fatal(err)
	}
	emit(bridge.CallEnded) // 5
	if n, err := s.Replay(t.Context(), all.ID, time.Time{}); n != 4 || err != nil {
		t.Errorf("%d replayed: %v", n, err)
	}
	s.spreadFrom(t, 0)
	for e, want := range map[string]string{all.ID: "[2 3 4 5]", picky.ID: "[4 5]"} {
		if got := s.deliveries(t, e); fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// TestOnlyWhatACallWaitsForIsFlushed: the disk is waited for by nothing else.
func TestOnlyWhatACallWaitsForIsFlushed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "t.db"))
	for range 2 {
		for want, do := range map[int]func(context.Context, func(context.Context, *tx) error) error{1: s.doLater, 2: s.do} {
			var level int
			err := do(t.Context(), func(ctx context.Context, tx *tx) error {
				return tx.conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level)
			})
			if err != nil || level != want {
				t.Errorf("synchronous is %d, want %d: %v", level, want, err)
			}
		}
	}
}

// BenchmarkEmitToMany prints what a transition costs with so many endpoints that want it.
func BenchmarkEmitToMany(b *testing.B) {
	for _, endpoints := range []int{0, 50} {
		b.Run(fmt.Sprint(endpoints, " endpoints"), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "t.db"))
			for range endpoints {
				s.endpoint(b)
			}
			var c story
			kind := bridge.CallQueued
			for b.Loop() {
				if err := c.emit(b.Context(), s, kind); err != nil {
					b.Fatal(err)
				}
				kind = bridge.CallUpdated
			}
		})
	}
}
