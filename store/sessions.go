package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// How long a rep's link may be used, once, and the session it opens lasts.
const (
	LinkLife    = 10 * time.Minute
	SessionLife = 12 * time.Hour
)

const repTokenPrefix = "tdr_live_"

// newToken keeps a token of a rep and returns it; only its hash stays here.
func newToken(ctx context.Context, tx *tx, rep, kind string, expires time.Time) (plain string, err error) {
	plain = repTokenPrefix + randomText(secretChars)
	plain += checksum(plain)
	_, err = tx.ExecContext(ctx, "INSERT INTO rep_tokens (hash, rep_id, kind, expires_at) VALUES (?, ?, ?, ?)", hashOf(plain), rep, kind, expires.UnixMicro())
	return plain, err
}

// RepLink makes a token that opens one session of a rep.
func (s *Store) RepLink(ctx context.Context, rep string) (token string, expires time.Time, err error) {
	expires = time.Now().Add(LinkLife).UTC()
	err = s.do(ctx, func(ctx context.Context, tx *tx) error {
		token, err = newToken(ctx, tx, rep, "link", expires)
		return err
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("rep link: %w", err)
	}
	return token, expires, nil
}

// OpenSession uses a link up and returns the token of the session; ErrNotFound
// where the link is none, was used, or is too old.
func (s *Store) OpenSession(ctx context.Context, link string) (session string, expires time.Time, err error) {
	now := time.Now()
	expires = now.Add(SessionLife).UTC()
	err = s.do(ctx, func(ctx context.Context, tx *tx) error {
		var rep string
		err := tx.QueryRowContext(ctx, "DELETE FROM rep_tokens WHERE hash = ? AND kind = 'link' AND expires_at > ? RETURNING rep_id",
			hashOf(link), now.UnixMicro()).Scan(&rep)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err == nil {
			session, err = newToken(ctx, tx, rep, "session", expires)
		}
		return err
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("rep session: %w", err)
	}
	return session, expires, nil
}

// SessionRep is the rep whose session a token is, or ErrNotFound. What cannot be
// a token by its checksum does not reach the database.
func (s *Store) SessionRep(ctx context.Context, session string) (Rep, error) {
	body := session[:max(0, len(session)-sumChars)]
	if !strings.HasPrefix(session, repTokenPrefix) || checksum(body) != session[len(body):] {
		return Rep{}, ErrNotFound
	}
	return scanRep(s.reads.QueryRowContext(ctx, repColumns+` WHERE id =
		(SELECT rep_id FROM rep_tokens WHERE hash = ? AND kind = 'session' AND expires_at > ?)`, hashOf(session), time.Now().UnixMicro()).Scan)
}

// CloseSession ends a session; there need be none.
func (s *Store) CloseSession(ctx context.Context, session string) error {
	return s.do(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM rep_tokens WHERE hash = ?", hashOf(session))
		return err
	})
}
