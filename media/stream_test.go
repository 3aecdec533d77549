package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tandem/dtmf"
)

// wire is a network in memory.
type wire struct {
	mu    sync.Mutex
	conns map[netip.AddrPort]*wireConn
}

type wireConn struct {
	wire *wire
	addr netip.AddrPort
	in   chan wirePacket
	gone chan struct{}
}

type wirePacket struct {
	data []byte
	from netip.AddrPort
	at   time.Time
}

func newWire() *wire { return &wire{conns: make(map[netip.AddrPort]*wireConn)} }

func (w *wire) listen(addr netip.AddrPort) (PacketConn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns[addr] != nil {
		return nil, errors.New("address in use")
	}
	c := &wireConn{wire: w, addr: addr, in: make(chan wirePacket, 1000), gone: make(chan struct{})}
	w.conns[addr] = c
	return c, nil
}

func (c *wireConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-c.in:
		return copy(b, p.data), p.from, nil
	case <-c.gone:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (c *wireConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if far := c.wire.conns[to]; far != nil {
		far.in <- wirePacket{slices.Clone(b), c.addr, time.Now()}
	}
	return len(b), nil
}

func (c *wireConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

func (c *wireConn) Close() error {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	delete(c.wire.conns, c.addr)
	close(c.gone)
	return nil
}

// phone is a far end that writes its RTP by hand.
type phone struct {
	t    *testing.T
	conn *wireConn
	to   netip.AddrPort
	pt   uint8
	ssrc uint32
	seq  uint16
	ts   uint32
}

func (p *phone) sdp() []byte {
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %d RTP/AVP %d 101\r\na=rtpmap:101 telephone-event/8000\r\n",
		p.conn.addr.Addr(), p.conn.addr.Port(), p.pt)
}

func (p *phone) packet(pt uint8, ts uint32, payload []byte) {
	b := binary.BigEndian.AppendUint16([]byte{0x80, pt}, p.seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, p.ssrc)
	if _, err := p.conn.WriteToUDPAddrPort(append(b, payload...), p.to); err != nil {
		p.t.Fatal(err)
	}
	p.seq++
}

// talk sends n packets, 20 ms apart, whose octets are all the same.
func (p *phone) talk(n int, octet byte) {
	for range n {
		p.packet(p.pt, p.ts, slices.Repeat([]byte{octet}, frameSamples))
		p.ts += frameSamples
		<-time.After(frameTime)
	}
}

// press sends a key, all of it.
func (p *phone) press(digit byte) {
	start := p.ts
	for i := range 8 {
		p.packet(101, start, dtmf.AppendEvent(nil, digit, i > 4, 10, uint16(160*min(i+1, 6))))
		p.ts += frameSamples
		<-time.After(frameTime)
	}
}

// heard drains what has come in.
func (p *phone) heard() (all []wirePacket) {
	synctest.Wait()
	for {
		select {
		case packet := <-p.conn.in:
			all = append(all, packet)
		default:
			return all
		}
	}
}

// world is a pool and two phones that are connected to it.
type world struct {
	t             *testing.T
	pool          *Pool
	rep, prospect *Stream
	ana, jane     *phone
}

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		wires := newWire()
		pool, err := NewPool(Config{
			Listen: wires.listen, Bind: netip.MustParseAddr("10.0.0.1"), MinPort: 20000, MaxPort: 20007,
			Cool: 5 * time.Second, Silence: 30 * time.Second, Symmetric: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, pool: pool}
		side := Side{Address: pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA}, EventPT: 101}
		if w.rep, w.prospect, err = pool.OpenPair(side, side); err != nil {
			t.Fatal(err)
		}
		connect := func(s *Stream, addr string, pt uint8, ssrc uint32) *phone {
			conn, err := wires.listen(netip.MustParseAddrPort(addr))
			if err != nil {
				t.Fatal(err)
			}
			p := &phone{t: t, conn: conn.(*wireConn), to: s.ours.addr, pt: pt, ssrc: ssrc, seq: 65530, ts: 0xfffffc00}
			if err := s.Accept(p.sdp()); err != nil {
				t.Fatal(err)
			}
			return p
		}
		w.ana = connect(w.rep, "10.0.0.2:4000", uint8(PCMU), 1)
		w.jane = connect(w.prospect, "10.0.0.3:4000", uint8(PCMA), 2)
		f(w)
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if n := pool.InUse(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
}

// rtpOf is a packet of 20 ms.
func rtpOf(seq uint16, ssrc uint32) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x80, 0}, seq)
	b = binary.BigEndian.AppendUint32(b, uint32(seq)*frameSamples)
	return append(binary.BigEndian.AppendUint32(b, ssrc), make([]byte, frameSamples)...)
}

func sequence(p wirePacket) uint16   { return binary.BigEndian.Uint16(p.data[2:]) }
func timestamp(p wirePacket) uint32  { return binary.BigEndian.Uint32(p.data[4:]) }
func payloadType(p wirePacket) uint8 { return p.data[1] & 0x7f }

// wantLine fails unless packets are one RTP stream without a gap or a jump back.
func wantLine(t *testing.T, packets []wirePacket) {
	t.Helper()
	for i, p := range packets[1:] {
		last := packets[i]
		if sequence(p) != sequence(last)+1 || string(p.data[8:12]) != string(last.data[8:12]) {
			t.Fatalf("packet %d: sequence %d after %d", i+1, sequence(p), sequence(last))
		}
		if step := int32(timestamp(p) - timestamp(last)); step <= 0 && payloadType(p) != 101 {
			t.Fatalf("packet %d: timestamp goes by %d", i+1, step)
		}
	}
}

func TestJoinPassesSoundBothWaysAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)()
		w.ana.talk(50, 0x55)
		w.jane.talk(50, 0xd5)
		atJane, atAna := w.jane.heard(), w.ana.heard()
		if len(atJane) != 50 || len(atAna) != 50 {
			t.Fatalf("%d packets came to the prospect, %d to the rep, of 50", len(atJane), len(atAna))
		}
		wantLine(t, atJane)
		wantLine(t, atAna)
		if want := between[0][0x55]; payloadType(atJane[0]) != uint8(PCMA) || atJane[0].data[rtpHeader] != want {
			t.Errorf("the prospect, who speaks A-law, got type %d, octet %#x", payloadType(atJane[0]), atJane[0].data[rtpHeader])
		}
		if payloadType(atAna[0]) != uint8(PCMU) {
			t.Errorf("the rep got type %d", payloadType(atAna[0]))
		}
	})
}

func TestOneStreamAcrossPromptAndTalk(t *testing.T) {
	inBubble(t, func(w *world) {
		w.ana.talk(1, 0)
		if err := w.rep.Say(w.t.Context(), Chirp()); err != nil {
			t.Fatal(err)
		}
		defer Join(w.rep, w.prospect)()
		stop := w.rep.Play(Ringback("us"))
		<-time.After(time.Second)
		w.jane.talk(5, 0xd5) // not heard under the ringback
		stop()
		stop()
		<-time.After(time.Second)
		w.jane.talk(10, 0xd5)
		got := w.ana.heard()
		wantLine(t, got)
		first, last := got[0], got[len(got)-1]
		if elapsed := last.at.Sub(first.at); timestamp(last)-timestamp(first) != uint32(elapsed.Milliseconds()*8) {
			t.Errorf("in %v the timestamp went by %d", elapsed, timestamp(last)-timestamp(first))
		}
		if n := len(got); n != 5+50+5+10 && n != 5+50+5+1+10 {
			t.Errorf("%d packets", n)
		}
	})
}

func TestConfirmingPressIsHeardAndNotPassedOn(t *testing.T) {
	inBubble(t, func(w *world) {
		presses, stop := w.rep.Listen()
		defer stop()
		part := func() {}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p := <-presses
			if p.Digit != '1' || p.Up || p.Method != dtmf.MethodEvent {
				t.Errorf("heard %+v", p)
			}
			part = Join(w.rep, w.prospect) // in the middle of the press
		}()
		w.ana.press('1')
		<-done
		defer part()
		w.ana.press('2')
		got := w.jane.heard()
		for _, p := range got {
			if payloadType(p) == 101 && p.data[rtpHeader] == 1 {
				t.Fatal("the prospect got the rep's 1")
			}
		}
		if len(got) != 8 {
			t.Errorf("%d packets of the 2 came through", len(got))
		}
	})
}

// TestHeldKeyIsKeptBackToItsEnd: whatever segments its press comes in, and the
// tone that a gateway left in the sound beside it.
func TestHeldKeyIsKeptBackToItsEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		presses, stop := w.rep.Listen()
		defer stop()
		send := func(start uint32, i int, end bool) {
			w.ana.packet(101, start, dtmf.AppendEvent(nil, '1', end, 10, uint16(160*(i+1))))
			w.ana.packet(w.ana.pt, start+uint32(i*160), slices.Repeat([]byte{0x21}, frameSamples))
			<-time.After(frameTime)
		}
		for i := range 5 {
			send(0, i, false)
		}
		<-presses
		defer Join(w.rep, w.prospect)()
		for i := range 5 {
			send(800, i, false) // the next segment (RFC 4733 §2.5.2.1)
		}
		if got := w.jane.heard(); len(got) != 0 {
			t.Errorf("%d packets came through while the key was down", len(got))
		}
		for range 3 {
			w.ana.packet(101, 800, dtmf.AppendEvent(nil, '1', true, 10, 800))
		}
		w.ana.ts = 5000
		w.ana.talk(10, 0)
		got := w.jane.heard()
		if len(got) != 10 || payloadType(got[0]) == 101 {
			t.Errorf("%d packets came through after it", len(got))
		}
		wantLine(t, got)
	})
}

// TestFirstWordIsNotLost: packets that overtake the answer, and those of a phone
// behind a NAT, are heard once it is known whose they are.
func TestFirstWordIsNotLost(t *testing.T) {
	inBubble(t, func(w *world) {
		s, err := w.pool.Open(Side{Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA}, EventPT: 101})
		if err != nil {
			t.Fatal(err)
		}
		defer Join(w.rep, s)()
		w.jane.to = s.ours.addr
		w.jane.talk(5, 1)
		stray := *w.ana
		stray.to = s.ours.addr
		stray.talk(1, 9)
		if err := s.Accept(w.jane.sdp()); err != nil {
			t.Fatal(err)
		}
		w.jane.talk(5, 1)
		got := w.ana.heard()
		if len(got) != 10 {
			t.Fatalf("%d of 10 packets", len(got))
		}
		wantLine(t, got)

		moved := "v=0\r\no=- 1 2 IN IP4 10.9.9.9\r\ns=-\r\nc=IN IP4 10.9.9.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
		if _, err := s.Reoffer([]byte(moved)); err != nil { // where nobody is: she is behind a NAT
			t.Fatal(err)
		}
		w.jane.talk(10, 1)
		if got = w.ana.heard(); len(got) != 10 {
			t.Errorf("%d of 10 packets from behind a NAT", len(got))
		}
		wantLine(t, got)
	})
}

func TestRingingGivesWayAtOnceAndComesBack(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)()
		stop := w.rep.PlayUnder(Ringback("us"))
		defer stop()
		<-time.After(100 * time.Millisecond)
		w.ana.heard()
		w.jane.talk(10, 0xaa)
		stop()
		stop = w.rep.PlayUnder(Ringback("gb")) // another tone, while she is heard
		defer stop()
		w.jane.talk(10, 0xaa)
		hers := between[1][0xaa]
		for i, p := range w.ana.heard() {
			if p.data[rtpHeader] != hers || p.data[rtpHeader+80] != hers {
				t.Fatalf("packet %d is not hers", i)
			}
		}
		<-time.After(900 * time.Millisecond)
		if got := w.ana.heard(); len(got) != 0 {
			t.Errorf("ringing again before a second has passed: %d packets", len(got))
		}
		<-time.After(200 * time.Millisecond)
		if got := w.ana.heard(); len(got) < 4 {
			t.Error("it does not ring again")
		}
	})
}

// TestKeyForALegWithoutEventsIsPassedOnAsTones: in place of each packet of the
// event that tells of more, a frame of its tones; its copies leave no gap.
func TestKeyForALegWithoutEventsIsPassedOnAsTones(t *testing.T) {
	inBubble(t, func(w *world) {
		noKeys := strings.ReplaceAll(string(w.jane.sdp()), " 101\r\na=rtpmap:101 telephone-event/8000", "")
		if err := w.prospect.Accept([]byte(noKeys)); err != nil {
			t.Fatal(err)
		}
		defer Join(w.rep, w.prospect)()
		w.ana.talk(5, 0)
		w.ana.press('5')
		w.ana.packet(noisePT, w.ana.ts, []byte{60})
		w.ana.talk(5, 0)
		got := w.jane.heard()
		if len(got) != 16 {
			t.Errorf("%d packets", len(got))
		}
		wantLine(t, got)
		var heard Clip
		for _, p := range got {
			heard.samples = PCMA.Decode(heard.samples, p.data[rtpHeader:])
		}
		if keys := heard.Keys(); keys != "5" {
			t.Errorf("heard the keys %q", keys)
		}
	})
}

// TestTonesForALegWithEventsArePassedOnAsAnEvent: one event with three ends, and
// hardly any of the tone.
func TestTonesForALegWithEventsArePassedOnAsAnEvent(t *testing.T) {
	inBubble(t, func(w *world) {
		w.rep.side.InBand = true
		noKeys := strings.ReplaceAll(string(w.ana.sdp()), " 101\r\na=rtpmap:101 telephone-event/8000", "")
		if err := w.rep.Accept([]byte(noKeys)); err != nil {
			t.Fatal(err)
		}
		defer Join(w.rep, w.prospect)()
		w.ana.talk(10, 0xff)
		tone := PCMU.encode(nil, dtmf.AppendTone(make([]int16, 80), '5', 120*time.Millisecond, -10))
		for ; len(tone) >= frameSamples; tone = tone[frameSamples:] {
			w.ana.packet(0, w.ana.ts, tone[:frameSamples])
			w.ana.ts += frameSamples
			<-time.After(frameTime)
		}
		w.ana.talk(10, 0xff)
		got := w.jane.heard()
		wantLine(t, got)
		ear := dtmf.NewReceiver(dtmf.Config{Events: []dtmf.EventType{{PT: 101, Rate: 8000}}})
		var presses []dtmf.Press
		ends, leaked := 0, 0
		for _, p := range got {
			if payloadType(p) == 101 {
				presses = ear.Event(p.at, dtmf.EventPacket{PT: 101, Seq: sequence(p), Timestamp: timestamp(p), Payload: p.data[rtpHeader:]}, presses)
				ends += int(p.data[rtpHeader+1] >> 7)
			} else if !PCMA.silent(p.data[rtpHeader:]) {
				leaked++
			}
		}
		if len(presses) != 2 || presses[0].Digit != '5' || presses[1].Held < 60*time.Millisecond || ends != 3 || leaked > 3 {
			t.Errorf("%d ends, %d frames of tone, presses %+v", ends, leaked, presses)
		}
	})
}

func TestWhatWasNotOfferedIsDropped(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)()
		w.ana.packet(18, 0, []byte{1, 2, 3})
		w.ana.packet(101, 0, nil)
		w.ana.talk(1, 0)
		for range rateCap + 100 {
			w.ana.packet(0, w.ana.ts, []byte{1, 2, 3})
		}
		stray := *w.jane
		stray.to = w.ana.to
		stray.talk(7, 0)
		if got := w.jane.heard(); len(got) != rateCap {
			t.Errorf("%d packets came through in a second", len(got))
		}
		s := w.rep.Stats()
		if s.Rejected != [len(rejections)]uint64{rejectPayload: 2, rejectSource: 7} {
			t.Errorf("rejected %v", s.Rejected)
		}
		if s.Suspect != [len(suspicions)]uint64{suspectSource: 7, suspectRate: 101} {
			t.Errorf("suspect %v", s.Suspect)
		}
	})
}

func TestSilenceIsNoticed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.ana.talk(10, 0xff)
		w.ana.packet(noisePT, w.ana.ts, []byte{60})
		w.jane.talk(10, 0xd5)
		w.jane.talk(1, 0x31)
		w.jane.heard()
		if !w.rep.Stats().Silent || w.prospect.Stats().Silent {
			t.Error("who was silent?")
		}
	})
}

func TestDescriptionsCountTheirChanges(t *testing.T) {
	inBubble(t, func(w *world) {
		version := func(body []byte) string { return strings.Fields(string(body))[3] }
		first := w.rep.Offer()
		hold := append(w.ana.sdp(), "a=inactive\r\n"...)
		held, err := w.rep.Reoffer(hold)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := w.rep.Reoffer(hold)
		back, _ := w.rep.Reoffer(nil)
		if version(first) != "1" || version(held) != "2" || string(again) != string(held) || version(back) != "3" {
			t.Errorf("versions %s, %s, %s, %s", version(first), version(held), version(again), version(back))
		}
	})
}

func TestPressWithoutEndComesUp(t *testing.T) {
	inBubble(t, func(w *world) {
		presses, stop := w.rep.Listen()
		defer stop()
		w.ana.packet(101, 7, dtmf.AppendEvent(nil, '5', false, 10, 160))
		down, up := <-presses, <-presses
		if down.Up || !up.Up || up.Digit != '5' {
			t.Errorf("heard %+v, %+v", down, up)
		}
	})
}

// TestListeningWakesNobody: who listens through a whole call costs nothing while
// no key is down.
func TestListeningWakesNobody(t *testing.T) {
	inBubble(t, func(w *world) {
		idling := func() bool {
			synctest.Wait()
			w.rep.inMu.Lock()
			defer w.rep.inMu.Unlock()
			return w.rep.in.idling
		}
		_, stop := w.rep.Listen()
		defer stop()
		w.ana.talk(5, 0x10)
		before := idling()
		w.ana.packet(101, w.ana.ts, dtmf.AppendEvent(nil, '5', false, 10, 160))
		down := idling()
		<-time.After(time.Second)
		if before || !down || idling() {
			t.Errorf("the timer runs before a key: %v, while it is down: %v, afterwards: %v", before, down, idling())
		}
	})
}

func TestInfoIsAPress(t *testing.T) {
	inBubble(t, func(w *world) {
		presses, stop := w.rep.Listen()
		defer stop()
		if err := w.rep.Info("application/dtmf-relay", []byte("Signal=1\r\nDuration=100\r\n")); err != nil {
			t.Fatal(err)
		}
		if p := <-presses; p.Digit != '1' || p.Method != dtmf.MethodInfo {
			t.Errorf("heard %+v", p)
		}
		if err := w.rep.Info("text/plain", nil); err == nil {
			t.Error("text is a key")
		}
	})
}

func TestSilentLegIsLost(t *testing.T) {
	inBubble(t, func(w *world) {
		start := time.Now()
		w.ana.talk(100, 0)
		<-w.rep.Lost()
		if d := time.Since(start); d < 31*time.Second || d > 33*time.Second {
			t.Errorf("lost after %v", d)
		}
	})
}

func TestHeldLegIsNotLost(t *testing.T) {
	inBubble(t, func(w *world) {
		hold := append(w.ana.sdp(), "a=inactive\r\n"...)
		answer, err := w.rep.Reoffer(hold)
		if err != nil || !strings.Contains(string(answer), "a=inactive") || !w.rep.OnHold() {
			t.Fatalf("answer %s, %v", answer, err)
		}
		select {
		case <-w.rep.Lost():
			t.Error("lost while held")
		case <-time.After(5 * time.Minute):
		}
		if _, err := w.rep.Reoffer(w.ana.sdp()); err != nil || w.rep.OnHold() {
			t.Errorf("not resumed: %v", err)
		}
		<-w.rep.Lost()
	})
}

func TestStrangersAndGarbageAreNotHeard(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)()
		presses, stop := w.rep.Listen()
		defer stop()
		for _, garbage := range []string{"", "x", strings.Repeat("\xff", 1400), "\x80\x00", "\xa0\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xff"} {
			_, _ = w.ana.conn.WriteToUDPAddrPort([]byte(garbage), w.ana.to)
		}
		w.ana.talk(1, 0)
		other := *w.jane // the prospect's phone sends to the rep's port
		other.to = w.ana.to
		other.press('1')
		other.talk(50, 0)
		if got := w.jane.heard(); len(got) != 1 {
			t.Errorf("%d packets came through", len(got))
		}
		select {
		case p := <-presses:
			t.Errorf("a stranger pressed %c", p.Digit)
		default:
		}
	})
}

func TestPortsRunOutAndCool(t *testing.T) {
	inBubble(t, func(w *world) {
		side := Side{Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU}}
		if _, _, err := w.pool.OpenPair(side, side); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.pool.OpenPair(side, side); !errors.Is(err, ErrNoPorts) {
			t.Errorf("a fifth port: %v", err)
		}
		w.rep.Close()
		w.rep.Close()
		if _, err := w.pool.Open(side); !errors.Is(err, ErrNoPorts) {
			t.Errorf("a port that still cools: %v", err)
		}
		<-time.After(5 * time.Second)
		if s, err := w.pool.Open(side); err != nil || s.port != w.rep.port {
			t.Errorf("after it has cooled: %v", err)
		}
	})
}

// TestFilesRunOut: by what the process may open, or by the system's word; either
// way the streams that are up go on, and their sockets are there for others later.
func TestFilesRunOut(t *testing.T) {
	for name, sockets := range map[string]int{"as many as were allowed": 6, "the system has no more": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wires := newWire()
				open := 0
				pool, err := NewPool(Config{Bind: netip.MustParseAddr("10.0.0.1"), MinPort: 20000, MaxPort: 20099, Sockets: sockets,
					Listen: func(at netip.AddrPort) (PacketConn, error) {
						if open == 7 { // with one that another part has
							return nil, fmt.Errorf("udp %v: %w", at, os.NewSyscallError("socket", syscall.EMFILE))
						}
						conn, err := wires.listen(at)
						if err == nil {
							open++
						}
						return closer{conn, func() { open-- }}, err
					}})
				if err != nil {
					t.Fatal(err)
				}
				side := Side{Address: pool.cfg.Bind, Codecs: []Codec{PCMU}}
				var up []*Stream
				for range 3 {
					s, err := pool.Open(side)
					if err != nil {
						t.Fatal(err)
					}
					up = append(up, s)
				}
				for range 3 {
					if _, _, err := pool.OpenPair(side, side); !errors.Is(err, ErrNoFiles) {
						t.Errorf("a fourth: %v", err)
					}
				}
				if open != 6 || pool.InUse() != 3 {
					t.Errorf("%d sockets of %d streams are open", open, pool.InUse())
				}
				up[0].Close()
				if s, err := pool.Open(side); err != nil || s.port == up[0].port {
					t.Errorf("after one is closed: %v", err)
				}
				if err := pool.Close(); err != nil || open != 0 {
					t.Errorf("%d are left open, %v", open, err)
				}
			})
		})
	}
}

// closer is a conn that says when it is closed.
type closer struct {
	PacketConn
	closed func()
}

func (c closer) Close() error { c.closed(); return c.PacketConn.Close() }

func TestSayEndsWithItsContext(t *testing.T) {
	inBubble(t, func(w *world) {
		why := errors.New("hung up")
		ctx, cancel := context.WithCancelCause(w.t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		if err := w.rep.Say(ctx, Ringback("us")); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		<-time.After(frameTime)
		w.ana.heard()
		<-time.After(time.Second)
		if got := w.ana.heard(); len(got) != 0 {
			t.Errorf("%d packets after it was stopped", len(got))
		}
	})
}

func TestEarlyAndFinalAnswerMayDiffer(t *testing.T) {
	inBubble(t, func(w *world) {
		s, err := w.pool.Open(Side{Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA}, EventPT: 101})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Accept(nil); err == nil {
			t.Error("answered with nothing at all")
		}
		if err := s.Hear(w.ana.sdp()); err != nil {
			t.Fatal(err)
		}
		if err := s.Accept(nil); err != nil {
			t.Errorf("the early answer does not stand: %v", err)
		}
		if err := s.Accept(w.jane.sdp()); err != nil {
			t.Fatal(err)
		}
		if c, _ := s.Codec(); c != PCMA || *s.to.Load() != w.jane.conn.addr {
			t.Errorf("codec %v, to %v", c, s.to.Load())
		}
		if err := s.Accept([]byte("v=0\r\n")); err == nil || *s.to.Load() != w.jane.conn.addr {
			t.Error("a bad answer changed something")
		}
	})
}

// sink is a socket that swallows.
type sink struct{ gone chan struct{} }

func (s sink) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-s.gone
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (s sink) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (s sink) LocalAddr() net.Addr                                        { return &net.UDPAddr{} }
func (s sink) Close() error                                               { close(s.gone); return nil }

// pair is two streams that are joined, one PCMU, and what brings a packet in.
func pair(t testing.TB, codec Codec) (a, b *Stream, relay func()) {
	pool, err := NewPool(Config{
		Listen: func(netip.AddrPort) (PacketConn, error) { return sink{make(chan struct{})}, nil },
		Bind:   netip.MustParseAddr("10.0.0.1"), MinPort: 20000, MaxPort: 20007,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	side := Side{Address: pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA, G722}, EventPT: 101}
	if a, b, err = pool.OpenPair(side, side); err != nil {
		t.Fatal(err)
	}
	far := netip.MustParseAddrPort("192.0.2.1:4000")
	for s, c := range map[*Stream]Codec{a: PCMU, b: codec} {
		if err := s.Accept(fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP %d\r\n", c)); err != nil {
			t.Fatal(err)
		}
	}
	Join(a, b)
	original := append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, frameSamples)...)
	packet, seq, now := make([]byte, len(original)), uint16(0), time.Unix(0, 0)
	return a, b, func() {
		copy(packet, original)
		seq++
		now = now.Add(frameTime)
		binary.BigEndian.PutUint16(packet[2:], seq)
		binary.BigEndian.PutUint32(packet[4:], uint32(seq)*frameSamples)
		a.packet(now, packet, far)
	}
}

func TestRelayDoesNotAllocate(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA, G722} {
		_, b, relay := pair(t, codec)
		if n := testing.AllocsPerRun(1000, relay); n != 0 {
			t.Errorf("PCMU to %v: %v allocations a packet", codec, n)
		}
		if b.Stats().Sent < 1000 {
			t.Errorf("PCMU to %v: %d packets were relayed", codec, b.Stats().Sent)
		}
	}
}

func TestListeningForTonesDoesNotAllocate(t *testing.T) {
	a, _, relay := pair(t, PCMU)
	a.inMu.Lock()
	a.side.InBand = true
	a.in.expect(numbers{})
	a.inMu.Unlock()
	_, stop := a.Listen()
	defer stop()
	if n := testing.AllocsPerRun(1000, relay); n != 0 || !a.in.needsTones(nil) {
		t.Errorf("%v allocations a packet; tones are heard: %v", n, a.in.needsTones(nil))
	}
}

func TestReportsDoNotAllocate(t *testing.T) {
	a, b, relay := pair(t, PCMU)
	relay()
	now, theirs := time.Unix(0, 0), words(1, 200, 1, 2, 3, 4, 5, 6, a.out.ssrc, 0, 3, 4, 5, 6)
	if n := testing.AllocsPerRun(1000, func() {
		relay()
		a.report()
		b.report()
		now = now.Add(time.Second)
		a.control(now, theirs, described)
	}); n != 0 {
		t.Errorf("%v allocations a report", n)
	}
	if far := a.Stats().Far; far.Reports < 1000 || a.in.reports.begun.IsZero() || b.in.reports.begun.IsZero() {
		t.Errorf("%d reports were read, and ours begun at %v and %v", far.Reports, a.in.reports.begun, b.in.reports.begun)
	}
}

func BenchmarkRelay(b *testing.B) {
	for _, codec := range []Codec{PCMU, PCMA, G722} {
		b.Run("PCMU to "+codec.String(), func(b *testing.B) {
			_, _, relay := pair(b, codec)
			b.ReportAllocs()
			for b.Loop() {
				relay()
			}
		})
	}
}

// FuzzPacket: no datagram hurts a stream.
func FuzzPacket(f *testing.F) {
	f.Add([]byte("\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01abc"))
	pool, err := NewPool(Config{
		Listen: func(netip.AddrPort) (PacketConn, error) { return sink{make(chan struct{})}, nil },
		Bind:   netip.MustParseAddr("10.0.0.1"), MinPort: 20000, MaxPort: 20003,
	})
	if err != nil {
		f.Fatal(err)
	}
	s, err := pool.Open(Side{Address: pool.cfg.Bind, Codecs: []Codec{PCMU}, EventPT: 101, InBand: true})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Accept([]byte(usualSDP)); err != nil {
		f.Fatal(err)
	}
	_, stop := s.Listen()
	defer stop()
	f.Fuzz(func(t *testing.T, datagram []byte) { s.packet(time.Unix(0, 0), datagram, described) })
}
