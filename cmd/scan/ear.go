package scan

import (
	"slices"
	"time"

	"tandem/dtmf"
)

// origin ties an RTP clock to the time of the file: at timestamp ts, of rate Hz,
// ms milliseconds had passed.
type origin struct {
	ts   uint32
	rate int
	ms   float64
}

// place is the file's time of an 8 kHz stamp that was made from the origin's clock.
func (o origin) place(at uint32) int {
	rate := int64(max(o.rate, 1))
	if o.rate == 0 {
		rate = 8000
	}
	wrap := (int64(1) << 32) * 8000 / rate
	ticks := int64(at) - int64(uint64(o.ts)*8000/uint64(rate))
	switch {
	case ticks > wrap/2:
		ticks -= wrap
	case ticks < -wrap/2:
		ticks += wrap
	}
	return int(o.ms + float64(ticks)/8 + 0.5)
}

// ear writes down what a receiver reports.
type ear struct {
	r       *dtmf.Receiver
	stream  string
	found   []Press
	down    []int // in found, that have not come up
	presses []dtmf.Press
}

func newEar(cfg dtmf.Config, stream string) *ear {
	return &ear{r: dtmf.NewReceiver(cfg), stream: stream}
}

func (e *ear) audio(now time.Time, from origin, ts uint32, samples []int16) {
	e.note(from, e.r.Audio(now, ts, samples, e.presses[:0]))
}

func (e *ear) event(now time.Time, from origin, p dtmf.EventPacket) {
	e.note(from, e.r.Event(now, p, e.presses[:0]))
}

// idle lets the receiver see that time has passed.
func (e *ear) idle(now time.Time, from origin) {
	e.note(from, e.r.Idle(now, e.presses[:0]))
}

// rest ends what is under way: silence, and a second without packets.
func (e *ear) rest(now time.Time, from origin, ts uint32) {
	silence := make([]int16, frame)
	for range 10 {
		e.audio(now, from, ts, silence)
		ts += frame
		now = now.Add(20 * time.Millisecond)
	}
	e.idle(now.Add(time.Second), from)
}

func (e *ear) note(from origin, presses []dtmf.Press) {
	for _, p := range presses {
		if p.Near != 0 {
			continue
		}
		digit, method, start := string(p.Digit), p.Method.String(), from.place(p.At)
		if !p.Up {
			e.down = append(e.down, len(e.found))
			e.found = append(e.found, Press{Stream: e.stream, StartMS: start, EndMS: start + int(p.Held.Milliseconds()), Digit: digit, Method: method})
			continue
		}
		i := slices.IndexFunc(e.down, func(i int) bool { return e.found[i].Digit == digit && e.found[i].Method == method })
		if i >= 0 {
			was := &e.found[e.down[i]]
			was.EndMS = was.StartMS + int(p.Held.Milliseconds())
			e.down = slices.Delete(e.down, i, i+1)
		}
	}
	e.presses = presses
}
