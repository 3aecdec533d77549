package media

import (
	"time"

	"tandem/dtmf"
)

// eventVolume is that of keys we send, -dBm0.
const eventVolume = 10

// toneKey is a key that is heard as tones and goes to the other leg as a
// telephone-event. Its tones are cut from where they were known for a key's.
type toneKey struct {
	digit byte // 0 = none
	start uint32
	begun bool
	over  bool
}

// pass sends, in place of n octets of sound, what has been added to the press. It
// reports false where the far end takes no events, and the sound goes to it.
func (k *toneKey) pass(now time.Time, h *header, n int, to *Stream) bool {
	first := !k.begun
	if first {
		k.begun, k.start = true, h.ts
	}
	passed := to.forwardTone(now, h, k, first, n)
	if k.over {
		k.digit = 0
	}
	return passed
}

// forwardTone sends a packet of an event (RFC 4733 §2.5.1), and its end three times.
func (s *Stream) forwardTone(now time.Time, h *header, k *toneKey, first bool, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.theirs.event == 0 {
		return false
	}
	if !s.agreed || !s.theirs.hears || s.closed || s.playing != nil && !s.playing.under {
		return true
	}
	s.reclaim()
	begins := *h
	begins.ts = k.start
	seq, ts, _, ok := s.use(sampleRate).relay(now, &begins, true)
	if !ok {
		return true
	}
	s.relayed = now
	duration := uint16(min(h.ts+uint32(n)-k.start, 0xffff))
	s.send(dtmf.AppendEvent(s.begin(s.theirs.event, seq, ts, first), k.digit, k.over, eventVolume, duration))
	for range 2 {
		if k.over {
			s.send(dtmf.AppendEvent(s.begin(s.theirs.event, s.out.insert(), ts, false), k.digit, true, eventVolume, duration))
		}
	}
	return true
}

// speakEvent sends what a telephone-event of the other leg's adds to its press as
// tones, to a far end that takes no events. A packet that was lost is a gap in the
// tone, as one of sound would be; copies add nothing.
func (s *Stream) speakEvent(now time.Time, h *header, payload []byte, rate uint32) {
	digit, end, duration, ok := dtmf.ParseEvent(payload)
	duration = uint16(uint32(duration) * sampleRate / rate)
	if key := (pressed{h.ssrc, h.ts, true}); key != s.spoken {
		s.spoken, s.spokenTo = key, 0
	}
	if !s.speaks || !ok || duration < frameSamples || duration <= s.spokenTo {
		s.out.skip(h)
		return
	}
	from := max(int(s.spokenTo), int(duration)-frameSamples) // only the newest frame
	part := *h
	part.ts += uint32(from)
	seq, ts, marker, ok := s.use(sampleRate).relay(now, &part, false)
	if !ok {
		return
	}
	s.spokenTo = duration
	s.relayed = now
	whole := 0
	if end {
		whole = int(duration)
	}
	samples := dtmf.AppendTonePart(s.tone[:0], digit, from, int(duration)-from, whole, keyLevel)
	s.send(s.coder.encode(s.begin(uint8(s.law), seq, ts, marker), s.law, samples))
}
