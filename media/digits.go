package media

import (
	"context"
	"time"

	"tandem/dtmf"
)

// How tones are sent where no telephone-events are agreed (ETSI ES 201 235-2).
const (
	keyTime  = 100 * time.Millisecond
	keyPause = 500 * time.Millisecond // of a w or a comma
	keyLevel = -9                     // dBm0 of the lower tone; the higher is 2 dB stronger
)

// SendDigits sends keys to the far end, 100 ms each and 100 ms apart; "w" and
// "," are half a second of rest. It returns when the last is sent, or the Cause
// of ctx if that ends first. What is relayed to this leg is not heard meanwhile.
func (s *Stream) SendDigits(ctx context.Context, keys string) error {
	s.mu.Lock()
	pt, _ := s.theirs.eventAt(s.out.rate)
	s.mu.Unlock()
	if pt == 0 {
		clip := toneClip(keys)
		s.deafen(clip.Duration())
		return s.Say(ctx, clip)
	}
	p := s.start(Clip{samples: make([]int16, frameSamples), silent: true})
	defer p.halt()
	ticker := time.NewTicker(frameTime)
	defer ticker.Stop()
	sender := dtmf.NewSender(keys)
	var begun uint32 // timestamp of the press under way
	for {
		step, more := sender.Next()
		if !more {
			return nil
		}
		s.deafen(frameTime) // the far end may turn events into tones
		for range step.Copies {
			begun = s.sendEvent(step, begun)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// toneClip is keys as sound.
func toneClip(keys string) Clip {
	var samples []int16
	rest := func(d time.Duration) {
		samples = append(samples, make([]int16, int(d.Seconds()*sampleRate))...)
	}
	for _, key := range []byte(keys) {
		switch _, known := dtmf.Code(key); {
		case known:
			samples = dtmf.AppendTone(samples, key, keyTime, keyLevel)
			rest(keyTime)
		case key == 'w' || key == ',':
			rest(keyPause)
		}
	}
	return Clip{samples: samples}
}

// sendEvent sends one packet of a press, all of whose packets have the timestamp
// of its beginning (RFC 4733 §2.3.3).
func (s *Stream) sendEvent(step dtmf.Step, begun uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	pt, rate := s.theirs.eventAt(s.out.rate)
	if pt == 0 || !s.theirs.hears || s.closed || !step.Event {
		return begun
	}
	l := s.use(rate)
	if step.Marker {
		_, begun, _ = l.own(time.Now())
	} else {
		l.seq++
	}
	atClock(step.Payload[:], sampleRate, rate)
	s.send(append(s.begin(pt, l.seq, begun, step.Marker), step.Payload[:]...))
	return begun
}
