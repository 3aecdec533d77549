package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/bridge"
)

// Envelope is an event in the stream of everything that happens.
type Envelope struct {
	Seq    int64 // its place in the stream
	Event  bridge.Event
	Record bridge.Record // of a call.… event: the call as it stood after it
	Rep    *Rep          // of a rep.… event: the rep likewise; else nil
	RepID  string        // whose event it is, "" = nobody's
	Test   bool          // of the world of test keys

	Endpoint *Endpoint       // of webhook.test
	Trunk    json.RawMessage // of a trunk.… event: what TrunkTurned was given
}

// Emit keeps events and the record they lead to, durably before it returns nil.
// They must follow on what is kept (else ErrSequence); those that are kept
// already, by a write whose caller did not wait for it, count as done.
func (s *Store) Emit(ctx context.Context, record bridge.Record, events ...bridge.Event) error {
	return s.emit(ctx, record, events, func(context.Context, *tx) error { return nil })
}

// emit is Emit, with something else in the same transaction.
func (s *Store) emit(ctx context.Context, record bridge.Record, events []bridge.Event, also func(context.Context, *tx) error) error {
	err := s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		return errors.Join(emit(ctx, tx, &record, events), also(ctx, tx))
	}})
	if record.Ending != nil {
		s.cfg.Metrics.record(err)
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", record.ID, err)
	}
	return nil
}

func emit(ctx context.Context, tx *tx, record *bridge.Record, events []bridge.Event) error {
	sequence, err := keptSequence(ctx, tx, record.ID)
	if err != nil {
		return err
	}
	for len(events) > 0 && events[0].Seq <= sequence {
		if err := sameEvent(ctx, tx, events[0]); err != nil {
			return err
		}
		events = events[1:]
	}
	for i, e := range events {
		if e.Seq != sequence+1+i {
			return fmt.Errorf("%s: event %d after %d: %w", record.ID, e.Seq, sequence+i, ErrSequence)
		}
	}
	if last := sequence + len(events); last != record.Sequence {
		return fmt.Errorf("%s: the events lead to %d, the record is at %d: %w", record.ID, last, record.Sequence, ErrSequence)
	}
	if len(events) == 0 {
		return nil
	}
	return follow(ctx, tx, record, events)
}

// follow adds events that lead to a record, and puts that in the place of the
// one kept.
func follow(ctx context.Context, tx *tx, record *bridge.Record, events []bridge.Event) error {
	end := len(events) - 1
	var kept bridge.Record // is read only where an event is not the last: the record is what that one leads to
	if end > 0 {
		var err error
		if kept, err = keptRecord(ctx, tx, record.ID); err != nil {
			return err
		}
	}
	doc, err := json.Marshal(record)
	if err != nil {
		return err
	}
	metadata := false
	for i, e := range events {
		metadata = metadata || e.Patch != nil || e.Asked != nil
		after, text := record, doc
		if i < end {
			kept.Apply(e)
			after = &kept
			if text, err = json.Marshal(after); err != nil {
				return err
			}
		}
		if err := errors.Join(attempted(ctx, tx, e, after), greeted(ctx, tx, e, after)); err != nil {
			return err
		}
		if err := addEvent(ctx, tx, e, text, after.Asked.RepID, after.Asked.Test); err != nil {
			return err
		}
	}
	ended := slices.ContainsFunc(events, func(e bridge.Event) bool { return e.Type == bridge.CallEnded })
	if err := putRecord(ctx, tx, record, doc, metadata); err != nil || !ended {
		return err
	}
	return errors.Join(spent(ctx, tx, record), verified(ctx, tx, record))
}

// keptSequence is how far a call is kept; 0 = not at all.
func keptSequence(ctx context.Context, tx *tx, id string) (sequence int, err error) {
	err = tx.QueryRowContext(ctx, "SELECT sequence FROM calls WHERE id = ?", id).Scan(&sequence)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return sequence, err
}

func keptRecord(ctx context.Context, tx *tx, id string) (record bridge.Record, err error) {
	var doc string
	err = tx.QueryRowContext(ctx, "SELECT record FROM calls WHERE id = ?", id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return record, nil
	}
	if err != nil {
		return record, err
	}
	return record, json.Unmarshal([]byte(doc), &record)
}

func sameEvent(ctx context.Context, tx *tx, e bridge.Event) error {
	var id string
	err := tx.QueryRowContext(ctx, "SELECT id FROM events WHERE call_id = ? AND call_seq = ?", e.Call, e.Seq).Scan(&id)
	if err != nil || id != e.ID {
		return errors.Join(fmt.Errorf("%s: event %d is another: %w", e.Call, e.Seq, ErrSequence), err)
	}
	return nil
}

// addEvent puts an event into the stream, with what it leads to as JSON.
func addEvent(ctx context.Context, tx *tx, e bridge.Event, doc []byte, rep string, test bool) error {
	event, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO events (id, call_id, call_seq, type, at, event, record, rep_id, test) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.ID, e.Call, e.Seq, string(e.Type), e.At.UnixMicro(), string(event), string(doc), rep, test)
	return err
}

// putRecord writes a record, whose JSON is doc, with its metadata where that is new.
func putRecord(ctx context.Context, tx *tx, r *bridge.Record, doc []byte, metadata bool) error {
	outcome := ""
	if r.Ending != nil {
		outcome = string(r.Ending.Outcome)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO calls (id, sequence, status, outcome, rep_number, rep_id, test, created_at, ended_at, record)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
		sequence = excluded.sequence, status = excluded.status, outcome = excluded.outcome, ended_at = excluded.ended_at, record = excluded.record`,
		r.ID, r.Sequence, string(r.Status), outcome, r.Asked.RepNumber, r.Asked.RepID, r.Asked.Test, r.CreatedAt.UnixMicro(), micros(r.EndedAt), string(doc))
	if err != nil || !metadata {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM call_metadata WHERE call_id = ?", r.ID); err != nil {
		return err
	}
	for key, value := range r.Metadata {
		if _, err := tx.ExecContext(ctx, "INSERT INTO call_metadata (call_id, key, value, created_at) VALUES (?, ?, ?, ?)", r.ID, key, value, r.CreatedAt.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// micros is a time as it is kept: 0 = none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// EventFilter narrows the stream; zero fields do not.
type EventFilter struct {
	Test  bool     // the world of test keys
	Types []string // names, or prefixes that end in *
	Call  string
	Rep   string // id of a rep: its own events and those of its calls

	Everything bool // of both worlds; the other fields do not count
}

// Takes reports whether an event passes the filter.
func (f *EventFilter) Takes(e *Envelope) bool {
	return f.Everything || e.Test == f.Test && (f.Rep == "" || e.RepID == f.Rep) && (f.Call == "" || e.Event.Call == f.Call) &&
		(len(f.Types) == 0 || slices.ContainsFunc(f.Types, func(t string) bool {
			prefix, wild := strings.CutSuffix(t, "*")
			return string(e.Event.Type) == t || wild && strings.HasPrefix(string(e.Event.Type), prefix)
		}))
}

// EventsAfter reads on in the stream, at most limit events, oldest first.
func (s *Store) EventsAfter(ctx context.Context, seq int64, filter EventFilter, limit int) ([]Envelope, error) {
	query, args := "SELECT seq, event, record, rep_id, test FROM events WHERE seq > max(?, (SELECT value FROM marks WHERE name = 'horizon'))", []any{seq}
	if filter.Everything {
		filter = EventFilter{}
	} else {
		query, args = query+" AND test = ?", append(args, filter.Test)
	}
	if filter.Rep != "" {
		query, args = query+" AND rep_id = ? AND rep_id <> ''", append(args, filter.Rep)
	}
	if filter.Call != "" {
		query, args = query+" AND call_id = ?", append(args, filter.Call)
	}
	var types []string
	for _, t := range filter.Types {
		if prefix, wild := strings.CutSuffix(t, "*"); wild {
			types, args = append(types, "substr(type, 1, ?) = ?"), append(args, len(prefix), prefix)
		} else {
			types, args = append(types, "type = ?"), append(args, t)
		}
	}
	if len(types) > 0 {
		query += " AND (" + strings.Join(types, " OR ") + ")"
	}
	rows, err := s.reads.QueryContext(ctx, query+" ORDER BY seq LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	defer rows.Close()
	var found []Envelope
	for rows.Next() {
		var e Envelope
		var event, record string
		if err := rows.Scan(&e.Seq, &event, &record, &e.RepID, &e.Test); err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
		if err := e.open(event, record); err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		found = append(found, e)
	}
	return found, rows.Err()
}

// EventRange is the oldest and the newest event's place in the stream. With
// none kept, oldest is one more than newest.
func (s *Store) EventRange(ctx context.Context) (oldest, newest int64, err error) {
	var last sql.NullInt64
	err = s.reads.QueryRowContext(ctx, "SELECT value + 1, (SELECT seq FROM sqlite_sequence WHERE name = 'events') FROM marks WHERE name = 'horizon'").Scan(&oldest, &last)
	if err != nil {
		return 0, 0, fmt.Errorf("events: %w", err)
	}
	return oldest, last.Int64, nil
}

// open reads the two documents of an event.
func (e *Envelope) open(event, record string) error {
	if err := json.Unmarshal([]byte(event), &e.Event); err != nil {
		return err
	}
	var into any = &e.Record
	switch kind, _, _ := strings.Cut(string(e.Event.Type), "."); kind {
	case "rep":
		e.Rep = new(Rep)
		into = e.Rep
	case "webhook":
		e.Endpoint = new(Endpoint)
		into = e.Endpoint
	case "trunk":
		into = &e.Trunk
	}
	return json.Unmarshal([]byte(record), into)
}
