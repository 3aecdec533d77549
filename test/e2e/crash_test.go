package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"tandem/test/carrier"
)

func openCarrier(t *testing.T, script func(string) carrier.Script) *carrier.Carrier {
	t.Helper()
	return openCarrierAt(t, "127.0.0.1", script)
}

func openCarrierAt(t *testing.T, host string, script func(string) carrier.Script) *carrier.Carrier {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := carrier.Open(conn, carrier.Options{User: "acme", Password: "secret", Script: script, Speed: 4,
		ListenRTP: func(at netip.Addr) (net.PacketConn, error) {
			return net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// digestTrunk is a trunk at port whose password is in the environment.
func digestTrunk(port uint16) string {
	return fmt.Sprintf(`  carrier:
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: acme, password: "${env:TRUNK_PASSWORD}"}
    caller_ids: ["+12025550199"]
`, port)
}

// TestKilledServerHangsUpWhenItComesBack: both legs of a call in conversation, and
// the ringing prospect of another, are ended by the next process.
func TestKilledServerHangsUpWhenItComesBack(t *testing.T) {
	c := openCarrier(t, func(number string) carrier.Script {
		if strings.HasSuffix(number, "0120") { // talks for ever
			return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.ProspectTone); <-call.Over() }
		}
		if strings.HasSuffix(number, "0117") {
			return carrier.Magic("12025550110")
		}
		return carrier.Magic(number)
	})
	s := newServer(t, digestTrunk(c.Addr().Port()))
	s.start()
	talking := s.call("+12025550110", "+12025550120", "in_progress")
	ringing := s.call("+12025550117", "+12025550102", "calling_prospect")
	s.until("the prospect rings", func() bool { return len(c.Calls()) == 4 })
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.start()
	for id, outcome := range map[string]string{talking: "completed", ringing: "failed"} {
		_, call := s.do("GET", "/v1/calls/"+id, "")
		if call["status"] != "ended" || call["outcome"] != outcome || call["reason"] != "server_restart" {
			t.Errorf("%v %v %v", call["status"], call["outcome"], call["reason"])
		}
	}
	for _, call := range c.Calls() {
		s.until("the leg to "+call.Number+" is over", func() bool {
			final, acked, byes, _ := call.Fate()
			return acked && (final == 200 && byes == 1 || final == 487)
		})
	}
}

// TestDrain: a first SIGTERM lets the call go on and refuses others; a second
// ends it.
func TestDrain(t *testing.T) {
	c := openCarrier(t, func(number string) carrier.Script {
		if strings.HasSuffix(number, "0120") {
			return func(call *carrier.Call) { call.Ring(); call.Answer(carrier.ProspectTone); <-call.Over() }
		}
		return carrier.Magic(number)
	})
	s := newServer(t, digestTrunk(c.Addr().Port()))
	s.start()
	s.call("+12025550110", "+12025550120", "in_progress")
	_ = s.process.Process.Signal(syscall.SIGTERM)
	s.until("the server is not ready", func() bool { code, _ := s.do("GET", "/readyz", ""); return code == 503 })
	code, problem := s.do("POST", "/v1/calls", `{"rep_number":"+12025550111","to":"+12025550120"}`)
	if code != 503 || problem["code"] != "draining" {
		t.Errorf("a new call while draining: %d %v", code, problem)
	}
	_ = s.process.Process.Signal(syscall.SIGTERM)
	if err := s.process.Wait(); err != nil {
		t.Errorf("%v\n%s", err, s.log.String())
	}
	for _, call := range c.Calls() {
		if final, acked, byes, _ := call.Fate(); final != 200 || !acked || byes != 1 {
			t.Errorf("%s was left: %d, ACKed %v, %d BYEs", call.Number, final, acked, byes)
		}
	}
}
