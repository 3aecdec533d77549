package media

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

// wav builds a RIFF file.
func wav(kind, channels uint16, rate uint32, bits uint16, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00")
	for _, v := range []any{kind, channels, rate, rate * uint32(bits) / 8, bits / 8, bits} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(len(data)))
	b.Write(data)
	return b.Bytes()
}

func TestLoadWAV(t *testing.T) {
	tests := []struct {
		name string
		file []byte
		want int // samples
		err  string
	}{
		{"PCM", wav(1, 1, 8000, 16, make([]byte, 3200)), 1600, ""},
		{"A-law", wav(6, 1, 8000, 8, make([]byte, 800)), 800, ""},
		{"u-law", wav(7, 1, 8000, 8, make([]byte, 800)), 800, ""},
		{"cut short", wav(1, 1, 8000, 16, make([]byte, 3200))[:1000], 472, ""},
		{"stereo", wav(1, 2, 8000, 16, make([]byte, 8)), 0, "tandem prompts convert"},
		{"CD", wav(1, 1, 44100, 16, make([]byte, 8)), 0, "44100 Hz"},
		{"float", wav(3, 1, 8000, 32, make([]byte, 8)), 0, "format 3"},
		{"MP3", []byte("ID3\x03and so on and so on"), 0, "not a RIFF"},
		{"no sound", wav(1, 1, 8000, 16, nil)[:40], 0, "no sound"},
	}
	for _, tt := range tests {
		clip, err := LoadWAV(bytes.NewReader(tt.file))
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) || tt.err == "" && err != nil {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
		if len(clip.samples) != tt.want {
			t.Errorf("%s: %d samples, want %d", tt.name, len(clip.samples), tt.want)
		}
	}
}

func FuzzLoadWAV(f *testing.F) {
	f.Add(wav(1, 1, 8000, 16, make([]byte, 16)))
	f.Fuzz(func(t *testing.T, file []byte) {
		clip, err := LoadWAV(bytes.NewReader(file))
		if err == nil && len(clip.samples) > len(file) {
			t.Errorf("%d samples of %d octets", len(clip.samples), len(file))
		}
	})
}

// level is the power of a clip, dBm0.
func level(c Clip) float64 {
	sum := 0.0
	for _, x := range c.samples {
		sum += float64(x) * float64(x)
	}
	return 10*math.Log10(sum/float64(len(c.samples))/(32124*32124/2)) + 3.14
}

func TestTonesHaveTheirLengthAndLevel(t *testing.T) {
	for name, tt := range map[string]struct {
		clip       Clip
		d          time.Duration
		least, top float64
	}{
		"chirp": {Chirp(), 90 * time.Millisecond, -18, -15},
		"beep":  {Beep(), 150 * time.Millisecond, -21, -19},
		"end":   {EndTone(), 500 * time.Millisecond, -20, -18},
		"error": {ErrorTone(), 150 * time.Millisecond, -26, -23},
		"us":    {Ringback("us"), 6 * time.Second, -22, -20},
		"gb":    {Ringback("uk"), 3 * time.Second, -22, -20},
		"none":  {Ringback("xx"), 6 * time.Second, -22, -20},
	} {
		if tt.clip.Duration() != tt.d {
			t.Errorf("%s lasts %v, want %v", name, tt.clip.Duration(), tt.d)
		}
		if l := level(tt.clip); l < tt.least || l > tt.top {
			t.Errorf("%s has %.1f dBm0, want %v to %v", name, l, tt.least, tt.top)
		}
	}
}

func TestEveryRingbackIsACadenceThatRepeats(t *testing.T) {
	for country := range ringbacks {
		clip := Ringback(country)
		if !clip.loop || clip.samples[len(clip.samples)-1] != 0 {
			t.Errorf("%s does not end in silence and begin again", country)
		}
	}
	for country, like := range sameRinging {
		if _, ok := ringbacks[like]; !ok {
			t.Errorf("%s rings like %s, which does not ring", country, like)
		}
	}
}
