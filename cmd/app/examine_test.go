package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"tandem/config"
	"tandem/sip"
	"tandem/test/carrier"
)

// An operator who takes a preset and the words of a welcome mail is told what is
// wrong: every preset against a carrier that refuses the password, has a certificate
// that has expired, or has a name that nobody knows; and one that says nothing.
func TestWhatIsWrongWithAPreset(t *testing.T) {
	udp := func() net.PacketConn {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	far, err := carrier.Open(udp(), carrier.Options{User: "acme", Password: "another"})
	if err != nil {
		t.Fatal(err)
	}
	silent := udp()
	cert, key, _ := selfSigned(t, t.TempDir(), time.Now().Add(-time.Hour))
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	expired, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := expired.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.(*tls.Conn).Handshake()
				_ = conn.Close()
			}()
		}
	}()
	t.Cleanup(func() {
		_ = far.Close()
		_ = silent.Close()
		_ = expired.Close()
	})
	for preset, mail := range welcome {
		wrong := sip.FaultPassword
		if !strings.Contains(mail, "password") {
			wrong = sip.FaultNoCredentials // it thinks that it is known by its address
		}
		carriers := map[sip.Fault]string{
			wrong:            fmt.Sprintf("outbound_proxy: %q", far.Addr()),
			sip.FaultExpired: fmt.Sprintf("transport: tls, tls: {ca_file: %q}, outbound_proxy: %q", cert, expired.Addr()),
			sip.FaultName:    "outbound_proxy: sip.nobody.example",
		}
		if preset == "twilio" { // five seconds, whoever it is
			carriers[sip.FaultSilent] = fmt.Sprintf("outbound_proxy: %q", silent.LocalAddr())
		}
		for fault, more := range carriers {
			t.Run(preset+" "+string(fault), func(t *testing.T) {
				t.Parallel()
				wantFault(t, preset, mail+", "+more, fault)
			})
		}
	}
}

// wantFault examines a trunk: the last thing that is found is that fault, with a
// sentence that says what to change.
func wantFault(t *testing.T, preset, trunk string, fault sip.Fault) {
	t.Helper()
	text := fmt.Sprintf(`version: 1
sip: {listen: ["udp://127.0.0.1:0"]}
numbers: {default_region: US, allow: ["+1"]}
trunks: {t: {preset: %s, %s, caller_ids: ["+14155550100"]}}
store: {url: "sqlite:///nowhere"}
`, preset, trunk)
	cfg, problems := config.Read("the test's configuration", []byte(text), []string{"P=secret"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	wire := RealWire(0)
	wire.DNS = func(context.Context, []byte) ([]byte, error) { return nil, errors.New("there is no DNS") }
	found, _, err := Examine(t.Context(), cfg, wire, slog.New(slog.DiscardHandler), []string{"t"}, "")
	if err != nil || len(found) != 1 || found[0].Ready() {
		t.Fatalf("%v: %+v", err, found)
	}
	last := found[0].Findings[len(found[0].Findings)-1]
	if last.Fault != fault || fault.Advice() == "" || strings.Contains(last.Text, "secret") {
		t.Errorf("%+v, want %s", found[0].Findings, fault)
	}
}
