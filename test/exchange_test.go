package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"log/slog"

	"tandem/bridge"
	"tandem/media"
	"tandem/sip"
	"tandem/test/carrier"
)

// exchange is bridge, sip and media without API and store, for calls by the
// thousand: their phones draw what they do from a seed, and send keys only.
type exchange struct {
	t        *testing.T
	net      *Network
	tap      *Wiretap
	carrier  *carrier.Carrier
	endpoint *sip.Endpoint
	pool     *media.Pool
	bridge   *bridge.Bridge
	dice     *rand.Rand

	mu     sync.Mutex
	events map[string][]bridge.Event // by call
}

// Emit keeps events in memory.
func (x *exchange) Emit(_ context.Context, r bridge.Record, events ...bridge.Event) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.events[r.ID] = append(x.events[r.ID], events...)
	return nil
}

// SaveLeg keeps none: no process dies here.
func (x *exchange) SaveLeg(ctx context.Context, _ bridge.SavedLeg, r bridge.Record, events ...bridge.Event) error {
	return x.Emit(ctx, r, events...)
}

// inExchange runs a test in a bubble of its own, whose signalling takes path,
// and sees that nothing is left.
func inExchange(t *testing.T, seed uint64, path Path, f func(x *exchange)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{t: t, net: NewNetwork(seed), dice: rand.New(rand.NewPCG(seed, 2)), events: make(map[string][]bridge.Event)}
		x.tap = NewWiretap(tandemAt.Addr(), nil)
		x.net.Tap = func(d Datagram) {
			key := len(d.Data) > 12 && d.Data[0]>>6 == 2 && d.Data[1]&0x7f == eventPT
			if d.From == tandemAt || d.To == tandemAt || key {
				x.tap.Datagram(d)
			}
		}
		x.net.Route = func(from, to netip.AddrPort) Path {
			if from == tandemAt || to == tandemAt {
				return path
			}
			return Path{Delay: path.Delay}
		}
		x.open()
		before := goroutines()
		f(x)
		x.bridge.Drain(x.t.Context())
		<-time.After(3 * time.Minute) // every transaction and tombstone expires
		x.wantNothingLeft(before)
		if err := x.endpoint.Close(); err != nil {
			t.Error(err)
		}
		if err := x.pool.Close(); err != nil {
			t.Error(err)
		}
		if err := x.carrier.Close(); err != nil {
			t.Error(err)
		}
		if n := x.net.Open(); n != 0 {
			t.Errorf("%d sockets are still open", n)
		}
	})
}

func (x *exchange) open() {
	x.t.Helper()
	must := func(err error) {
		if err != nil {
			x.t.Fatal(err)
		}
	}
	trunk, err := x.net.Listen(carrierAt)
	must(err)
	x.carrier, err = carrier.Open(trunk, carrier.Options{User: "acme", Password: "secret", Quiet: true,
		ListenRTP: func(at netip.Addr) (net.PacketConn, error) { return x.net.Listen(netip.AddrPortFrom(at, 0)) },
		Script:    x.phone})
	must(err)
	ours, err := x.net.Listen(tandemAt)
	must(err)
	log := slog.New(slog.DiscardHandler)
	x.endpoint, err = sip.Open(sip.Config{UDP: []net.PacketConn{ours}, Log: log,
		Trunks: []sip.TrunkConfig{{Name: "carrier", Host: carrierAt.Addr().String(), Username: "acme", Password: "secret"}}})
	must(err)
	x.pool, err = media.NewPool(media.Config{Bind: tandemAt.Addr(), MinPort: 20000, MaxPort: 24000, Cool: 5 * time.Second, Silence: time.Hour,
		Listen: func(at netip.AddrPort) (media.PacketConn, error) { return x.net.Listen(at) }, Log: log})
	must(err)
	limits := bridge.DefaultLimits()
	limits.RTPStart, limits.Confirm, limits.ProspectRing, limits.Talk = 0, 10*time.Second, 20*time.Second, time.Minute
	limits.OneWay, limits.FirstRTP = time.Hour, time.Hour
	x.bridge = bridge.New(bridge.Config{
		Trunks: dialer{x.endpoint}, Sound: x.pool, Sink: x, Limits: limits, Log: log,
		Route: func(bridge.Side, string) []bridge.Route {
			return []bridge.Route{{Trunk: "carrier", Media: media.Side{Address: tandemAt.Addr(), Codecs: []media.Codec{media.PCMU}, EventPT: 101}}}
		},
		Policy: func() *bridge.Policy { return &bridge.Policy{Region: "US", Allow: []string{"+1"}} },
		Sounds: bridge.Sounds{Chirp: media.Chirp(), Prompt: media.Chirp()},
	})
}

// phone is what a number does: reps' are …551…, prospects' …552….
func (x *exchange) phone(number string) carrier.Script {
	x.mu.Lock()
	dice := rand.New(rand.NewPCG(x.dice.Uint64(), 3))
	x.mu.Unlock()
	some := func(most time.Duration) time.Duration { return time.Duration(dice.Int64N(int64(most))) }
	return func(c *carrier.Call) {
		what := dice.IntN(10)
		if what == 0 {
			c.Reject([]string{"486 Busy Here", "603 Decline", "404 Not Found", "500 Server Internal Error"}[dice.IntN(4)], "")
			return
		}
		if what > 1 {
			c.Ring()
		}
		if what == 2 { // nobody is at home
			<-c.Over()
			return
		}
		if !c.Wait(some(3 * time.Second)) {
			return
		}
		c.Answer(0)
		if number[4] == '5' && number[6] == '1' && what != 3 {
			c.Wait(some(4 * time.Second))
			if dice.IntN(2) == 0 {
				c.PressEvent('1')
			} else {
				c.PressInfo('1')
			}
			c.Wait(some(20 * time.Second))
			return // and hangs up
		}
		c.Wait(some(8 * time.Second))
	}
}

// place starts one of many calls, and may have the API end it.
func (x *exchange) place(i int) {
	r, err := x.bridge.Start(x.t.Context(), bridge.Request{RepNumber: repOf(i), To: prospectOf(i), CallerID: "+12025550199"})
	if err != nil {
		x.t.Errorf("call %d: %v", i, err)
		return
	}
	x.mu.Lock()
	canceled, after := x.dice.IntN(10) == 0, time.Duration(x.dice.Int64N(int64(15*time.Second)))
	x.mu.Unlock()
	if canceled {
		time.AfterFunc(after, func() { _, _ = x.bridge.Hangup(r.ID) })
	}
}

func repOf(i int) string      { return fmt.Sprintf("+1202551%04d", i) }
func prospectOf(i int) string { return fmt.Sprintf("+1202552%04d", i) }

// wantNothingLeft looks for goroutines, sockets, streams, channels and orphaned
// legs. Phones that rang and were never given up, for all that was said to them
// was lost, are put down first.
func (x *exchange) wantNothingLeft(before int) {
	x.t.Helper()
	for _, c := range x.carrier.Calls() {
		c.Forget()
	}
	if after := goroutines(); after > before {
		x.t.Errorf("%d goroutines before, %d after", before, after)
	}
	if n := x.net.Open(); n != 2 {
		x.t.Errorf("%d sockets are open", n)
	}
	if n := x.pool.InUse(); n != 0 {
		x.t.Errorf("%d streams left", n)
	}
	for _, s := range x.endpoint.Trunks() {
		if s.InUse != 0 {
			x.t.Errorf("%d channels left", s.InUse)
		}
	}
	for _, c := range x.carrier.Calls() {
		if final, _, byes, byeSent := c.Fate(); final == 200 && byes == 0 && !byeSent {
			x.t.Errorf("%s answered and is still up", c.Number)
		}
	}
}

// check holds every call to the rules, and says how they ended.
func (x *exchange) check(lossy bool, delay time.Duration) (outcomes map[bridge.Outcome]int) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	outcomes = make(map[bridge.Outcome]int)
	for id, events := range x.events {
		c := Checked{Rep: events[0].Asked.RepNumber, Prospect: events[0].Asked.To, Events: events, Tap: x.tap, Delay: delay, Lossy: lossy}
		if broken := c.Check(); len(broken) > 0 {
			l := &Ladder{Began: events[0].At, Rep: c.Rep, Prospect: c.Prospect}
			for _, e := range events {
				l.Event(e.At, eventText(&e))
			}
			l.Tapped(x.tap)
			x.t.Errorf("%s: %s\n%s", id, strings.Join(broken, "; "), l)
		}
		if end := events[len(events)-1].Ending; end != nil {
			outcomes[end.Outcome]++
		}
	}
	return outcomes
}
