package media

import (
	"slices"
	"time"
)

// Offer is our session description: the same octets until something changes.
func (s *Stream) Offer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offer()
}

// offer is Offer under mu.
func (s *Stream) offer() []byte {
	ours := s.ours
	ours.cryptos = s.keys.offer()
	ours.secure = len(ours.cryptos) > 0 && (s.keys.mode == SRTPRequired || s.theirs.secure)
	return s.describe(ours)
}

// Instead is another offer, for a far end that has refused the last one and has
// answered none; nil = there is none. Where SRTP is optional the first offer has
// keys under RTP/AVP. Who insists on SRTP may not see them there, so RTP/SAVP is
// next; who will have no keys at all gets RTP/AVP without.
func (s *Stream) Instead() []byte {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.side.SRTP != SRTPOptional || s.agreed {
		return nil
	}
	switch s.keys.mode {
	case SRTPOptional:
		s.keys.mode = SRTPRequired
	case SRTPRequired:
		s.keys.mode = SRTPNone
	default:
		return nil
	}
	return s.offer()
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
	_, err = s.take(theirs, func(*remote) {}, (*keys).answered)
	return err
}

// take makes theirs the other half of the session. choose puts the codec of our
// answer first; keying settles on SRTP, and what it returns is for our answer.
func (s *Stream) take(theirs remote, choose func(*remote), keying func(*keys, *remote) ([]crypto, error)) ([]crypto, error) {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.ascend(time.Now(), false)
	lines, err := s.settle(theirs, choose, keying)
	if err != nil {
		return nil, err
	}
	s.reconsider() // without mu: what is heard goes out by the other leg's
	return lines, nil
}

// settle is take under inMu.
func (s *Stream) settle(theirs remote, choose func(*remote), keying func(*keys, *remote) ([]crypto, error)) ([]crypto, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reclaim()
	theirs.codecs = slices.DeleteFunc(theirs.codecs, func(c Codec) bool { return !slices.Contains(s.side.Codecs, c) })
	if len(theirs.codecs) == 0 {
		return nil, ErrNoCodec
	}
	choose(&theirs)
	agreed := s.keys
	agreed.ours = slices.Clone(s.keys.ours)
	lines, err := keying(&agreed, &theirs)
	if err != nil {
		return nil, err
	}
	in, err := rekey(s.in.cipher, agreed.theirs)
	if err != nil {
		return nil, err
	}
	out, err := rekey(s.cipher, agreed.send)
	if err != nil {
		return nil, err
	}
	if s.side.EventPT == 0 {
		theirs.event, theirs.wideEvent, theirs.red = 0, 0, 0
	} else if !slices.Contains(theirs.codecs, Opus) {
		theirs.wideEvent = 0
	}
	if agreed.mode == SRTPRequired {
		agreed.mode = s.side.SRTP // Instead had offered nothing else
	}
	s.keys, s.in.cipher, s.cipher = agreed, in, out
	s.theirs, s.codec, s.agreed = theirs, theirs.codecs[0], true
	s.law, s.speaks = theirs.law()
	s.agreedOn.Add(1)
	s.in.configure(theirs)
	s.reportNAT(theirs.addr.Addr())
	return lines, nil
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
	lines, err := s.take(theirs, s.choose, (*keys).asked)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ours := s.ours
	ours.codecs, ours.numbers = s.theirs.answered(), s.theirs.numbers
	ours.sends, ours.hears = theirs.hears, theirs.sends
	ours.lines, ours.audio, ours.mux = theirs.lines, theirs.audio, theirs.mux
	ours.cryptos, ours.secure = lines, theirs.secure
	return s.describe(ours), nil
}

// choose puts the codec of our answer first in what an offer takes: the wide one
// in use if it is still there, else G.711.
func (s *Stream) choose(theirs *remote) {
	first, ok := theirs.law()
	if s.agreed && s.codec.Wide() && slices.Contains(theirs.codecs, s.codec) {
		first, ok = s.codec, true
	}
	if ok {
		theirs.codecs = append([]Codec{first}, slices.DeleteFunc(theirs.codecs, func(c Codec) bool { return c == first })...)
	}
}

// answered is what of an offer our answer takes: one law, and the wide ones, so
// that sound may change between them without another word (RFC 3264 §6.1).
func (r *remote) answered() (codecs []Codec) {
	law, _ := r.law()
	for _, c := range r.codecs {
		if c.Wide() || c == law {
			codecs = append(codecs, c)
		}
	}
	return codecs
}
