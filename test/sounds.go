package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	eventPT  = 101
	keyNames = "0123456789*#ABCD"
	silence  = 0xff // PCMU
)

// packet keeps what an RTP packet tells: whose sound is heard where.
func (w *Wiretap) packet(d Datagram) {
	out := d.From.Addr() == w.us
	if kind := d.Data[1]; kind >= 192 && kind <= 223 {
		return // RTCP (RFC 5761 §4)
	}
	port := d.To.Port()
	if out {
		port = d.From.Port()
	}
	s := w.ports[port]
	if s == nil {
		return
	}
	if out {
		if gap := d.At.Sub(s.LastOut); !s.LastOut.IsZero() && gap > 2*time.Second {
			s.Gaps = append(s.Gaps, Gap{s.LastOut, gap})
		}
		s.LastOut = d.At
	}
	direction := 0
	if out {
		direction = 1
	}
	if clip := w.known[s.now[1]]; out && bytes.Contains(clip, d.Data[12:]) {
		return // more of the same
	}
	sound := w.name(s, d.Data, out)
	if sound == "" || sound == s.now[direction] {
		return
	}
	s.now[direction] = sound
	s.Turns = append(s.Turns, Turn{d.At, out, sound})
}

// name says what a packet sounds like; "" is silence, or more of the same.
func (w *Wiretap) name(s *Sounds, packet []byte, out bool) string {
	payload := packet[12:]
	if packet[1]&0x7f == eventPT {
		return s.key(binary.BigEndian.Uint32(packet[4:]), payload)
	}
	if quiet(payload) {
		return ""
	}
	if !out {
		s.said[string(payload)] = true
		return "voice"
	}
	for _, other := range w.sounds {
		if other != s && other.said[string(payload)] {
			return "the other's voice"
		}
	}
	for _, name := range []string{"prompt", "ringback", "chirp", "tick", "wrong key", "limit", "end tone"} {
		if bytes.Contains(w.known[name], payload) {
			return name
		}
	}
	for name, clip := range w.known {
		if bytes.Contains(clip, payload) {
			return name
		}
	}
	return "sound"
}

func (s *Sounds) key(timestamp uint32, payload []byte) string {
	if timestamp == s.pressed || len(payload) < 4 || int(payload[0]) >= len(keyNames) {
		return ""
	}
	s.pressed = timestamp
	return fmt.Sprintf("key %c", keyNames[payload[0]])
}

// quiet reports whether nothing can be heard: PCMU within 8 steps of silence.
func quiet(payload []byte) bool {
	for _, octet := range payload {
		if octet|0x80 < silence-8 {
			return false
		}
	}
	return true
}
