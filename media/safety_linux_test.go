package media

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// safety is what must hold whatever is sent to us, by either path.
var safety = map[string]func(t *testing.T, w *fastWorld){
	"only the negotiated payload latches":           onlyThePayloadLatches,
	"a phone behind a NAT is learnt once":           aNATIsLearntOnce,
	"who is not latched is dropped and counted":     strangersAreDropped,
	"media_from keeps others out":                   othersAreKeptOut,
	"nobody who sends here is answered":             strangersAreNotAnswered,
	"a re-INVITE opens to its own address only":     reINVITEMovesTheLatch,
	"version, size, SSRC and payload must be right": garbageIsDropped,
	"a stream has a cap":                            aStreamHasACap,
	"keys of a stream of their own have it too":     keysAsideHaveACap,
	"reports of strangers change nothing":           reportsOfStrangers,
	"comfort noise passes":                          comfortNoisePasses,
	"comfort noise that is not taken leaves no gap": comfortNoiseIsLeftOut,
	"any packet time passes":                        anyPacketTimePasses,
	"nothing of an ended call is passed on":         nothingAfterTheEnd,
	"a used port cools":                             usedPortsCool,
}

func TestSafety(t *testing.T) {
	if !alone(t) {
		return
	}
	for name, holds := range safety {
		t.Run(name+"/kernel", func(t *testing.T) { holds(t, newFastWorld(t, openTable(t))) })
		t.Run(name+"/user", func(t *testing.T) { holds(t, newFastWorld(t, nil)) })
	}
}

// stranger is somebody else with a socket who knows a's stream, so that nothing
// but the address tells them apart.
func (w *fastWorld) stranger() *farEnd {
	x := newFarEnd(w.t)
	x.to, x.ssrc, x.seq, x.ts = w.a.to, w.a.ssrc, w.a.seq, w.a.ts
	return x
}

// undisturbed says that what b hears of a goes on where last was, with nothing
// between, by the path it took.
func (w *fastWorld) undisturbed(last []byte) {
	w.t.Helper()
	below := w.pool.Below()
	for range 5 {
		next := talk(1, w.a, w.b)
		if binary.BigEndian.Uint16(next[2:]) != binary.BigEndian.Uint16(last[2:])+1 || next[1]&0x7f != w.b.pt {
			w.t.Fatalf("%x after %x", next[:rtpHeader], last[:rtpHeader])
		}
		last = next
	}
	if w.pool.Below() != below {
		w.t.Errorf("%d directions are below, %d were", w.pool.Below(), below)
	}
}

// gained is what the rep's leg has dropped since before.
func gained(w *fastWorld, before Stats) (rejected [len(rejections)]uint64, suspect [len(suspicions)]uint64) {
	now := w.rep.Stats()
	for i := range rejected {
		rejected[i] = now.Rejected[i] - before.Rejected[i]
	}
	for i := range suspect {
		suspect[i] = now.Suspect[i] - before.Suspect[i]
	}
	return rejected, suspect
}

func onlyThePayloadLatches(t *testing.T, w *fastWorld) {
	x := w.stranger()
	for range 2 * probation {
		w.a.send(18, w.a.ts, []byte{1, 2, 3})
		x.send(18, x.ts, []byte{1, 2, 3})
	}
	w.a.ssrc++ // and so it is the first packet that counts
	talk(1, w.a, w.b)
	rejected, suspect := gained(w, Stats{})
	if rejected != [len(rejections)]uint64{rejectPayload: 4 * probation} || suspect != [len(suspicions)]uint64{} {
		t.Errorf("rejected %v, suspect %v", rejected, suspect)
	}
	if s := w.rep.Stats(); s.Received != 1 || s.SourceChanges != 0 {
		t.Errorf("%+v", s)
	}
	talk(1, w.b, w.a)
}

func aNATIsLearntOnce(t *testing.T, w *fastWorld) {
	w.a.listen() // another port than it describes
	for range probation {
		w.a.frame()
	}
	for range probation {
		w.b.hear()
	}
	w.descended()
	x, before := w.stranger(), w.rep.Stats()
	last := talk(1, w.a, w.b)
	for range 10 * probation {
		x.frame()
	}
	w.undisturbed(last)
	if _, suspect := gained(w, before); suspect != [len(suspicions)]uint64{suspectSource: 10 * probation} {
		t.Errorf("suspect %v", suspect)
	}
}

func strangersAreDropped(t *testing.T, w *fastWorld) {
	w.descended()
	before, last := w.rep.Stats(), talk(1, w.a, w.b)
	x := w.stranger()
	for range 50 {
		x.frame()
	}
	w.undisturbed(last)
	rejected, suspect := gained(w, before)
	if rejected != [len(rejections)]uint64{rejectSource: 50} || suspect != [len(suspicions)]uint64{suspectSource: 50} {
		t.Errorf("rejected %v, suspect %v", rejected, suspect)
	}
}

func othersAreKeptOut(t *testing.T, w *fastWorld) {
	w.rep.Close()
	w.caller.Close()
	w.side.From = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	w.connect()
	outside := newFarEnd(t)
	outside.listenAt("127.0.0.2")
	outside.to = w.a.to
	for range 10 * probation {
		outside.frame()
	}
	talk(1, w.a, w.b)
	w.descended()
	outside.frame()
	w.undisturbed(talk(1, w.a, w.b))
	if n := w.rep.Stats().Suspect[suspectSource]; n != 10*probation+1 {
		t.Errorf("%d are suspect", n)
	}
}

func strangersAreNotAnswered(t *testing.T, w *fastWorld) {
	x := w.stranger()
	control := netip.AddrPortFrom(w.a.to.Addr(), w.a.to.Port()+1)
	pester := func() {
		for _, to := range []netip.AddrPort{w.a.to, control} {
			for _, b := range [][]byte{nil, {0}, slices.Repeat([]byte{0xff}, 1400), words(0, rtcpSR, 1, 2, 3, 4, 5, 6), words(1, 203, 1)} {
				x.raw(b, to)
			}
			x.to = to
			x.frame()
		}
	}
	pester() // before anybody has spoken …
	w.descended()
	for range 20 { // … and while they talk
		pester()
		talk(1, w.b, w.a)
	}
	w.rep.Close()
	w.caller.Close()
	pester()
	if n := x.drain(); n != 0 {
		t.Errorf("a stranger got %d packets", n)
	}
}

func reINVITEMovesTheLatch(t *testing.T, w *fastWorld) {
	w.descended()
	old, before := w.stranger(), w.rep.Stats()
	old.conn.Close()
	old.conn, w.a.conn = w.a.conn, nil
	w.a.listen()
	if _, err := w.rep.Reoffer(w.a.sdp("sendrecv")); err != nil {
		t.Fatal(err)
	}
	last := talk(1, w.a, w.b)
	for range 50 {
		old.frame()
	}
	w.undisturbed(last)
	w.descended()
	old.frame()
	last = talk(1, w.a, w.b)
	w.undisturbed(last)
	talk(1, w.b, w.a)
	if _, suspect := gained(w, before); suspect[suspectSource] != 51 {
		t.Errorf("%d are suspect", suspect[suspectSource])
	}
}

func garbageIsDropped(t *testing.T, w *fastWorld) {
	w.descended()
	before, last := w.rep.Stats(), talk(1, w.a, w.b)
	good := func(change func(b []byte)) []byte {
		b := w.a.packet(w.a.pt, w.a.ts, slices.Repeat([]byte{0x12}, frameSamples))
		change(b)
		return b
	}
	wrong := map[int][][]byte{
		rejectVersion: {
			{}, {0x80}, good(func([]byte) {})[:rtpHeader-1],
			good(func(b []byte) { b[0] = 0x00 }), good(func(b []byte) { b[0] = 0x40 }), good(func(b []byte) { b[0] = 0xc0 }),
			good(func(b []byte) { b[0] = 0xa0; b[len(b)-1] = 0xff }),                    // more padding than there is
			good(func(b []byte) { b[0] = 0x90; b[14], b[15] = 0xff, 0xff }),             // an extension that is longer
			append([]byte{0x8f}, good(func([]byte) {})[1:rtpHeader+4*14]...),            // fewer CSRCs than are counted
			{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, // STUN
		},
		rejectPayload: {
			good(func([]byte) {})[:rtpHeader], good(func(b []byte) { b[1] = 3 }), good(func(b []byte) { b[1] = 127 }),
		},
	}
	for _, all := range wrong {
		for _, b := range all {
			w.a.raw(b, w.a.to)
		}
	}
	for range 5 {
		w.a.raw(good(func(b []byte) { b[8] ^= 1 }), w.a.to) // another SSRC, which is no stream
	}
	w.undisturbed(last)
	rejected, suspect := gained(w, before)
	for why, all := range wrong {
		if rejected[why] != uint64(len(all)) {
			t.Errorf("rejected for its %s: %d, want %d", rejections[why], rejected[why], len(all))
		}
	}
	if suspect != [len(suspicions)]uint64{suspectSSRC: 5} {
		t.Errorf("suspect %v", suspect)
	}
}

// flood sends much more than there may be, and returns how many seconds, of those
// that are counted, it may have touched.
func flood(send func()) (seconds uint64) {
	began := time.Now()
	for range 8 * rateCap {
		send()
	}
	return uint64(time.Since(began)/time.Second) + 2
}

func aStreamHasACap(t *testing.T, w *fastWorld) {
	w.descended()
	before := w.caller.Stats().Sent
	at, ts := w.a.seq, w.a.ts
	seconds := flood(func() {
		w.a.raw(w.a.packet(w.a.pt, ts, make([]byte, frameSamples)), w.a.to)
		w.a.seq++
		ts += frameSamples
	})
	sent := w.caller.Stats().Sent - before
	if most := seconds * rateCap; sent > most || sent == 0 {
		t.Errorf("%d packets of %d were passed on in %d seconds", sent, w.a.seq-at, seconds)
	}
	if w.rep.Stats().Suspect[suspectRate] == 0 {
		t.Error("none is suspect")
	}
}

func keysAsideHaveACap(t *testing.T, w *fastWorld) {
	w.descended()
	x, before := w.stranger(), w.caller.Stats().Sent
	seconds := flood(func() {
		b := x.packet(101, x.ts, []byte{5, 10, 0, 160})
		b[8] ^= 1
		w.a.raw(b, w.a.to)
		x.seq++
	})
	if sent := w.caller.Stats().Sent - before; sent > seconds*rateCap || sent == 0 {
		t.Errorf("%d packets were passed on in %d seconds", sent, seconds)
	}
}

func reportsOfStrangers(t *testing.T, w *fastWorld) {
	w.descended()
	last := talk(1, w.a, w.b)
	ours := binary.BigEndian.Uint32(talk(1, w.b, w.a)[8:])
	control := netip.AddrPortFrom(w.a.to.Addr(), w.a.to.Port()+1)
	outside := newFarEnd(t)
	outside.listenAt("127.0.0.2")
	heard := words(1, rtcpRR, w.a.ssrc, ours, 0x80000064, 0, 0, 0, 0) // half of it lost
	for range 5 * reportCap {
		outside.raw(heard, control)
		outside.raw(words(1, 203, w.a.ssrc), w.a.to) // BYE
	}
	w.a.raw(heard[:8+24], control) // which are heard all the same
	<-w.until(func() bool { return w.rep.Stats().Far.Reports > 0 })
	w.undisturbed(last)
	if s := w.rep.Stats(); s.Far.Reports != 1 || s.Rejected[rejectSource] != 10*reportCap || s.Suspect[suspectRate] != 0 {
		t.Errorf("%+v, rejected %v, suspect %v", s.Far, s.Rejected, s.Suspect)
	}
}

// noiseOf has b say whether it takes comfort noise, and a send some.
func noiseOf(w *fastWorld, takes bool) (before, last []byte) {
	w.t.Helper()
	sdp := string(w.b.sdp("sendrecv"))
	if takes {
		sdp = strings.Replace(sdp, " 101\r\n", " 13 101\r\n", 1)
	}
	if _, err := w.caller.Reoffer([]byte(sdp)); err != nil {
		w.t.Fatal(err)
	}
	w.descended()
	before = talk(1, w.a, w.b)
	w.a.send(noisePT, w.a.ts, []byte{40})
	w.a.ts += 10 * frameSamples
	return before, talk(1, w.a, w.b)
}

func comfortNoisePasses(t *testing.T, w *fastWorld) {
	before, noise := noiseOf(w, true)
	if noise[1]&0x7f != noisePT || len(noise) != rtpHeader+1 || binary.BigEndian.Uint16(noise[2:]) != binary.BigEndian.Uint16(before[2:])+1 {
		t.Errorf("%x after %x", noise, before[:rtpHeader])
	}
	sound := w.b.hear()
	if by := binary.BigEndian.Uint32(sound[4:]) - binary.BigEndian.Uint32(before[4:]); by != 11*frameSamples {
		t.Errorf("the pause has become %d ticks", by)
	}
	w.undisturbed(sound)
}

func comfortNoiseIsLeftOut(t *testing.T, w *fastWorld) {
	before, sound := noiseOf(w, false)
	by := binary.BigEndian.Uint32(sound[4:]) - binary.BigEndian.Uint32(before[4:])
	if sound[1]&0x7f != w.b.pt || binary.BigEndian.Uint16(sound[2:]) != binary.BigEndian.Uint16(before[2:])+1 || by != 11*frameSamples {
		t.Errorf("%x after %x", sound[:rtpHeader], before[:rtpHeader])
	}
}

func anyPacketTimePasses(t *testing.T, w *fastWorld) {
	w.descended()
	last := talk(1, w.a, w.b)
	step := uint32(frameSamples)
	for _, ms := range []uint32{10, 30, 40, 60} {
		samples := ms * sampleRate / 1000
		for range 20 {
			w.a.send(w.a.pt, w.a.ts, slices.Repeat([]byte{0x12, 0x92}, int(samples/2)))
			w.a.ts += samples
			next := w.b.hear()
			if len(next) != rtpHeader+int(samples) || binary.BigEndian.Uint16(next[2:]) != binary.BigEndian.Uint16(last[2:])+1 ||
				binary.BigEndian.Uint32(next[4:])-binary.BigEndian.Uint32(last[4:]) != step {
				t.Fatalf("%d ms: %d octets, %x after %x", ms, len(next), next[:rtpHeader], last[:rtpHeader])
			}
			last, step = next, samples
		}
	}
	if w.table != nil && w.pool.Below() != 2 {
		t.Errorf("%d directions are below", w.pool.Below())
	}
}

// nothingAfterTheEnd ends calls under fire. Once Close has returned, and what was
// on its way has been read, nothing comes.
func nothingAfterTheEnd(t *testing.T, w *fastWorld) {
	for range 2 {
		w.descended()
		stop, fired := make(chan struct{}), make(chan struct{}, 10000)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
					w.a.frame()
					fired <- struct{}{}
				}
			}
		}()
		w.b.hear()
		w.rep.Close()
		w.caller.Close()
		w.none()
		for len(fired) > 0 {
			<-fired
		}
		<-fired // what is sent from now on was sent after the end
		w.b.drain()
		for range 30 {
			<-fired
		}
		if n := w.b.drain(); n > 0 {
			t.Errorf("%d packets of an ended call were passed on", n)
		}
		close(stop)
		<-done
		w.a.listen()
		w.b.listen()
		w.connect()
	}
}

// usedPortsCool: what an ended call's far ends still send gets to no other call.
func usedPortsCool(t *testing.T, w *fastWorld) {
	w.descended()
	late, used := w.stranger(), w.a.to.Port()
	w.rep.Close()
	w.caller.Close()
	w.a.listen()
	w.b.listen()
	w.connect()
	if w.a.to.Port() == used || w.b.to.Port() == used {
		t.Errorf("port %d is lent again", used)
	}
	for range 20 {
		late.frame()
	}
	w.descended()
	if s := w.rep.Stats(); s.Rejected != [len(rejections)]uint64{} || s.Suspect != [len(suspicions)]uint64{} {
		t.Errorf("the next call got packets of the old one: %v, %v", s.Rejected, s.Suspect)
	}
}
