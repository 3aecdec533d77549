package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// What Authenticate refuses with.
var (
	ErrInvalidKey = errors.New("invalid API key")
	ErrExpiredKey = errors.New("expired API key")
)

// Scopes are what a key may be allowed.
var Scopes = []string{
	"calls:write", "calls:read", "calls:any_rep", "reps:write", "reps:read", "reps:sessions",
	"events:read", "webhooks:manage", "cdrs:read", "ops:read", "admin",
}

// Key is an API key without its secret. Times that are not are zero.
type Key struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Test       bool           `json:"test,omitempty"` // reaches no carrier, and sees test calls only
	Scopes     []string       `json:"scopes"`
	CIDRs      []netip.Prefix `json:"cidrs,omitempty"` // whence it may be used; none = anywhere
	CreatedAt  time.Time      `json:"created_at"`
	ExpiresAt  time.Time      `json:"expires_at,omitzero"`
	LastUsedAt time.Time      `json:"last_used_at,omitzero"` // to the minute
	RevokedAt  time.Time      `json:"revoked_at,omitzero"`
}

// Allows reports whether the key has a scope; admin has them all.
func (k *Key) Allows(scope string) bool {
	return slices.Contains(k.Scopes, scope) || slices.Contains(k.Scopes, "admin")
}

const (
	livePrefix  = "tdm_live_"
	testPrefix  = "tdm_test_" // its calls go to the simulated trunk
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idLength    = 10
	secretChars = 32
	sumChars    = 6
)

// A key in full is tdm_live_ID_SECRETCHECK (or tdm_test_…): 32 random characters, and the CRC32
// of all before it in 6, so that a scanner for leaks needs no database.

func randomText(n int) string {
	var b strings.Builder
	for b.Len() < n {
		var octet [1]byte
		_, _ = rand.Read(octet[:]) // never fails: crypto/rand
		if octet[0] < 248 {        // 4 * 62, so that no character is likelier
			b.WriteByte(base62[octet[0]%62])
		}
	}
	return b.String()
}

func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	out := make([]byte, sumChars)
	for i := range out {
		out[sumChars-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(out)
}

// splitKey takes a key apart, and reports whether it can be one.
func splitKey(plain string) (id, secret string, ok bool) {
	rest, known := strings.CutPrefix(plain, livePrefix)
	if !known {
		rest, known = strings.CutPrefix(plain, testPrefix)
	}
	id, secret, parts := strings.Cut(rest, "_")
	if !known || !parts || len(id) != idLength || len(secret) != secretChars+sumChars {
		return "", "", false
	}
	body := plain[:len(plain)-sumChars]
	return id, secret, checksum(body) == plain[len(body):]
}

func hashOf(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// CreateKey makes a key with the Name, Scopes, CIDRs and ExpiresAt of k. plain
// is shown once: only its hash is kept.
func (s *Store) CreateKey(ctx context.Context, k Key) (key Key, plain string, err error) {
	for _, scope := range k.Scopes {
		if !slices.Contains(Scopes, scope) {
			return Key{}, "", fmt.Errorf("no scope %q; there are %s", scope, strings.Join(Scopes, ", "))
		}
	}
	if len(k.Scopes) == 0 || k.Name == "" {
		return Key{}, "", errors.New("a key needs a name and at least one scope")
	}
	k.ID, k.CreatedAt = randomText(idLength), time.Now().UTC()
	plain = livePrefix
	if k.Test {
		plain = testPrefix
	}
	plain += k.ID + "_" + randomText(secretChars)
	plain += checksum(plain)
	scopes, err := json.Marshal(k.Scopes)
	if err != nil {
		return Key{}, "", err
	}
	cidrs, err := json.Marshal(k.CIDRs)
	if err != nil {
		return Key{}, "", err
	}
	err = s.do(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO api_keys (id, hash, name, scopes, cidrs, test, created_at, expires_at, last_used_at, revoked_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`, k.ID, hashOf(plain), k.Name, string(scopes), string(cidrs), k.Test, k.CreatedAt.UnixMicro(), micros(k.ExpiresAt))
		return err
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("key: %w", err)
	}
	return k, plain, nil
}

const keyColumns = "SELECT id, hash, name, scopes, cidrs, test, created_at, expires_at, last_used_at, revoked_at FROM api_keys"

func scanKey(scan func(...any) error) (k Key, hash string, err error) {
	var scopes, cidrs string
	var times [4]int64
	if err := scan(&k.ID, &hash, &k.Name, &scopes, &cidrs, &k.Test, &times[0], &times[1], &times[2], &times[3]); err != nil {
		return Key{}, "", err
	}
	for i, t := range []*time.Time{&k.CreatedAt, &k.ExpiresAt, &k.LastUsedAt, &k.RevokedAt} {
		if times[i] != 0 {
			*t = time.UnixMicro(times[i]).UTC()
		}
	}
	return k, hash, errors.Join(json.Unmarshal([]byte(scopes), &k.Scopes), json.Unmarshal([]byte(cidrs), &k.CIDRs))
}

// Keys lists all keys, also those that are revoked, oldest first.
func (s *Store) Keys(ctx context.Context) (keys []Key, err error) {
	rows, err := s.reads.QueryContext(ctx, keyColumns+" ORDER BY created_at, id")
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		k, _, err := scanKey(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// RevokeKey ends a key, at once and for ever; ErrNotFound if there is none.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	return s.do(ctx, func(ctx context.Context, tx *tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at = 0", time.Now().UnixMicro(), id)
		if err != nil {
			return fmt.Errorf("key %s: %w", id, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("key %s: %w", id, ErrNotFound), err)
		}
		return nil
	})
}

// RotateKey makes a key like another, which goes on for as long as overlap.
func (s *Store) RotateKey(ctx context.Context, id string, overlap time.Duration) (key Key, plain string, err error) {
	old, _, err := scanKey(s.reads.QueryRowContext(ctx, keyColumns+" WHERE id = ? AND revoked_at = 0", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, "", fmt.Errorf("key %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Key{}, "", fmt.Errorf("key %s: %w", id, err)
	}
	if key, plain, err = s.CreateKey(ctx, Key{Name: old.Name, Test: old.Test, Scopes: old.Scopes, CIDRs: old.CIDRs, ExpiresAt: old.ExpiresAt}); err != nil {
		return Key{}, "", err
	}
	ends := time.Now().Add(overlap)
	err = s.do(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE api_keys SET expires_at = ?1 WHERE id = ?2 AND (expires_at = 0 OR expires_at > ?1)", ends.UnixMicro(), id)
		return err
	})
	return key, plain, err
}

// Authenticate returns the key that plain is, or ErrInvalidKey or ErrExpiredKey.
// What cannot be a key by its checksum does not reach the database.
func (s *Store) Authenticate(ctx context.Context, plain string) (Key, error) {
	id, _, ok := splitKey(plain)
	if !ok {
		return Key{}, ErrInvalidKey
	}
	k, hash, err := scanKey(s.reads.QueryRowContext(ctx, keyColumns+" WHERE id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, ErrInvalidKey
	}
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	now := time.Now()
	switch {
	case subtle.ConstantTimeCompare([]byte(hash), []byte(hashOf(plain))) != 1, !k.RevokedAt.IsZero():
		return Key{}, ErrInvalidKey
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return Key{}, ErrExpiredKey
	}
	s.use(id, now)
	return k, nil
}

// use notes, once a minute at most, that a key was used. Nobody waits for it.
func (s *Store) use(id string, now time.Time) {
	s.mu.Lock()
	fresh := now.Sub(s.used[id]) < time.Minute
	if !fresh {
		s.used[id] = now
	}
	s.mu.Unlock()
	if fresh {
		return
	}
	note := &write{ctx: context.Background(), done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE api_keys SET last_used_at = ? WHERE id = ?", now.UnixMicro(), id)
		return err
	}}
	select {
	case s.queue <- note:
	default: // busy: the next use will be noted
	}
}
