package sip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// nobody is an INVITE for an examination.
func nobody() Invite {
	return Invite{Trunk: "carrier", From: "+12025550199", To: "+999123456", Offer: []byte(sdpOffer)}
}

// examined is an Examine under way.
func (w *world) examine() chan []Finding {
	done := make(chan []Finding, 1)
	go func() {
		all, err := w.e.Examine(context.Background(), nobody())
		if err != nil {
			w.t.Error(err)
		}
		done <- all
	}()
	return done
}

// seen answers a request as a server that notes where it came from.
func (w *world) seen(m message, status string, received string, extra ...string) {
	w.t.Helper()
	text := response(m, status, "x", extra...)
	text = strings.Replace(text, ";rport", received, 1)
	w.write(m.from, text)
}

func faults(all []Finding) (list []string) {
	for _, f := range all {
		list = append(list, f.Step+" "+string(f.Fault))
	}
	return list
}

func TestExamine(t *testing.T) {
	tests := map[string]struct {
		play   func(w *world)
		change func(*Config)
		want   []string
		ladder []string // what each line holds
	}{
		"ready": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=5060;received=10.0.0.1", "Server: carrier")
			inv := w.expect("INVITE")
			w.respond(inv, "407 Proxy Authentication Required", "x", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
			w.expect("ACK")
			inv = w.expect("INVITE")
			w.respond(inv, "100 Trying", "")
			w.respond(inv, "404 Not Found", "x")
			w.expect("ACK")
		}, nil, []string{"resolve ", "options ", "nat ", "call "}, []string{"INVITE", "407", "INVITE", "404"}},
		"wrong password": {func(w *world) {
			w.respond(w.expect("OPTIONS"), "405 Method Not Allowed", "x") // somebody is there
			for i := range 2 {
				w.respond(w.expect("INVITE"), "401 Unauthorized", "x", fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="%d"`, i/2))
				w.expect("ACK")
			}
		}, nil, []string{"resolve ", "options ", "nat ", "call wrong_password"}, []string{"INVITE", "401", "INVITE", "401"}},
		"nobody there": {func(w *world) { w.expect("OPTIONS") }, nil, []string{"resolve ", "options no_answer"}, nil},
		"no such name": {func(*world) {}, func(c *Config) {
			c.Trunks[0].Host = "nowhere.example"
			c.DNS = func(context.Context, []byte) ([]byte, error) { return nil, errEnough }
		}, []string{"resolve name_unresolved"}, nil},
		"behind NAT": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=40000;received=203.0.113.7")
			w.respond(w.expect("INVITE"), "403 Forbidden", "x")
			w.expect("ACK")
		}, nil, []string{"resolve ", "options ", "nat nat", "call not_allowed"}, []string{"INVITE", "403"}},
		"another port": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=40000;received=10.0.0.1")
			w.respond(w.expect("INVITE"), "484 Address Incomplete", "x")
			w.expect("ACK")
		}, nil, []string{"resolve ", "options ", "nat nat", "call "}, nil},
		"ALG": {func(w *world) {
			m := w.expect("OPTIONS")
			text := response(m, "200 OK", "x")
			w.write(m.from, strings.Replace(text, "SIP/2.0/UDP 10.0.0.1:5060", "SIP/2.0/UDP 192.0.2.99:1024", 1))
			w.respond(w.expect("INVITE"), "484 Address Incomplete", "x")
			w.expect("ACK")
		}, nil, []string{"resolve ", "options ", "nat sip_alg", "call "}, nil},
		"it rings": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=5060;received=10.0.0.1")
			inv := w.expect("INVITE")
			w.respond(inv, "180 Ringing", "callee", peerContact)
			w.respond(w.expect("CANCEL"), "200 OK", "")
			w.respond(inv, "487 Request Terminated", "callee")
			w.expect("ACK")
		}, nil, []string{"resolve ", "options ", "nat ", "call "}, nil},
		"it answers": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=5060;received=10.0.0.1")
			w.ok(w.expect("INVITE"), "callee")
			w.expect("ACK")
			w.answerBye()
		}, nil, []string{"resolve ", "options ", "nat ", "call "}, nil},
		"100 and nothing more": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=5060;received=10.0.0.1")
			inv := w.expect("INVITE")
			w.respond(inv, "100 Trying", "")
			w.respond(w.expect("CANCEL"), "200 OK", "")
			w.respond(inv, "487 Request Terminated", "callee")
			w.expect("ACK")
		}, nil, []string{"resolve ", "options ", "nat ", "call no_progress"}, nil},
		"registers": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=5060;received=10.0.0.1")
			w.respond(w.expect("REGISTER"), "401 Unauthorized", "x", `WWW-Authenticate: Digest realm="r", nonce="n"`)
			reg := w.expect("REGISTER")
			w.respond(reg, "200 OK", "x", "Contact: "+reg.get("contact"))
			w.respond(w.expect("INVITE"), "404 Not Found", "x")
			w.expect("ACK")
			if reg = w.expect("REGISTER"); reg.get("expires") != "0" {
				w.t.Errorf("not taken back: %v", reg)
			}
			w.respond(reg, "200 OK", "x")
		}, func(c *Config) { c.Examining, c.Trunks[0].Register.Expires = true, 10*time.Minute },
			[]string{"resolve ", "options ", "nat ", "register ", "call "}, []string{"INVITE", "404"}},
		"registrar refuses": {func(w *world) {
			w.seen(w.expect("OPTIONS"), "200 OK", ";rport=5060;received=10.0.0.1")
			w.respond(w.expect("REGISTER"), "403 Forbidden", "x")
			w.respond(w.expect("INVITE"), "404 Not Found", "x")
			w.expect("ACK")
		}, func(c *Config) { c.Examining, c.Trunks[0].Register.Expires = true, 10*time.Minute },
			[]string{"resolve ", "options ", "nat ", "register not_allowed", "call "}, nil},
		"unavailable": {func(w *world) {
			w.respond(w.expect("OPTIONS"), "503 Service Unavailable", "x")
		}, nil, []string{"resolve ", "options unavailable"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				done := w.examine()
				tt.play(w)
				all := <-done
				if got := faults(all); !slices.Equal(got, tt.want) {
					t.Errorf("%q, want %q\n%+v", got, tt.want, all)
				}
				for _, f := range all {
					if f.Text == "" || f.Fault != FaultNone && f.Fault.Advice() == "" {
						t.Errorf("%+v says nothing", f)
					}
				}
				lines := strings.Split(strings.TrimSuffix(w.e.ShortLadder(), "\n"), "\n")
				for i, word := range tt.ladder {
					if len(lines) != len(tt.ladder) || !strings.Contains(lines[i], word) {
						t.Errorf("ladder\n%s\nwant %q", strings.Join(lines, "\n"), tt.ladder)
						break
					}
				}
				<-time.After(time.Second)
			}, func(c *Config) {
				if tt.change != nil {
					tt.change(c)
				}
			})
		})
	}
}

// A private address that a public trunk finds nothing to say of was rewritten.
func TestSilentALG(t *testing.T) {
	e := &Endpoint{parser: newParser()}
	at := target{"udp", netip.MustParseAddrPort("198.51.100.1:5060")}
	for received, want := range map[string]Fault{"": FaultALG, ";rport=5060;received=192.168.1.2": FaultNone, ";received=203.0.113.7;rport=5060": FaultNAT} {
		text := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.168.1.2:5060;branch=z9hG4bKx" + received + "\r\nContent-Length: 0\r\n\r\n"
		msg, err := e.parser.ParseSIP([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		trunk, err := newTrunk(TrunkConfig{Name: "t", Host: "h"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		claimed := netip.MustParseAddrPort("192.168.1.2:5060")
		res := asResponse(t, msg)
		trunk.learn("udp", claimed, seenIn(claimed, res))
		if got := seenAs(trunk, at, claimed, res); got.Fault != want {
			t.Errorf("%q: %+v, want %q", received, got, want)
		}
	}
}

func asResponse(t *testing.T, msg sipmsg.Message) *sipmsg.Response {
	t.Helper()
	res, ok := msg.(*sipmsg.Response)
	if !ok {
		t.Fatalf("%T is no response", msg)
	}
	return res
}

// What is wrong with a certificate is found before a call is.
func TestExamineCertificate(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name, cert string
		until      time.Time
		change     func(*TrunkConfig)
		want       []string
	}{
		{"good", "carrier.example", soon, func(*TrunkConfig) {}, []string{"resolve ", "connect ", "certificate ", "options ", "nat ", "call "}},
		{"expired", "carrier.example", time.Now().Add(-time.Minute), func(*TrunkConfig) {}, []string{"resolve ", "connect ", "certificate certificate_expired"}},
		{"another name", "host7.hosting.example", soon, func(*TrunkConfig) {}, []string{"resolve ", "connect ", "certificate certificate_name"}},
		{"another authority", "carrier.example", soon, func(t *TrunkConfig) { t.TLS.CA = stranger.pem }, []string{"resolve ", "connect ", "certificate certificate_untrusted"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, theirs := tlsWorld(t, a, tt.cert, tt.until, tt.change)
			go func() {
				for {
					conn, err := theirs.Accept()
					if err != nil {
						return
					}
					go refuseAll(conn)
				}
			}()
			all, err := e.Examine(t.Context(), nobody())
			if got := faults(all); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%q, %v, want %q\n%+v", got, err, tt.want, all)
			}
		})
	}
}

// refuseAll answers OPTIONS with 200, and INVITEs with 404.
func refuseAll(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
		if line != "\r\n" {
			continue
		}
		switch m := parseMessage(head.String(), conn.RemoteAddr()); m.method() {
		case "OPTIONS":
			_, _ = conn.Write([]byte(response(m, "200 OK", "x")))
		case "INVITE":
			if _, err := io.CopyN(io.Discard, r, int64(len(sdpOffer))); err != nil {
				return
			}
			_, _ = conn.Write([]byte(response(m, "404 Not Found", "x")))
		}
		head.Reset()
	}
}
