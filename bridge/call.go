package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tandem/media"
	"tandem/sip"
)

// call is one pass-through: ring the rep, hear a 1, ring the prospect, let them
// talk. Its methods run in its own goroutine, but for get.
type call struct {
	*Bridge
	*tuning
	tongues
	id     string
	asked  Asked
	routes map[Side][]Route // the one in use first
	lent   map[Side]func()  // gives its channel back
	log    *slog.Logger

	placedAt time.Time
	keyed    bool // its id was given, so that a repetition would be known by it

	ctx     context.Context
	end     context.CancelCauseFunc // with an End: whoever is first ends the call
	confirm chan struct{}           // the Connect button
	digits  chan string             // to be sent to the prospect
	rang    chan struct{}           // closed when the prospect's phone rings
	late    atomic.Bool             // the prospect answered after all was over
	free    func()

	machineAfter time.Duration // of ringing, the rep's voicemail picks up; 0 = not known

	rep, prospect *media.Stream
	over          []<-chan struct{} // Done of every leg

	mu      sync.Mutex
	record  Record
	told    int             // presses that events tell of
	unsaved []Event         // applied, and not kept by the Sink yet
	unhold  map[Side]func() // of those who hold the call
}

// live is the call's goroutine.
func (c *call) live() {
	c.finish(c.run(c.ctx))
}

// run carries the call from the request to the last hang-up. It is the whole
// state machine: every step is a state, every return an ending, every defer a
// clean-up that happens whatever the ending.
func (c *call) run(ctx context.Context) (end End) {
	defer c.rescue(&end)
	presses, deaf := c.rep.Listen()
	defer deaf()

	// 1. Ring the rep, until the voicemail would answer.
	c.machineAfter = c.voicemail(ctx)
	rep, err := c.ring(ctx, Rep, c.rep, nil)
	if err != nil {
		return err.or(ReasonRepNoAnswer)
	}
	defer func() { rep.hangUp(end) }()

	// 2. Ask the rep to press 1. Keys from before the answer do not count.
	for len(presses) > 0 {
		<-presses
	}
	if err := c.dialOn(rep.ctx, c.rep, c.asked.RepExtension, nil); err != nil {
		return err.or(ReasonRepLeftPrompt)
	}
	confirmed, err := c.ask(rep.ctx, presses)
	if err != nil {
		return c.explain(rep, err.or(ReasonRepLeftPrompt))
	}
	c.note(confirmed) // to be kept with the INVITE that it leads to
	if c.asked.Kind == Verification {
		return c.verified(rep.ctx)
	}

	// 3. Ring the prospect, if the rules still let us. The rep hears ringing, or
	// what the far network plays, and may press * to give up.
	if refused := c.forbidden(&c.asked, c.routes); refused != nil {
		c.settled()
		return c.explain(rep, End{Reason: Reason(refused.Code), By: BySystem, Err: refused})
	}
	part := media.Join(c.rep, c.prospect)
	defer part()
	quiet := c.comfort(rep.ctx)
	ringing, noMore := c.unlessStar(rep.ctx, presses)
	prospect, err := c.ring(ringing, Prospect, c.prospect, rep.leg.WhileUp)
	noMore()
	quiet()
	if err != nil {
		return c.explain(rep, err.or(ReasonRepGone))
	}
	defer func() { prospect.hangUp(end) }()

	// 4. Dial the extension, then let them talk, until one hangs up, one falls silent, or time is up.
	if err := c.dialOn(prospect.ctx, c.prospect, c.asked.Extension, presses); err != nil {
		end = err.or(leftWhileDialing[err.Side])
		prospect.hangUp(end)
		return c.explain(rep, end)
	}
	if err := c.emit(ctx, Event{Type: CallConnected}); err != nil {
		c.log.Error("bridge: event not kept yet", "err", err) // they talk all the same
	}
	deaf() // nobody waits for tones any more, so the sound may go by the kernel
	end = earlier(c.talk(prospect.ctx), rep.leg, prospect.leg)
	prospect.hangUp(end) // before the rep is told: that takes time, and is no talk
	return c.explain(rep, end)
}

// up is a leg that is answered.
type up struct {
	leg    AnsweredLeg
	ctx    context.Context // ends with the leg, or with the call; its Cause is an End
	hangUp func(why End)
}

// ring calls one side, and returns once it has answered with sound we can carry.
func (c *call) ring(ctx context.Context, side Side, sound *media.Stream, guard func(func() error) error) (*up, *End) {
	number, answered := c.asked.RepNumber, CallRepAnswered
	if side == Prospect {
		number, answered = c.asked.To, CallProspectAnswered
	}
	leg, end := c.hunt(ctx, side, sip.Invite{
		Call: c.id, Side: string(side), To: number, Timeouts: c.Limits.dial(side, c.machineAfter),
		Reoffer: c.reoffer(side, sound), Reaccept: c.reaccept(side, sound), Guard: guard,
		Late: func() { c.late.Store(side == Prospect) },
		OnInfo: func(kind string, body []byte) {
			if err := sound.Info(kind, body); err != nil {
				c.log.Debug("bridge: info not understood", "side", side, "err", err)
			}
		},
	}, sound)
	if end != nil {
		return nil, end
	}
	if err := c.accept(ctx, side, leg, sound); err != nil {
		leg.Hangup(unusable(err))
		end := End{Reason: badCodec.of(side), By: ByCarrier, Side: side, Hangup: &Hangup{Cause: CauseError, Text: blaming(FaultOfAnswer(err), err.Error())}, Err: err}
		c.legOver(side, end)
		return nil, &end
	}
	c.note(Event{Type: answered, Side: side})
	if side == Rep || c.asked.Extension != "" { // else call.connected is next
		c.settled()
	}
	return c.narrow(ctx, side, leg, sound), nil
}

// narrow makes a context that ends with a leg.
func (c *call) narrow(ctx context.Context, side Side, leg AnsweredLeg, sound *media.Stream) *up {
	here, down := context.WithCancelCause(ctx)
	forget := context.AfterFunc(leg.Context(), func() { down(gone(side, context.Cause(leg.Context()))) })
	var watch sync.WaitGroup
	c.attend(here, side, sound, &watch)
	var once sync.Once
	return &up{leg: leg, ctx: here, hangUp: func(why End) {
		once.Do(func() {
			forget()
			down(nil)
			watch.Wait()
			leg.Hangup(sip.NormalClearing)
			c.legOver(side, parted(side, context.Cause(leg.Context()), why))
		})
	}}
}

// talk only waits: the sound passes in the streams' own goroutines, not here.
func (c *call) talk(ctx context.Context) End {
	limit := c.Limits.Talk
	if asked := c.asked.MaxDuration; asked > 0 {
		limit = min(limit, asked)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, End{Reason: ReasonMaxDuration, By: BySystem})
	defer cancel()
	ctx, hangUp := context.WithCancelCause(ctx)
	busy := c.whileTalking(ctx, limit, hangUp)
	defer busy()
	defer hangUp(nil)
	select {
	case <-c.rep.Lost():
		return End{Reason: ReasonMediaTimeout, By: BySystem, Side: Rep}
	case <-c.prospect.Lost():
		return End{Reason: ReasonMediaTimeout, By: BySystem, Side: Prospect}
	case <-ctx.Done():
		end := causeOf(ctx)
		if end.Reason == ReasonCanceledByAPI {
			end.Reason = ReasonCompleted
		}
		return end.or(ReasonCompleted)
	}
}
