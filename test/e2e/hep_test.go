package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"tandem/test/carrier"
)

// homer is what Homer's own decoder reads of a HEP packet.
type homer struct {
	Info struct {
		Source      string `json:"srcIp"`
		Target      string `json:"dstIp"`
		SourcePort  int    `json:"srcPort"`
		TargetPort  int    `json:"dstPort"`
		Protocol    int    `json:"protocol"`
		CaptureID   int    `json:"captureId"`
		Password    string `json:"capturePass"`
		Correlation string `json:"correlation_id"`
	} `json:"rcinfo"`
	Message string `json:"payload"`
}

// TestHomer: all that the trace of a call has is sent to a collector, as its decoder
// reads it, with our id of the call.
func TestHomer(t *testing.T) {
	t.Parallel()
	collector, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	var mu sync.Mutex
	var packets bytes.Buffer
	go func() {
		b := make([]byte, 65536)
		for {
			n, _, err := collector.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			fmt.Fprintln(&packets, base64.StdEncoding.EncodeToString(b[:n]))
			mu.Unlock()
		}
	}()
	s := newServer(t, digestTrunk(openCarrier(t, carrier.Magic).Addr().Port())+
		fmt.Sprintf("hep: {collector: \"udp://%s\", capture_id: 2001, password: \"${env:HOMER}\"}\n", collector.LocalAddr()))
	s.env = append(s.env, "HOMER=geheim")
	s.start()
	id := s.place("+12025550110", "+12025550104")
	s.reaches(id, "ended")
	_, trace := s.do("GET", "/v1/calls/"+id+"/trace", "")
	want := make(map[string]int) // messages, and how often
	for _, m := range trace["messages"].([]any) {
		m := m.(map[string]any)
		want[fmt.Sprint(m["direction"], " ", m["peer"], " ", m["message"])]++
	}
	if len(want) < 10 {
		t.Fatalf("the trace has %d messages", len(want))
	}
	var got map[string]int
	s.until("the collector has the call", func() bool {
		mu.Lock()
		all := packets.String()
		mu.Unlock()
		got = make(map[string]int)
		for _, p := range decodeHEP(t, all) {
			if p.Info.Correlation != id {
				continue
			}
			if p.Info.CaptureID != 2001 || p.Info.Password != "geheim" || p.Info.Protocol != 17 {
				t.Fatalf("%+v", p.Info)
			}
			direction, peer := "out", fmt.Sprintf("%s:%d", p.Info.Target, p.Info.TargetPort)
			if p.Info.SourcePort != s.sip {
				direction, peer = "in", fmt.Sprintf("%s:%d", p.Info.Source, p.Info.SourcePort)
			}
			got[direction+" "+peer+" "+p.Message]++
		}
		return len(got) >= len(want)
	})
	for message, n := range want {
		if got[message] != n {
			t.Errorf("%d times, want %d: %s", got[message], n, message)
		}
	}
	for message := range got {
		if want[message] == 0 {
			t.Errorf("the trace does not have %s", message)
		}
	}
}

// decoder is Homer's, installed once.
var decoder = sync.OnceValue(func() error {
	install := exec.Command("npm", "ci", "--silent")
	install.Dir = "hep"
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
})

// decodeHEP reads packets, each in base64 on a line.
func decodeHEP(t *testing.T, packets string) (all []homer) {
	t.Helper()
	if err := decoder(); err != nil {
		t.Fatal(err)
	}
	decode := exec.Command("node", "hep/decode.js")
	decode.Stdin = strings.NewReader(packets)
	out, err := decode.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		var one homer
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}
