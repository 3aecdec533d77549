package media

import (
	"net/netip"
	"sync/atomic"
	"time"

	"tandem/media/kernel"
)

// The kernel path (package kernel) takes one direction of a call at a time. A
// stream's sound goes down to it once a row of plain packets has passed by the
// user path and nothing else is done with them. It comes up, exactly where it
// is, with the first packet of its source that the kernel leaves to us (a
// telephone-event), and before anything is changed that it was set up with.

const (
	// settleAfter is how many packets in a row must be plain before they go down.
	settleAfter = 10
	// settleMost is that number for a stream that keeps coming up.
	settleMost = 1000
	// restless is a stay below that was not worth it.
	restless = 2 * time.Second
	// drainMost is how many packets are taken from the socket before.
	drainMost = 1000
)

// Why a stream does not take the kernel path, beside kernel.Reasons: labels of
// metrics.
const (
	fallTranscoding = "transcoding"
	fallSRTP        = "srtp"
	fallInBand      = "inband"    // somebody listens for tones
	fallHeaders     = "headers"   // more than twelve octets of them
	fallUnmatched   = "unmatched" // packets come otherwise than the route says
)

var falls = [...]string{fallTranscoding, fallSRTP, fallInBand, fallHeaders, fallUnmatched}

// flow is a direction that is below: what from hears goes out by to.
type flow struct {
	entry       *kernel.Entry
	from, to    *Stream
	since       time.Time
	heard, sent kernel.Tally // as far as from, under inMu, and to, under mu, have counted it
}

// descent is what a stream knows of its way down, under inMu.
type descent struct {
	flow   *flow  // that is below, or was until to took it up
	plain  int    // packets in a row
	settle int    // how many there must be …
	fellBy uint32 // … for what was agreed on then (agreements)
	newest header
	drains bool // what waits in the socket is being taken
	blamed string
}

// paths is what a Pool knows of both.
type paths struct {
	table *kernel.Table // nil = user path only
	dscp  uint8
	below atomic.Int64 // streams
	fell  func(reason string)
}

// descend lets the stream's sound go down to the kernel, where it can. A packet
// with header h has just been passed on to peer. inMu is held.
func (s *Stream) descend(now time.Time, h *header, peer *Stream) {
	in, p := &s.in, &s.pool.paths
	if p.table == nil {
		return
	}
	in.plain++
	in.newest = *h
	if in.settle == settleMost && in.fellBy != s.agreements(peer) {
		in.settle = settleAfter
	}
	if in.drains || in.plain < max(in.settle, settleAfter) {
		return
	}
	s.drain()
	if in.plain == 0 || s.peer.Load() != peer {
		return
	}
	peer.mu.Lock()
	defer peer.mu.Unlock()
	h = &in.newest
	if !in.steady(h) || !peer.steady(in, h) {
		return
	}
	if why := s.unfit(peer, h); why != "" {
		s.fall(why, peer)
		return
	}
	entry, err := p.table.Add(s.flowTo(peer, h))
	if err != nil {
		reason, _ := kernel.ReasonOf(err)
		s.log.Debug("media: stays on the user path", "err", err)
		s.fall(string(reason), peer)
		return
	}
	f := &flow{entry: entry, from: s, to: peer, since: now, heard: entry.Tally()}
	f.sent = f.heard
	in.flow, peer.fed = f, f
	p.below.Add(1)
}

// drain takes what waits in the socket. It came before what will go by the
// kernel, and must not go out after it. inMu is held.
func (s *Stream) drain() {
	conn, can := s.conn.(interface {
		receiveNow(b []byte) (n int, from netip.AddrPort, ok bool)
	})
	if !can {
		return
	}
	s.in.drains = true
	defer func() { s.in.drains = false }()
	b := make([]byte, maxPacket)
	for range drainMost {
		n, from, ok := conn.receiveNow(b)
		if !ok {
			return
		}
		s.datagram(time.Now(), b[:n], from)
	}
}

// fall notes why the stream stays here. It looks again once one of the legs has
// agreed on something else, or much later.
func (s *Stream) fall(why string, peer *Stream) {
	s.in.plain, s.in.settle, s.in.fellBy = 0, settleMost, s.agreements(peer)
	if s.in.blamed != why {
		s.in.blamed = why
		s.pool.paths.fell(why)
	}
}

// agreements is how often the two legs have agreed with their far ends.
func (s *Stream) agreements(peer *Stream) uint32 { return s.agreedOn.Load() + peer.agreedOn.Load() }

// steady reports whether nothing is going on with what comes in.
func (in *inbound) steady(h *header) bool {
	return in.flow == nil && in.waiting.n == 0 && in.sounded && !in.hushed &&
		h.ssrc == in.latch.ssrc && in.told == in.latch.source && h.seq == uint16(in.tally.highest)
}

// steady reports whether nothing but the packets of in is sent, and all of them
// are. mu is held.
func (s *Stream) steady(in *inbound, h *header) bool {
	to, l := s.to.Load(), s.out
	return s.agreed && s.theirs.hears && !s.closed && s.playing == nil && s.fed == nil &&
		to != nil && !to.Addr().IsUnspecified() &&
		l.relaying && l.source == h.ssrc && l.sourceSeq == h.seq && l.seen == in.tally.seen &&
		int16(h.seq-l.floor) >= window
}

// unfit is why the kernel cannot do what is done here; "" = it can.
func (s *Stream) unfit(peer *Stream, h *header) string {
	what := s.in.types[h.pt]
	to, passes := peer.becomes(what)
	switch {
	case !passes, to.law != what.codec:
		return fallTranscoding
	case s.in.cipher != nil, peer.cipher != nil:
		return fallSRTP
	case !what.codec.Opaque() && (s.in.network != nil || s.wantsTones.Load() || s.side.InBand && peer.wantsTones.Load() || s.in.toneOnly && peer.theirs.event != 0):
		return fallInBand
	case h.size != rtpHeader:
		return fallHeaders
	}
	return ""
}

// flowTo is how the kernel is to do it. peer.mu is held.
func (s *Stream) flowTo(peer *Stream, h *header) kernel.Flow {
	t := &s.in.tally
	what := s.in.types[h.pt]
	to, _ := peer.becomes(what)
	types := map[uint8]uint8{h.pt: to.pt}
	if peer.theirs.noise && to.rate == sampleRate {
		types[noisePT] = noisePT
	}
	return kernel.Flow{
		In:     kernel.Ends{Local: s.local(), Remote: s.in.latch.source},
		Out:    kernel.Ends{Local: peer.local(), Remote: *peer.to.Load()},
		Source: h.ssrc, SSRC: peer.out.ssrc, Types: types, ClockRate: what.rate,
		DSCP: s.pool.paths.dscp, Rate: rateCap,
		Seq: h.seq, Timestamp: h.ts, SeqOffset: peer.out.seqOffset, TSOffset: peer.out.tsOffset,
		Reception: kernel.Reception{
			Epoch: t.epoch, Last: t.at, Seen: t.seen, InBurst: t.settled.inBurst,
			Second: s.in.second, Within: uint32(s.in.taken),
			Timed: t.timed, Transit: t.transit, Quickest: t.quickest, Jitter16: t.jitter16,
		},
	}
}

// local is where the stream's socket is bound.
func (s *Stream) local() netip.AddrPort {
	at, err := netip.ParseAddrPort(s.conn.LocalAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return at
}

// ascend takes what the stream hears back from the kernel. inMu is held, and no
// mu. sound says that a packet of it is why.
func (s *Stream) ascend(now time.Time, sound bool) {
	in := &s.in
	f := in.flow
	if f == nil {
		return
	}
	f.to.mu.Lock()
	f.to.reclaim()
	f.to.mu.Unlock()
	in.count()
	in.flow, in.plain = nil, 0
	switch {
	case !sound || now.Sub(f.since) > restless:
		in.settle = settleAfter
	case f.heard.Packets == 0 && in.settle >= settleMost:
		s.fall(fallUnmatched, f.to)
	default:
		in.settle, in.fellBy = min(2*max(in.settle, settleAfter), settleMost), s.agreements(f.to)
	}
}

// reclaim takes back from the kernel what feeds the stream that is sent. mu is
// held.
func (s *Stream) reclaim() {
	if s.fed == nil {
		return
	}
	s.fed.entry.Remove()
	s.countSent()
	s.fed = nil
	s.pool.paths.below.Add(-1)
}

// count takes over what came by the kernel. inMu is held.
func (in *inbound) count() {
	f := in.flow
	if f == nil {
		return
	}
	was, is := f.heard, f.entry.Tally()
	f.heard = is
	if is.Within != was.Within || !is.Second.Equal(was.Second) {
		in.second, in.taken = is.Second, int(is.Within)
	}
	if is.Packets+is.Duplicates == was.Packets+was.Duplicates {
		return
	}
	in.last, in.latch.heard = is.Last, is.Last
	in.tally.below(was, is)
}

// below adds what was counted by the kernel between was and is.
func (t *tally) below(was, is kernel.Tally) {
	t.Received += is.Packets - was.Packets
	t.Bytes += is.Bytes - was.Bytes
	t.Late += is.Late - was.Late
	t.Duplicate += is.Duplicates - was.Duplicates
	t.Reordered += is.Reordered - was.Reordered
	t.settled.lost += is.Lost - was.Lost
	t.settled.bursts += is.Bursts - was.Bursts
	t.settled.inBurst = is.InBurst
	t.MaxGap = max(t.MaxGap, is.MaxGap)
	t.highest += uint32(is.Advance - was.Advance)
	t.seen, t.at = is.Seen, is.Last
	t.timed, t.transit, t.quickest, t.jitter16 = is.Timed, is.Transit, is.Quickest, is.Jitter16
}

// countSent takes over what was sent by the kernel. mu is held.
func (s *Stream) countSent() {
	f := s.fed
	if f == nil {
		return
	}
	was, is := f.sent, f.entry.Tally()
	f.sent = is
	if is.Packets == was.Packets {
		return
	}
	s.sent += is.Packets - was.Packets
	s.sentBytes += is.Bytes - was.Bytes
	s.out.count(is.Packets-was.Packets, is.Bytes-was.Bytes)
	s.relayed = is.Last
	s.out.below(is)
}

// below is where the kernel has taken the line to.
func (l *line) below(is kernel.Tally) {
	l.sourceSeq, l.sourceTS, l.seen, l.floor = is.Seq, is.Timestamp, is.Seen, is.Seq-window
	l.seq, l.ts, l.at = is.Seq+l.seqOffset, is.Timestamp+l.tsOffset, is.Last
}

// Below is how many open streams are heard by the kernel path.
func (p *Pool) Below() int { return int(p.paths.below.Load()) }
