package app

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/config"
	"tandem/sip"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tape is a UDP socket that keeps what is sent and hears nothing.
type tape struct {
	sent   chan string
	closed chan struct{}
	once   sync.Once
}

func newTape() *tape { return &tape{sent: make(chan string, 100), closed: make(chan struct{})} }

func (c *tape) ReadFrom([]byte) (int, net.Addr, error) {
	<-c.closed
	return 0, nil, net.ErrClosed
}

func (c *tape) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.sent <- string(b)
	return len(b), nil
}

func (c *tape) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *tape) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.10:5060"))
}
func (c *tape) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *tape) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *tape) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// welcome is what a carrier's welcome mail says, by preset.
var welcome = map[string]string{
	"twilio":     `host: acme.pstn.twilio.com, auth: {username: acme, password: "${env:P}"}`,
	"telnyx":     `auth: {username: acme, password: "${env:P}"}`,
	"bandwidth":  `host: 192.0.2.10`,
	"flowroute":  `host: us-west-or.sip.flowroute.com, dial: {prefix: "12345678*"}`,
	"voipms":     `host: atlanta.voip.ms, auth: {username: "100000_tandem", password: "${env:P}"}`,
	"didww":      `host: nyc.us.out.didww.com, auth: {username: acme, password: "${env:P}"}`,
	"sipgate":    `auth: {username: "1234567t0", password: "${env:P}"}`,
	"plivo":      `host: 12345678901234.zt.plivo.com, auth: {username: acme, password: "${env:P}"}`,
	"vonage":     `host: you.sip-us.vonage.com, auth: {username: acme, password: "${env:P}"}`,
	"asterisk":   `host: 10.0.0.5`,
	"freepbx":    `host: 10.0.0.5`,
	"freeswitch": `host: 10.0.0.5`,
	"3cx":        `host: pbx.example.com`,
	"cucm":       `host: 10.0.0.5`,
	"generic":    `host: sip.example.com, auth: {mode: digest, username: acme, password: "${env:P}"}`,
}

// registrations is what such a mail says where the trunk is to be known by
// registration; and the words that refuse it, where the carrier takes none.
var registrations = map[string]struct{ mail, user, refused string }{
	"twilio":     {mail: `host: acme.pstn.twilio.com`, refused: "no REGISTER"},
	"bandwidth":  {mail: `host: 192.0.2.10`, refused: "knows you by your address"},
	"plivo":      {mail: `host: 12345678901234.zt.plivo.com`, refused: "no REGISTER"},
	"telnyx":     {}, // whose host is the preset's
	"sipgate":    {user: "1234567t0"},
	"flowroute":  {mail: `host: us-west-or.sip.flowroute.com, dial: {prefix: "12345678*"}`},
	"voipms":     {mail: `host: atlanta.voip.ms`, user: "100000_tandem"},
	"didww":      {mail: `host: nyc.us.out.didww.com`},
	"vonage":     {mail: `host: you.sip-us.vonage.com`},
	"asterisk":   {mail: `host: 10.0.0.5`},
	"freepbx":    {mail: `host: 10.0.0.5`},
	"freeswitch": {mail: `host: 10.0.0.5`},
	"3cx":        {mail: `host: pbx.example.com`},
	"cucm":       {mail: `host: 10.0.0.5`, refused: "takes no REGISTER"},
	"generic":    {mail: `host: sip.example.com`},
}

// presetConfig is a configuration of one trunk with nothing but its welcome mail.
func presetConfig(t *testing.T, preset string) *config.Config {
	t.Helper()
	mail, ok := welcome[preset]
	if !ok {
		t.Fatalf("no welcome mail for the preset %q", preset)
	}
	cfg, problems := readPreset(preset, mail)
	for _, p := range problems {
		t.Errorf("%s", p.Message+" "+p.Help)
	}
	return cfg
}

func readPreset(preset, mail string) (*config.Config, config.Problems) {
	text := fmt.Sprintf("version: 1\nnumbers: {default_region: US, allow: [\"+1\", \"+44\"]}\ntrunks:\n  carrier: {preset: %s, %s, caller_ids: [\"+14155550100\"]}\n", preset, mail)
	return config.Read("tandem.yaml", []byte(text), []string{"P=secret"})
}

// Each preset's INVITE, to a number at home and to one abroad.
func TestPresetInvites(t *testing.T) {
	if len(config.Presets()) != len(welcome) {
		t.Errorf("there are the presets %v", config.Presets())
	}
	for _, preset := range config.Presets() {
		t.Run(preset, func(t *testing.T) {
			cfg := presetConfig(t, preset)
			var got strings.Builder
			for _, to := range []string{"+12025550123", "+441632960001"} {
				synctest.Test(t, func(t *testing.T) { got.WriteString(firstRequest(t, cfg, to)) })
			}
			golden(t, filepath.Join("testdata", "presets", preset+".invite.txt"), got.String())
		})
	}
}

// Each preset's REGISTER, of those whose carrier or PBX takes one; the others
// warn of it.
func TestPresetRegistrations(t *testing.T) {
	for _, preset := range config.Presets() {
		t.Run(preset, func(t *testing.T) {
			how, ok := registrations[preset]
			if !ok {
				t.Fatalf("nothing says whether %q registers", preset)
			}
			auth := fmt.Sprintf(`auth: {mode: register, username: %s, password: "${env:P}"}`, cmp.Or(how.user, "acme"))
			mail := strings.TrimPrefix(how.mail+", "+auth, ", ")
			cfg, problems := readPreset(preset, mail)
			if how.refused != "" {
				if !slices.ContainsFunc(problems, func(p config.Problem) bool {
					return p.Code == config.CodePreset && p.Path == "trunks.carrier.auth.mode" && strings.Contains(p.Help, how.refused)
				}) {
					t.Errorf("registering is not warned of: %v", problems)
				}
				return
			}
			for _, p := range problems {
				t.Error(p.Message + " " + p.Help)
			}
			synctest.Test(t, func(t *testing.T) {
				golden(t, filepath.Join("testdata", "presets", preset+".register.txt"), firstRegister(t, cfg))
			})
		})
	}
}

// The REGISTER and the INVITE of a trunk behind an outbound proxy, and with that hidden.
func TestOutboundProxy(t *testing.T) {
	for name, proxy := range map[string]string{"route": "sbc.example.com:5070", "hidden": "sbc.example.com:5070;hide"} {
		t.Run(name, func(t *testing.T) {
			cfg, problems := readPreset("generic", `host: sip.example.com, outbound_proxy: "`+proxy+`", auth: {mode: register, username: acme, password: "${env:P}"}`)
			for _, p := range problems {
				t.Error(p.Message + " " + p.Help)
			}
			var got strings.Builder
			synctest.Test(t, func(t *testing.T) { got.WriteString(firstRegister(t, cfg)) })
			synctest.Test(t, func(t *testing.T) { got.WriteString(firstRequest(t, cfg, "+12025550123")) })
			golden(t, filepath.Join("testdata", "outbound-proxy", name+".txt"), got.String())
		})
	}
}

// firstRegister is the REGISTER of the trunk "carrier".
func firstRegister(t *testing.T, cfg *config.Config) string {
	wire := newTape()
	endpoint := openPreset(t, cfg, wire)
	text := ""
	for !strings.HasPrefix(text, "REGISTER ") {
		text = <-wire.sent
	}
	if err := endpoint.Close(); err != nil {
		t.Error(err)
	}
	return legibly(text)
}

var random = regexp.MustCompile(`(branch=z9hG4bK|;tag=|Call-ID: )[A-Z0-9]+`)

// firstRequest is the INVITE of a call on the trunk "carrier", what is random in
// it made equal.
func firstRequest(t *testing.T, cfg *config.Config, to string) string {
	wire := newTape()
	endpoint := openPreset(t, cfg, wire)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := endpoint.Dial(ctx, sip.Invite{
			Trunk: "carrier", From: "+14155550100", To: to,
			Offer: []byte("v=0\r\no=tandem 1 1 IN IP4 203.0.113.10\r\ns=-\r\nc=IN IP4 203.0.113.10\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n"),
		})
		done <- err
	}()
	text := ""
	for !strings.HasPrefix(text, "INVITE ") { // OPTIONS and REGISTER may go first
		text = <-wire.sent
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := endpoint.Close(); err != nil {
		t.Error(err)
	}
	return legibly(text)
}

// openPreset is tandem's SIP with the one trunk of cfg.
func openPreset(t *testing.T, cfg *config.Config, wire net.PacketConn) *sip.Endpoint {
	t.Helper()
	endpoint, err := sip.Open(sip.Config{
		UDP: []net.PacketConn{wire}, Trunks: []sip.TrunkConfig{trunkOf(cfg, "carrier")},
		UserAgent: cfg.SIP.UserAgent, Log: slog.New(slog.DiscardHandler),
		DNS: everywhere,
	})
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// legibly writes a message with what is random in it made equal.
func legibly(text string) string {
	return strings.ReplaceAll(random.ReplaceAllString(text, "${1}RANDOM"), "\r\n", "\n") + "\n"
}

// everywhere is a DNS in which every name has the address 198.51.100.1, and no
// other record.
func everywhere(_ context.Context, query []byte) ([]byte, error) {
	end := 12
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	response := append(append([]byte(nil), query[:2]...), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	response = append(response, query[12:end+5]...)
	if query[end+1] == 0 && query[end+2] == 1 { // A
		response[7] = 1
		response = append(response, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 1)
	}
	return response, nil
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (write it anew with -update):\ngot\n%s\nwant\n%s", file, got, want)
	}
}
