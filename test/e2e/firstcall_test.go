package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tandem/test/carrier"
	"tandem/test/follow"
)

// reader follows a page of the documentation in a folder of their own.
type reader struct {
	*follow.Page
	dir string
	env []string // of this machine; a reader has none
}

func newReader(t *testing.T, page string) *reader {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{Page: follow.Open(t, page), dir: t.TempDir()}
	if err := os.Symlink(path, filepath.Join(r.dir, "tandem")); err != nil {
		t.Fatal(err)
	}
	r.Shell = r.shell
	return r
}

// starts has the reader type what goes on for as long as it is left running; stop is
// a Ctrl-C. What a demo's phones heard on a busy machine is not what is tried here.
func (r *reader) starts(begin string) (out *logBuffer, stop func()) {
	r.Helper()
	c := r.shell(r.Exports + "exec " + r.Next("sh", begin))
	out = new(logBuffer)
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		r.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = c.Process.Signal(syscall.SIGINT)
		if err := c.Wait(); err != nil && c.ProcessState.ExitCode() != 1 {
			r.Errorf("%s: %v\n%s", begin, err, out.String())
		}
	}
	r.Cleanup(stop)
	return out, stop
}

func (r *reader) shell(text string) *exec.Cmd {
	c := exec.Command("sh", "-ec", text)
	c.Dir, c.Env = r.dir, append(os.Environ(), r.env...)
	return c
}

// TestFirstCall: whoever types what docs/first-call.md says has a call up in the demo,
// and then one over a trunk that asks for a password. Only the trunk's host and port,
// and ports of this machine, come from the environment.
func TestFirstCall(t *testing.T) {
	t.Parallel()
	r := newReader(t, "../../docs/first-call.md")
	if line := r.Next("sh", "go build"); line != "go build -o tandem ./cmd/tandem\n" {
		t.Fatalf("the page builds by %q", line)
	}
	demo, stop := r.starts("./tandem demo")
	until(t, "the demo serves", func() bool { return strings.Contains(demo.String(), "call.rep_ringing") })
	r.Instead = []string{"http://127.0.0.1:8080", "http://" + r.Sees(demo.String(), `curl -s (127\S+)/v1/calls`),
		"tdm_test_…", r.Sees(demo.String(), `API key +(\S+)`)}
	r.Types("export TANDEM_URL")
	id := r.Sees(r.Types("curl -s $TANDEM_URL/v1/calls"), `"id":"(call_[0-9a-z]+)"`)
	r.Instead = append(r.Instead, "call_…", id)
	r.Sees(r.Types("curl -sN"), `event: call.connected\n(?s:.*)event: call.ended\n`)
	r.Sees(r.Types(`curl -s "$TANDEM_URL/v1/calls/call_`), `"outcome":"completed"`)
	r.Sees(r.Types("./tandem call"), `prospect_busy +Busy`)
	r.Sees(r.Types("curl -s $TANDEM_URL/v1/calls"), `"code":"emergency_number"(?s:.*)emergency_number \(HTTP 403\)`)
	stop()

	phones := openCarrier(t, func(number string) carrier.Script {
		alike := map[string]string{"14155550199": "12025550110", "14155550123": "12025550100"}
		return carrier.Magic(alike[number])
	})
	s := newServer(t, "")
	r.env = append(s.local(), "TANDEM_TRUNKS__CARRIER__HOST=127.0.0.1", at("TANDEM_TRUNKS__CARRIER__PORT", int(phones.Addr().Port())))
	if err := os.WriteFile(filepath.Join(r.dir, "tandem.yaml"), []byte(r.Next("yaml", "version: 1")), 0o600); err != nil {
		t.Fatal(err)
	}
	screen := r.Types("export TRUNK_PASSWORD")
	r.Sees(screen, `0 errors, 0 warnings(?s:.*)ready`)
	key := r.Sees(r.Types("./tandem keys create"), `(tdm_live_\S+)`)
	r.starts("./tandem serve")
	until(t, "tandem serves", func() bool {
		return r.shell("./tandem healthcheck --ready --url "+s.url).Run() == nil
	})
	r.Instead = []string{"http://127.0.0.1:8080", s.url, "tdm_live_…", key}
	r.Sees(r.Types("export TANDEM_URL"), `ended +completed +Call ended`)
	r.Ends()
	if n := fmt.Sprint(len(phones.Calls())); n != "3" { // one was the trunk test's
		t.Errorf("the trunk had %s calls", n)
	}
}
