package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// spreadRows is how many deliveries one transaction writes, spreadEvents how many
// events it looks at: a call may have to wait for it.
const (
	spreadRows   = 8
	spreadEvents = 100
)

// spreadAll is more than there ever are to be written.
const spreadAll = 1 << 30

// Spread writes whom the next events go to, a few deliveries at a time, and says
// whether there may be more. An event is kept with its call, so that none is lost;
// its deliveries follow from it, so that no call waits for many of them.
func (s *Store) Spread(ctx context.Context) (more bool, err error) {
	var left bool // not more: where ctx ends first this is still written to
	err = s.doLater(ctx, func(ctx context.Context, tx *tx) error {
		more, err := tx.spread(ctx, spreadRows)
		left = more
		return err
	})
	if err != nil {
		return false, fmt.Errorf("deliveries: %w", err)
	}
	return left, nil
}

// spread writes at most room deliveries. The mark moves with them, and past events
// that nobody wants once those are many.
func (t *tx) spread(ctx context.Context, room int64) (more bool, err error) {
	endpoints, err := t.allEndpoints(ctx)
	if err != nil || len(endpoints) == 0 {
		return false, err
	}
	events, err := t.unspread(ctx)
	if err != nil {
		return false, err
	}
	mark, wanted := int64(0), false
	for i := range events {
		e := &events[i]
		if to := addressees(e, endpoints); len(to) > 0 {
			n, err := t.addDeliveries(ctx, e, to, room)
			if err != nil {
				return false, err
			}
			if room -= n; room == 0 {
				more = true // of this event, too, perhaps
				break
			}
			wanted = true
		}
		mark = e.Seq
	}
	if more = more || len(events) == spreadEvents; mark > 0 && (wanted || more) {
		_, err = t.ExecContext(ctx, "UPDATE marks SET value = ? WHERE name = 'spread'", mark)
	}
	return more, err
}

// spreadFirst has all that happened so far go to whom it concerns now, before an
// endpoint changes that.
func (t *tx) spreadFirst(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = t.spread(ctx, spreadAll); err != nil {
			return err
		}
	}
	_, err := t.ExecContext(ctx, "UPDATE marks SET value = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) WHERE name = 'spread'")
	return err
}

// unspread reads what of an event says whom it goes to.
func (t *tx) unspread(ctx context.Context) (events []Envelope, err error) {
	rows, err := t.QueryContext(ctx, `SELECT seq, type, call_id, at, test FROM events
		WHERE seq > (SELECT value FROM marks WHERE name = 'spread') ORDER BY seq LIMIT ?`, spreadEvents)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Envelope
		var at int64
		if err := rows.Scan(&e.Seq, &e.Event.Type, &e.Event.Call, &at, &e.Test); err != nil {
			return nil, err
		}
		e.Event.At = time.UnixMicro(at)
		events = append(events, e)
	}
	return events, rows.Err()
}

// addressee is an endpoint, and why it gets nothing: what it does not get can be
// replayed.
type addressee [2]string

// addressees are the endpoints that an event concerns.
func addressees(e *Envelope, endpoints []Endpoint) (to []addressee) {
	for i := range endpoints {
		endpoint := &endpoints[i]
		switch {
		case endpoint.Test != e.Test:
		case e.Event.Type == WebhookTest && e.Event.Call != endpoint.ID, e.Event.Type != WebhookTest && !endpoint.Wants(e.Event.Type):
		case endpoint.Disabled != "":
			to = append(to, addressee{endpoint.ID, "disabled: " + endpoint.Disabled})
		default:
			to = append(to, addressee{endpoint.ID})
		}
	}
	return to
}

// addDeliveries writes those of an event that are not written, at most room.
func (t *tx) addDeliveries(ctx context.Context, e *Envelope, to []addressee, room int64) (n int64, err error) {
	list, err := json.Marshal(to)
	if err != nil {
		return 0, err
	}
	result, err := t.ExecContext(ctx, `WITH addressee AS (SELECT value ->> 0 AS id, value ->> 1 AS error FROM json_each(?1))
		INSERT INTO deliveries (endpoint_id, seq, subject, created_at, next_at, error, state)
		SELECT a.id, ?2, ?3, ?4, ?4, a.error, CASE WHEN a.error <> '' THEN 'dead' WHEN EXISTS (SELECT 1 FROM deliveries d
			WHERE d.endpoint_id = a.id AND d.subject = ?3 AND d.state IN ('pending', 'waiting') AND (d.state = 'waiting' OR d.passed = 0))
			THEN 'waiting' ELSE 'pending' END
		FROM addressee a WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = ?2 AND d.endpoint_id = a.id) LIMIT ?5`,
		string(list), e.Seq, e.Event.Call, e.Event.At.UnixMicro(), room)
	if err != nil {
		return 0, err
	}
	if n, err = result.RowsAffected(); n > 0 {
		for _, a := range to {
			t.touched[a[0]] = true
		}
	}
	return n, err
}

// allEndpoints reads them once for the writer's life; who changes one has them
// read again.
func (t *tx) allEndpoints(ctx context.Context) ([]Endpoint, error) {
	if t.endpoints != nil {
		return t.endpoints, nil
	}
	var docs string
	if err := t.QueryRowContext(ctx, "SELECT json_group_array(json(doc)) FROM webhook_endpoints").Scan(&docs); err != nil {
		return nil, err
	}
	err := json.Unmarshal([]byte(docs), &t.endpoints)
	return t.endpoints, err
}
