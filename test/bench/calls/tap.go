package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	eventPT   = 101
	header    = 12         // of an RTP packet without extensions
	watermark = 0x7a6e6463 // begins a payload that carries the time it was sent
	muteEvery = 25         // a muted line lets one packet in so many through
)

// began is what times are counted from.
var began = time.Now()

func now() time.Duration { return time.Since(began) }

// wire is what both taps tell: when things of the call under test passed.
type wire struct {
	muted    atomic.Bool
	measures atomic.Bool
	relayed  atomic.Int64 // stamped packets that arrived

	mu     sync.Mutex
	seen   map[moment]time.Duration
	lines  int // opened since the last reset
	resets int
	delays []time.Duration
}

// anyCall marks what only the call under test does.
const anyCall = -1

// moment is what can pass only once in a call.
type moment string

const (
	posted          moment = "posted"
	repInvited      moment = "rep invited"
	repRang         moment = "rep rang"
	streamTold      moment = "the stream told that the rep rang"
	hookTold        moment = "the webhook told that the rep rang"
	pressed         moment = "pressed"
	prospectInvited moment = "prospect invited"
	answered        moment = "prospect answered"
	repHears        moment = "rep hears"
	prospectHears   moment = "prospect hears"
)

// reset forgets the call before.
func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.lines, w.resets = make(map[moment]time.Duration), 0, w.resets+1
}

// mark notes the first time that something passes, in the call since the given
// reset.
func (w *wire) mark(m moment, reset int) {
	at := now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, old := w.seen[m]; !old && (reset == w.resets || reset == anyCall) {
		w.seen[m] = at
	}
}

// between is how long after one moment another passed.
func (w *wire) between(from, to moment) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, okA := w.seen[from]
	b, okB := w.seen[to]
	return b - a, okA && okB
}

// signalling taps the trunk's SIP socket.
type signalling struct {
	net.PacketConn
	w *wire
}

func (s signalling) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(b)
	if err == nil && bytes.HasPrefix(b[:n], []byte("INVITE ")) {
		line, _, _ := bytes.Cut(b[:n], []byte("\r\n"))
		if bytes.Contains(line, []byte(prospectPrefix)) {
			s.w.mark(prospectInvited, anyCall)
		} else {
			s.w.mark(repInvited, anyCall)
		}
	}
	return n, from, err
}

func (s signalling) WriteTo(b []byte, to net.Addr) (int, error) {
	if bytes.HasPrefix(b, []byte("SIP/2.0 200")) && bytes.Contains(b, []byte(" INVITE\r\n")) && bytes.Contains(b, []byte(prospectPrefix)) {
		s.w.mark(answered, anyCall)
	}
	if bytes.HasPrefix(b, []byte("SIP/2.0 180")) && !bytes.Contains(b, []byte(prospectPrefix)) {
		s.w.mark(repRang, anyCall)
	}
	return s.PacketConn.WriteTo(b, to)
}

// line taps a phone's RTP socket: what it sends says when.
type line struct {
	net.PacketConn
	w     *wire
	hears moment
	reset int // it was opened after
	sent  int
}

func (l *line) WriteTo(b []byte, to net.Addr) (int, error) {
	switch l.sent++; {
	case len(b) <= header:
	case b[1]&0x7f == eventPT:
		l.w.mark(pressed, l.reset)
	case l.w.muted.Load() && l.sent%muteEvery != 1:
		return len(b), nil
	case len(b) >= header+12:
		stamp(b[header:])
	}
	return l.PacketConn.WriteTo(b, to)
}

func (l *line) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := l.PacketConn.ReadFrom(b)
	if err != nil || n < header+12 {
		return n, from, err
	}
	sent, ok := stamped(b[header:n])
	if !ok {
		return n, from, err
	}
	l.w.relayed.Add(1)
	l.w.mark(l.hears, l.reset)
	if l.w.measures.Load() {
		took := now() - sent
		l.w.mu.Lock()
		l.w.delays = append(l.w.delays, took)
		l.w.mu.Unlock()
	}
	return n, from, err
}

// stamp writes the time into a payload; G.711 is relayed as it is, so it
// arrives.
func stamp(payload []byte) {
	binary.BigEndian.PutUint32(payload, watermark)
	binary.BigEndian.PutUint64(payload[4:], uint64(now()))
}

func stamped(payload []byte) (sent time.Duration, ok bool) {
	return time.Duration(binary.BigEndian.Uint64(payload[4:])), binary.BigEndian.Uint32(payload) == watermark
}
