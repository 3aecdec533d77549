package ops

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPageNamesTests that there are.
func TestSecurityPageNamesTests(t *testing.T) {
	tests := make(map[string]bool)
	form := regexp.MustCompile(`(?m)^func Test(\w+)\(`)
	err := filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		for _, m := range form.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\|[^|]+\\|[^|]+\\|((?: `\\w+`)+) \\|$").FindAllSubmatch(page, -1)
	if len(rows) < 35 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		for _, name := range strings.Fields(strings.ReplaceAll(string(row[1]), "`", "")) {
			if !tests[name] {
				t.Errorf("there is no Test%s", name)
			}
		}
	}
}
