package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tandem/bridge"
)

// Call returns a call's record as it is kept, or ErrNotFound.
func (s *Store) Call(ctx context.Context, id string) (record bridge.Record, err error) {
	var doc string
	err = s.reads.QueryRowContext(ctx, "SELECT record FROM calls WHERE id = ?", id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return record, fmt.Errorf("call %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return record, fmt.Errorf("call %s: %w", id, err)
	}
	return record, json.Unmarshal([]byte(doc), &record)
}

// CallFilter narrows a list of calls; zero fields do not.
type CallFilter struct {
	Test          bool   // the world of test keys
	Rep           string // id
	Status        bridge.Status
	Outcome       bridge.Outcome
	CreatedAfter  time.Time
	CreatedBefore time.Time
	Metadata      map[string]string
	Oldest        bool   // oldest first; else newest first
	Before        string // id of the last call of the page before
	Limit         int
}

// Calls lists calls. more says that there are others after them.
func (s *Store) Calls(ctx context.Context, f CallFilter) (records []bridge.Record, more bool, err error) {
	query, args := f.query()
	if records, err = s.records(ctx, query, args...); err != nil {
		return nil, false, err
	}
	if len(records) > f.Limit {
		return records[:f.Limit], true, nil
	}
	return records, false, nil
}

// query reads one index in the order of the list, the one that says most: so
// that a page costs the same however many calls there are.
func (f *CallFilter) query() (text string, args []any) {
	from, at := "calls c INDEXED BY "+f.index(), "c.created_at, c.id"
	keys := slices.Sorted(maps.Keys(f.Metadata))
	where := []string{"c.test = ?"}
	args = append(args, f.Test)
	and := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if len(keys) > 0 && !f.live() && f.Rep == "" {
		from, at = "call_metadata m INDEXED BY call_metadata_value CROSS JOIN calls c ON c.id = m.call_id", "m.created_at, m.call_id"
		and("m.key = ? AND m.value = ?", keys[0], f.Metadata[keys[0]])
		keys = keys[1:]
	}
	created, id, _ := strings.Cut(at, ", ")
	for _, key := range keys {
		and("EXISTS (SELECT 1 FROM call_metadata o WHERE o.call_id = c.id AND o.key = ? AND o.value = ?)", key, f.Metadata[key])
	}
	if f.Rep != "" {
		and("c.rep_id = ?", f.Rep)
	}
	if f.Status != "" {
		and("c.status = ?", string(f.Status))
	}
	if f.Outcome != "" {
		and("c.outcome = ? AND c.outcome <> ''", string(f.Outcome)) // the second is what the index is of
	}
	// A page is read from where the one before ended: + leaves the other bound of that
	// side out of the search, or each page would be searched from the first on.
	after, before := created, created
	order, beyond := " DESC", "<"
	switch {
	case f.Oldest:
		order, beyond = " ASC", ">"
		if f.Before != "" {
			after = "+" + created
		}
	case f.Before != "":
		before = "+" + created
	}
	if !f.CreatedAfter.IsZero() {
		and(after+" >= ?", f.CreatedAfter.UnixMicro())
	}
	if !f.CreatedBefore.IsZero() {
		and(before+" < ?", f.CreatedBefore.UnixMicro())
	}
	if f.Before != "" {
		and("("+at+") "+beyond+" ((SELECT created_at FROM calls WHERE id = ?), ?)", f.Before, f.Before)
	}
	return "SELECT c.record FROM " + from + " WHERE " + strings.Join(where, " AND ") +
		" ORDER BY " + created + order + ", " + id + order + " LIMIT ?", append(args, f.Limit+1)
}

// live reports whether only calls are wanted that are up: they are few.
func (f *CallFilter) live() bool { return f.Status != "" && f.Status != bridge.Ended }

// index is the one of calls that narrows most.
func (f *CallFilter) index() string {
	switch {
	case f.live():
		return "calls_status"
	case f.Rep != "":
		return "calls_rep"
	case f.Outcome != "":
		return "calls_outcome"
	case f.Status != "":
		return "calls_status"
	}
	return "calls_created"
}

// unfinished is true of the calls that are up, in the words of the index calls_live.
const unfinished = "status <> 'ended'"

// Unfinished lists the calls that have not ended: after a crash, those that
// were up.
func (s *Store) Unfinished(ctx context.Context) ([]bridge.Record, error) {
	return s.records(ctx, "SELECT record FROM calls WHERE "+unfinished+" ORDER BY id")
}

func (s *Store) records(ctx context.Context, query string, args ...any) ([]bridge.Record, error) {
	docs, err := s.column(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("calls: %w", err)
	}
	records := make([]bridge.Record, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal([]byte(doc), &records[i]); err != nil {
			return nil, fmt.Errorf("calls: %w", err)
		}
	}
	return records, nil
}

// column reads one column of text.
func (s *Store) column(ctx context.Context, query string, args ...any) (values []string, err error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return slices.Clip(values), rows.Err()
}

// SaveLeg is bridge.Sink's.
func (s *Store) SaveLeg(ctx context.Context, leg bridge.SavedLeg, record bridge.Record, events ...bridge.Event) error {
	save := func(ctx context.Context, tx *tx) error {
		if leg.Gone {
			_, err := tx.ExecContext(ctx, "DELETE FROM legs WHERE sip_call_id = ?", leg.SIPCallID)
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO legs (sip_call_id, call_id, side, doc) VALUES (?, ?, ?, ?)
			ON CONFLICT (sip_call_id) DO UPDATE SET doc = excluded.doc`, leg.SIPCallID, leg.Call, string(leg.Side), string(leg.Doc))
		return err
	}
	if len(events) > 0 {
		return s.emit(ctx, record, events, save)
	}
	if err := s.do(ctx, save); err != nil {
		return fmt.Errorf("leg %s: %w", leg.SIPCallID, err)
	}
	return nil
}

// LiveLegs returns what SaveLeg kept and nobody took back.
func (s *Store) LiveLegs(ctx context.Context) (docs [][]byte, err error) {
	values, err := s.column(ctx, "SELECT doc FROM legs ORDER BY sip_call_id")
	if err != nil {
		return nil, fmt.Errorf("legs: %w", err)
	}
	for _, doc := range values {
		docs = append(docs, []byte(doc))
	}
	return docs, nil
}

// ErrLive says that a call has not ended, so that only the bridge may change it.
var ErrLive = errors.New("the call has not ended")

// Annotate writes onto a call that has ended.
func (s *Store) Annotate(ctx context.Context, id string, p bridge.Patch) (record bridge.Record, err error) {
	err = s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		if record, err = keptRecord(ctx, tx, id); err != nil {
			return err
		}
		switch {
		case record.ID == "":
			return ErrNotFound
		case record.Status != bridge.Ended:
			return ErrLive
		}
		if err := p.Check(record); err != nil {
			return err
		}
		e := bridge.Event{ID: bridge.NewID("evt"), Call: id, Seq: record.Sequence + 1, Type: bridge.CallUpdated, At: time.Now(), Patch: &p}
		record.Apply(e)
		return follow(ctx, tx, &record, []bridge.Event{e})
	}})
	if err != nil {
		return bridge.Record{}, fmt.Errorf("call %s: %w", id, err)
	}
	return record, nil
}
