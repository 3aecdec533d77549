package dtmf

import (
	"strings"
	"time"
)

// Method is how a press was heard.
type Method uint8

// The three ways a key press travels.
const (
	MethodEvent  Method = iota + 1 // telephone-event, RFC 4733
	MethodInBand                   // tones, ITU-T Q.23
	MethodInfo                     // SIP INFO, application/dtmf-relay or application/dtmf
)

// String is the method's metric label.
func (m Method) String() string {
	switch m {
	case MethodEvent:
		return "rfc4733"
	case MethodInBand:
		return "inband"
	case MethodInfo:
		return "info"
	default:
		return "none"
	}
}

// Near is why tones that came near to a key are none.
type Near uint8

// What a press by tones can lack.
const (
	NearShort     Near = iota + 1 // it did not last
	NearFrequency                 // a tone was off its frequency
	NearUnsteady                  // a tone wavered
	NearUnclean                   // there was too much beside the tones, or too little of one of them
	NearDoubtful                  // the score is below the operating point
	NearEcho                      // it was the echo of the press before it, or of our own sending
)

var nears = [...]string{"", "short", "frequency", "unsteady", "unclean", "doubtful", "echo"}

// String is the word for records; "" for a press that counts.
func (n Near) String() string { return nears[min(int(n), len(nears)-1)] }

// Press is a key that went down, or, with Up, came up again. Every press is
// reported exactly once each way. With Near it is no press: it says what was
// heard, and why it does not count.
type Press struct {
	Digit  byte   // 0-9 * # A-D
	Method Method // by which it was first heard
	Up     bool
	Near   Near
	Held   time.Duration // as far as known; final with Up
	At     uint32        // RTP timestamp of its start, 8 kHz; 0 for INFO
	Rate   int           // Hz, of the clock that At was taken from; 0 for INFO

	Figures // of MethodInBand
}

// Down reports whether p says that a key went down.
func (p *Press) Down() bool { return !p.Up && p.Near == 0 }

// digits in the order of their event codes (RFC 4733 §3.2).
const digits = "0123456789*#ABCD"

// Code is the telephone-event code of a digit.
func Code(digit byte) (code uint8, ok bool) {
	i := strings.IndexByte(digits, digit)
	return uint8(max(i, 0)), i >= 0
}

// Digit is the key of a telephone-event code; codes above 15 are no keys.
func Digit(code uint8) (digit byte, ok bool) {
	if int(code) >= len(digits) {
		return 0, false
	}
	return digits[code], true
}
