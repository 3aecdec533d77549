package bridge

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kept is the contract on calls.
func kept(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../test/testdata/contract/call.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// between is what stands after a text and before another.
func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	part, _, ends := strings.Cut(rest, to)
	if !found || !ends {
		t.Fatalf("the contract has no %q, or no %q after it", from, to)
	}
	return part
}

func backticked(text string) (all []string) {
	for _, word := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(text, -1) {
		all = append(all, word[1])
	}
	return all
}

// notSaid are words of the contract that no call of ours ends with, and why.
var notSaid = map[string]string{
	"rep_drop_unrecovered": "rescue is later work",
	"session_closed":       "so is a rep who stays on the line",
	"ended_by_api":         "the table of outcomes files such a call under completed, with ended_by api",
	"ended_by":             "is a field, not a reason",
}

// TestReasonsKeepTheContract: each reason of the table ends in its outcome,
// whether or not the call had connected, and no other reason is said.
func TestReasonsKeepTheContract(t *testing.T) {
	text := kept(t)
	for row := range strings.Lines(between(t, text, "| outcome | reasons |\n|---|---|\n", "\n\n") + "\n") {
		cells := strings.Split(row, " | ")
		under := backticked(cells[0])
		for i, reason := range backticked(strings.ReplaceAll(cells[1], "the same word", cells[0])) {
			outcome := Outcome(under[min(i, len(under)-1)])
			if ends := []Outcome{Reason(reason).outcome(false), Reason(reason).outcome(true)}; !slices.Contains(ends, outcome) {
				t.Errorf("%s ends %v and not %s", reason, ends, outcome)
			}
		}
	}
	words := backticked(between(t, text, "### 4.2 Leg A", "\nFlags:"))
	for _, word := range words {
		if outcomes[Reason(word)] == "" && notSaid[word] == "" {
			t.Errorf("no call ends with %s", word)
		}
	}
	words = append(words, string(ReasonQueueTimeout)) // of 4.1, though the call is there
	for reason := range outcomes {
		if !slices.Contains(words, string(reason)) {
			t.Errorf("the contract does not know %s", reason)
		}
	}
}

func TestStatusesKeepTheContract(t *testing.T) {
	var want []Status
	for row := range strings.Lines(between(t, kept(t), "| status | states |\n|---|---|\n", "\n\n")) {
		want = append(want, Status(backticked(row)[0]))
	}
	if !slices.Equal(want, Statuses) {
		t.Errorf("%v are not %v", Statuses, want)
	}
}
