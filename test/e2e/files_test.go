package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

// TestFewFiles: a process that may open 96 files takes the 10 calls that doctor
// says it carries, refuses the next and says why, and those that are up talk on.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	const files, calls = 96, 10
	c := openCarrier(t, func(string) carrier.Script {
		return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.ProspectTone); <-call.Over() }
	})
	s := newServer(t, digestTrunk(c.Addr().Port())+"    limits: {channels: 100, cps: 1000}\n")
	port := freePort(t)
	s.env = append(s.env, fmt.Sprintf("TANDEM_METRICS__LISTEN=127.0.0.1:%d", port))
	s.createKey()
	s.wrap = []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, files), "sh"}
	said, _ := s.command("doctor", "--offline", "--config", s.config).CombinedOutput()
	if want := fmt.Sprintf("%d open files are allowed, which carry %d calls", files, calls); !strings.Contains(string(said), want) {
		t.Errorf("doctor does not say that %s:\n%s", want, said)
	}
	s.start()
	ask := func(n int) (int, map[string]any) {
		return s.do("POST", "/v1/calls", fmt.Sprintf(`{"rep_number":"+12025550%d","to":%q}`, 200+n, prospectNumber))
	}
	var up []string
	for n := range calls {
		code, call := ask(n)
		if code != 201 {
			t.Fatalf("call %d: %d %v", n+1, code, call)
		}
		up = append(up, call["id"].(string))
	}
	for n := range 5 {
		code, problem := ask(calls + n)
		if detail, _ := problem["detail"].(string); code != 503 || problem["code"] != "no_capacity" || !strings.Contains(detail, "open files") {
			t.Errorf("call %d: %d %v", calls+n+1, code, problem)
		}
	}
	if n := counter(s.metrics(port), `tandem_calls_rejected_total{code="no_capacity"}`); n != 5 {
		t.Errorf("%v refusals are counted", n)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.Process.Pid))
	if err != nil || len(open) >= files {
		t.Errorf("%d files are open, %v", len(open), err)
	}
	first := up[0]
	s.reaches(first, "awaiting_confirmation")
	if code, problem := s.do("POST", "/v1/calls/"+first+"/confirm", ""); code >= 300 {
		t.Fatalf("confirm: %d %v", code, problem)
	}
	s.reaches(first, "in_progress")
	s.until("the rep hears the prospect", func() bool { return c.Calls()[0].Heard().Tone(carrier.ProspectTone) > time.Second })
	for _, id := range up {
		s.hangup(id)
	}
	s.until("another call is taken", func() bool { code, _ := ask(90); return code == 201 })
}
