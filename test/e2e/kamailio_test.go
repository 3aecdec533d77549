package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kamailio is a PBX: phones register, the trunk needs digest.
type kamailio struct {
	*testing.T
	port        int
	dir, config string
	define      string // a word of the configuration's own conditions
	process     *exec.Cmd
	over        chan error
	output      logBuffer
}

const (
	trunkPassword = "open sesame"
	phonePassword = "ring-ring"
)

// startKamailio starts it with kamailio/kamailio.cfg. words are what stands there
// between two @, and what to put there.
func startKamailio(t *testing.T, words ...string) *kamailio {
	t.Helper()
	k := &kamailio{T: t, port: freePort(t), dir: t.TempDir(), define: "PLAIN"}
	k.config = fill(t, "kamailio/kamailio.cfg", k.dir, append(words, "port", strconv.Itoa(k.port), "tlsport", strconv.Itoa(k.tlsPort()),
		"trunk", trunkPassword, "phones", phonePassword, "auth", "digest", "service", fmt.Sprintf("127.0.0.1:%d", k.port))...)
	if slices.Contains(words, "cert") {
		k.define = "WITH_TLS"
	}
	return k.serve()
}

// serve starts it until the test is over.
func (k *kamailio) serve() *kamailio {
	k.Helper()
	t := k.T
	k.start()
	t.Cleanup(func() {
		k.stop()
		if t.Failed() {
			t.Logf("kamailio:\n%s", k.output.String())
		}
	})
	return k
}

// tlsPort is that of TLS, where that is asked for; port is that of UDP and TCP.
func (k *kamailio) tlsPort() int { return k.port + 1 }

func (k *kamailio) start() {
	k.Helper()
	k.process = exec.Command("/usr/sbin/kamailio", "-DD", "-E", "-f", k.config, "-Y", k.dir, "-w", k.dir,
		"-P", filepath.Join(k.dir, "pid"), "-m", "32", "-M", "8", "-A", k.define)
	k.process.Stdout, k.process.Stderr = &k.output, &k.output
	k.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its children
	if err := k.process.Start(); err != nil {
		k.Fatal(err)
	}
	process, over := k.process, make(chan error, 1)
	k.over = over
	go func() { over <- process.Wait() }()
	until(k.T, "kamailio listens", func() bool {
		if len(over) > 0 {
			k.Fatalf("kamailio: %s", k.output.String())
		}
		return udpBound(k.T, k.port)
	})
}

func (k *kamailio) stop() {
	_ = k.process.Process.Signal(syscall.SIGTERM) // its children follow
	select {
	case <-k.over:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-k.process.Process.Pid, syscall.SIGKILL)
	}
}

// phone is a baresip that is registered under a number without its +.
func (k *kamailio) phone(hz int, number, more string) *baresip {
	k.Helper()
	b := startBaresip(k.T, hz, fmt.Sprintf("<sip:%s@127.0.0.1:%d>;auth_user=%[1]s;auth_pass=%[3]s;regint=300;answermode=auto%[4]s",
		strings.TrimPrefix(number, "+"), k.port, phonePassword, more))
	b.says("200 OK")
	return b
}

// trunk is the PBX as a trunk of tandem's.
func (k *kamailio) trunk(auth, more string) string {
	port := k.port
	if strings.Contains(more, "tls") {
		port = k.tlsPort()
	}
	return fmt.Sprintf(`  pbx:
    host: 127.0.0.1
    port: %d
    auth: {mode: %s, username: acme, password: "${env:TRUNK_PASSWORD}"}
    caller_ids: ["+12025550199"]
%s
`, port, auth, more)
}

// TestKamailioTrunks: the PBX over UDP and TCP, known by digest or by registration,
// which is taken back when tandem stops.
func TestKamailioTrunks(t *testing.T) {
	for name, tt := range map[string]struct {
		auth, transport string
		asProxy         bool // it is the trunk's outbound proxy too
		byRoute         bool // calls come by a Route
	}{
		"digest over TCP": {"digest", "tcp", false, false},
		"registration over UDP, with Service-Route": {"register", "udp", false, true},
		"registration over TCP":                     {"register", "tcp", false, false},
		"digest, as a proxy over TCP":               {"digest", "tcp", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pbx := startKamailio(t, "auth", tt.auth)
			rep, prospect := pbx.phone(repHz, repNumber, ""), pbx.phone(prospectHz, prospectNumber, "")
			more := "    transport: " + tt.transport
			if tt.asProxy {
				more += fmt.Sprintf("\n    outbound_proxy: \"127.0.0.1:%d\"", pbx.port)
			}
			s := newServer(t, pbx.trunk(tt.auth, more))
			s.env = []string{"TRUNK_PASSWORD=" + trunkPassword}
			s.start()
			if tt.auth == "register" {
				s.until("the trunk is registered", func() bool { return s.trunk("pbx")["registered"] == true })
			}
			id := s.place(repNumber, prospectNumber)
			talk(t, s, id, rep, prospect)
			prospect.press(hangUpKey)
			s.ends(id, "completed", "completed", "prospect")
			rep.says("terminated")
			s.stop()
			if by := fmt.Sprintf("by Route <sip:127.0.0.1:%d", pbx.port); strings.Contains(pbx.output.String(), by) != tt.byRoute {
				t.Errorf("INVITEs came by Route: %v, want %v", !tt.byRoute, tt.byRoute)
			}
			if tt.auth == "register" {
				until(t, "the registration is taken back", func() bool { return strings.Contains(pbx.output.String(), "acme is gone") })
			}
		})
	}
}

// TestKamailioWrongPassword: a PBX that does not take our password ends the call in
// a reason that says so, and its phones do not ring.
func TestKamailioWrongPassword(t *testing.T) {
	t.Parallel()
	pbx := startKamailio(t)
	rep := pbx.phone(repHz, repNumber, "")
	s := newServer(t, pbx.trunk("digest", ""))
	s.env = []string{"TRUNK_PASSWORD=wrong"}
	s.start()
	id := s.place(repNumber, prospectNumber)
	s.ends(id, "failed", "trunk_refused_rep", "carrier")
	if strings.Contains(rep.output.String(), "INVITE sip:") {
		t.Error("the phone rang")
	}
}

// TestKamailioRestarts: a PBX over TCP that was restarted, and has forgotten us, has
// us again by itself, and the next call is connected.
func TestKamailioRestarts(t *testing.T) {
	t.Parallel()
	pbx := startKamailio(t, "auth", "register")
	s := newServer(t, pbx.trunk("register", "    transport: tcp"))
	s.env = []string{"TRUNK_PASSWORD=" + trunkPassword}
	s.start()
	here := func(times int) func() bool {
		return func() bool { return strings.Count(pbx.output.String(), "acme is here") >= times }
	}
	until(t, "the trunk is registered", here(1))
	pbx.stop()
	pbx.start()
	until(t, "the trunk is registered again", here(2))
	rep, prospect := pbx.phone(repHz, repNumber, ""), pbx.phone(prospectHz, prospectNumber, "")
	id := s.place(repNumber, prospectNumber)
	talk(t, s, id, rep, prospect)
	rep.press(hangUpKey)
	s.ends(id, "completed", "completed", "rep")
}
