package dtmf

import "time"

// How a press is sent (RFC 4733 §2.5.1.4, and what IVRs ask for).
const (
	stepTime  = 20 * time.Millisecond
	stepTicks = 160 // of an 8 kHz clock
	pressTime = 100 * time.Millisecond
	restTime  = 100 * time.Millisecond
	pauseTime = 500 * time.Millisecond
	endCopies = 3
	volume    = 10 // -10 dBm0
)

// Step is what 20 ms of a digit string ask to be sent.
type Step struct {
	Payload [eventBytes]byte // telephone-event, if Event
	Event   bool
	Marker  bool   // the first packet of a press
	Start   uint32 // ticks from the string's begin to the press's: its timestamp
	Tone    byte   // the key whose tones sound now, for a leg without events; 0 = silence
	Copies  int    // how often to send Payload: 3 for an end
}

// Sender plays a string of keys in steps of 20 ms: 100 ms down, 100 ms up; a w
// or a comma is half a second of rest.
type Sender struct {
	keys  string
	spent time.Duration // in the front key
	ticks uint32
	start uint32
}

// NewSender returns a Sender of keys; other characters than keys, w and comma
// are skipped.
func NewSender(keys string) *Sender { return &Sender{keys: keys} }

// Next returns the next 20 ms. ok is false once the string is over.
func (s *Sender) Next() (step Step, ok bool) {
	for s.keys != "" && s.length() == 0 {
		s.keys = s.keys[1:]
	}
	if s.keys == "" {
		return Step{}, false
	}
	key := s.keys[0]
	if _, isKey := Code(key); isKey {
		step = s.press(key)
	}
	s.ticks += stepTicks
	if s.spent += stepTime; s.spent >= s.length() {
		s.keys, s.spent = s.keys[1:], 0
	}
	return step, true
}

// length is how long the front character takes.
func (s *Sender) length() time.Duration {
	key := s.keys[0]
	if key == 'w' || key == ',' {
		return pauseTime
	}
	if _, ok := Code(key); ok {
		return pressTime + restTime
	}
	return 0
}

func (s *Sender) press(key byte) (step Step) {
	if s.spent == 0 {
		s.start = s.ticks
	}
	if s.spent >= pressTime {
		return Step{}
	}
	end := s.spent+stepTime >= pressTime
	duration := uint16(s.ticks-s.start) + stepTicks
	step = Step{Event: true, Marker: s.spent == 0, Start: s.start, Tone: key, Copies: 1}
	AppendEvent(step.Payload[:0], key, end, volume, duration)
	if end {
		step.Copies = endCopies
	}
	return step
}
