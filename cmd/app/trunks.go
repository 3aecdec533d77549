package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"tandem/sip"
	"tandem/store"
)

// trunkTeller writes trunk.up and trunk.down. Who finds a trunk down does not wait
// for the disk; what a trunk went through while that was slow is not told.
type trunkTeller struct {
	store *store.Store
	log   *slog.Logger
	wake  chan struct{} // closed when there is nothing more to come
	done  sync.WaitGroup

	mu     sync.Mutex
	turns  map[string]bool // names
	closed bool
}

func newTrunkTeller(s *store.Store, log *slog.Logger) *trunkTeller {
	return &trunkTeller{store: s, log: log, wake: make(chan struct{}, 1), turns: make(map[string]bool)}
}

// turned is sip.Config.TrunkTurned.
func (t *trunkTeller) turned(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turns[name] = true
	if t.closed {
		return
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// start tells of the trunks of an endpoint, until stop.
func (t *trunkTeller) start(endpoint *sip.Endpoint) {
	t.done.Go(func() {
		for range t.wake {
			t.tell(endpoint)
		}
	})
}

// stop returns once all is told. The endpoint must have been closed.
func (t *trunkTeller) stop() error {
	t.mu.Lock()
	t.closed = true
	close(t.wake)
	t.mu.Unlock()
	t.done.Wait()
	return nil
}

// tell writes how those trunks are that have turned.
func (t *trunkTeller) tell(endpoint *sip.Endpoint) {
	t.mu.Lock()
	names := slices.Collect(maps.Keys(t.turns))
	clear(t.turns)
	t.mu.Unlock()
	for _, s := range endpoint.Trunks() {
		if !slices.Contains(names, s.Name) {
			continue
		}
		if err := t.write(&s); err != nil {
			t.log.Error("trunk event not written", "trunk", s.Name, "err", err)
		}
	}
}

func (t *trunkTeller) write(s *sip.TrunkStatus) error {
	ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
	defer cancel()
	doc, err := json.Marshal(trunkJSON(s))
	if err != nil {
		return err
	}
	return t.store.TrunkTurned(ctx, s.Name, s.Up, doc)
}
