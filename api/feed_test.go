package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"tandem/bridge"
	"tandem/store"
)

// gather follows until it has seen an event of a kind, and says which came.
func gather(t *testing.T, s *Server, after int64, filter store.EventFilter, until int64) (got []int64) {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	err := s.follow(ctx, after, filter, false, func(frames ...frame) error {
		for _, fr := range frames {
			var seq int64
			if n, _ := fmt.Sscanf(string(fr.text), "id: %d\n", &seq); n == 1 {
				if got = append(got, seq); seq >= until {
					enough()
					break
				}
			}
		}
		return ctx.Err()
	})
	if err == nil || ctx.Err() == nil {
		t.Errorf("follow ended with %v", err)
	}
	return got
}

// Whoever follows has every event once and in order: from now on, from before the
// ring, across its edge, with a filter.
func TestFollowersMissNothing(t *testing.T) {
	r := newRig(t, store.Key{})
	const calls, updates = 3, 400 // more than feedSize
	var wait sync.WaitGroup
	const last = calls * (updates + 1)
	streams := make([][]int64, 4)
	for i := range streams {
		wait.Go(func() { streams[i] = gather(t, r.s, 0, store.EventFilter{}, last) })
	}
	for range calls {
		_, call := r.do("POST", "/v1/calls", smallest)
		record := r.live[call["id"].(string)]
		for range updates / 40 {
			var events []bridge.Event
			for range 40 {
				e := bridge.Event{ID: bridge.NewID("evt"), Call: record.ID, Seq: record.Sequence + 1, Type: bridge.CallUpdated, At: time.Now()}
				record.Apply(e)
				events = append(events, e)
			}
			if err := r.store.Emit(t.Context(), record.Clone(), events...); err != nil {
				t.Fatal(err)
			}
		}
	}
	late := gather(t, r.s, 5, store.EventFilter{Types: []string{"call.q*", "call.ended"}}, 1)
	wait.Wait()
	for i, got := range append(streams, gather(t, r.s, 0, store.EventFilter{}, last)) {
		if len(got) != last || got[0] != 1 || !slices.IsSorted(got) || got[last-1] != last {
			t.Errorf("stream %d: %d events of %d", i, len(got), last)
		}
	}
	if len(late) != 1 || late[0] != updates+2 {
		t.Errorf("the second call's first event is %v", late)
	}
	r.s.feed.mu.Lock()
	defer r.s.feed.mu.Unlock()
	if len(r.s.feed.followers) != 0 || r.s.feed.stop != nil || r.s.feed.ring != nil {
		t.Error("the feed is read for nobody")
	}
}

// A filter takes in memory what it takes in the store.
func TestFiltersAgree(t *testing.T) {
	r := newRig(t, store.Key{})
	r.do("POST", "/v1/reps", `{"name":"Ana","external_id":"ana","pass_through":{"number":"+14155550199"}}`)
	id := r.billed(`{"rep_external_id":"ana","to":"+14155550123"}`)
	r.billed(smallest)
	all, err := r.store.EventsAfter(t.Context(), 0, store.EventFilter{Everything: true}, 100)
	if err != nil || len(all) < 12 {
		t.Fatal(len(all), err)
	}
	for _, f := range []store.EventFilter{{}, {Test: true}, {Everything: true}, {Call: id}, {Rep: all[0].RepID}, {Types: []string{"rep.*", "call.ended"}},
		{Rep: all[0].RepID, Types: []string{"call.rep_*"}}, {Types: []string{"call"}}, {Types: []string{"*"}}} {
		kept, err := r.store.EventsAfter(t.Context(), 0, f, 100)
		if err != nil {
			t.Fatal(err)
		}
		var inStore, inMemory []int64
		for i := range kept {
			inStore = append(inStore, kept[i].Seq)
		}
		for i := range all {
			if f.Takes(&all[i]) {
				inMemory = append(inMemory, all[i].Seq)
			}
		}
		if !slices.Equal(inStore, inMemory) {
			t.Errorf("%+v: %v in the store, %v in memory", f, inStore, inMemory)
		}
	}
}

// TestNoCallWaitsForThoseWhoListen: whatever streams and webhooks do, with each of
// their locks held and their readers stuck, a call's events are kept.
func TestNoCallWaitsForThoseWhoListen(t *testing.T) {
	stuck := make(chan struct{})
	h := newHooked(t, roundTrip(func(*http.Request) (*http.Response, error) { <-stuck; return status(204), nil }))
	defer h.close()
	defer close(stuck)
	for i := range 50 {
		h.endpoint(fmt.Sprintf("https://crm%d.example.com/", i))
	}
	var streams sync.WaitGroup
	defer streams.Wait()
	ctx, gone := context.WithCancel(t.Context())
	defer gone()
	follows := make(chan struct{})
	for range 200 {
		streams.Go(func() {
			_ = h.server.follow(ctx, 0, store.EventFilter{}, false, func(frames ...frame) error {
				if frames[0].seq == 0 {
					follows <- struct{}{}
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			})
		})
	}
	for range 200 {
		<-follows
	}
	h.call()
	h.server.feed.mu.Lock()
	defer h.server.feed.mu.Unlock()
	h.sender.bodies.mu.Lock()
	defer h.sender.bodies.mu.Unlock()
	for range 10 {
		h.call()
	}
}
