package store

import (
	"context"
	"fmt"
	"time"

	"tandem/bridge"
)

const dayForm = "2006-01-02"

// spent adds up what a call that has just ended cost, once: nothing follows that
// changes it. Test calls cost nothing.
func spent(ctx context.Context, tx *tx, record *bridge.Record) error {
	if record.Asked.Test {
		return nil
	}
	day := record.EndedAt.UTC().Format(dayForm)
	for _, side := range []bridge.Side{bridge.Rep, bridge.Prospect} {
		leg := record.Leg(side)
		cost, known := leg.Cost(record.EndedAt)
		if !known || leg.AnsweredAt.IsZero() {
			continue
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO spend (day, trunk, side, rep_id, currency, legs, seconds, amount) VALUES (?, ?, ?, ?, ?, 1, ?, ?)
			ON CONFLICT DO UPDATE SET legs = legs + 1, seconds = seconds + excluded.seconds, amount = amount + excluded.amount`,
			day, leg.Trunk, string(side), record.Asked.RepID, leg.Rate.Currency, int64(leg.Rate.Billed(leg.Answered(record.EndedAt))/time.Second), int64(cost))
		if err != nil {
			return fmt.Errorf("spend: %w", err)
		}
	}
	return nil
}

// Spent is what the calls of a trunk that ended on a day (UTC) cost.
func (s *Store) Spent(ctx context.Context, trunk string, day time.Time) (amount bridge.Money, err error) {
	err = s.reads.QueryRowContext(ctx, "SELECT coalesce(sum(amount), 0) FROM spend WHERE day = ? AND trunk = ?", day.UTC().Format(dayForm), trunk).Scan(&amount)
	if err != nil {
		return 0, fmt.Errorf("spend: %w", err)
	}
	return amount, nil
}

// Total is what the legs of one rep on one trunk cost in a month.
type Total struct {
	Rep      string // "" = calls that named no stored rep
	Trunk    string
	Side     bridge.Side
	Currency string
	Legs     int64
	Seconds  int64 // billed
	Amount   bridge.Money
}

// Totals adds up a month, UTC.
func (s *Store) Totals(ctx context.Context, month time.Time) (totals []Total, err error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT rep_id, trunk, side, currency, sum(legs), sum(seconds), sum(amount) FROM spend
		WHERE day LIKE ? GROUP BY rep_id, trunk, side, currency ORDER BY rep_id, trunk, side, currency`, month.Format("2006-01-")+"%")
	if err != nil {
		return nil, fmt.Errorf("totals: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var t Total
		if err := rows.Scan(&t.Rep, &t.Trunk, &t.Side, &t.Currency, &t.Legs, &t.Seconds, &t.Amount); err != nil {
			return nil, fmt.Errorf("totals: %w", err)
		}
		totals = append(totals, t)
	}
	return totals, rows.Err()
}
