package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// What the calls of a Store can fail with.
var (
	ErrNotFound = errors.New("not found")
	ErrSequence = errors.New("event out of sequence")
	ErrClosed   = errors.New("store is closed")
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the newest migration.
const schemaVersion = 8

// Config is where things are kept, and for how long.
type Config struct {
	Path       string
	KeepEvents time.Duration // events older than this are dropped; 0 = never
	KeepCalls  time.Duration // ended calls likewise
	Serves     bool          // it is this process's alone, but for what commands write
	Log        *slog.Logger  // nil = none
	Metrics    *Metrics      // nil = none
}

// Store is the database. Its methods may be called by several goroutines.
type Store struct {
	cfg    Config
	log    *slog.Logger
	writes *sql.DB // one connection, which tx has
	tx     *tx
	reads  *reader

	release func() error // lets others have the database

	queue  chan *write
	later  chan *write // what no call waits for
	stop   chan struct{}
	once   sync.Once
	wait   sync.WaitGroup
	closed error // of the databases; read after wait

	mu      sync.Mutex
	changed chan struct{}
	used    map[string]time.Time // keys, since they were last written
	touched map[string]bool      // endpoints that got something to be delivered
}

// ParseURL reads store.url: sqlite:// and an absolute path.
func ParseURL(text string) (path string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "sqlite" || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
		return "", fmt.Errorf("store url %q: write sqlite:///var/lib/tandem/tandem.db", text)
	}
	return u.Path, nil
}

// Open opens the database at cfg.Path, and makes it if there is none. Close
// must follow.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{cfg: cfg, log: cfg.Log, queue: make(chan *write, 1024), later: make(chan *write, 1024), stop: make(chan struct{}),
		changed: make(chan struct{}), used: make(map[string]time.Time), touched: make(map[string]bool)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil { // numbers of people will be in it
		return nil, fmt.Errorf("store: %w; make the folder, or set store.url to one that may be written", err)
	}
	if err := createPrivate(cfg.Path); err != nil && !errors.Is(err, os.ErrExist) { // its log takes after it
		return nil, fmt.Errorf("store: %w; make the folder, or set store.url to one that may be written", err)
	}
	s.release = func() error { return nil }
	if cfg.Serves {
		var err error
		if s.release, err = hold(cfg.Path); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.wait.Go(s.write)
	s.wait.Go(s.tidy)
	return s, nil
}

// open opens the file for the writer, and for those who read.
func (s *Store) open(ctx context.Context) (err error) {
	source := sourceOf(s.cfg.Path)
	const pragmas = "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=journal_size_limit(67108864)&_txlock=immediate"
	if s.writes, err = sql.Open("sqlite", source+pragmas); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.writes.SetMaxOpenConns(1)
	if err := s.prepare(ctx); err != nil {
		return errors.Join(fmt.Errorf("store %s: %w", s.cfg.Path, err), s.writes.Close())
	}
	reads, err := sql.Open("sqlite", source+pragmas+"&_pragma=query_only(1)")
	if err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), s.writes.Close())
	}
	reads.SetMaxOpenConns(readers)
	reads.SetMaxIdleConns(readers)
	s.reads = newReader(reads)
	if s.tx, err = openTx(ctx, s.writes); err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), s.reads.Close(), s.writes.Close())
	}
	return nil
}

// sourceOf names a file as the driver wants it.
func sourceOf(path string) string {
	source := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return source.String()
}

// prepare checks the file and brings its schema up to date.
func (s *Store) prepare(ctx context.Context) error {
	var verdict string
	if err := s.writes.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("not readable, restore it from a backup or name another file: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the file is damaged (%s): restore it from a backup or name another file", verdict)
	}
	var version int
	if err := s.writes.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("it was written by a newer tandem (schema %d, this one knows %d): install that version", version, schemaVersion)
	}
	for ; version < schemaVersion; version++ {
		text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", version+1))
		if err != nil {
			return err
		}
		tx, err := s.writes.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, string(text)+fmt.Sprintf(";PRAGMA user_version = %d", version+1))
		if err = errors.Join(err, commitOrRollback(tx, err)); err != nil {
			return fmt.Errorf("migration %d: %w", version+1, err)
		}
	}
	return nil
}

func commitOrRollback(tx *sql.Tx, err error) error {
	if err != nil {
		return tx.Rollback()
	}
	return tx.Commit()
}

// Close commits what waits and closes the database. It may be called again.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.stop)
		s.wait.Wait()
		s.closed = errors.Join(s.reads.Close(), s.tx.close(), s.writes.Close(), s.release())
	})
	return s.closed
}

// Changed is closed at the next commit that adds events.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.touched, s.tx.touched)
	clear(s.tx.touched)
	close(s.changed)
	s.changed = make(chan struct{})
}
