package ops

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promised is one metric of the contract.
type promised struct {
	name   string
	kind   string // "" = the table does not say
	labels []string
	values []string // of its last label, where the table lists them
}

// unlabelled is a label that is left out, and why.
var unlabelled = map[string]string{
	"tandem_http_request_seconds code": "ten buckets for each code of each route; the counter beside it has them",
}

// promises reads the contract's table. A cell of several names may give the later
// ones as their middles (`_late_`), and its labels in the order of the names.
func promises(t *testing.T) (all []promised) {
	t.Helper()
	text, err := os.ReadFile("../testdata/contract/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("`([a-z_]+)(?:\\{([a-z]+)=[^`]*)?`")
	braced := regexp.MustCompile("`([a-z_]+)\\{([a-z]+)[=}]")
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "Also:") {
			for _, m := range braced.FindAllStringSubmatch(line, -1) {
				all = append(all, promised{name: m[1], labels: []string{m[2]}})
			}
		}
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "/"), "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`tandem_") {
			continue
		}
		first, kinds := "", strings.Split(strings.TrimSpace(cells[2]), ", ")
		cells[3], cells[4], _ = strings.Cut(cells[3], ":")
		values := regexp.MustCompile("[a-z_]+").FindAllString(cells[4], -1)
		for i, m := range word.FindAllStringSubmatch(cells[1], -1) {
			name := m[1]
			if first == "" {
				first = name
			}
			if strings.HasPrefix(name, "_") {
				name = strings.Replace(first, "_lost_", name, 1)
			}
			kind, _, _ := strings.Cut(strings.TrimSuffix(kinds[min(i, len(kinds)-1)], "s"), " ")
			all = append(all, promised{name, kind, labelsOf(cells[3]), values})
		}
	}
	return all
}

// labelsOf reads a cell as "trunk (+reason)" or "leg, trunk, result answered/busy".
func labelsOf(cell string) (all []string) {
	optional := strings.Contains(cell, "(+")
	for _, part := range strings.Split(strings.NewReplacer("(+", ",", ")", "").Replace(cell), ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(part), " "); name != "" {
			all = append(all, name)
		}
	}
	if optional {
		all = all[:len(all)-1] // of one of the names only
	}
	return all
}

// TestMetricsKeepTheContract: every metric of its table is exposed by a tandem
// that has placed a call, with its type and labels.
func TestMetricsKeepTheContract(t *testing.T) {
	w := start(t)
	w.call(t, "+12025550110", "+12025550100")
	exposed := families(get(t, "http://"+w.Metrics.String()+"/metrics"))
	wanted := promises(t)
	if len(wanted) < 70 {
		t.Errorf("the contract has %d metrics", len(wanted))
	}
	for _, p := range wanted {
		f := exposed[p.name]
		if f == nil {
			t.Errorf("%s is not exposed", p.name)
			continue
		}
		if p.kind != "" && f.kind != p.kind {
			t.Errorf("%s is a %s and not a %s", p.name, f.kind, p.kind)
		}
		for _, value := range p.values {
			if of := p.labels[len(p.labels)-1] + `="` + value + `"`; !strings.Contains(strings.Join(f.series, "\n"), of) {
				t.Errorf("%s has no %s", p.name, of)
			}
		}
		var have []string
		for _, s := range f.series {
			for _, m := range label.FindAllStringSubmatch(s, -1) {
				have = append(have, m[1])
			}
		}
		for _, name := range p.labels {
			if len(f.series) > 0 && !slices.Contains(have, name) && unlabelled[p.name+" "+name] == "" {
				t.Errorf("%s has no label %s, but %v", p.name, name, slices.Compact(slices.Sorted(slices.Values(have))))
			}
		}
	}
}
