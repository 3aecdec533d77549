package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/test/carrier"
)

// sipp is SIPp playing a carrier by a scenario of sipp/. Its sound, if it needs
// any, is a carrier.Phone on a port that the scenario's SDP names.
type sipp struct {
	*testing.T
	port    int
	rtp     net.PacketConn
	process *exec.Cmd
	output  bytes.Buffer
	log     string // file of all messages
	errors  string // file of what it did not expect
	over    chan error
}

// startSIPp starts it for one call, or as many as the word calls says. words are what
// stands in the scenario between two @, and what to put there.
func startSIPp(t *testing.T, scenario string, words ...string) *sipp {
	t.Helper()
	dir := t.TempDir()
	rtp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sipp{T: t, port: freePort(t), rtp: rtp, over: make(chan error, 1),
		log: filepath.Join(dir, "messages"), errors: filepath.Join(dir, "errors")}
	file := fill(t, filepath.Join("sipp", scenario+".xml"), dir, append(words, "rtp", s.rtpPort(), "contact", "[local_ip]:[local_port]")...)
	calls := "1"
	if i := slices.Index(words, "calls"); i >= 0 {
		calls = words[i+1]
	}
	s.process = exec.Command("sipp", "-sf", file, "-i", "127.0.0.1", "-p", strconv.Itoa(s.port),
		"-mp", strconv.Itoa(s.port+2), "-m", calls, "-nostdin", "-nd",
		"-trace_msg", "-message_file", s.log, "-trace_err", "-error_file", s.errors,
		"-timeout", "150", "-timeout_error")
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.over <- s.process.Wait() }()
	t.Cleanup(func() {
		_ = s.process.Process.Kill()
		_ = rtp.Close()
		if t.Failed() {
			t.Logf("%s at port %d:\n%s\n%s", scenario, s.port, s.messages(), s.read(s.errors))
		}
	})
	until(t, "SIPp listens", func() bool {
		if len(s.over) > 0 {
			t.Fatalf("sipp: %v\n%s", <-s.over, s.output.String())
		}
		return udpBound(t, s.port)
	})
	return s
}

// udpBound looks whether a port is taken, without taking it.
func udpBound(t *testing.T, port int) bool {
	t.Helper()
	var tables []byte
	for _, name := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		table, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) { // a machine may do without IPv6
			t.Fatal(err)
		}
		tables = append(tables, table...)
	}
	return regexp.MustCompile(fmt.Sprintf("(?m)^ *[0-9]+: [0-9A-F]+:%04X 0+:0000 ", port)).Match(tables)
}

func (s *sipp) rtpPort() string { return strconv.Itoa(s.rtp.LocalAddr().(*net.UDPAddr).Port) }

func (s *sipp) read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		s.Error(err)
	}
	return string(b)
}

// messages is all that was sent and received.
func (s *sipp) messages() string { return s.read(s.log) }

// received are the messages that came, and that is what tandem sent.
func (s *sipp) received() (all []string) {
	for _, part := range strings.Split(s.messages(), "-----------------------------------------------") {
		if head, message, ok := strings.Cut(part, "\n\n"); ok && strings.Contains(head, "message received") {
			all = append(all, message)
		}
	}
	return all
}

// count is how many of the messages that came begin with a line like this.
func (s *sipp) count(first string) (n int) {
	for _, m := range s.received() {
		if strings.HasPrefix(m, first+" ") {
			n++
		}
	}
	return n
}

var audioPort = regexp.MustCompile(`m=audio (\d+) `)

// phone opens the sound, once the INVITE says where it goes.
func (s *sipp) phone(hz float64) *carrier.Phone {
	s.Helper()
	var port uint64
	until(s.T, "an INVITE has come", func() bool {
		for _, m := range s.received() {
			if found := audioPort.FindStringSubmatch(m); found != nil {
				port, _ = strconv.ParseUint(found[1], 10, 16)
			}
		}
		return port > 0
	})
	p := carrier.NewPhone(s.rtp, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
	s.Cleanup(p.Close)
	p.Say(hz)
	return p
}

// finished waits for the end of the scenario, which must have gone as written.
func (s *sipp) finished() {
	s.Helper()
	select {
	case err := <-s.over:
		s.over <- err
		if err != nil {
			s.Errorf("sipp: %v\n%s", err, s.output.String())
		}
	case <-time.After(160 * time.Second):
		s.Error("sipp does not end")
	}
}

// legRoutes sends each leg to a trunk of its own.
const legRoutes = "routing: [{leg: rep, trunks: [reps]}, {leg: prospect, trunks: [outside]}]\n"

// twoTrunks is a tandem with a trunk for each leg, both SIPp.
func twoTrunks(t *testing.T, rep, prospect *sipp, more ...string) *server {
	t.Helper()
	return newServer(t, sippTrunk("reps", rep.port)+sippTrunk("outside", prospect.port)+
		legRoutes+strings.Join(more, "\n"))
}

// confirms starts it and places a call, as far as the rep's 1; it returns the rep's phone.
func (s *server) confirms(rep *sipp) (id string, a *carrier.Phone) {
	s.Helper()
	s.start()
	id = s.place(repNumber, prospectNumber)
	a = rep.phone(carrier.RepTone)
	s.confirm(id, a)
	return id, a
}

// connects does so until rep and prospect talk.
func (s *server) connects(rep, prospect *sipp) (id string, a, b *carrier.Phone) {
	s.Helper()
	id, a = s.confirms(rep)
	b = prospect.phone(carrier.ProspectTone)
	s.reaches(id, "in_progress")
	return id, a, b
}

func sippTrunk(name string, port int, more ...string) string {
	return fmt.Sprintf("  %s: {host: 127.0.0.1, port: %d, caller_ids: [\"+12025550199\"], keepalive: {options: 0s}%s}\n", name, port, strings.Join(more, ""))
}
