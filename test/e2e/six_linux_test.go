package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

// TestIPv6: SIP and RTP of both legs over IPv6, by either path; and a rep's leg
// over IPv4 with a prospect's over IPv6, which takes the user path.
func TestIPv6(t *testing.T) {
	t.Parallel()
	able, done := ownNetwork(t)
	if done {
		return
	}
	for _, tt := range []struct{ name, rep, prospect, listen, path, takes string }{
		{"user path", "::1", "::1", "[::1]", "user", "user"},
		{"kernel path", "::1", "::1", "[::1]", "auto", "kernel"},
		{"one leg IPv4", "127.0.0.1", "::1", "[::]", "auto", "user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !able && tt.path == "auto" {
				t.Log("this machine has no kernel path for us: user, by media.fast_path")
				tt.path, tt.takes = "user", "user"
			}
			answers := func(tone float64) func(string) carrier.Script {
				return func(string) carrier.Script {
					return func(call *carrier.Call) { call.Ring(); call.Answer(tone); <-call.Over() }
				}
			}
			reps, outside := openCarrierAt(t, tt.rep, answers(carrier.RepTone)), openCarrierAt(t, tt.prospect, answers(carrier.ProspectTone))
			trunk := func(name, host string, c *carrier.Carrier) string {
				return fmt.Sprintf("  %s: {host: %q, port: %d, caller_ids: [\"+12025550199\"], auth: {mode: digest, username: acme, password: \"${env:TRUNK_PASSWORD}\"}, keepalive: {options: 0s}}\n", name, host, c.Addr().Port())
			}
			s := newServer(t, trunk("reps", tt.rep, reps)+trunk("outside", tt.prospect, outside)+legRoutes)
			port := freePort(t)
			s.env = append(s.env, "TANDEM_MEDIA__FAST_PATH="+tt.path, fmt.Sprintf("TANDEM_METRICS__LISTEN=127.0.0.1:%d", port))
			text, err := os.ReadFile(s.config)
			if err != nil {
				t.Fatal(err)
			}
			text = []byte(strings.ReplaceAll(string(text), "//127.0.0.1:", "//"+tt.listen+":"))
			if err := os.WriteFile(s.config, text, 0o600); err != nil {
				t.Fatal(err)
			}
			s.start()
			id := s.call(repNumber, prospectNumber, "awaiting_confirmation")
			if code, problem := s.do("POST", "/v1/calls/"+id+"/confirm", ""); code >= 300 {
				t.Fatalf("confirm: %d %v", code, problem)
			}
			s.reaches(id, "in_progress")
			s.until("both streams take the "+tt.takes+" path", func() bool {
				return strings.Contains(s.metrics(port), fmt.Sprintf("tandem_media_streams{path=%q} 2", tt.takes))
			})
			rep, prospect := reps.Calls()[0], outside.Calls()[0]
			s.until("the rep hears the prospect", func() bool { return rep.Heard().Tone(carrier.ProspectTone) > 3*time.Second })
			s.until("the prospect hears the rep", func() bool { return prospect.Heard().Tone(carrier.RepTone) > 3*time.Second })
			if tt.path == "auto" && tt.takes == "user" && counter(s.metrics(port), `tandem_media_path_fallbacks_total{reason="family"}`) == 0 {
				t.Error("that the legs are of two families is not told")
			}
			s.hangup(id)
			s.ends(id, "completed", "completed", "api")
		})
	}
}
