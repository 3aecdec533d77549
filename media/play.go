package media

import (
	"context"
	"sync"
	"time"
)

const frameTime = 20 * time.Millisecond

// player is one clip under way.
type player struct {
	stop chan struct{}
	once sync.Once
	done chan struct{} // closed when it plays no more
}

func (p *player) halt() { p.once.Do(func() { close(p.stop) }) }

// Play plays a clip at once, in place of one that plays; what is relayed to this
// leg is not heard meanwhile. stop ends it within 20 ms and may be called again.
func (s *Stream) Play(c Clip) (stop func()) {
	return s.start(c).halt
}

// Say plays a clip to its end. It returns the Cause of ctx if that ends first.
func (s *Stream) Say(ctx context.Context, c Clip) error {
	p := s.start(c)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.halt()
		return context.Cause(ctx)
	}
}

func (s *Stream) start(c Clip) *player {
	p := &player{stop: make(chan struct{}), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(c.samples) == 0 {
		close(p.done)
		return p
	}
	if s.playing != nil {
		s.playing.halt()
	}
	s.playing = p
	s.wait.Go(func() { s.play(p, c) })
	return p
}

// play sends a frame each 20 ms, by a clock that does not drift.
func (s *Stream) play(p *player, c Clip) {
	defer close(p.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for at := 0; ; at += frameSamples {
		select {
		case <-p.stop:
			s.unplay(p)
			return
		case <-timer.C:
		}
		if at >= len(c.samples) {
			if !c.loop {
				s.unplay(p)
				return
			}
			at = 0
		}
		s.frame(p, c.samples[at:min(at+frameSamples, len(c.samples))])
		due = due.Add(frameTime)
		timer.Reset(time.Until(due))
	}
}

func (s *Stream) unplay(p *player) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.playing == p {
		s.playing = nil
		s.out.quiet = true
	}
}

// frame sends 20 ms of a clip.
func (s *Stream) frame(p *player, samples []int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.playing != p || !s.agreed || !s.theirs.hears || s.closed {
		return
	}
	seq, ts, marker := s.out.own(time.Now())
	s.send(s.codec.encode(s.begin(uint8(s.codec), seq, ts, marker), samples))
}
