package bridge

import (
	"context"
	"time"

	"tandem/media"
)

const (
	keepWithin = 2 * time.Second // the longest a step waits for the Sink
	keepAgain  = time.Second     // between two tries to keep a call's end
	lastTries  = 3               // of them once the server goes down: the next start ends the call then
)

// get returns a copy of the record as it stands.
func (c *call) get() Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Clone()
}

// emit applies an event to the record and has it kept, with those that could
// not be kept before it. After an error it is tried again with the next.
func (c *call) emit(ctx context.Context, e Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.ID, e.Call, e.Seq, e.At = NewID("evt"), c.id, c.record.Sequence+1, time.Now()
	c.record.Apply(e)
	c.unsaved = append(c.unsaved, e)
	return c.keep(ctx)
}

func (c *call) keep(ctx context.Context) error {
	// What happened is kept even when it was the end of the call.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	if err := c.Sink.Emit(ctx, c.record.Clone(), c.unsaved...); err != nil {
		return err
	}
	c.unsaved = nil
	return nil
}

// must is emit where nothing may follow that was not kept.
func (c *call) must(ctx context.Context, e Event) *End {
	if err := c.emit(ctx, e); err != nil {
		return &End{Reason: ReasonInternalError, By: BySystem, Err: err}
	}
	return nil
}

// say is emit where the call goes on all the same.
func (c *call) say(e Event) {
	if err := c.emit(c.ctx, e); err != nil {
		c.log.Error("bridge: event not kept yet", "err", err)
	}
}

// legOver notes how one leg ended.
func (c *call) legOver(side Side, end End) {
	hangup := end.Hangup
	if hangup == nil || end.Side != side {
		hangup = &Hangup{Cause: CauseCanceled}
	}
	sound := c.rep
	if side == Prospect {
		sound = c.prospect
	}
	c.say(Event{Type: CallUpdated, Side: side, Hangup: hangup, Quality: quality(sound.Stats())})
}

// quality is what a leg sounded like; nil where nothing was ever heard or said.
func quality(s media.Stats) *Quality {
	if s.Received == 0 && s.Sent == 0 {
		return nil
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	mos, _ := s.MOS()
	far, _ := s.FarMOS()
	return &Quality{
		MOS: mos, JitterMS: ms(s.Jitter), LossRatio: s.Loss(), MaxGapMS: ms(s.MaxGap), Received: s.Received, Sent: s.Sent,
		RTTMS: ms(s.RTT), FarMOS: far, FarJitterMS: ms(s.Far.Jitter), FarLossRatio: s.Far.Loss,
	}
}

// finish waits until both legs are off the wire, gives everything back, and
// writes the one last event. While the server is up it does not rest until the end is
// kept.
func (c *call) finish(end End) {
	patience := time.NewTimer(c.Limits.Bye)
	defer patience.Stop()
	for _, over := range c.over {
		select {
		case <-over:
		case <-patience.C:
			patience.Reset(0)
		}
	}
	if end.Reason == "" {
		end = End{Reason: ReasonInternalError, By: BySystem, Err: end.Err}
	}
	if c.late.Load() {
		c.say(Event{Type: CallUpdated, Side: Prospect, Flag: FlagProspectAnsweredLate})
	}
	record := c.get()
	ending := &Ending{Outcome: end.Reason.outcome(!record.ConnectedAt.IsZero()), Reason: end.Reason, By: end.By}
	// The rep, the channels and the ports are free before anybody is told: who
	// hears of the end may place the next call at once.
	ctx := context.WithoutCancel(c.ctx)
	c.free()
	err := c.emit(ctx, Event{Type: CallEnded, Ending: ending, Press: end.Press})
	for tries := 0; err != nil && (c.life.Err() == nil || tries < lastTries); tries++ {
		c.log.Error("bridge: end not kept yet", "err", err)
		time.Sleep(keepAgain)
		c.mu.Lock()
		err = c.keep(context.Background())
		c.mu.Unlock()
	}
	c.log.Info("call ended", "outcome", ending.Outcome, "err", end.Err)
}
