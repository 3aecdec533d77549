package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tandem/media"
)

// Config is what calls are made of. Everything but Log is needed.
type Config struct {
	Trunks Trunks
	Sound  Sound
	Sink   Sink
	Route  func(side Side, number string) []Route // in the order they are tried; none = nobody takes the number
	Policy func() *Policy                         // as it stands now
	Limits Limits
	Sounds Sounds
	Log    *slog.Logger // nil = none

	// Trace is the id of the trace that a call is in, "" = it is in none; nil = no
	// call is traced.
	Trace func(call, traceparent string) string
}

// Route is one way for a leg to reach its number.
type Route struct {
	Trunk     string
	CallerIDs []string   // numbers the trunk may show, its default first; none = any
	Rate      *Rate      // what it costs, nil = not known
	Media     media.Side // what its stream is like; Call and Name are the bridge's to fill
}

// Sounds is what the rep hears from us.
type Sounds struct {
	Prompt   media.Clip
	Ringback media.Clip
	Chirp    media.Clip
	Tick     media.Clip                     // while the prospect does not ring yet
	Limit    media.Clip                     // the time limit is near
	Wrong    media.Clip                     // a key that means nothing
	Over     media.Clip                     // the prospect hung up
	Why      map[Reason]media.Clip          // why the prospect was not reached
	WhoIs    func(number string) media.Clip // reads a number back; nil = cannot
}

// Bridge is the calls that are up.
type Bridge struct {
	Config
	log  *slog.Logger
	halt context.CancelCauseFunc // ends every call
	life context.Context
	wait sync.WaitGroup

	reserving sync.Mutex // held while a call takes its channels
	tuned     atomic.Pointer[tuning]

	mu       sync.Mutex
	calls    map[string]*call
	reps     map[string]string      // rep's number, or id → call id
	placed   map[string][]time.Time // calls that count against quotas
	draining bool                   // for good
	paused   bool                   // until somebody says otherwise
}

// New returns a Bridge without calls.
func New(cfg Config) *Bridge {
	b := &Bridge{Config: cfg, log: cfg.Log, calls: make(map[string]*call), reps: make(map[string]string), placed: make(map[string][]time.Time)}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.life, b.halt = context.WithCancelCause(context.Background())
	b.Retune(cfg.Limits, cfg.Sounds)
	return b
}

// Start takes a call: its channels, its ports and its first event are certain
// once it returns. What cannot be taken is a *Refusal, and nothing has happened.
func (b *Bridge) Start(ctx context.Context, request Request) (Record, error) {
	asked, err := b.Policy().parse(request)
	if err != nil {
		return Record{}, err
	}
	c, err := b.prepare(request.ID, asked)
	if err != nil {
		return Record{}, err
	}
	if err := c.emit(ctx, Event{Type: CallQueued, Asked: &c.asked}); err != nil {
		c.free()
		return Record{}, &Refusal{Code: CodeStoreUnavailable, Detail: "The call could not be written down, so it was not placed. Try again.", RetryAfter: time.Second}
	}
	record := c.get()
	b.wait.Go(c.live)
	return record, nil
}

// prepare reserves all that a call needs.
func (b *Bridge) prepare(id string, asked Asked) (*call, error) {
	routes, refused := b.ways(&asked)
	if refused != nil {
		return nil, refused
	}
	if refused := b.forbidden(&asked, routes); refused != nil {
		return nil, refused
	}
	keyed := id != ""
	if !keyed {
		id = NewID("call")
	}
	c := &call{keyed: keyed, placedAt: time.Now(), routes: routes, Bridge: b, tuning: b.tuned.Load(), id: id, asked: asked,
		confirm: make(chan struct{}, 1), digits: make(chan string, 8), rang: make(chan struct{}), unhold: make(map[Side]func()), lent: make(map[Side]func()),
		tongues: tongues{make(map[Side]AnsweredLeg), make(chan struct{}, 1)}}
	c.log = b.log.With("call", c.id)
	if b.Trace != nil {
		c.asked.TraceID = b.Trace(c.id, asked.Traceparent)
		c.log = c.log.With("trace_id", c.asked.TraceID)
	}
	if err := b.lock(c); err != nil {
		return nil, err
	}
	if err := c.reserve(); err != nil {
		b.unlock(c)
		return nil, &Refusal{Code: CodeNoCapacity, Detail: "Every channel of the trunk is taken: " + err.Error() + ".", RetryAfter: 10 * time.Second}
	}
	var err error
	c.rep, c.prospect, err = b.Sound.OpenPair(c.side(Rep), c.side(Prospect))
	if err != nil {
		c.release()
		b.unlock(c)
		return nil, &Refusal{Code: CodeNoCapacity, Detail: err.Error() + ".", RetryAfter: 10 * time.Second}
	}
	c.ctx, c.end = context.WithCancelCause(b.life)
	c.free = sync.OnceFunc(func() {
		c.rep.Close()
		c.prospect.Close()
		c.release()
		b.unlock(c)
		c.end(nil)
	})
	return c, nil
}

// side is what the stream of one side is like.
func (c *call) side(side Side) media.Side {
	m := c.routes[side][0].Media
	m.Call, m.Name = c.id, string(side)
	m.Score, m.Dwell = surely, dwell
	return m
}

// lock makes c the rep's one call.
func (b *Bridge) lock(c *call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || b.paused {
		return &Refusal{Code: CodeDraining, Detail: "The server takes no new calls now: it is shutting down, or was told to drain.", RetryAfter: 30 * time.Second}
	}
	if c.Limits.OneCallPerRep {
		if same := b.double(c, c.placedAt); same != nil {
			return same
		}
		for _, rep := range c.asked.reps() {
			if live, busy := b.reps[rep]; busy {
				return &Refusal{Code: CodeRepBusy, Detail: "The rep has a call up. End it, or wait.", ActiveCall: live}
			}
		}
	}
	if refused := b.count(b.Policy().quotas(&c.asked), c.placedAt); refused != nil {
		return refused
	}
	b.calls[c.id] = c
	for _, rep := range c.asked.reps() {
		b.reps[rep] = c.id
	}
	return nil
}

func (b *Bridge) unlock(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.calls, c.id)
	for _, rep := range c.asked.reps() {
		if b.reps[rep] == c.id {
			delete(b.reps, rep)
		}
	}
}

// reps is by what a rep may have one call only: the phone, and who they are.
func (a *Asked) reps() []string {
	if a.RepID == "" {
		return []string{a.RepNumber}
	}
	return []string{a.RepNumber, a.RepID}
}

func (b *Bridge) find(id string) (*call, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.calls[id]; c != nil {
		return c, nil
	}
	return nil, &Refusal{Code: CodeNotFound, Detail: "No call with this id is up."}
}

// Draining reports whether no new calls are taken.
func (b *Bridge) Draining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draining || b.paused
}

// Pause takes no new calls, or takes them again; those that are up go on.
func (b *Bridge) Pause(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paused = on
}

// Get returns a live call's record.
func (b *Bridge) Get(id string) (Record, error) {
	c, err := b.find(id)
	if err != nil {
		return Record{}, err
	}
	return c.get(), nil
}

// Hangup ends a live call, whatever it is at. It may be called again.
func (b *Bridge) Hangup(id string) (Record, error) { return b.End(id, ByAPI) }

// End is Hangup by somebody else: the rep's page.
func (b *Bridge) End(id string, by By) (Record, error) {
	c, err := b.find(id)
	if err != nil {
		return Record{}, err
	}
	c.end(End{Reason: ReasonCanceledByAPI, By: by})
	return c.get(), nil
}

// Confirm is the Connect button: it counts as the key, from the rep's answer on.
func (b *Bridge) Confirm(id string) (Record, error) {
	c, err := b.find(id)
	if err != nil {
		return Record{}, err
	}
	record := c.get()
	switch record.Status {
	case Queued, CallingRep:
		return Record{}, &Refusal{Code: CodeTooEarly, Detail: "The rep's phone has not been answered yet."}
	case AwaitingConfirmation:
		select {
		case c.confirm <- struct{}{}:
		default: // pressed twice
		}
	}
	return record, nil
}

// SendDigits has digits sent to the prospect, once they talk; it does not wait.
// "w" and "," are half a second of rest.
func (b *Bridge) SendDigits(id, digits string) error {
	c, err := b.find(id)
	if err != nil {
		return err
	}
	if record := c.get(); record.Prospect.Status != LegAnswered {
		return &Refusal{Code: CodeTooEarly, Detail: "The prospect has not answered: the call is " + string(record.Status) + "."}
	}
	select {
	case c.digits <- digits:
		return nil
	default:
		return &Refusal{Code: CodeTooEarly, Detail: "Earlier digits are still being sent."}
	}
}

// Drain takes no more calls and waits for those that are up. When ctx ends
// first, it ends them, and waits for that.
func (b *Bridge) Drain(ctx context.Context) {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { b.halt(End{Reason: ReasonServerShutdown, By: BySystem}) })
	defer stop()
	b.wait.Wait()
}
