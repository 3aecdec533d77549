package sip

import (
	"bytes"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// What is kept of what was said. A call is about 20 messages of 700 octets.
const (
	tracedCalls    = 1000
	tracedMessages = 200      // of one call; what comes after is counted
	tracedOctets   = 4096     // of one message
	tracedTotal    = 32 << 20 // octets, of all calls
)

// Traced is one SIP message as it was on the wire, without its secrets.
type Traced struct {
	At         time.Time
	Call, Side string // ours; "" = of no call
	CallID     string
	Sent       bool // by us
	Repeated   bool // the same octets went or came before
	Transport  string
	Local      netip.AddrPort
	Remote     netip.AddrPort
	Message    string
}

// tracer keeps the last calls' messages. The oldest call goes first.
type tracer struct {
	also func(Traced) // hears every message; nil = nobody

	mu     sync.Mutex
	calls  map[string]*traced
	order  []string         // of calls, oldest first
	legs   map[string]legOf // by SIP Call-ID
	octets int
}

// traced is one call.
type traced struct {
	messages []Traced
	dropped  int
	callIDs  []string
}

type legOf struct{ call, side string }

func newTracer(also func(Traced)) *tracer {
	return &tracer{also: also, calls: make(map[string]*traced), legs: make(map[string]legOf)}
}

// follow says whose messages those with a Call-ID are.
func (t *tracer) follow(callID, call, side string) {
	if call == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.calls[call]
	if c == nil {
		c = new(traced)
		t.calls[call] = c
		t.order = append(t.order, call)
		for len(t.order) > tracedCalls {
			t.forgetOldest()
		}
	}
	if !slices.Contains(c.callIDs, callID) {
		c.callIDs = append(c.callIDs, callID)
		t.legs[callID] = legOf{call, side}
	}
}

// forgetOldest is called with mu held.
func (t *tracer) forgetOldest() {
	c := t.calls[t.order[0]]
	for _, id := range c.callIDs {
		delete(t.legs, id)
	}
	for _, m := range c.messages {
		t.octets -= len(m.Message)
	}
	delete(t.calls, t.order[0])
	t.order = t.order[1:]
}

// note keeps a message, if it is of a call, and hands it on.
func (t *tracer) note(m Traced, raw []byte) {
	m.CallID = rawCallID(raw)
	t.mu.Lock()
	leg, known := t.legs[m.CallID]
	t.mu.Unlock()
	if !known && t.also == nil {
		return
	}
	m.At = time.Now()
	m.Call, m.Side = leg.call, leg.side
	m.Message = redact(raw[:min(len(raw), tracedOctets)])
	if known {
		t.keep(m)
	}
	if t.also != nil {
		t.also(m)
	}
}

func (t *tracer) keep(m Traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.calls[m.Call]
	if c == nil {
		return // forgotten this instant
	}
	if len(c.messages) >= tracedMessages {
		c.dropped++
		return
	}
	c.messages = append(c.messages, m)
	t.octets += len(m.Message)
	for t.octets > tracedTotal && len(t.order) > 1 {
		t.forgetOldest()
	}
}

// Trace returns what was said in a call, in the order of the wire, and how many
// messages beyond were not kept. ok = the call is one of the last.
func (e *Endpoint) Trace(call string) (messages []Traced, dropped int, ok bool) {
	t := e.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.calls[call]
	if c == nil {
		return nil, 0, false
	}
	return slices.Clone(c.messages), c.dropped, true
}

// sent notes a message of ours that is about to leave. Datagrams are noted at
// the socket, where a repeated one is seen too.
func (e *Endpoint) sent(msg sipmsg.Message) {
	e.metrics.message(outbound, msg)
	e.overStream(msg, true)
}

// overStream notes a message on a connection, where octets are not messages.
func (e *Endpoint) overStream(msg sipmsg.Message, sent bool) {
	transport := sipmsg.NetworkToLower(msg.Transport())
	if transport == "udp" || transport == "" {
		return
	}
	m := Traced{Sent: sent, Transport: transport}
	remote := msg.Source()
	if sent {
		remote = msg.Destination()
	}
	m.Remote, _ = unalias(remote) // the zero one shows that we do not know
	e.tracer.note(m, []byte(msg.String()))
}

// datagram notes one at a socket.
func (s *socket) datagram(b []byte, remote net.Addr, sent, repeated bool) {
	m := Traced{Sent: sent, Repeated: repeated, Transport: "udp", Local: s.bind}
	if at, err := netip.ParseAddrPort(remote.String()); err == nil {
		m.Remote = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	s.tracer.note(m, b)
}

// rawCallID finds the Call-ID of a message that was not parsed.
func rawCallID(raw []byte) string {
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
			return "" // the body begins
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); found && (bytes.EqualFold(name, []byte("call-id")) || bytes.EqualFold(name, []byte("i"))) {
			return string(bytes.TrimSpace(value))
		}
		raw = rest
	}
	return ""
}

// secrets are what a trace must not show: the answer to a challenge, from which
// a weak password can be guessed, and the keys of SRTP (RFC 4568).
var secrets = regexp.MustCompile(`(?i)((?:^|\n)(?:proxy-)?authorization[ \t]*:[^\n]*?\bresponse[ \t]*=[ \t]*"?)[^",\r\n]*|(inline:)[^|\s]*|((?:^|\n)(?:proxy-)?authorization[ \t]*:[ \t]*basic[ \t]+)[^\r\n]*`)

// redact is a message without its secrets.
func redact(raw []byte) string {
	var b strings.Builder
	b.Grow(len(raw))
	for line := range bytes.Lines(raw) {
		if suspect(line) {
			line = secrets.ReplaceAll(line, []byte("$1$2$3***"))
		}
		b.Write(line)
	}
	return b.String()
}

// suspect reports whether a line may hold a secret. It spares almost all of them
// the expression, which took longer than all else that is done with a message.
func suspect(line []byte) bool {
	begins := func(name string) bool {
		return len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
	}
	return begins("authorization") || begins("proxy-authorization") || begins("a=crypto:") || bytes.Contains(line, []byte("inline:"))
}
