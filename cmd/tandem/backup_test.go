package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

// TestBackupAndRestore: a copy taken while the store is in use brings back what
// was in it, and nothing is lost on the way.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "t.db"), filepath.Join(dir, "backup.db")
	run := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if code := dispatch(append(args, "--store", "sqlite://"+path, file), nil, &out, &out); code != want {
			t.Fatalf("%v: exit %d\n%s", args, code, out.String())
		}
		return out.String()
	}
	keys := func() (n int) {
		t.Helper()
		s, err := store.Open(t.Context(), store.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		all, err := s.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	run(1, "backup") // there is none
	s, err := store.Open(t.Context(), store.Config{Path: path, Serves: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreateKey(t.Context(), store.Key{Name: "one", Scopes: []string{"admin"}}); err != nil {
		t.Fatal(err)
	}
	run(0, "backup") // the store is open
	for _, name := range []string{path, file} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if text := run(1, "backup"); !strings.Contains(text, "is there already") {
		t.Error(text)
	}
	if _, _, err := s.CreateKey(t.Context(), store.Key{Name: "two", Scopes: []string{"admin"}}); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "restore", "--replace"); !strings.Contains(text, "a tandem serves from") || keys() != 2 {
		t.Errorf("%s, %d keys", text, keys())
	}
	if other, err := store.Open(t.Context(), store.Config{Path: path, Serves: true}); err == nil {
		t.Error("two serve from one store", other.Close())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "restore"); !strings.Contains(text, "--replace") || keys() != 2 {
		t.Errorf("%s, %d keys", text, keys())
	}
	if text := run(0, "restore", "--replace"); !strings.Contains(text, path+".replaced") || keys() != 1 {
		t.Errorf("%s, %d keys", text, keys())
	}
	if err := os.WriteFile(file, []byte("SQLite format 3\x00 but not really"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "restore", "--replace"); keys() != 1 {
		t.Errorf("%s, %d keys", text, keys())
	}
	run(2, "restore", "--nonsense")
}
