package media

import (
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand/v2"
	"net/netip"
	"time"
)

const (
	// reportEvery is how often a leg is reported on, give or take half of it
	// (RFC 3550 §6.2, §6.3.1).
	reportEvery = 5 * time.Second
	// reportGrid is when reports are sent: those of several legs together, for to
	// wake a processor costs more than a report.
	reportGrid = 250 * time.Millisecond
	// reportCap is how many RTCP packets a second of the far end's are read.
	reportCap = 20
	// longestTrip is the longest round trip that is believed.
	longestTrip = 10 * time.Second
)

// reports is a leg's RTCP (RFC 3550 §6), under Stream.inMu.
type reports struct {
	conn  PacketConn // its own socket, the port after RTP's
	cname string     // of ours, for this stream only (RFC 7022)
	timer *time.Timer
	begun time.Time      // when the first was sent; zero = none was
	heard netip.AddrPort // where the far end's come from

	last     uint32    // middle of the NTP time of its newest SR
	lastAt   time.Time // when that came
	lastSSRC uint32

	expected, received, sent uint64 // as of our newest report
	second                   time.Time
	taken                    int
}

func newReports(conn PacketConn) reports {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it cannot fail
	return reports{conn: conn, cname: base64.StdEncoding.EncodeToString(random[:])}
}

// soon is how long after now the next report is due.
func soon(now time.Time) time.Duration {
	wait := reportEvery/2 + time.Duration(mathrand.Int64N(int64(reportEvery)))
	past := time.Duration(now.Add(wait).UnixNano()) % reportGrid
	return wait + reportGrid - past
}

// report sends a report, has metrics and series brought up to date, and comes again.
func (s *Stream) report() {
	now := time.Now()
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.in.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countSent()
	if s.closed {
		return
	}
	s.sendReport(now, false)
	s.meter.sample(now, s.stats())
	s.in.sample(now)
	s.in.reports.timer.Reset(soon(now))
}

// sendReport sends what we sent and heard, and with bye that we go. The caller
// has both locks.
func (s *Stream) sendReport(now time.Time, bye bool) {
	r := &s.in.reports
	conn, to := r.conn, s.reportTo()
	if s.theirs.mux {
		conn = s.conn
	}
	if !s.agreed || !to.IsValid() || to.Addr().IsUnspecified() || bye && r.begun.IsZero() {
		return
	}
	if r.begun.IsZero() {
		r.begun = now
	}
	report := s.ownReport(now)
	report.bye = bye
	b, err := s.cipher.sealReport(report.append(s.scratch[:0]))
	if err == nil {
		_, err = conn.WriteToUDPAddrPort(b, to)
	}
	if err != nil {
		s.log.Debug("media: report not sent", "err", err)
	}
}

// reportTo is where reports go: to who reports, else to who was described, and
// behind a NAT to nobody until the far end has reported (RFC 3605, RFC 5761).
func (s *Stream) reportTo() netip.AddrPort {
	in := &s.in
	switch {
	case s.theirs.mux:
		return in.told
	case in.reports.heard.IsValid():
		return in.reports.heard
	case in.told.Addr() != s.theirs.addr.Addr():
		return netip.AddrPort{}
	}
	return s.theirs.reports
}

// ownReport is an SR, or an RR where nothing was sent since the last.
func (s *Stream) ownReport(now time.Time) report {
	r := &s.in.reports
	own := report{ssrc: s.out.ssrc, cname: r.cname, sends: s.sent != r.sent}
	own.block, own.hears = s.in.reception(now)
	if own.sends {
		r.sent = s.sent
		own.sender = sender{
			ntp: ntp(now), ts: s.out.ts + s.out.ticks(now.Sub(s.out.at)),
			packets: uint32(s.out.packets), octets: uint32(s.out.octets),
		}
	}
	return own
}

// reception is what was heard of the stream that is believed (RFC 3550 §A.3).
func (in *inbound) reception(now time.Time) (heard block, ok bool) {
	t, r := &in.tally, &in.reports
	if !t.begun {
		return heard, false
	}
	s := t.stats()
	expected, received := s.Expected, s.Received+s.Duplicate
	fraction := uint64(0)
	if missing := int64(expected-r.expected) - int64(received-r.received); missing > 0 {
		fraction = min(uint64(missing)<<8/(expected-r.expected), 255)
	}
	r.expected, r.received = expected, received
	heard = block{
		ssrc: t.ssrc, fraction: uint8(fraction), lost: uint32(min(s.Lost-t.lostBefore, 0x7fffff)),
		highest: t.highest, jitter: uint32(t.jitter16 >> 4),
	}
	if r.lastSSRC == t.ssrc && !r.lastAt.IsZero() {
		heard.last = r.last
		heard.delay = uint32(now.Sub(r.lastAt).Seconds() * 65536)
	}
	return heard, true
}

// ntp is a time as NTP has it: seconds since 1900, and 2^32nds of one.
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// middle is the 32 bits of it that reports send back.
func middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// control takes a datagram of the RTCP socket.
func (s *Stream) control(now time.Time, b []byte, from netip.AddrPort) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.learn(now, b, from)
}

// learn takes the far end's RTCP. Nothing in it ends anything: a BYE may be
// anybody's. The caller has inMu.
func (s *Stream) learn(now time.Time, b []byte, from netip.AddrPort) {
	in := &s.in
	r := &in.reports
	if from.Addr() != in.told.Addr() && from != in.reportsFrom {
		in.tally.Rejected[rejectSource]++
		return
	}
	if now.Sub(r.second) >= time.Second {
		r.second, r.taken = now, 0
	}
	if r.taken++; r.taken > reportCap {
		in.tally.Suspect[suspectRate]++
		return
	}
	b, ok := in.cipher.openReport(b)
	if !ok {
		in.tally.Rejected[rejectSRTP]++
		return
	}
	if !isReports(b) {
		in.tally.Rejected[rejectVersion]++
		return
	}
	for len(b) > 0 {
		var p rtcpPacket
		if p, b, _ = nextRTCP(b); p.kind != rtcpSR && p.kind != rtcpRR {
			continue
		}
		if p.kind == rtcpSR && p.source() == in.tally.ssrc {
			r.last, r.lastAt, r.lastSSRC = middle(p.sent()), now, p.source()
		}
		for i := range int(p.count) {
			s.learnBlock(now, p.block(i))
		}
	}
	if s.pool.cfg.Symmetric {
		r.heard = from
	}
}

// learnBlock takes what the far end heard of us.
func (s *Stream) learnBlock(now time.Time, heard block) {
	in := &s.in
	s.mu.Lock()
	s.countSent()
	known, rate, sent := heard.ssrc == s.out.ssrc, s.out.rate, s.out.packets
	s.mu.Unlock()
	if !known {
		return
	}
	lost := uint64(heard.lost)
	if lost >= 1<<23 { // negative: more came than was sent, as copies
		lost = 0
	}
	far := &in.tally.Far
	far.Reports++
	far.Lost, far.Jitter = lost, time.Duration(heard.jitter)*time.Second/time.Duration(rate)
	far.Loss = 0
	if sent > 0 {
		far.Loss = min(1, float64(lost)/float64(sent))
	}
	if heard.last == 0 || in.reports.begun.IsZero() {
		return
	}
	trip := time.Duration(middle(ntp(now))-heard.last-heard.delay) * time.Second / 65536
	if trip < longestTrip && trip <= now.Sub(in.reports.begun)+time.Millisecond {
		in.tally.RTT = trip
	}
}
