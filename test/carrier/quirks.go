package carrier

import "time"

// What real far ends do, beside the usual.

// Provisional sends a provisional response, such as "181 Call Is Being Forwarded".
func (call *Call) Provisional(status string) { call.respond(status, 0, call.contact(), "") }

// RefuseCancel answers CANCELs so from then on, and rings on.
func (call *Call) RefuseCancel(status string) {
	call.mu.Lock()
	defer call.mu.Unlock()
	call.cancelStatus = status
}

// Fork answers once more, as another telephone that was rung at the same time.
func (call *Call) Fork() {
	if sdp := call.open(); sdp != "" {
		call.c.send(respond(call.invite, "200 OK", call.tag+"fork", call.contact(), sdp), call.peer)
	}
}

// Move goes on with its sound from another socket, which the next session
// description names.
func (call *Call) Move() {
	call.mu.Lock()
	old := call.sound
	call.sound = nil
	call.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// WithoutEvents takes telephone-events out of its session descriptions.
func (call *Call) WithoutEvents() {
	call.mu.Lock()
	defer call.mu.Unlock()
	call.noEvents = true
}

// BehindNAT describes an address that nobody can reach: where it sends from shows
// where it is.
func (call *Call) BehindNAT() {
	call.mu.Lock()
	defer call.mu.Unlock()
	call.behindNAT = true
}

// BadLine loses one in so many of the packets that it sends from then on, and is up
// to that late with the others.
func (call *Call) BadLine(lost int, late time.Duration) {
	call.sound.mu.Lock()
	defer call.sound.mu.Unlock()
	call.sound.lost, call.sound.late = lost, late
}

// Refresh renews the session (RFC 4028), and reports whether that was taken.
func (call *Call) Refresh() bool {
	answer := call.ask("UPDATE", "", "")
	return answer != nil && answer.status() == 200 && answer.get("Session-Expires") != ""
}

// PressAll presses a key by events, by its tones, and by SIP INFO, all at once.
func (call *Call) PressAll(digit byte) {
	call.sound.mu.Lock()
	call.sound.key, call.sound.held, call.sound.asTone, call.sound.both = digit, 0, true, true
	call.sound.mu.Unlock()
	call.PressInfo(digit)
}

// Forget ends a call that rings and that nobody will ever cancel.
func (call *Call) Forget() {
	if !call.Answered() {
		call.finish()
	}
}

// WaitExactly waits at real speed, for what is a matter of milliseconds.
func (call *Call) WaitExactly(d time.Duration) bool { return call.c.pause(d, call.over) }
