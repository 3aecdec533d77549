package sip

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// message is a SIP message as a peer without any SIP library sees it.
type message struct {
	line    string
	headers [][2]string
	body    string
	from    net.Addr
}

func cutLine(s string) (line, rest string, ok bool) { return strings.Cut(s, "\r\n") }

func parseMessage(text string, from net.Addr) message {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := message{line: lines[0], body: body, from: from}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		m.headers = append(m.headers, [2]string{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
	}
	return m
}

func (m message) get(name string) string {
	if all := m.all(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (m message) all(name string) []string {
	var values []string
	for _, h := range m.headers {
		if h[0] == strings.ToLower(name) {
			values = append(values, h[1])
		}
	}
	return values
}

func (m message) method() string {
	word, _, _ := strings.Cut(m.line, " ")
	return word
}

func (m message) uri() string { return strings.Fields(m.line)[1] }

func (m message) code() int {
	if m.method() != "SIP/2.0" {
		return 0
	}
	code, _ := strconv.Atoi(strings.Fields(m.line)[1])
	return code
}

// param returns a ;name=value parameter after the last > of a header.
func (m message) param(header, name string) string {
	value := m.get(header)
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i:]
	}
	_, value, found := strings.Cut(value, ";"+name+"=")
	if !found {
		return ""
	}
	value, _, _ = strings.Cut(value, ";")
	return value
}

func (m message) branch() string { return m.param("via", "branch") }

func (m message) cseq() int {
	n, _ := strconv.Atoi(strings.Fields(m.get("cseq"))[0])
	return n
}

// peer is the trunk: a socket and a script, the test itself.
type peer struct {
	t    *testing.T
	conn *wireConn
	seq  int
	seen map[string]bool // requests and responses handed out, by line, branch and CSeq
}

func newPeer(t *testing.T, w *wire, addr string) *peer {
	return &peer{t: t, conn: w.listen(addr), seq: 100, seen: make(map[string]bool)}
}

// receive waits for the next datagram, for d of virtual time at most.
func (p *peer) receive(d time.Duration) (message, bool) {
	select {
	case dg := <-p.conn.in:
		return parseMessage(string(dg.data), dg.from), true
	case <-time.After(d):
		return message{}, false
	}
}

// next waits for the next message that is not a retransmission.
func (p *peer) next(d time.Duration) (message, bool) {
	deadline := time.Now().Add(d)
	for {
		m, ok := p.receive(time.Until(deadline))
		if !ok {
			return m, false
		}
		key := m.line + m.branch() + m.get("cseq")
		if !p.seen[key] {
			p.seen[key] = true
			return m, true
		}
	}
}

// expect returns the next new message, which must be of this method, or be the
// response with this code.
func (p *peer) expect(what string) message {
	p.t.Helper()
	m, ok := p.next(10 * time.Minute)
	if !ok {
		p.t.Fatalf("waiting for %s: nothing came", what)
	}
	if m.method() != what && strconv.Itoa(m.code()) != what {
		p.t.Fatalf("waiting for %s: got %q", what, m.line)
	}
	return m
}

// silence fails the test if anything comes within d, retransmissions too.
func (p *peer) silence(d time.Duration) {
	p.t.Helper()
	if m, ok := p.receive(d); ok {
		p.t.Fatalf("unexpected %q", m.line)
	}
}

// quiet fails the test if anything new comes within d.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	if m, ok := p.next(d); ok {
		p.t.Fatalf("unexpected %q", m.line)
	}
}

func (p *peer) write(to net.Addr, text string) {
	p.t.Helper()
	if _, err := p.conn.WriteTo([]byte(text), to); err != nil {
		p.t.Fatal(err)
	}
}

// respond answers a request. extra holds header lines; one that begins with
// "body:" is the body instead.
func (p *peer) respond(req message, status, tag string, extra ...string) {
	p.t.Helper()
	p.write(req.from, response(req, status, tag, extra...))
}

func response(req message, status, tag string, extra ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	for _, via := range req.all("via") {
		fmt.Fprintf(&b, "Via: %s\r\n", via)
	}
	to := req.get("to")
	if tag != "" && !strings.Contains(to, ";tag=") {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", req.get("from"), to, req.get("call-id"), req.get("cseq"))
	return finishMessage(&b, extra)
}

func finishMessage(b *strings.Builder, extra []string) string {
	body := ""
	for _, line := range extra {
		if text, ok := strings.CutPrefix(line, "body:"); ok {
			body = text
			fmt.Fprint(b, "Content-Type: application/sdp\r\n")
			continue
		}
		fmt.Fprintf(b, "%s\r\n", line)
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

const peerContact = "Contact: <sip:callee@10.0.0.2:5060>"

// ok answers an INVITE with 200 and SDP.
func (p *peer) ok(invite message, tag string, extra ...string) {
	p.t.Helper()
	p.respond(invite, "200 OK", tag, append([]string{peerContact, "body:" + sdpAnswer}, extra...)...)
}

// request builds a request of the peer's in the dialog that invite opened.
func (p *peer) request(method string, invite message, tag string, seq int, extra ...string) string {
	var b strings.Builder
	target := strings.Trim(invite.get("contact"), "<>")
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, target)
	fmt.Fprintf(&b, "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKpeer%s%d%s\r\n", method, seq, invite.get("call-id"))
	fmt.Fprintf(&b, "From: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n",
		invite.get("to"), tag, invite.get("from"), invite.get("call-id"), seq, method)
	return finishMessage(&b, extra)
}

// ask sends such a request.
func (p *peer) ask(method string, invite message, tag string, seq int, extra ...string) {
	p.t.Helper()
	p.write(invite.from, p.request(method, invite, tag, seq, extra...))
}

const (
	sdpOffer  = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n"
	sdpAnswer = "v=0\r\no=- 2 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"
	sdpHold   = "v=0\r\no=- 2 3 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\na=sendonly\r\n"
)
