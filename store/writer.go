package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

// maxGroup is how many writes share one commit, and maxLater how many of them may
// be such as no call waits for.
const (
	maxGroup = 256
	maxLater = 8
)

// write is one thing to be done in the next transaction.
type write struct {
	ctx    context.Context
	do     func(context.Context, *tx) error
	events bool
	later  bool       // no call waits for it: it does not hold up those that one does
	done   chan error // has room for one
}

// do has f done by the writer, and returns once it is durable or has failed. If
// ctx ends first f may still be done.
func (s *Store) do(ctx context.Context, f func(context.Context, *tx) error) error {
	return s.submit(&write{ctx: ctx, do: f, done: make(chan error, 1)})
}

// doLater is do for the books that are kept beside calls: what was delivered, what
// is old.
func (s *Store) doLater(ctx context.Context, f func(context.Context, *tx) error) error {
	return s.submit(&write{ctx: ctx, do: f, later: true, done: make(chan error, 1)})
}

func (s *Store) submit(w *write) error {
	begin := time.Now()
	queue := s.queue
	if w.later {
		queue = s.later
	}
	select {
	case queue <- w:
	case <-s.stop:
		return ErrClosed
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
	select {
	case err := <-w.done:
		s.cfg.Metrics.wrote(time.Since(begin))
		return err
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// write is the one writer: all that waits goes into one transaction.
func (s *Store) write() {
	for {
		select {
		case w := <-s.queue:
			s.commit(s.gather(w))
		case w := <-s.later:
			s.commit(s.gather(w))
		case <-s.stop:
			for len(s.queue)+len(s.later) > 0 {
				s.commit(s.gather())
			}
			return
		}
	}
}

// gather takes what waits: all that calls wait for, and some of the rest, so that
// neither stands still.
func (s *Store) gather(group ...*write) []*write {
	for len(group) < maxGroup && len(s.queue) > 0 {
		group = append(group, <-s.queue)
	}
	for range maxLater {
		if len(group) < maxGroup && len(s.later) > 0 {
			group = append(group, <-s.later)
		}
	}
	return group
}

// commit does a group. One that fails is undone alone; a commit that fails
// fails them all.
func (s *Store) commit(group []*write) {
	results := make([]error, len(group))
	err := s.transact(group, results)
	if err != nil || len(group) == 1 && results[0] != nil {
		s.tx.endpoints = nil // rolled back
	}
	events := false
	for i, w := range group {
		if err != nil && results[i] == nil {
			results[i] = err
		}
		events = events || w.events && results[i] == nil
	}
	if events || len(s.tx.touched) > 0 {
		s.announce()
	}
	for i, w := range group {
		w.done <- results[i]
	}
}

// transact does a group in one transaction. Only where there are several needs
// each a savepoint to be undone alone.
func (s *Store) transact(group []*write, results []error) error {
	// Somebody who has gone away must not undo the others' work.
	ctx := context.Background()
	if err := s.tx.flushes(ctx, slices.ContainsFunc(group, func(w *write) bool { return !w.later })); err != nil {
		return err
	}
	if err := s.tx.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for i, w := range group {
		if results[i] = context.Cause(w.ctx); results[i] != nil {
			continue
		}
		if err := s.tx.one(ctx, w, &results[i], len(group) > 1); err != nil {
			return errors.Join(err, s.tx.exec(ctx, "ROLLBACK"))
		}
	}
	if len(group) == 1 && results[0] != nil {
		return s.tx.exec(ctx, "ROLLBACK")
	}
	if err := s.tx.exec(ctx, "COMMIT"); err != nil {
		_ = s.tx.exec(ctx, "ROLLBACK") // a commit that failed leaves the transaction open in SQLite
		return err
	}
	return nil
}

// Writable tries a write that changes something: only that takes room on the disk.
func (s *Store) Writable(ctx context.Context) error {
	return s.do(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO marks (name, value) VALUES ('tried', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
		return err
	})
}
