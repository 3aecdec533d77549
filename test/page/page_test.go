// Package page drives the rep's page in a browser.
package page

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tandem/cmd/app"
	"tandem/config"
	"tandem/store"
	"tandem/test/carrier"
)

var update = flag.Bool("update", false, "keep the pictures in screens/")

const settings = `version: 1
sip: {listen: ["udp://127.0.0.1:0"]}
media: {rtp_ports: 40000-40999}
numbers: {default_region: US, allow: ["+1202555"]}
trunks:
  simulated: {host: 127.0.0.1, port: %d, auth: {mode: ip}, caller_ids: ["+12025550199"]}
http: {listen: "127.0.0.1:0", frame_ancestors: ["%s"]}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
`

// start makes a tandem with a simulated trunk.
func start(t testing.TB, crm string, speed float64) *app.App {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trunk, err := carrier.Open(conn, carrier.Options{Speed: speed, ListenRTP: func(at netip.Addr) (net.PacketConn, error) {
		return net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = trunk.Close() })
	text := fmt.Appendf(nil, settings, trunk.Addr().Port(), crm, filepath.Join(t.TempDir(), "t.db"))
	cfg, problems := config.Read("the test's configuration", text, nil)
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	a, err := app.Start(t.Context(), cfg, app.RealWire(cfg.Media.DSCP), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := a.Stop(now); err != nil {
			t.Error(err)
		}
	})
	return a
}

// links signs reps in: ben has no number yet, all others a phone that presses 1.
func links(t testing.TB, a *app.App, names ...string) string {
	t.Helper()
	all := make(map[string]string)
	for i, name := range names {
		rep := store.Rep{ExternalID: name, Name: name, Region: "US", Number: fmt.Sprintf("+1202555011%d", 0), Display: "(202) 555-0110", Enabled: true, Trusted: true}
		if name == "ben" {
			rep = store.Rep{ExternalID: name, Name: name, Region: "US"}
		}
		kept, err := a.Store.CreateRep(t.Context(), rep)
		if err != nil {
			t.Fatalf("rep %d: %v", i, err)
		}
		token, _, err := a.Store.RepLink(t.Context(), kept.ID)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = fmt.Sprintf("http://%s/signin?token=%s", a.HTTP, token)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// node runs a script of this folder with what it is told, and returns what it says.
func node(t testing.TB, a *app.App, script string, env ...string) string {
	t.Helper()
	if out, err := exec.Command("npm", "ci", "--silent").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("./test/run installs it: %v", err)
	}
	_, key, err := a.Store.CreateKey(t.Context(), store.Key{Name: "test", Scopes: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", script)
	run.Env = append(append(os.Environ(), "URL=http://"+a.HTTP.String(), "ADMIN_KEY="+key, "CHROMIUM="+browser), env...)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestEveryStateOfThePage: what a rep sees, as a browser shows it, and as
// somebody who cannot see it is told.
func TestEveryStateOfThePage(t *testing.T) {
	screens := t.TempDir()
	if *update {
		screens = "screens"
	}
	crm := newCRM(t)
	a := start(t, crm.origin, 1)
	crm.serve(t, a)
	t.Log(node(t, a, "drive.mjs", "CRM="+crm.origin, "SCREENS="+screens, "LINKS="+links(t, a, "ana", "ben", "eva", "narrow", "dark", "large")))
}

// BenchmarkPage prints what the page weighs, when it is first painted, and how
// long after an event the alert says it.
func BenchmarkPage(b *testing.B) {
	a := start(b, "http://localhost:1", 4)
	var measured struct {
		Weight          int
		Paint, P50, P95 float64
	}
	said := node(b, a, "bench.mjs", "CALLS=20", "LINKS="+links(b, a, "ana"))
	if err := json.Unmarshal([]byte(said), &measured); err != nil {
		b.Fatalf("%v: %s", err, said)
	}
	b.ReportMetric(float64(measured.Weight), "octets")
	b.ReportMetric(measured.Paint, "paint-ms")
	b.ReportMetric(measured.P50, "event-to-alert-p50-ms")
	b.ReportMetric(measured.P95, "event-to-alert-p95-ms")
	b.ReportMetric(0, "ns/op") // not what is measured
}
