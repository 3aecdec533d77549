package carrier

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Call is one call that was placed to a phone.
type Call struct {
	Number string // who was called, digits only
	From   string // user part of From

	c      *Carrier
	invite *message
	peer   net.Addr
	tag    string
	local  netip.Addr
	sound  *sound // nil until it is needed
	over   chan struct{}
	once   sync.Once

	mu       sync.Mutex
	last     []byte // the newest response to the INVITE, for repetitions
	final    int    // its code, if it is one; 0 = none yet
	acked    chan struct{}
	ackOnce  sync.Once
	byes     int // received
	byeSent  bool
	canceled bool
	cseq     int
	version  int    // of the session description
	sending  string // its direction

	cancelStatus string // "" = obeys
	noEvents     bool
	behindNAT    bool
}

// describe is the phone's session description. call.mu is held.
func (call *Call) describe() string {
	at := call.sound.addr()
	formats, events := "0 101", "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
	if call.noEvents {
		formats, events = "0", ""
	}
	host := "IP4 " + at.Addr().String()
	if at.Addr().Is6() {
		host = "IP6 " + at.Addr().String()
	}
	if call.behindNAT {
		host = "IP4 192.168.77.7"
	}
	return fmt.Sprintf("v=0\r\no=- 1 %d IN %s\r\ns=-\r\nc=IN %[2]s\r\nt=0 0\r\nm=audio %d RTP/AVP %s\r\na=rtpmap:0 PCMU/8000\r\n%sa=ptime:20\r\na=%s\r\n",
		call.version, host, at.Port(), formats, events, call.sending)
}

func newCall(c *Carrier, invite *message, peer net.Addr) *Call {
	call := &Call{
		Number: digitsOf(first(userPart, invite.first)), From: first(userPart, invite.get("From")),
		c: c, invite: invite, peer: peer, local: c.addr.Addr(),
		over: make(chan struct{}), acked: make(chan struct{}), version: 1, sending: "sendrecv",
	}
	call.tag = fmt.Sprintf("%016x", rand.Uint64())
	return call
}

// run plays the script, and hangs up when that is over.
func (call *Call) run() {
	defer call.finish()
	call.c.opts.Script(call.Number)(call)
	if call.Answered() {
		call.Hangup()
	}
}

// finish ends the call for its script and its sound.
func (call *Call) finish() {
	call.once.Do(func() { close(call.over) })
	call.mu.Lock()
	s := call.sound
	call.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// Wait waits, at the carrier's speed. It is false if the call ended meanwhile.
func (call *Call) Wait(d time.Duration) bool {
	timer := time.NewTimer(time.Duration(float64(d) / call.c.opts.Speed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-call.over:
		return false
	}
}

// Listen waits until something is said on an answered call. It is false if the
// call ended meanwhile.
func (call *Call) Listen() bool {
	call.mu.Lock()
	s := call.sound
	call.mu.Unlock()
	if s == nil {
		return false
	}
	select {
	case <-s.said:
		return true
	case <-call.over:
		return false
	}
}

// Over is closed when the call is.
func (call *Call) Over() <-chan struct{} { return call.over }

// Answered reports whether the phone was picked up.
func (call *Call) Answered() bool {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.final == 200
}

// Fate says how the call went on the wire: its final code, whether that was
// ACKed, and the BYEs either way.
func (call *Call) Fate() (final int, acked bool, byesReceived int, byeSent bool) {
	call.mu.Lock()
	defer call.mu.Unlock()
	select {
	case <-call.acked:
		acked = true
	default:
	}
	return call.final, acked, call.byes, call.byeSent
}

func (call *Call) respond(status string, final int, extra, body string) bool {
	b := respond(call.invite, status, call.tag, extra, body)
	call.mu.Lock()
	if call.final != 0 {
		call.mu.Unlock()
		return false
	}
	call.last, call.final = b, final
	call.mu.Unlock()
	call.c.send(b, call.peer)
	return true
}

func (call *Call) contact() string {
	return fmt.Sprintf("Contact: <sip:%s@%s>\r\n", call.Number, call.c.addr)
}

// Ring rings.
func (call *Call) Ring() { call.respond("180 Ringing", 0, call.contact(), "") }

// Early opens early media by a 183, on which hz sounds.
func (call *Call) Early(hz float64) {
	if sdp := call.open(); sdp != "" {
		call.respond("183 Session Progress", 0, call.contact(), sdp)
		call.sound.say(hz)
	}
}

// Say sounds at hz from now on; 0 is silence.
func (call *Call) Say(hz float64) { call.sound.say(hz) }

// Answer picks up, and says hz from then on.
func (call *Call) Answer(hz float64) {
	sdp := call.open()
	if sdp == "" || !call.respond("200 OK", 200, call.contact(), sdp) {
		return
	}
	call.sound.say(hz)
	call.persist()
}

// Reject refuses, e.g. "486 Busy Here". extra is further headers, each with its
// line end.
func (call *Call) Reject(status, extra string) {
	code, err := strconv.Atoi(status[:3])
	if err == nil && call.respond(status, code, extra, "") {
		call.persist()
	}
}

// persist repeats a final response until it is ACKed (RFC 3261 §13.3.1.4).
func (call *Call) persist() {
	call.c.wait.Go(func() {
		for interval, left := t1, 64*t1; left > 0; left -= interval {
			if !call.c.pause(interval, call.acked) {
				return
			}
			call.mu.Lock()
			b := call.last
			call.mu.Unlock()
			call.c.send(b, call.peer)
			interval = min(2*interval, t2)
		}
	})
}

// open makes the phone's sound, and its session description.
func (call *Call) open() string {
	call.mu.Lock()
	defer call.mu.Unlock()
	port, err := strconv.ParseUint(first(audioLine, call.invite.body), 10, 16)
	addr, errAddr := netip.ParseAddr(first(connection, call.invite.body))
	if err != nil || errAddr != nil {
		return ""
	}
	if call.sound == nil {
		conn, err := call.c.opts.ListenRTP(call.local)
		if err != nil {
			return ""
		}
		call.sound = newSound(conn, netip.AddrPortFrom(addr, uint16(port)))
		call.sound.still(call.c.opts.Quiet)
	}
	return call.describe()
}

// Heard is what the phone heard; nil if it never had sound.
func (call *Call) Heard() *Recording {
	call.mu.Lock()
	defer call.mu.Unlock()
	if call.sound == nil {
		return nil
	}
	return call.sound.recording()
}

// repeated reports whether a request is the call's first INVITE once more.
func (call *Call) repeated(m *message) bool {
	return m.method() == "INVITE" && first(branchPart, m.get("Via")) == first(branchPart, call.invite.get("Via"))
}

// request does one that came within the call.
func (call *Call) request(m *message, from net.Addr) {
	switch m.method() {
	case "INVITE":
		call.mu.Lock()
		last := call.last
		call.mu.Unlock()
		if call.repeated(m) && last != nil {
			call.c.send(last, from)
		} else if strings.Contains(m.get("To"), "tag=") {
			call.c.send(respond(m, "200 OK", call.tag, call.contact(), call.open()), from)
		}
	case "ACK":
		call.ackOnce.Do(func() { close(call.acked) })
	case "CANCEL":
		call.mu.Lock()
		refusal := call.cancelStatus
		call.mu.Unlock()
		if refusal != "" {
			call.c.send(respond(m, refusal, call.tag, "", ""), from)
			return
		}
		call.c.send(respond(m, "200 OK", call.tag, "", ""), from)
		if call.respond("487 Request Terminated", 487, "", "") {
			call.mu.Lock()
			call.canceled = true
			call.mu.Unlock()
			call.persist()
			call.finish()
		}
	case "BYE":
		if strings.Contains(m.get("To"), call.tag+"fork") {
			call.c.send(respond(m, "200 OK", "", "", ""), from)
			return
		}
		call.mu.Lock()
		call.byes++
		call.mu.Unlock()
		call.c.send(respond(m, "200 OK", call.tag, "", ""), from)
		call.finish()
	default:
		call.c.send(respond(m, "200 OK", call.tag, "", ""), from)
	}
}
