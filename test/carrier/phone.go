package carrier

import (
	"net"
	"net/netip"
)

// Phone is a phone's sound alone, for a call whose signalling is somebody
// else's.
type Phone struct{ sound *sound }

// NewPhone sends to and listens on conn, which is the Phone's from here on.
func NewPhone(conn net.PacketConn, to netip.AddrPort) *Phone {
	return &Phone{newSound(conn, to)}
}

// Say makes it sound at hz from now on; 0 is silence.
func (p *Phone) Say(hz float64) { p.sound.say(hz) }

// Press presses a key by telephone-events, held for 120 ms (RFC 4733). The phone
// must be sounding.
func (p *Phone) Press(digit byte) { p.sound.press(digit, false) }

// Heard is what came so far.
func (p *Phone) Heard() *Recording { return p.sound.recording() }

// Close ends the sound, and returns when nothing runs.
func (p *Phone) Close() { p.sound.close() }
