//go:build !(linux && (amd64 || arm64))

package media

import (
	"net"
	"net/netip"
)

// UDP opens real sockets; the DSCP of their packets is left to the system's own
// policy.
func UDP(int) func(netip.AddrPort) (PacketConn, error) {
	return func(addr netip.AddrPort) (PacketConn, error) {
		return net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	}
}

// lanes are only on Linux; elsewhere each socket has a goroutine (reader.go).
type (
	lanes struct{}
	lane  struct{}
)

func newLanes(observe) *lanes { return &lanes{} }

func (*lanes) pick(PacketConn) *lane { return nil }

func (*lanes) close() {}

func (*lane) add(...source) (remove func(), ok bool) { return nil, false }
