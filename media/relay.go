package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"

	"tandem/dtmf"
)

const (
	maxPacket = 1500 // octets
	// idleEvery is how often a press without packets is looked for.
	idleEvery = 50 * time.Millisecond
)

// inbound is what a stream knows of what comes in, under Stream.inMu.
type inbound struct {
	s       *Stream
	latch   latch
	tally   tally
	held    []heldPacket
	told    netip.AddrPort // what Stream.to says
	header  rtp.Header
	keys    *dtmf.Receiver
	eventPT uint8
	ears    []chan dtmf.Press
	presses []dtmf.Press
	samples []int16
	last    time.Time // of the newest packet
	begun   bool
	idle    *time.Timer

	pressed pressed // the event that came last
	muted   pressed // the one that began before Join
}

// pressed names one telephone-event by its timestamp.
type pressed struct {
	ssrc, ts uint32
	valid    bool
}

func newInbound(s *Stream) inbound {
	return inbound{
		s:       s,
		latch:   latch{symmetric: s.pool.cfg.Symmetric, from: s.side.From},
		keys:    dtmf.NewReceiver(dtmf.Config{InBand: s.side.InBand}),
		presses: make([]dtmf.Press, 0, 16),
		samples: make([]int16, 0, maxPacket),
		last:    time.Now(),
	}
}

func (in *inbound) configure(theirs remote) {
	in.latch.describe(theirs.addr)
	in.told = in.latch.target()
	to := in.told
	in.s.to.Store(&to)
	in.eventPT = theirs.eventPT
	cfg := dtmf.Config{InBand: in.s.side.InBand}
	if theirs.eventPT != 0 {
		cfg.Events = []dtmf.EventType{{PT: theirs.eventPT, Rate: sampleRate}}
	}
	in.keys.Configure(cfg)
}

// watch looks for presses whose packets stopped, while anybody listens.
func (in *inbound) watch() {
	if in.idle == nil {
		in.idle = time.AfterFunc(idleEvery, in.checkIdle)
	} else {
		in.idle.Reset(idleEvery)
	}
}

func (in *inbound) unwatch() {
	in.ears = nil
	if in.idle != nil {
		in.idle.Stop()
	}
}

func (in *inbound) checkIdle() {
	in.s.inMu.Lock()
	defer in.s.inMu.Unlock()
	in.report(in.keys.Idle(time.Now(), in.presses[:0]))
	if len(in.ears) > 0 {
		in.idle.Reset(idleEvery)
	}
}

// report tells presses to those who listen.
func (in *inbound) report(presses []dtmf.Press) {
	for _, p := range presses {
		for _, ear := range in.ears {
			select {
			case ear <- p:
			default:
				in.s.log.Warn("media: a press found nobody to take it")
			}
		}
	}
}

// read is the stream's reader; it ends with the socket.
func (s *Stream) read() {
	buffer := make([]byte, maxPacket)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			s.mu.Lock()
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return
			}
			continue // an ICMP error of an earlier packet
		}
		s.packet(time.Now(), buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// packet is the way of every packet: believe, listen, pass on.
func (s *Stream) packet(now time.Time, b []byte, from netip.AddrPort) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	in := &s.in
	h := &in.header
	start, err := h.Unmarshal(b)
	if err != nil || h.Version != 2 {
		return
	}
	if !in.latch.believe(from, h.SSRC, h.SequenceNumber) {
		in.hold(b, from)
		return
	}
	if len(in.held) > 0 {
		s.releaseHeld(now, from)
		start, _ = h.Unmarshal(b) // the held ones were read into it
	}
	s.believed(now, b[start:])
}

// believed takes the payload of a packet that is the far end's; in.header is its
// header.
func (s *Stream) believed(now time.Time, payload []byte) {
	in, h := &s.in, &s.in.header
	if h.Padding && len(payload) > 0 {
		payload = payload[:max(0, len(payload)-int(payload[len(payload)-1]))]
	}
	if to := in.latch.target(); to != in.told {
		in.told = to
		moved := to // a copy, so that only a change costs an allocation
		s.to.Store(&moved)
	}
	in.last = now
	in.tally.packet(now, h.SSRC, h.SequenceNumber, h.Timestamp)
	if !in.begun {
		in.begun = true
		close(s.started)
	}
	if in.eventPT != 0 && h.PayloadType == in.eventPT {
		s.event(now, payload)
		return
	}
	codec := Codec(h.PayloadType)
	if codec != PCMU && codec != PCMA || len(payload) == 0 {
		return
	}
	if s.side.InBand && len(in.ears) > 0 {
		in.samples = codec.Decode(in.samples[:0], payload)
		in.report(in.keys.Audio(now, h.Timestamp, in.samples, in.presses[:0]))
	}
	if peer := s.peer.Load(); peer != nil {
		peer.forward(now, h, codec, payload, false)
	}
}

// event takes a telephone-event. The press that confirmed the call must not
// reach the other side: what began before Join is passed over to its end.
func (s *Stream) event(now time.Time, payload []byte) {
	in, h := &s.in, &s.in.header
	in.report(in.keys.Event(now, dtmf.EventPacket{
		PT: h.PayloadType, SSRC: h.SSRC, Seq: h.SequenceNumber, Timestamp: h.Timestamp, Marker: h.Marker, Payload: payload,
	}, in.presses[:0]))
	in.pressed = pressed{h.SSRC, h.Timestamp, true}
	if in.muted == in.pressed {
		return
	}
	if peer := s.peer.Load(); peer != nil {
		peer.forward(now, h, 0, payload, true)
	}
}

// forward sends a packet of the other leg's, unless our own sound plays.
func (s *Stream) forward(now time.Time, h *rtp.Header, codec Codec, payload []byte, event bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.agreed || !s.theirs.hears || s.closed {
		return
	}
	if p := s.playing; p != nil {
		if !p.under {
			return
		}
		p.relayed = now
	}
	pt := uint8(s.codec)
	if event {
		if pt = s.theirs.eventPT; pt == 0 {
			return
		}
	}
	seq, ts, marker := s.out.relay(now, h.SSRC, h.SequenceNumber, h.Timestamp, h.Marker)
	b := s.begin(pt, seq, ts, marker)
	if !event && codec != s.codec {
		b = codec.transcode(b, payload)
	} else {
		b = append(b, payload...)
	}
	s.send(b)
}

// begin writes an RTP header (RFC 3550 §5.1) to the stream's scratch space.
func (s *Stream) begin(pt uint8, seq uint16, ts uint32, marker bool) []byte {
	if marker {
		pt |= 0x80
	}
	return append(s.scratch[:0], 0x80, pt, byte(seq>>8), byte(seq),
		byte(ts>>24), byte(ts>>16), byte(ts>>8), byte(ts),
		byte(s.ssrc>>24), byte(s.ssrc>>16), byte(s.ssrc>>8), byte(s.ssrc))
}

// send sends a packet to the far end. What cannot be sent is lost, as on the wire.
func (s *Stream) send(b []byte) {
	to := s.to.Load()
	if to == nil || to.Addr().IsUnspecified() {
		return
	}
	s.sent++
	if _, err := s.conn.WriteToUDPAddrPort(b, *to); err != nil {
		s.log.Debug("media: packet not sent", "err", err)
	}
}
