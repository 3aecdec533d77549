package carrier

import (
	_ "embed"
	"slices"
)

// greeting is made by greeting.sh: speech, 8 kHz µ-law.
//
//go:embed greeting.ulaw
var greeting []byte

// A voicemail's beep.
const (
	beepHz     = 1000.0
	beepFrames = 20
)

// Greet answers as voicemail does: a greeting, a beep, and then it only listens.
func (call *Call) Greet() {
	clip := slices.Clone(greeting[:len(greeting)/samples*samples])
	for i := range uint32(beepFrames) {
		clip = append(clip, tones(i*samples, beepHz)...)
	}
	if call.open() != "" {
		call.sound.play(clip) // before the first frame can leave
		call.Answer(0)
	}
}

// play has a clip go before what the phone sounds like.
func (s *sound) play(clip []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clip = clip
}
