package ops

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/bridge"
)

// labels are all that there may be: each has a closed list of values.
var labels = []string{
	"code", "currency", "direction", "go", "kind", "le", "leg", "level", "method", "outcome", "path", "quantile", "reason",
	"result", "revision", "route", "source", "stage", "status", "trunk", "version",
}

// maxSeries is the most that one tandem may ask of a Prometheus.
const maxSeries = 2000

// family is one metric of an exposition.
type family struct {
	kind, help string
	series     []string
}

var sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `)
var label = regexp.MustCompile(`([a-z_]+)="`)

// families reads Prometheus's text format.
func families(text string) map[string]*family {
	all := make(map[string]*family)
	of := func(name string) *family {
		if all[name] == nil {
			all[name] = &family{}
		}
		return all[name]
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if words := strings.SplitN(line, " ", 4); words[0] == "#" && len(words) == 4 {
			if words[1] == "TYPE" {
				of(words[2]).kind = words[3]
			} else {
				of(words[2]).help = words[3]
			}
		} else if m := sample.FindStringSubmatch(line); m != nil {
			name := m[1]
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if base, is := strings.CutSuffix(name, part); is && all[base] != nil {
					name = base
				}
			}
			of(name).series = append(of(name).series, line)
		}
	}
	return all
}

// TestMetricsAreWellFormed walks all that is exposed once calls have ended in
// many ways: names, help, labels, and no phone number anywhere.
func TestMetricsAreWellFormed(t *testing.T) {
	w := start(t)
	for _, to := range []string{"0100", "0101", "0103", "0104", "0106"} {
		w.call(t, "+12025550110", "+1202555"+to)
	}
	text := get(t, "http://"+w.Metrics.String()+"/metrics")
	if n := regexp.MustCompile(`\+?\d{11}[^\d.e]`).FindString(regexp.MustCompile(`(?m) \S+$`).ReplaceAllString(text, "")); n != "" {
		t.Errorf("a number is in the metrics: %s", n)
	}
	series := 0
	for name, f := range families(text) {
		series += len(f.series)
		if !strings.HasPrefix(name, "tandem_") {
			continue // client_golang's own
		}
		if f.help == "" || f.kind == "" {
			t.Errorf("%s has no help, or no type", name)
		}
		if (f.kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, f.kind)
		}
		if f.kind == "histogram" && !strings.HasSuffix(name, "_seconds") && name != "tandem_leg_mos" {
			t.Errorf("%s has no unit", name)
		}
		for _, s := range f.series {
			for _, m := range label.FindAllStringSubmatch(s, -1) {
				if !slices.Contains(labels, m[1]) {
					t.Errorf("%s has the label %s", name, m[1])
				}
			}
		}
	}
	if series > maxSeries {
		t.Errorf("%d series", series)
	}
	t.Logf("%d series of one trunk", series)
}

// discard keeps nothing.
type discard struct{}

func (discard) Emit(context.Context, bridge.Record, ...bridge.Event) error { return nil }
func (discard) SaveLeg(context.Context, bridge.SavedLeg, bridge.Record, ...bridge.Event) error {
	return nil
}

// TestSeriesDoNotGrowWithCalls: ten thousand calls over two trunks, each ending
// in its own way, are as many series as one.
func TestSeriesDoNotGrowWithCalls(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := bridge.NewMetrics(reg, discard{}, []string{"a", "b"})
	count := func() (n int) {
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			n += len(f.Metric)
		}
		return n
	}
	simulate := func(i int) {
		var r bridge.Record
		at := time.Unix(int64(i), 0)
		for seq, e := range []bridge.Event{
			{Type: bridge.CallQueued, Asked: &bridge.Asked{Source: bridge.Sources[i%len(bridge.Sources)], RepNumber: fmt.Sprintf("+1202555%04d", i), To: fmt.Sprintf("+1202556%04d", i)}},
			{Type: bridge.CallRepDialing, Side: bridge.Rep, Trunk: string("ab"[i%2])},
			{Type: bridge.CallRepAnswered, Side: bridge.Rep},
			{Type: bridge.CallEnded, Ending: &bridge.Ending{Outcome: bridge.Outcomes[i%len(bridge.Outcomes)]}},
		} {
			e.Call, e.Seq, e.At = fmt.Sprint("call_", i), seq+1, at
			r.Apply(e)
			if err := m.Emit(t.Context(), r, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 100 {
		simulate(i)
	}
	before := count()
	for i := range 10_000 {
		simulate(i)
	}
	if after := count(); after != before {
		t.Errorf("%d series after 100 calls, %d after 10,000 more", before, after)
	}
}
