package ops

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRulesAndDashboardNameWhatExists: an alert on a metric that is gone never
// fires.
func TestRulesAndDashboardNameWhatExists(t *testing.T) {
	w := start(t)
	w.call(t, "+12025550110", "+12025550100")
	exists := families(get(t, "http://"+w.Metrics.String()+"/metrics"))
	for _, file := range []string{"../../deploy/prometheus/rules.yml", "../../deploy/grafana/tandem.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		missing := make(map[string]bool)
		for _, name := range regexp.MustCompile(`\btandem_[a-z0-9_]+`).FindAllString(string(text), -1) {
			base := name
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, part)
			}
			if exists[name] == nil && exists[base] == nil {
				missing[name] = true
			}
		}
		for name := range missing {
			t.Errorf("%s names %s, which is not exposed", file, name)
		}
		for _, book := range regexp.MustCompile(`docs/runbooks/[a-z0-9-]+\.md`).FindAllString(string(text), -1) {
			if _, err := os.Stat("../../" + book); err != nil {
				t.Errorf("%s names %s: %v", file, book, err)
			}
		}
	}
}
