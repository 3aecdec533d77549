package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tandem/bridge"
)

// barStep is how many numbers one transaction puts on the do-not-call list.
const barStep = 500

// keepAttempts is how long it is known that a prospect was dialled, and when a
// rep's voicemail picked up.
const keepAttempts = 31 * 24 * time.Hour

// Barred is a number that is never to be called.
type Barred struct {
	Number  string
	Reason  string
	AddedAt time.Time
}

// Bar puts numbers (E.164) on the do-not-call list, and says how many are new.
func (s *Store) Bar(ctx context.Context, numbers []string, reason string) (added int64, err error) {
	now := time.Now().UnixMicro()
	for len(numbers) > 0 {
		some := numbers[:min(barStep, len(numbers))]
		numbers = numbers[len(some):]
		var news int64
		err := s.do(ctx, func(ctx context.Context, tx *tx) error {
			news = 0
			for _, number := range some {
				result, err := tx.ExecContext(ctx, "INSERT INTO do_not_call (number, reason, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", number, reason, now)
				if err != nil {
					return err
				}
				n, err := result.RowsAffected()
				if err != nil {
					return err
				}
				news += n
			}
			return nil
		})
		if err != nil {
			return added, fmt.Errorf("do-not-call: %w", err)
		}
		added += news
	}
	return added, nil
}

// Unbar takes a number off the list, or says ErrNotFound.
func (s *Store) Unbar(ctx context.Context, number string) error {
	return s.do(ctx, func(ctx context.Context, tx *tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM do_not_call WHERE number = ?", number)
		if err != nil {
			return fmt.Errorf("do-not-call: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrNotFound, err)
		}
		return nil
	})
}

// BarredNumbers lists the list, by number, from after the last of the page before.
func (s *Store) BarredNumbers(ctx context.Context, after string, limit int) (list []Barred, more bool, err error) {
	rows, err := s.reads.QueryContext(ctx, "SELECT number, reason, added_at FROM do_not_call WHERE number > ? ORDER BY number LIMIT ?", after, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("do-not-call: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b Barred
		var at int64
		if err := rows.Scan(&b.Number, &b.Reason, &at); err != nil {
			return nil, false, fmt.Errorf("do-not-call: %w", err)
		}
		b.AddedAt = time.UnixMicro(at).UTC()
		list = append(list, b)
	}
	if len(list) > limit {
		return list[:limit], true, rows.Err()
	}
	return list, false, rows.Err()
}

// Listed is bridge.Past's.
func (s *Store) Listed(ctx context.Context, number string) (listed bool, why string, err error) {
	err = s.reads.QueryRowContext(ctx, "SELECT reason FROM do_not_call WHERE number = ?", number).Scan(&why)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, "", nil
	case err != nil:
		return false, "", fmt.Errorf("do-not-call: %w", err)
	}
	return true, why, nil
}

// Attempts is bridge.Past's.
func (s *Store) Attempts(ctx context.Context, number string, since time.Time) (n int, err error) {
	err = s.reads.QueryRowContext(ctx, "SELECT count(*) FROM attempts WHERE number = ? AND at >= ?", number, since.UnixMicro()).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("attempts: %w", err)
	}
	return n, nil
}

// attempted notes, with the event that says so, that a prospect is dialled: once
// a call, however many trunks it takes.
func attempted(ctx context.Context, tx *tx, e bridge.Event, record *bridge.Record) error {
	if e.Type != bridge.CallProspectDialing || e.Attempt > 1 || record.Asked.Test {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO attempts (number, at) VALUES (?, ?)", record.Asked.To, e.At.UnixMicro())
	return err
}

// Voicemail is bridge.Past's.
func (s *Store) Voicemail(ctx context.Context, number string) (time.Duration, error) {
	var rang int64
	err := s.reads.QueryRowContext(ctx, "SELECT rang FROM voicemails WHERE number = ? ORDER BY rang LIMIT 1", number).Scan(&rang)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("voicemails: %w", err)
	}
	return time.Duration(rang) * time.Microsecond, nil
}

// greeted notes, with the end of a call that it took, when a rep's voicemail
// picked up.
func greeted(ctx context.Context, tx *tx, e bridge.Event, record *bridge.Record) error {
	if e.Voicemail == 0 || record.Asked.Test {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO voicemails (number, rang, at) VALUES (?, ?, ?)", record.Asked.RepNumber, e.Voicemail.Microseconds(), e.At.UnixMicro())
	return err
}
