package carrier

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	frame     = 20 * time.Millisecond
	samples   = 160 // a frame
	rate      = 8000
	eventPT   = 101
	keyFrames = 6
)

// sound is one phone's: it sends a frame each 20 ms and records what comes.
type sound struct {
	conn net.PacketConn
	to   net.Addr
	stop chan struct{}
	once sync.Once
	hear sync.Once
	said chan struct{} // closed by the first packet
	wait sync.WaitGroup

	mu      sync.Mutex
	hz      float64
	talking bool
	mute    bool   // it sends keys only
	clip    []byte // µ-law, goes before hz
	lost    int    // one in so many packets; 0 = none
	late    time.Duration
	key     byte
	asTone  bool
	both    bool // as events too
	held    int  // frames of the key so far
	heard   Recording
}

func newSound(conn net.PacketConn, to netip.AddrPort) *sound {
	s := &sound{conn: conn, to: net.UDPAddrFromAddrPort(to), stop: make(chan struct{}), said: make(chan struct{})}
	s.wait.Go(s.listen)
	return s
}

func (s *sound) addr() netip.AddrPort {
	at, _ := netip.ParseAddrPort(s.conn.LocalAddr().String())
	return at
}

// say makes the phone sound at hz; 0 = silence.
func (s *sound) say(hz float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hz = hz
	if !s.talking {
		s.talking = true
		s.wait.Go(s.talk)
	}
}

// still makes the phone send nothing but keys, or sound again.
func (s *sound) still(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
}

func (s *sound) press(digit byte, asTone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.asTone, s.both, s.held = digit, asTone, false, 0
}

func (s *sound) close() {
	s.once.Do(func() {
		close(s.stop)
		_ = s.conn.Close()
	})
	s.wait.Wait()
}

// talk sends by a clock that does not drift.
func (s *sound) talk() {
	var seq uint16
	var ts, phase uint32
	for due := time.Now(); ; due = due.Add(frame) {
		timer := time.NewTimer(time.Until(due.Add(s.lateness(seq))))
		select {
		case <-timer.C:
		case <-s.stop:
			timer.Stop()
			return
		}
		for _, p := range s.next(ts, phase) {
			if seq++; s.loses(seq) {
				continue
			}
			b := binary.BigEndian.AppendUint16([]byte{0x80, p.pt}, seq)
			b = binary.BigEndian.AppendUint32(b, p.ts)
			b = binary.BigEndian.AppendUint32(b, 0xca11)
			_, _ = s.conn.WriteTo(append(b, p.payload...), s.to)
		}
		ts += samples
		phase += samples
	}
}

// lateness is how late the packet after seq is: never the same twice in a row.
func (s *sound) lateness(seq uint16) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late * time.Duration(seq%5) / 4
}

func (s *sound) loses(seq uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost > 0 && int(seq)%s.lost == 0
}

type packet struct {
	pt      byte
	ts      uint32
	payload []byte
}

// next is what a frame's time sends: sound, or a press under way.
func (s *sound) next(ts, phase uint32) []packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == 0 && s.mute {
		return nil
	}
	if s.key == 0 && len(s.clip) >= samples {
		payload := s.clip[:samples]
		s.clip = s.clip[samples:]
		return []packet{{0, ts, payload}}
	}
	if s.key == 0 {
		return []packet{{0, ts, tones(phase, s.hz)}}
	}
	s.held++
	key, last := s.key, s.held == keyFrames
	if last {
		s.key = 0
	}
	var sent []packet
	if s.asTone {
		at := strings.IndexByte("123A456B789C*0#D", key)
		sent = append(sent, packet{0, ts, tones(phase, []float64{697, 770, 852, 941}[at/4], []float64{1209, 1336, 1477, 1633}[at%4])})
	}
	if s.asTone && !s.both {
		return sent
	}
	code := byte(strings.IndexByte("0123456789*#ABCD", key))
	event := packet{eventPT, ts - uint32(s.held-1)*samples, binary.BigEndian.AppendUint16([]byte{code, 10}, uint16(s.held)*samples)}
	if s.held == 1 {
		event.pt |= 0x80
	}
	if !last {
		return append(sent, event)
	}
	event.payload[1] |= 0x80 // RFC 4733 §2.5.1.4: the end, three times
	return append(sent, event, event, event)
}

// tones is a frame of sines in µ-law, -13 dBm0 each.
func tones(phase uint32, hz ...float64) []byte {
	out := make([]byte, samples)
	for i := range out {
		x := 0.0
		for _, f := range hz {
			x += 5000 * math.Sin(2*math.Pi*f*float64(phase+uint32(i))/rate)
		}
		out[i] = muLaw(int(x))
	}
	return out
}

// muLaw is ITU-T G.711 of one 16-bit sample.
func muLaw(x int) byte {
	sign := byte(0)
	if x < 0 {
		x, sign = -x, 0x80
	}
	x = min(x, 32635) + 132
	exponent := byte(7)
	for mask := 0x4000; exponent > 0 && x&mask == 0; mask >>= 1 {
		exponent--
	}
	return ^(sign | exponent<<4 | byte(x>>(exponent+3))&0x0f)
}

// linear undoes it.
func linear(b byte) int16 {
	b = ^b
	x := (int(b&0x0f)<<3 + 132) << (b >> 4 & 7)
	if x -= 132; b&0x80 != 0 {
		return int16(-x)
	}
	return int16(x)
}

func (s *sound) listen() {
	b := make([]byte, 2048)
	for {
		n, _, err := s.conn.ReadFrom(b)
		if err != nil {
			select {
			case <-s.stop:
				return
			default:
				continue // an ICMP error of what was sent before
			}
		}
		s.hear.Do(func() { close(s.said) })
		s.mu.Lock()
		s.heard.add(b[:n], time.Now())
		s.mu.Unlock()
	}
}

func (s *sound) recording() *Recording {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.heard
	r.Samples = append([]int16(nil), r.Samples...)
	return &r
}
