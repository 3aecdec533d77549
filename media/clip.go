package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"tandem/dtmf"
)

const (
	sampleRate   = 8000
	frameSamples = 160 // 20 ms
	maxClip      = 16 << 20
	maxRecording = 1 << 30
)

// Clip is sound to play: linear samples at 8 kHz. It is not changed once made,
// and may be played by many streams at once.
type Clip struct {
	samples []int16
	loop    bool
	silent  bool // holds the line and sends nothing
}

// Duration is how long it plays once.
func (c Clip) Duration() time.Duration {
	return time.Duration(len(c.samples)) * time.Second / sampleRate
}

// Samples is the sound itself, linear at 8 kHz; it is not to be changed.
func (c Clip) Samples() []int16 { return c.samples }

// Keys are the keys that a receiver would hear in the clip. What is played to
// somebody who is asked for keys must hold none.
func (c Clip) Keys() (keys string) {
	r := dtmf.NewReceiver(dtmf.Config{InBand: true})
	for at := 0; at < len(c.samples); at += frameSamples {
		for _, p := range r.Audio(time.Time{}, uint32(at), c.samples[at:min(at+frameSamples, len(c.samples))], nil) {
			if p.Down() {
				keys += string(p.Digit)
			}
		}
	}
	return keys
}

// Silence is a pause: it is sent as sound, so that the stream does not stop.
func Silence(d time.Duration) Clip { return synthesise(tone{d, 0, nil}) }

// Concat returns the clips one after the other.
func Concat(clips ...Clip) (all Clip) {
	for _, c := range clips {
		all.samples = append(all.samples, c.samples...)
	}
	return all
}

// Loop returns the clip, to be played until it is stopped.
func (c Clip) Loop() Clip {
	c.loop = true
	return c
}

// tone is one stretch of a cadence: sines of these frequencies, or silence.
type tone struct {
	d     time.Duration
	level float64 // dBm0 of each
	hz    []float64
}

// synthesise makes a cadence. Edges are ramped over 5 ms: a step would click.
func synthesise(cadence ...tone) Clip {
	var samples []int16
	for _, part := range cadence {
		n := int(part.d.Seconds() * sampleRate)
		// A full-scale sine is +3.14 dBm0 (ITU-T G.711).
		peak := 32124 * math.Pow(10, (part.level-3.14)/20)
		for t := range n {
			x := 0.0
			for _, hz := range part.hz {
				x += math.Sin(2 * math.Pi * hz * float64(t) / sampleRate)
			}
			edge := min(1, float64(min(t+1, n-t))/40)
			samples = append(samples, int16(peak*edge*x))
		}
	}
	return Clip{samples: samples}
}

// LoadWAV reads 8 kHz mono sound, 16-bit PCM or G.711, from a RIFF file.
func LoadWAV(r io.Reader) (Clip, error) { return readWAV(r, maxClip, decodeWAV) }

// LoadRecording is LoadWAV of a file of up to 1 GB, to be looked at and not played.
func LoadRecording(r io.Reader) (Clip, error) { return readWAV(r, maxRecording, decodeWAV) }

func readWAV(r io.Reader, limit int64, decode func(format, data []byte) (Clip, error)) (Clip, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return Clip{}, fmt.Errorf("wav: %w", err)
	}
	if int64(len(data)) > limit {
		return Clip{}, fmt.Errorf("wav: more than %d MB", limit>>20)
	}
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return Clip{}, errors.New("wav: not a RIFF/WAVE file")
	}
	var format []byte
	for rest := data[12:]; len(rest) >= 8; {
		size := int(binary.LittleEndian.Uint32(rest[4:8]))
		body := rest[8:]
		size = min(size, len(body)) // a recorder that was killed left the length open
		switch string(rest[:4]) {
		case "fmt ":
			format = body[:size]
		case "data":
			return decode(format, body[:size])
		}
		rest = body[min(size+size&1, len(body)):]
	}
	return Clip{}, errors.New("wav: no sound in it")
}

func decodeWAV(format, data []byte) (Clip, error) {
	if len(format) < 16 {
		return Clip{}, errors.New("wav: sound without a format")
	}
	kind, channels := binary.LittleEndian.Uint16(format), binary.LittleEndian.Uint16(format[2:])
	rate, bits := binary.LittleEndian.Uint32(format[4:]), binary.LittleEndian.Uint16(format[14:])
	if channels != 1 || rate != sampleRate {
		return Clip{}, fmt.Errorf("wav: %d Hz with %d channels; convert it with: tandem prompts convert in.wav out.wav", rate, channels)
	}
	switch {
	case kind == 1 && bits == 16:
		samples := make([]int16, len(data)/2)
		for i := range samples {
			samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
		}
		return Clip{samples: samples}, nil
	case kind == 6 && bits == 8:
		return Clip{samples: PCMA.Decode(nil, data)}, nil
	case kind == 7 && bits == 8:
		return Clip{samples: PCMU.Decode(nil, data)}, nil
	default:
		return Clip{}, fmt.Errorf("wav: format %d with %d bits; convert it with: tandem prompts convert in.wav out.wav", kind, bits)
	}
}
