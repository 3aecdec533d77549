package ops

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// TestFloodOfStrangers: twenty thousand INVITEs from an address that is no trunk's get
// no answer, no line of the log each and no memory, and a call that is placed while they
// come is like any other.
func TestFloodOfStrangers(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.LocalAddr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	log := new(logged)
	w := startWith(t, "", slog.New(slog.NewTextHandler(log, nil)), "TANDEM_SIP__LISTEN=udp://"+at)
	stranger, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	sent := make(chan error)
	go func() {
		for i := range 20_000 {
			if _, err := fmt.Fprintf(stranger, "INVITE sip:+12025550100@%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK%d\r\nFrom: <sip:x@x>;tag=%[2]d\r\nTo: <sip:y@y>\r\nCall-ID: %[2]d\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", at, i); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	if call := w.call(t, "+12025550110", "+12025550100"); !strings.Contains(call, `"outcome":"completed"`) {
		t.Errorf("%s", call)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	metrics := get(t, "http://"+w.Metrics.String()+"/metrics")
	dropped := regexp.MustCompile(`tandem_sip_dropped_total{reason="not_allowed"} (\S+)`).FindStringSubmatch(metrics)
	asked := regexp.MustCompile(`tandem_sip_requests_total{direction="in",method="INVITE"} (\S+)`).FindStringSubmatch(metrics)
	if dropped == nil || dropped[1] == "0" || asked == nil || asked[1] != "0" {
		t.Errorf("%v dropped, %v taken", dropped, asked)
	}
	if n := strings.Count(log.String(), "127.0.0.2"); n > 0 {
		t.Errorf("%d lines of the log", n)
	}
	t.Logf("%s dropped", dropped[1])
}
