package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/bridge"
)

// What writing a rep can be refused with.
var (
	ErrStale = errors.New("it was changed meanwhile")
	ErrTaken = errors.New("the external id is another rep's")
)

// Rep is somebody who calls, and their settings.
type Rep struct {
	ID         string    `json:"id"`
	Test       bool      `json:"test,omitempty"` // lives in the world of test keys
	ExternalID string    `json:"external_id,omitempty"`
	Name       string    `json:"name"`
	Region     string    `json:"region"`           // ISO 3166, for numbers without +
	Number     string    `json:"number,omitempty"` // E.164, "" = none yet
	Display    string    `json:"display,omitempty"`
	Extension  string    `json:"extension,omitempty"`
	Enabled    bool      `json:"enabled"`              // the pass-through switch
	Trusted    bool      `json:"trusted,omitempty"`    // the number was set by an API key
	VerifiedAt time.Time `json:"verified_at,omitzero"` // the rep pressed 1 on that phone
	CallerID   string    `json:"caller_id,omitempty"`  // "" = the trunk's first
	Version    int       `json:"version"`              // grows by one with each change
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	ActiveCall string    `json:"active_call,omitempty"` // as it was read; not kept
}

// The events of a rep.
const (
	RepCreated bridge.EventType = "rep.created"
	RepUpdated bridge.EventType = "rep.updated"
	RepDeleted bridge.EventType = "rep.deleted"
)

// repColumns reads a rep with the call that is up for it.
const repColumns = `SELECT doc, coalesce((SELECT id FROM calls WHERE rep_id = reps.id AND status <> 'ended' ORDER BY id DESC LIMIT 1), '') FROM reps`

func scanRep(scan func(...any) error) (r Rep, err error) {
	var doc, active string
	if err := scan(&doc, &active); errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("rep: %w", ErrNotFound)
	} else if err != nil {
		return r, fmt.Errorf("rep: %w", err)
	}
	err = json.Unmarshal([]byte(doc), &r)
	r.ActiveCall = active
	return r, err
}

// Rep finds a rep by id, or by "ext:" and its external id; else ErrNotFound.
func (s *Store) Rep(ctx context.Context, test bool, name string) (Rep, error) {
	column, value := repKey(name)
	return scanRep(s.reads.QueryRowContext(ctx, repColumns+" WHERE test = ? AND "+column+" = ?", test, value).Scan)
}

func repKey(name string) (column, value string) {
	if external, is := strings.CutPrefix(name, "ext:"); is && external != "" {
		return "external_id", external
	}
	return "id", name
}

// Reps lists reps, oldest first, from after the id of the last on the page
// before. external narrows it to one, "" = all.
func (s *Store) Reps(ctx context.Context, test bool, external, after string, limit int) (reps []Rep, more bool, err error) {
	query, args := repColumns+" WHERE test = ? AND id > ?", []any{test, after}
	if external != "" {
		query, args = query+" AND external_id = ?", append(args, external)
	}
	rows, err := s.reads.QueryContext(ctx, query+" ORDER BY id LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return nil, false, fmt.Errorf("reps: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRep(rows.Scan)
		if err != nil {
			return nil, false, err
		}
		reps = append(reps, r)
	}
	if len(reps) > limit {
		return reps[:limit], true, rows.Err()
	}
	return reps, false, rows.Err()
}

// CreateRep keeps a new rep, whose ID is made here where it is "". One that is
// kept already under that ID is returned as it is: a request that comes again.
func (s *Store) CreateRep(ctx context.Context, r Rep) (rep Rep, err error) {
	if r.ID == "" {
		r.ID = bridge.NewID("rep")
	}
	r.Version, r.CreatedAt = 0, time.Now().UTC()
	err = s.changeRep(ctx, func(ctx context.Context, tx *tx) error {
		if rep, err = scanRep(tx.QueryRowContext(ctx, repColumns+" WHERE id = ?", r.ID).Scan); !errors.Is(err, ErrNotFound) {
			return err
		}
		rep = r
		return putRep(ctx, tx, &rep, RepCreated)
	})
	return rep, err
}

// UpdateRep has change made to a rep in one transaction, which an error from it
// undoes. version is the one that must be current, 0 = any.
func (s *Store) UpdateRep(ctx context.Context, test bool, name string, version int, change func(*Rep) error) (rep Rep, err error) {
	column, value := repKey(name)
	err = s.changeRep(ctx, func(ctx context.Context, tx *tx) error {
		if rep, err = scanRep(tx.QueryRowContext(ctx, repColumns+" WHERE test = ? AND "+column+" = ?", test, value).Scan); err != nil {
			return err
		}
		if version != 0 && version != rep.Version {
			return ErrStale
		}
		before := rep
		if err := change(&rep); err != nil || rep == before {
			return err
		}
		return putRep(ctx, tx, &rep, RepUpdated)
	})
	return rep, err
}

// DeleteRep forgets a rep and its sessions; the records of its calls stay.
func (s *Store) DeleteRep(ctx context.Context, test bool, name string) error {
	column, value := repKey(name)
	return s.changeRep(ctx, func(ctx context.Context, tx *tx) error {
		r, err := scanRep(tx.QueryRowContext(ctx, repColumns+" WHERE test = ? AND "+column+" = ?", test, value).Scan)
		if err != nil {
			return err
		}
		if err := putRep(ctx, tx, &r, RepDeleted); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM reps WHERE id = ?", r.ID)
		return err
	})
}

func (s *Store) changeRep(ctx context.Context, do func(context.Context, *tx) error) error {
	return s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: do})
}

// putRep writes a rep's next version, and the event that says so.
func putRep(ctx context.Context, tx *tx, r *Rep, kind bridge.EventType) error {
	r.Version++
	r.UpdatedAt = time.Now().UTC()
	e := bridge.Event{ID: bridge.NewID("evt"), Call: r.ID, Seq: r.Version, Type: kind, At: r.UpdatedAt}
	shown, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := addEvent(ctx, tx, e, shown, r.ID, r.Test); err != nil {
		return err
	}
	kept := *r
	kept.ActiveCall = ""
	doc, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO reps (id, test, external_id, version, doc) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET external_id = excluded.external_id, version = excluded.version, doc = excluded.doc`,
		r.ID, r.Test, r.ExternalID, r.Version, string(doc))
	if err != nil && strings.Contains(err.Error(), "UNIQUE constraint failed: reps.test, reps.external_id") {
		return ErrTaken
	}
	return err
}

// verified marks the number that a verification call has just confirmed, in the
// transaction that keeps the call's end.
func verified(ctx context.Context, tx *tx, record *bridge.Record) error {
	asked := &record.Asked
	if asked.Kind != bridge.Verification || asked.RepID == "" || record.Ending == nil || record.Ending.Outcome != bridge.Completed {
		return nil
	}
	r, err := scanRep(tx.QueryRowContext(ctx, repColumns+" WHERE id = ?", asked.RepID).Scan)
	if errors.Is(err, ErrNotFound) || err == nil && (r.Number != asked.RepNumber || r.Extension != asked.RepExtension) {
		return nil // the rep has gone, or has another phone by now
	}
	if err != nil {
		return err
	}
	r.VerifiedAt, r.ActiveCall = record.ConfirmedAt.UTC(), ""
	return putRep(ctx, tx, &r, RepUpdated)
}
