package scan

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Recorder keeps what passes some UDP sockets, to be written as a capture that
// Wireshark opens. It may be used by several goroutines.
type Recorder struct {
	mu      sync.Mutex
	packets []recorded
	done    bool
}

type recorded struct {
	at       time.Time
	from, to netip.AddrPort
	payload  []byte
}

// Conn is conn, with what passes it recorded.
func (r *Recorder) Conn(conn net.PacketConn) net.PacketConn { return recordedConn{conn, r} }

// Stop ends the recording; what was recorded is kept.
func (r *Recorder) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
}

func (r *Recorder) add(from, to net.Addr, payload []byte) {
	source, errFrom := netip.ParseAddrPort(from.String())
	target, errTo := netip.ParseAddrPort(to.String())
	r.mu.Lock()
	defer r.mu.Unlock()
	if errFrom == nil && errTo == nil && !r.done {
		r.packets = append(r.packets, recorded{time.Now(), source, target, append([]byte(nil), payload...)})
	}
}

// Write writes the capture: classic pcap, packets without a link layer.
func (r *Recorder) Write(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := pcapgo.NewWriter(w)
	if err := out.WriteFileHeader(1<<16, layers.LinkTypeRaw); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	for _, p := range r.packets {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: p.from.Addr().AsSlice(), DstIP: p.to.Addr().AsSlice()}
		udp := &layers.UDP{SrcPort: layers.UDPPort(p.from.Port()), DstPort: layers.UDPPort(p.to.Port())}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload(p.payload)); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		info := gopacket.CaptureInfo{Timestamp: p.at, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}
		if err := out.WritePacket(info, b.Bytes()); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
	}
	return nil
}

type recordedConn struct {
	net.PacketConn
	r *Recorder
}

func (c recordedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if err == nil {
		c.r.add(from, c.LocalAddr(), b[:n])
	}
	return n, from, err
}

func (c recordedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.r.add(c.LocalAddr(), to, b)
	return c.PacketConn.WriteTo(b, to)
}
