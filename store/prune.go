package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// pruneStep is how many rows one transaction drops: calls wait for it. After each
// the disk rests for as long as it took.
const pruneStep = 100

// rest waits for as long as has passed since then, so that who writes meanwhile
// has the disk for half of the time at least.
func rest(ctx context.Context, since time.Time) error {
	select {
	case <-time.After(time.Since(since)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tidy drops what is too old, hourly.
func (s *Store) tidy() {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.stop
		cancel()
	}()
	for {
		select {
		case <-s.stop:
			return
		case now := <-ticker.C:
			if err := s.Prune(ctx, now); err != nil && !errors.Is(err, ErrClosed) && ctx.Err() == nil {
				s.log.Error("store: old records not dropped", "err", err)
			}
			s.cfg.Metrics.size(s.cfg.Path)
		}
	}
}

// Prune drops events, ended calls, idempotency keys and sessions that are too
// old at now, in small steps. An event that is still to be delivered stays, and so
// does one that was given up of late.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	err := errors.Join(
		s.drop(ctx, "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE created_at < ? LIMIT ?)", now.Add(-keepAnswers)),
		s.drop(ctx, "DELETE FROM attempts WHERE rowid IN (SELECT rowid FROM attempts WHERE at < ? LIMIT ?)", now.Add(-keepAttempts)),
		s.drop(ctx, "DELETE FROM voicemails WHERE rowid IN (SELECT rowid FROM voicemails WHERE at < ? LIMIT ?)", now.Add(-keepAttempts)),
		s.drop(ctx, "DELETE FROM rep_tokens WHERE rowid IN (SELECT rowid FROM rep_tokens WHERE expires_at < ? LIMIT ?)", now))
	if s.cfg.KeepEvents > 0 && err == nil {
		err = s.pruneEvents(ctx, now.Add(-s.cfg.KeepEvents))
	}
	if s.cfg.KeepCalls > 0 && err == nil {
		err = s.drop(ctx, "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE ended_at > 0 AND ended_at < ? LIMIT ?)", now.Add(-s.cfg.KeepCalls))
	}
	return err
}

// drop runs a statement that drops at most some rows until there are no more.
func (s *Store) drop(ctx context.Context, statement string, before time.Time) error {
	for {
		var n int64
		began := time.Now()
		err := s.doLater(ctx, func(ctx context.Context, tx *tx) error {
			result, err := tx.ExecContext(ctx, statement, before.UnixMicro(), pruneStep)
			if err == nil {
				n, err = result.RowsAffected()
			}
			return err
		})
		if err != nil || n < pruneStep {
			return err
		}
		if err := rest(ctx, began); err != nil {
			return err
		}
	}
}

// pruneEvents moves the horizon up to the newest event from before then.
func (s *Store) pruneEvents(ctx context.Context, before time.Time) error {
	var first, last sql.NullInt64
	err := s.reads.QueryRowContext(ctx, "SELECT (SELECT min(seq) FROM events), (SELECT seq FROM events WHERE at < ? ORDER BY at DESC, seq DESC LIMIT 1)", before.UnixMicro()).Scan(&first, &last)
	if err != nil || !last.Valid {
		return err
	}
	for low := first.Int64; low <= last.Int64; low += pruneStep {
		high, began := min(low+pruneStep-1, last.Int64), time.Now()
		err := s.doLater(ctx, func(ctx context.Context, tx *tx) error {
			for _, statement := range []string{
				"DELETE FROM events WHERE seq BETWEEN ?1 AND ?2 AND seq NOT IN (SELECT seq FROM deliveries WHERE seq BETWEEN ?1 AND ?2 AND (state IN ('pending', 'waiting') OR last_at >= ?3))",
				"DELETE FROM deliveries WHERE seq BETWEEN ?1 AND ?2 AND state IN ('done', 'dead') AND last_at < ?3",
				"UPDATE marks SET value = max(value, ?2) WHERE name = 'horizon' AND ?1 > 0 AND ?3 > 0",
			} {
				if _, err := tx.ExecContext(ctx, statement, low, high, before.UnixMicro()); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			err = rest(ctx, began)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
