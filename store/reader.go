package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// readers is how many connections read.
const readers = 4

// reader is the connections that read. It prepares what reads one row, which is
// asked for in every call, once a connection.
type reader struct {
	*sql.DB
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

func newReader(db *sql.DB) *reader { return &reader{DB: db, prepared: make(map[string]*sql.Stmt)} }

// QueryRowContext reads one row by a statement that must be one of few: it is kept
// prepared.
func (r *reader) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := r.statement(ctx, query)
	if err != nil {
		return r.DB.QueryRowContext(ctx, query, args...) // fails alike, and says so when scanned
	}
	return s.QueryRowContext(ctx, args...)
}

func (r *reader) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	s := r.prepared[query]
	r.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := r.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.prepared[query]; other != nil { // who asked at the same time
		return other, s.Close()
	}
	r.prepared[query] = s
	return s, nil
}

// Close closes the statements and the connections.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, r.DB.Close())...)
}
