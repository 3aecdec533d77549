package bridge

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/dtmf"
	"tandem/media"
	"tandem/sip"
)

const (
	repNumber      = "+441632960001"
	prospectNumber = "+441632960002"
)

// world is a bridge whose trunk is the script of a test, on virtual time.
type world struct {
	t    *testing.T
	b    *Bridge
	pool *media.Pool
	far  map[string]*far // by number

	mu     sync.Mutex
	conns  map[netip.AddrPort]*conn
	events []Event
	full   bool // the Sink refuses
	taken  int  // channels
	turn   time.Duration
	to     string // "" = the prospect's number
}

// far is what happens when a number is dialled.
type far struct {
	w       *world
	addr    netip.AddrPort
	rings   time.Duration                      // after a 180; then answer or err
	err     error                              // instead of an answer
	never   bool                               // rings until it is given up
	silent  bool                               // does not ring before that
	early   bool                               // … but its network can be heard
	panics  bool                               // a bug of ours
	answer  string                             // "" = one that can be used
	again   func(offer string) ([]byte, error) // to what it is offered later
	late    time.Duration                      // then it is answered all the same, this long after
	dialed  int
	leg     *fakeLeg
	offered string
	limits  sip.Timeouts
	reoffer func(offer []byte) ([]byte, error)
	info    func(kind string, body []byte) // an INFO that it sends
}

type fakeLeg struct {
	answer []byte
	ctx    context.Context
	down   context.CancelCauseFunc
	mu     sync.Mutex
	byes   int
	over   func()

	reoffers []string
	reanswer func(offer string) ([]byte, error) // nil = it refuses
}

func (l *fakeLeg) Answer() []byte           { return l.answer }
func (l *fakeLeg) Context() context.Context { return l.ctx }

func (l *fakeLeg) Reoffer(_ context.Context, offer []byte) ([]byte, error) {
	l.mu.Lock()
	l.reoffers = append(l.reoffers, string(offer))
	l.mu.Unlock()
	if l.reanswer == nil {
		return nil, &sip.Error{Code: 488, Text: "Not Acceptable Here"}
	}
	return l.reanswer(string(offer))
}

func (l *fakeLeg) WhileUp(f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return f()
}

func (l *fakeLeg) Hangup(sip.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.byes++
		l.down(&sip.Ended{At: time.Now(), By: sip.Us})
		l.over()
	}
}

// bye is the far side hanging up.
func (l *fakeLeg) bye() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.down(&sip.Ended{At: time.Now(), By: sip.Peer, Reason: sip.NormalClearing})
		l.over()
	}
}

// lose is a dialog that is over without a BYE.
func (l *fakeLeg) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.down(&sip.Ended{At: time.Now(), By: sip.Us, Code: 481, Err: why})
		l.over()
	}
}

func (w *world) Dial(ctx context.Context, inv sip.Invite) (_ AnsweredLeg, err error) {
	late := w.far[inv.To].late
	defer func() {
		switch {
		case err != nil && late > 0:
			time.AfterFunc(late, func() { inv.Late(); inv.Over() })
		case err != nil:
			inv.Over()
		}
	}()
	f := w.far[inv.To]
	f.offered, f.limits = string(inv.Offer), inv.Timeouts
	send := func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		f.dialed++
		return nil
	}
	if err := inv.Guard(send); err != nil {
		return nil, err
	}
	if f.panics {
		panic("a bug")
	}
	if !f.silent {
		inv.OnProgress(sip.Progress{Code: 180, Text: "Ringing"})
	}
	if f.early {
		inv.OnProgress(sip.Progress{Code: 183, Text: "Session Progress", SDP: f.describe()})
	}
	wait := f.rings
	if f.never {
		wait = inv.Timeouts.Ring
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(wait):
	}
	switch {
	case f.never:
		return nil, &sip.Error{Err: sip.ErrNoAnswer}
	case f.err != nil:
		return nil, f.err
	}
	l := &fakeLeg{over: inv.Over, reanswer: f.again}
	f.reoffer, f.info = inv.Reoffer, inv.OnInfo
	l.ctx, l.down = context.WithCancelCause(context.Background())
	l.answer = f.describe()
	if f.answer != "" {
		l.answer = []byte(f.answer)
	}
	w.mu.Lock()
	f.leg = l
	w.mu.Unlock()
	return l, nil
}

// describe is the far end's session description.
func (f *far) describe() []byte {
	return []byte("v=0\r\no=- 1 1 IN IP4 " + f.addr.Addr().String() + "\r\ns=-\r\nc=IN IP4 " + f.addr.Addr().String() +
		"\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n")
}

func (w *world) Reserve(trunks ...string) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken+len(trunks) > 4 {
		return nil, sip.ErrNoChannel
	}
	w.taken += len(trunks)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taken -= len(trunks)
	}, nil
}

// Turn is at once, or as long as the test wants.
func (w *world) Turn(ctx context.Context, _ string) error {
	w.mu.Lock()
	wait := w.turn
	w.mu.Unlock()
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *world) Emit(_ context.Context, _ Record, events ...Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		return errors.New("disk full")
	}
	w.events = append(w.events, events...)
	return nil
}

func (w *world) SaveLeg(ctx context.Context, _ SavedLeg, r Record, events ...Event) error {
	return w.Emit(ctx, r, events...)
}

// conn is a socket of the bridge's; only what comes in matters here.
type conn struct {
	in   chan []byte
	from netip.AddrPort
	gone chan struct{}
	once sync.Once
}

func (c *conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-c.in:
		return copy(b, p), c.from, nil
	case <-c.gone:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}
func (c *conn) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (c *conn) LocalAddr() net.Addr                                        { return &net.UDPAddr{} }
func (c *conn) Close() error                                               { c.once.Do(func() { close(c.gone) }); return nil }

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, conns: make(map[netip.AddrPort]*conn)}
		w.far = map[string]*far{
			repNumber:      {w: w, addr: netip.MustParseAddrPort("10.0.0.2:4000"), rings: 2 * time.Second},
			prospectNumber: {w: w, addr: netip.MustParseAddrPort("10.0.0.3:4000"), rings: 3 * time.Second},
		}
		var err error
		w.pool, err = media.NewPool(media.Config{
			Listen: func(addr netip.AddrPort) (media.PacketConn, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.conns[addr] = &conn{in: make(chan []byte, 100), gone: make(chan struct{})}
				return w.conns[addr], nil
			},
			Bind: netip.MustParseAddr("10.0.0.1"), MinPort: 20000, MaxPort: 20099, Silence: 30 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.b = New(Config{
			Trunks: w, Sound: w.pool, Sink: w, Limits: DefaultLimits(),
			Route: func(Side, string) []Route {
				return []Route{{Trunk: "carrier", Media: media.Side{
					Address: netip.MustParseAddr("10.0.0.1"), Codecs: []media.Codec{media.PCMU, media.PCMA}, EventPT: 101, InBand: true}}}
			},
			Policy: func() *Policy { return &Policy{Region: "GB", Allow: []string{"+44"}} },
			Sounds: Sounds{Prompt: media.Chirp(), Ringback: media.Ringback("us"), Chirp: media.Chirp(), Tick: media.Tick(), Wrong: media.ErrorTone(),
				Over: media.EndTone(), Why: map[Reason]media.Clip{ReasonProspectBusy: media.EndTone()}},
		})
		f(w)
		w.b.Drain(t.Context())
		if n := w.pool.InUse(); n != 0 || w.taken != 0 || len(w.b.calls) != 0 || len(w.b.reps) != 0 {
			t.Errorf("left behind: %d streams, %d channels, %d calls", n, w.taken, len(w.b.calls))
		}
		_ = w.pool.Close()
	})
}

func (w *world) start() string {
	w.t.Helper()
	record, err := w.b.Start(w.t.Context(), Request{RepNumber: repNumber, To: cmp.Or(w.to, prospectNumber), CallerID: "+441632960000"})
	if err != nil {
		w.t.Fatal(err)
	}
	return record.ID
}

// press is the rep's phone sending a key, first packet to last.
func (w *world) press(digit byte) {
	w.mu.Lock()
	c := w.conns[netip.MustParseAddrPort("10.0.0.1:20000")]
	c.from = w.far[repNumber].addr
	w.mu.Unlock()
	ts := uint32(time.Now().UnixMilli() * 8)
	for i := range 3 {
		p := binary.BigEndian.AppendUint32([]byte{0x80, 101, 0, byte(i)}, ts)
		p = binary.BigEndian.AppendUint32(p, 7)
		c.in <- dtmf.AppendEvent(p, digit, true, 10, 800)
	}
	synctest.Wait()
}

// only is the one call's record.
func (w *world) only() (record Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		record.Apply(e)
	}
	return record
}

// ended is the context of a leg that is over.
func ended(why error) (context.Context, context.CancelCauseFunc) {
	ctx, down := context.WithCancelCause(context.Background())
	down(why)
	return ctx, down
}

// until waits for an event of this type.
func (w *world) until(kind EventType) {
	w.t.Helper()
	for range 3000 {
		synctest.Wait()
		w.mu.Lock()
		seen := slices.ContainsFunc(w.events, func(e Event) bool { return e.Type == kind })
		w.mu.Unlock()
		if seen {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	w.t.Fatalf("no %s", kind)
}

// wantEnd waits for the call's end and checks what every end must be.
func (w *world) wantEnd(outcome Outcome, reason Reason, by By) {
	w.t.Helper()
	w.until(CallEnded)
	<-time.After(10 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	var record Record
	for i, e := range w.events {
		if e.Seq != i+1 {
			w.t.Errorf("event %d has sequence %d", i+1, e.Seq)
		}
		if e.Type == CallEnded && i != len(w.events)-1 {
			w.t.Errorf("%s came after the end", w.events[i+1].Type)
		}
		record.Apply(e)
	}
	if got := *record.Ending; got != (Ending{outcome, reason, by}) {
		w.t.Errorf("ended %+v, want %s, %s by %s", got, outcome, reason, by)
	}
	for number, f := range w.far {
		if f.leg != nil && f.leg.ctx.Err() == nil {
			w.t.Errorf("%s is still up", number)
		}
		if f.leg != nil && f.leg.byes > 1 {
			w.t.Errorf("%s was hung up %d times", number, f.leg.byes)
		}
	}
}

func (w *world) dialed(number string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.far[number].dialed
}

func (w *world) hangUp(number string) {
	w.mu.Lock()
	l := w.far[number].leg
	w.mu.Unlock()
	l.bye()
}

func TestConnectButtonCountsFromTheAnswerOn(t *testing.T) {
	inBubble(t, func(w *world) {
		id := w.start()
		w.until(CallRepRinging)
		var refused *Refusal
		if _, err := w.b.Confirm(id); !errors.As(err, &refused) || refused.Code != CodeTooEarly {
			t.Errorf("before the answer: %v", err)
		}
		w.until(CallRepAnswered)
		for range 2 {
			if _, err := w.b.Confirm(id); err != nil {
				t.Error(err)
			}
		}
		w.until(CallConnected)
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
	})
}

func TestKeyBeforeTheAnswerDoesNotCount(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.until(CallRepRinging)
		w.press('1')
		w.wantEnd(RepNotConfirmed, ReasonRepNoConfirm, BySystem)
	})
}

// TestProspectIsOfferedWhatTheRepChoseFirst: so that nothing needs transcoding.
func TestProspectIsOfferedWhatTheRepChoseFirst(t *testing.T) {
	for chosen, want := range map[string]string{"0": "RTP/AVP 0 8 ", "8": "RTP/AVP 8 0 "} {
		inBubble(t, func(w *world) {
			rep := w.far[repNumber]
			rep.answer = "v=0\r\no=- 1 1 IN IP4 " + rep.addr.Addr().String() + "\r\ns=-\r\nc=IN IP4 " + rep.addr.Addr().String() +
				"\r\nt=0 0\r\nm=audio 4000 RTP/AVP " + chosen + " 101\r\na=rtpmap:101 telephone-event/8000\r\n"
			id := w.start()
			w.until(CallRepAnswered)
			if _, err := w.b.Confirm(id); err != nil {
				t.Fatal(err)
			}
			w.until(CallConnected)
			if offer := w.far[prospectNumber].offered; !strings.Contains(offer, want) {
				t.Errorf("the rep speaks %s, the prospect is offered\n%s", chosen, offer)
			}
			w.hangUp(prospectNumber)
			w.wantEnd(Completed, ReasonCompleted, ByProspect)
		})
	}
}

func TestOneCallPerRep(t *testing.T) {
	inBubble(t, func(w *world) {
		id := w.start()
		_, err := w.b.Start(w.t.Context(), Request{RepNumber: repNumber, To: prospectNumber, CallerID: "+441632960000"})
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Code != CodeRepBusy || refused.ActiveCall != id {
			t.Errorf("got %v", err)
		}
		_, _ = w.b.Hangup(id)
		w.wantEnd(Canceled, ReasonCanceledByAPI, ByAPI)
	})
}

func TestFullDiskRefusesACallAndLosesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fill()
		_, err := w.b.Start(w.t.Context(), Request{RepNumber: repNumber, To: prospectNumber, CallerID: "+441632960000"})
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Code != CodeStoreUnavailable || w.dialed(repNumber) != 0 {
			t.Errorf("got %v", err)
		}
		w.empty()
	})
}

func TestFullDiskKeepsALiveCallAndItsEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.until(CallRepAnswered)
		w.press('1')
		w.until(CallConnected)
		w.fill()
		w.hangUp(prospectNumber)
		<-time.After(time.Minute)
		w.empty()
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
	})
}
