package config

import (
	"os"
	"regexp"
	"testing"
)

// The examples of the documentation are configurations without a fault.
func TestDocumentedTrunks(t *testing.T) {
	text, err := os.ReadFile("../docs/trunks.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) != 4 {
		t.Errorf("%d examples", len(examples))
	}
	for _, example := range examples {
		if _, problems := Read("docs/trunks.md", example[1], []string{"TRUNK_PASSWORD=secret"}); len(problems) > 0 {
			t.Errorf("%s\n%v", example[1], problems)
		}
	}
}
