// Package media is the sound of calls: RTP (RFC 3550) of G.711 between sockets,
// and the session descriptions (RFC 3264, RFC 4566) that open them.
//
//	socket ─► latch ─► key presses ─► rewrite ─► the other leg's socket
//	         (whose     (dtmf, while   (one SSRC,
//	          packets    somebody       sequence and
//	          to believe) listens)      timestamp line)
//
// A Stream is one leg's sound. There is no queue, ticker or jitter buffer
// between two legs that are joined: a packet leaves as it comes. Each leg hears
// one continuous RTP stream for its whole life, whatever its source is; lost
// packets stay visible as gaps in the sequence, so that the far end conceals
// them. Sound is linear 8 kHz inside the package, 20 ms a packet.
package media
