package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// startEdge starts a carrier's edge on 127.0.0.2, with kamailio/edge.cfg.
func startEdge(t *testing.T) (k *kamailio, at string) {
	t.Helper()
	k = &kamailio{T: t, port: freePort(t), dir: t.TempDir(), define: "PLAIN"}
	k.config = fill(t, "kamailio/edge.cfg", k.dir, "port", strconv.Itoa(k.port))
	return k.serve(), fmt.Sprintf("127.0.0.2:%d", k.port)
}

// TestEdge: the registrar is behind an edge at another address, by which it names the
// way to itself (Service-Route) and finds the way to us (Path).
func TestEdge(t *testing.T) {
	t.Parallel()
	edge, at := startEdge(t)
	pbx := startKamailio(t, "auth", "register", "service", at)
	rep, prospect := pbx.phone(repHz, repNumber, ""), pbx.phone(prospectHz, prospectNumber, "")
	s := newServer(t, pbx.trunk("register", "    outbound_proxy: \""+at+"\""))
	s.env = []string{"TRUNK_PASSWORD=" + trunkPassword}
	s.start()
	s.until("the trunk is registered", func() bool { return s.trunk("pbx")["registered"] == true })

	if answer := notify(t, pbx.port); !strings.HasPrefix(answer, "SIP/2.0 200 ") {
		t.Errorf("NOTIFY by the Path: %s", answer)
	}
	id := s.place(repNumber, prospectNumber)
	talk(t, s, id, rep, prospect)
	prospect.press(hangUpKey)
	s.ends(id, "completed", "completed", "prospect")
	rep.says("terminated")
	s.stop()
	for _, passed := range []string{"REGISTER from 127.0.0.1", "NOTIFY from 127.0.0.1", "INVITE from 127.0.0.1", "ACK from 127.0.0.1", "BYE from 127.0.0.1"} {
		if !strings.Contains(edge.output.String(), passed+" by the edge") {
			t.Errorf("no %s by the edge", passed)
		}
	}
	if !strings.Contains(pbx.output.String(), "acme is gone") {
		t.Error("the registration is not taken back")
	}
}

// notify tells who is registered as acme that messages are waiting, and returns what
// is answered.
func notify(t *testing.T, port int) string {
	t.Helper()
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	at := conn.LocalAddr().String()
	if _, err := fmt.Fprintf(conn, "NOTIFY sip:acme@127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKmwi;rport\r\n"+
		"From: <sip:mail@%[2]s>;tag=m\r\nTo: <sip:acme@127.0.0.1>\r\nCall-ID: mwi\r\nCSeq: 1 NOTIFY\r\nMax-Forwards: 70\r\n"+
		"Event: message-summary\r\nContact: <sip:mail@%[2]s>\r\nContent-Length: 0\r\n\r\n", port, at); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	for err == nil && strings.HasPrefix(string(b[:n]), "SIP/2.0 1") {
		n, err = conn.Read(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
