package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// maxGroup is how many writes share one commit.
const maxGroup = 256

// write is one thing to be done in the next transaction.
type write struct {
	ctx    context.Context
	do     func(context.Context, *sql.Tx) error
	events bool
	done   chan error // has room for one
}

// do has f done by the writer, and returns once it is durable or has failed. If
// ctx ends first f may still be done.
func (s *Store) do(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	return s.submit(&write{ctx: ctx, do: f, done: make(chan error, 1)})
}

func (s *Store) submit(w *write) error {
	begin := time.Now()
	select {
	case s.queue <- w:
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
		case <-s.stop:
			for len(s.queue) > 0 {
				s.commit(s.gather(<-s.queue))
			}
			return
		}
	}
}

func (s *Store) gather(first *write) []*write {
	group := []*write{first}
	for len(group) < maxGroup && len(s.queue) > 0 {
		group = append(group, <-s.queue)
	}
	return group
}

// commit does a group. One that fails is undone alone; a commit that fails
// fails them all.
func (s *Store) commit(group []*write) {
	results := make([]error, len(group))
	err := s.transact(group, results)
	events := false
	for i, w := range group {
		if err != nil && results[i] == nil {
			results[i] = err
		}
		events = events || w.events && results[i] == nil
	}
	if events {
		s.announce()
	}
	for i, w := range group {
		w.done <- results[i]
	}
}

func (s *Store) transact(group []*write, results []error) error {
	// Somebody who has gone away must not undo the others' work.
	ctx := context.Background()
	tx, err := s.writes.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for i, w := range group {
		if results[i] = context.Cause(w.ctx); results[i] != nil {
			continue
		}
		if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
			return errors.Join(fmt.Errorf("store: %w", err), tx.Rollback())
		}
		end := "RELEASE one"
		if results[i] = w.do(ctx, tx); results[i] != nil {
			end = "ROLLBACK TO one; RELEASE one"
		}
		if _, err := tx.ExecContext(ctx, end); err != nil {
			return errors.Join(fmt.Errorf("store: %w", err), results[i], tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		// A commit that failed leaves the transaction open in SQLite.
		_, _ = s.writes.ExecContext(ctx, "ROLLBACK")
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Writable tries a write.
func (s *Store) Writable(ctx context.Context) error {
	return s.do(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE api_keys SET last_used_at = last_used_at WHERE id = ''")
		return err
	})
}
