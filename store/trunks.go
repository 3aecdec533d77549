package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tandem/bridge"
)

// The events of a trunk.
const (
	TrunkUp   bridge.EventType = "trunk.up"
	TrunkDown bridge.EventType = "trunk.down"
)

// TrunkTurned puts trunk.up or trunk.down into the stream, with the state of the
// trunk as doc, unless that is what was said of it last: by a process before this
// one, maybe.
func (s *Store) TrunkTurned(ctx context.Context, name string, up bool, doc json.RawMessage) error {
	kind := TrunkDown
	if up {
		kind = TrunkUp
	}
	err := s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		e := bridge.Event{ID: bridge.NewID("evt"), Call: "trunk:" + name, Type: kind, At: time.Now()}
		var last bridge.EventType
		err := tx.QueryRowContext(ctx, "SELECT type, call_seq FROM events WHERE call_id = ? ORDER BY call_seq DESC LIMIT 1", e.Call).Scan(&last, &e.Seq)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || last == kind {
			return err
		}
		e.Seq++
		return addEvent(ctx, tx, e, doc, "", false)
	}})
	if err != nil {
		return fmt.Errorf("trunk %s: %w", name, err)
	}
	return nil
}
