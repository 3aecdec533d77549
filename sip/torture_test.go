package sip

import (
	"encoding/hex"
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
	name string
	want []string // response codes, or "drop"
	raw  string
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
		all = append(all, tortured{name: words[0] + " " + words[1], want: words[2:], raw: wireForm(t, body)})
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
	return append(readTorture(t, "rfc4475.txt"), readTorture(t, "rfc5118.txt")...)
}

// Valid messages are understood, others refused as RFC 3261 says, or not
// answered; and the endpoint lives on.
func TestTorture(t *testing.T) {
	all := allTorture(t)
	if len(all) < 58 {
		t.Errorf("%d messages", len(all))
	}
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				if raw := m.raw; !strings.HasSuffix(raw, "\r\n\r\n") && !strings.Contains(raw, "\r\n\r\n") {
					m.raw += "\r\n"
				}
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
				if !slices.Contains(m.want, got) {
					t.Errorf("%s, want %v", got, m.want)
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
