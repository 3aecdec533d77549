package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// tx is what a write does its work with: the writer's connection, in a
// transaction. It belongs to the writer's goroutine, and prepares each statement
// once for all its life: parsing SQL cost more than running it.
type tx struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	flushing bool // a commit waits for the disk

	endpoints []Endpoint      // those there are, nil = to be read
	touched   map[string]bool // those that got something to be delivered
}

func openTx(ctx context.Context, db *sql.DB) (*tx, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &tx{conn: conn, prepared: make(map[string]*sql.Stmt), flushing: true, touched: make(map[string]bool)}, nil
}

func (t *tx) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := t.prepared[query]; s != nil {
		return s, nil
	}
	s, err := t.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	t.prepared[query] = s
	return s, nil
}

// ExecContext runs a statement, which must be one of few: it is kept prepared.
func (t *tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := t.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext reads rows, likewise.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext reads one row, likewise.
func (t *tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := t.statement(ctx, query)
	if err != nil {
		return t.conn.QueryRowContext(ctx, query, args...) // fails alike, and says so when scanned
	}
	return s.QueryRowContext(ctx, args...)
}

// flushes says whether the next transaction is on the disk when it returns. One that
// is not outlives the process all the same, and a loss of power where another that
// is came after it.
func (t *tx) flushes(ctx context.Context, now bool) error {
	if t.flushing == now {
		return nil
	}
	setting := "PRAGMA synchronous = NORMAL"
	if now {
		setting = "PRAGMA synchronous = FULL"
	}
	if _, err := t.conn.ExecContext(ctx, setting); err != nil { // not prepared: it acts when it is parsed
		return fmt.Errorf("store: %w", err)
	}
	t.flushing = now
	return nil
}

func (t *tx) exec(ctx context.Context, query string) error {
	if _, err := t.ExecContext(ctx, query); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// one does a write, in a savepoint if it must be undone alone. An error that it
// returns is the transaction's; the write's own goes to result.
func (t *tx) one(ctx context.Context, w *write, result *error, savepoint bool) error {
	if !savepoint {
		*result = w.do(ctx, t)
		return nil
	}
	if err := t.exec(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	if *result = w.do(ctx, t); *result != nil {
		t.endpoints = nil
		if err := t.exec(ctx, "ROLLBACK TO one"); err != nil {
			return err
		}
	}
	return t.exec(ctx, "RELEASE one")
}

func (t *tx) close() error {
	var errs []error
	for _, s := range t.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
