package media

import (
	"slices"
	"time"
)

// Offer is our session description: the same octets until something changes.
func (s *Stream) Offer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.describe(s.ours)
}

// describe writes our half. Its version goes up by one whenever it says
// something else than before (RFC 3264 §8).
func (s *Stream) describe(ours local) []byte {
	ours.version = s.ours.version
	text := ours.describe()
	if s.said != "" && s.said != string(text) {
		s.ours.version++
		ours.version = s.ours.version
		text = ours.describe()
	}
	s.said = string(text)
	return text
}

// Hear takes the answer of a provisional response, which opens early media.
// An empty one changes nothing; neither does one that is refused with an error.
func (s *Stream) Hear(answer []byte) error {
	if len(answer) == 0 {
		return nil
	}
	return s.agree(answer)
}

// Accept takes the final answer, which may differ from the early one. With none
// the early one stands; if there was none either, that is an error.
func (s *Stream) Accept(answer []byte) error {
	if len(answer) > 0 {
		return s.agree(answer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.agreed {
		return ErrNoAnswer
	}
	return nil
}

func (s *Stream) agree(answer []byte) error {
	theirs, err := parseSDP(answer)
	if err != nil {
		return err
	}
	if theirs.active > 1 { // we offered one
		return ErrTwoMedia
	}
	theirs.mux = false // we do not offer it
	return s.take(theirs)
}

// take makes theirs the other half of the session.
func (s *Stream) take(theirs remote) error {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.ascend(time.Now(), false)
	if err := s.settle(theirs); err != nil {
		return err
	}
	s.reconsider() // without mu: what is heard goes out by the other leg's
	return nil
}

// settle is take under inMu.
func (s *Stream) settle(theirs remote) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reclaim()
	chosen := slices.IndexFunc(theirs.codecs, func(c Codec) bool { return slices.Contains(s.side.Codecs, c) })
	if chosen < 0 {
		return ErrNoCodec
	}
	if s.side.EventPT == 0 {
		theirs.eventPT = 0
	}
	s.theirs, s.codec, s.agreed = theirs, theirs.codecs[chosen], true
	s.in.configure(theirs)
	s.reportNAT(theirs.addr.Addr())
	return nil
}

// Reoffer answers the far end's new offer: hold, resume, another address or
// codec. An empty one asks for our offer; its answer then goes to Accept. An
// error refuses it and changes nothing.
func (s *Stream) Reoffer(offer []byte) (answer []byte, err error) {
	if len(offer) == 0 {
		return s.Offer(), nil
	}
	theirs, err := parseSDP(offer)
	if err != nil {
		return nil, err
	}
	if err := s.take(theirs); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ours := s.ours
	ours.codecs = []Codec{s.codec}
	ours.eventPT = s.theirs.eventPT
	ours.sends, ours.hears = theirs.hears, theirs.sends
	ours.media, ours.audio, ours.mux = theirs.media, theirs.audio, theirs.mux
	return s.describe(ours), nil
}
