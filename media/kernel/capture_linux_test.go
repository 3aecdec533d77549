package kernel

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/test/namespace"
)

// tap is a socket that sees every frame that comes in by an interface.
type tap struct {
	t  *testing.T
	fd int
}

func newTap(t *testing.T, in *namespace.Space, name string) *tap {
	t.Helper()
	const everything = 0x0300 // ETH_P_ALL, network order
	w := &tap{t: t}
	var err error
	in.Do(func() {
		var i *net.Interface
		if i, err = net.InterfaceByName(name); err != nil {
			return
		}
		if w.fd, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, everything); err != nil {
			return
		}
		err = syscall.Bind(w.fd, &syscall.SockaddrLinklayer{Protocol: everything, Ifindex: i.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(w.fd) })
	within := syscall.NsecToTimeval(soon.Nanoseconds())
	if err := syscall.SetsockoptTimeval(w.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &within); err != nil {
		t.Fatal(err)
	}
	return w
}

// rtp returns the next n frames with a datagram of RTP's size, as a capture file.
func (w *tap) rtp(n int) (file string) {
	w.t.Helper()
	pcap := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	for _, word := range []uint32{2 | 4<<16, 0, 0, 1 << 16, 1} { // version 2.4; Ethernet
		pcap = binary.LittleEndian.AppendUint32(pcap, word)
	}
	frame := make([]byte, 4096)
	for n > 0 {
		size, from, err := syscall.Recvfrom(w.fd, frame, 0)
		if err != nil {
			w.t.Fatalf("%d frames did not come: %v", n, err)
		}
		if from.(*syscall.SockaddrLinklayer).Pkttype != syscall.PACKET_HOST || size < 172 {
			continue
		}
		now := time.Now()
		for _, word := range []uint32{uint32(now.Unix()), uint32(now.Nanosecond() / 1000), uint32(size), uint32(size)} {
			pcap = binary.LittleEndian.AppendUint32(pcap, word)
		}
		pcap = append(pcap, frame[:size]...)
		n--
	}
	file = filepath.Join(w.t.TempDir(), "frames.pcap")
	if err := os.WriteFile(file, pcap, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

// dissect has tshark read frames: a row of fields each. "-" is a field there is not.
func dissect(t *testing.T, file string, rtpPort uint16, fields ...string) (rows [][]string) {
	t.Helper()
	args := []string{"-n", "-r", file, "-d", "udp.port==" + strconv.Itoa(int(rtpPort)) + ",rtp",
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark %v: %v", args, err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		rows = append(rows, strings.Split(line, "\t"))
	}
	return rows
}
