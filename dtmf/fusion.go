package dtmf

import "time"

const (
	// window is how far apart two methods may report one and the same press
	// where one of them has no media time (T_dtmf_dedupe).
	window = 500 * time.Millisecond
	// An event and its tone are one press if the tone begins no later than this
	// after the event's end, and ends no earlier than this before its start.
	toneLate  = 350 * rate / 1000
	eventLate = 250 * rate / 1000
	// holdTone is how long a tone waits for its event, once events were seen.
	holdTone = 250 * time.Millisecond
	// inside is how far a tone may reach out of an event that has its tone
	// already, and be a splinter of that.
	inside = 100 * rate / 1000

	fusedKept = 8
)

// fused is one press, by whatever methods it came.
type fused struct {
	digit      byte
	by         [4]bool // Method
	owner      Method  // that reported it
	up         bool    // both ways
	timed      bool    // start and end are of the audio's clock
	start, end uint32
	until      time.Time // when it was heard last
}

// fusion makes one press of what several methods say of it: each press takes at
// most one from each.
type fusion struct {
	all     [fusedKept]fused
	next    int
	waiting held
	events  bool // there were some: the far end sends them
}

// held is a tone that waits for its event.
type held struct {
	down, up Press
	entry    int
	due      time.Time
	valid    bool
	over     bool // up is known
}

// take passes on the presses that are not another method's echo.
func (f *fusion) take(now time.Time, b *burst, out []Press) []Press {
	for i := range b.press[:b.n] {
		p := &b.press[i]
		switch {
		case p.Near != 0:
			out = append(out, *p)
		case p.Up:
			out = f.released(now, p, out)
		default:
			out = f.pressed(now, p, out)
		}
	}
	return out
}

func (f *fusion) pressed(now time.Time, p *Press, out []Press) []Press {
	if i := f.find(now, p); i >= 0 {
		e := &f.all[i]
		first := !e.by[p.Method]
		e.by[p.Method] = true
		e.until = now
		if f.waiting.valid && f.waiting.entry == i && first {
			return f.release(p, out)
		}
		return out
	}
	entry := f.room()
	f.all[entry] = fused{
		digit: p.Digit, owner: p.Method, timed: p.Method == MethodInBand || p.Method == MethodEvent && p.Rate == rate,
		start: p.At, end: p.At + ticks(p.Held), until: now,
	}
	f.all[entry].by[p.Method] = true
	f.events = f.events || p.Method == MethodEvent
	if p.Method != MethodInBand || !f.events {
		return append(out, *p)
	}
	out = f.release(nil, out)
	f.waiting = held{down: *p, entry: entry, due: now.Add(holdTone), valid: true}
	return out
}

// room is where a new press is kept: in the place of the oldest that is over. One
// that is held keeps its place, however many keys come meanwhile, for its up is owed.
func (f *fusion) room() int {
	entry := f.next
	for k := range fusedKept {
		i := (f.next + k) % fusedKept
		e := &f.all[i]
		if awaited := f.waiting.valid && f.waiting.entry == i; !awaited && (e.digit == 0 || e.up) {
			entry = i
			break
		}
	}
	f.next = (entry + 1) % fusedKept
	return entry
}

func ticks(d time.Duration) uint32 { return uint32(d * rate / time.Second) }

// find is the press that p is the echo of, -1 if it is new: the nearest.
func (f *fusion) find(now time.Time, p *Press) int {
	best, least := -1, int64(0)
	for i := range f.all {
		e := &f.all[i]
		if e.digit != p.Digit || now.Sub(e.until) > forget {
			continue
		}
		timed := e.timed && (p.Method == MethodInBand || p.Method == MethodEvent && p.Rate == rate)
		if e.by[p.Method] {
			if p.Method == MethodInBand && e.by[MethodEvent] && timed && e.splinter(p) {
				return i
			}
			continue
		}
		distance := int64(now.Sub(e.until) / (time.Second / rate))
		near := distance < int64(ticks(window))
		if timed {
			near = e.meets(p)
			distance = int64(int32(p.At - e.start))
		}
		distance = max(distance, -distance)
		if near && (best < 0 || distance < least) {
			best, least = i, distance
		}
	}
	return best
}

// meets reports whether p, by one of tone and event, may be what e is by the other.
func (e *fused) meets(p *Press) bool {
	toneStart, toneEnd, eventStart, eventEnd := p.At, p.At+ticks(p.Held), e.start, e.end
	if p.Method == MethodEvent {
		toneStart, toneEnd, eventStart, eventEnd = eventStart, eventEnd, toneStart, toneEnd
	}
	return int32(toneStart-eventEnd) <= toneLate && int32(eventStart-toneEnd) <= eventLate
}

// splinter reports whether a tone lies within a press that has its tone already.
func (e *fused) splinter(p *Press) bool {
	return int32(p.At-e.start) >= -inside && (!e.up || int32(p.At-e.end) <= inside)
}

// released passes an up to those who were told of the down.
func (f *fusion) released(now time.Time, p *Press, out []Press) []Press {
	for k := range fusedKept { // the oldest first
		i := (f.next + k) % fusedKept
		e := &f.all[i]
		if e.digit != p.Digit || e.owner != p.Method || e.up {
			continue
		}
		e.up = true
		e.end, e.until = p.At+ticks(p.Held), now
		if f.waiting.valid && f.waiting.entry == i {
			f.waiting.up, f.waiting.over = *p, true
			return out
		}
		return append(out, *p)
	}
	return out
}

// release reports the tone that waited, by the event that came for it or as it is.
func (f *fusion) release(event *Press, out []Press) []Press {
	w := &f.waiting
	if !w.valid {
		return out
	}
	w.valid = false
	if event != nil {
		// From here on it is the event's: its up comes with the event's.
		e := &f.all[w.entry]
		e.owner, e.up = event.Method, false
		return append(out, *event)
	}
	out = append(out, w.down)
	if w.over {
		out = append(out, w.up)
	}
	return out
}

// due reports a tone that has waited for long enough.
func (f *fusion) due(now time.Time, out []Press) []Press {
	if f.waiting.valid && !now.Before(f.waiting.due) {
		return f.release(nil, out)
	}
	return out
}
