package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a `tandem serve` of its own, with an empty store.
type process struct {
	cmd      *exec.Cmd
	log      bytes.Buffer
	url, key string
}

// build makes the binary that is measured.
func build(dir string) (string, error) {
	path := filepath.Join(dir, "tandem")
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "tandem/cmd/tandem").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
}

func freePort(network string) (int, error) {
	if network == "udp" {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		return conn.LocalAddr().(*net.UDPAddr).Port, conn.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

const settings = `version: 1
sip: {listen: ["udp://127.0.0.1:%d"]}
media: {rtp_ports: 10000-31999, fast_path: %s}
numbers: {default_region: US, allow: ["+1206"]}
trunks:
  bench:
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: bench, password: "${env:BENCH_PASSWORD}"}
    caller_ids: ["+12064000199"]
    limits: {channels: 2000, cps: 1000}
http: {listen: "127.0.0.1:%d", rate_limit: {per_second: 10000, burst: 10000}}
webhooks: {allow_private_networks: true}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
log: {level: warn}
`

// start starts a process whose trunk is at port, and returns once it is ready. Where
// there is a fill, that fills the store first.
func start(binary, dir, path string, port uint16, fill func(path string) error) (*process, error) {
	sip, errSIP := freePort("udp")
	web, errWeb := freePort("tcp")
	if err := errors.Join(errSIP, errWeb); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "tandem.yaml")
	db := filepath.Join(dir, "tandem.db")
	if err := os.WriteFile(file, fmt.Appendf(nil, settings, sip, path, port, web, db), 0o600); err != nil {
		return nil, err
	}
	p := &process{url: fmt.Sprintf("http://127.0.0.1:%d", web)}
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(binary, args...)
		c.Env = append(os.Environ(), "BENCH_PASSWORD="+password)
		c.Stderr = &p.log
		return c
	}
	out, err := command("keys", "create", "--config", file, "--name", "bench", "--scopes", "admin", "--json").Output()
	var made struct{ Key string }
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err != nil {
		return nil, fmt.Errorf("keys create: %w\n%s", err, p.log.String())
	}
	p.key = made.Key
	if fill != nil {
		if err := fill(db); err != nil {
			return nil, fmt.Errorf("fill: %w", err)
		}
	}
	p.cmd = command("serve", "--config", file)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 400 {
		res, err := http.Get(p.url + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("tandem is not ready: %s", p.log.String()), p.stop())
}

func (p *process) stop() error {
	return errors.Join(p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Wait())
}

// do speaks to the control API.
func (p *process) do(method, path, body string, into any) error {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(p.key, "")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, answer)
	}
	return json.Unmarshal(answer, into)
}

// call places the n-th call and returns its id.
func (p *process) call(n int) (id string, err error) {
	var made struct{ ID string }
	err = p.do("POST", "/v1/calls", fmt.Sprintf(`{"rep_number":"+%s%04d","to":"+%s%04d"}`, repPrefix, n, prospectPrefix, n), &made)
	return made.ID, err
}

// seen is what the API says of a call.
type seen struct {
	Status, Reason string
	Flags          []string
	Legs           struct {
		Rep, Prospect struct{ Hangup struct{ Text string } }
	}
}

func (p *process) get(id string) (s seen, err error) {
	err = p.do("GET", "/v1/calls/"+id, "", &s)
	return s, err
}

// until waits for a call's status.
func (p *process) until(id, want string) error {
	for range 1500 {
		call, err := p.get(id)
		if err != nil || call.Status == want {
			return err
		}
		if call.Status == "ended" {
			return fmt.Errorf("call %s has ended, it should be %s: %+v", id, want, call)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("call %s does not become %s", id, want)
}

// cpu is what the process has used so far, in user and kernel mode; proc(5)
// counts it in hundredths of a second.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat: %q", text)
	}
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(errUser, errSystem)
}

// memory is what the process holds in RAM, in bytes.
func (p *process) memory() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.Atoi(strings.Fields(rest)[0])
			return kB << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}
