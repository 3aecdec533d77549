package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/bridge"
)

// Why an endpoint gets no events.
const (
	DisabledByHand  = "manual"
	DisabledGone    = "gone_410"
	DisabledFailing = "failing_5_days"
)

// Endpoint is where a CRM wants its events sent.
type Endpoint struct {
	ID           string    `json:"id"`
	Test         bool      `json:"test,omitempty"` // lives in the world of test keys
	URL          string    `json:"url"`
	Types        []string  `json:"types"`              // names, or prefixes that end in *; none = all
	Scheme       string    `json:"scheme"`             // v1 or v1a
	Secret       []byte    `json:"secret"`             // of the HMAC, or the seed of the ed25519 key
	OldSecret    []byte    `json:"old,omitempty"`      // signs as well until OldUntil
	OldUntil     time.Time `json:"old_until,omitzero"` //
	Disabled     string    `json:"disabled,omitempty"` // why, "" = it is not
	FailingSince time.Time `json:"failing_since,omitzero"`
	CreatedAt    time.Time `json:"created_at"`
}

// WebhookTest is the event that only asks whether an endpoint hears.
const WebhookTest bridge.EventType = "webhook.test"

// Wants reports whether an endpoint asked for a type of event.
func (e *Endpoint) Wants(t bridge.EventType) bool {
	for _, wanted := range e.Types {
		prefix, wild := strings.CutSuffix(wanted, "*")
		if wanted == string(t) || wild && strings.HasPrefix(string(t), prefix) {
			return true
		}
	}
	return len(e.Types) == 0
}

// NewSecret makes the 32 octets that sign an endpoint's events.
func NewSecret() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails: crypto/rand
	return secret
}

// SecretText is how the secret that a receiver verifies with is shown, once. A
// receiver of v1a needs none: it has the public key.
func (e *Endpoint) SecretText() string {
	if e.Scheme == "v1a" {
		return ""
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(e.Secret)
}

// CreateEndpoint keeps a new endpoint.
func (s *Store) CreateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error) {
	e.ID, e.CreatedAt, e.Secret = bridge.NewID("we"), time.Now().UTC(), NewSecret()
	err := s.do(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.spreadFirst(ctx); err != nil {
			return err
		}
		return tx.putEndpoint(ctx, &e)
	})
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint: %w", err)
	}
	return e, nil
}

func (t *tx) putEndpoint(ctx context.Context, e *Endpoint) error {
	t.endpoints = nil // to be read again
	doc, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, "INSERT INTO webhook_endpoints (id, test, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc", e.ID, e.Test, string(doc))
	return err
}

// Endpoints lists them all, oldest first.
func (s *Store) Endpoints(ctx context.Context) (endpoints []Endpoint, err error) {
	docs, err := s.column(ctx, "SELECT doc FROM webhook_endpoints ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("endpoints: %w", err)
	}
	endpoints = make([]Endpoint, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal([]byte(doc), &endpoints[i]); err != nil {
			return nil, fmt.Errorf("endpoints: %w", err)
		}
	}
	return endpoints, nil
}

// Endpoint finds one, or says ErrNotFound.
func (s *Store) Endpoint(ctx context.Context, test bool, id string) (Endpoint, error) {
	return scanEndpoint(s.reads.QueryRowContext(ctx, "SELECT doc FROM webhook_endpoints WHERE test = ? AND id = ?", test, id).Scan)
}

func scanEndpoint(scan func(...any) error) (e Endpoint, err error) {
	var doc string
	if err := scan(&doc); errors.Is(err, sql.ErrNoRows) {
		return e, fmt.Errorf("endpoint: %w", ErrNotFound)
	} else if err != nil {
		return e, fmt.Errorf("endpoint: %w", err)
	}
	return e, json.Unmarshal([]byte(doc), &e)
}

// UpdateEndpoint has change made in one transaction, which an error from it
// undoes. One that is disabled by it loses what it had still to get.
func (s *Store) UpdateEndpoint(ctx context.Context, test bool, id string, change func(*Endpoint) error) (e Endpoint, err error) {
	err = s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		if e, err = scanEndpoint(tx.QueryRowContext(ctx, "SELECT doc FROM webhook_endpoints WHERE test = ? AND id = ?", test, id).Scan); err != nil {
			return err
		}
		if err := tx.spreadFirst(ctx); err != nil {
			return err
		}
		if err := change(&e); err != nil {
			return err
		}
		return tx.changeEndpoint(ctx, &e)
	}})
	return e, err
}

// changeEndpoint writes an endpoint that is kept already.
func (t *tx) changeEndpoint(ctx context.Context, e *Endpoint) error {
	if e.Disabled != "" {
		if _, err := t.ExecContext(ctx, "UPDATE deliveries SET state = 'dead', error = ? WHERE endpoint_id = ? AND state IN ('pending', 'waiting')",
			"disabled: "+e.Disabled, e.ID); err != nil {
			return err
		}
	}
	return t.putEndpoint(ctx, e)
}

// DeleteEndpoint forgets an endpoint and its deliveries.
func (s *Store) DeleteEndpoint(ctx context.Context, test bool, id string) error {
	return s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		tx.endpoints = nil
		result, err := tx.ExecContext(ctx, "DELETE FROM webhook_endpoints WHERE test = ? AND id = ?", test, id)
		if err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrNotFound, err)
		}
		return nil
	}})
}

// TestEndpoint puts webhook.test into the stream, for one endpoint.
func (s *Store) TestEndpoint(ctx context.Context, test bool, id string) error {
	return s.submit(&write{ctx: ctx, events: true, done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		endpoint, err := scanEndpoint(tx.QueryRowContext(ctx, "SELECT doc FROM webhook_endpoints WHERE test = ? AND id = ?", test, id).Scan)
		if err != nil {
			return err
		}
		e := bridge.Event{ID: bridge.NewID("evt"), Call: id, Type: WebhookTest, At: time.Now()}
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(call_seq), 0) + 1 FROM events WHERE call_id = ?", id).Scan(&e.Seq); err != nil {
			return err
		}
		endpoint.Secret, endpoint.OldSecret = nil, nil // the stream is for many
		doc, err := json.Marshal(endpoint)
		if err != nil {
			return err
		}
		return addEvent(ctx, tx, e, doc, "", test)
	}})
}
