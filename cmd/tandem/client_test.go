package main

import (
	"bytes"
	"encoding/json"
	"io"
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
	run(0, "call", "hangup", made.ID)
	run(1, "call", "show", "call_none")
	if text := run(0, "healthcheck"); text != "ok\n" {
		t.Error(text)
	}
	if text := run(0, "healthcheck", "--ready", "--json"); !strings.Contains(text, `"ready"`) {
		t.Error(text)
	}
}
