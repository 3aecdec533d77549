package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"tandem/bridge"
)

// DeliveryState is how far one event has come on its way to one endpoint.
type DeliveryState string

// A delivery waits while an earlier event of the same call is not delivered.
const (
	DeliveryWaiting DeliveryState = "waiting"
	DeliveryPending DeliveryState = "pending"
	DeliveryDone    DeliveryState = "done"
	DeliveryDead    DeliveryState = "dead" // given up
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID        int64
	Endpoint  string
	Seq       int64  // of the event
	Subject   string // the call, or rep
	EventID   string
	EventType bridge.EventType
	State     DeliveryState
	Attempts  int
	CreatedAt time.Time
	NextAt    time.Time // of a pending one
	LastAt    time.Time // begin of the last attempt, zero = none yet
	Code      int       // of its answer, 0 = none
	Took      time.Duration
	Answer    string // its beginning
	Error     string
}

// TakeTouched returns the endpoints that got something to be delivered since the
// last time it was called.
func (s *Store) TakeTouched() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.touched {
		ids = append(ids, id)
	}
	clear(s.touched)
	return ids
}

const deliveryColumns = `SELECT d.id, d.endpoint_id, d.seq, d.subject, coalesce(e.id, ''), coalesce(e.type, ''), d.state, d.attempts,
	d.created_at, d.next_at, d.last_at, d.code, d.took, d.answer, d.error FROM deliveries d LEFT JOIN events e ON e.seq = d.seq`

func scanDeliveries(rows *sql.Rows) (found []Delivery, err error) {
	defer rows.Close()
	for rows.Next() {
		var d Delivery
		var created, next, last int64
		if err := rows.Scan(&d.ID, &d.Endpoint, &d.Seq, &d.Subject, &d.EventID, &d.EventType, &d.State, &d.Attempts,
			&created, &next, &last, &d.Code, &d.Took, &d.Answer, &d.Error); err != nil {
			return nil, err
		}
		d.CreatedAt = time.UnixMicro(created)
		if d.State == DeliveryPending {
			d.NextAt = time.UnixMicro(next)
		}
		if last != 0 {
			d.LastAt = time.UnixMicro(last)
		}
		found = append(found, d)
	}
	return found, rows.Err()
}

// Due lists what is to be sent to an endpoint by now, most urgent first, and
// when the next one is due that is not in the list; zero = none.
func (s *Store) Due(ctx context.Context, endpoint string, now time.Time, limit int) (due []Delivery, next time.Time, err error) {
	rows, err := s.reads.QueryContext(ctx, deliveryColumns+" WHERE d.endpoint_id = ? AND d.state = 'pending' ORDER BY d.next_at, d.seq LIMIT ?", endpoint, limit+1)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("deliveries: %w", err)
	}
	if due, err = scanDeliveries(rows); err != nil {
		return nil, time.Time{}, fmt.Errorf("deliveries: %w", err)
	}
	for i := range due {
		if i == limit || due[i].NextAt.After(now) {
			return due[:i], due[i].NextAt, nil
		}
	}
	return due, time.Time{}, nil
}

// Deliveries lists those to an endpoint, newest first, from before the id that
// the page before ended with, 0 = the newest.
func (s *Store) Deliveries(ctx context.Context, endpoint string, before int64, limit int) (found []Delivery, more bool, err error) {
	rows, err := s.reads.QueryContext(ctx, deliveryColumns+" WHERE d.endpoint_id = ? AND (d.id < ? OR ? = 0) ORDER BY d.id DESC LIMIT ?", endpoint, before, before, limit+1)
	if err == nil {
		found, err = scanDeliveries(rows)
	}
	if err != nil {
		return nil, false, fmt.Errorf("deliveries: %w", err)
	}
	if len(found) > limit {
		return found[:limit], true, nil
	}
	return found, false, nil
}

// Event reads one event of the stream, however old; ErrNotFound = none.
func (s *Store) Event(ctx context.Context, seq int64) (e Envelope, err error) {
	var event, record string
	err = s.reads.QueryRowContext(ctx, "SELECT seq, event, record FROM events WHERE seq = ?", seq).Scan(&e.Seq, &event, &record)
	if err == nil {
		err = e.open(event, record)
	}
	if err != nil {
		return e, fmt.Errorf("event %d: %w", seq, err)
	}
	return e, nil
}

// Attempt is an attempt that has ended: the delivery as it stands after it.
type Attempt struct {
	Delivery
	Passed bool            // later events of the call need not wait for this one
	Change func(*Endpoint) // what it means for the endpoint
}

// Finished keeps how attempts ended, and lets each call's next event go where that
// may. An attempt that is under way is not written down: who dies before its end
// makes it again.
func (s *Store) Finished(ctx context.Context, attempts []Attempt) error {
	return s.doLater(ctx, func(ctx context.Context, tx *tx) error {
		for i := range attempts {
			if err := tx.finish(ctx, &attempts[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) finish(ctx context.Context, a *Attempt) error {
	_, err := t.ExecContext(ctx, `UPDATE deliveries SET attempts = ?, last_at = ?, state = ?, next_at = ?, passed = passed OR ?, code = ?, took = ?, answer = ?, error = ?
		WHERE id = ? AND state = 'pending'`, a.Attempts, a.LastAt.UnixMicro(), a.State, a.NextAt.UnixMicro(), a.Passed, a.Code, a.Took, a.Answer, a.Error, a.ID)
	if err == nil && (a.State != DeliveryPending || a.Passed) {
		err = t.advance(ctx, a.Endpoint, a.Subject)
	}
	if err != nil {
		return err
	}
	endpoints, err := t.allEndpoints(ctx)
	at := slices.IndexFunc(endpoints, func(e Endpoint) bool { return e.ID == a.Endpoint })
	if err != nil || at < 0 {
		return err
	}
	endpoint := endpoints[at]
	a.Change(&endpoint)
	if endpoint.Disabled == endpoints[at].Disabled && endpoint.FailingSince.Equal(endpoints[at].FailingSince) {
		return nil
	}
	return t.changeEndpoint(ctx, &endpoint)
}

// advance lets the first waiting event of a call go, unless one before it holds
// it back.
func (t *tx) advance(ctx context.Context, endpoint, subject string) error {
	_, err := t.ExecContext(ctx, `UPDATE deliveries SET state = 'pending', next_at = ?3 WHERE id =
		(SELECT id FROM deliveries INDEXED BY deliveries_line WHERE endpoint_id = ?1 AND subject = ?2 AND state IN ('pending', 'waiting') AND state = 'waiting' ORDER BY seq LIMIT 1)
		AND NOT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_line WHERE endpoint_id = ?1 AND subject = ?2 AND state IN ('pending', 'waiting') AND state = 'pending' AND passed = 0)`,
		endpoint, subject, time.Now().UnixMicro())
	t.touched[endpoint] = true
	return err
}

// Replay has the deliveries of an endpoint that were given up since then made
// again, in the order of the events; it says how many.
func (s *Store) Replay(ctx context.Context, endpoint string, since time.Time) (n int64, err error) {
	err = s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		if err := tx.spreadFirst(ctx); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = 'waiting', attempts = 0, passed = 0, error = '' WHERE endpoint_id = ? AND state = 'dead' AND created_at >= ?
			AND EXISTS (SELECT 1 FROM events WHERE seq = deliveries.seq)`, endpoint, since.UnixMicro())
		if err != nil {
			return err
		}
		if n, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET state = 'pending', next_at = ?2 WHERE endpoint_id = ?1 AND state = 'waiting'
			AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.endpoint_id = ?1 AND o.subject = deliveries.subject AND o.state IN ('pending', 'waiting') AND o.seq < deliveries.seq)
			AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.endpoint_id = ?1 AND o.subject = deliveries.subject AND o.state = 'pending')`,
			endpoint, time.Now().UnixMicro())
		tx.touched[endpoint] = true
		return err
	}})
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	return n, nil
}

// Backlog is how much is still to be delivered, and since when.
func (s *Store) Backlog(ctx context.Context) (n int64, oldest time.Time, err error) {
	var at sql.NullInt64
	if err := s.reads.QueryRowContext(ctx, "SELECT count(*), min(created_at) FROM deliveries WHERE state IN ('pending', 'waiting')").Scan(&n, &at); err != nil {
		return 0, time.Time{}, fmt.Errorf("deliveries: %w", err)
	}
	if at.Valid {
		oldest = time.UnixMicro(at.Int64)
	}
	return n, oldest, nil
}
