package media

// Codec is what sound is in. Its value is its static RTP payload type (RFC 3551);
// Opus, which has none, lies above them.
type Codec uint8

// The codecs there are. G.711 is made and read here: clips are played in it, keys
// heard in it, one law turned into the other. The wide ones pass, octet for octet,
// between two legs that both take them; where only one does, G.722 is turned into
// G.711 and back, with the sound that G.711 has.
const (
	PCMU Codec = 0
	PCMA Codec = 8
	G722 Codec = 9
	Opus Codec = 128
)

// Codecs is every codec by its name in configurations.
var Codecs = map[string]Codec{"pcmu": PCMU, "pcma": PCMA, "g722": G722, "opus": Opus}

func (c Codec) String() string {
	switch c {
	case PCMA:
		return "PCMA"
	case G722:
		return "G722"
	case Opus:
		return "opus"
	}
	return "PCMU"
}

// Wide reports whether a codec has more than telephone sound.
func (c Codec) Wide() bool { return c == G722 || c == Opus }

// Opaque reports whether a codec only passes.
func (c Codec) Opaque() bool { return c == Opus }

// wideRate is Opus's clock, whatever its bandwidth (RFC 7587 §4.1).
const wideRate = 48000

// rate is the clock of a codec's RTP timestamps, Hz. G.722's is 8000 by an old
// mistake that stays (RFC 3551 §4.5.2), so that it counts as G.711 does.
func (c Codec) rate() uint32 {
	if c == Opus {
		return wideRate
	}
	return sampleRate
}

// rtpmap is what a=rtpmap says of a codec.
func (c Codec) rtpmap() string {
	if c == Opus {
		return "opus/48000/2" // always two channels (RFC 7587 §7)
	}
	return c.String() + "/8000"
}

// numbers are the payload types of what has no static one; 0 = there is none.
type numbers struct {
	opus      uint8
	event     uint8 // telephone-event at 8 kHz
	wideEvent uint8 // and at Opus's clock: events have that of the sound beside them (RFC 4733 §2.1)
	red       uint8 // telephone-events at 8 kHz, repeated; never ours
}

// ourNumbers are those that we give a leg.
func ourNumbers(side Side) (n numbers) {
	n.event = side.EventPT
	for _, c := range side.Codecs {
		if c != Opus {
			continue
		}
		n.opus = 107
		if n.event == n.opus {
			n.opus++
		}
		if n.event != 0 {
			n.wideEvent = 110
			if n.event == n.wideEvent {
				n.wideEvent++
			}
		}
	}
	return n
}

// of is the payload type of a codec.
func (n numbers) of(c Codec) uint8 {
	if c == Opus {
		return n.opus
	}
	return uint8(c)
}

// eventAt is telephone-event's payload type and clock: that of the sound beside
// it if there is one, else the other. 0 = there is none.
func (n numbers) eventAt(rate uint32) (pt uint8, clock uint32) {
	switch {
	case n.wideEvent != 0 && (rate == wideRate || n.event == 0):
		return n.wideEvent, wideRate
	case n.event != 0:
		return n.event, sampleRate
	}
	return 0, 0
}

// content is what a payload type carries.
type content struct {
	kind  kind
	codec Codec  // of sound
	rate  uint32 // of its timestamps, Hz
}
