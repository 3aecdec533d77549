package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// scratch is removed after the last test.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tandem-e2e")
	if err != nil {
		panic(err)
	}
	scratch = dir
	// The tests wait for phones far more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// built is set to the binary, for this test's own processes.
const built = "TANDEM_E2E_BINARY"

// build makes the binary once for all tests, with the race detector in it.
var build = sync.OnceValues(func() (path string, err error) {
	if path = os.Getenv(built); path != "" {
		return path, nil
	}
	path = filepath.Join(scratch, "tandem")
	out, err := exec.Command("go", "build", "-race", "-o", path, "../../cmd/tandem").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, os.Setenv(built, path)
})

// server is a tandem process.
type server struct {
	*testing.T
	path, config, key, url string
	sip, rtp               int // its UDP port; the first of its 80 RTP ports
	env                    []string
	wrap                   []string // a command that runs another: how the process is started
	process                *exec.Cmd
	log                    logBuffer
}

// logBuffer may be read while the process writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// ports counts through those that freePort gives away. They lie below the ports that
// the kernel gives, so that nobody gets one between freePort and its use; beginning
// anywhere keeps two runs of these tests apart.
var ports atomic.Uint32

func init() { ports.Store(rand.Uint32N(1000)) }

// freePort is a port that nobody has, for UDP and TCP. Nor are the next seven given to
// others: SIPp and baresip take some of them.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		at := fmt.Sprintf("127.0.0.1:%d", 12000+8*(ports.Add(1)%1000))
		udp, err := net.ListenPacket("udp", at)
		if err != nil {
			continue
		}
		_ = udp.Close()
		tcp, err := net.Listen("tcp", at)
		if err != nil {
			continue
		}
		_ = tcp.Close()
		return udp.LocalAddr().(*net.UDPAddr).Port
	}
	t.Fatal("no free port")
	return 0
}

// servers counts them, so that each has RTP ports of its own, below those that
// the kernel gives away.
var servers, phones atomic.Int32

// newServer configures a tandem with these trunks, written as YAML in trunks'
// place, and what else the text says.
func newServer(t *testing.T, trunks string) *server {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &server{T: t, path: path, config: filepath.Join(dir, "tandem.yaml"), sip: freePort(t), env: []string{"TRUNK_PASSWORD=secret", "TANDEM_MEDIA__FAST_PATH=user"}} // which leaves the lo of the machine alone
	http := freePort(t)
	s.rtp = 20000 + 80*int(servers.Add(1))
	s.url = fmt.Sprintf("http://127.0.0.1:%d", http)
	text := fmt.Sprintf(`version: 1
sip: {listen: ["udp://127.0.0.1:%d", "tcp://127.0.0.1:%[1]d"]}
media: {rtp_ports: %d-%d}
numbers: {default_region: US, allow: ["+1202555"]}
http: {listen: "127.0.0.1:%d", rate_limit: {per_second: 0}}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
trunks:
%s`, s.sip, s.rtp, s.rtp+79, http, filepath.Join(dir, "t.db"), trunks)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// createKey makes the key that do uses.
func (s *server) createKey() {
	s.Helper()
	create := s.command("keys", "create", "--config", s.config, "--name", "e2e", "--scopes", "admin", "--json")
	var said bytes.Buffer // warnings too
	create.Stderr = &said
	out, err := create.Output()
	var made struct{ Key string }
	if err != nil || json.Unmarshal(out, &made) != nil || made.Key == "" {
		s.Fatalf("keys: %v %s", err, said.String())
	}
	s.key = made.Key
}

func (s *server) command(args ...string) *exec.Cmd {
	line := append(append(slices.Clone(s.wrap), s.path), args...)
	c := exec.Command(line[0], line[1:]...)
	c.Env = append(os.Environ(), s.env...)
	return c
}

// start starts the process and waits until it takes calls.
func (s *server) start() {
	s.Helper()
	if s.key == "" {
		s.createKey()
	}
	s.launch()
	s.Cleanup(s.kill)
	s.until("it is ready", func() bool {
		res, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == 200
	})
}

// launch starts the process.
func (s *server) launch() {
	s.Helper()
	s.process = s.command("serve", "--config", s.config)
	s.process.Stderr = &s.log
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
}

// kill ends the process as a crash would, and looks at what it said.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	log := s.log.String()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panicked") {
		s.Errorf("the process has a bug:\n%s", log)
	} else if s.Failed() {
		s.Logf("its log:\n%s", log)
	}
}

func (s *server) until(what string, done func() bool) {
	s.Helper()
	until(s.T, what, done)
}

// until waits for a condition, for longer than any call here lasts on a machine
// that has much else to do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1200 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("not within a minute: %s", what)
}

func (s *server) do(method, path, body string) (status int, answer map[string]any) {
	s.Helper()
	status, answer, err := s.try(method, path, body)
	if err != nil {
		s.Fatal(err)
	}
	return status, answer
}

// try is a request that nobody may be there to answer.
func (s *server) try(method, path, body string, header ...string) (status int, answer map[string]any, err error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(s.key, "")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	_ = json.Unmarshal(data, &answer)
	return res.StatusCode, answer, nil
}

// place asks for a call.
func (s *server) place(rep, to string) (id string) {
	s.Helper()
	code, call := s.do("POST", "/v1/calls", fmt.Sprintf(`{"rep_number":%q,"to":%q}`, rep, to))
	if code != 201 {
		s.Fatalf("%d %v", code, call)
	}
	return call["id"].(string)
}

// reaches waits until a call has a status; that it ended before is a failure.
func (s *server) reaches(id, status string) (call map[string]any) {
	s.Helper()
	s.until("the call is "+status, func() bool {
		_, call = s.do("GET", "/v1/calls/"+id, "")
		if call["status"] == "ended" && status != "ended" {
			s.Fatalf("the call ended before it was %s: %v %v", status, call["reason"], call["legs"])
		}
		return call["status"] == status
	})
	return call
}

// call places a call and waits for a status.
func (s *server) call(rep, to, status string) (id string) {
	s.Helper()
	id = s.place(rep, to)
	s.reaches(id, status)
	return id
}

// ends waits for the end of a call, and checks how it was.
func (s *server) ends(id, outcome, reason, by string) (call map[string]any) {
	s.Helper()
	call = s.reaches(id, "ended")
	if call["outcome"] != outcome || call["reason"] != reason || call["ended_by"] != by {
		s.Errorf("ended %v, %v, by %v; want %s, %s, by %s\n%v", call["outcome"], call["reason"], call["ended_by"], outcome, reason, by, call["legs"])
	}
	return call
}

func (s *server) hangup(id string) {
	s.Helper()
	if code, problem := s.do("POST", "/v1/calls/"+id+"/hangup", ""); code >= 300 {
		s.Fatalf("hangup: %d %v", code, problem)
	}
}

// trunk is the live state of a trunk.
func (s *server) trunk(name string) map[string]any {
	s.Helper()
	_, list := s.do("GET", "/v1/trunks", "")
	all, _ := list["data"].([]any)
	for _, one := range all {
		if trunk, ok := one.(map[string]any); ok && trunk["name"] == name {
			return trunk
		}
	}
	s.Fatalf("no trunk %s in %v", name, list)
	return nil
}

// stop ends the process as an operator does.
func (s *server) stop() {
	s.Helper()
	_ = s.process.Process.Signal(syscall.SIGTERM)
	if err := s.process.Wait(); err != nil {
		s.Errorf("stop: %v", err)
	}
}
