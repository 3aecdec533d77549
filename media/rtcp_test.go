package media

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// said is one RTCP packet, read by hand (RFC 3550 §6.4).
type said struct {
	kind  uint8
	count uint8
	body  []byte // after the first word
}

func readRTCP(t *testing.T, b []byte) (all []said) {
	t.Helper()
	for len(b) > 0 {
		size := 4 * (1 + int(binary.BigEndian.Uint16(b[2:])))
		if b[0]>>6 != 2 || size > len(b) {
			t.Fatalf("RTCP %x", b)
		}
		all = append(all, said{b[1], b[0] & 0x1f, b[4:size]})
		b = b[size:]
	}
	return all
}

func word(b []byte, i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }

// words is an RTCP packet.
func words(count, kind uint8, body ...uint32) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x80 | count, kind}, uint16(len(body)))
	for _, w := range body {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

// reporter is the RTCP side of a phone.
func (w *world) reporter(p *phone, port uint16) *phone {
	w.t.Helper()
	conn, err := p.conn.wire.listen(netip.AddrPortFrom(p.conn.addr.Addr(), port))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &phone{t: w.t, conn: conn.(*wireConn), to: netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1), ssrc: p.ssrc}
}

func TestReportsSayWhatHappened(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)()
		reports := w.reporter(w.ana, 4001)
		w.ana.talk(60, 1) // with what follows, less than the 2.5 s that the first report waits
		w.ana.seq += 10   // lost
		w.ana.ts += 10 * frameSamples
		w.jane.talk(50, 1)
		w.ana.talk(500, 1)
		got := reports.heard()
		if len(got) == 0 {
			t.Fatal("no report in ten seconds")
		}
		packets := readRTCP(t, got[len(got)-1].data)
		first := readRTCP(t, got[0].data)
		if first[0].kind != 200 || packets[1].kind != 202 || !strings.Contains(string(packets[1].body), w.rep.in.reports.cname) {
			t.Errorf("reports begin with %d, %d", first[0].kind, packets[1].kind)
		}
		if sr := first[0].body; word(sr, 0) != w.rep.out.ssrc || word(sr, 4) != 50 || word(sr, 5) != 50*frameSamples {
			t.Errorf("sent %d packets, %d octets of %x; want 50", word(sr, 4), word(sr, 5), word(sr, 0))
		}
		last := packets[0]
		block := last.body[4:]
		if last.kind == 200 {
			block = last.body[24:]
		}
		if last.count != 1 || word(block, 0) != w.ana.ssrc || word(block, 1)&0xffffff != 10 {
			t.Errorf("heard of %x with %d lost; want 10", word(block, 0), word(block, 1)&0xffffff)
		}
		if highest := word(block, 2); highest>>16 != 1 || int16(uint16(highest)-w.ana.seq) > 0 {
			t.Errorf("highest %x, now %x", highest, w.ana.seq)
		}
	})
}

func TestRoundTripAndWhatTheFarEndHeard(t *testing.T) {
	inBubble(t, func(w *world) {
		defer Join(w.rep, w.prospect)()
		reports := w.reporter(w.ana, 4001)
		w.jane.talk(100, 1)
		w.ana.talk(300, 1)
		var sr []byte
		var at time.Time
		for _, p := range reports.heard() {
			if packets := readRTCP(t, p.data); packets[0].kind == 200 {
				sr, at = packets[0].body, p.at
			}
		}
		if sr == nil {
			t.Fatal("no sender report")
		}
		lsr := word(sr, 1)<<16 | word(sr, 2)>>16
		<-time.After(time.Second)
		dlsr := time.Since(at) - 80*time.Millisecond // of which 80 ms were on the wire
		report := words(1, 201, w.ana.ssrc, w.rep.out.ssrc, 0x20<<24|10, 1234, 160, lsr, uint32(dlsr.Seconds()*65536))
		if _, err := reports.conn.WriteToUDPAddrPort(report, reports.to); err != nil {
			t.Fatal(err)
		}
		reports.heard()
		s := w.rep.Stats()
		if s.RTT < 79*time.Millisecond || s.RTT > 81*time.Millisecond {
			t.Errorf("round trip %v", s.RTT)
		}
		wide := s
		if wide.SentWide = true; s.SentWide {
			t.Error("G.711 is called wide")
		} else if _, ok := wide.FarMOS(); ok {
			t.Error("a wide codec has a MOS")
		}
		mos, ok := s.FarMOS()
		if s.Far.Lost != 10 || s.Far.Loss != 0.1 || s.Far.Jitter != 20*time.Millisecond || !ok || mos > 3.6 {
			t.Errorf("the far end heard %+v, MOS %v", s.Far, mos)
		}
		before := s
		stray := w.reporter(w.jane, 4001)
		stray.to = reports.to
		for _, b := range [][]byte{report, words(1, 203, w.ana.ssrc)} {
			_, _ = stray.conn.WriteToUDPAddrPort(b, stray.to)
		}
		_, _ = reports.conn.WriteToUDPAddrPort(words(1, 203, w.ana.ssrc), reports.to) // BYE: SIP says when it is over
		_, _ = reports.conn.WriteToUDPAddrPort([]byte("\x80\xc8\x00\x7fnonsense"), reports.to)
		w.ana.talk(1, 1)
		s = w.rep.Stats()
		if s.Far != before.Far || s.Rejected[rejectSource] != 2 || s.Rejected[rejectVersion] != 1 || s.Received != before.Received+1 {
			t.Errorf("strangers made it %+v", s)
		}
	})
}

func TestWhereReportsGo(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, tt := range []struct {
			lines string
			port  uint16
		}{{"", 4001}, {"a=rtcp:4777\r\n", 4777}, {"a=rtcp:4778 IN IP4 10.0.0.2\r\n", 4778}} {
			reports := w.reporter(w.ana, tt.port)
			if _, err := w.rep.Reoffer(append(w.ana.sdp(), tt.lines...)); err != nil {
				t.Fatal(err)
			}
			w.ana.talk(500, 1)
			if len(reports.heard()) == 0 {
				t.Errorf("no report came to port %d", tt.port)
			}
		}
		answer, err := w.rep.Reoffer(append(w.ana.sdp(), "a=rtcp-mux\r\n"...))
		if err != nil || !strings.Contains(string(answer), "a=rtcp-mux\r\n") {
			t.Fatalf("answer %s, %v", answer, err)
		}
		w.ana.heard()
		w.ana.talk(500, 1)
		muxed := 0
		for _, p := range w.ana.heard() {
			if isRTCP(p.data) {
				muxed++
			}
		}
		if muxed == 0 {
			t.Error("no report came to RTP's port")
		}
		before := w.rep.Stats()
		b := words(1, 201, w.ana.ssrc, w.rep.out.ssrc, 3, 0, 0, 0, 0)
		_, _ = w.ana.conn.WriteToUDPAddrPort(b, w.ana.to)
		w.ana.heard()
		if s := w.rep.Stats(); s.Far.Lost != 3 || s.Received != before.Received {
			t.Errorf("a report by RTP's port made it %+v", s)
		}
		w.rep.Close()
		left := w.ana.heard()
		if len(left) != 1 || readRTCP(t, left[0].data)[2].kind != 203 {
			t.Errorf("%d packets when it closed; want one with BYE", len(left))
		}
	})
}

func TestNothingIsReportedToWhoIsUnknown(t *testing.T) {
	inBubble(t, func(w *world) {
		s, err := w.pool.Open(Side{Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU}})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := w.ana.conn.wire.listen(netip.MustParseAddrPort("10.0.0.7:4000"))
		if err != nil {
			t.Fatal(err)
		}
		ann := &phone{t: t, conn: conn.(*wireConn), to: s.ours.addr, ssrc: 5}
		reports := w.reporter(ann, 4001)
		ann.talk(500, 1)
		s.Close()
		if got := append(ann.heard(), reports.heard()...); len(got) != 0 {
			t.Errorf("%d packets to somebody nobody has described", len(got))
		}
		moved := fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 10.8.8.8\r\ns=-\r\nc=IN IP4 10.8.8.8\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n")
		if _, err := w.prospect.Reoffer(moved); err != nil { // she is behind a NAT
			t.Fatal(err)
		}
		reports = w.reporter(w.jane, 4001)
		w.jane.talk(500, 1)
		if len(reports.heard()) != 0 {
			t.Error("a guess at where reports go")
		}
		if _, err := reports.conn.WriteToUDPAddrPort(words(0, 201, w.jane.ssrc), reports.to); err != nil {
			t.Fatal(err)
		}
		w.jane.talk(500, 1)
		if len(reports.heard()) == 0 {
			t.Error("who reports is not reported to")
		}
	})
}

// FuzzControl: no RTCP hurts a stream.
func FuzzControl(f *testing.F) {
	f.Add(words(1, 200, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6))
	f.Add(words(1, 201, 1, 2, 3, 4, 5, 6, 7))
	pool, err := NewPool(Config{
		Listen: func(netip.AddrPort) (PacketConn, error) { return sink{make(chan struct{})}, nil },
		Bind:   netip.MustParseAddr("10.0.0.1"), MinPort: 20000, MaxPort: 20003,
	})
	if err != nil {
		f.Fatal(err)
	}
	s, err := pool.Open(Side{Address: pool.cfg.Bind, Codecs: []Codec{PCMU}})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Accept([]byte(usualSDP)); err != nil {
		f.Fatal(err)
	}
	now := time.Unix(0, 0)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		now = now.Add(time.Second)
		s.control(now, datagram, described)
		if far := s.in.tally.Far; far.Loss < 0 || far.Loss > 1 || s.in.tally.RTT < 0 || s.in.tally.RTT > longestTrip {
			t.Errorf("%+v, round trip %v", far, s.in.tally.RTT)
		}
	})
}

// TestReportsOfManyLegsAreDueTogether: whenever it is asked, the next report is due
// as RFC 3550 §6.3.1 has it, and on the grid that all legs share.
func TestReportsOfManyLegsAreDueTogether(t *testing.T) {
	for i := range 1000 {
		now := time.Unix(1700000000, int64(i)*7654321)
		wait := soon(now)
		if wait < reportEvery/2 || wait > reportEvery*3/2+reportGrid || now.Add(wait).UnixNano()%int64(reportGrid) != 0 {
			t.Fatalf("at %v the next report is due in %v", now, wait)
		}
	}
}
