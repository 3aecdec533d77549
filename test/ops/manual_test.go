package ops

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestManualNamesEveryCommand: the page and the binary agree.
func TestManualNamesEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../deploy/tandem.1")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "../../cmd/tandem", "help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, list, _ := strings.Cut(string(out), "[--help]\n\n")
	for line := range strings.Lines(list) {
		if word := strings.Fields(line)[0]; !strings.Contains(string(page), word) {
			t.Errorf("tandem.1 does not name %s", word)
		}
	}
}
