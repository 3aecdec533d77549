package e2e

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// keySound is a file of a 1 as a phone's tones: two seconds of silence, 160 ms of
// the key, two more seconds. header is what stands before the samples, encode one
// of them for every channel.
func keySound(t *testing.T, name string, rate int, header []byte, encode func(b []byte, x int16) []byte) string {
	t.Helper()
	b := header
	for n := range 4*rate + 160*rate/1000 {
		x := 0.0
		if n >= 2*rate && n < 2*rate+160*rate/1000 {
			w := 2 * math.Pi * float64(n) / float64(rate)
			x = 5000 * (math.Sin(697*w) + math.Sin(1209*w))
		}
		b = encode(b, int16(x))
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// keyWAV is keySound as baresip's microphone takes it, in 48 kHz and two channels.
func keyWAV(t *testing.T) string {
	const samples = 4*48000 + 160*48
	head := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt "), 16, 0, 0, 0, 1, 0, 2, 0)
	head = binary.LittleEndian.AppendUint32(head, 48000)
	head = binary.LittleEndian.AppendUint32(head, 48000*4)
	head = append(head, 4, 0, 16, 0, 'd', 'a', 't', 'a')
	head = binary.LittleEndian.AppendUint32(head, samples*4)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(head)-8+samples*4))
	return keySound(t, "key.wav", 48000, head, func(b []byte, x int16) []byte {
		return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, uint16(x)), uint16(x))
	})
}

// keyMuLaw is keySound as octets of G.711.
func keyMuLaw(t *testing.T) string {
	return keySound(t, "key.ulaw", 8000, nil, func(b []byte, x int16) []byte {
		sign := byte(0x80)
		if x < 0 {
			sign, x = 0, -x
		}
		x = min(x, 32635) + 132
		exponent := byte(0)
		for x>>exponent > 255 {
			exponent++
		}
		return append(b, ^(0x80 ^ sign | exponent<<4 | byte(x>>(exponent+3))&0x0f))
	})
}

// TestAOneByEveryMethodOverABadPath: baresip and SIPp are reps that press 1 by
// telephone-events, by SIP INFO and by tones, over a path that loses 5 % of the
// packets and delays the others unevenly. Each press is heard once, by what it was
// sent by, and the prospect is dialled once. (This baresip sends no INFO.)
func TestAOneByEveryMethodOverABadPath(t *testing.T) {
	account := "<sip:" + repNumber + "@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcmu"
	for name, tt := range map[string]struct {
		rep    func(t *testing.T) (sipPort int, press func())
		method string
		lost   string // a request whose first copy is
	}{
		"baresip events": {func(t *testing.T) (int, func()) {
			b := startBaresip(t, repHz, account)
			return b.port, func() { b.press('1') }
		}, "rfc4733", ""},
		"baresip tones": {func(t *testing.T) (int, func()) {
			return startSounding(t, "aufile,"+keyWAV(t), account).port, nil
		}, "inband", ""},
		"SIPp events": {func(t *testing.T) (int, func()) { return startSIPp(t, "events").port, nil }, "rfc4733", ""},
		"SIPp INFO":   {func(t *testing.T) (int, func()) { return startSIPp(t, "info").port, nil }, "info", "INFO"},
		"SIPp tones": {func(t *testing.T) (int, func()) {
			return startSIPp(t, "tones", "file", keyMuLaw(t)).port, nil
		}, "inband", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, press := tt.rep(t)
			path := startBadPath(t, port, tt.lost)
			prospect := startSIPp(t, "answer")
			s := newServer(t, sippTrunk("reps", path.sip.port())+sippTrunk("outside", prospect.port)+legRoutes)
			s.start()
			id := s.place(repNumber, prospectNumber)
			if press != nil {
				s.reaches(id, "awaiting_confirmation")
				until(t, "the path has lost packets", func() bool { return path.missed.Load() > 2 })
				press()
			}
			s.reaches(id, "in_progress")
			s.hangup(id)
			call := s.ends(id, "completed", "completed", "api")
			prospect.finished()
			if tt.lost != "" && !path.requestIsGone.Load() {
				t.Errorf("no %s was lost", tt.lost)
			}
			if n := prospect.count("INVITE"); n != 1 {
				t.Errorf("the prospect was dialled %d times", n)
			}
			var counted []string
			for _, p := range call["presses"].([]any) {
				if k := p.(map[string]any); k["counted"] == true {
					counted = append(counted, k["digit"].(string)+" by "+k["method"].(string))
				}
			}
			if len(counted) != 1 || counted[0] != "1 by "+tt.method {
				t.Errorf("heard %v, want a 1 by %s", counted, tt.method)
			}
			t.Logf("the path passed %d packets and lost %d", path.passed.Load(), path.missed.Load())
		})
	}
}
