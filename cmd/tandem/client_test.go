package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/store"
)

// TestWordsThatAskARunningTandem is every word that speaks to the API, against a
// tandem on a simulated trunk.
func TestWordsThatAskARunningTandem(t *testing.T) {
	d, err := startDemo(demoOptions{speed: 5, live: true, tell: teller{out: io.Discard}})
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
	if text := run(0, "reps", "add", "--name", "Eve", "--external-id", "eve", "--number", "(202) 555-0110 x1"); !strings.Contains(text, "(202) 555-0110 x1") {
		t.Error(text)
	}
	if text := run(0, "reps", "test", "ext:eve"); !strings.Contains(text, "completed") || !strings.Contains(text, "confirmed_rfc4733") || !strings.Contains(text, "1 by rfc4733, ") {
		t.Error(text)
	}
	if text := run(0, "reps", "list", "--json"); strings.Count(text, `"verified_at":null`) != 1 || !strings.Contains(text, `"external_id":"eve"`) {
		t.Error(text)
	}
	if text := run(0, "reps", "set", "ext:eve", "--off", "--number", "+12025550112"); !strings.Contains(text, "off") {
		t.Error(text)
	}
	if text := run(1, "call", "+12025550100", "--rep", "ext:eve"); !strings.Contains(text, "pass_through_off") {
		t.Error(text)
	}
	table := filepath.Join(t.TempDir(), "reps.csv")
	if err := os.WriteFile(table, []byte("external_id,name,number\neve,Eve Ruiz,\nbea,Bea,202 555 0113\ncid,Cid,911\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "reps", "import", table); !strings.Contains(text, "1 added, 1 changed, 1 refused") || !strings.Contains(text, "reps.csv:4: emergency_number") {
		t.Error(text)
	}
	if text := run(0, "reps", "link", "ext:bea"); !strings.Contains(text, "/signin?token=tdr_live_") {
		t.Error(text)
	}
	testDoNotCallWords(t, run)
	run(2, "reps")
	run(2, "reps", "set")
	run(1, "reps", "import", filepath.Join(t.TempDir(), "none.csv"))
	testWebhookWords(t, d, run)
	testKeyWords(t, d, run)
	if text := run(0, "cdr", "export"); !strings.Contains(text, made.ID+",") || !strings.Contains(text, ",'+12025550101,") {
		t.Error(text)
	}
	if text := run(0, "cdr", "export", "--json", "--from", "2026-01-01"); !strings.Contains(text, `"total_cost":"0.0130"`) {
		t.Error(text)
	}
	if text := run(0, "cdr", "totals"); !strings.Contains(text, `"trunk":"simulated"`) {
		t.Error(text)
	}
	run(2, "cdr", "export", "--from", "yesterday")
	run(1, "cdr", "totals", "--month", "May")
	if text := run(0, "healthcheck"); text != "ok\n" {
		t.Error(text)
	}
	if text := run(0, "healthcheck", "--ready", "--json"); !strings.Contains(text, `"ready"`) {
		t.Error(text)
	}
}

// testWebhookWords has a CRM on this machine get its events, from tandem and by
// way of listen.
func testWebhookWords(t *testing.T, d *demonstration, run func(want int, args ...string) string) {
	t.Helper()
	heard := make(chan http.Header, 100)
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header }))
	t.Cleanup(crm.Close)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(run(0, "webhooks", "add", crm.URL, "--types", "webhook.test", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	run(0, "webhooks", "test", made.ID)
	if header := <-heard; !strings.HasPrefix(header.Get("webhook-signature"), "v1,") {
		t.Error(header)
	}
	if text := run(0, "webhooks", "list"); !strings.Contains(text, crm.URL) || strings.Contains(text, "whsec_") {
		t.Error(text)
	}
	if text := run(0, "webhooks", "rotate", made.ID); !strings.Contains(text, "whsec_") {
		t.Error(text)
	}
	run(0, "webhooks", "replay", made.ID, "--since", "1h")
	run(0, "webhooks", "remove", made.ID)
	run(1, "webhooks", "test", made.ID)
	run(1, "webhooks", "add", "ftp://crm")
	run(2, "webhooks", "add")

	l := listener{client: &client{url: "http://" + d.app.HTTP.String(), key: d.key}, forward: crm.URL, out: io.Discard,
		secret: store.Endpoint{Scheme: "v1", Secret: store.NewSecret()}, last: "0"}
	over := make(chan error, 1)
	go func() { over <- l.stream("call.queued") }()
	if header := <-heard; !strings.HasPrefix(header.Get("webhook-id"), "evt_") {
		t.Error(header)
	}
	t.Cleanup(func() { <-over }) // it ends with the demo
}

// testKeyWords has a test key drive the magic numbers: its calls reach the
// built-in simulated trunk and not the configured one, and are seen by it alone.
func testKeyWords(t *testing.T, d *demonstration, run func(want int, args ...string) string) {
	t.Helper()
	_, key, err := d.app.Store.CreateKey(t.Context(), store.Key{Name: "ci", Test: true, Scopes: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	before := len(d.carrier.Calls())
	var made seen
	if err := json.Unmarshal([]byte(run(0, "call", "+12025550101", "--rep", demoRep, "--wait", "--json", "--key", key)), &made); err != nil || made.Outcome != "prospect_busy" {
		t.Errorf("%+v %v", made, err)
	}
	if n := len(d.carrier.Calls()) - before; n != 0 {
		t.Errorf("%d legs of a test call reached the trunk", n)
	}
	run(0, "call", "show", made.ID, "--key", key)
	if text := run(1, "call", "show", made.ID); !strings.Contains(text, "not_found") {
		t.Error(text)
	}
	if text := run(0, "call", "list", "--limit", "200"); strings.Contains(text, made.ID) {
		t.Error(text)
	}
	if text := run(0, "reps", "list", "--key", key); strings.Contains(text, "rep_") {
		t.Error(text)
	}
	if text := run(0, "cdr", "totals", "--key", key); strings.Contains(text, "trunk") {
		t.Error(text)
	}
}

// testDoNotCallWords lists a number, which is then not dialled, and takes it away.
func testDoNotCallWords(t *testing.T, run func(want int, args ...string) string) {
	t.Helper()
	if text := run(0, "do-not-call", "add", "(202) 555-0105", "--reason", "asked us"); text != "1 added, 0 known, 0 refused\n" {
		t.Error(text)
	}
	table := filepath.Join(t.TempDir(), "numbers.csv")
	if err := os.WriteFile(table, []byte("number\n+12025550105\n202-555-0106\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := run(1, "do-not-call", "import", table); !strings.Contains(text, "1 added, 1 known, 1 refused") || !strings.Contains(text, "#/numbers/2: invalid_number") {
		t.Error(text)
	}
	if text := run(0, "do-not-call", "list"); !strings.Contains(text, "+12025550105  asked us\n") || !strings.Contains(text, "+12025550106") {
		t.Error(text)
	}
	if text := run(1, "call", "+12025550105", "--rep", demoRep); !strings.Contains(text, "do_not_call") && !strings.Contains(text, "dnc_listed") {
		t.Error(text)
	}
	run(0, "do-not-call", "remove", "+12025550105")
	run(0, "do-not-call", "remove", "+1 202 555 0106")
	if text := run(0, "do-not-call", "list", "--json"); text != "{\"data\":[]}\n" {
		t.Error(text)
	}
	if text := run(1, "do-not-call", "remove", "+12025550105"); !strings.Contains(text, "not_found") {
		t.Error(text)
	}
	run(2, "do-not-call")
	run(2, "do-not-call", "add")
	run(1, "do-not-call", "import", table+"x")
}
