package media

import "slices"

// What a wide codec has more than G.711 is never made or read here. A leg offers
// G.711 first, for its prompts and keys, with the wide ones of its trunk behind. Once
// it is known what the rep's far end takes, the prospect's leg may offer that in its
// own order (Match). Where the two then agree on a wide one, the leg that speaks
// another is asked to change (Renegotiate); what comes in it meanwhile passes
// already, since an answer allows all that it lists (RFC 3264 §6.1), and what goes
// there is turned into G.722, but not into Opus.

// lawsFirst is codecs with G.711 before the others.
func lawsFirst(codecs []Codec) (sorted []Codec) {
	for _, wide := range []bool{false, true} {
		for _, c := range codecs {
			if c.Wide() == wide {
				sorted = append(sorted, c)
			}
		}
	}
	return sorted
}

// Match makes the offer fit another leg, which is answered: of wide codecs, those
// that leg takes, where the trunk has them; of G.711, its law first. The offer
// must not have been made yet.
func (s *Stream) Match(other *Stream) {
	other.mu.Lock()
	taken, fmtp := other.theirs.codecs, other.theirs.opusFmtp
	law, any := other.law, other.speaks
	other.mu.Unlock()
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.side.Codecs = slices.DeleteFunc(slices.Clone(s.side.Codecs), func(c Codec) bool {
		return c.Wide() && !slices.Contains(taken, c)
	})
	codecs := slices.Clone(s.side.Codecs)
	first := slices.IndexFunc(codecs, func(c Codec) bool { return !c.Wide() })
	if at := slices.Index(codecs, law); any && at > first {
		codecs = slices.Insert(slices.Delete(codecs, at, at+1), first, law)
	}
	s.ours.codecs, s.ours.opusFmtp = codecs, fmtp
	s.in.expect(numbers{})
}

// Codec is what the leg speaks, once both sides agreed.
func (s *Stream) Codec() (c Codec, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.codec, s.agreed
}

// Takes reports whether the far end has said that it takes a codec.
func (s *Stream) Takes(c Codec) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.theirs.codecs, c)
}

// Law is what the leg can be spoken to in by us, whatever it speaks itself: G.711, or
// G.722 where its far end takes no other. Where it takes neither, ok is false, and c
// the one we would rather have.
func (s *Stream) Law() (c Codec, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.speaks {
		return lawsFirst(s.side.Codecs)[0], false
	}
	return s.law, true
}

// Renegotiate asks the far end to speak c. A wide one is offered with G.711
// behind it, as like speaks it; G.711 alone. send sends the offer and returns the
// answer. On an error nothing has changed.
func (s *Stream) Renegotiate(c Codec, like *Stream, send func(offer []byte) (answer []byte, err error)) error {
	like.mu.Lock()
	fmtp := like.theirs.opusFmtp
	like.mu.Unlock()
	s.mu.Lock()
	before := s.ours
	s.ours.codecs, s.ours.opusFmtp = s.led(c), fmtp
	s.mu.Unlock()
	answer, err := send(s.Offer())
	if err == nil {
		err = s.Accept(answer)
	}
	if err != nil {
		s.mu.Lock()
		s.ours.codecs, s.ours.opusFmtp = before.codecs, before.opusFmtp
		s.mu.Unlock()
	}
	return err
}

// led is our codecs with c first: G.711 behind a wide one, and no wide one behind
// G.711.
func (s *Stream) led(c Codec) []Codec {
	codecs := []Codec{c}
	if s.speaks && s.law != c {
		codecs = append(codecs, s.law)
	}
	for _, other := range s.side.Codecs {
		if !other.Wide() && !slices.Contains(codecs, other) {
			codecs = append(codecs, other)
		}
	}
	return codecs
}

// use makes the line of a clock the one that is sent.
func (s *Stream) use(rate uint32) *line {
	next := &s.lines[0]
	if rate == wideRate {
		next = &s.lines[1]
	}
	if s.out != next {
		s.out.rest()
		s.out = next
	}
	return next
}
