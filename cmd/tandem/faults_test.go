package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/cmd/app"
	"tandem/config"
)

// TestBadTrunks: each thing that can be wrong with a trunk ends a call in a reason
// and a word of its own, in one line of the log and one count of the metrics, and
// `tandem trunk test` says what to change.
func TestBadTrunks(t *testing.T) {
	answers := func(sdp string) func(string) string {
		return func(string) string {
			return "200 OK\r\nContact: <sip:far@127.0.0.1:PORT>\r\nContent-Type: application/sdp\r\n\r\n" + sdp
		}
	}
	const good = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"
	carrier := func(t *testing.T, invite func(string) string) string {
		return fmt.Sprintf("host: 127.0.0.1, port: %d", registrarless(t, invite))
	}
	const password = `, auth: {mode: digest, username: acme, password: "${env:TRUNK_TEST_PASSWORD}"`
	tests := map[string]struct {
		trunk    func(t *testing.T) string // its settings
		reason   string                    // of the call
		fault    string
		sentence string // what trunk test says to do
	}{
		"wrong password": {func(t *testing.T) string {
			return carrier(t, func(string) string { return challengeHeader }) + password + "}"
		}, "trunk_refused_rep", "wrong_password", "set auth.username and auth.password to those of the carrier's portal"},
		"unknown realm": {func(t *testing.T) string {
			return carrier(t, func(string) string { return challengeHeader }) + password + ", realm: near}"
		}, "trunk_refused_rep", "unknown_realm", "set auth.realm to the one it names"},
		"expired certificate": {func(t *testing.T) string {
			port, ca := expiredTrunk(t)
			return fmt.Sprintf("host: 127.0.0.1, port: %d, transport: tls, tls: {ca_file: %q}", port, ca)
		}, "trunk_failed_rep", "certificate_expired", "ask the carrier for a new one"},
		"name that does not resolve": {func(*testing.T) string { return "host: nowhere.invalid" },
			"trunk_failed_rep", "name_unresolved", "Correct the trunk's host"},
		"200 without SDP": {func(t *testing.T) string { return carrier(t, answers("")) },
			"media_failed_rep", "no_session_description", "turn early offer on"},
		"two m-lines": {func(t *testing.T) string { return carrier(t, answers(good+"m=audio 30002 RTP/AVP 0\r\n")) },
			"media_failed_rep", "two_media", "turn video and fax (T.38) off"},
		"a codec nobody offered": {func(t *testing.T) string { return carrier(t, answers(strings.Replace(good, "AVP 0", "AVP 18", 1))) },
			"media_failed_rep", "codec_not_offered", "allow PCMU or PCMA (G.711)"},
		"port 0": {func(t *testing.T) string {
			return carrier(t, answers(strings.Replace(good, "audio 30000", "audio 0", 1)))
		},
			"media_failed_rep", "media_port_zero", "allow PCMU or PCMA (G.711) and RTP without encryption"},
	}
	t.Setenv("TRUNK_TEST_PASSWORD", "secret")
	dir := t.TempDir()
	trunks, routes, numbers := "", "", make(map[string]string)
	for name, tt := range tests {
		numbers[name] = fmt.Sprintf("+1202555%04d", len(numbers))
		trunks += fmt.Sprintf("  %s: {%s, keepalive: {options: 0s}, caller_ids: [\"+14155550100\"]}\n", tt.fault, tt.trunk(t))
		routes += fmt.Sprintf("  - {leg: rep, match: %q, trunks: [%s]}\n", numbers[name], tt.fault)
	}
	file := filepath.Join(dir, "tandem.yaml")
	text := fmt.Sprintf(`version: 1
numbers: {default_region: US, allow: ["+1"]}
sip: {listen: ["udp://127.0.0.1:0"]}
media: {rtp_ports: 40000-40999}
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
store: {url: "sqlite://%s/t.db"}
trunks:
%srouting:
%s  - {leg: prospect, match: "*", trunks: [wrong_password]}
`, dir, trunks, routes)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serving(t, file)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // one waits for DNS
			call := s.call(t, numbers[name])
			legs, _ := call["legs"].(map[string]any)
			rep, _ := legs["rep"].(map[string]any)
			hangup, _ := rep["hangup"].(map[string]any)
			text, _ := hangup["text"].(string)
			if call["outcome"] == "completed" || call["reason"] != tt.reason || !strings.HasPrefix(text, tt.fault+": ") {
				t.Errorf("the call ended %v, %v, %q; want %s, %s", call["outcome"], call["reason"], text, tt.reason, tt.fault)
			}
			logged := slices.DeleteFunc(strings.Split(s.log.String(), "\n"), func(line string) bool {
				return !strings.Contains(line, `msg="sip: trunk at fault"`) || !strings.Contains(line, " trunk="+tt.fault+" ")
			})
			if len(logged) != 1 || !strings.Contains(logged[0], " reason="+tt.fault+" ") {
				t.Errorf("logged of it: %q", logged)
			}
			counted := 0
			for line := range strings.Lines(s.metrics(t)) {
				if strings.HasPrefix(line, "tandem_trunk_faults_total{") && strings.Contains(line, fmt.Sprintf("trunk=%q", tt.fault)) && !strings.HasSuffix(line, "} 0\n") {
					counted++
					if want := fmt.Sprintf("reason=%q,trunk=%q} 1\n", tt.fault, tt.fault); !strings.HasSuffix(line, want) {
						t.Errorf("%s, want %s", line, want)
					}
				}
			}
			if counted != 1 {
				t.Errorf("%d faults are counted", counted)
			}
			var out, errs bytes.Buffer
			code := dispatch([]string{"trunk", "test", tt.fault, "--call", "+12025550123", "--config", file}, nil, &out, &errs)
			if said := out.String(); code != 1 || !strings.Contains(said, "["+tt.fault+"]") || !strings.Contains(said, tt.sentence) {
				t.Errorf("trunk test: exit %d\n%s%s", code, said, errs.String())
			}
		})
	}
}

// served is a tandem within the test.
type served struct {
	*app.App
	key string
	log syncBuffer
}

// serving serves with a configuration until the test ends.
func serving(t *testing.T, file string) *served {
	t.Helper()
	var made, errs bytes.Buffer
	if code := dispatch([]string{"keys", "create", "--config", file, "--name", "test", "--scopes", "admin", "--json"}, nil, &made, &errs); code != 0 {
		t.Fatalf("keys: %s", errs.String())
	}
	var key struct{ Key string }
	if err := json.Unmarshal(made.Bytes(), &key); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(file, os.Environ())
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	s := &served{key: key.Key}
	a, err := app.Start(t.Context(), cfg, app.RealWire(cfg.Media.DSCP), slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.App = a
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// call places a call to a rep and returns it once it has ended.
func (s *served) call(t *testing.T, rep string) (call map[string]any) {
	t.Helper()
	do := func(method, path, body string) (answer map[string]any) {
		req, err := http.NewRequest(method, "http://"+s.HTTP.String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(s.key, "")
		if err := json.Unmarshal(fetch(t, req), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	id, _ := do("POST", "/v1/calls", fmt.Sprintf(`{"rep_number":%q,"to":"+12025550123"}`, rep))["id"].(string)
	for deadline := time.Now().Add(time.Minute); call["status"] != "ended"; {
		if time.Now().After(deadline) {
			t.Fatalf("the call does not end: %v", call)
		}
		call = do("GET", "/v1/calls/"+id+"?wait=ended", "")
	}
	return call
}

func (s *served) metrics(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+s.Metrics.String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(fetch(t, req))
}

func fetch(t *testing.T, req *http.Request) []byte {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s: %v %s", res.Status, err, body)
	}
	return body
}

// expiredTrunk is a TLS trunk whose certificate was good until an hour ago; ca is
// the file of who signed it.
func expiredTrunk(t *testing.T) (port int, ca string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "carrier"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn) // the handshake, and nothing after it
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, ca
}

// syncBuffer may be read while others write.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
