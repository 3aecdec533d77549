package media

import (
	"sync"
	"time"

	"tandem/dtmf"
)

// Machine is what tells an answering machine from a person.
type Machine struct {
	s    *Stream
	ear  dtmf.Machine // guarded by Stream.inMu
	beep chan struct{}
}

// Machine listens for an answering machine from now on, until stop is called.
func (s *Stream) Machine() (m *Machine, stop func()) {
	m = &Machine{s: s, beep: make(chan struct{})}
	s.inMu.Lock()
	s.in.machine = m
	s.inMu.Unlock()
	return m, sync.OnceFunc(func() {
		s.inMu.Lock()
		defer s.inMu.Unlock()
		if s.in.machine == m {
			s.in.machine = nil
		}
	})
}

// Beep is closed when there is a beep after a greeting.
func (m *Machine) Beep() <-chan struct{} { return m.beep }

// Opening is the share of the first 6 s in which the far end spoke, 0 to 1.
func (m *Machine) Opening() float64 {
	m.s.inMu.Lock()
	defer m.s.inMu.Unlock()
	return m.ear.Opening()
}

// listen gives sound to who asked for it.
func (in *inbound) listen(now time.Time, ts uint32, codec Codec, payload []byte) {
	keys := in.needsTones(in.s.peer.Load())
	if codec.Opaque() || !keys && in.machine == nil && in.network == nil {
		return
	}
	var room [maxPacket]int16
	samples := in.decoder.decode(room[:0], codec, payload)
	if keys {
		if until := in.s.echoesTo.Load(); until > now.UnixNano() {
			in.keys.Deafen(time.Unix(0, until))
		}
		in.report(in.keys.Audio(now, ts, samples, nil))
	}
	if in.machine != nil && in.machine.ear.Audio(samples) {
		close(in.machine.beep)
	}
	if in.network != nil {
		in.network.listen(ts, samples)
	}
}

// needsTones reports whether keys are looked for in the sound: because somebody
// listens for them, because the other leg gets them as events, or because the
// other leg's may be their echoes.
func (in *inbound) needsTones(peer *Stream) bool {
	return in.s.wantsTones.Load() || peer != nil && (in.toneOnly || in.s.side.InBand && peer.wantsTones.Load())
}

// echoes is how long an echo of what we sent may come after it.
const echoes = 300 * time.Millisecond

// deafen keeps the keys that we send for d from being heard as the far end's.
func (s *Stream) deafen(d time.Duration) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.in.keys.Deafen(time.Now().Add(d + echoes))
}

// expectEcho says that a key, or the echo of one, is on its way from the other leg
// to this one, whose line may send it back.
func (s *Stream) expectEcho(now time.Time) { s.echoesTo.Store(now.Add(echoes).UnixNano()) }

// watchOther has the sound that goes to this leg looked at from now on, for the
// keys in it.
func (s *Stream) watchOther() {
	peer := s.peer.Load()
	if peer == nil || !s.wantsTones.Load() {
		return
	}
	peer.inMu.Lock()
	defer peer.inMu.Unlock()
	peer.ascend(time.Now(), false)
}
