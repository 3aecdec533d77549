package media

import "time"

// Stats is what one leg sounded like as received by us, what was sent to it, and
// what the far end says of that.
type Stats struct {
	Received, Bytes uint64 // RTP packets believed, each once; octets of their payload
	Expected        uint64 // by their sequence numbers
	Lost            uint64 // expected, and not come
	Bursts          uint64 // losses in a row count as one
	Late            uint64 // more than lateAfter behind the quickest
	Duplicate       uint64
	Reordered       uint64        // came after one that was sent later
	Jitter          time.Duration // interarrival, RFC 3550 §6.4.1
	MaxGap          time.Duration // between two packets
	Silent          bool          // none of them had sound in it; comfort noise is none
	Wide, SentWide  bool          // some that came, and that went out, were in a wide codec

	Sent, SentBytes uint64        // RTP packets and octets of payload that went out
	RTT             time.Duration // RFC 3550 §6.4.1; 0 = the far end sent no reports
	Far             Heard         // what the far end heard of us

	Rejected      [len(rejections)]uint64 // dropped, by rejection
	Suspect       [len(suspicions)]uint64 // of a kind that an attack has, by suspicion
	SourceChanges uint64                  // the far end's address or stream became another
}

// Heard is the far end's last RTCP report of what we sent.
type Heard struct {
	Reports uint64 // 0 = none came, and the rest says nothing
	Lost    uint64
	Loss    float64 // 0 to 1, of all we sent
	Jitter  time.Duration
}

// Why a packet is dropped, and what makes one suspect: labels of metrics.
const (
	rejectSource = iota
	rejectVersion
	rejectPayload
	rejectSRTP
)

const (
	suspectSource = iota // good RTP from an address that is not the far end's
	suspectSSRC          // a second stream from the far end's address
	suspectRate          // more than rateCap
)

var (
	rejections = [...]string{"source", "version", "payload", "srtp"}
	suspicions = [...]string{"source", "ssrc", "rate"}
)

// Loss is the share of packets that did not come, 0 to 1.
func (s Stats) Loss() float64 {
	if s.Expected == 0 {
		return 0
	}
	return float64(s.Lost) / float64(s.Expected)
}

// lateAfter is how much later than the quickest a packet may come before a
// common jitter buffer has no use for it.
const lateAfter = 60 * time.Millisecond

// tally counts the packets of one leg that were believed (RFC 3550 §6.4.1, §A.1,
// §A.3, §A.8). It is pure.
type tally struct {
	rate    int // of the timestamps, Hz
	begun   bool
	epoch   time.Time
	ssrc    uint32
	first   uint32 // sequence number of the first, extended by wraps as highest is
	highest uint32
	seen    uint64 // the highest and the 63 before it; bit 0 is the highest
	back    uint16 // the packet far behind that came last, plus one
	earlier uint64 // expected of sources before this one …
	settled losses // what has left the window
	at      time.Time

	lostBefore uint64 // … and what of theirs did not come

	timed    bool  // transit is set
	transit  int32 // of the packet before, in ticks
	quickest int32 // of all; follows clocks that drift apart
	jitter16 int32 // 16 times the jitter, in ticks

	Stats
}

// losses counts packets that did not come, and rows of them.
type losses struct {
	lost, bursts uint64
	inBurst      bool
}

func (l *losses) next(came bool) {
	if !came {
		l.lost++
		if !l.inBurst {
			l.bursts++
		}
	}
	l.inBurst = !came
}

// packet counts one. timed says that its timestamp is the time of its sound:
// that of a telephone-event is not.
func (t *tally) packet(now time.Time, h *header, octets int, timed bool) {
	if !t.begun || h.ssrc != t.ssrc {
		t.begin(now, h)
	} else {
		t.MaxGap = max(t.MaxGap, now.Sub(t.at))
		switch ahead := int(int16(h.seq - uint16(t.highest))); {
		case max(ahead, -ahead) > jumpAhead, ahead <= -window && h.seq == t.back:
			t.begin(now, h)
		case ahead > 0:
			t.advance(ahead)
		case ahead <= -window:
			t.back = h.seq + 1
			t.Late++
			return
		default:
			bit := uint64(1) << -ahead
			if t.seen&bit != 0 {
				t.Duplicate++
				return
			}
			t.seen |= bit
			t.Reordered++
		}
	}
	t.at = now
	t.Received++
	t.Bytes += uint64(octets)
	if timed {
		t.time(now, h.ts)
	}
}

// clock changes the rate of the timestamps. What was measured stays.
func (t *tally) clock(rate uint32) {
	if int(rate) != t.rate {
		t.jitter16 = int32(int64(t.jitter16) * int64(rate) / int64(t.rate))
		t.rate, t.timed = int(rate), false
	}
}

// begin begins with the first packet of a source.
func (t *tally) begin(now time.Time, h *header) {
	if t.begun {
		for range window {
			t.leave()
		}
		t.earlier += uint64(t.highest-t.first) + 1
		t.lostBefore = t.settled.lost
	} else {
		t.epoch = now
	}
	t.begun, t.timed, t.settled.inBurst = true, false, false
	t.ssrc, t.first, t.highest, t.seen, t.back = h.ssrc, uint32(h.seq), uint32(h.seq), ^uint64(0), h.seq
}

// leave moves the window by one packet, which has not come yet.
func (t *tally) leave() {
	t.settled.next(t.seen>>(window-1) != 0)
	t.seen <<= 1
}

func (t *tally) advance(by int) {
	t.highest += uint32(by)
	for range by {
		t.leave()
	}
	t.seen |= 1
}

// time measures jitter and lateness.
func (t *tally) time(now time.Time, ts uint32) {
	arrival := uint32(now.Sub(t.epoch).Microseconds() * int64(t.rate) / 1e6)
	transit := int32(arrival - ts)
	d := transit - t.transit
	if !t.timed || d > int32(t.rate) || d < -int32(t.rate) { // the source's clock has jumped
		t.timed, t.transit, t.quickest = true, transit, transit
		return
	}
	t.transit = transit
	t.jitter16 += max(d, -d) - (t.jitter16+8)>>4
	if t.Received%window == 0 {
		t.quickest++ // 100 ppm
	}
	if transit-t.quickest < 0 {
		t.quickest = transit
	}
	if time.Duration(transit-t.quickest)*time.Second/time.Duration(t.rate) > lateAfter {
		t.Late++
	}
}

// stats is the count so far.
func (t *tally) stats() Stats {
	s := t.Stats
	if !t.begun {
		return s
	}
	sum := t.settled
	for i := window - 1; i >= 0; i-- {
		sum.next(t.seen>>i&1 != 0)
	}
	s.Expected = t.earlier + uint64(t.highest-t.first) + 1
	s.Lost, s.Bursts = sum.lost, sum.bursts
	s.Jitter = time.Duration(t.jitter16>>4) * time.Second / time.Duration(t.rate)
	return s
}

// Stats is what the leg has sounded like so far.
func (s *Stream) Stats() Stats {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.in.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countSent()
	return s.stats()
}

// stats is Stats under both locks.
func (s *Stream) stats() Stats {
	stats := s.in.tally.stats()
	stats.Silent = stats.Received > 0 && !s.in.sounded
	stats.Sent, stats.SentBytes, stats.SentWide = s.sent, s.sentBytes, s.sentWide
	return stats
}
