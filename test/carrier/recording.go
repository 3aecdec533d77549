package carrier

import (
	"encoding/binary"
	"io"
	"math"
	"time"
)

// Recording is what a phone heard.
type Recording struct {
	Samples []int16       // 8 kHz, placed by RTP timestamp; nothing heard is silence
	Packets int           // of sound
	Events  int           // telephone-event packets
	MaxGap  time.Duration // between two packets
	SSRCs   int           // how often the source changed

	begun bool
	base  uint32
	ssrc  uint32
	last  time.Time
}

// longest is what a recording may hold: an hour.
const longest = rate * 3600

func (r *Recording) add(b []byte, now time.Time) {
	if len(b) <= 12 || b[0]>>6 != 2 || isRTCP(b) {
		return
	}
	ts, ssrc := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if !r.begun || ssrc != r.ssrc {
		r.SSRCs++
		r.ssrc = ssrc
	}
	if r.begun {
		r.MaxGap = max(r.MaxGap, now.Sub(r.last))
	} else {
		r.begun, r.base = true, ts
	}
	r.last = now
	if b[1]&0x7f == eventPT {
		r.Events++
		return
	}
	r.Packets++
	at := int(int32(ts - r.base))
	if at < 0 || at > longest {
		return
	}
	for len(r.Samples) < at+len(b)-12 {
		r.Samples = append(r.Samples, 0)
	}
	for i, octet := range b[12:] {
		r.Samples[at+i] = linear(octet)
	}
}

// isRTCP reports whether a packet is not sound but a report (RFC 5761 §4): of
// this call, or of one whose phone has the port below.
func isRTCP(b []byte) bool { return b[1] >= 192 && b[1] <= 223 }

// Tone is for how long hz was what was heard, counted in frames of 20 ms.
func (r *Recording) Tone(hz float64) (total time.Duration) {
	for at := 0; at+samples <= len(r.Samples); at += samples {
		part := r.Samples[at : at+samples]
		var energy, re, im float64
		for i, x := range part {
			v, w := float64(x), 2*math.Pi*hz*float64(i)/rate
			energy += v * v
			re += v * math.Cos(w)
			im += v * math.Sin(w)
		}
		// A pure sine of N samples has |X|² = E·N/2.
		if energy > samples*100*100 && re*re+im*im > 0.7*energy*samples/2 {
			total += frame
		}
	}
	return total
}

// WriteWAV writes the recording: 8 kHz, mono, 16 bits.
func (r *Recording) WriteWAV(w io.Writer) error {
	size := uint32(2 * len(r.Samples))
	head := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+size)...)
	head = append(head, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	head = binary.LittleEndian.AppendUint32(head, rate)
	head = binary.LittleEndian.AppendUint32(head, 2*rate)
	head = append(head, 2, 0, 16, 0)
	head = append(head, "data"...)
	head = binary.LittleEndian.AppendUint32(head, size)
	for _, x := range r.Samples {
		head = binary.LittleEndian.AppendUint16(head, uint16(x))
	}
	_, err := w.Write(head)
	return err
}

// HeardFrom is what the phone heard from its n-th sample on, 8 kHz linear; none
// before it has answered.
func (call *Call) HeardFrom(n int) []int16 {
	call.mu.Lock()
	s := call.sound
	call.mu.Unlock()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.heard.Samples) {
		return nil
	}
	return append([]int16(nil), s.heard.Samples[n:]...)
}
