package dtmf

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// line feeds packets to a receiver and gathers what it reports.
type line struct {
	r   *Receiver
	now time.Time
	got []Press
}

func newLine(cfg Config) *line {
	if cfg.Events == nil {
		cfg.Events = []EventType{{PT: 101, Rate: 8000}}
	}
	return &line{r: NewReceiver(cfg), now: time.Unix(1000, 0)}
}

// press is the packets of one key, 20 ms apart: updates, then three ends.
func press(digit byte, ts uint32, seq uint16, updates int) []EventPacket {
	var all []EventPacket
	for i := range updates + endCopies {
		duration := uint16(160 * min(i+1, updates+1))
		all = append(all, EventPacket{
			PT: 101, SSRC: 1, Seq: seq + uint16(i), Timestamp: ts, Marker: i == 0,
			Payload: AppendEvent(nil, digit, i >= updates, 10, duration),
		})
	}
	return all
}

func (l *line) feed(packets ...EventPacket) {
	for _, p := range packets {
		l.got = l.r.Event(l.now, p, l.got)
		l.now = l.now.Add(20 * time.Millisecond)
		l.got = l.r.Idle(l.now, l.got)
	}
}

func (l *line) rest(d time.Duration) {
	l.now = l.now.Add(d)
	l.got = l.r.Idle(l.now, l.got)
}

// downs and ups are the digits reported each way.
func (l *line) downs() (downs, ups string) {
	for _, p := range l.got {
		if p.Near != 0 {
			continue
		}
		if p.Up {
			ups += string(p.Digit)
		} else {
			downs += string(p.Digit)
		}
	}
	return downs, ups
}

func (l *line) want(t *testing.T, digits string) {
	t.Helper()
	l.rest(time.Second)
	if downs, ups := l.downs(); downs != digits || ups != digits {
		t.Errorf("down %q, up %q, want %q", downs, ups, digits)
	}
}

func TestPressIsReportedOnItsFirstPacketWhicheverItIs(t *testing.T) {
	packets := press('1', 1600, 7, 4)
	for i := range packets {
		l := newLine(Config{})
		l.feed(packets[i])
		if downs, _ := l.downs(); downs != "1" {
			t.Errorf("packet %d first: down %q", i, downs)
		}
		l.feed(packets[i+1:]...)
		l.want(t, "1")
	}
}

func TestPressIsOneUnderEveryLoss(t *testing.T) {
	packets := press('1', 4294967200, 65533, 4) // both counters wrap
	for kept := 1; kept < 1<<len(packets); kept++ {
		l := newLine(Config{})
		for i, p := range packets {
			if kept>>i&1 == 1 {
				l.feed(p)
			} else {
				l.rest(20 * time.Millisecond)
			}
		}
		l.want(t, "1")
	}
}

func TestPressIsOneUnderDuplicationAndReordering(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		packets := append(press('5', 1600, 1, 4), press('5', 1600, 1, 4)...)
		for i := range packets { // nothing overtakes by more than three
			j := min(i+random.IntN(4), len(packets)-1)
			packets[i], packets[j] = packets[j], packets[i]
		}
		l := newLine(Config{})
		l.feed(packets...)
		l.want(t, "5")
	}
}

func TestTwoPressesOfOneKeyAreTwo(t *testing.T) {
	for _, pause := range []uint32{400, 800, 8000} {
		l := newLine(Config{})
		l.feed(press('1', 1600, 1, 4)...)
		l.feed(press('1', 1600+5*160+pause, 8, 4)...)
		l.want(t, "11")
	}
}

func TestTwoPressesAreTwoWhenTheFirstLostItsEnds(t *testing.T) {
	l := newLine(Config{})
	l.feed(press('1', 1600, 1, 4)[:4]...)
	l.rest(100 * time.Millisecond)
	l.feed(press('1', 1600+1600, 8, 4)...)
	l.want(t, "11")
}

func TestAnotherKeyEndsAPressWithoutEnds(t *testing.T) {
	l := newLine(Config{})
	l.feed(press('1', 1600, 1, 4)[:4]...)
	l.feed(press('2', 3200, 8, 4)...)
	l.want(t, "12")
}

func TestLongHoldInSegmentsIsOnePress(t *testing.T) {
	l := newLine(Config{})
	for segment := range uint32(3) { // RFC 4733 §2.5.2.1: a new timestamp at the old one's end
		ts := 1600 + segment*0xffff
		for d := uint32(160); d < 0xffff; d += 1600 {
			l.feed(EventPacket{PT: 101, SSRC: 1, Timestamp: ts, Payload: AppendEvent(nil, '1', false, 10, uint16(d))})
		}
		l.feed(EventPacket{PT: 101, SSRC: 1, Timestamp: ts, Payload: AppendEvent(nil, '1', segment == 2, 10, 0xffff)})
	}
	l.want(t, "1")
	if held := l.got[len(l.got)-1].Held; held < 24*time.Second || held > 25*time.Second {
		t.Errorf("held %v", held)
	}
}

func TestRestampedEndIsTheSamePress(t *testing.T) {
	l := newLine(Config{})
	packets := press('1', 1600, 1, 4)
	l.feed(packets[:4]...)
	for _, p := range packets[4:] { // ends that carry the time they were sent at
		p.Timestamp += 4 * 160
		p.Payload = AppendEvent(nil, '1', true, 10, 160)
		l.feed(p)
	}
	l.want(t, "1")
}

func TestSixteenKilohertzEventsAreHeard(t *testing.T) {
	l := newLine(Config{Events: []EventType{{PT: 102, Rate: 16000}}})
	l.feed(EventPacket{PT: 102, SSRC: 1, Timestamp: 32000, Payload: AppendEvent(nil, '9', true, 10, 1600)})
	l.want(t, "9")
	if p := l.got[0]; p.At != 16000 || p.Held != 100*time.Millisecond {
		t.Errorf("at %d, held %v", p.At, p.Held)
	}
}

// TestEveryNegotiatedTypeHasItsClock: whichever of them a press comes by.
func TestEveryNegotiatedTypeHasItsClock(t *testing.T) {
	l := newLine(Config{Events: []EventType{{PT: 101, Rate: 8000}, {PT: 110, Rate: 48000}, {PT: 96, Rate: 16000}}})
	l.feed(press('1', 8000, 1, 4)...)
	l.feed(EventPacket{PT: 110, SSRC: 1, Seq: 20, Timestamp: 96000, Payload: AppendEvent(nil, '2', true, 10, 4800)})
	l.feed(EventPacket{PT: 96, SSRC: 1, Seq: 40, Timestamp: 48000, Payload: AppendEvent(nil, '3', true, 10, 1600)})
	l.want(t, "123")
	for _, p := range l.got {
		if at := 8000 * uint32(p.Digit-'0'); p.At != at || p.Up && p.Held != 100*time.Millisecond {
			t.Errorf("%c at %d, held %v", p.Digit, p.At, p.Held)
		}
	}
}

// TestSeveralReportsInAPacketFollowEachOther (RFC 4733 §2.5.1.5): keys in a row, one
// among them that is none, and its copies.
func TestSeveralReportsInAPacketFollowEachOther(t *testing.T) {
	var payload []byte
	for _, code := range []byte{1, 36, 2, 2} { // 36 is a fax tone, and takes its time
		payload = append(payload, code, 0x80|10, 800>>8, 800&0xff)
	}
	l := newLine(Config{})
	for seq := range uint16(3) {
		l.feed(EventPacket{PT: 101, SSRC: 1, Seq: 7 + seq, Timestamp: 4000, Payload: payload})
	}
	l.want(t, "12")
	if second := l.got[2]; second.Digit != '2' || second.At != 4000+1600 {
		t.Errorf("the second is %+v", second)
	}
}

// TestLateCopiesAreNoPress: of a press that is long over, and with others after it.
func TestLateCopiesAreNoPress(t *testing.T) {
	l := newLine(Config{})
	old := press('1', 1600, 1, 4)
	l.feed(old...)
	for i := range uint16(remembered - 1) {
		l.feed(press("23"[i%2], 8000*uint32(i+2), 50*(i+1), 4)...)
		l.feed(old[i%7])
	}
	l.want(t, "1"+strings.Repeat("23", remembered/2)[:remembered-1])
}

// TestNothingSaysNothing: a report without a duration is no press yet, and with
// nothing else none at all.
func TestNothingSaysNothing(t *testing.T) {
	l := newLine(Config{})
	for seq := range uint16(3) {
		l.feed(EventPacket{PT: 101, SSRC: 1, Seq: seq, Timestamp: 1600, Marker: true, Payload: AppendEvent(nil, '1', seq == 2, 10, 0)})
	}
	l.want(t, "")
}

func TestWhatIsNoPressIsIgnored(t *testing.T) {
	l := newLine(Config{})
	l.feed(
		EventPacket{PT: 96, Payload: AppendEvent(nil, '1', false, 10, 160)}, // not negotiated
		EventPacket{PT: 101, Payload: []byte{1, 10, 0}},                     // cut short
		EventPacket{PT: 101, Payload: []byte{36, 10, 0, 160}},               // a fax tone
		EventPacket{PT: 101},
	)
	l.want(t, "")
}

func TestOnePressByTwoMethodsIsOne(t *testing.T) {
	l := newLine(Config{InBand: true})
	l.feed(press('1', 1600, 1, 4)...)
	l.got = l.r.Audio(l.now, 1600, AppendTone(nil, '1', 100*time.Millisecond, -10), l.got)
	l.got = l.r.Audio(l.now, 2400, make([]int16, 800), l.got)
	l.got = l.r.Info(l.now, '1', 0, l.got)
	l.want(t, "1")
	l.got = l.r.Info(l.now, '1', 0, l.got)
	l.want(t, "11")
}

func TestSenderIsHeardByReceiver(t *testing.T) {
	l := newLine(Config{})
	steps := 0
	for s := NewSender("1w2,#x3"); ; steps++ {
		step, ok := s.Next()
		if !ok {
			break
		}
		for range step.Copies {
			l.got = l.r.Event(l.now, EventPacket{PT: 101, Timestamp: step.Start, Payload: step.Payload[:]}, l.got)
		}
		l.rest(stepTime)
	}
	l.want(t, "12#3")
	if steps != 4*10+2*25 {
		t.Errorf("%d steps of 20 ms", steps)
	}
	for _, p := range l.got {
		if p.Up && p.Held != pressTime {
			t.Errorf("%c held %v", p.Digit, p.Held)
		}
	}
}

func TestParseInfo(t *testing.T) {
	tests := []struct {
		kind, body string
		digit      byte
		held       time.Duration
		ok         bool
	}{
		{"application/dtmf-relay", "Signal=1\r\nDuration=160\r\n", '1', 160 * time.Millisecond, true},
		{"application/dtmf-relay", "Signal= *\nDuration= 250\n", '*', 250 * time.Millisecond, true},
		{"application/dtmf-relay; charset=utf-8", "signal=11", '#', 0, true},
		{"application/dtmf", "5", '5', 0, true},
		{"application/dtmf", " d\r\n", 'D', 0, true},
		{"application/dtmf", "", 0, 0, false},
		{"application/dtmf-relay", "Duration=160", 0, 0, false},
		{"application/dtmf-relay", "Signal=flash", 0, 0, false},
		{"application/sdp", "1", 0, 0, false},
		{"", "1", 0, 0, false},
	}
	for _, tt := range tests {
		digit, held, err := ParseInfo(tt.kind, []byte(tt.body))
		if (err == nil) != tt.ok || digit != tt.digit || held != tt.held {
			t.Errorf("%s %q: %c %v %v", tt.kind, tt.body, digit, held, err)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add("application/dtmf-relay", []byte("Signal=1\r\nDuration=160\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		digit, _, err := ParseInfo(kind, body)
		if _, ok := Code(digit); err == nil && !ok {
			t.Errorf("%q is no key", digit)
		}
	})
}

// FuzzEvent: whatever comes, every key that goes down comes up, in turn. Only a
// press that a later one overtook goes down while that is held, and comes up at once.
func FuzzEvent(f *testing.F) {
	f.Add([]byte{0, 0, 0, 160, 1, 10, 0, 160, 0, 0, 0, 160, 1, 138, 3, 32})
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newLine(Config{})
		for ; len(data) >= 8; data = data[8:] {
			ts := uint32(data[0])<<24 | uint32(data[1])<<16 | uint32(data[2])<<8 | uint32(data[3])
			l.feed(EventPacket{PT: 101, Timestamp: ts, Payload: data[4:8]})
		}
		l.rest(time.Second)
		var down []byte
		for i, p := range l.got {
			overtaken := len(down) > 1
			switch {
			case p.Up && len(down) > 0 && down[len(down)-1] == p.Digit:
				down = down[:len(down)-1]
			case !p.Up && !overtaken:
				down = append(down, p.Digit)
			default:
				t.Fatalf("report %d is out of turn: %+v", i, l.got)
			}
		}
		if len(down) > 0 {
			t.Fatalf("%q never came up", down)
		}
	})
}

func TestHearingDoesNotAllocate(t *testing.T) {
	l := newLine(Config{InBand: true})
	out := make([]Press, 0, 16)
	packets := press('1', 1600, 1, 4)
	tone := AppendTone(nil, '1', 20*time.Millisecond, -10)
	ts := uint32(0)
	if n := testing.AllocsPerRun(200, func() {
		for _, p := range packets {
			out = l.r.Event(l.now, p, out[:0])
		}
		out = l.r.Audio(l.now, ts, tone, out[:0])
		out = l.r.Idle(l.now, out[:0])
		ts += 160
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
