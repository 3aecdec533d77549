package sip

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is an Endpoint at 10.0.0.1 and its trunk at 10.0.0.2.
type world struct {
	t    *testing.T
	wire *wire
	e    *Endpoint
	*peer

	mu    sync.Mutex
	saved []Snapshot
	acks  map[string]chan struct{} // by Call-ID, for obliging
	acked map[string]bool

	connections uint16 // made to us so far
}

func testLog() *slog.Logger {
	if os.Getenv("SIP_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// inBubble runs a test on virtual time with a world of its own. What is still
// on its way when the test ends is taken in before the endpoint closes: sipgo
// hands each request to a goroutine, and one that finds its connection closed
// opens a real one.
func inBubble(t *testing.T, f func(w *world), with ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(newWorld(t, with...))
		synctest.Wait()
	})
}

func newWorld(t *testing.T, with ...func(*Config)) *world {
	t.Helper()
	wire := newWire()
	return newWorldOn(t, wire, newPeer(t, wire, "10.0.0.2:5060"), with...)
}

func newWorldOn(t *testing.T, wire *wire, p *peer, with ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, wire: wire, peer: p}
	cfg := Config{
		UDP:    []net.PacketConn{w.wire.listen("10.0.0.1:5060")},
		Trunks: []TrunkConfig{{Name: "carrier", Host: "10.0.0.2", Username: "acme", Password: "secret"}},
		Log:    testLog(),
		Save: func(s Snapshot) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.saved = append(w.saved, s)
			return nil
		},
	}
	for _, change := range with {
		change(&cfg)
	}
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.e = e
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// invite is a usual call.
func invite() Invite {
	return Invite{
		Trunk: "carrier", Call: "call_1", Side: "rep",
		From: "+441632960000", To: "+441632960001", Offer: []byte(sdpOffer),
	}
}

// dialled is a Dial under way.
type dialled struct {
	t      *testing.T
	done   chan struct{}
	leg    *Leg
	err    error
	at     time.Time
	cancel context.CancelCauseFunc
}

func (w *world) dial(inv Invite) *dialled {
	ctx, cancel := context.WithCancelCause(context.Background())
	d := &dialled{t: w.t, done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(d.done)
		d.leg, d.err = w.e.Dial(ctx, inv)
		d.at = time.Now()
	}()
	w.t.Cleanup(func() { cancel(context.Canceled); <-d.done })
	return d
}

// up waits for the Leg.
func (d *dialled) up() *Leg {
	d.t.Helper()
	<-d.done
	if d.err != nil {
		d.t.Fatalf("Dial: %v", d.err)
	}
	return d.leg
}

// fails waits for the error.
func (d *dialled) fails() error {
	d.t.Helper()
	<-d.done
	if d.err == nil {
		d.t.Fatal("Dial succeeded")
	}
	return d.err
}

// connect brings a call up with remote tag "callee".
func (w *world) connect(inv Invite) (*Leg, message) {
	w.t.Helper()
	d := w.dial(inv)
	m := w.expect("INVITE")
	w.respond(m, "100 Trying", "")
	w.respond(m, "180 Ringing", "callee", peerContact)
	w.ok(m, "callee")
	w.expect("ACK")
	return d.up(), m
}

// bye answers the BYE that must come next.
func (w *world) answerBye() message {
	w.t.Helper()
	m := w.expect("BYE")
	w.respond(m, "200 OK", "")
	return m
}

// wantEmpty lets every transaction and tombstone expire and looks for leftovers.
func (w *world) wantEmpty() {
	w.t.Helper()
	<-time.After(200 * time.Second)
	synctest.Wait()
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	if len(w.e.legs) != 0 || len(w.e.branches) != 0 {
		w.t.Errorf("left behind: %d legs, %d branches", len(w.e.legs), len(w.e.branches))
	}
	for _, s := range w.e.Trunks() {
		if s.InUse != 0 {
			w.t.Errorf("trunk %s: %d channels in use", s.Name, s.InUse)
		}
	}
}

// states lists what Save was told, in order.
func (w *world) states() []State {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []State
	for _, s := range w.saved {
		all = append(all, s.State)
	}
	return all
}

func localhost() netip.Addr { return netip.MustParseAddr("127.0.0.1") }

func localhostPort(port uint16) netip.AddrPort { return netip.AddrPortFrom(localhost(), port) }
