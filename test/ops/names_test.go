package ops

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"tandem/docs/runbooks"
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
			if page, found := runbooks.Page(strings.TrimSuffix(path.Base(book), ".md")); !found || !strings.Contains(page, "## Look") {
				t.Errorf("%s names %s, which tandem doctor does not print", file, book)
			}
		}
	}
}

// TestEveryAlertHasItsRunbook, and one of promtool's tests in which it fires; and no
// runbook is nobody's.
func TestEveryAlertHasItsRunbook(t *testing.T) {
	rules, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	fires, err := os.ReadFile("../../deploy/prometheus/rules_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := strings.Split(string(rules), "- alert: ")[1:]
	if len(alerts) < 10 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for _, alert := range alerts {
		name, _, _ := strings.Cut(alert, "\n")
		if !strings.Contains(alert, "docs/runbooks/") {
			t.Errorf("%s says nothing of what to do", name)
		}
		if !strings.Contains(string(fires), "alertname: "+name+"\n        exp_alerts:\n          - ") {
			t.Errorf("%s fires in no test", name)
		}
	}
	for _, name := range runbooks.Names() {
		if !strings.Contains(string(rules), "docs/runbooks/"+name+".md") {
			t.Errorf("no alert leads to %s", name)
		}
	}
}
