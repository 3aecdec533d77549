package page

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

// TestYouAreTheRep: whoever opens the page that the demo prints makes a call with
// the phone that is drawn there, and hears it.
func TestYouAreTheRep(t *testing.T) {
	tandem := filepath.Join(t.TempDir(), "tandem")
	if out, err := exec.Command("go", "build", "-o", tandem, "../../cmd/tandem").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	demo := exec.Command(tandem, "demo", "--you-are-the-rep")
	said, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	demo.Stderr = t.Output()
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := demo.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := demo.Wait(); err != nil {
			t.Error(err)
		}
	}()
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if found := regexp.MustCompile(`^Phone +(http\S+)`).FindStringSubmatch(lines.Text()); found != nil {
			t.Log(node(t, "visit.mjs", "URL="+found[1], "ORG=http://localhost", "LINKS={}", "SCREENS="+screens(t)))
			return
		}
	}
	t.Error("the demo names no page")
}
