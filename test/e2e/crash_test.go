package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/test/carrier"
)

// binary builds tandem once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tandem")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/tandem").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// server is a tandem process with a carrier beside it.
type server struct {
	*testing.T
	path, config, key, url string
	process                *exec.Cmd
	log                    bytes.Buffer
}

// freeUDP is a port that was free a moment ago.
func freeUDP(t *testing.T) int {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func freeTCP(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func openCarrier(t *testing.T, script func(string) carrier.Script) *carrier.Carrier {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
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

// newServer configures a tandem whose trunk is at port.
func newServer(t *testing.T, port uint16) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{T: t, path: binary(t), config: filepath.Join(dir, "tandem.yaml")}
	http := freeTCP(t)
	s.url = fmt.Sprintf("http://127.0.0.1:%d", http)
	text := fmt.Sprintf(`version: 1
sip: {listen: ["udp://127.0.0.1:%d"]}
media: {rtp_ports: 32000-32999}
numbers: {default_region: US, allow: ["+1202555"]}
trunks:
  carrier:
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: acme, password: "${env:TRUNK_PASSWORD}"}
    caller_ids: ["+12025550199"]
http: {listen: "127.0.0.1:%d"}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
`, freeUDP(t), port, http, filepath.Join(dir, "t.db"))
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := s.command("keys", "create", "--config", s.config, "--name", "e2e", "--scopes", "admin", "--json").Output()
	var made struct{ Key string }
	if err != nil || json.Unmarshal(out, &made) != nil || made.Key == "" {
		t.Fatalf("keys: %v %s", err, out)
	}
	s.key = made.Key
	return s
}

func (s *server) command(args ...string) *exec.Cmd {
	c := exec.Command(s.path, args...)
	c.Env = append(os.Environ(), "TRUNK_PASSWORD=secret")
	return c
}

// start starts the process and waits until it takes calls.
func (s *server) start() {
	s.Helper()
	s.process = s.command("serve", "--config", s.config)
	s.process.Stderr = &s.log
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = s.process.Process.Kill(); _ = s.process.Wait() })
	s.until("it is ready", func() bool {
		res, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == 200
	})
}

func (s *server) until(what string, done func() bool) {
	s.Helper()
	for range 600 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Fatalf("not within 30 s: %s\n%s", what, s.log.String())
}

func (s *server) do(method, path, body string) (status int, call map[string]any) {
	s.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.SetBasicAuth(s.key, "")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	_ = json.Unmarshal(data, &call)
	return res.StatusCode, call
}

// call places a call and waits for a status.
func (s *server) call(rep, to, status string) (id string) {
	s.Helper()
	code, call := s.do("POST", "/v1/calls", fmt.Sprintf(`{"rep_number":%q,"to":%q}`, rep, to))
	if code != 201 {
		s.Fatalf("%d %v", code, call)
	}
	id = call["id"].(string)
	s.until("the call is "+status, func() bool {
		_, call := s.do("GET", "/v1/calls/"+id, "")
		return call["status"] == status
	})
	return id
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
	s := newServer(t, c.Addr().Port())
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
	s := newServer(t, c.Addr().Port())
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
