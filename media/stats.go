package media

import (
	"math"
	"time"
)

// Stats is what one leg sounded like as received, and how much was sent.
type Stats struct {
	Received uint64        // RTP packets believed
	Expected uint64        // by their sequence numbers
	Sent     uint64        // RTP packets
	Jitter   time.Duration // interarrival, RFC 3550 §6.4.1
	MaxGap   time.Duration // between two packets
}

// Loss is the share of packets that did not come, 0 to 1.
func (s Stats) Loss() float64 {
	if s.Expected == 0 || s.Received >= s.Expected {
		return 0
	}
	return float64(s.Expected-s.Received) / float64(s.Expected)
}

// MOS estimates what a listener would say of G.711, 1 to 4.5, from loss and
// jitter by the E-model (ITU-T G.107, G.113 for G.711 with concealment: Ie 0,
// Bpl 25.1). The delay is that of a jitter buffer twice the jitter and a packet.
func (s Stats) MOS() float64 {
	if s.Received == 0 {
		return 1
	}
	loss := 100 * s.Loss()
	delay := (2*s.Jitter + frameTime).Seconds() * 1000
	r := 93.2 - 0.024*delay - 95*loss/(loss+25.1)
	if delay > 177.3 {
		r -= 0.11 * (delay - 177.3)
	}
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1, math.Round((1+0.035*r+7e-6*r*(r-60)*(100-r))*100)/100)
}

// tally counts one leg's packets. It is pure.
type tally struct {
	Stats
	begun    bool
	ssrc     uint32
	first    uint16
	highest  uint32 // extended sequence number, from first on
	earlier  uint64 // expected of sources before this one
	at       time.Time
	transit  int32 // of the packet before, in ticks
	jitter16 int32 // 16 times the jitter, in ticks (RFC 3550 §A.8)
}

// packet counts one that was believed. ts is in ticks of 8 kHz.
func (t *tally) packet(now time.Time, ssrc uint32, seq uint16, ts uint32) {
	arrival := int32(uint32(now.UnixMicro() * 8 / 1000))
	transit := arrival - int32(ts)
	if !t.begun || ssrc != t.ssrc {
		t.earlier = t.Expected
		t.begun, t.ssrc, t.first, t.highest = true, ssrc, seq, uint32(seq)
	} else {
		t.MaxGap = max(t.MaxGap, now.Sub(t.at))
		if ahead := int16(seq - uint16(t.highest)); ahead > 0 {
			t.highest += uint32(ahead)
		}
		d := transit - t.transit
		if d < 0 {
			d = -d
		}
		if d < sampleRate { // a second: else the source's clock has jumped
			t.jitter16 += d - (t.jitter16+8)>>4
		}
	}
	t.transit, t.at = transit, now
	t.Received++
	t.Expected = t.earlier + uint64(t.highest-uint32(t.first)) + 1
	t.Jitter = time.Duration(t.jitter16>>4) * time.Second / sampleRate
}

// Stats is what the leg has sounded like so far.
func (s *Stream) Stats() Stats {
	s.inMu.Lock()
	stats := s.in.tally.Stats
	s.inMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Sent = s.sent
	return stats
}
