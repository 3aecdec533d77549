package dtmf

import (
	"testing"
	"time"
)

// both is a call whose keys come as sound and as events; each side sends them with
// an offset to where they were pressed.
type both struct {
	l     *line
	sound sound
	at    []eventAt
}

type eventAt struct {
	ts uint32
	p  EventPacket
}

func newBoth() *both { return &both{l: newLine(Config{InBand: true})} }

// tone puts 100 ms of a key into the sound.
func (b *both) tone(digit byte, ms int) {
	b.grow(ms*8 + 1600)
	for i, x := range AppendTone(nil, digit, 100*time.Millisecond, -10) {
		b.sound[ms*8+i] = x
	}
}

func (b *both) grow(n int) {
	if missing := n - len(b.sound); missing > 0 {
		b.sound = append(b.sound, make(sound, missing)...)
	}
}

// event sends 100 ms of a key as telephone-events.
func (b *both) event(digit byte, ms int) {
	b.grow(ms*8 + 1600)
	for i, p := range press(digit, uint32(ms*8), uint16(ms), 4) {
		b.at = append(b.at, eventAt{uint32(ms*8 + 160*min(i+1, 5)), p})
	}
}

// hear gives both to the receiver as time goes by.
func (b *both) hear() string {
	b.grow(len(b.sound) + 8000)
	for ts := uint32(0); int(ts)+160 <= len(b.sound); ts += 160 {
		for _, e := range b.at {
			if e.ts >= ts && e.ts < ts+160 {
				b.l.got = b.l.r.Event(b.l.now, e.p, b.l.got)
			}
		}
		b.l.got = b.l.r.Audio(b.l.now, ts, b.sound[ts:ts+160], b.l.got)
		b.l.got = b.l.r.Idle(b.l.now, b.l.got)
		b.l.now = b.l.now.Add(20 * time.Millisecond)
	}
	downs, ups := b.l.downs()
	if downs != ups {
		return downs + " down, " + ups + " up"
	}
	return downs
}

func TestAToneAndItsEventAreOnePress(t *testing.T) {
	for _, late := range []int{-240, -150, -40, 0, 40, 100, 200, 300, 400} {
		b := newBoth()
		for i, key := range []byte("1221") {
			at := 500 + 800*i
			b.event(key, at)
			b.tone(key, at+late)
		}
		if got := b.hear(); got != "1221" {
			t.Errorf("tones %d ms after their events: heard %q", late, got)
		}
	}
}

func TestTwoTonesWithTwoEventsAreTwo(t *testing.T) {
	for _, late := range []int{-100, 0, 100, 200} {
		b := newBoth()
		b.event('1', 500)
		b.event('1', 840)
		b.tone('1', 500+late)
		b.tone('1', 840+late)
		if got := b.hear(); got != "11" {
			t.Errorf("tones %d ms after their events: heard %q", late, got)
		}
	}
}

func TestToneWithoutItsEventStillCounts(t *testing.T) {
	b := newBoth()
	b.event('5', 500)
	b.tone('5', 500)
	b.tone('1', 1500) // its event is lost altogether
	b.event('7', 2500)
	if got := b.hear(); got != "517" {
		t.Errorf("heard %q", got)
	}
}

// TestASplinterOfAToneIsNoPress: the tone of an event falls into two.
func TestASplinterOfAToneIsNoPress(t *testing.T) {
	b := newBoth()
	for i, p := range press('1', 4000, 1, 14) { // 300 ms
		b.at = append(b.at, eventAt{uint32(4000 + 160*min(i+1, 15)), p})
	}
	b.tone('1', 500)
	b.tone('1', 660)
	if got := b.hear(); got != "1" {
		t.Errorf("heard %q", got)
	}
}

func TestAToneThatWaitsIsAnnouncedByItsEvent(t *testing.T) {
	b := newBoth()
	b.event('5', 500)
	b.tone('1', 1500)
	b.event('1', 1600)
	if got := b.hear(); got != "51" {
		t.Fatalf("heard %q", got)
	}
	for _, p := range b.l.got {
		if p.Digit == '1' && p.Near == 0 && p.Method != MethodEvent {
			t.Errorf("announced by %v", p.Method)
		}
	}
}

func TestInfoBesideTheOthersIsOnePress(t *testing.T) {
	b := newBoth()
	b.tone('1', 500)
	if got := b.hear(); got != "1" {
		t.Fatalf("heard %q", got)
	}
	l := newLine(Config{InBand: true})
	l.feed(press('1', 1600, 1, 4)...)
	l.got = l.r.Info(l.now, '1', 0, l.got)
	l.want(t, "1")
}

func TestRed(t *testing.T) {
	first, second := AppendEvent(nil, '1', false, 10, 160), AppendEvent(nil, '1', true, 10, 320)
	payload := append([]byte{0x80 | 101, 160 >> 6, 160 & 0x3f << 2, 4, 101}, append(first, second...)...)
	blocks, n := Red(payload, 1000)
	if n != 2 || blocks[0].PT != 101 || blocks[0].Timestamp != 840 || string(blocks[0].Payload) != string(first) ||
		blocks[1].Timestamp != 1000 || string(blocks[1].Payload) != string(second) {
		t.Errorf("%d blocks: %+v", n, blocks[:n])
	}
	for cut := range 9 {
		if _, n := Red(payload[:cut], 0); n != 0 && cut < 9 && cut != 0 {
			t.Errorf("%d octets gave %d blocks", cut, n)
		}
	}
}

func FuzzRed(f *testing.F) {
	f.Add([]byte{0x80 | 101, 10, 0, 4, 101, 1, 10, 0, 160, 1, 138, 1, 64})
	f.Fuzz(func(t *testing.T, payload []byte) {
		blocks, n := Red(payload, 0)
		total := 0
		for _, b := range blocks[:n] {
			total += len(b.Payload)
		}
		if total > len(payload) {
			t.Errorf("%d octets of %d", total, len(payload))
		}
	})
}

// FuzzReceiver gives a receiver events, sound and INFO in any order, of any shape.
// Whatever comes, every key that went down comes up, and nothing allocates.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte{0, 0, 0, 160, 1, 10, 0, 160, 1, 0, 0, 160, 1, 138, 3, 32})
	f.Add([]byte{2, 9, 9, 9, 9, 9, 9, 9, 1, 0, 0, 9, 9, 9, 9, 9, 3, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReceiver(Config{InBand: true, Events: []EventType{{101, 8000}, {102, 48000}}})
		now := time.Unix(1000, 0)
		got, tone := make([]Press, 0, 4096), make([]int16, 160)
		ts := uint32(0)
		play := func() {
			got = got[:0]
			for rest := data; len(rest) >= 8; rest = rest[8:] {
				b := rest[:8]
				ts += uint32(b[1])<<4 | uint32(b[2])
				now = now.Add(time.Duration(b[3]) * time.Millisecond)
				switch b[0] % 5 {
				case 0, 1:
					got = r.Event(now, EventPacket{PT: 101 + b[0]%2, SSRC: uint32(b[1] % 3), Seq: uint16(b[2]), Timestamp: ts, Marker: b[3]&1 != 0, Payload: b[4:]}, got)
				case 2:
					for i := range tone {
						tone[i] = int16(b[4+i%4]) << 7
					}
					got = r.Audio(now, ts, tone, got)
				case 3:
					got = r.Info(now, digits[b[4]%16], 0, got)
				case 4:
					got = r.Idle(now, got)
				}
			}
			got = r.Audio(now, ts+100000, tone, got) // a gap ends what sounds
			now = now.Add(time.Second)
			got = r.Idle(now, got)
		}
		if len(data) > 1600 {
			return
		}
		if n := testing.AllocsPerRun(1, play); n != 0 {
			t.Errorf("%v allocations", n)
		}
		down := make(map[byte]int)
		for _, p := range got {
			switch {
			case p.Down():
				down[p.Digit]++
			case p.Up:
				down[p.Digit]--
			}
		}
		for key, n := range down {
			if n != 0 {
				t.Errorf("%c: %d more went down than came up", key, n)
			}
		}
	})
}
