package media

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

func TestUnreachable(t *testing.T) {
	for _, tt := range []struct {
		ours, theirs string
		want         bool
	}{
		{"203.0.113.9", "10.1.2.3", true},
		{"203.0.113.9", "192.168.0.4", true},
		{"203.0.113.9", "100.64.9.9", true},
		{"203.0.113.9", "127.0.0.1", true},
		{"203.0.113.9", "198.51.100.7", false},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.0.1", "198.51.100.7", false},
		{"2001:db8::1", "fd00::2", true},
	} {
		if got := unreachable(netip.MustParseAddr(tt.ours), netip.MustParseAddr(tt.theirs)); got != tt.want {
			t.Errorf("from %s to %s: %v", tt.ours, tt.theirs, got)
		}
	}
}

// It is said once, and changes nothing else.
func TestPrivateAddressIsReported(t *testing.T) {
	var said bytes.Buffer
	s := &Stream{log: slog.New(slog.NewTextHandler(&said, nil)), pool: &Pool{}}
	s.ours.addr = netip.MustParseAddrPort("203.0.113.9:20000")
	for range 3 {
		s.reportNAT(netip.MustParseAddr("10.1.2.3"))
		s.reportNAT(netip.MustParseAddr("198.51.100.7"))
	}
	if n := strings.Count(said.String(), "addr=10.1.2.3"); n != 1 || strings.Contains(said.String(), "198.51") {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}
