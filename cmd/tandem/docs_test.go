package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsTypeWhatThereIs: each command that a page or a runbook has somebody type,
// half asleep, is one, and so are its words and flags.
func TestDocsTypeWhatThereIs(t *testing.T) {
	var pages []string
	for _, folder := range []string{"../../docs/*.md", "../../docs/runbooks/*.md"} {
		found, err := filepath.Glob(folder)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	typed := regexp.MustCompile("(?m)(?:^|[`(/])tandem ([a-z][^`|;)\n]*)")
	lower := regexp.MustCompile(`^[a-z][a-z-]*$`)
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range typed.FindAllStringSubmatch(string(text), -1) {
			seen++
			words := strings.Fields(m[1])
			c, known := commands[words[0]]
			if !known {
				t.Errorf("%s: there is no %q", page, m[0])
				continue
			}
			ask := words[:1]
			if among := subcommands(c.summary); among != nil && len(words) > 1 && lower.MatchString(words[1]) {
				if !slices.Contains(among, words[1]) {
					t.Errorf("%s: %q is none of %v", page, m[0], among)
				}
				ask = words[:2]
			}
			var help bytes.Buffer
			dispatch(append(slices.Clone(ask), "--help"), nil, &help, &help)
			for _, word := range words {
				flag, is := strings.CutPrefix(word, "--")
				if flag, _, _ = strings.Cut(flag, "="); is && !strings.Contains(help.String(), "-"+flag) {
					t.Errorf("%s: %q has no %s:\n%s", page, m[0], word, help.String())
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d commands", seen)
	}
}
