package e2e

import "testing"

// TestSRTP: a telephone that talks SRTP only (RFC 4568 keys), bridged to one that
// talks plain RTP; two of SRTP; and each of them towards a trunk that leaves it open.
func TestSRTP(t *testing.T) {
	const secret, plain = ";mediaenc=srtp-mand", ""
	for name, tt := range map[string]struct{ rep, prospect, repTrunk, prospectTrunk string }{
		"rep only":      {secret, plain, "required", "none"},
		"prospect only": {plain, secret, "none", "required"},
		"both":          {secret, secret, "required", "required"},
		"optional":      {plain, ";mediaenc=srtp", "optional", "optional"},
		"second offer":  {secret, secret, "optional", "optional"}, // the first, with keys under RTP/AVP, gets a 488
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep := startBaresip(t, repHz, "<sip:"+repNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu"+tt.rep)
			prospect := startBaresip(t, prospectHz, "<sip:"+prospectNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcma"+tt.prospect)
			s := newServer(t, sippTrunk("reps", rep.port, ", srtp: ", tt.repTrunk)+sippTrunk("outside", prospect.port, ", srtp: ", tt.prospectTrunk)+legRoutes)
			s.start()
			id := s.place(repNumber, prospectNumber)
			talk(t, s, id, rep, prospect)
			prospect.press(hangUpKey)
			s.ends(id, "completed", "completed", "prospect")
		})
	}
}
