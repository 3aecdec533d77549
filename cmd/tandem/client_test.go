package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWordsThatAskARunningTandem is every word that speaks to the API, against a
// tandem on a simulated trunk.
func TestWordsThatAskARunningTandem(t *testing.T) {
	d, err := startDemo(10, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	at := "http://" + d.app.HTTP.String()
	t.Setenv("TANDEM_API_KEY", d.key)
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := dispatch(append(args, "--url", at), nil, &out, &errs); code != want {
			t.Errorf("%v: exit %d\n%s%s", args, code, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	var made seen
	if err := json.Unmarshal([]byte(run(0, "call", "+12025550101", "--rep", demoRep, "--wait", "--json")), &made); err != nil || made.Outcome != "prospect_busy" {
		t.Errorf("%+v %v", made, err)
	}
	if text := run(0, "call", "list", "--outcome", "prospect_busy", "--limit", "5"); !strings.Contains(text, made.ID) {
		t.Error(text)
	}
	if text := run(0, "call", "list", "--status", "in_progress"); strings.Contains(text, made.ID) {
		t.Error(text)
	}
	run(1, "call", "list", "--status", "dead")
	run(0, "call", "show", made.ID, "--json")
	if text := run(0, "call", "trace", made.ID); !strings.Contains(text, "INVITE sip:+12025550101@") || !strings.Contains(text, "486 Busy Here") {
		t.Errorf("the ladder is\n%s", text)
	}
	if text := run(0, "call", "trace", made.ID, "--json"); !strings.Contains(text, `"direction":"out"`) {
		t.Error(text)
	}
	run(0, "call", "hangup", made.ID)
	run(1, "call", "show", "call_none")
	if text := run(0, "reps", "add", "--name", "Dan", "--external-id", "dan", "--number", "(202) 555-0110 x1"); !strings.Contains(text, "(202) 555-0110 x1") {
		t.Error(text)
	}
	if text := run(0, "reps", "test", "ext:dan"); !strings.Contains(text, "completed") || !strings.Contains(text, "confirmed_rfc4733") {
		t.Error(text)
	}
	if text := run(0, "reps", "list", "--json"); !strings.Contains(text, `"verified_at":"20`) || !strings.Contains(text, `"external_id":"dan"`) {
		t.Error(text)
	}
	if text := run(0, "reps", "set", "ext:dan", "--off", "--number", "+12025550112"); !strings.Contains(text, "off") {
		t.Error(text)
	}
	if text := run(1, "call", "+12025550100", "--rep", "ext:dan"); !strings.Contains(text, "pass_through_off") {
		t.Error(text)
	}
	table := filepath.Join(t.TempDir(), "reps.csv")
	if err := os.WriteFile(table, []byte("external_id,name,number\ndan,Dan Ruiz,\nbea,Bea,202 555 0113\ncid,Cid,911\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "reps", "import", table); !strings.Contains(text, "1 added, 1 changed, 1 refused") || !strings.Contains(text, "reps.csv:4: emergency_number") {
		t.Error(text)
	}
	if text := run(0, "reps", "link", "ext:bea"); !strings.Contains(text, "/signin?token=tdr_live_") {
		t.Error(text)
	}
	run(2, "reps")
	run(2, "reps", "set")
	run(1, "reps", "import", filepath.Join(t.TempDir(), "none.csv"))
	if text := run(0, "healthcheck"); text != "ok\n" {
		t.Error(text)
	}
	if text := run(0, "healthcheck", "--ready", "--json"); !strings.Contains(text, `"ready"`) {
		t.Error(text)
	}
}
