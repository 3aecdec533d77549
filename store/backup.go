package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// Backup writes a copy of the database at path to a new file, as it is at this
// instant; a tandem that runs on it goes on. It fails where the file is there.
func Backup(ctx context.Context, path, file string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := createPrivate(file); errors.Is(err, os.ErrExist) {
		return fmt.Errorf("backup: %s is there already; name another file", file)
	} else if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	db, err := sql.Open("sqlite", sourceOf(path)+"?_pragma=busy_timeout(5000)")
	if err == nil {
		_, err = db.ExecContext(ctx, "VACUUM INTO ?", file) // an empty file counts as none
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), ignoreMissing(os.Remove(file)))
	}
	return nil
}

// Restore makes a backup the database at path. It fails, and changes nothing,
// where the backup is damaged or of a newer tandem, or a database is there and
// replace is not set, or a tandem serves from it; the one that was there is kept
// beside it, and its name returned.
func Restore(ctx context.Context, path, file string, replace bool) (kept string, err error) {
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	_, err = os.Stat(path)
	exists := !errors.Is(err, os.ErrNotExist)
	if exists && !replace {
		return "", fmt.Errorf("restore: %s is there already; --replace puts it aside", path)
	}
	release, err := hold(path)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	fresh := path + ".restoring"
	if err := errors.Join(ignoreMissing(os.Remove(fresh)), Backup(ctx, file, fresh)); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	s, err := Open(ctx, Config{Path: fresh}) // looks whether it is whole, and brings it up to date
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("restore: %w", err), os.Remove(fresh))
	}
	if exists {
		kept = path + ".replaced"
		if err := os.Rename(path, kept); err != nil {
			return "", fmt.Errorf("restore: %w", err)
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} { // of the old one: they would spoil the new
		if err := ignoreMissing(os.Rename(path+suffix, path+".replaced"+suffix)); err != nil {
			return kept, fmt.Errorf("restore: %w", err)
		}
	}
	return kept, os.Rename(fresh, path)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
