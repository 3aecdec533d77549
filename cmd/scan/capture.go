package scan

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"tandem/media"
)

// pcapMagic are the first octets of a pcap file (both byte orders, micro- and
// nanoseconds) and of a pcapng section header.
var pcapMagic = []uint32{0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a}

func isCapture(magic []byte) bool {
	return len(magic) == 4 && slices.Contains(pcapMagic, binary.BigEndian.Uint32(magic))
}

// flow is all the datagrams from one address to another.
type flow struct {
	from, to netip.AddrPort
	packets  []packet
}

// capture hears every RTP stream of a capture, each apart.
func capture(in *bufio.Reader, formats []media.Format) ([]Press, error) {
	flows, begin, err := readFlows(in)
	if err != nil {
		return nil, err
	}
	var found []Press
	for _, f := range flows {
		if f.packets = onlyRTP(f.packets); len(f.packets) > 0 {
			found = append(found, f.hear(formats, begin)...)
		}
	}
	return found, nil
}

// source is what both kinds of capture file are read by.
type source interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

func open(in *bufio.Reader) (source, func() layers.LinkType, error) {
	magic, _ := in.Peek(4)
	if binary.BigEndian.Uint32(magic) != 0x0a0d0d0a {
		r, err := pcapgo.NewReader(in)
		if err != nil {
			return nil, nil, fmt.Errorf("pcap: %w", err)
		}
		return r, r.LinkType, nil
	}
	r, err := pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return nil, nil, fmt.Errorf("pcapng: %w", err)
	}
	return r, r.LinkType, nil
}

// readFlows gathers the UDP datagrams of a capture by flow, in the order in which
// the flows begin. A capture that is cut short gives what it has.
func readFlows(in *bufio.Reader) (flows []*flow, begin time.Time, err error) {
	r, link, err := open(in)
	if err != nil {
		return nil, begin, err
	}
	byEnds := make(map[[2]netip.AddrPort]*flow)
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return flows, begin, nil
		}
		if err != nil {
			return nil, begin, fmt.Errorf("capture: %w", err)
		}
		if begin.IsZero() {
			begin = info.Timestamp
		}
		from, to, payload, ok := datagram(data, link())
		if !ok {
			continue
		}
		p, ok := parseRTP(payload)
		if !ok {
			continue
		}
		p.at = info.Timestamp
		ends := [2]netip.AddrPort{from, to}
		f := byEnds[ends]
		if f == nil {
			f = &flow{from: from, to: to}
			byEnds[ends] = f
			flows = append(flows, f)
		}
		f.packets = append(f.packets, p)
	}
}

// datagram is the UDP payload of a captured frame.
func datagram(data []byte, link layers.LinkType) (from, to netip.AddrPort, payload []byte, ok bool) {
	p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok {
		return from, to, nil, false
	}
	network := p.NetworkLayer()
	if network == nil {
		return from, to, nil, false
	}
	ends := network.NetworkFlow()
	source, ok1 := netip.AddrFromSlice(ends.Src().Raw())
	target, ok2 := netip.AddrFromSlice(ends.Dst().Raw())
	return netip.AddrPortFrom(source, uint16(udp.SrcPort)), netip.AddrPortFrom(target, uint16(udp.DstPort)), udp.Payload, ok1 && ok2
}
