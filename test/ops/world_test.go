package ops

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tandem/cmd/app"
	"tandem/config"
	"tandem/store"
	"tandem/test/carrier"
)

const settings = `version: 1
sip: {listen: ["udp://127.0.0.1:0"]}
media: {rtp_ports: 42000-42999}
numbers: {default_region: US, allow: ["+1202555"]}
trunks:
  simulated:
    host: 127.0.0.1
    port: %d
    auth: {mode: digest, username: acme, password: "${env:TRUNK_PASSWORD}"}
    caller_ids: ["+12025550199"]
    keepalive: {options: 1s, fail_after: 2, recover_after: 1}
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
store: {url: "sqlite://%s"}
`

// canary is the trunk's password, which nothing may say.
const canary = "canary-that-sings"

// world is a tandem and its trunk.
type world struct {
	*app.App
	trunk     *carrier.Carrier
	trunkGone func() error // closes it
	key       string
}

func start(t *testing.T) *world {
	t.Helper()
	return startWith(t, "", slog.New(slog.NewTextHandler(t.Output(), nil)))
}

// startWith makes one with more settings, and with some in the environment.
func startWith(t *testing.T, settingsToo string, log *slog.Logger, environ ...string) *world {
	t.Helper()
	w := &world{trunk: openTrunk(t, carrier.Options{User: "acme", Password: canary, Speed: 10})}
	w.trunkGone = sync.OnceValue(w.trunk.Close)
	t.Cleanup(func() { _ = w.trunkGone() })
	text := fmt.Appendf(nil, settings+settingsToo, w.trunk.Addr().Port(), filepath.Join(t.TempDir(), "t.db"))
	cfg, problems := config.Read("the test's configuration", text, append(environ, "TRUNK_PASSWORD="+canary))
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	var err error
	if w.App, err = app.Start(t.Context(), cfg, app.RealWire(cfg.Media.DSCP), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := w.Stop(now); err != nil {
			t.Error(err)
		}
	})
	if _, w.key, err = w.Store.CreateKey(t.Context(), store.Key{Name: "ops", Scopes: []string{"admin"}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// openTrunk opens a carrier on the loopback, which who asked for it closes.
func openTrunk(t *testing.T, options carrier.Options) *carrier.Carrier {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options.ListenRTP = func(at netip.Addr) (net.PacketConn, error) {
		return net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
	}
	trunk, err := carrier.Open(conn, options)
	if err != nil {
		t.Fatal(err)
	}
	return trunk
}

// get reads what is at an address.
func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// ask sends the API a request, which must be granted.
func (w *world) ask(t *testing.T, method, path, body string, headers ...string) string {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+w.HTTP.String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(w.key, "")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%d %s %v", res.StatusCode, answer, err)
	}
	return string(answer)
}

// call places a call and waits for its end; it returns the call's JSON.
func (w *world) call(t *testing.T, rep, to string, headers ...string) string {
	t.Helper()
	id := callID(w.ask(t, "POST", "/v1/calls", fmt.Sprintf(`{"rep_number":%q,"to":%q}`, rep, to), headers...))
	answer := w.ask(t, "GET", "/v1/calls/"+id+"?wait=ended&timeout_s=60", "")
	if !strings.Contains(answer, `"status":"ended"`) {
		t.Fatalf("not ended: %s", answer)
	}
	return answer
}

// callID is that of a call's JSON.
func callID(call string) string {
	_, after, _ := strings.Cut(call, `"id":"`)
	id, _, _ := strings.Cut(after, `"`)
	return id
}
