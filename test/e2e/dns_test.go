package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// nsd is a DNS server with one zone.
type nsd struct{ resolvConf string }

// startNSD serves the zone, whose records the text gives, at port 53 of a loopback
// address of its own.
func startNSD(t *testing.T, zone, records string) *nsd {
	t.Helper()
	dir := t.TempDir()
	at := fmt.Sprintf("127.53.%d.%d", rand.IntN(254)+1, rand.IntN(254)+1)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("zone", fmt.Sprintf("$ORIGIN %s.\n$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A %s\n%s", zone, at, records))
	config := write("nsd.conf", fmt.Sprintf(`server:
  ip-address: %s@53
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "%s"
  database: ""
  pidfile: "%[2]s/pid"
  xfrdfile: "%[2]s/xfrd"
  xfrdir: "%[2]s"
  zonelistfile: "%[2]s/zones"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "%[3]s"
  zonefile: "zone"
`, at, dir, zone))
	process := exec.Command("/usr/sbin/nsd", "-d", "-c", config)
	var output logBuffer
	process.Stdout, process.Stderr = &output, &output
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(os.Interrupt) // its children follow
		_ = process.Wait()
		if t.Failed() {
			t.Logf("nsd:\n%s", output.String())
		}
	})
	until(t, "nsd answers", func() bool {
		conn, err := net.Dial("tcp", at+":53")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return &nsd{write("resolv.conf", "nameserver "+at+"\nsearch "+zone+"\n")}
}

// serve has a server ask this DNS server: its process sees another resolv.conf.
func (n *nsd) serve(s *server) {
	s.wrap = []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, n.resolvConf}
}

// silent is somebody who listens and says nothing.
func silent(t *testing.T) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestSRV: trunks that are names with SRV records. The first target of one is silent,
// that of the other, a short name, is not there, and each has a second (RFC 3263 §4.3).
func TestSRV(t *testing.T) {
	t.Parallel()
	rep, prospect := startSIPp(t, "answer"), startSIPp(t, "answer")
	deaf := silent(t)
	dns := startNSD(t, "carrier.test", fmt.Sprintf(`
_sip._udp.reps    SRV 10 0 %d a
_sip._udp.reps    SRV 20 0 %d b
_sip._udp.outside SRV 10 0 %d b
_sip._udp.outside SRV 20 0 %d a
a A 127.0.0.1
b A 127.0.0.1
`, deaf.LocalAddr().(*net.UDPAddr).Port, rep.port, freePort(t), prospect.port))
	trunk := func(name, host string) string {
		return fmt.Sprintf("  %s: {host: %s, keepalive: {options: 0s}, caller_ids: [\"+12025550199\"]}\n", name, host)
	}
	s := newServer(t, trunk("reps", "reps.carrier.test")+trunk("outside", "outside")+legRoutes)
	dns.serve(s)
	id, _ := s.confirms(rep)
	s.reaches(id, "in_progress")
	s.hangup(id)
	s.ends(id, "completed", "completed", "api")
	rep.finished()
	prospect.finished()
	if err := deaf.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := deaf.ReadFrom(make([]byte, 2048)); err != nil {
		t.Errorf("the first target was never asked: %v", err)
	}
}

// TestNAPTR: a PBX that is a name whose NAPTR record wants TCP.
func TestNAPTR(t *testing.T) {
	t.Parallel()
	pbx := startKamailio(t)
	rep, prospect := pbx.phone(repHz, repNumber, ""), pbx.phone(prospectHz, prospectNumber, "")
	dns := startNSD(t, "office.test", fmt.Sprintf(`
@ NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp
@ NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp
_sip._tcp SRV 10 0 %d pbx
_sip._udp SRV 10 0 %d pbx
pbx A 127.0.0.1
`, pbx.port, freePort(t)))
	s := newServer(t, fmt.Sprintf(`  pbx:
    host: office.test
    transport: auto
    auth: {mode: digest, username: acme, password: "%s"}
    caller_ids: ["+12025550199"]
`, "${env:TRUNK_PASSWORD}"))
	s.env = []string{"TRUNK_PASSWORD=" + trunkPassword}
	dns.serve(s)
	s.start()
	id := s.place(repNumber, prospectNumber)
	talk(t, s, id, rep, prospect)
	rep.press(hangUpKey)
	s.ends(id, "completed", "completed", "rep")
	_, trace := s.do("GET", "/v1/calls/"+id+"/trace", "")
	messages, _ := trace["messages"].([]any)
	for _, m := range messages {
		if m := m.(map[string]any); m["transport"] != "tcp" {
			t.Errorf("%v by %v", m["message"], m["transport"])
		}
	}
	if len(messages) == 0 {
		t.Errorf("no trace: %v", trace)
	}
}
