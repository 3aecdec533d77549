package carrier

import (
	"fmt"
	"time"
)

// pause waits, at real speed. It is false if done or the Carrier closed first.
func (c *Carrier) pause(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
	case <-c.done:
	}
	return false
}

// asked is a request of a phone's own that waits for its final answer.
type asked struct {
	answer   *message
	answered chan struct{}
}

// ask sends a request of the phone's own until it is answered (RFC 3261 §17.1).
// It returns the final answer, nil if none came.
func (call *Call) ask(method, kind, body string) *message {
	call.mu.Lock()
	call.cseq++
	cseq := call.cseq
	call.mu.Unlock()
	branch := fmt.Sprintf("z9hG4bK%s%d", call.tag, cseq)
	a := &asked{answered: make(chan struct{})}
	call.c.mu.Lock()
	call.c.asked[branch] = a
	call.c.mu.Unlock()
	defer func() {
		call.c.mu.Lock()
		delete(call.c.asked, branch)
		call.c.mu.Unlock()
	}()
	b := call.compose(method, branch, cseq, kind, body)
	for interval, left := t1, 64*t1; left > 0; left -= interval {
		call.c.send(b, call.peer)
		if !call.c.pause(interval, a.answered) {
			break
		}
		if interval *= 2; method != "INVITE" {
			interval = min(interval, t2)
		}
	}
	select {
	case <-a.answered:
		return a.answer
	default:
		return nil
	}
}

// compose writes a request within the dialog.
func (call *Call) compose(method, branch string, cseq int, kind, body string) []byte {
	target, extra := first(uriPart, call.invite.get("Contact")), ""
	if kind != "" {
		extra = "Content-Type: " + kind + "\r\n"
	}
	switch method {
	case "INVITE":
		extra += call.contact()
	case "UPDATE":
		extra += call.contact() + "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n"
	}
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n%sContent-Length: %d\r\n\r\n%s",
		method, target, call.c.addr, branch, call.invite.get("To"), call.tag, call.invite.get("From"), call.invite.get("Call-ID"), cseq, method, extra, len(body), body)
}

// answer takes the answer to a request of a phone's own.
func (c *Carrier) answer(m *message) {
	branch := first(branchPart, m.get("Via"))
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.asked[branch]; a != nil && a.answer == nil && m.status() >= 200 {
		a.answer = m
		close(a.answered)
	}
}

// Hangup sends a BYE.
func (call *Call) Hangup() {
	call.mu.Lock()
	if call.byeSent || call.byes > 0 || call.final != 200 {
		call.mu.Unlock()
		return
	}
	call.byeSent = true
	call.mu.Unlock()
	call.c.wait.Go(func() { call.ask("BYE", "", "") })
	call.finish()
}

// Redirect offers the other side a new direction of the sound by a re-INVITE
// ("sendonly" is hold), and says hz from then on. It reports whether that was
// accepted.
func (call *Call) Redirect(direction string, hz float64) bool {
	if call.open() == "" {
		return false
	}
	call.mu.Lock()
	call.version++
	call.sending = direction
	offer := call.describe()
	call.mu.Unlock()
	call.sound.say(hz)
	call.sound.still(direction == "inactive" || direction == "recvonly")
	answer := call.ask("INVITE", "application/sdp", offer)
	if answer == nil {
		return false
	}
	call.mu.Lock()
	cseq := call.cseq
	call.mu.Unlock()
	// RFC 3261 §13.2.2.4: the ACK of a 2xx is a transaction of its own; of
	// anything else it belongs to the INVITE (§17.1.1.3).
	branch := first(branchPart, answer.get("Via"))
	if answer.status() < 300 {
		branch += "ack"
	}
	call.c.send(call.compose("ACK", branch, cseq, "", ""), call.peer)
	return answer.status() < 300
}

// PressInfo presses a key by SIP INFO.
func (call *Call) PressInfo(digit byte) {
	call.c.wait.Go(func() {
		call.ask("INFO", "application/dtmf-relay", fmt.Sprintf("Signal=%c\r\nDuration=160\r\n", digit))
	})
}

// PressEvent presses a key by telephone-events, held for 120 ms (RFC 4733).
func (call *Call) PressEvent(digit byte) { call.sound.press(digit, false) }

// PressTones presses a key by its tones.
func (call *Call) PressTones(digit byte) { call.sound.press(digit, true) }
