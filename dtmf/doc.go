// Package dtmf hears key presses in what a phone sends, and makes them.
//
// It is pure: no goroutine, no clock, no socket. Samples, telephone-events and
// INFO bodies go in, presses come out, and the RTP timestamp is the clock.
//
// A Receiver is one leg's ear. The same press may arrive three ways at once, as
// telephone-events (RFC 4733), as tones in the sound (ITU-T Q.23, Q.24) and as
// SIP INFO; it is reported once, when the key goes down, and again when it is
// over. An RFC 4733 press is an interval in media time: it is announced by its
// first packet, whichever of them that is, and packets of the same interval
// that come late, twice, out of order or not at all change nothing.
package dtmf
