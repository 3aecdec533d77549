package media

import (
	"net/netip"
	"slices"
	"time"

	"tandem/dtmf"
)

const (
	// idleEvery is how often a press without packets is looked for.
	idleEvery = 50 * time.Millisecond
	// rateCap is how many packets a second of the far end's are taken: five
	// times what 10 ms of sound a packet make.
	rateCap = 500
	// earRoom is how many presses wait for somebody who does not take them: a
	// second of keys hit as fast as a finger can.
	earRoom = 32
	// noisePT is comfort noise (RFC 3389).
	noisePT = 13
)

// kind is what a packet carries.
type kind uint8

const (
	unknown kind = iota
	sound
	event // of a key, RFC 4733
	red   // several of those, RFC 2198
	noise // comfort noise
)

// ofKeys reports whether a packet says what key is down.
func (k kind) ofKeys() bool { return k == event || k == red }

// inbound is what a stream knows of what comes in, under Stream.inMu.
type inbound struct {
	descent
	cipher   *cipher // of what comes; nil = in plain
	latch    latch
	waiting  waiting
	told     netip.AddrPort // what Stream.to says
	last     time.Time      // of the newest packet
	second   time.Time      // when it began …
	taken    int            // … and how many were taken since
	machine  *Machine       // nil = nobody asks
	network  *network       // likewise
	ears     []ear
	begun    bool
	sounded  bool    // there was more than silence in it
	hushed   bool    // nothing is passed on until the key comes up
	toneOnly bool    // its keys come as tones, if at all
	tone     toneKey // one that is passed on as an event
	tally    tally
	types    [128]content // by payload type

	// What a plain packet does not touch.
	s       *Stream
	keys    *dtmf.Receiver
	decoder g722 // of what is listened to
	idle    *time.Timer
	idling  bool    // it runs
	down    byte    // the key that is held, 0 = none
	pressed pressed // the event that came last
	muted   pressed // the one that began before Join

	series      series
	reports     reports
	reportsFrom netip.AddrPort // where the far end said its reports come from
}

// pressed names one telephone-event by its timestamp.
type pressed struct {
	ssrc, ts uint32
	valid    bool
}

func newInbound(s *Stream) inbound {
	in := inbound{
		s:       s,
		latch:   latch{symmetric: s.pool.cfg.Symmetric, from: s.side.From},
		tally:   tally{rate: sampleRate},
		keys:    dtmf.NewReceiver(dtmf.Config{}),
		decoder: newG722(),
		last:    time.Now(),
	}
	in.expect(numbers{})
	return in
}

// configure takes what was agreed.
func (in *inbound) configure(theirs remote) {
	in.latch.describe(theirs.addr)
	in.tell(in.latch.target())
	in.toneOnly = in.s.side.InBand && theirs.event == 0 && theirs.wideEvent == 0
	in.expect(theirs.numbers)
	if in.reportsFrom != theirs.reports {
		in.reportsFrom, in.reports.heard = theirs.reports, netip.AddrPort{}
	}
}

// expect says what may come: all that we offered, for an answer does not forbid
// the rest of it, and sound overtakes answers (RFC 3264 §5.1, §6.1). Keys come
// with the number that we gave them, or the far end's.
func (in *inbound) expect(theirs numbers) {
	ours := ourNumbers(in.s.side)
	in.types = [128]content{noisePT: {kind: noise, rate: sampleRate}}
	for _, c := range in.s.side.Codecs {
		in.carries(ours.of(c), content{sound, c, c.rate()})
		in.carries(theirs.of(c), content{sound, c, c.rate()})
	}
	cfg := dtmf.Config{InBand: in.s.side.InBand, Score: in.s.side.Score, Dwell: in.s.side.Dwell}
	if in.s.side.EventPT != 0 {
		for _, n := range []numbers{ours, theirs} {
			for _, e := range []eventType{{n.event, sampleRate}, {n.wideEvent, wideRate}} {
				if in.carries(e.pt, content{kind: event, rate: e.rate}) {
					cfg.Events = append(cfg.Events, dtmf.EventType{PT: e.pt, Rate: int(e.rate)})
				}
			}
		}
		in.carries(theirs.red, content{kind: red, rate: sampleRate})
	}
	in.keys.Configure(cfg)
}

// carries says what a payload type carries, if there is one and nothing else has it.
func (in *inbound) carries(pt uint8, what content) bool {
	if pt == 0 && (what.kind != sound || what.codec != PCMU) || in.types[pt].kind != unknown {
		return false
	}
	in.types[pt] = what
	return true
}

// tell makes to the address that is sent to.
func (in *inbound) tell(to netip.AddrPort) {
	in.told = to
	in.s.to.Store(&to)
}

// watch looks for the end of a press whose packets stopped, while there is one
// and anybody listens.
func (in *inbound) watch() {
	switch {
	case in.idling || len(in.ears) == 0 || !in.keys.Pending():
		return
	case in.idle == nil:
		in.idle = time.AfterFunc(idleEvery, in.checkIdle)
	default:
		in.idle.Reset(idleEvery)
	}
	in.idling = true
}

func (in *inbound) unwatch() {
	in.ears = nil
	if in.idle != nil {
		in.idle.Stop()
	}
}

func (in *inbound) checkIdle() {
	in.s.inMu.Lock()
	defer in.s.inMu.Unlock()
	in.idling = false
	in.report(in.keys.Idle(time.Now(), nil))
}

// report tells presses to those who listen, after each look at the keys.
func (in *inbound) report(presses []dtmf.Press) {
	for _, p := range presses {
		switch {
		case p.Down():
			in.down = p.Digit
			if in.toneOnly && p.Method == dtmf.MethodInBand {
				in.tone = toneKey{digit: p.Digit}
			}
		case p.Near == dtmf.NearEcho:
			if peer := in.s.peer.Load(); peer != nil {
				peer.expectEcho(time.Now())
			}
		case p.Up && p.Digit == in.down:
			in.down, in.hushed = 0, false
			in.tone.over = true
		}
		for _, ear := range in.ears {
			if !ear.tones && p.Method == dtmf.MethodInBand {
				continue
			}
			select {
			case ear.presses <- p:
			default:
				in.s.log.Warn("media: a press found nobody to take it")
			}
		}
	}
	in.watch()
}

// ear is somebody who listens for keys.
type ear struct {
	presses chan dtmf.Press
	tones   bool // those too
}

// hearsTones reports whether anybody listens for keys that come as tones.
func (in *inbound) hearsTones() bool {
	return slices.ContainsFunc(in.ears, func(e ear) bool { return e.tones })
}

// hush keeps a key that is down from the other leg, to its end. One that nobody
// would hear come up is not waited for.
func (in *inbound) hush() {
	in.muted = in.pressed
	in.hushed = in.down != 0 && in.hearsTones()
}

// tooMany reports whether more packets come than any sound has.
func (in *inbound) tooMany(now time.Time) bool {
	if now.Sub(in.second) >= time.Second {
		in.second, in.taken = now, 0
	}
	in.taken++
	return in.taken > rateCap
}
