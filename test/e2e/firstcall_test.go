package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tandem/test/carrier"
)

// reader follows a page of the documentation, word by word, in a folder of their own.
type reader struct {
	*testing.T
	blocks  [][2]string // language and text, in the order of the page
	dir     string
	env     []string // of this machine; a reader has none
	exports string   // what the page has had them export so far
	instead []string // pairs: what stands on the page, and what the reader puts there
}

func newReader(t *testing.T, page string) *reader {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{T: t, dir: t.TempDir()}
	if err := os.Symlink(path, filepath.Join(r.dir, "tandem")); err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		r.blocks = append(r.blocks, [2]string{block[1], block[2]})
	}
	return r
}

// next is the page's next block, which begins so.
func (r *reader) next(language, begin string) string {
	r.Helper()
	if len(r.blocks) == 0 {
		r.Fatalf("the page ends before %q", begin)
	}
	block := r.blocks[0]
	r.blocks = r.blocks[1:]
	if block[0] != language || !strings.HasPrefix(block[1], begin) {
		r.Fatalf("the page has %q in %s, not %q", block[1], block[0], begin)
	}
	return strings.NewReplacer(r.instead...).Replace(block[1])
}

// types has the reader type the next block, and returns what they see.
func (r *reader) types(begin string) string {
	r.Helper()
	block := r.next("sh", begin)
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, "export ") {
			r.exports += line
		}
	}
	out, err := r.shell(block).CombinedOutput()
	if err != nil {
		r.Fatalf("%s%v\n%s", block, err, out)
	}
	return string(out)
}

// starts has the reader type what goes on for as long as it is left running; stop is
// a Ctrl-C. What a demo's phones heard on a busy machine is not what is tried here.
func (r *reader) starts(begin string) (out *logBuffer, stop func()) {
	r.Helper()
	c := r.shell("exec " + r.next("sh", begin))
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
	c := exec.Command("sh", "-ec", r.exports+text)
	c.Dir, c.Env = r.dir, append(os.Environ(), r.env...)
	return c
}

// sees fails unless what is on the screen has it in it.
func (r *reader) sees(screen, form string) (found string) {
	r.Helper()
	parts := regexp.MustCompile(form).FindStringSubmatch(screen)
	if parts == nil {
		r.Fatalf("%s is not in\n%s", form, screen)
	}
	return parts[len(parts)-1]
}

// TestFirstCall: whoever types what docs/first-call.md says has a call up in the demo,
// and then one over a trunk that asks for a password. Only the trunk's host and port,
// and ports of this machine, come from the environment.
func TestFirstCall(t *testing.T) {
	t.Parallel()
	r := newReader(t, "../../docs/first-call.md")
	if line := r.next("sh", "go build"); line != "go build -o tandem ./cmd/tandem\n" {
		t.Fatalf("the page builds by %q", line)
	}
	demo, stop := r.starts("./tandem demo")
	until(t, "the demo serves", func() bool { return strings.Contains(demo.String(), "call.rep_ringing") })
	r.instead = []string{"http://127.0.0.1:8080", "http://" + r.sees(demo.String(), `curl -s (127\S+)/v1/calls`),
		"tdm_test_…", r.sees(demo.String(), `API key +(\S+)`)}
	r.types("export TANDEM_URL")
	id := r.sees(r.types("curl -s $TANDEM_URL/v1/calls"), `"id":"(call_[0-9a-z]+)"`)
	r.instead = append(r.instead, "call_…", id)
	r.sees(r.types("curl -sN"), `event: call.connected\n(?s:.*)event: call.ended\n`)
	r.sees(r.types(`curl -s "$TANDEM_URL/v1/calls/call_`), `"outcome":"completed"`)
	r.sees(r.types("./tandem call"), `prospect_busy +Busy`)
	r.sees(r.types("curl -s $TANDEM_URL/v1/calls"), `"code":"emergency_number"(?s:.*)emergency_number \(HTTP 403\)`)
	stop()

	phones := openCarrier(t, func(number string) carrier.Script {
		alike := map[string]string{"14155550199": "12025550110", "14155550123": "12025550100"}
		return carrier.Magic(alike[number])
	})
	s := newServer(t, "")
	r.env = append(s.local(), "TANDEM_TRUNKS__CARRIER__HOST=127.0.0.1", at("TANDEM_TRUNKS__CARRIER__PORT", int(phones.Addr().Port())))
	if err := os.WriteFile(filepath.Join(r.dir, "tandem.yaml"), []byte(r.next("yaml", "version: 1")), 0o600); err != nil {
		t.Fatal(err)
	}
	screen := r.types("export TRUNK_PASSWORD")
	r.sees(screen, `0 errors, 0 warnings(?s:.*)ready`)
	key := r.sees(r.types("./tandem keys create"), `(tdm_live_\S+)`)
	r.starts("./tandem serve")
	until(t, "tandem serves", func() bool {
		return r.shell("./tandem healthcheck --ready --url "+s.url).Run() == nil
	})
	r.instead = []string{"http://127.0.0.1:8080", s.url, "tdm_live_…", key}
	r.sees(r.types("export TANDEM_URL"), `ended +completed +Call ended`)
	if len(r.blocks) > 0 {
		t.Errorf("nobody tried %v", r.blocks)
	}
	if n := fmt.Sprint(len(phones.Calls())); n != "3" { // one was the trunk test's
		t.Errorf("the trunk had %s calls", n)
	}
}
