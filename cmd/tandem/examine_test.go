package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

// registrarless is a trunk on loopback: it knows OPTIONS, and how to refuse an
// INVITE. Its SIP is written by hand.
func registrarless(t *testing.T, invite func(request string) string) (port int) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			request := string(b[:n])
			status := ""
			switch {
			case strings.HasPrefix(request, "OPTIONS "):
				status = "200 OK"
			case strings.HasPrefix(request, "INVITE "):
				status = invite(request)
			case strings.HasPrefix(request, "BYE "), strings.HasPrefix(request, "CANCEL "):
				status = "200 OK"
			default:
				continue
			}
			var answer strings.Builder
			status, extra, _ := strings.Cut(status, "\r\n")
			fmt.Fprintf(&answer, "SIP/2.0 %s\r\n", status)
			body := ""
			for line := range strings.SplitSeq(request, "\r\n") {
				name, _, _ := strings.Cut(line, ":")
				switch name {
				case "Via", "From", "Call-ID", "CSeq":
					answer.WriteString(line + "\r\n")
				case "To":
					answer.WriteString(line + ";tag=far\r\n")
				}
			}
			if head, sdp, ok := strings.Cut(extra, "\r\n\r\n"); ok {
				extra, body = head, sdp
			}
			if extra != "" {
				answer.WriteString(extra + "\r\n")
			}
			fmt.Fprintf(&answer, "Content-Length: %d\r\n\r\n%s", len(body), body)
			at := fmt.Sprint(conn.LocalAddr().(*net.UDPAddr).Port)
			_, _ = conn.WriteToUDP([]byte(strings.Replace(answer.String(), "PORT", at, 1)), from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// testConfig writes a configuration with that trunk.
func testConfig(t *testing.T, port int) (file string) {
	t.Helper()
	t.Setenv("TRUNK_TEST_PASSWORD", "secret")
	dir := t.TempDir()
	file = filepath.Join(dir, "tandem.yaml")
	text := fmt.Sprintf(`version: 1
numbers: {default_region: US, allow: ["+1"]}
sip: {listen: ["udp://127.0.0.1:0"]}
media: {rtp_ports: 40000-40999}
trunks:
  carrier:
    preset: generic
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: acme, password: "${env:TRUNK_TEST_PASSWORD}"}
    caller_ids: ["+14155550100"]
store: {url: "sqlite://%s/t.db"}
`, port, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const challengeHeader = "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"far\", nonce=\"n\""

// An operator is told "ready", or exactly what is wrong and what to change.
func TestTrunkTest(t *testing.T) {
	answered := func(sdp string) func(string) string {
		return func(string) string {
			return "200 OK\r\nContact: <sip:far@127.0.0.1:PORT>\r\nContent-Type: application/sdp\r\n\r\n" + sdp
		}
	}
	const good = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"
	tests := map[string]struct {
		invite func(string) string
		args   []string
		exit   int
		want   []string
	}{
		"ready": {func(request string) string {
			if strings.Contains(request, "Authorization: Digest") {
				return "404 Not Found"
			}
			return challengeHeader
		}, nil, 0, []string{"404 Not Found for a number nobody has", "ready", "──►", "401 Unauthorized"}},
		"wrong password": {func(string) string { return challengeHeader }, nil, 1,
			[]string{"[wrong_password]", "set auth.username and auth.password", "not ready"}},
		"offer refused": {func(string) string { return "488 Not Acceptable Here" }, nil, 1, []string{"[offer_refused]", "srtp to required", "not ready"}},
		"forbidden":     {func(string) string { return "403 Forbidden" }, nil, 1, []string{"[not_allowed]", "not ready"}},
		"it answers with sound": {answered(good), []string{"--call", "+12025550123"}, 0,
			[]string{"+12025550123 answered with PCMU", "ready"}},
		"no session description": {answered(""), []string{"--call", "+12025550123"}, 1,
			[]string{"[no_session_description]", "turn early offer on"}},
		"port 0": {answered(strings.Replace(good, "audio 30000", "audio 0", 1)), []string{"--call", "+12025550123"}, 1,
			[]string{"[media_port_zero]"}},
		"two streams": {answered(good + "m=audio 30002 RTP/AVP 0\r\n"), []string{"--call", "+12025550123"}, 1,
			[]string{"[two_media]", "T.38"}},
		"another codec": {answered(strings.Replace(good, "AVP 0", "AVP 18", 1)), []string{"--call", "+12025550123"}, 1,
			[]string{"[codec_not_offered]", "allow PCMU or PCMA"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := testConfig(t, registrarless(t, tt.invite))
			var out, errs bytes.Buffer
			code := dispatch(append([]string{"trunk", "test", "carrier", "--config", file}, tt.args...), nil, &out, &errs)
			if code != tt.exit {
				t.Errorf("exit %d, want %d", code, tt.exit)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("does not say %q:\n%s%s", want, out.String(), errs.String())
				}
			}
			if strings.Contains(out.String(), "secret") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestCheckConfigOnlineAndDoctor(t *testing.T) {
	file := testConfig(t, registrarless(t, func(string) string { return challengeHeader }))
	run := func(args ...string) (string, int) {
		var out, errs bytes.Buffer
		code := dispatch(args, nil, &out, &errs)
		return out.String() + errs.String(), code
	}
	if text, code := run("check-config", "--online", "--config", file); code != 1 || !strings.Contains(text, "wrong_password") {
		t.Errorf("exit %d\n%s", code, text)
	}
	var checked struct {
		Problems []struct{ Code string }
		Trunks   []report
	}
	text, code := run("check-config", "--online", "--format", "json", "--config", file)
	if err := json.Unmarshal([]byte(text), &checked); err != nil || code != 1 || checked.Problems == nil || len(checked.Trunks) != 1 || checked.Trunks[0].Ready {
		t.Errorf("exit %d, %v\n%s", code, err, text)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, code = run("check-config", "--online", "--format", "json", "--config", broken)
	if err := json.Unmarshal([]byte(text), &checked); err != nil || code != 1 || len(checked.Problems) == 0 || len(checked.Trunks) != 0 {
		t.Errorf("exit %d, %v\n%s", code, err, text)
	}
	text, _ = run("doctor", "--config", file, "--json")
	var reports []report
	if err := json.Unmarshal([]byte(text), &reports); err != nil || len(reports) != 2 {
		t.Fatalf("%v\n%s", err, text)
	}
	machine := reports[0]
	var steps []string
	for _, f := range machine.Findings {
		steps = append(steps, f.Step)
		if !f.OK && (f.Code == "" || f.Advice == "") {
			t.Errorf("%+v says not what to change", f)
		}
	}
	if strings.Join(steps, " ") != "files buffers clock sip http rtp path store" || len(machine.Notes) != 1 || !strings.Contains(machine.Notes[0], "firewall") {
		t.Errorf("%q, %q", steps, machine.Notes)
	}
	if reports[1].Ready || len(reports[1].Ladder) == 0 {
		t.Errorf("%+v", reports[1])
	}
	for _, args := range [][]string{{"trunk", "test", "carier", "--config", file}, {"doctor", "--config", file + "x"}} {
		if _, code := run(args...); code != 1 {
			t.Errorf("%v: exit %d", args, code)
		}
	}
	for _, args := range [][]string{{"trunk"}, {"trunk", "test"}, {"trunk", "fly"}, {"doctor", "x"}} {
		if _, code := run(args...); code != 2 {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}

// TestTrunkOfReps: a trunk that only rings reps has no caller ids, and is looked at like any other.
func TestTrunkOfReps(t *testing.T) {
	file := testConfig(t, registrarless(t, func(string) string { return "404 Not Found" }))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("trunks:\n"), []byte("routing: [{leg: rep, trunks: [desks]}, {leg: prospect, trunks: [carrier]}]\ntrunks:\n  desks: {host: 127.0.0.1, port: 5060}\n"), 1)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"trunk", "list"}, {"trunk", "test", "desks"}} {
		var out, errs bytes.Buffer
		dispatch(append(args, "--config", file), nil, &out, &errs)
		if !strings.Contains(out.String(), "desks") {
			t.Errorf("%v: %s%s", args, out.String(), errs.String())
		}
	}
}

// TestDoctorOfAPort: what is taken is in the way, unless a tandem that serves has it.
func TestDoctorOfAPort(t *testing.T) {
	t.Setenv("TRUNK_TEST_PASSWORD", "secret")
	file := testConfig(t, 5060)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	t.Setenv("TANDEM_SIP__LISTEN", "udp://"+udp.LocalAddr().String())
	t.Setenv("TANDEM_HTTP__LISTEN", "127.0.0.1:0")
	t.Setenv("TANDEM_METRICS__LISTEN", tcp.Addr().String())
	doctor := func() (code int, text string) {
		var out, errs bytes.Buffer
		code = dispatch([]string{"doctor", "--offline", "--config", file}, nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	code, text := doctor()
	for _, want := range []string{"FAIL  sip         udp://" + udp.LocalAddr().String() + " is taken", "or change sip.listen", "FAIL  http        " + tcp.Addr().String() + " is taken", "or change metrics.listen", "not ready"} {
		if code != 1 || !strings.Contains(text, want) {
			t.Errorf("exit %d, and not %q in\n%s", code, want, text)
		}
	}
	serving, err := store.Open(t.Context(), store.Config{Path: filepath.Join(filepath.Dir(file), "t.db"), Serves: true})
	if err != nil {
		t.Fatal(err)
	}
	defer serving.Close()
	if _, text := doctor(); strings.Count(text, "is taken, by the tandem that serves") != 2 {
		t.Errorf("%s", text)
	}
}

func TestTrunkListAndPresets(t *testing.T) {
	file := testConfig(t, 5060)
	for _, tt := range []struct {
		args []string
		want string
		exit int
	}{
		{[]string{"trunk", "list", "--config", file}, "carrier", 0},
		{[]string{"trunk", "list", "--config", file, "--json"}, `"username": "acme"`, 0},
		{[]string{"trunk", "presets"}, "sipgate\n", 0},
		{[]string{"trunk", "presets", "--json"}, `"voipms"`, 0},
		{[]string{"trunk", "presets", "twilio"}, "read 2026-11", 0},
		{[]string{"trunk", "presets", "twillio"}, `did you mean "twilio"?`, 1},
	} {
		var out, errs bytes.Buffer
		code := dispatch(tt.args, nil, &out, &errs)
		if text := out.String() + errs.String(); code != tt.exit || !strings.Contains(text, tt.want) || strings.Contains(text, "secret") {
			t.Errorf("%v: exit %d\n%s", tt.args, code, text)
		}
	}
}
