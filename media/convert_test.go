package media

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"
)

// recording makes a tenth of a second of a sine at half of full scale, on every channel.
func recording(kind, channels uint16, rate uint32, bits uint16, hz float64) []byte {
	var data []byte
	for n := range int(rate) / 10 {
		x := 0.5 * math.Sin(2*math.Pi*hz*float64(n)/float64(rate))
		for range channels {
			switch {
			case kind == 3:
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(x)))
			case bits == 8:
				data = append(data, byte(math.Round(x*127)+128))
			default:
				whole := make([]byte, 4)
				binary.LittleEndian.PutUint32(whole, uint32(int32(x*(1<<31))))
				data = append(data, whole[4-bits/8:]...)
			}
		}
	}
	return wav(kind, channels, rate, bits, data)
}

// TestRecordingsBecomePrompts: a tone that a telephone carries keeps its level and its
// length, whatever it was recorded as, and one that it does not carry is gone.
func TestRecordingsBecomePrompts(t *testing.T) {
	for _, as := range []struct {
		kind, channels uint16
		rate           uint32
		bits           uint16
	}{{1, 1, 8000, 16}, {1, 2, 44100, 16}, {1, 1, 48000, 24}, {1, 1, 22050, 8}, {1, 6, 96000, 32}, {3, 2, 48000, 32}, {1, 1, 6000, 16}} {
		for _, tone := range []struct{ hz, low, high float64 }{{1000, -3.2, -2.6}, {5200, -200, -38}} {
			if tone.hz > float64(as.rate)/2 {
				continue
			}
			c, err := ConvertWAV(bytes.NewReader(recording(as.kind, as.channels, as.rate, as.bits, tone.hz)))
			if err != nil {
				t.Fatal(err)
			}
			if level := c.Level(); level < tone.low || level > tone.high {
				t.Errorf("%+v: %v Hz is at %.2f dBm0", as, tone.hz, level)
			}
			if d := c.Duration(); (d - time.Second/10).Abs() > time.Millisecond {
				t.Errorf("%+v: it lasts %v", as, d)
			}
			var written bytes.Buffer
			if err := c.WriteWAV(&written); err != nil {
				t.Fatal(err)
			}
			if again, err := LoadWAV(&written); err != nil || !slices.Equal(again.samples, c.samples) {
				t.Errorf("%+v: it is not read as it was written: %v", as, err)
			}
		}
	}
	for _, bad := range [][]byte{nil, wav(1, 0, 8000, 16, nil), wav(1, 1, 100, 16, nil), wav(2, 1, 8000, 4, nil), wav(1, 1, 8000, 12, nil)} {
		if _, err := ConvertWAV(bytes.NewReader(bad)); err == nil {
			t.Errorf("%x was taken", bad)
		}
	}
}

func FuzzConvertWAV(f *testing.F) {
	f.Add(wav(1, 2, 44100, 24, make([]byte, 100)))
	f.Add(wav(3, 1, 48000, 64, make([]byte, 96)))
	f.Add(wav(7, 1, 8000, 8, make([]byte, 50)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // to be resampled takes its time
		}
		c, err := ConvertWAV(bytes.NewReader(data))
		if err == nil && len(c.samples) > 2*len(data) {
			t.Errorf("%d octets became %d samples", len(data), len(c.samples))
		}
	})
}
