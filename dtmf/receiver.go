package dtmf

import "time"

// Config says what a Receiver listens to.
type Config struct {
	Events []EventType // the negotiated telephone-event payload types
	InBand bool        // listen to the sound too

	// Score is the operating point of tones, log odds that they are a key; 0 is
	// the default of 1. 2 is for digits that must not be heard by mistake.
	Score float32
	// Dwell is how long tones must last, 0 to what the standards ask: 40 ms.
	Dwell time.Duration
}

// EventType is one negotiated telephone-event format.
type EventType struct {
	PT   uint8
	Rate int // Hz, of its RTP timestamps
}

// EventPacket is the RTP packet that carried a telephone-event.
type EventPacket struct {
	PT        uint8
	SSRC      uint32
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Payload   []byte
}

// Receiver is one leg's ear. It is not safe for concurrent use. Its methods
// append to out and return it; they do not allocate while its capacity lasts.
// now is any clock that does not jump back.
type Receiver struct {
	cfg    Config
	events eventLine
	tones  Detector
	fusion fusion
	deaf   time.Time // tones before it are echoes of our own
}

// NewReceiver returns a Receiver that has heard nothing.
func NewReceiver(cfg Config) *Receiver {
	r := &Receiver{tones: newDetector()}
	r.Configure(cfg)
	return r
}

// Configure takes new payload types, after a re-INVITE. What was heard before
// stays known, so that a press is not counted again.
func (r *Receiver) Configure(cfg Config) {
	r.cfg = cfg
	r.tones.least, r.tones.dwell = cfg.Score, int(cfg.Dwell*rate/time.Second)
	if cfg.Score == 0 {
		r.tones.least = defaultScore
	}
}

// Event takes one telephone-event packet. Packets of other payload types and
// payloads that are no key are ignored.
func (r *Receiver) Event(now time.Time, p EventPacket, out []Press) []Press {
	for _, format := range r.cfg.Events {
		if format.PT == p.PT {
			var b burst
			r.events.packet(now, &p, format.Rate, &b)
			return r.fusion.take(now, &b, out)
		}
	}
	return out
}

// Audio takes the samples of one packet, linear at 8 kHz, that begin at an RTP
// timestamp. It does nothing unless Config.InBand.
func (r *Receiver) Audio(now time.Time, timestamp uint32, samples []int16, out []Press) []Press {
	if !r.cfg.InBand {
		return out
	}
	var b burst
	r.tones.samples(timestamp, samples, &b)
	if now.Before(r.deaf) {
		for i := range b.n {
			b.press[i].Near = NearEcho
		}
	}
	return r.fusion.due(now, r.fusion.take(now, &b, out))
}

// Deafen makes what is heard in the sound until then, at least, no press: we send
// keys ourselves, and lines have echoes.
func (r *Receiver) Deafen(until time.Time) {
	if until.After(r.deaf) {
		r.deaf = until
	}
}

// Info takes a digit that came by SIP INFO (ParseInfo).
func (r *Receiver) Info(now time.Time, digit byte, held time.Duration, out []Press) []Press {
	var b burst
	b.add(Press{Digit: digit, Method: MethodInfo})
	b.add(Press{Digit: digit, Method: MethodInfo, Up: true, Held: held})
	return r.fusion.take(now, &b, out)
}

// Idle ends presses whose packets have stopped coming. Call it every 50 ms or
// so while anybody listens and Pending says so.
func (r *Receiver) Idle(now time.Time, out []Press) []Press {
	var b burst
	r.events.idle(now, &b)
	return r.fusion.due(now, r.fusion.take(now, &b, out))
}

// Pending reports whether time alone can bring a press about, or the end of one.
func (r *Receiver) Pending() bool { return r.events.open.valid || r.fusion.waiting.valid }

// burst is the few presses one packet can give; it lives on the stack.
type burst struct {
	press [2*maxReports + 1]Press
	n     int
}

func (b *burst) add(p Press) {
	if b.n < len(b.press) {
		b.press[b.n] = p
		b.n++
	}
}
