package media

import (
	"sync"
	"time"

	"tandem/dtmf"
)

// network is somebody who waits for what the far end's network says by tones.
type network struct {
	ear   dtmf.Network // guarded by Stream.inMu
	heard chan dtmf.Signal
}

// Network listens for the tones by which a network says why a call does not come
// about, from now on, until stop is called. The first of them is told.
func (s *Stream) Network() (heard <-chan dtmf.Signal, stop func()) {
	n := &network{heard: make(chan dtmf.Signal, 1)}
	s.inMu.Lock()
	s.ascend(time.Now(), false) // tones are heard here only
	s.in.network = n
	s.inMu.Unlock()
	return n.heard, sync.OnceFunc(func() {
		s.inMu.Lock()
		defer s.inMu.Unlock()
		if s.in.network == n {
			s.in.network = nil
		}
	})
}

// listen takes samples that begin at media time ts.
func (n *network) listen(ts uint32, samples []int16) {
	signal := n.ear.Audio(ts, samples)
	if signal == dtmf.SignalNone {
		return
	}
	select {
	case n.heard <- signal:
	default: // another came before
	}
}
