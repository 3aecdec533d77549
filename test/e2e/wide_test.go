package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWideCodecs: a linphone is the rep's, whose leg is answered in G.711 and then
// asked to change; a baresip the prospect's. They talk in G.722, in Opus, by their
// own encoders and decoders (this baresip records nothing after a change of its
// decoder, so that it takes one codec only); and where the prospect's knows neither, in G.711.
func TestWideCodecs(t *testing.T) {
	for name, tt := range map[string]struct{ codecs, prospect, spoken string }{
		"G.722":   {"g722, pcmu, pcma", "g722/16000/1", "G722 16000Hz"},
		"Opus":    {"opus, pcmu, pcma", "opus/48000/2", "opus 48000Hz"},
		"neither": {"opus, g722, pcmu, pcma", "pcma", "PCMA 8000Hz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trunk := fmt.Sprintf(", codecs: [%s]", tt.codecs)
			rep := startLinphone(t, repHz, "none", "PCMU/8000", "G722/8000", "opus/48000")
			prospect := startBaresip(t, prospectHz, "<sip:"+prospectNumber+"@127.0.0.1>;regint=0;answermode=auto;audio_codecs="+tt.prospect)
			s := newServer(t, sippTrunk("reps", rep.port, trunk)+sippTrunk("outside", prospect.port, trunk)+legRoutes)
			s.start()
			id := s.call(repNumber, prospectNumber, "awaiting_confirmation")
			if code, problem := s.do("POST", "/v1/calls/"+id+"/confirm", ""); code >= 300 {
				t.Fatalf("confirm: %d %v", code, problem)
			}
			s.reaches(id, "in_progress")
			until(t, "the prospect hears the rep", func() bool { return prospect.heard().Tone(repHz) > 3*time.Second })
			said := prospect.output.String()
			if last := said[strings.LastIndex(said, "Set audio encoder: "):]; !strings.HasPrefix(last, "Set audio encoder: "+tt.spoken) {
				t.Errorf("in the end the prospect speaks %.40q", last)
			}
			prospect.press(hangUpKey)
			s.ends(id, "completed", "completed", "prospect")
			rep.hears(prospectHz)
		})
	}
}
