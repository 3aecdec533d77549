//go:build linux && (amd64 || arm64)

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"

	"tandem/media"
	"tandem/media/kernel"
)

const firstPort, lastPort = 20000, 29999

// relay is the body of a child: it takes an order, says its ports, and relays
// until its input ends. Each line in between asks how much was allocated.
func relay(mode string) error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return err
	}
	var all []ports
	if mode == "goroutines" {
		all, err = goroutines(o)
	} else {
		all, err = tandem(mode, o)
	}
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(all); err != nil {
		return err
	}
	for {
		if _, err := in.ReadBytes('\n'); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if err := out.Encode(m.Mallocs); err != nil {
			return err
		}
	}
}

// tandem relays with package media.
func tandem(mode string, o order) (all []ports, err error) {
	b, err := openBridge(mode, 2*o.Calls)
	if err != nil {
		return nil, err
	}
	for range o.Calls {
		_, _, p, err := b.call(o.A, o.B)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// bridge is what of tandem carries sound.
type bridge struct {
	table *kernel.Table
	pool  *media.Pool
}

func openBridge(mode string, flows int) (b bridge, err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	here := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if b.table, err = media.OpenKernel(media.PathConfig{Mode: mode, Interfaces: "lo", Bind: here, Flows: flows, Log: log}); err != nil {
		return b, err
	}
	b.pool, err = media.NewPool(media.Config{
		Listen: media.UDP(46), Bind: here, MinPort: firstPort, MaxPort: lastPort, Symmetric: true, Log: log,
		Kernel: b.table, DSCP: 46, Fell: func(why string) { log.Warn("not by the kernel", "err", why) },
	})
	return b, err
}

// call joins two far ends.
func (b bridge) call(atA, atB netip.AddrPort) (legA, legB *media.Stream, p ports, err error) {
	side := media.Side{Address: atA.Addr(), Codecs: []media.Codec{media.PCMU}, EventPT: 101}
	if legA, legB, err = b.pool.OpenPair(side, side); err != nil {
		return nil, nil, p, err
	}
	for _, leg := range []struct {
		stream *media.Stream
		far    netip.AddrPort
		port   *uint16
	}{{legA, atA, &p.A}, {legB, atB, &p.B}} {
		if err := leg.stream.Accept(describe(leg.far, "sendrecv")); err != nil {
			return nil, nil, p, err
		}
		if *leg.port, err = audioPort(leg.stream.Offer()); err != nil {
			return nil, nil, p, err
		}
	}
	media.Join(legA, legB)
	return legA, legB, p, nil
}

// describe is a far end's session description.
func describe(at netip.AddrPort, direction string) []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=%s\r\n", at.Addr(), at.Port(), direction)
}

// goroutines relays as most bridges in Go do.
func goroutines(o order) (all []ports, err error) {
	for range o.Calls {
		var pair [2]*net.UDPConn
		for i := range pair {
			if pair[i], err = net.ListenUDP("udp4", &net.UDPAddr{IP: o.A.Addr().AsSlice()}); err != nil {
				return nil, err
			}
		}
		go forward(pair[0], pair[1], o.B, 1000)
		go forward(pair[1], pair[0], o.A, 2000)
		port := func(i int) uint16 { return uint16(pair[i].LocalAddr().(*net.UDPAddr).Port) }
		all = append(all, ports{port(0), port(1)})
	}
	return all, nil
}

func forward(in, out *net.UDPConn, to netip.AddrPort, offset uint16) {
	b := make([]byte, 1500)
	for {
		n, _, err := in.ReadFromUDPAddrPort(b)
		if err != nil {
			continue
		}
		binary.BigEndian.PutUint16(b[2:], binary.BigEndian.Uint16(b[2:])+offset)
		binary.BigEndian.PutUint32(b[8:], uint32(offset))
		if _, err := out.WriteToUDPAddrPort(b[:n], to); err != nil {
			continue
		}
	}
}
