package media

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLineAcrossPaths does in random order what may happen to a call whose sound goes by
// the kernel where it can, and up and down as it changes: between G.711 of one law
// and of two, G.722 and Opus, in plain and by SRTP. An independent receiver at each
// end must hear one line a clock: no jump, no repetition, nothing going back.
func TestLineAcrossPaths(t *testing.T) {
	fast(t, func(w *fastWorld) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		w.rep.Close()
		w.caller.Close()
		w.side.SRTP = SRTPOptional
		w.connect()
		a, b := newEnd(w.a, w.rep), newEnd(w.b, w.caller)
		a.far, b.far = b, a
		a.say(1)
		b.say(1)
		below := make(map[Codec]int)
		for _, name := range shuffled(random, slices.Repeat(slices.Sorted(maps.Keys(happenings)), 3)) {
			happenings[name]([]*end{a, b}[random.IntN(2)], random)
			for range 20 + random.IntN(40) {
				a.say(1)
				b.say(1)
			}
			if w.pool.Below() > 0 {
				below[a.codec]++
			}
		}
		t.Logf("below after %v", below)
		if len(below) == 0 {
			t.Errorf("it was never below; stayed up for %v", w.reasons())
		}
	})
}

func shuffled[T any](random *rand.Rand, all []T) []T {
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// happenings is what may happen to one end of a call.
var happenings = map[string]func(e *end, random *rand.Rand){
	"nothing": func(*end, *rand.Rand) {},
	"loss": func(e *end, random *rand.Rand) {
		n := 1 + random.IntN(100)
		e.lose(n)
		e.far.ear().lost += n
	},
	"key": func(e *end, random *rand.Rand) {
		if e.codec == Opus {
			return // has another clock for keys, which these ends have not
		}
		start, digit := e.ts, byte('0'+random.IntN(10))
		for i := range 8 {
			e.key(digit, start, i)
			e.far.take()
		}
	},
	"another source": func(e *end, random *rand.Rand) { e.begin(random.Uint32(), uint16(random.Uint32()), random.Uint32()) },
	"numbers wrap soon": func(e *end, random *rand.Rand) {
		e.begin(random.Uint32(), 65535-uint16(random.IntN(60)), -uint32(random.IntN(60))*e.codec.rate()/50)
	},
	"re-INVITE": func(e *end, random *rand.Rand) { e.reoffer() },
	"re-INVITE from elsewhere": func(e *end, random *rand.Rand) {
		e.listen()
		e.reoffer()
	},
	"one law":           speaking(PCMA, PCMA),
	"G.722 meets G.711": speaking(G722, PCMA),
	"two laws":          speaking(PCMU, PCMA),
	"G.722":             speaking(G722, G722),
	"Opus":              speaking(Opus, Opus),
	"SRTP": func(e *end, random *rand.Rand) {
		if e.master == nil || random.IntN(2) == 0 {
			e.master = binary.BigEndian.AppendUint64(make([]byte, 22), random.Uint64())
		}
		e.reoffer()
	},
	"plain": func(e *end, random *rand.Rand) {
		for _, one := range []*end{e, e.far} {
			one.master = nil
			one.reoffer()
		}
	},
	"prompt": func(e *end, random *rand.Rand) {
		if e.codec.Opaque() {
			return // which has none
		}
		if err := e.stream.Say(e.t.Context(), Chirp()); err != nil {
			e.t.Fatal(err)
		}
		for range (len(Chirp().samples) + frameSamples - 1) / frameSamples {
			e.take()
		}
	},
}

// speaking has both ends change to a codec each.
func speaking(one, far Codec) func(e *end, random *rand.Rand) {
	return func(e *end, random *rand.Rand) {
		e.speak(one, random)
		e.far.speak(far, random)
	}
}

// end is one far end, and what it hears.
type end struct {
	*farEnd
	stream *Stream
	far    *end
	master []byte               // of its SRTP; nil = plain
	ears   map[uint32]*receiver // by clock: each is a stream (RFC 7160 §4.1)
}

// newEnd is one that has heard nothing yet; what it will hear wraps soon.
func newEnd(f *farEnd, s *Stream) *end {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.lines {
		s.lines[i].seq, s.lines[i].ts = 65300, -(500 * s.lines[i].frame())
	}
	return &end{farEnd: f, stream: s, ears: make(map[uint32]*receiver)}
}

func (e *end) ear() *receiver {
	rate := e.codec.rate()
	if e.ears[rate] == nil {
		e.ears[rate] = &receiver{t: e.t, rate: rate}
	}
	return e.ears[rate]
}

// take hears one packet.
func (e *end) take() {
	e.t.Helper()
	e.ear().take(e.srtp.open(e.t, e.hear()))
}

// say passes n packets to the other end.
func (e *end) say(n int) {
	e.t.Helper()
	for range n {
		e.frame()
		e.far.take()
	}
}

// begin begins another stream, as another phone behind the same gateway does. Its
// first packet is kept until its second comes.
func (e *end) begin(ssrc uint32, seq uint16, ts uint32) {
	e.t.Helper()
	<-time.After(ssrcQuiet)
	e.ssrc, e.seq, e.ts = ssrc, seq, ts
	e.frame()
	e.frame()
	e.far.take()
	e.far.take()
}

// speak changes the codec; a phone whose clock changes begins another stream.
func (e *end) speak(c Codec, random *rand.Rand) {
	e.t.Helper()
	if c.rate() != e.codec.rate() {
		e.ssrc = random.Uint32()
	}
	if e.codec, e.pt = c, uint8(c); c == Opus {
		e.pt = 111
	}
	e.reoffer()
}

// reoffer is a re-INVITE, with the key there is.
func (e *end) reoffer() {
	e.t.Helper()
	offer := string(e.sdp("sendrecv"))
	if e.master != nil {
		offer = strings.Replace(offer, "RTP/AVP", "RTP/SAVP", 1) +
			fmt.Sprintf("a=crypto:1 %s inline:%s\r\n", aes80, base64.StdEncoding.EncodeToString(e.master))
	}
	answer, err := e.stream.Reoffer([]byte(offer))
	if err != nil {
		e.t.Fatal(err)
	}
	if e.master == nil {
		e.srtp = nil
		return
	}
	_, ours := keyOf(e.t, answer, aes80)
	e.srtp = e.srtp.rekeyed(e.master, ours)
}

// secured is a far end's SRTP both ways, by hand; nil is none.
type secured struct {
	keys        [2][]byte // its own, ours
	hands       [2]*handSRTP
	sent, heard map[uint32]*rollover // by SSRC
}

// rekeyed is the SRTP of these keys; one whose key stays counts on.
func (s *secured) rekeyed(mine, ours []byte) *secured {
	n := &secured{
		keys: [2][]byte{mine, ours}, hands: [2]*handSRTP{newHandSRTP(mine), newHandSRTP(ours)},
		sent: make(map[uint32]*rollover), heard: make(map[uint32]*rollover),
	}
	if s != nil && bytes.Equal(s.keys[0], mine) {
		n.sent = s.sent
	}
	if s != nil && bytes.Equal(s.keys[1], ours) {
		n.heard = s.heard
	}
	return n
}

func (s *secured) seal(b []byte) []byte {
	if s == nil {
		return b
	}
	return s.hands[0].seal(b, rolled(s.sent, b))
}

func (s *secured) open(t *testing.T, b []byte) []byte {
	t.Helper()
	if s == nil {
		return b
	}
	roc := rolled(s.heard, b)
	clear := s.hands[1].open(b, roc)
	if clear == nil {
		t.Fatalf("heard %x, which is not of our key; its sequence number rolled over %d times", b[:rtpHeader], roc)
	}
	return clear
}

// rollover is how often a stream's sequence number has wrapped (RFC 3711 §3.3.1).
type rollover struct {
	count uint32
	last  uint16
}

// rolled is that of a packet's stream, once the packet has come.
func rolled(all map[uint32]*rollover, b []byte) uint32 {
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	r := all[ssrc]
	if r == nil {
		r = &rollover{last: seq}
		all[ssrc] = r
	}
	if int16(seq-r.last) > 0 && seq < r.last {
		r.count++
	}
	r.last = seq
	return r.count
}

// receiver checks one stream as a phone would see it.
type receiver struct {
	t     *testing.T
	rate  uint32
	begun bool
	ssrc  uint32
	seq   uint16
	ts    uint32
	lost  int // packets that may be missing
}

func (r *receiver) take(b []byte) {
	r.t.Helper()
	h, _, ok := parseRTP(b)
	if !ok {
		r.t.Fatalf("heard %x", b)
	}
	event := h.pt == 101
	if !r.begun {
		r.begun, r.ssrc, r.seq, r.ts = true, h.ssrc, h.seq-1, h.ts-1
	}
	if h.ssrc != r.ssrc {
		r.t.Fatalf("SSRC %x after %x", h.ssrc, r.ssrc)
	}
	if missing := int(int16(h.seq - r.seq - 1)); missing != r.lost {
		r.t.Fatalf("seq %d after %d: %d missing, %d were lost", h.seq, r.seq, missing, r.lost)
	}
	if by := int32(h.ts - r.ts); by <= 0 && !event || by > int32(20*r.rate) {
		r.t.Fatalf("timestamp %d after %d", h.ts, r.ts)
	}
	r.seq, r.lost = h.seq, 0
	if !event {
		r.ts = h.ts
	}
}
