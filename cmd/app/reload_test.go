package app

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tandem/api"
	"tandem/bridge"
	"tandem/config"
	"tandem/media"
)

const reloadable = `version: 1
numbers: {default_region: US, allow: ["+1"]}
trunks:
  old: {host: 192.0.2.1, caller_ids: ["+14155550100"]}
  kept: {host: 192.0.2.2, caller_ids: ["+14155550101"], limits: {channels: 4}}
routing:
  - {leg: rep, match: "*", trunks: [old]}
  - {leg: prospect, match: "*", trunks: [kept]}
http: {listen: "127.0.0.1:0"}
metrics: {listen: ""}
log: {level: info}
store: {url: "sqlite://STORE"}
`

// reloading is an App whose configuration is a file.
func reloading(t *testing.T, beside ...string) (a *App, level *slog.LevelVar, write func(string)) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "tandem.yaml")
	write = func(text string) {
		text = strings.Replace(text, "STORE", filepath.Join(dir, "t.db"), 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(reloadable + strings.Join(beside, "\n"))
	load := func() (*config.Config, config.Problems) { return config.Load(file, nil) }
	cfg, problems := load()
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	level = new(slog.LevelVar)
	a, err := Start(t.Context(), cfg, Wire{
		ListenUDP: func(netip.AddrPort) (net.PacketConn, error) { return newTape(), nil },
		ListenTCP: func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		ListenRTP: media.UDP(0), Config: load, Level: level,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return a, level, write
}

func TestReload(t *testing.T) {
	a, level, write := reloading(t)
	changed := strings.NewReplacer(
		`allow: ["+1"]`, `allow: ["+1", "+44"]`,
		"  old: {host: 192.0.2.1, caller_ids: [\"+14155550100\"]}\n", "  new: {host: 192.0.2.3, caller_ids: [\"+14155550102\"]}\n",
		"channels: 4", "channels: 7", "trunks: [old]", "trunks: [new]", "level: info", "level: debug",
		"http: {listen: \"127.0.0.1:0\"}", "http: {listen: \"127.0.0.1:81\"}",
	).Replace(reloadable)
	write(changed + "sip: {user_agent: other}\ncall_flow: {rep_ring_timeout: 30s}\n")
	done, err := a.Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"call_flow.rep_ring_timeout", "log.level", "numbers.allow", "routing", "trunks.kept.limits.channels", "trunks.new", "trunks.old"}
	if !slices.Equal(done.Changed, want) {
		t.Errorf("changed %q, want %q", done.Changed, want)
	}
	if want := []string{"http.listen", "sip.user_agent"}; !slices.Equal(done.Restart, want) {
		t.Errorf("wait for a restart: %q, want %q", done.Restart, want)
	}
	var names []string
	for _, trunk := range (operations{a}).Trunks() {
		names = append(names, trunk.Name)
		if trunk.Name == "kept" && trunk.Channels.Limit != 7 {
			t.Errorf("%+v", trunk)
		}
	}
	if !slices.Equal(names, []string{"kept", "new"}) {
		t.Errorf("trunks %q", names)
	}
	routes := a.routes.Load()
	if way := routes.find(bridge.Rep, "+12025550123"); len(way) != 1 || way[0].Trunk != "new" || !slices.Contains(routes.policy.Allow, "+44") {
		t.Errorf("%+v, %+v", way, routes.policy)
	}
	if level.Level() != slog.LevelDebug || !slices.Contains(a.numbers().CallerIDs, "+14155550102") {
		t.Errorf("level %v, numbers %v", level.Level(), a.numbers())
	}
	wantReload(t, a, 1)

	// What waits for a restart is named again; what was taken is not.
	if done, err = a.Reload(t.Context()); err != nil || len(done.Changed) != 0 || len(done.Restart) != 2 {
		t.Errorf("again: %+v, %v", done, err)
	}
}

// The calls of test keys follow a reload too.
func TestReloadReachesTestCalls(t *testing.T) {
	a, _, write := reloading(t)
	calls, err := a.testCalls()
	if err != nil {
		t.Fatal(err)
	}
	place := func() error {
		_, err := calls.Start(t.Context(), bridge.Request{RepNumber: "+12025550110", To: "+12025550100", Test: true, ID: bridge.NewID("call")})
		return err
	}
	if err := place(); err != nil {
		t.Fatal(err)
	}
	var refused *bridge.Refusal
	if err := place(); !errors.As(err, &refused) || refused.Code != bridge.CodeRepBusy {
		t.Errorf("a second call of the rep: %v", err)
	}
	write(reloadable + "call_flow: {one_call_per_rep: false}\n")
	if _, err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := place(); err != nil {
		t.Errorf("after the reload: %v", err)
	}
}

func TestWrongReloadKeepsTheOld(t *testing.T) {
	a, _, write := reloading(t)
	for _, wrong := range []string{
		strings.Replace(reloadable, "host: 192.0.2.1, ", "", 1), // no host
		"version: 1\n",
		"a: [",
		reloadable + "call_flow: {confirm: {prompt: /nowhere.wav}}\n",
		strings.Replace(reloadable, "host: 192.0.2.1", "host: 192.0.2.1, extra_headers: {Via: x}", 1),
	} {
		write(wrong)
		_, err := a.Reload(t.Context())
		if err == nil {
			t.Errorf("taken: %s", wrong)
		}
		var problems *api.ConfigError
		if errors.As(err, &problems) && (len(problems.Problems) == 0 || problems.Problems[0].Code == "") {
			t.Errorf("%+v", problems)
		}
		wantReload(t, a, 0)
		if all := (operations{a}).Trunks(); len(all) != 2 || all[0].Name != "kept" || all[1].Name != "old" || all[1].Draining {
			t.Errorf("%+v", all)
		}
		if way := a.routes.Load().find(bridge.Rep, "+12025550123"); len(way) != 1 || way[0].Trunk != "old" {
			t.Errorf("%+v", way)
		}
	}
	write(reloadable)
	if _, err := a.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	wantReload(t, a, 1)
}

func wantReload(t *testing.T, a *App, successful float64) {
	t.Helper()
	if got := testutil.ToFloat64(a.reloads.successful); got != successful {
		t.Errorf("tandem_config_last_reload_successful %v, want %v", got, successful)
	}
	if testutil.ToFloat64(a.reloads.at) == 0 {
		t.Error("no time of the last reload")
	}
}

// A collector that is configured hears what is said.
func TestHEPCollector(t *testing.T) {
	collector, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	reloading(t, `hep: {collector: "udp://`+collector.LocalAddr().String()+`", capture_id: 7}`)
	if err := collector.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 65536)
	n, _, err := collector.ReadFrom(b) // each trunk is asked OPTIONS within its first second
	if err != nil || !strings.HasPrefix(string(b[:n]), "HEP3") || !strings.Contains(string(b[:n]), "OPTIONS sip:192.0.2.") {
		t.Errorf("%v, %q", err, b[:n])
	}
}
