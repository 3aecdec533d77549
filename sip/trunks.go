package sip

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// trunkTable is the trunks there are, in the order of the configuration; those
// that are draining come last.
type trunkTable struct {
	mu  sync.RWMutex
	all []*trunk
}

// named returns a trunk, nil when there is none of that name.
func (tt *trunkTable) named(name string) *trunk {
	tt.mu.RLock()
	defer tt.mu.RUnlock()
	for _, t := range tt.all {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// list returns the trunks as they are now.
func (tt *trunkTable) list() []*trunk {
	tt.mu.RLock()
	defer tt.mu.RUnlock()
	return slices.Clone(tt.all)
}

// Trunks returns the state of every trunk, in the order of the Config.
func (e *Endpoint) Trunks() []TrunkStatus {
	e.sweep()
	trunks := e.trunks.list()
	all := make([]TrunkStatus, 0, len(trunks))
	for _, t := range trunks {
		all = append(all, t.status())
	}
	return all
}

// Reconfigure makes these the trunks. One that stays keeps its state, and its
// calls; one that has gone takes no new calls, and goes when its last has
// ended. With an error nothing has changed.
func (e *Endpoint) Reconfigure(trunks []TrunkConfig) error {
	var made []*trunk
	for _, cfg := range trunks {
		if slices.ContainsFunc(made, func(t *trunk) bool { return t.Name == cfg.Name }) {
			return fmt.Errorf("trunk %s: configured twice", cfg.Name)
		}
		t, err := e.newTrunk(cfg)
		if err != nil {
			return err
		}
		made = append(made, t)
	}
	e.mu.Lock() // against Close, which waits for those who look after a trunk
	defer e.mu.Unlock()
	if e.closing {
		return ErrClosed
	}
	e.trunks.mu.Lock()
	defer e.trunks.mu.Unlock()
	for i, t := range made {
		at := slices.IndexFunc(e.trunks.all, func(old *trunk) bool { return old.Name == t.Name })
		if at < 0 {
			e.begin(t)
			e.keepers.Go(func() { e.letIn(e.ctx, &t.TrunkConfig) })
			continue
		}
		old := e.trunks.all[at]
		e.trunks.all = slices.Delete(e.trunks.all, at, at+1)
		old.change(func() { old.draining = false })
		if reflect.DeepEqual(old.TrunkConfig, t.TrunkConfig) {
			made[i] = old
			continue
		}
		old.stop()
		t.pulse = old.pulse
		e.locator.forget(t.Name)
		e.begin(t)
		e.keepers.Go(func() { e.letIn(e.ctx, &t.TrunkConfig) })
	}
	for _, gone := range e.trunks.all {
		gone.stop()
		gone.change(func() { gone.draining = true })
		made = append(made, gone)
	}
	e.trunks.all = made
	return nil
}

// newTrunk is a trunk of this endpoint's.
func (e *Endpoint) newTrunk(cfg TrunkConfig) (*trunk, error) {
	t, err := newTrunk(cfg, e.metrics)
	if err == nil && e.cfg.TrunkTurned != nil {
		t.turned = e.cfg.TrunkTurned
	}
	return t, err
}

// begin looks after a trunk until it changes, goes, or the endpoint closes.
func (e *Endpoint) begin(t *trunk) {
	e.metrics.trunk(t.TrunkConfig)
	t.change(func() { t.count.trunkUp(t.Name, t.up) })
	var ctx context.Context
	ctx, t.stop = context.WithCancel(e.quit)
	if t.Keepalive.Every > 0 {
		e.keepers.Go(func() { e.watch(ctx, t) })
	}
	if t.Register.Expires > 0 {
		e.registering.Go(func() { newRegistrar(e, t).run(ctx) })
	}
}

// sweep drops the trunks whose last call has ended.
func (e *Endpoint) sweep() {
	e.trunks.mu.Lock()
	defer e.trunks.mu.Unlock()
	e.trunks.all = slices.DeleteFunc(e.trunks.all, func(t *trunk) bool {
		s := t.status()
		over := s.Draining && s.InUse == 0 && s.Reserved == 0
		if over {
			e.metrics.trunkGone(t.Name)
		}
		return over
	})
}
