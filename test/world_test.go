package test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/bridge"
	"tandem/cmd/app"
	"tandem/config"
	"tandem/media"
	"tandem/store"
	"tandem/test/carrier"
)

// Who is who on the network of a world.
var (
	tandemAt  = netip.MustParseAddrPort("198.51.100.1:5060")
	carrierAt = netip.MustParseAddrPort("198.51.100.2:5060")
	backupAt  = netip.MustParseAddrPort("198.51.100.3:5060")
	nobodyAt  = netip.MustParseAddr("198.51.100.4")
	apiAt     = netip.MustParseAddrPort("127.0.0.1:8080")
)

const (
	repNumber      = "+12025550110"
	prospectNumber = "+12025550100"
)

// world is a whole tandem on virtual time: its configuration, store, API, SIP
// and sound; and on the same network a carrier written by hand.
type world struct {
	t       *testing.T
	net     *Network
	carrier *carrier.Carrier
	backup  *carrier.Carrier // nil = there is none
	app     *app.App
	cfg     *config.Config
	yaml    string // what cfg was read from
	http    *http.Client
	key     string
	tap     *Wiretap
	began   time.Time
	asked   []func(*Ladder)
	db      string
	dead    []func() // what crashed, to be taken away at the end

	mu        sync.Mutex
	listeners map[string]*Listener
}

// setup is what a test changes of a world.
type setup struct {
	yaml    string                             // more of tandem.yaml
	options string                             // keepalive.options of the trunk; "" = 0s: the ladders are of calls
	trunk   string                             // more of the trunk's settings, a line
	route   func(from, to netip.AddrPort) Path // nil = 5 ms
	nat     map[string]string                  // addresses behind a NAT: its public address
	lose    func(Datagram) bool                // nil = none
	carrier func(*carrier.Options)             // nil = with digest
	phones  map[string]act                     // by number
	backup  act                                // what phones do behind a second trunk, "backup"; nil = there is none
	host    string                             // of the trunk: a name at nobodyAt and carrierAt; "" = the address
}

// inWorld runs a test in a bubble with a world of its own.
func inWorld(t *testing.T, s setup, f func(w *world)) {
	t.Helper()
	dir, known := t.TempDir(), knownSounds(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: NewNetwork(1), listeners: make(map[string]*Listener), began: time.Now()}
		w.net.Route = s.route
		if w.net.Route == nil {
			w.net.Route = fiveMS
		}
		w.tap = NewWiretap(tandemAt.Addr(), known)
		w.net.Tap, w.net.Lose = w.tap.Datagram, s.lose
		for inside, public := range s.nat {
			w.net.NAT(netip.MustParseAddr(inside), netip.MustParseAddr(public), time.Minute)
		}
		w.openCarrier(s)
		w.db = filepath.Join(dir, "tandem.db")
		w.openApp(s)
		t.Cleanup(w.close) // also after a Fatal: nothing may be left in the bubble
		f(w)
	})
}

func (w *world) openCarrier(s setup) {
	w.t.Helper()
	conn, err := w.net.Listen(carrierAt)
	if err != nil {
		w.t.Fatal(err)
	}
	opts := carrier.Options{User: "acme", Password: "secret",
		ListenRTP: func(at netip.Addr) (net.PacketConn, error) { return w.net.Listen(netip.AddrPortFrom(at, 0)) },
		Script: func(number string) carrier.Script {
			if script := s.phones["+"+number]; script != nil {
				return func(c *carrier.Call) { script(w, c) }
			}
			return carrier.Magic(number)
		}}
	if s.carrier != nil {
		s.carrier(&opts)
	}
	if w.carrier, err = carrier.Open(conn, opts); err != nil {
		w.t.Fatal(err)
	}
	if s.backup == nil {
		return
	}
	if conn, err = w.net.Listen(backupAt); err != nil {
		w.t.Fatal(err)
	}
	opts.User, opts.Script = "", func(string) carrier.Script { return func(c *carrier.Call) { s.backup(w, c) } }
	if w.backup, err = carrier.Open(conn, opts); err != nil {
		w.t.Fatal(err)
	}
}

// wire is how the app reaches the world's network.
func (w *world) wire() app.Wire {
	return app.Wire{
		ListenUDP: func(at netip.AddrPort) (net.PacketConn, error) { return w.net.Listen(at) },
		ListenTCP: func(addr string) (net.Listener, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.listeners[addr] = NewListener(netip.MustParseAddrPort(addr))
			return w.listeners[addr], nil
		},
		ListenRTP: func(at netip.AddrPort) (media.PacketConn, error) { return w.net.Listen(at) },
		DNS:       twoAddresses,
		Config:    w.read,
	}
}

// read reads the configuration.
func (w *world) read() (*config.Config, config.Problems) {
	return config.Read("the scenario's configuration", []byte(w.yaml), []string{"TRUNK_PASSWORD=secret"})
}

// reload changes the configuration while tandem runs.
func (w *world) reload(before, after string) {
	w.t.Helper()
	changed := strings.Replace(w.yaml, before, after, 1)
	if changed == w.yaml {
		w.t.Fatalf("the configuration has no %q", before)
	}
	w.yaml = changed
	if status, answer := w.ask("POST", "/v1/admin/reload", nil); status != 200 {
		w.t.Fatalf("reload: %d %v", status, answer)
	}
}

// twoAddresses is a DNS in which every name is at nobodyAt and carrierAt.
func twoAddresses(_ context.Context, query []byte) ([]byte, error) {
	end := 12
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	response := append(bytes.Clone(query[:2]), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	response = append(response, query[12:end+5]...)
	if query[end+1] == 0 && query[end+2] == 1 { // A
		for _, at := range []netip.Addr{nobodyAt, carrierAt.Addr()} {
			response[7]++
			response = append(append(response, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4), at.AsSlice()...)
		}
	}
	return response, nil
}

func (w *world) openApp(s setup) {
	w.t.Helper()
	backup := ""
	if s.backup != nil {
		backup = fmt.Sprintf("  backup: {host: %s, caller_ids: [\"+12025550198\"], keepalive: {options: 0s}}\n", backupAt.Addr())
	}
	w.yaml = fmt.Sprintf(`version: 1
sip: {listen: ["udp://%s"]}
numbers: {default_region: US, allow: ["+1202"]}
trunks:
  carrier:
    host: %s
    auth: {mode: digest, username: acme, password: "${env:TRUNK_PASSWORD}"}
    caller_ids: ["+12025550199"]
    keepalive: {options: %s}
    %s
%shttp: {listen: "%s"}
metrics: {listen: ""}
store: {url: "sqlite://%s"}
%s`, tandemAt, cmp.Or(s.host, carrierAt.Addr().String()), cmp.Or(s.options, "0s"), s.trunk, backup, apiAt, w.db, s.yaml)
	var problems config.Problems
	if w.cfg, problems = w.read(); problems.Errors() > 0 {
		w.t.Fatal(problems)
	}
	w.startApp()
	_, key, err := w.app.Store.CreateKey(w.t.Context(), store.Key{Name: "crm", Scopes: []string{"admin"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.key = key
}

func (w *world) startApp() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("TANDEM_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	if w.app, err = app.Start(w.t.Context(), w.cfg, w.wire(), log); err != nil {
		w.t.Fatal(err)
	}
	w.http = &http.Client{Transport: &http.Transport{DialContext: w.listeners[apiAt.String()].Dial}}
}

// stopApp ends tandem as a second SIGTERM does.
func (w *world) stopApp() {
	w.t.Helper()
	w.http.CloseIdleConnections()
	if err := w.app.Stop(ended()); err != nil {
		w.t.Error(err)
	}
	for _, bury := range w.dead {
		bury()
	}
}

// ended is a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (w *world) close() {
	w.t.Helper()
	w.stopApp()
	if err := w.carrier.Close(); err != nil {
		w.t.Error(err)
	}
	if w.backup != nil {
		if err := w.backup.Close(); err != nil {
			w.t.Error(err)
		}
	}
	if n := w.net.Open(); n != 0 {
		w.t.Errorf("%d sockets are still open", n)
	}
}

// ask is one request of the CRM's.
func (w *world) ask(method, path string, body any) (status int, answer map[string]any) {
	w.t.Helper()
	return w.askWith(method, path, body, nil)
}

// askWith is ask with headers.
func (w *world) askWith(method, path string, body any, header http.Header) (status int, answer map[string]any) {
	w.t.Helper()
	var payload io.Reader
	if body != nil {
		doc, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		payload = bytes.NewReader(doc)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+apiAt.String()+path, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	for name := range header {
		r.Header.Set(name, header.Get(name))
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	r.Header.Set("Content-Type", "application/json")
	res, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	doc, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	at, text := time.Now(), fmt.Sprintf("%s %s: %d", method, short(path), res.StatusCode)
	w.mu.Lock()
	w.asked = append(w.asked, func(l *Ladder) { l.Asked(at, text) })
	w.mu.Unlock()
	if len(doc) > 0 {
		if err := json.Unmarshal(doc, &answer); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, doc)
		}
	}
	return res.StatusCode, answer
}

// place asks for a call.
func (w *world) place(more ...string) (id string) {
	w.t.Helper()
	body := map[string]any{"rep_number": repNumber, "to": prospectNumber}
	for i := 0; i < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	status, answer := w.ask("POST", "/v1/calls", body)
	if status != http.StatusCreated {
		w.t.Fatalf("POST /v1/calls: %d %v", status, answer)
	}
	return answer["id"].(string)
}

// short is a path without ids.
func short(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "call_") {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}

// until waits for an event of a call.
func (w *world) until(id string, kind bridge.EventType) {
	w.t.Helper()
	for range 10000 {
		changed := w.app.Store.Changed()
		events, err := w.app.Store.EventsAfter(w.t.Context(), 0, store.EventFilter{Call: id}, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range events {
			if e.Event.Type == kind {
				return
			}
		}
		select {
		case <-changed:
		case <-time.After(time.Hour):
			w.t.Fatalf("call %s: no %s", id, kind)
		}
	}
}

// events are those of a call, once it has ended.
func (w *world) events(id string) (all []store.Envelope) {
	w.t.Helper()
	deadline := time.Now().Add(5 * time.Hour)
	for {
		changed := w.app.Store.Changed()
		var err error
		if all, err = w.app.Store.EventsAfter(w.t.Context(), 0, store.EventFilter{Call: id}, 1000); err != nil {
			w.t.Fatal(err)
		}
		if n := len(all); n > 0 && all[n-1].Record.Status == bridge.Ended {
			return all
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			w.t.Fatalf("call %s does not end", id)
		}
	}
}
