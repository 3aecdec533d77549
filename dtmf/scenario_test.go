package dtmf

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// wire is the telephone-event packets of a call, as they are sent: each with the
// time it leaves at.
type wire struct {
	rate  int
	pt    uint8
	ssrc  uint32
	seq   uint16
	clock uint32 // timestamp at time 0
	now   time.Duration
	sent  []sent
}

type sent struct {
	at time.Duration
	p  EventPacket
}

// quirk is what a sender gets wrong, or does in its own way.
type quirk struct {
	noMarker, allMarkers bool
	moving               bool // stamps every packet with the time it is sent at
	restampEnds          bool
	zeroFirst            bool // the first packet has no duration yet
	oneEnd               bool
	segmentEnds          bool // E on every segment of a held key
	aligned              bool // segments end at the last packet below 0xffff
	changeSSRC           bool // with the key down
	junkFirst            bool // four zeros before the report
}

var quirks = map[string]quirk{
	"rfc": {}, "no marker": {noMarker: true}, "markers everywhere": {allMarkers: true}, "moving stamps": {moving: true},
	"restamped ends": {restampEnds: true}, "zero first": {zeroFirst: true}, "one end": {oneEnd: true},
	"ends on segments": {segmentEnds: true}, "aligned segments": {aligned: true}, "new source": {changeSSRC: true},
	"junk before": {junkFirst: true},
}

const ptime = 20 * time.Millisecond

func (w *wire) step() uint32 { return uint32(w.rate / 50) }

func (w *wire) stamp() uint32 { return w.clock + uint32(int64(w.now)*int64(w.rate)/int64(time.Second)) }

// press sends one key, held for a multiple of 20 ms, and rests.
func (w *wire) press(digit byte, held, rest time.Duration, q quirk) {
	start, packets := w.stamp(), int(held/ptime)
	from := uint32(0) // ticks to the segment under way
	changeAt := packets / 2
	for i := 1; i <= packets; i++ {
		w.now += ptime
		total := uint32(i) * w.step()
		limit := uint32(0xffff)
		if q.aligned {
			limit -= limit % w.step()
		}
		for total-from > limit {
			if q.segmentEnds {
				w.packet(digit, start+from, limit, true, false, q)
			}
			from += limit
		}
		if q.changeSSRC && i == changeAt {
			w.ssrc++
			w.seq += 1000
		}
		ts, duration := start+from, total-from
		if q.moving {
			ts = start + total - w.step()
		}
		if q.zeroFirst && i == 1 {
			duration = 0
		}
		w.packet(digit, ts, duration, false, i == 1, q)
	}
	ts, duration := start+from, uint32(packets)*w.step()-from
	copies := endCopies
	if q.oneEnd {
		copies = 1
	}
	for i := range copies {
		if q.restampEnds || q.moving {
			ts = start + uint32(packets+i)*w.step()
		}
		w.packet(digit, ts, duration, true, false, q)
	}
	w.now += rest
	w.seq += uint16(rest/ptime) + 1 // the sound between
}

func (w *wire) packet(digit byte, ts, duration uint32, end, first bool, q quirk) {
	payload := AppendEvent(nil, digit, end, 10, uint16(duration))
	if q.junkFirst {
		payload = append(make([]byte, 4), payload...)
	}
	w.sent = append(w.sent, sent{w.now, EventPacket{
		PT: w.pt, SSRC: w.ssrc, Seq: w.seq, Timestamp: ts, Payload: payload, Marker: first && !q.noMarker || q.allMarkers,
	}})
	w.seq++
}

// deliver loses, doubles and delays packets, and returns what the receiver says.
func (w *wire) deliver(random *rand.Rand, loss func(i int) bool, double, jitter float64) string {
	type arrival struct {
		at time.Duration
		p  EventPacket
	}
	var all []arrival
	for i, s := range w.sent {
		if loss(i) {
			continue
		}
		at := s.at + time.Duration(random.Float64()*jitter*float64(time.Millisecond))
		all = append(all, arrival{at, s.p})
		if random.Float64() < double {
			all = append(all, arrival{at + time.Duration(random.Float64()*60)*time.Millisecond, s.p})
		}
	}
	for i := 1; i < len(all); i++ {
		for j := i; j > 0 && all[j].at < all[j-1].at; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	l := &line{r: NewReceiver(Config{Events: []EventType{{PT: w.pt, Rate: w.rate}}}), now: time.Unix(1000, 0)}
	begin := l.now
	for _, a := range all {
		for ; l.now.Before(begin.Add(a.at)); l.now = l.now.Add(10 * time.Millisecond) {
			l.got = l.r.Idle(l.now, l.got)
		}
		l.got = l.r.Event(l.now, a.p, l.got)
	}
	l.rest(time.Second)
	downs, ups := l.downs()
	if sorted(downs) != sorted(ups) {
		return downs + " down, " + ups + " up"
	}
	return downs
}

func sorted(s string) string {
	b := []byte(s)
	for i := range b {
		for j := i; j > 0 && b[j] < b[j-1]; j-- {
			b[j], b[j-1] = b[j-1], b[j]
		}
	}
	return string(b)
}

// burstOnce loses n packets in a row, from a place in each press.
func burstOnce(from, n, every int) func(int) bool {
	return func(i int) bool { return i%every >= from && i%every < from+n }
}

// TestEverySenderIsHeardOnce: every quirk, clock, hold, loss and disorder.
func TestEverySenderIsHeardOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	none := func(int) bool { return false }
	calls, wrong := 0, make(map[string]int)
	for _, name := range slices.Sorted(maps.Keys(quirks)) {
		q := quirks[name]
		for _, rate := range []int{8000, 16000, 48000} {
			for round := range 24 {
				losses := map[string]func(int) bool{
					"none":   none,
					"5 %":    func(int) bool { return random.Float64() < 0.05 },
					"ends":   func(i int) bool { return i%8 >= 5 },
					"starts": func(i int) bool { return i%8 < 4 },
					"burst":  burstOnce(random.IntN(4), 3, 8),
				}
				for _, lossName := range slices.Sorted(maps.Keys(losses)) {
					loss := losses[lossName]
					if q.oneEnd && lossName == "starts" || q.moving && lossName != "none" && lossName != "5 %" {
						continue // nothing that tells presses apart is left
					}
					w := &wire{rate: rate, pt: 101, ssrc: random.Uint32(), seq: uint16(random.Uint32()), clock: random.Uint32()}
					if round%3 == 0 {
						w.clock, w.seq = -uint32(rate/3), 65530 // both wrap
					}
					var keys strings.Builder
					for range 1 + random.IntN(5) {
						key := digits[random.IntN(16)]
						if random.IntN(3) == 0 && keys.Len() > 0 {
							key = keys.String()[0]
						}
						keys.WriteByte(key)
						w.press(key, 100*time.Millisecond, time.Duration(3+random.IntN(30))*ptime, q)
					}
					disorder := []float64{0, 15, 45}[round%3]
					if q.oneEnd || q.zeroFirst || q.moving {
						disorder = 0
					}
					got := w.deliver(random, loss, 0.1*float64(round%2), disorder)
					calls++
					if sorted(got) != sorted(keys.String()) {
						wrong[fmt.Sprintf("%s, loss %s", name, lossName)]++
						if wrong[fmt.Sprintf("%s, loss %s", name, lossName)] == 1 {
							t.Errorf("%s at %d Hz, loss %s, disorder %v ms: heard %q, pressed %q", name, rate, lossName, disorder, got, keys.String())
						}
					}
				}
			}
		}
	}
	t.Logf("%d calls, wrong: %v", calls, wrong)
}

// TestHeldKeysAreOnePress: long holds in segments, at every clock.
func TestHeldKeysAreOnePress(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for _, name := range slices.Sorted(maps.Keys(quirks)) {
		q := quirks[name]
		for _, rate := range []int{8000, 16000, 48000} {
			for _, loss := range []float64{0, 0.05, 0.2} {
				if q.moving && loss > 0.1 {
					continue // nothing but their sound tells its presses apart
				}
				w := &wire{rate: rate, pt: 101, ssrc: 1, seq: 65000, clock: random.Uint32()}
				w.press('1', 20*time.Second, 100*time.Millisecond, q)
				w.press('1', 200*time.Millisecond, 100*time.Millisecond, q)
				got := w.deliver(random, func(int) bool { return random.Float64() < loss }, 0.02, 0)
				if got != "11" {
					t.Errorf("%s at %d Hz, loss %v: heard %q, pressed twice", name, rate, loss, got)
				}
			}
		}
	}
}
