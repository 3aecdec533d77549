package grafana

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write tandem.json")

// TestDashboardIsCurrent holds tandem.json to its source.
func TestDashboardIsCurrent(t *testing.T) {
	want, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("tandem.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("tandem.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("tandem.json is not what its source makes: go generate ./deploy/grafana")
	}
}

// TestEveryPanelHelps: a picture that does not say what to do is a decoration.
func TestEveryPanelHelps(t *testing.T) {
	if len(rows) != 8 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		for _, p := range r.panels {
			if len(p.description) < 20 || len(p.queries) == 0 {
				t.Errorf("%s › %s says nothing", r.title, p.title)
			}
		}
	}
}
