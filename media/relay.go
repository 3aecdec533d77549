package media

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"tandem/dtmf"
)

// packet is the way of every datagram: weigh it, hear it, pass it on.
func (s *Stream) packet(now time.Time, b []byte, from netip.AddrPort) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.datagram(now, b, from)
}

// datagram is packet under inMu.
func (s *Stream) datagram(now time.Time, b []byte, from netip.AddrPort) {
	if isRTCP(b) { // on RTP's port (RFC 5761)
		s.learn(now, b, from)
		return
	}
	s.in.count()
	s.admit(now, b, from)
}

// admit deciphers a packet where that was agreed on. What comes before is kept.
func (s *Stream) admit(now time.Time, b []byte, from netip.AddrPort) {
	in := &s.in
	switch {
	case in.cipher != nil && !in.latch.hopeful(from):
		in.tally.Rejected[rejectSource]++ // at no cost
		return
	case in.cipher != nil:
		clear, ok := in.cipher.open(b)
		if !ok { // before anybody is learnt by it
			in.tally.Rejected[rejectSRTP]++
			return
		}
		b = clear
	case !in.latch.described.IsValid() && s.side.SRTP != SRTPNone:
		if _, _, ok := parseRTP(b); ok {
			in.keep(now, from, b, false)
		}
		return
	}
	s.weigh(now, b, from)
}

// weigh passes on what is the far end's. What may turn out to be is kept until
// that is known; the rest is dropped and counted.
func (s *Stream) weigh(now time.Time, b []byte, from netip.AddrPort) {
	in := &s.in
	h, payload, ok := parseRTP(b)
	if !ok {
		in.tally.Rejected[rejectVersion]++
		return
	}
	what := in.types[h.pt]
	if what.kind == unknown || len(payload) == 0 {
		in.tally.Rejected[rejectPayload]++
		return
	}
	switch in.latch.believe(now, from, h.ssrc, h.seq) {
	case stranger:
		in.tally.Rejected[rejectSource]++
		in.tally.Suspect[suspectSource]++
		return
	case onTrial:
		in.keep(now, from, b, true)
		return
	case foreign:
		switch {
		case !what.kind.ofKeys():
			in.tally.Suspect[suspectSSRC]++
			in.keep(now, from, b, true)
		case in.tooMany(now):
			in.tally.Suspect[suspectRate]++
		default: // gateways have been seen to send keys as a stream of their own
			s.key(now, &h, b[:h.size+len(payload)], what.kind)
		}
		return
	}
	if in.waiting.n > 0 {
		s.catchUp(now)
	}
	s.hear(now, &h, b[:h.size+len(payload)], what)
}

// keep keeps a packet that may be the far end's.
func (in *inbound) keep(now time.Time, from netip.AddrPort, b []byte, opened bool) {
	if in.waiting.keep(now, from, b, opened) {
		in.tally.Rejected[rejectSource]++ // the oldest, which gave way
	}
}

// catchUp hears what the far end sent before it was believed.
func (s *Stream) catchUp(now time.Time) {
	in := &s.in
	in.waiting.release(now, func(p *heldPacket) {
		h, payload, _ := parseRTP(p.data[:p.size])
		if p.from == in.latch.source && h.ssrc == in.latch.ssrc {
			s.hear(p.at, &h, p.data[:h.size+len(payload)], in.types[h.pt])
		} else {
			in.tally.Rejected[rejectSource]++
		}
	})
}

// reconsider weighs what came before the far end was described.
func (s *Stream) reconsider() {
	s.in.waiting.release(time.Now(), func(p *heldPacket) {
		if p.opened {
			s.weigh(p.at, p.data[:p.size], p.from)
		} else {
			s.admit(p.at, p.data[:p.size], p.from)
		}
	})
}

// hear takes a packet of the far end's, without its padding.
func (s *Stream) hear(now time.Time, h *header, b []byte, what content) {
	in, payload := &s.in, b[h.size:]
	s.ascend(now, what.kind == sound)
	if in.tooMany(now) {
		in.tally.Suspect[suspectRate]++
		return
	}
	if to := in.latch.target(); to != in.told {
		s.mu.Lock()
		s.reclaim() // what goes there goes elsewhere now
		s.mu.Unlock()
		in.tell(to)
		in.tally.SourceChanges++
	}
	in.last = now
	if what.kind == sound {
		in.tally.clock(what.rate)
	}
	in.tally.packet(now, h, len(payload), what.kind == sound)
	if what.kind != sound {
		in.plain = 0
	}
	if !in.begun {
		in.begun = true
		close(s.started)
	}
	switch {
	case what.kind.ofKeys():
		s.key(now, h, b, what.kind)
		return
	case what.kind == sound:
		in.sounded = in.sounded || what.codec.Wide() || !what.codec.silent(payload) // as far as anybody here can tell
		in.tally.Wide = in.tally.Wide || what.codec.Wide()
		in.listen(now, h.ts, what.codec, payload)
	}
	s.pass(now, h, b, what)
}

// press takes a telephone-event. The press that confirmed the call must not
// reach the other side: what began before Join is kept back to its end, its
// copies included.
func (s *Stream) press(now time.Time, h *header, b []byte) {
	in := &s.in
	hushed := in.hushed
	in.report(in.keys.Event(now, dtmf.EventPacket{
		PT: h.pt, SSRC: h.ssrc, Seq: h.seq, Timestamp: h.ts, Marker: h.marker, Payload: b[h.size:],
	}, nil))
	in.pressed = pressed{h.ssrc, h.ts, true}
	if hushed {
		in.muted = in.pressed
	}
	s.pass(now, h, b, in.types[h.pt])
}

// pass gives a packet to the other leg, if there is one and it may have it.
func (s *Stream) pass(now time.Time, h *header, b []byte, what content) {
	peer := s.peer.Load()
	if peer == nil {
		return
	}
	if s.in.down != 0 {
		peer.expectEcho(now)
	}
	if s.in.hushed || what.kind == event && s.in.muted == s.in.pressed {
		what.kind = unknown
	}
	if what.kind == sound && s.in.tone.digit != 0 && s.in.tone.pass(now, h, len(b)-h.size, peer) {
		return
	}
	peer.forward(now, h, b, what, h.ssrc != s.in.latch.ssrc)
	if what.kind == sound {
		s.descend(now, h, peer)
	}
}

// forward sends a packet of the other leg's, unless our own sound plays. It is
// made ours where it lies. aside is set for one that is not of the stream whose
// sound is relayed.
func (s *Stream) forward(now time.Time, h *header, b []byte, what content, aside bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reclaim()
	if !s.agreed || !s.theirs.hears || s.closed {
		return
	}
	if p := s.playing; p != nil && !p.under {
		return
	}
	to, ok := s.becomes(what)
	switch {
	case !ok && what.kind == event && !aside:
		s.speakEvent(now, h, b[h.size:], what.rate)
		return
	case !ok:
		if !aside {
			s.out.skip(h)
		}
		return
	}
	s.relayed = now
	s.sentWide = s.sentWide || to.law.Wide()
	l := s.use(to.rate)
	if aside || what.kind == event && what.rate != to.rate {
		atClock(b[h.size:], what.rate, to.rate)
		s.forwardAside(now, h, to.pt, b)
		return
	}
	seq, ts, marker, ok := l.relay(now, h, what.kind == event)
	if !ok {
		return
	}
	if to.law != what.codec && what.kind == sound {
		s.forwardTranscoded(now, what.codec, to.law, seq, ts, marker, b[h.size:])
		return
	}
	b = b[h.size-rtpHeader:] // what is before is not relayed
	s.head(b[:0], to.pt, seq, ts, marker)
	s.send(b)
}

// forwardTranscoded sends sound of another codec. A packet longer than the far
// end takes goes out in several; one that came late has no room for that.
func (s *Stream) forwardTranscoded(now time.Time, from, to Codec, seq uint16, ts uint32, marker bool, payload []byte) {
	size := len(payload)
	if most := s.theirs.longest; most > 0 && most < size {
		if size = most; seq != s.out.seq {
			return
		}
	}
	for {
		n := min(size, len(payload))
		s.send(s.transcode(s.begin(uint8(to), seq, ts, marker), from, to, payload[:n]))
		if payload = payload[n:]; len(payload) == 0 {
			s.out.sent(now, seq, ts)
			return
		}
		seq, ts, marker = s.out.insert(), ts+uint32(n), false
	}
}

// forwardAside sends a key that came as a stream of its own: all packets of a
// press have one timestamp, between those of the sound.
func (s *Stream) forwardAside(now time.Time, h *header, pt uint8, b []byte) {
	if key := (pressed{h.ssrc, h.ts, true}); key != s.aside {
		s.aside, s.asideTS = key, s.out.now(now)
	}
	b = b[h.size-rtpHeader:]
	s.head(b[:0], pt, s.out.insert(), s.asideTS, h.marker)
	s.send(b)
}

// passage is what a packet goes out as.
type passage struct {
	pt   uint8
	rate uint32 // of its timestamps, Hz
	law  Codec  // sound of the other law becomes this one; a wide codec stays
}

// becomes is how the far end knows what another leg sends; ok is false where it
// does not take such.
func (s *Stream) becomes(what content) (to passage, ok bool) {
	switch what.kind {
	case sound:
		to.law, ok = s.law, s.speaks && !what.codec.Opaque()
		if what.codec.Wide() && slices.Contains(s.theirs.codecs, what.codec) {
			to.law, ok = what.codec, true
		}
		to.pt, to.rate = s.theirs.of(to.law), to.law.rate()
	case event:
		to.pt, to.rate = s.theirs.eventAt(s.out.rate)
		ok = to.pt != 0
	case noise:
		to.pt, to.rate, ok = noisePT, sampleRate, s.theirs.noise
	}
	return to, ok
}

// atClock makes a telephone-event's duration one in ticks of another clock (RFC
// 4733 §2.3.5).
func atClock(event []byte, from, to uint32) {
	if from == to || len(event) < 4 {
		return
	}
	duration := uint64(binary.BigEndian.Uint16(event[2:])) * uint64(to) / uint64(from)
	binary.BigEndian.PutUint16(event[2:], uint16(min(duration, 0xffff)))
}

// begin writes an RTP header to the stream's scratch space.
func (s *Stream) begin(pt uint8, seq uint16, ts uint32, marker bool) []byte {
	return s.head(s.scratch[:0], pt, seq, ts, marker)
}

// head appends an RTP header of ours (RFC 3550 §5.1).
func (s *Stream) head(b []byte, pt uint8, seq uint16, ts uint32, marker bool) []byte {
	if marker {
		pt |= 0x80
	}
	return append(b, 0x80, pt, byte(seq>>8), byte(seq),
		byte(ts>>24), byte(ts>>16), byte(ts>>8), byte(ts),
		byte(s.out.ssrc>>24), byte(s.out.ssrc>>16), byte(s.out.ssrc>>8), byte(s.out.ssrc))
}

// send sends a packet to the far end. What cannot be sent is lost, as on the wire.
func (s *Stream) send(b []byte) {
	to := s.to.Load()
	if to == nil || to.Addr().IsUnspecified() {
		return
	}
	s.sent++
	s.sentBytes += uint64(len(b) - rtpHeader)
	s.out.count(1, uint64(len(b)-rtpHeader))
	b, err := s.cipher.seal(b)
	if err == nil {
		_, err = s.conn.WriteToUDPAddrPort(b, *to)
	}
	if err != nil {
		s.log.Debug("media: packet not sent", "err", err)
	}
}
