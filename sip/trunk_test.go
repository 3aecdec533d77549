package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func withTrunks(trunks ...TrunkConfig) func(*Config) {
	return func(c *Config) { c.Trunks = trunks }
}

func TestReserve(t *testing.T) {
	inBubble(t, func(w *world) {
		reserve := func(want error, names ...string) func() {
			t.Helper()
			release, err := w.e.Reserve(names...)
			if !errors.Is(err, want) {
				t.Errorf("Reserve(%v): %v, want %v", names, err, want)
			}
			return release
		}
		first := reserve(nil, "small", "small")
		reserve(ErrNoChannel, "small", "endless")
		reserve(ErrNoTrunk, "none")
		if s := w.e.Trunks(); s[0].Reserved != 2 || s[1].Reserved != 0 {
			t.Errorf("not all or nothing: %+v", s)
		}
		first()
		first()
		second := reserve(nil, "small")
		reserve(ErrNoChannel, "small", "small")
		third := reserve(nil, "small", "endless", "endless")
		second()
		third()
		for _, s := range w.e.Trunks() {
			if s.Reserved != 0 {
				t.Errorf("%+v", s)
			}
		}
	}, withTrunks(TrunkConfig{Name: "small", Host: "10.0.0.2", Channels: 2}, TrunkConfig{Name: "endless", Host: "10.0.0.2"}))
}

func TestTurn(t *testing.T) {
	inBubble(t, func(w *world) {
		begin := time.Now()
		var at []time.Duration
		for range 4 {
			if err := w.e.Turn(context.Background(), "slow"); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(begin))
		}
		if want := []time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}; !slices.Equal(at, want) {
			t.Errorf("turns at %v, want %v", at, want)
		}
		// One who gives up gives the slot back.
		ctx, cancel := context.WithTimeoutCause(context.Background(), 100*time.Millisecond, errEnough)
		defer cancel()
		if err := w.e.Turn(ctx, "slow"); !errors.Is(err, errEnough) {
			t.Error(err)
		}
		if err := w.e.Turn(context.Background(), "slow"); err != nil || time.Since(begin) != 2*time.Second {
			t.Errorf("%v at %v", err, time.Since(begin))
		}
		for range 100 {
			if err := w.e.Turn(context.Background(), "fast"); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(begin) != 2*time.Second {
			t.Errorf("a trunk without a limit waited until %v", time.Since(begin))
		}
		if err := w.e.Turn(context.Background(), "none"); !errors.Is(err, ErrNoTrunk) {
			t.Error(err)
		}
	}, withTrunks(TrunkConfig{Name: "slow", Host: "10.0.0.2", CPS: 2}, TrunkConfig{Name: "fast", Host: "10.0.0.2"}))
}

func TestNumbers(t *testing.T) {
	tests := []struct {
		trunk        TrunkConfig
		number, want string
	}{
		{TrunkConfig{}, "+441632960001", "+441632960001"},
		{TrunkConfig{Format: "e164"}, "+441632960001", "441632960001"},
		{TrunkConfig{Format: "national"}, "+14155550100", "4155550100"},
		{TrunkConfig{Format: "national"}, "+441632960001", "1632960001"},
		{TrunkConfig{Format: "national", Prefix: "0"}, "+4930123456", "030123456"},
		{TrunkConfig{Format: "national"}, "+35312345678", "12345678"},
		{TrunkConfig{Format: "e164", Prefix: "12345678*"}, "+14155550100", "12345678*14155550100"},
		{TrunkConfig{Strip: "+44", Prefix: "0"}, "+441632960001", "01632960001"},
		{TrunkConfig{Strip: "+44", Prefix: "0"}, "+14155550100", "0+14155550100"},
		{TrunkConfig{Format: "e164"}, "1001", "1001"},
		{TrunkConfig{Format: "national"}, "+1", ""},
		{TrunkConfig{Format: "national", Country: "1"}, "+14155550100", "4155550100"},
		{TrunkConfig{Format: "national", Country: "1"}, "+441632960001", "+441632960001"}, // not a number in America
		{TrunkConfig{Format: "national", Country: "420"}, "+420212345678", "212345678"},
	}
	for _, tt := range tests {
		if got := tt.trunk.dialled(tt.number); got != tt.want && tt.want != "" {
			t.Errorf("%+v %s: %s, want %s", tt.trunk, tt.number, got, tt.want)
		}
	}
}

func TestCallerIdentity(t *testing.T) {
	inBubble(t, func(w *world) {
		call := invite()
		call.FromName = `Bob "the" Builder`
		w.peer = newPeer(t, w.wire, "10.0.0.2:5062")
		d := w.dial(call)
		inv := w.expect("INVITE")
		for name, want := range map[string]string{
			"p-asserted-identity": "<sip:441632960000@acme.example>",
			"remote-party-id":     "<sip:441632960000@acme.example>;party=calling;privacy=off;screen=yes",
			"p-charge-info":       "<sip:1@x>",
			"user-agent":          "tandem",
			"max-forwards":        "70",
			"supported":           "100rel",
			"contact":             "<sip:tandem@203.0.113.9:5070>",
			"content-type":        "application/sdp",
		} {
			if got := inv.all(name); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if from := inv.get("from"); !strings.HasPrefix(from, `"Bob \"the\" Builder" <sip:acme@acme.example>;tag=`) {
			t.Errorf("From %s", from)
		}
		if via := inv.get("via"); !strings.HasPrefix(via, "SIP/2.0/UDP 203.0.113.9:5070;branch=z9hG4bK") || !strings.Contains(via, ";rport") {
			t.Errorf("Via %s", via)
		}
		if inv.uri() != "sip:01632960001@10.0.0.2:5062" {
			t.Errorf("to %s", inv.uri())
		}
		w.respond(inv, "486 Busy Here", "x")
		_ = d.fails()
	}, withTrunks(TrunkConfig{
		Name: "carrier", Host: "10.0.0.2", Port: 5062, FromUser: "acme", FromDomain: "acme.example",
		Identity: []string{"p-asserted-identity", "remote-party-id"}, IdentityFormat: "e164",
		Strip: "+44", Prefix: "0", ExtraHeaders: map[string]string{"P-Charge-Info": "<sip:1@x>"},
		Local: netip.MustParseAddrPort("203.0.113.9:5070"),
	}), func(c *Config) { c.AllowFrom = nil })
}

func TestTrunkConfigChecks(t *testing.T) {
	for name, cfg := range map[string]TrunkConfig{
		"no name":      {Host: "10.0.0.2"},
		"no host":      {Name: "x"},
		"transport":    {Name: "x", Host: "h", Transport: "smoke"},
		"format":       {Name: "x", Host: "h", Format: "roman"},
		"identity":     {Name: "x", Host: "h", Identity: []string{"x-me"}},
		"core header":  {Name: "x", Host: "h", ExtraHeaders: map[string]string{"Via": "x"}},
		"header name":  {Name: "x", Host: "h", ExtraHeaders: map[string]string{"X: y\r\nZ": "x"}},
		"header value": {Name: "x", Host: "h", ExtraHeaders: map[string]string{"X": "x\r\nVia: y"}},
	} {
		if _, err := newTrunk(cfg, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Nothing a caller says can add a line to a message.
func TestNothingIsInjected(t *testing.T) {
	inBubble(t, func(w *world) {
		for i, change := range []func(*Invite){
			func(i *Invite) { i.To = "+1\r\nX-Injected: 1" },
			func(i *Invite) { i.To = "+1@evil.example" },
			func(i *Invite) { i.To = "+1;x=y" },
			func(i *Invite) { i.To = "" },
			func(i *Invite) { i.From = "+1>\r\nX-Injected: 1" },
			func(i *Invite) { i.FromName = "Bob\r\nX-Injected: 1" },
			func(i *Invite) { i.FromName = "Bob\x00" },
		} {
			call := invite()
			change(&call)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			if _, err := w.e.Dial(ctx, call); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d: %v", i, err)
			}
			cancel()
		}
		w.silence(time.Second)
	})
}

func TestOpenRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no socket":  func(c *Config) { c.UDP = nil },
		"same trunk": func(c *Config) { c.Trunks = append(c.Trunks, c.Trunks[0]) },
		"bad trunk":  func(c *Config) { c.Trunks[0].Transport = "smoke" },
		"user agent": func(c *Config) { c.UserAgent = "x\r\ny" },
	} {
		wire := newWire()
		conn := wire.listen("10.0.0.1:5060")
		cfg := Config{UDP: nil, Trunks: []TrunkConfig{{Name: "a", Host: "10.0.0.2"}}, Log: testLog()}
		cfg.UDP = append(cfg.UDP, conn)
		change(&cfg)
		if _, err := Open(cfg); err == nil {
			t.Errorf("%s: opened", name)
		}
		if len(cfg.UDP) > 0 {
			if _, err := conn.WriteTo(nil, conn.LocalAddr()); err == nil {
				t.Errorf("%s: the socket was left open", name)
			}
		}
	}
}
