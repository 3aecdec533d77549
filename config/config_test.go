package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const small = `version: 1
numbers: {default_region: US, allow: ["+1"]}
trunks:
  carrier: {host: sip.example.com, caller_ids: ["+14155550100"]}
`

func TestDefaults(t *testing.T) {
	c, problems := Read("t.yaml", []byte(small), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	trunk := c.Trunks["carrier"]
	if c.CallFlow.RepRingTimeout != 20*time.Second || c.Store.KeepCDRs != 400*24*time.Hour || c.HTTP.RateLimit.PerSecond != 10 ||
		!c.CallFlow.OutcomePrompts || trunk.TelephoneEventPT != 101 || !slices.Equal(trunk.Codecs, []string{"pcmu", "pcma"}) || c.Media.DSCP != 46 {
		t.Errorf("%+v", c)
	}
}

func TestInitIsTaken(t *testing.T) {
	c, problems := Read("t.yaml", []byte(Init), []string{"TRUNK_PASSWORD=secret"})
	if len(problems) > 0 || c.Trunks["carrier"].Auth.Password != "secret" {
		t.Error(problems)
	}
	if lines := strings.Count(Init, "\n"); lines != 14 {
		t.Errorf("%d lines", lines)
	}
}

func TestEveryProblemAtOnceWithItsPlace(t *testing.T) {
	text := strings.Join([]string{
		`version: 1`,
		`numbers: {default_region: us, allow: ["1"]}`,
		`trunks:`,
		`  twilio:`,
		`    preset: twilio`,
		`    host: acme.pstn.twilio.com`,
		`    trasport: udp`,
		`    auth: {mode: digest, username: acme, password: geheim}`,
		`    limits: {cps: ten}`,
		`    caller_ids: ["+14155550100", "415 555 0101"]`,
		`call_flow: {rep_ring_timeout: 5s, outcome_prompts: perhaps}`,
		`routing: [{leg: both, trunks: [x]}]`,
	}, "\n")
	_, problems := Read("t.yaml", []byte(text), []string{"TANDEM_TRUNKS__TWILLIO__HOST=x", "TANDEM_SIP__USER_AGENTS=x"})
	var out bytes.Buffer
	problems.Text(&out)
	for _, want := range []string{
		`t.yaml:2:27: numbers.default_region: "us"`,
		`t.yaml:2:39: numbers.allow[0]: "1"`,
		`t.yaml:7:5: trunks.twilio.trasport: unknown key  [E101]`, "     7 |     trasport: udp\n       |     ^^^^^^^^ did you mean \"transport\"?\n",
		`t.yaml:8:52: trunks.twilio.auth.password: is plain text  [E130]`,
		`t.yaml:9:19: trunks.twilio.limits.cps: "ten" is not a number  [E103]`,
		`t.yaml:10:34: trunks.twilio.caller_ids[1]: "415 555 0101" is not E.164  [E120]`, `^^^^^^^^^^^^^^ write "+14155550101"`,
		`t.yaml:11:31: call_flow.rep_ring_timeout: "5s" is not from 10s to 45s`,
		`"perhaps" is neither true nor false`,
		`"both" is none of the words`,
		`env TANDEM_TRUNKS__TWILLIO__HOST: no trunk "twillio" (did you mean "twilio"?)  [E102]`,
		`env TANDEM_SIP__USER_AGENTS: sip.user_agents: unknown key  [E102]  did you mean "user_agent"?`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// TestCredentials: a secret that systemd hands over, by its own name or from the folder
// of the unit; and by hand, from the folder beside the configuration.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	for name, secret := range map[string]string{"given/own": "by its name", "given/tandem_folder": "from the folder", "secrets/folder": "by hand"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	given := []string{"CREDENTIALS_DIRECTORY=" + filepath.Join(dir, "given")}
	for _, tt := range []struct {
		name, want string
		environ    []string
	}{
		{"own", "by its name", given}, {"folder", "from the folder", given}, {"folder", "by hand", nil}, {"own", "", nil},
	} {
		text := strings.Replace(small, "host:", `auth: {mode: digest, username: acme, password: "${cred:`+tt.name+`}"}, host:`, 1)
		c, problems := Read(filepath.Join(dir, "t.yaml"), []byte(text), tt.environ)
		if tt.want == "" {
			if problems.Errors() != 1 || !strings.Contains(problems.Error(), filepath.Join(dir, "secrets", tt.name)) {
				t.Errorf("%s: %v", tt.name, problems)
			}
		} else if problems.Errors() != 0 || c.Trunks["carrier"].Auth.Password != tt.want {
			t.Errorf("%s: %v", tt.name, problems)
		}
	}
}

// TestWarningsComeWithErrors: what is wrong elsewhere is said at once, and not what
// only follows from the error.
func TestWarningsComeWithErrors(t *testing.T) {
	text := strings.Join([]string{
		`version: 1`, `numbers: {default_region: US, allow: ["+1"]}`, `media: {rtp_ports: 20000-20099}`,
		`trunks:`, `  carrier: {host: sip.example.com, auth: {mode: digest, username: acme, password: plain}, caller_ids: ["+14155550100"], limits: {channels: 60}}`,
	}, "\n")
	_, problems := Read("t.yaml", []byte(text), []string{"TANDEM_SIP__USER_AGENTS=x"})
	if got := problems.Summary(); got != "1 error in the file, 1 in the environment, 1 warning" {
		t.Errorf("%s:\n%v", got, problems)
	}
}

func TestChecks(t *testing.T) {
	for add, want := range map[string]string{
		"routing: [{leg: rep, trunks: [carier]}]":                                 `no trunk "carier" (did you mean "carrier"?)`,
		"routing: [{leg: prospect, match: \"sip:pbx.example.com\", trunks: [t]}]": "only reps have desk phones",
		"routing: [{leg: rep, match: \"sip:204@pbx.example.com\", trunks: [t]}]":  "not written as it must be",
		"media: {rtp_ports: 9-8}":                                                 "is not a range",
		"sip: {listen: [\"tls://0.0.0.0:5061\"]}":                                 "shows a certificate",
		"sip: {tls: {cert_file: /nowhere/at/all}}":                                "no such file",
		"sip: {listen: [\"tcp://0.0.0.0:5060\"]}":                                 "needs a udp://",
		"sip: {public_address: there}":                                            "neither auto, nor an IP",
		"metrics: {listen: here}":                                                 "is not an address",
		"call_flow: {confirm: {decline_digit: \"1\"}}":                            "same key",
		"media: {fast_path: fast}":                                                "auto kernel user",
		"numbers: {}":                                                             "already defined",
		"store: {url: \"postgres://x\"}":                                          "not written as it must be",
		"http: {cors_origins: [\"*\"]}":                                           "is not an origin",
		"http: {cors_origins: [\"https://crm.example.com/\"]}":                    "is not an origin",
		"http: {trusted_proxies: [everybody]}":                                    "is not a network",
		"a: *b":                                                                   "",
		"sip: 5":                                                                  "must be a map",
		"hep: {password: \"${file:/nowhere/at/all}\"}":                            CodeSecret,
		"tracing: {sample_ratio: 2}":                                              "is not from 0 to 1",
		"  pbx: {host: pbx.example.com}\nrouting: [{leg: prospect, trunks: [carrier, pbx]}]": "trunks.pbx.caller_ids: is required",
	} {
		_, problems := Read("t.yaml", []byte(small+add+"\n"), nil)
		if problems.Errors() == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s:\n%v", add, problems)
		}
	}
	for add, want := range map[string]string{
		"tls: {ca_file: /nowhere/at/all}": "no such file",
		"tls: {cert_file: /dev/null}":     "go together",
		"outbound_proxy: \"sip:x@y;lr\"":  "not a host",
		"auth: {mode: register}":          "needs a username",
	} {
		_, problems := Read("t.yaml", []byte(strings.Replace(small, "host:", add+", host:", 1)), nil)
		if problems.Errors() != 1 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s:\n%v", add, problems)
		}
	}
	few := strings.Replace(small, "host:", "limits: {channels: 60}, host:", 1)
	c, problems := Read("t.yaml", []byte(few+"media: {rtp_ports: 20000-20099}\n"), nil)
	if c == nil || problems.Errors() != 0 || len(problems) != 1 || problems[0].Code != CodePorts {
		t.Errorf("%v", problems)
	}
	for amount, errors := range map[string]int{"5 USD": 0, "50.00 USD": 0, "5 dollars": 1, "5 EUR": 1, "-5 USD": 1} {
		_, problems := Read("t.yaml", []byte(strings.Replace(small, "host:", `limits: {daily_spend: "`+amount+`"}, host:`, 1)), nil)
		if problems.Errors() != errors {
			t.Errorf("%s: %v", amount, problems)
		}
	}
	for window, errors := range map[string]int{"08:00-21:00": 0, "00:00-24:00": 0, "21:00-08:00": 1, "8-21": 1, "08:00-24:30": 1} {
		_, problems := Read("t.yaml", []byte(small+"policy: {call_window: \""+window+"\"}\n"), nil)
		if problems.Errors() != errors {
			t.Errorf("%s: %v", window, problems)
		}
	}
}

func TestSRTPWithoutTLSIsWarnedOf(t *testing.T) {
	for key, warnings := range map[string]int{"srtp: required": 1, "srtp: optional": 1, "srtp: none": 0, "srtp: required, transport: tls": 0} {
		c, problems := Read("t.yaml", []byte(strings.Replace(small, "host:", key+", host:", 1)), nil)
		if c == nil || problems.Errors() != 0 || len(problems) != warnings || warnings > 0 && problems[0].Code != CodeInClear {
			t.Errorf("%s: %v", key, problems)
		}
	}
}

func TestEnvironmentAndPresets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(small, "carrier: {", `office-pbx: {preset: asterisk, auth: {mode: digest, username: a, password: "${file:`+file+`}"}, `, 1)
	c, problems := Read("t.yaml", []byte(text), []string{"TANDEM_TRUNKS__OFFICE_PBX__HOST=10.0.0.5", "TANDEM_LOG__LEVEL=debug", "TANDEM_NUMBERS__ALLOW=+1,+44", "TANDEM_CONFIG=x"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	trunk := c.Trunks["office-pbx"]
	if trunk.Host != "10.0.0.5" || trunk.Dial.Format != "e164" || trunk.Auth.Password != "from file" || c.Log.Level != "debug" || len(c.Numbers.Allow) != 2 {
		t.Errorf("%+v", c)
	}
	var out bytes.Buffer
	c.Print(&out, true)
	for _, want := range []string{`"10.0.0.5"`, "# env TANDEM_TRUNKS__OFFICE_PBX__HOST", "# preset asterisk", "# default", `password: "***"`, "# t.yaml:2:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "from file") {
		t.Error("a secret was printed")
	}
	if again, problems := Read("p.yaml", bytes.ReplaceAll(out.Bytes(), []byte(`"***"`), []byte(`"${file:`+file+`}"`)), nil); problems.Errors() > 0 || again.Trunks["office-pbx"].Host != "10.0.0.5" {
		t.Errorf("what is printed is not taken: %v", problems)
	}
}

// An empty variable is a value; one that cannot be empty says so.
func TestEmptyVariablesAreEmpty(t *testing.T) {
	text := small + "metrics: {listen: \"127.0.0.1:9464\"}\n"
	c, problems := Read("t.yaml", []byte(text), []string{"TANDEM_METRICS__LISTEN=", "TANDEM_NUMBERS__DENY=", "TANDEM_CALL_FLOW__CONFIRM__DECLINE_DIGIT="})
	if len(problems) > 0 || c.Metrics.Listen != "" || len(c.Numbers.Deny) != 0 || c.CallFlow.Confirm.DeclineDigit != "" {
		t.Errorf("%v: listen %q, deny %q, decline %q", problems, c.Metrics.Listen, c.Numbers.Deny, c.CallFlow.Confirm.DeclineDigit)
	}
	_, problems = Read("t.yaml", []byte(text), []string{"TANDEM_MEDIA__DSCP=", "TANDEM_CALL_FLOW__MAX_DURATION="})
	if problems.Errors() != 2 {
		t.Fatalf("%v", problems)
	}
	for _, p := range problems {
		if p.Help != "unset the variable to leave it as it was" {
			t.Errorf("%+v", p)
		}
	}
}

func TestSchemaIsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := Schema(&out); err != nil || !json.Valid(out.Bytes()) || !strings.Contains(out.String(), `"rep_ring_timeout"`) {
		t.Errorf("%v %s", err, out.String())
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(Init))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Read("t.yaml", data, nil)
		if problems.Errors() == 0 && (c == nil || len(c.Trunks) == 0) {
			t.Errorf("%q was taken", data)
		}
	})
}
