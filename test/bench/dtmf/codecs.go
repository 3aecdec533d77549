package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// codec is a way through a low-rate codec: commands of sox or ffmpeg, from
// in.wav to out.wav.
type codec struct {
	name string
	run  [][]string
}

func ffmpeg(middle string, args ...string) [][]string {
	to := append([]string{"ffmpeg", "-v", "error", "-y", "-i", "in.wav"}, args...)
	return [][]string{append(to, middle), {"ffmpeg", "-v", "error", "-y", "-i", middle, "-ar", "8000", "-ac", "1", "-c:a", "pcm_s16le", "out.wav"}}
}

func sox(middle string, args ...string) [][]string {
	return [][]string{append(append([]string{"sox", "in.wav"}, args...), middle), {"sox", middle, "-r", "8000", "-c", "1", "-b", "16", "-e", "signed", "out.wav"}}
}

var codecs = []codec{
	{"GSM 06.10", sox("x.gsm")},
	{"AMR 12.2", sox("x.amr-nb", "-C", "7")},
	{"AMR 7.4", sox("x.amr-nb", "-C", "4")},
	{"AMR 4.75", sox("x.amr-nb", "-C", "0")},
	{"G.726 32", ffmpeg("x.wav", "-c:a", "g726", "-b:a", "32k")},
	{"G.726 16", ffmpeg("x.wav", "-c:a", "g726", "-b:a", "16k")},
	{"Opus 12", ffmpeg("x.ogg", "-c:a", "libopus", "-b:a", "12k", "-application", "voip")},
	{"Speex 11", ffmpeg("x.spx", "-c:a", "libspeex", "-b:a", "11k")},
}

// through takes a tape through a codec.
func (c codec) through(t *tape, work string) error {
	dir, err := os.MkdirTemp(work, "codec")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeWAV(filepath.Join(dir, "in.wav"), t.sound); err != nil {
		return err
	}
	for _, args := range c.run {
		if _, _, err := pipe(nil, "env", append([]string{"-C", dir}, args...)...); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	sound, err := readWAV(filepath.Join(dir, "out.wav"))
	if err != nil {
		return err
	}
	if len(sound) < len(t.sound)-rate {
		return fmt.Errorf("%s: %d samples of %d came back", c.name, len(sound), len(t.sound))
	}
	sound = append(sound, make([]int16, rate)...)[:len(t.sound)]
	for i, x := range sound {
		sound[i] = compand(x, false)
	}
	t.sound = sound
	return nil
}

// codecTapes are usual keys through each codec, and hard ones: mobile in noise,
// uneven tones, a codec, losses.
func codecTapes(r *rand.Rand, n int, codecs []codec, work string) (tapes []*tape, err error) {
	for _, c := range codecs {
		plain, hard := &tape{category: "codec"}, &tape{category: "hard field"}
		for i := range max(16, n/len(codecs)) {
			plain.add(one(r, i, func(p *press) {
				p.on, p.low = between(r, 60, 120), between(r, -16, -8)
				p.high = p.low + between(r, -1, 3)
			}, nil))
			hard.add(hardField(r, i))
		}
		for _, t := range []*tape{plain, hard} {
			if err := c.through(t, work); err != nil {
				return nil, err
			}
		}
		conceal(r, hard)
		for _, t := range []*tape{plain, hard} {
			for i := range t.spans {
				t.spans[i].note = c.name + ": " + t.spans[i].note
			}
		}
		tapes = append(tapes, plain, hard)
	}
	return tapes, nil
}

func hardField(r *rand.Rand, i int) *stimulus {
	level := between(r, -20, -8)
	return one(r, i, func(p *press) {
		twist := between(r, -9, 5)
		p.on, p.low, p.high = between(r, 70, 200), level-twist/2, level+twist/2
		p.lowDev, p.highDev = between(r, -0.005, 0.005), between(r, -0.005, 0.005)
	}, func(s *stimulus) { s.noise(level - between(r, 8, 25)) })
}

// conceal loses 2 % of a tape's frames behind the codec, and fades over them.
func conceal(r *rand.Rand, t *tape) {
	for f := 1; f < len(t.sound)/frame; f++ {
		if r.Float64() < 0.02 {
			for k := range frame {
				t.sound[f*frame+k] = t.sound[(f-1)*frame+k] / 2
			}
		}
	}
}

// writeWAV writes 16-bit sound at 8 kHz.
func writeWAV(name string, sound []int16) error {
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*len(sound)))
	b = append(b, raw(sound)...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return os.WriteFile(name, b, 0o600)
}

// readWAV reads what sox and ffmpeg write: the samples behind "data".
func readWAV(name string) ([]int16, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for at := 12; at+8 <= len(b); {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		if string(b[at:at+4]) == "data" {
			return samples(b[at+8:]), nil
		}
		at += 8 + size + size%2
	}
	return nil, fmt.Errorf("%s: no sound in it", name)
}

func samples(b []byte) []int16 {
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return out
}
