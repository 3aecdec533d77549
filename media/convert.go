package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ConvertWAV reads sound of any rate and number of channels, PCM, floating-point or
// G.711, and makes of it what a call plays: channels are mixed, and what a telephone
// cannot carry is filtered out.
func ConvertWAV(r io.Reader) (Clip, error) { return readWAV(r, maxRecording, convert) }

// WriteWAV writes the clip: 8 kHz, mono, 16 bits.
func (c Clip) WriteWAV(w io.Writer) error {
	const headerSize, bytesPerSample = 44, 2
	size := bytesPerSample * len(c.samples)
	b := append(make([]byte, 0, headerSize+size), "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(headerSize-8+size))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = append(b, 1, 0, 1, 0) // PCM, mono
	b = binary.LittleEndian.AppendUint32(b, sampleRate)
	b = binary.LittleEndian.AppendUint32(b, bytesPerSample*sampleRate)
	b = append(b, bytesPerSample, 0, 8*bytesPerSample, 0)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for _, sample := range c.samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(sample))
	}
	_, err := w.Write(b)
	return err
}

// Level is the level of the clip's loudest second, in dBm0.
func (c Clip) Level() float64 {
	loudest, sum := 0.0, 0.0
	for i, sample := range c.samples {
		sum += float64(sample) * float64(sample)
		if i >= sampleRate {
			sum -= float64(c.samples[i-sampleRate]) * float64(c.samples[i-sampleRate])
		}
		loudest = max(loudest, sum/float64(min(len(c.samples), sampleRate)))
	}
	return 10*math.Log10(max(loudest, 1e-9)/(32124*32124/2)) + 3.14 // as in synthesise
}

// convert decodes what decodeWAV does not, and resamples it.
func convert(format, data []byte) (Clip, error) {
	if len(format) < 16 {
		return Clip{}, errors.New("wav: sound without a format")
	}
	kind, channels := binary.LittleEndian.Uint16(format), int(binary.LittleEndian.Uint16(format[2:]))
	rate, bits := binary.LittleEndian.Uint32(format[4:]), int(binary.LittleEndian.Uint16(format[14:]))
	if kind == 0xfffe && len(format) >= 26 { // WAVE_FORMAT_EXTENSIBLE names the kind later
		kind = binary.LittleEndian.Uint16(format[24:])
	}
	sample := sampleOf(kind, bits)
	if sample == nil || channels < 1 || channels > 32 || rate < 4000 || rate > 384_000 {
		return Clip{}, fmt.Errorf("wav: format %d with %d bits, %d channels and %d Hz is not known", kind, bits, channels, rate)
	}
	mono := make([]float64, len(data)/(channels*bits/8))
	for i := range mono {
		for range channels {
			mono[i] += sample(data) / float64(channels)
			data = data[bits/8:]
		}
	}
	return Clip{samples: resample(mono, float64(rate))}, nil
}

// sampleOf reads one sample, full scale being 1; nil where the kind is not known.
func sampleOf(kind uint16, bits int) func([]byte) float64 {
	switch {
	case kind == 1 && bits == 8:
		return func(b []byte) float64 { return float64(int(b[0])-128) / 128 }
	case kind == 1 && bits == 16:
		return func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) / (1 << 15) }
	case kind == 1 && bits == 24:
		return func(b []byte) float64 {
			return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
		}
	case kind == 1 && bits == 32:
		return func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) }
	case kind == 3 && bits == 32:
		return func(b []byte) float64 { return finite(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))) }
	case kind == 3 && bits == 64:
		return func(b []byte) float64 { return finite(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	case kind == 6 && bits == 8:
		return func(b []byte) float64 { return float64(PCMA.Decode(nil, b[:1])[0]) / (1 << 15) }
	case kind == 7 && bits == 8:
		return func(b []byte) float64 { return float64(PCMU.Decode(nil, b[:1])[0]) / (1 << 15) }
	}
	return nil
}

func finite(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return min(max(x, -1), 1)
}

// resample makes 8 kHz of any rate, by a sinc of 24 zeros either way in a Hann
// window; it lets through what is below 3.6 kHz.
func resample(in []float64, rate float64) []int16 {
	const zeros, pass = 24, 3600.0
	cut := 2 * min(pass/rate, 0.45) // of the Nyquist frequency
	half := zeros / cut
	out := make([]int16, int(float64(len(in))*sampleRate/rate))
	for n := range out {
		at := float64(n) * rate / sampleRate
		sum, weights := 0.0, 0.0
		for k := int(math.Ceil(at - half)); float64(k) <= at+half; k++ {
			x := (float64(k) - at) * cut
			w := 0.5 + 0.5*math.Cos(math.Pi*x/zeros)
			if x != 0 {
				w *= math.Sin(math.Pi*x) / (math.Pi * x)
			}
			if weights += w; k >= 0 && k < len(in) {
				sum += w * in[k]
			}
		}
		out[n] = int16(math.Round(min(max(sum/weights*(1<<15), math.MinInt16), math.MaxInt16)))
	}
	return out
}
