// Package page drives the rep's page in a browser.
package page

import (
	"cmp"
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
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/cmd/app"
	"tandem/config"
	"tandem/store"
	"tandem/test/carrier"
)

var (
	update = flag.Bool("update", false, "keep the pictures in test/e2e/screens")
	story  = flag.String("story", "", "play only this one of stories/")
)

const settings = `version: 1
sip: {listen: ["udp://127.0.0.1:0"]}
media: {rtp_ports: 40000-40999}
call_flow: {confirm: {timeout: %s}}
numbers: {default_region: US, allow: ["+1202555"]}
trunks:
  simulated: {host: 127.0.0.1, port: %d, auth: {mode: ip}, caller_ids: ["+12025550199", "+12025550198"], limits: {channels: %d, cps: %g}, keepalive: {%s}}
http: {listen: "127.0.0.1:0", frame_ancestors: %s, sign_in_url: "%s"}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
`

// world is what a tandem is to have around it.
type world struct {
	speed     float64       // of the simulated trunk's phones
	ancestors []string      // who may frame the page
	signIn    string        // where reps sign in
	confirm   time.Duration // for the rep's 1; 0 = as long as anybody looks
	channels  int           // of the trunk; 0 = no limit
	cps       float64       // INVITEs a second; 0 = no limit
	keepalive string        // how the trunk is watched; "" = as usual
	dir       string        // of the store; "" = any
}

// tandem is one that runs. stop has it drain first; unplug ends its simulated trunk.
type tandem struct {
	*app.App
	stop   func(ctx context.Context) error
	unplug func()
}

func start(t testing.TB, w world) *tandem {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trunk, err := carrier.Open(conn, carrier.Options{Speed: w.speed, Script: script, ListenRTP: func(at netip.Addr) (net.PacketConn, error) {
		return net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	unplug := sync.OnceFunc(func() { _ = trunk.Close() })
	t.Cleanup(unplug)
	dir, confirm := cmp.Or(w.dir, t.TempDir()), cmp.Or(w.confirm, 90*time.Second)
	ancestors, err := json.Marshal(append([]string{}, w.ancestors...))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Appendf(nil, settings, confirm, trunk.Addr().Port(), w.channels, w.cps, w.keepalive, ancestors, w.signIn, filepath.Join(dir, "t.db"))
	cfg, problems := config.Read("the test's configuration", text, nil)
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	a, err := app.Start(t.Context(), cfg, app.RealWire(cfg.Media.DSCP), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop := func(ctx context.Context) (err error) {
		once.Do(func() { err = a.Stop(ctx) })
		return err
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := stop(now); err != nil {
			t.Error(err)
		}
	})
	return &tandem{a, stop, unplug}
}

// script is the simulated trunk's. A number's last two digits say what it does, as
// those of the carrier's own, so that each rep has a number to themselves; 20 is a
// prospect who talks for as long as we like.
func script(number string) carrier.Script {
	if !strings.HasSuffix(number, "20") {
		return carrier.Magic("20255501" + number[len(number)-2:])
	}
	return func(c *carrier.Call) {
		c.Ring()
		if c.Wait(time.Second) {
			c.Answer(carrier.ProspectTone)
			<-c.Over()
		}
	}
}

// phones are what the reps' phones do, where they do not press 1.
var phones = map[string]int{
	"ben": 0, "ned": 0, // have none yet
	"dee": 14, // presses 2
	"rob": 15, // does not answer
	// Answer, and never press: what is asked of them is asked until it was looked at.
	"ana": 13, "kim": 13, "dark": 13, "eva": 13, "large": 13, "long": 13, "mia": 13, "narrow": 13, "sal": 13,
}

// links signs reps in.
func links(t testing.TB, a *tandem, names ...string) string {
	t.Helper()
	all := make(map[string]string)
	for i, name := range names {
		rep := store.Rep{ExternalID: name, Name: strings.ToUpper(name[:1]) + name[1:], Region: "US"}
		does, other := phones[name]
		if !other {
			does = 10
		}
		if does > 0 {
			rep.Number, rep.Display = fmt.Sprintf("+1202555%d%d", 10+i, does), fmt.Sprintf("(202) 555-%d%d", 10+i, does)
			rep.Enabled, rep.Trusted = true, true
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

// drive runs a script of this folder against a tandem, and returns what it says.
func drive(t testing.TB, a *tandem, script string, env ...string) string {
	t.Helper()
	_, key, err := a.Store.CreateKey(t.Context(), store.Key{Name: "test", Scopes: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, script, append(env, "URL=http://"+a.HTTP.String(), "ADMIN_KEY="+key)...)
}

// node runs a script of this folder with what it is told, and returns what it says.
func node(t testing.TB, script string, env ...string) string {
	t.Helper()
	if out, err := exec.Command("npm", "ci", "--silent").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("./test/run installs it: %v", err)
	}
	fonts, err := filepath.Abs("fonts.conf")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", script)
	run.Env = append(append(os.Environ(), "CHROMIUM="+browser, "FONTCONFIG_FILE="+fonts), env...)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// kept is where pictures are for whoever wants to see the page.
const kept = "../e2e/screens"

// screens is where the test leaves its pictures. Each must be among those that are
// kept.
func screens(t *testing.T) string {
	if *update {
		return kept
	}
	dir := t.TempDir()
	t.Cleanup(func() {
		taken, err := filepath.Glob(filepath.Join(dir, "*.png"))
		if err != nil {
			t.Fatal(err)
		}
		for _, picture := range taken {
			if _, err := os.Stat(filepath.Join(kept, filepath.Base(picture))); err != nil && !t.Failed() {
				t.Errorf("%v: go test ./test/page -update, and look at it", err)
			}
		}
	})
	return dir
}

// TestEveryStateOfThePage: what a rep sees, as a browser shows it, and as
// somebody who cannot see it is told.
func TestEveryStateOfThePage(t *testing.T) {
	crm := newCRM(t)
	a := start(t, world{speed: 1, ancestors: []string{crm.origin, crm.org}, signIn: crm.origin + "/sign-in"})
	crm.serve(t, a)
	t.Log(drive(t, a, "drive.mjs", "CRM="+crm.origin, "ORG="+crm.org, "SCREENS="+screens(t), "STORY="+*story,
		"LINKS="+links(t, a, "ana", "ben", "dan", "dark", "dee", "din", "dot", "eva", "hal", "large", "long", "mia", "narrow", "ned", "net", "rob", "sal", "tom")))
}

// BenchmarkPage prints what the page weighs, when it is first painted, and how
// long after an event the alert says it.
func BenchmarkPage(b *testing.B) {
	a := start(b, world{speed: 4, ancestors: []string{"http://localhost:1"}})
	var measured struct {
		Weight, Sent    int
		Paint, P50, P95 float64
	}
	said := drive(b, a, "bench.mjs", "CALLS=20", "LINKS="+links(b, a, "bob"))
	if err := json.Unmarshal([]byte(said), &measured); err != nil {
		b.Fatalf("%v: %s", err, said)
	}
	b.ReportMetric(float64(measured.Weight), "octets")
	b.ReportMetric(float64(measured.Sent), "octets-sent")
	b.ReportMetric(measured.Paint, "paint-ms")
	b.ReportMetric(measured.P50, "event-to-alert-p50-ms")
	b.ReportMetric(measured.P95, "event-to-alert-p95-ms")
	b.ReportMetric(0, "ns/op") // not what is measured
}
