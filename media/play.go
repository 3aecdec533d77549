package media

import (
	"context"
	"sync"
	"time"
)

const frameTime = 20 * time.Millisecond

// player is one clip under way.
type player struct {
	under bool // gives way to what is relayed
	stop  chan struct{}
	once  sync.Once
	done  chan struct{} // closed when it plays no more
}

func (p *player) halt() { p.once.Do(func() { close(p.stop) }) }

// Play plays a clip at once, in place of one that plays; what is relayed to this
// leg is not heard meanwhile. stop ends it within 20 ms and may be called again.
func (s *Stream) Play(c Clip) (stop func()) {
	return s.start(c).halt
}

// underGap is how long the far leg may be silent before what plays under it is
// heard again [T_b_rtp_gap].
const underGap = time.Second

// PlayUnder is Play that gives way: while the other leg's sound comes, that is
// heard instead, from its first packet.
func (s *Stream) PlayUnder(c Clip) (stop func()) {
	return s.playAs(&player{under: true}, c).halt
}

// Say plays a clip to its end. It returns the Cause of ctx if that ends first.
func (s *Stream) Say(ctx context.Context, c Clip) error {
	return wait(ctx, s.start(c))
}

// SayUnder is Say that gives way, as PlayUnder does.
func (s *Stream) SayUnder(ctx context.Context, c Clip) error {
	return wait(ctx, s.playAs(&player{under: true}, c))
}

func wait(ctx context.Context, p *player) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.halt()
		return context.Cause(ctx)
	}
}

func (s *Stream) start(c Clip) *player { return s.playAs(&player{}, c) }

func (s *Stream) playAs(p *player, c Clip) *player {
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(c.samples) == 0 {
		close(p.done)
		return p
	}
	s.reclaim()
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
			if !c.loop && !c.silent {
				s.unplay(p)
				return
			}
			at = 0
		}
		if !c.silent {
			s.frame(p, c.samples[at:min(at+frameSamples, len(c.samples))])
		}
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
	now := time.Now()
	if s.playing != p || !s.agreed || !s.speaks || !s.theirs.hears || s.closed || p.under && now.Sub(s.relayed) < underGap {
		return
	}
	seq, ts, marker := s.use(sampleRate).own(now)
	s.send(s.coder.encode(s.begin(uint8(s.law), seq, ts, marker), s.law, samples))
}
