package dtmf

import "time"

// window is how far apart two methods may report one and the same press
// (T_dtmf_dedupe). Within it a digit heard by another method is an echo.
const window = 500 * time.Millisecond

// Config says what a Receiver listens to.
type Config struct {
	Events []EventType // the negotiated telephone-event payload types
	InBand bool        // listen to the sound too
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
	last   [16]heard // by event code: the newest press of each digit
}

// heard is when, and how, a digit was last down.
type heard struct {
	method Method
	until  time.Time // the end of it as far as known
	valid  bool
}

// NewReceiver returns a Receiver that has heard nothing.
func NewReceiver(cfg Config) *Receiver {
	return &Receiver{cfg: cfg, tones: newDetector()}
}

// Configure takes new payload types, after a re-INVITE. What was heard before
// stays known, so that a press is not counted again.
func (r *Receiver) Configure(cfg Config) { r.cfg = cfg }

// Event takes one telephone-event packet. Packets of other payload types and
// payloads that are no key are ignored.
func (r *Receiver) Event(now time.Time, p EventPacket, out []Press) []Press {
	for _, format := range r.cfg.Events {
		if format.PT == p.PT {
			return r.fuse(now, r.events.packet(now, p, format.Rate), out)
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
	return r.fuse(now, b, out)
}

// Info takes a digit that came by SIP INFO (ParseInfo).
func (r *Receiver) Info(now time.Time, digit byte, held time.Duration, out []Press) []Press {
	var b burst
	b.add(Press{Digit: digit, Method: MethodInfo})
	b.add(Press{Digit: digit, Method: MethodInfo, Up: true, Held: held})
	return r.fuse(now, b, out)
}

// Idle ends presses whose packets have stopped coming. Call it every 50 ms or
// so while anybody listens.
func (r *Receiver) Idle(now time.Time, out []Press) []Press {
	return r.fuse(now, r.events.idle(now), out)
}

// fuse passes the presses that are not another method's echo.
func (r *Receiver) fuse(now time.Time, b burst, out []Press) []Press {
	for _, p := range b.press[:b.n] {
		code, ok := Code(p.Digit)
		if !ok {
			continue
		}
		if p.Near != 0 {
			out = append(out, p)
			continue
		}
		last := &r.last[code]
		if last.valid && last.method != p.Method && now.Sub(last.until) < window {
			continue // an echo, and so is its release
		}
		*last = heard{p.Method, now, true}
		out = append(out, p)
	}
	return out
}

// burst is the few presses one packet can give; it lives on the stack.
type burst struct {
	press [4]Press
	n     int
}

func (b *burst) add(p Press) {
	if b.n < len(b.press) {
		b.press[b.n] = p
		b.n++
	}
}
