package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTrunksPage: every example of docs/trunks.md places a call with a peer of its
// kind. Only addresses, ports and files of this machine come from the environment.
func TestTrunksPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/trunks.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)\n## ([^\n]*)\n.*?```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	// What each is tried against: the environment that leads there, and who must
	// have finished when the call is over.
	peers := map[string]func(*testing.T) (env []string, peers []*sipp){
		"A carrier that asks for a password (digest)": func(t *testing.T) ([]string, []*sipp) {
			carrier := startSIPp(t, "digest", "calls", "2")
			return []string{"TRUNK_PASSWORD=secret", "CARRIER__HOST=127.0.0.1", at("CARRIER__PORT", carrier.port)}, []*sipp{carrier}
		},
		"A carrier to register at": func(t *testing.T) ([]string, []*sipp) {
			ca := newAuthority(t)
			cert, key := ca.issue("registrar.example.com", time.Now().Add(time.Hour))
			ours, ourKey := ca.issue("tandem", time.Now().Add(time.Hour))
			pbx := startKamailio(t, "auth", "register", "cert", cert, "key", key, "ca", ca.file)
			pbx.phone(repHz, "+14155550199", "")
			pbx.phone(prospectHz, "+14155550123", "")
			return []string{"TRUNK_PASSWORD=" + trunkPassword, "CARRIER__HOST=127.0.0.1", at("CARRIER__PORT", pbx.tlsPort()),
				"CARRIER__TLS__SERVER_NAME=registrar.example.com", "CARRIER__TLS__CA_FILE=" + ca.file,
				"CARRIER__TLS__CERT_FILE=" + ours, "CARRIER__TLS__KEY_FILE=" + ourKey}, nil
		},
		"A carrier that knows you by your address": func(t *testing.T) ([]string, []*sipp) {
			carrier := startSIPp(t, "answer", "calls", "2")
			t.Cleanup(func() {
				if !strings.Contains(carrier.messages(), "INVITE sip:12345678*14155550123@") {
					t.Error("the number has not its prefix")
				}
			})
			return []string{"TANDEM_SIP__PUBLIC_ADDRESS=127.0.0.1", "CARRIER__HOST=127.0.0.1", at("CARRIER__PORT", carrier.port)}, []*sipp{carrier}
		},
		"An office PBX, and a carrier behind it": func(t *testing.T) ([]string, []*sipp) {
			office, carrier := startSIPp(t, "answer"), startSIPp(t, "digest")
			return []string{"TRUNK_PASSWORD=secret", "OFFICE__HOST=127.0.0.1", at("OFFICE__PORT", office.port),
				"CARRIER__HOST=127.0.0.1", at("CARRIER__PORT", carrier.port)}, []*sipp{office, carrier}
		},
	}
	if len(examples) != len(peers) {
		t.Errorf("%d examples, want %d", len(examples), len(peers))
	}
	for _, example := range examples {
		title, config := example[1], example[2]
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			peer := peers[title]
			if peer == nil {
				t.Fatal("no peer to try it against")
			}
			env, far := peer(t)
			s := newServer(t, "")
			if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			// SIPp takes an OPTIONS for a call.
			env = append(env, "CARRIER__KEEPALIVE__OPTIONS=0s")
			if strings.Contains(config, "office:") {
				env = append(env, "OFFICE__KEEPALIVE__OPTIONS=0s")
			}
			s.env = append(s.local(), inTrunks(env)...)
			s.start()
			id := s.place("+14155550199", "+14155550123")
			s.reaches(id, "awaiting_confirmation")
			if code, problem := s.do("POST", "/v1/calls/"+id+"/confirm", ""); code >= 300 {
				t.Fatalf("confirm: %d %v", code, problem)
			}
			s.reaches(id, "in_progress")
			s.hangup(id)
			s.ends(id, "completed", "completed", "api")
			for _, p := range far {
				p.finished()
			}
		})
	}
}

func at(name string, port int) string { return fmt.Sprintf("%s=%d", name, port) }

// inTrunks makes settings of trunks, CARRIER__HOST and so on, into variables.
func inTrunks(env []string) (all []string) {
	for _, one := range env {
		if strings.HasPrefix(one, "CARRIER_") || strings.HasPrefix(one, "OFFICE_") {
			one = "TANDEM_TRUNKS__" + one
		}
		all = append(all, one)
	}
	return all
}

// local are the variables that keep a configuration of the documentation on this
// machine, and out of the way of other tests.
func (s *server) local() []string {
	return []string{
		"TANDEM_SIP__LISTEN=udp://127.0.0.1:" + fmt.Sprint(s.sip),
		"TANDEM_MEDIA__RTP_PORTS=" + fmt.Sprintf("%d-%d", s.rtp, s.rtp+79),
		"TANDEM_HTTP__LISTEN=" + strings.TrimPrefix(s.url, "http://"),
		"TANDEM_METRICS__LISTEN=127.0.0.1:" + fmt.Sprint(freePort(s.T)),
		"TANDEM_STORE__URL=sqlite://" + filepath.Join(s.TempDir(), "t.db"),
	}
}
