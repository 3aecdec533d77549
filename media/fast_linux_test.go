package media

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"tandem/dtmf"
	"tandem/media/kernel"
	"tandem/test/namespace"
)

// pace is how often phones send here: often, and not more than rateCap.
const pace = 2500 * time.Microsecond

// farEnd is a phone on a real socket that writes its RTP by hand.
type farEnd struct {
	t      *testing.T
	conn   *net.UDPConn
	at, to netip.AddrPort
	ssrc   uint32
	seq    uint16
	ts     uint32
	tick   *time.Ticker
}

func newFarEnd(t *testing.T) *farEnd {
	f := &farEnd{t: t, ssrc: rand.Uint32(), seq: 65400, ts: 0xffffffff - 100*frameSamples, tick: time.NewTicker(pace)}
	f.listen()
	t.Cleanup(func() { f.conn.Close(); f.tick.Stop() })
	return f
}

// listen opens a socket, in place of one there was.
func (f *farEnd) listen() {
	f.t.Helper()
	if f.conn != nil {
		f.conn.Close()
	}
	var err error
	if f.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		f.t.Fatal(err)
	}
	f.at = f.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (f *farEnd) sdp(direction string) []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0 101\r\n"+
		"a=rtpmap:101 telephone-event/8000\r\na=%s\r\n", f.at.Port(), direction)
}

func (f *farEnd) send(pt uint8, ts uint32, payload []byte) {
	f.t.Helper()
	<-f.tick.C
	b := binary.BigEndian.AppendUint16([]byte{0x80, pt}, f.seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, f.ssrc)
	if _, err := f.conn.WriteToUDPAddrPort(append(b, payload...), f.to); err != nil {
		f.t.Fatal(err)
	}
	f.seq++
}

// frame sends 20 ms of sound.
func (f *farEnd) frame() {
	f.t.Helper()
	f.send(0, f.ts, slices.Repeat([]byte{0x12, 0x92}, frameSamples/2))
	f.ts += frameSamples
}

// lose takes n packets off the line.
func (f *farEnd) lose(n int) {
	f.seq += uint16(n)
	f.ts += uint32(n) * frameSamples
}

// key sends one packet of a press that began at ts.
func (f *farEnd) key(digit byte, ts uint32, n int) {
	f.t.Helper()
	f.send(101, ts, dtmf.AppendEvent(nil, digit, n >= 5, 10, uint16(frameSamples*min(n+1, 6))))
	f.ts += frameSamples
}

// hear returns the next packet.
func (f *farEnd) hear() []byte {
	f.t.Helper()
	b := make([]byte, maxPacket)
	if err := f.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	n, err := f.conn.Read(b)
	if err != nil {
		f.t.Fatalf("heard nothing: %v", err)
	}
	return b[:n]
}

// fastWorld is a call on real sockets, with the kernel path.
type fastWorld struct {
	t           *testing.T
	table       *kernel.Table
	pool        *Pool
	a, b        *farEnd
	rep, caller *Stream // of a and b
	part        func()
	fell        []string
	mu          sync.Mutex
}

// fast runs the test in a network of its own.
func fast(t *testing.T, f func(w *fastWorld)) {
	if !namespace.Alone(t, func(t *testing.T) {
		if _, err := kernel.Open(kernel.Config{Interfaces: []string{"lo"}, Flows: 1}); err == nil {
			t.Fatal("the kernel path is there, on a machine that cannot have it")
		}
	}) {
		return
	}
	w := &fastWorld{t: t}
	w.table = openTable(t)
	w.pool = w.newPool(w.table)
	w.a, w.b = newFarEnd(t), newFarEnd(t)
	w.connect()
	f(w)
}

// reasons is why directions stayed up.
func (w *fastWorld) reasons() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.fell)
}

func openTable(t *testing.T) *kernel.Table {
	t.Helper()
	table, err := kernel.Open(kernel.Config{Interfaces: []string{"lo"}, Flows: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func (w *fastWorld) newPool(table *kernel.Table) *Pool {
	w.t.Helper()
	pool, err := NewPool(Config{
		Listen: UDP(46), Bind: netip.IPv4Unspecified(), MinPort: 20000, MaxPort: 20999, Silence: 4 * time.Second, Symmetric: true,
		Kernel: table, DSCP: 46, Fell: func(reason string) { w.mu.Lock(); defer w.mu.Unlock(); w.fell = append(w.fell, reason) },
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { pool.Close() })
	return pool
}

func (w *fastWorld) connect() {
	w.t.Helper()
	side := Side{Address: netip.MustParseAddr("127.0.0.1"), Codecs: []Codec{PCMU, PCMA}, EventPT: 101, InBand: true}
	var err error
	if w.rep, w.caller, err = w.pool.OpenPair(side, side); err != nil {
		w.t.Fatal(err)
	}
	for s, f := range map[*Stream]*farEnd{w.rep: w.a, w.caller: w.b} {
		if err := s.Accept(f.sdp("sendrecv")); err != nil {
			w.t.Fatal(err)
		}
		f.to = netip.AddrPortFrom(side.Address, s.port)
	}
	w.part = Join(w.rep, w.caller)
}

// talk passes n packets from one far end to the other, one at a time, and
// returns the last that was heard.
func talk(n int, from, to *farEnd) (last []byte) {
	from.t.Helper()
	for range n {
		from.frame()
		last = to.hear()
	}
	return last
}

// descended talks until both directions are below.
func (w *fastWorld) descended() {
	w.t.Helper()
	for range 50 {
		talk(settleAfter, w.a, w.b)
		talk(settleAfter, w.b, w.a)
		if w.pool.Below() == 2 {
			return
		}
	}
	w.t.Fatalf("%d directions are below; stayed up for %v", w.pool.Below(), w.reasons())
}

// none says that no flow is left.
func (w *fastWorld) none() {
	w.t.Helper()
	if n := w.table.Len(); n != 0 || w.pool.Below() != 0 {
		w.t.Fatalf("%d flows left, %d directions below", n, w.pool.Below())
	}
}

func TestTalkGoesDownAndIsCounted(t *testing.T) {
	fast(t, func(w *fastWorld) {
		w.descended()
		before, other := w.rep.Stats(), w.caller.Stats()
		talk(500, w.a, w.b)
		w.a.lose(5)
		last := talk(70, w.a, w.b)
		if last[1] != 0 || len(last) != rtpHeader+frameSamples {
			t.Errorf("heard %x…", last[:12])
		}
		if w.pool.Below() != 2 {
			t.Fatalf("%d directions are below", w.pool.Below())
		}
		after, sent := w.rep.Stats(), w.caller.Stats()
		if n := after.Received - before.Received; n != 570 {
			t.Errorf("received %d", n)
		}
		if n := sent.Sent - other.Sent; n != 570 || sent.SentBytes-other.SentBytes != 570*frameSamples {
			t.Errorf("sent %d, %d octets", n, sent.SentBytes-other.SentBytes)
		}
		if after.Expected-before.Expected != 575 || after.Lost != 5 || after.Bursts != 1 || after.Silent || after.Jitter == 0 {
			t.Errorf("%+v", after)
		}
		w.rep.Close()
		w.none()
		if again := w.rep.Stats(); again != after {
			t.Errorf("closed: %+v, was %+v", again, after)
		}
	})
}

// TestKeysComeUp: a press while the talk is below is heard, passed on in its
// place, and the talk goes down again.
func TestKeysComeUp(t *testing.T) {
	fast(t, func(w *fastWorld) {
		presses, deaf := w.caller.Listen()
		defer deaf()
		w.descendedOneWay()
		seq := binary.BigEndian.Uint16(talk(1, w.a, w.b)[2:])
		ears, stop := w.rep.Listen() // for tones too: the rep's sound comes up
		defer stop()
		if n := w.pool.Below(); n != 0 {
			t.Fatalf("%d directions are below while tones are listened for", n)
		}
		start := w.a.ts
		for i := range 8 {
			w.a.key('5', start, i)
			b := w.b.hear()
			if seq++; binary.BigEndian.Uint16(b[2:]) != seq || b[1]&0x7f != 101 {
				t.Fatalf("heard %x, want event %d", b, seq)
			}
		}
		if p := <-ears; p.Digit != '5' || p.Method != dtmf.MethodEvent {
			t.Errorf("pressed %+v", p)
		}
		stop()
		w.descendedOneWay()
		start = w.a.ts
		for i := range 8 { // nobody listens now, and it is passed on all the same
			w.a.key('7', start, i)
			if b := w.b.hear(); b[1]&0x7f != 101 {
				t.Fatalf("heard %x", b)
			}
			if n := w.pool.Below(); n != 0 {
				t.Fatal("a press went by, and the talk is below")
			}
		}
		w.descendedOneWay()
		if len(presses) != 0 {
			t.Errorf("the caller pressed %v", <-presses)
		}
	})
}

// descendedOneWay talks until what a says is below.
func (w *fastWorld) descendedOneWay() {
	w.t.Helper()
	for range 50 {
		talk(settleAfter, w.a, w.b)
		if w.pool.Below() == 1 {
			return
		}
	}
	w.t.Fatalf("%d directions are below; stayed up for %v", w.pool.Below(), w.reasons())
}

// TestChangesTakeItUpAtOnce: whatever the flow was set up with changes, and no
// packet goes by the old flow from then on.
func TestChangesTakeItUpAtOnce(t *testing.T) {
	reoffer := func(s *Stream, sdp []byte) error { _, err := s.Reoffer(sdp); return err }
	changes := map[string]struct {
		change func(w *fastWorld) error
		left   int // directions
	}{
		"rep holds":         {func(w *fastWorld) error { return reoffer(w.rep, w.a.sdp("sendonly")) }, 0},
		"prospect holds":    {func(w *fastWorld) error { return reoffer(w.caller, w.b.sdp("inactive")) }, 0},
		"re-INVITE, as was": {func(w *fastWorld) error { return reoffer(w.caller, w.b.sdp("sendrecv")) }, 0},
		"prompt":            {func(w *fastWorld) error { w.caller.Play(Tick()); return nil }, 1},
		"digits": {func(w *fastWorld) error {
			go w.caller.SendDigits(w.t.Context(), "5")
			<-w.until(func() bool { return w.pool.Below() == 1 })
			return nil
		}, 1},
		"ear for tones": {func(w *fastWorld) error { w.rep.Listen(); return nil }, 1},
		"part":          {func(w *fastWorld) error { w.part(); return nil }, 0},
		"rep ends":      {func(w *fastWorld) error { w.rep.Close(); return nil }, 0},
		"prospect ends": {func(w *fastWorld) error { w.caller.Close(); return nil }, 0},
		"shutdown":      {func(w *fastWorld) error { return w.pool.Close() }, 0},
	}
	fast(t, func(w *fastWorld) {
		for name, c := range changes {
			w.descended()
			if err := c.change(w); err != nil {
				t.Fatal(name, err)
			}
			if n, below := w.table.Len(), w.pool.Below(); n != c.left || below != c.left {
				t.Errorf("%s: %d flows in the table, %d directions below", name, n, below)
			}
			w.rep.Close()
			w.caller.Close()
			w.none()
			w.pool.Close()
			w.pool = w.newPool(w.table)
			w.a.listen()
			w.b.listen()
			w.connect()
		}
	})
}

// until is closed once it is true.
func (w *fastWorld) until(is func() bool) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for limit := time.Now().Add(20 * time.Second); !is() && time.Now().Before(limit); {
			<-time.After(time.Millisecond)
		}
	}()
	return done
}

// TestMovedFarEnd: a re-INVITE with another address; what b says goes there at
// once, and goes down again.
func TestMovedFarEnd(t *testing.T) {
	fast(t, func(w *fastWorld) {
		w.descended()
		w.a.listen()
		if _, err := w.rep.Reoffer(w.a.sdp("sendrecv")); err != nil {
			t.Fatal(err)
		}
		w.none()
		w.descended()
	})
}

func TestSilenceBelowIsNoticed(t *testing.T) {
	fast(t, func(w *fastWorld) {
		w.descended()
		began := time.Now()
		for time.Since(began) < 3*time.Second { // longer than Silence: b talks, by the kernel
			talk(100, w.b, w.a)
		}
		select {
		case <-w.rep.Lost():
		case <-time.After(20 * time.Second):
			t.Fatal("a has said nothing, and is not lost")
		}
		select {
		case <-w.caller.Lost():
			t.Fatal("b talks, and is lost")
		default:
		}
	})
}

func TestTranscodingStaysUp(t *testing.T) {
	fast(t, func(w *fastWorld) {
		sdp := fmt.Appendf(nil, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", w.b.at.Port())
		if _, err := w.caller.Reoffer(sdp); err != nil {
			t.Fatal(err)
		}
		talk(200, w.a, w.b)
		w.none()
		if !slices.Equal(w.reasons(), []string{fallTranscoding}) {
			t.Errorf("stayed up for %v", w.reasons())
		}
	})
}

// TestFullTableStaysUp: the kernel refuses, and the call goes on as before.
func TestRefusedFlowStaysUp(t *testing.T) {
	fast(t, func(w *fastWorld) {
		if err := w.table.Close(); err != nil {
			t.Fatal(err)
		}
		talk(200, w.a, w.b)
		w.none()
		if !slices.Equal(w.reasons(), []string{string(kernel.Closed)}) {
			t.Errorf("stayed up for %v", w.reasons())
		}
	})
}

// TestLineAcrossPaths does at random what may happen to a call. An independent
// receiver must hear one line: no jump, no repetition, nothing going back.
func TestLineAcrossPaths(t *testing.T) {
	fast(t, func(w *fastWorld) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		ear := receiver{t: t}
		say := func(n int) {
			for range n {
				w.a.frame()
				ear.take(w.b.hear())
			}
		}
		say(1)
		down := 0
		for range 30 {
			if w.pool.Below() > 0 {
				down++
			}
			switch random.IntN(6) {
			case 0:
				lost := 1 + random.IntN(100)
				w.a.lose(lost)
				ear.lost = lost
			case 1: // a press
				start, digit := w.a.ts, byte('0'+random.IntN(10))
				for i := range 8 {
					w.a.key(digit, start, i)
					ear.take(w.b.hear())
				}
			case 2: // another source, of another clock
				<-time.After(ssrcQuiet)
				w.a.ssrc, w.a.seq, w.a.ts = random.Uint32(), uint16(random.Uint32()), random.Uint32()
				w.a.frame() // is kept until the second
				ear.fresh = true
			case 3: // re-INVITE, perhaps from elsewhere
				if random.IntN(2) == 0 {
					w.a.listen()
				}
				if _, err := w.rep.Reoffer(w.a.sdp("sendrecv")); err != nil {
					t.Fatal(err)
				}
			case 4: // numbers wrap soon
				if random.IntN(2) == 0 {
					<-time.After(ssrcQuiet)
					w.a.ssrc, w.a.seq, w.a.ts = random.Uint32(), 65535-uint16(random.IntN(200)), -uint32(random.IntN(200*frameSamples))
					w.a.frame()
					ear.fresh = true
				}
			}
			if ear.fresh {
				w.a.frame()
				ear.take(w.b.hear())
				ear.fresh = false
				ear.take(w.b.hear())
			}
			say(80 + random.IntN(60))
		}
		if down < 10 {
			t.Errorf("it was below %d times of 30; stayed up for %v", down, w.reasons())
		}
	})
}

// receiver checks one stream as a phone would see it.
type receiver struct {
	t     *testing.T
	begun bool
	ssrc  uint32
	seq   uint16
	ts    uint32
	lost  int  // packets that may be missing
	fresh bool // the source has changed
}

func (r *receiver) take(b []byte) {
	r.t.Helper()
	h, _, ok := parseRTP(b)
	if !ok {
		r.t.Fatalf("heard %x", b)
	}
	event := h.pt == 101
	if !r.begun {
		r.begun, r.ssrc, r.seq, r.ts = true, h.ssrc, h.seq-1, h.ts
	}
	if h.ssrc != r.ssrc {
		r.t.Fatalf("SSRC %x after %x", h.ssrc, r.ssrc)
	}
	if missing := int(int16(h.seq - r.seq - 1)); missing != r.lost {
		r.t.Fatalf("seq %d after %d: %d missing, %d were lost", h.seq, r.seq, missing, r.lost)
	}
	if by := int32(h.ts - r.ts); by < 0 && !event || by > sampleRate*20 {
		r.t.Fatalf("timestamp %d after %d", h.ts, r.ts)
	}
	r.seq, r.lost = h.seq, 0
	if !event {
		r.ts = h.ts
	}
}
