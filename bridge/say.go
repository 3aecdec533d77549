package bridge

import (
	"context"
	"time"

	"tandem/media"
)

const (
	keepWithin = 2 * time.Second       // the longest a step waits for the Sink
	keepSoon   = 20 * time.Millisecond // what was noted does not wait longer for what comes with it
	keepAgain  = time.Second           // between two tries to keep a call's end
	lastTries  = 3                     // of them once the server goes down: the next start ends the call then
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
	c.apply(e)
	return c.keep(ctx)
}

// note applies an event that is kept with the next one, or with the leg that it
// leads to: two facts of one step are one write.
func (c *call) note(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apply(e)
}

// now is the time by the clock that showed placedAt, so that no call is longer or
// shorter, or costs something else, because the machine's clock was set meanwhile.
func (c *call) now() time.Time { return c.placedAt.Add(time.Since(c.placedAt)) }

func (c *call) apply(e Event) {
	e.ID, e.Call, e.Seq, e.At = NewID("evt"), c.id, c.record.Sequence+1, c.now()
	c.record.Apply(e)
	c.unsaved = append(c.unsaved, e)
}

// settle keeps what was noted. Nothing that it says may be acted on before.
func (c *call) settle(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unsaved) == 0 {
		return nil
	}
	return c.keep(ctx)
}

// saveLeg keeps a SIP leg, and what was noted on the way to it.
func (c *call) saveLeg(ctx context.Context, leg SavedLeg) error {
	c.mu.Lock()
	if len(c.unsaved) == 0 { // it need not wait for this call's other writes
		c.mu.Unlock()
		return c.Sink.SaveLeg(ctx, leg, Record{})
	}
	defer c.mu.Unlock()
	if err := c.Sink.SaveLeg(ctx, leg, c.record.Clone(), c.unsaved...); err != nil {
		return err
	}
	c.unsaved = nil
	return nil
}

// SaveLeg keeps a SIP leg of a call, durably before it returns nil: with the
// event that led to it, if that one is not kept yet.
func (b *Bridge) SaveLeg(ctx context.Context, leg SavedLeg) error {
	c, err := b.find(leg.Call)
	if err != nil { // its call is over, or of an earlier process
		return b.Sink.SaveLeg(ctx, leg, Record{})
	}
	return c.saveLeg(ctx, leg)
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

// onceKept is a guard that lets nothing leave before all that was noted is kept.
func (c *call) onceKept(ctx context.Context, guard func(send func() error) error) func(send func() error) error {
	return func(send func() error) error {
		if err := c.settle(ctx); err != nil {
			return End{Reason: ReasonInternalError, By: BySystem, Err: err}
		}
		if guard == nil {
			return send()
		}
		return guard(send)
	}
}

// settled is settle where the call goes on all the same.
func (c *call) settled() {
	if err := c.settle(c.ctx); err != nil {
		c.log.Error("bridge: event not kept yet", "err", err)
	}
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
	c.say(Event{Type: CallUpdated, Side: side, Hangup: hangup, Quality: quality(sound.Stats(), sound.Intervals())})
}

// quality is what a leg sounded like; nil where nothing was ever heard or said.
func quality(s media.Stats, intervals []media.Interval) *Quality {
	if s.Received == 0 && s.Sent == 0 {
		return nil
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	mos, _ := s.MOS()
	far, _ := s.FarMOS()
	series := make([]Heard, len(intervals))
	for i, in := range intervals {
		series[i] = Heard{UntilMS: in.Until.Milliseconds(), LossRatio: in.Loss(), JitterMS: ms(in.Jitter)}
	}
	return &Quality{
		MOS: mos, JitterMS: ms(s.Jitter), LossRatio: s.Loss(), MaxGapMS: ms(s.MaxGap), Received: s.Received, Sent: s.Sent,
		RTTMS: ms(s.RTT), FarMOS: far, FarJitterMS: ms(s.Far.Jitter), FarLossRatio: s.Far.Loss,
		Series: series,
	}
}

// finish waits until both legs are off the wire, gives everything back, and
// writes the end, with what it cost. While the server is up it does not rest until the end is
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
	c.note(Event{Type: CallEnded, Ending: ending, Press: end.Press, Voicemail: end.Voicemail})
	if record.Priced() {
		c.note(Event{Type: CallCostFinal})
	}
	err := c.settle(ctx)
	for tries := 0; err != nil && (c.life.Err() == nil || tries < lastTries); tries++ {
		c.log.Error("bridge: end not kept yet", "err", err)
		time.Sleep(keepAgain)
		c.mu.Lock()
		err = c.keep(context.Background())
		c.mu.Unlock()
	}
	c.log.Info("call ended", "outcome", ending.Outcome, "rep", c.asked.RepNumber, "to", c.asked.To, "dur", record.Talk(c.now()), "err", end.Err)
}
