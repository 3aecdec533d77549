package sip

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tortured is one message of RFC 4475 or 5118, as it goes on the wire.
type tortured struct {
	name     string
	want     string // a response code, or "drop"
	onStream string // over TCP; several where there are several messages
	raw      string
}

// readTorture reads a file in the notation of RFC 4475 §2.1.
func readTorture(t testing.TB, file string) (all []tortured) {
	t.Helper()
	text, err := os.ReadFile("testdata/torture/" + file)
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split("\n"+string(text), "\n== ")
	for _, section := range sections[1:] {
		title, body, _ := strings.Cut(section, "\n")
		words := strings.Fields(title)
		m := tortured{name: words[0] + " " + words[1], want: words[2], onStream: words[2], raw: wireForm(t, body)}
		if len(words) > 3 {
			m.onStream = strings.TrimPrefix(words[3], "tcp:")
		}
		if !strings.Contains(m.raw, "\r\n\r\n") {
			m.raw += "\r\n"
		}
		all = append(all, m)
	}
	return all
}

var (
	oneLine  = regexp.MustCompile(`(?s)<allOneLine>\n(.*?)</allOneLine>`)
	repeated = regexp.MustCompile(`<repeat count=(\d+)>([^<]*)</repeat>`)
	hexed    = regexp.MustCompile(`<hex>([0-9A-F]+)</hex>`)
)

func wireForm(t testing.TB, body string) string {
	t.Helper()
	body = oneLine.ReplaceAllStringFunc(body, func(s string) string {
		return strings.ReplaceAll(oneLine.FindStringSubmatch(s)[1], "\n", "")
	})
	body = repeated.ReplaceAllStringFunc(body, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Repeat(m[2], n)
	})
	body = strings.ReplaceAll(strings.TrimSuffix(body, "\n")+"\n", "\n", "\r\n")
	return hexed.ReplaceAllStringFunc(body, func(s string) string {
		raw, err := hex.DecodeString(hexed.FindStringSubmatch(s)[1])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	})
}

func allTorture(t testing.TB) []tortured {
	t.Helper()
	rfc4475, rfc5118 := readTorture(t, "rfc4475.txt"), readTorture(t, "rfc5118.txt")
	if len(rfc4475) != 49 || len(rfc5118) != 11 {
		t.Fatalf("RFC 4475 has 49 messages, RFC 5118 has 11; here are %d and %d", len(rfc4475), len(rfc5118))
	}
	return append(rfc4475, rfc5118...)
}

// Valid messages are understood, others refused as RFC 3261 says, or not
// answered; and the endpoint lives on.
func TestTorture(t *testing.T) {
	for _, m := range allTorture(t) {
		t.Run(m.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.write(w.e.sockets[0].local, m.raw)
				synctest.Wait()
				got := "drop"
				w.wire.mu.Lock()
				for _, line := range w.wire.log { // a Via may name another port than ours
					if to, said, _ := strings.Cut(line, " "); strings.HasPrefix(to, "10.0.0.1:5060>") && got == "drop" {
						if got = parseMessage(said, nil).method(); got == "SIP/2.0" {
							got = strconv.Itoa(parseMessage(said, nil).code())
						}
					}
				}
				w.wire.mu.Unlock()
				if got != m.want {
					t.Errorf("%s, want %s", got, m.want)
				}
				// Still there, and to the point.
				for {
					if _, ok := w.receive(time.Minute); !ok {
						break
					}
				}
				w.write(w.e.sockets[0].local, pingAs("after"))
				if res := w.expect("200"); res.get("call-id") != "after" {
					t.Errorf("%v", res)
				}
			})
		})
	}
}

// The same on connections, where Content-Length says how long a message is.
func TestTortureOnStreams(t *testing.T) {
	for _, m := range allTorture(t) {
		t.Run(m.name, func(t *testing.T) {
			var accepts *handover
			inBubble(t, func(w *world) {
				p := w.connection(accepts)
				go p.conn.Write([]byte(strings.ReplaceAll(m.raw, "SIP/2.0/UDP", "SIP/2.0/TCP"))) // it may be closed before its end
				if err := p.conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
					t.Fatal(err)
				}
				var codes []string
				for res, err := p.tryRead(); err == nil; res, err = p.tryRead() {
					codes = append(codes, strconv.Itoa(res.code()))
				}
				slices.Sort(codes) // each request has a goroutine of its own
				if got := cmp.Or(strings.Join(slices.Compact(codes), ","), "drop"); got != m.onStream {
					t.Errorf("%s, want %s", got, m.onStream)
				}
				_ = p.conn.Close()
				synctest.Wait()
				after := w.connection(accepts) // still there
				after.write(strings.ReplaceAll(pingAs("after"), "SIP/2.0/UDP", "SIP/2.0/TCP"))
				if res := after.expect("200"); res.get("call-id") != "after" {
					t.Errorf("%v", res)
				}
				_ = after.conn.Close()
			}, func(c *Config) {
				accepts = newHandover()
				c.TCP = []net.Listener{accepts}
			})
		})
	}
}

// connection is one that the trunk has made to us.
func (w *world) connection(accepts *handover) *tcpPeer {
	w.t.Helper()
	ours, theirs := net.Pipe()
	w.connections++
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), 40000+w.connections))
	if !accepts.give(w.t.Context(), &addressed{ours, net.TCPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:5060")), from}) {
		w.t.Fatal("nobody accepts connections")
	}
	return &tcpPeer{t: w.t, conn: theirs, r: bufio.NewReader(theirs)}
}

// addressed is a pipe that looks like a connection between two addresses.
type addressed struct {
	net.Conn
	local, remote net.Addr
}

func (c *addressed) LocalAddr() net.Addr  { return c.local }
func (c *addressed) RemoteAddr() net.Addr { return c.remote }

func pingAs(id string) string {
	return "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK" + id + "\r\nFrom: <sip:a@10.0.0.2>;tag=1\r\n" +
		"To: <sip:10.0.0.1>\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
}

// None of them is answered to a stranger.
func TestTortureOfStrangers(t *testing.T) {
	inBubble(t, func(w *world) {
		stranger := newPeer(t, w.wire, "192.0.2.66:5060")
		for _, m := range allTorture(t) {
			stranger.write(w.e.sockets[0].local, m.raw)
			stranger.write(w.e.sockets[0].local, strings.ReplaceAll(m.raw, "192.0.2", "10.0.0"))
		}
		stranger.silence(time.Minute)
		w.silence(time.Second)
		synctest.Wait()
	})
}

// In the middle of a call they do no harm either.
func TestTortureWithinACall(t *testing.T) {
	inBubble(t, func(w *world) {
		l, inv := w.connect(withMedia(new(mediaStub)))
		for _, m := range allTorture(t) {
			// The dialog's own Call-ID and tags, everything else as it is.
			raw := regexp.MustCompile(`(?im)^(call-id|i)[ \t]*:[^\r]*`).ReplaceAllLiteralString(m.raw, "Call-ID: "+inv.get("call-id"))
			raw = regexp.MustCompile(`(?im)^(to|t)[ \t]*:[^\r]*`).ReplaceAllLiteralString(raw, "To: "+inv.get("from"))
			w.write(w.e.sockets[0].local, raw)
		}
		for {
			if _, ok := w.receive(10 * time.Second); !ok {
				break
			}
		}
		if l.Context().Err() != nil {
			t.Error("the call has ended")
		}
		l.Hangup(Reason{})
		w.answerBye()
		w.wantEmpty()
	})
}

// What answers a request that cannot be parsed can itself be parsed, and holds
// nothing that ends a line early.
func FuzzRefusal(f *testing.F) {
	for _, m := range allTorture(f) {
		f.Add([]byte(m.raw))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		clean := normalise(b)
		res := refusalOf(clean)
		if res == "" {
			return
		}
		head, body, ok := strings.Cut(res, "\r\n\r\n")
		if !ok || body != "" {
			t.Errorf("%q", res)
		}
		for i, line := range strings.Split(head, "\r\n") {
			name, _, _ := strings.Cut(line, ":")
			if i == 0 && !strings.HasPrefix(line, "SIP/2.0 4") || i > 0 && !slices.Contains([]string{"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}, name) || !headerSafe(line) {
				t.Errorf("line %q", line)
			}
		}
	})
}
