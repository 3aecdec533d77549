package media

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"tandem/dtmf"
)

// qmf are the coefficients of G.722's two filters (ITU-T G.722, table 11).
var qmf = [12]int{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// difficult is sound at 16 kHz that brings every part of the codec to its limits:
// tones, noise, silence, steps. It is whole numbers, and so the same everywhere.
func difficult() []int16 {
	random := rand.New(rand.NewPCG(722, 0))
	wave := func(at, hz int) int { // nearly a sine, of 16,000
		x := int(int16(at * hz * 65536 / 16000))
		return x * (32768 - max(x, -x)) / 16800
	}
	sound := make([]int16, 8*16000)
	for i := range sound {
		x := 0
		switch i / 16000 {
		case 0:
			x = wave(i, 440)/2 + wave(i, 1234)/4
		case 1:
			x = random.IntN(6000) + random.IntN(6000) - 6000
		case 2: // silence
		case 3:
			x = wave(i, 50+i%16000/8)
		case 4:
			x = []int{20000, -20000}[i/37%2]
		case 5:
			x = random.IntN(1<<15) - 1<<14
		case 6:
			x = random.IntN(3) - 1
		case 7:
			x = wave(i, 3000) >> (i % 16000 / 1600)
		}
		sound[i] = int16(x)
	}
	return sound
}

// TestG722IsTheRecommendations: of the same sound the lower band is what ffmpeg's
// encoder makes of it, and ffmpeg's decoder makes of our octets what ours does.
//
//	ffmpeg -f s16le -ar 16000 -i difficult -f g722 coded; ffmpeg -f g722 -i ours -f s16le decoded
func TestG722IsTheRecommendations(t *testing.T) {
	const (
		coded   = "09d1f99694ac422f"
		decoded = "306f32c9fd08b4c4"
	)
	sound := difficult()
	var history [24]int
	coder, decoder := newG722(), newG722()
	var codes, out []byte
	var bands [24]int
	for i := 0; i < len(sound); i += 2 {
		copy(history[:], history[2:])
		history[22], history[23] = int(sound[i]), int(sound[i+1])
		low := 0
		for k, c := range qmf {
			low += history[2*k]*c + history[2*k+1]*qmf[11-k]
		}
		octet := coder.write(int16(low >> 14 << 1))
		codes = append(codes, octet&0x3f)

		r := int(decoder.read(octet)) >> 1
		copy(bands[:], bands[2:])
		bands[22], bands[23] = r, r
		first, second := 0, 0
		for k, c := range qmf {
			second += bands[2*k] * c
			first += bands[2*k+1] * qmf[11-k]
		}
		for _, sum := range []int{first, second} {
			out = binary.LittleEndian.AppendUint16(out, uint16(clip(int32(sum>>11))))
		}
	}
	for name, pair := range map[string][2]string{"coded": {digest(codes), coded}, "decoded": {digest(out), decoded}} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s, want %s", name, pair[0], pair[1])
		}
	}
}

// hum is n frames of 1 kHz, -10 dBm0 or so, in a codec.
func hum(c Codec, n int) (frames [][]byte) {
	coder := newG722()
	for at := range n {
		var samples [frameSamples]int16
		for i := range samples {
			samples[i] = []int16{0, 5657, 8000, 5657, 0, -5657, -8000, -5657}[(at*frameSamples+i)%8]
		}
		frames = append(frames, coder.encode(nil, c, samples[:]))
	}
	return frames
}

// hums says that packets are that, whatever it has been turned into and back.
func hums(t *testing.T, packets []wirePacket, c Codec) {
	t.Helper()
	decoder := newG722()
	for n, p := range packets {
		if payloadType(p) != uint8(c) || len(p.data) != rtpHeader+frameSamples {
			t.Fatalf("packet %d is of type %d, %d octets", n, payloadType(p), len(p.data))
		}
		samples := decoder.decode(nil, c, p.data[rtpHeader:])
		var energy, tone int64
		for i := 0; i < len(samples)-2; i++ {
			energy += int64(samples[i]) * int64(samples[i])
			tone += int64(samples[i]) * int64(samples[i+2]) // a quarter of a period later: none
		}
		if level := energy / int64(len(samples)); n > 0 && (level < 28e6 || level > 36e6 || max(tone, -tone) > energy/20) {
			t.Fatalf("packet %d has %d for 32,000,000, and %d is not 1 kHz", n, level, tone)
		}
	}
}

func (p *phone) hum(c Codec, n int) {
	for _, payload := range hum(c, n) {
		p.packet(uint8(c), p.ts, payload)
		p.ts += frameSamples
		<-time.After(frameTime)
	}
}

// TestFirstWordInG722: a prospect that answers in G.722 alone hears the rep from
// the first word on, and is heard, before the rep's phone has been asked to change,
// and as it changes.
func TestFirstWordInG722(t *testing.T) {
	wideWorld(t, []Codec{G722, PCMU, PCMA}, []string{"0", "9", event8k}, []string{"9", event8k}, func(w *world) {
		w.ana.hum(PCMU, 20)
		first := w.jane.heard()
		hums(t, first, G722)
		w.ana.hum(G722, 20) // it has changed
		passed := w.jane.heard()
		hums(t, passed, G722)
		if len(first) != 20 || len(passed) != 20 {
			t.Errorf("%d and %d packets of 20", len(first), len(passed))
		}
		if !bytes.Equal(passed[5].data[rtpHeader:], hum(G722, 6)[5]) {
			t.Error("G.722 does not pass as it is")
		}
		wantLine(t, append(first, passed...))
		w.jane.hum(G722, 20)
		if heard := w.ana.heard(); len(heard) != 20 || payloadType(heard[0]) != uint8(G722) {
			t.Errorf("the rep heard %d packets of 20", len(heard))
		}
	})
}

// TestG722MeetsG711: where one leg takes G.722 alone and the other none, each hears
// the other, prompts are played to either, and keys are heard in its tones.
func TestG722MeetsG711(t *testing.T) {
	for _, law := range []Codec{PCMU, PCMA} {
		wideWorld(t, []Codec{G722, PCMU, PCMA}, []string{"9"}, []string{strconv.Itoa(int(law))}, func(w *world) {
			w.ana.hum(G722, 20)
			w.jane.hum(law, 20)
			atJane, atAna := w.jane.heard(), w.ana.heard()
			hums(t, atJane, law)
			if len(atJane) != 20 || len(atAna) != 20 {
				t.Errorf("%d and %d packets of 20", len(atJane), len(atAna))
			}
			if err := w.rep.Say(w.t.Context(), Clip{samples: PCMU.Decode(nil, slices.Concat(hum(PCMU, 10)...))}); err != nil {
				t.Fatal(err)
			}
			atAna = append(atAna, w.ana.heard()...)
			if len(atAna) != 30 {
				t.Errorf("the prompt is %d packets", len(atAna)-20)
			}
			hums(t, atAna, G722)
			wantLine(t, atAna)
			w.rep.side.InBand = true
			if err := w.rep.Accept(w.ana.takes("9")); err != nil {
				t.Fatal(err)
			}
			presses, deaf := w.rep.Listen()
			defer deaf()
			coder := newG722()
			for _, payload := range frames(PCMU, dtmf.AppendTone(make([]int16, 800), '7', 120*time.Millisecond, -10)) {
				w.ana.packet(uint8(G722), w.ana.ts, coder.encode(nil, G722, PCMU.Decode(nil, payload)))
				w.ana.ts += frameSamples
				<-time.After(frameTime)
			}
			if len(presses) == 0 {
				t.Fatal("no key is heard")
			}
			if p := <-presses; p.Digit != '7' || p.Method != dtmf.MethodInBand {
				t.Errorf("pressed %+v", p)
			}
		})
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
