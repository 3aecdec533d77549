package media

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tandem/dtmf"
)

// early is a call whose prospect speaks before anything was said of where from.
func early(t *testing.T, f func(w *world, s *Stream, jane *phone)) {
	t.Helper()
	inBubble(t, func(w *world) {
		s, err := w.pool.Open(w.prospect.side)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		conn, err := w.ana.conn.wire.listen(netip.MustParseAddrPort("10.0.0.9:4000"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		defer Join(w.rep, s)()
		f(w, s, &phone{t: t, conn: conn.(*wireConn), to: s.ours.addr, ssrc: 3, seq: 9, ts: 1000})
	})
}

// TestFirstWordOvertakesTheAnswer: sound that is here before the 200 is not lost.
func TestFirstWordOvertakesTheAnswer(t *testing.T) {
	early(t, func(w *world, s *Stream, jane *phone) {
		jane.talk(2, 0x11)
		if n := len(w.ana.heard()); n != 0 {
			t.Errorf("%d packets of nobody came through", n)
		}
		if err := s.Accept(jane.sdp()); err != nil {
			t.Fatal(err)
		}
		jane.talk(3, 0x11)
		got := w.ana.heard()
		if len(got) != 5 {
			t.Fatalf("%d packets came through, of 5", len(got))
		}
		wantLine(t, got)
	})
}

// TestEarlySoundWithoutDescription: a carrier that plays ringing without a word
// of SDP is heard from its first packet on.
func TestEarlySoundWithoutDescription(t *testing.T) {
	early(t, func(w *world, s *Stream, jane *phone) {
		jane.talk(6, 0x11)
		got := w.ana.heard()
		if len(got) != 6 {
			t.Fatalf("%d packets came through, of 6", len(got))
		}
		wantLine(t, got)
	})
}

// TestANetworkIsListenedTo: a busy tone in the early media is told, once, and the
// other leg hears all of it.
func TestANetworkIsListenedTo(t *testing.T) {
	early(t, func(w *world, s *Stream, jane *phone) {
		if err := s.Accept(jane.sdp()); err != nil {
			t.Fatal(err)
		}
		heard, stop := s.Network()
		tone := synthesise(tone{500 * time.Millisecond, -19, []float64{425}}, tone{500 * time.Millisecond, 0, nil}).samples
		for at := range 450 {
			payload := PCMU.encode(nil, tone[at%50*frameSamples:][:frameSamples])
			jane.packet(0, jane.ts, payload)
			jane.ts += frameSamples
			<-time.After(frameTime)
		}
		if n := len(heard); n != 1 || <-heard != dtmf.SignalBusy {
			t.Errorf("%d signals, want one that is busy", n)
		}
		if n := len(w.ana.heard()); n != 450 {
			t.Errorf("%d packets came through, of 450", n)
		}
		stop()
	})
}

// TestStrangersBeforeTheAnswer: what others sent meanwhile is forgotten, and
// there is not much of it.
func TestStrangersBeforeTheAnswer(t *testing.T) {
	early(t, func(w *world, s *Stream, jane *phone) {
		stranger := *w.jane
		stranger.to = jane.to
		for range 100 { // never two in a row, so that nobody is believed
			stranger.seq += 2
			stranger.packet(0, 0, make([]byte, frameSamples))
		}
		jane.talk(1, 0x11)
		synctest.Wait()
		s.inMu.Lock()
		held := s.in.waiting.n
		s.inMu.Unlock()
		if held != heldPackets {
			t.Errorf("%d packets are held", held)
		}
		if err := s.Accept(jane.sdp()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.ana.heard()); n != 1 {
			t.Errorf("%d packets came through, of 1", n)
		}
		<-time.After(frameTime)
	})
}
