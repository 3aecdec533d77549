package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fill copies a file to a folder, with each word that stands between two @
// replaced by the one that follows it; of two values the first counts.
func fill(t *testing.T, file, dir string, words ...string) (path string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pairs := make([]string, 0, len(words))
	for i, word := range words {
		if i%2 == 0 {
			word = "@" + word + "@"
		}
		pairs = append(pairs, word)
	}
	path = filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
