package bridge

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"tandem/dtmf"
	"tandem/media"
	"tandem/sip"
)

// confirmedBy is the flag of how a key was heard.
var confirmedBy = map[dtmf.Method]Flag{
	dtmf.MethodEvent:  FlagConfirmedEvent,
	dtmf.MethodInBand: FlagConfirmedInBand,
	dtmf.MethodInfo:   FlagConfirmedInfo,
}

// or names an end that does not say why: what a hang-up is called depends on
// how far the call had come.
func (e *End) or(reason Reason) End {
	named := *e
	if named.Reason == "" {
		named.Reason = reason
	}
	return named
}

// dial are the limits of one side's INVITE. voicemail is after how long the rep's
// picks up; 0 = not known.
func (l *Limits) dial(side Side, voicemail time.Duration) sip.Timeouts {
	if side == Rep {
		return sip.Timeouts{Trying: l.Trying, Progress: l.RepProgress, Ring: l.repRing(voicemail), Absolute: l.RepTotal}
	}
	return sip.Timeouts{Trying: l.Trying, Progress: l.ProspectProgress, Ring: l.ProspectRing, Absolute: l.ProspectTotal}
}

// turn waits for the trunk's calls-per-second slot.
func (c *call) turn(ctx context.Context, trunk string) *End {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limits.Queue, End{Reason: ReasonQueueTimeout, By: BySystem})
	defer cancel()
	defer time.AfterFunc(keepSoon, c.settled).Stop() // who waits longer is not kept waiting for the news
	if err := c.Trunks.Turn(ctx, trunk); err != nil {
		end := refused("", err, false, dtmf.SignalNone)
		return &end
	}
	return nil
}

// dial places a call and announces what it hears of it, in order. rang says
// whether the far end rang.
func (c *call) dial(ctx context.Context, side Side, inv sip.Invite, sound *media.Stream) (leg AnsweredLeg, rang bool, err error) {
	news := make(chan Event, 2) // at most one of each kind, so that no one waits
	early := false
	ringing, flag := CallRepRinging, Flag("")
	if side == Prospect {
		ringing, flag = CallProspectRinging, FlagProspectRang
	}
	inv.OnProgress = func(p sip.Progress) {
		if !rang && p.Code >= 180 {
			rang = true
			if side == Prospect {
				close(c.rang)
			}
			news <- Event{Type: ringing, Side: side, Flag: flag}
		}
		if len(p.SDP) == 0 {
			return
		}
		if err := sound.Hear(p.SDP); err != nil {
			c.log.Warn("bridge: early media not understood", "side", side, "err", err)
		} else if !early && side == Prospect {
			early = true
			news <- Event{Type: CallUpdated, Side: side, Flag: FlagEarlyMedia}
		}
	}
	dialed := make(chan struct{})
	go func() {
		defer close(dialed)
		c.careful(func() { leg, err = c.Trunks.Dial(ctx, inv) })
		if leg == nil && err == nil { // it panicked, and the call has ended
			err = context.Cause(ctx)
		}
	}()
	for {
		select {
		case e := <-news:
			c.say(e)
		case <-dialed:
			for len(news) > 0 {
				c.say(<-news)
			}
			return leg, rang, err
		}
	}
}

// whoDigit asks who is to be called.
const whoDigit = '3'

// prompt says what to press, until hush is called, first whom it is about if
// that is asked for.
func (c *call) prompt(ctx context.Context, who bool) (hush func()) {
	ctx, cancel := context.WithCancel(ctx)
	var saying sync.WaitGroup
	saying.Go(func() { c.careful(func() { c.sayPrompt(ctx, who) }) })
	return func() {
		cancel()
		saying.Wait()
	}
}

// sayPrompt says it with pauses, once the rep's sound is open.
func (c *call) sayPrompt(ctx context.Context, who bool) {
	clip := c.asking
	if who && c.Sounds.WhoIs != nil {
		clip = media.Concat(c.Sounds.WhoIs(c.asked.To), clip)
	}
	first := time.NewTimer(c.Limits.RTPStart)
	defer first.Stop()
	select {
	case <-c.rep.Started():
	case <-first.C:
	case <-ctx.Done():
		return
	}
	if c.rep.Say(ctx, c.delay) != nil {
		return
	}
	for range c.Limits.Plays {
		if c.rep.Say(ctx, clip) != nil {
			return
		}
	}
	c.rep.Play(c.openLine) // until time is up
}

// comfort lets the rep hear that the key counted, then that we dial, then
// ringing, until quiet is called. What the prospect's own network plays goes
// before ours.
func (c *call) comfort(ctx context.Context) (quiet func()) {
	ctx, cancel := context.WithCancel(ctx)
	var comforting sync.WaitGroup
	comforting.Go(func() { c.careful(func() { c.sayWaiting(ctx) }) })
	return func() {
		cancel()
		comforting.Wait()
	}
}

func (c *call) sayWaiting(ctx context.Context) {
	if c.rep.SayUnder(ctx, c.Sounds.Chirp) != nil {
		return
	}
	select {
	case <-c.rang: // while it chirped
	default:
		stop := c.rep.PlayUnder(c.Sounds.Tick)
		defer stop()
	}
	select {
	case <-c.rang:
		defer c.rep.PlayUnder(c.Sounds.Ringback)() // in the tick's place
		<-ctx.Done()
	case <-ctx.Done():
	}
}

// verified ends a verification: the rep hears that the key counted.
func (c *call) verified(ctx context.Context) End {
	if err := c.settle(ctx); err != nil {
		return End{Reason: ReasonInternalError, By: BySystem, Err: err}
	}
	if c.rep.Say(ctx, media.Concat(c.Sounds.Chirp, media.Silence(verifiedPause), c.Sounds.Chirp)) != nil {
		end := causeOf(ctx) // hung up while it rang: the key had counted
		return end.or(ReasonCompleted)
	}
	return End{Reason: ReasonCompleted, By: BySystem}
}

// verifiedPause is between the two chirps that say "this phone works".
const verifiedPause = 200 * time.Millisecond

// explain tells a rep who is still there why there is nobody to talk to. A rep
// whose CRM hung up is told so too, though the call is over by then.
func (c *call) explain(rep *up, end End) End {
	clip, known := c.Sounds.Why[end.Reason]
	if end.Reason == ReasonCompleted && end.By == ByProspect {
		clip, known = c.Sounds.Over, true
	}
	if !known || !c.Limits.Explain || c.toldByNetwork(end) {
		return end
	}
	ctx, cancel := context.WithTimeout(rep.leg.Context(), c.Limits.WrapUp)
	defer cancel()
	while := c.ctx
	if end.Reason == ReasonCanceledByAPI {
		while = c.life
	}
	stop := context.AfterFunc(while, cancel)
	defer stop()
	if ctx.Err() == nil && while.Err() == nil {
		_ = c.rep.Say(ctx, clip) // cut short if the rep hangs up
	}
	return end
}

// rescue turns a panic into an ending that is reported as the bug it is.
func (c *call) rescue(end *End) {
	if fault := recover(); fault != nil {
		*end = c.bug(fault)
	}
}

// careful runs f, in a goroutine beside the call's own. If it panics, this call
// ends, and no other.
func (c *call) careful(f func()) {
	defer func() {
		if fault := recover(); fault != nil {
			c.end(c.bug(fault))
		}
	}()
	f()
}

func (c *call) bug(fault any) End {
	c.log.Error("bridge: call panicked", "err", fault, "stack", string(debug.Stack()))
	return End{Reason: ReasonInternalError, By: BySystem, Err: fmt.Errorf("panic: %v", fault)}
}
