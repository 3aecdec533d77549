package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// keepAnswers is how long a request may be repeated [T_idem].
const keepAnswers = 24 * time.Hour

// Claim is one request that may be repeated.
type Claim struct {
	Scope    string // API key, method and path
	Key      string // Idempotency-Key
	BodyHash string
	CallID   string // the call it is to make
}

// Answer is what was said to a request, for its repetitions.
type Answer struct {
	Status int               `json:"status"` // 0 = none yet
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// Prior is an earlier request with the same key.
type Prior struct {
	Claim
	Answer
	At time.Time
}

// Claim makes a request the first with its key, durably, and returns nil; or
// returns the one that was.
func (s *Store) Claim(ctx context.Context, c Claim) (prior *Prior, err error) {
	now := time.Now()
	err = s.do(ctx, func(ctx context.Context, tx *tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM idempotency WHERE scope = ? AND key = ? AND created_at < ?",
			c.Scope, c.Key, now.Add(-keepAnswers).UnixMicro()); err != nil {
			return err
		}
		found := Prior{Claim: Claim{Scope: c.Scope, Key: c.Key}}
		var answer string
		var at int64
		err := tx.QueryRowContext(ctx, "SELECT body_hash, call_id, status, answer, created_at FROM idempotency WHERE scope = ? AND key = ?", c.Scope, c.Key).
			Scan(&found.BodyHash, &found.CallID, &found.Status, &answer, &at)
		if errors.Is(err, sql.ErrNoRows) {
			_, err = tx.ExecContext(ctx, "INSERT INTO idempotency (scope, key, body_hash, call_id, status, answer, created_at) VALUES (?, ?, ?, ?, 0, '{}', ?)",
				c.Scope, c.Key, c.BodyHash, c.CallID, now.UnixMicro())
			return err
		}
		if err != nil {
			return err
		}
		found.At = time.UnixMicro(at)
		prior = &found
		return json.Unmarshal([]byte(answer), &found.Answer)
	})
	if err != nil {
		return nil, fmt.Errorf("idempotency key: %w", err)
	}
	return prior, nil
}

// Answered keeps what was said to a claimed request.
func (s *Store) Answered(ctx context.Context, c Claim, a Answer) error {
	doc, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.do(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE idempotency SET status = ?, answer = ? WHERE scope = ? AND key = ?", a.Status, string(doc), c.Scope, c.Key)
		return err
	})
}

// Unclaim forgets a request that came to nothing.
func (s *Store) Unclaim(ctx context.Context, c Claim) error {
	return s.do(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM idempotency WHERE scope = ? AND key = ? AND status = 0", c.Scope, c.Key)
		return err
	})
}
