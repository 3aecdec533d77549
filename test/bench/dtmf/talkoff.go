package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// voices is what a corpus' talk-off is made of: folders of recorded voices and of
// music, or pieces of it, and synthetic voices that read; the recordings at these
// speeds. No voice is in two corpora.
type voices struct {
	folders  []string
	music    []string
	espeak   []string
	flite    []string
	festival []string
	speeds   []float64
}

const (
	sounds, moh = "/usr/share/asterisk/sounds/", "/usr/share/asterisk/moh/"
	letters     = "/usr/share/klettres"           // read by people of 19 languages
	animals     = "/usr/share/ktuberling/sounds/" // and of 24
)

var talkers = map[string]voices{
	"train": {
		[]string{sounds + "en_US_f_Allison", sounds + "it_IT_f_Menardi", sounds + "es", letters},
		[]string{moh + "macroform-cold_day.wav", moh + "manolo_camp-morning_coffee.wav", "/usr/share/hyperrogue/music"},
		[]string{"en-us", "de", "fr", "es+f3", "en+m4"}, []string{"kal", "awb"}, nil,
		[]float64{0.85, 0.93, 1, 1.08, 1.17},
	},
	"test": {
		[]string{sounds + "es_MX_f_Allison", sounds + "fr_CA_f_June", sounds + "it_IT_m_Carlo", sounds + "ru_RU_f_IvrvoiceRU", sounds + "fr"},
		[]string{moh + "macroform-robot_dity.wav", moh + "macroform-the_simplicity.wav", moh + "reno_project-system.wav"},
		[]string{"it", "en-gb+f2", "pt", "sv+m2"}, []string{"rms", "slt"}, nil,
		[]float64{0.85, 0.93, 1, 1.08, 1.17},
	},
	"held": {
		[]string{animals},
		[]string{"/usr/share/scummvm/drascula/audio"},
		[]string{"nl+f4", "pl", "fi+m3", "tr+f1", "el"}, nil,
		[]string{"czech_dita", "suo_fi_lj_diphone"},
		[]float64{0.8, 0.89, 1.03, 1.13, 1.25},
	},
}

// talkTapes are hours in which nobody presses a key, by kind.
func talkTapes(r *rand.Rand, corpus string, share float64) ([]*tape, error) {
	v := talkers[corpus]
	speech, music, robots := &tape{category: "speech"}, &tape{category: "music"}, &tape{category: "synthetic speech"}
	for _, k := range []struct {
		to    *tape
		paths []string
	}{{speech, v.folders}, {music, v.music}} {
		for _, path := range k.paths {
			files, err := recordings(path)
			if err != nil {
				return nil, err
			}
			if err := k.to.say(files[:max(1, int(float64(len(files))*share))], v.speeds); err != nil {
				return nil, err
			}
		}
	}
	text := babble(r, int(9000*share))
	for _, voice := range v.espeak {
		for _, pitch := range []string{"30", "55", "80"} {
			if err := robots.read(text, "espeak-ng", "-v", voice, "-p", pitch, "--stdin", "--stdout"); err != nil {
				return nil, err
			}
		}
	}
	for _, voice := range v.flite {
		if err := robots.read(text, "flite", "-voice", voice, "-t", text, "-o", "/dev/stdout"); err != nil {
			return nil, err
		}
	}
	for _, voice := range v.festival {
		if err := robots.read(text, "text2wave", "-eval", "(voice_"+voice+")"); err != nil {
			return nil, err
		}
	}
	hard := &tape{category: "vowels", sound: vowels(r, int(60*share)+1)}
	tapes := []*tape{speech, music, robots, hard}
	for _, t := range tapes {
		t.sound = t.sound[:len(t.sound)/frame*frame]
		t.spans = []span{{end: len(t.sound)}}
	}
	return tapes, nil
}

// recordings are the sound files at or below a path.
func recordings(path string) (files []string, err error) {
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains([]string{".wav", ".gsm", ".ogg"}, filepath.Ext(name)) {
			files = append(files, name)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no sound files", path)
	}
	return files, err
}

// plain is how sox reads and writes samples of 8 kHz.
var plain = []string{"-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-"}

// say appends files at every speed.
func (t *tape) say(files []string, speeds []float64) error {
	var all []byte
	for _, name := range files {
		sound, _, err := pipe(nil, "sox", append([]string{name}, plain...)...)
		if err != nil {
			return err
		}
		all = append(all, sound...)
	}
	for _, speed := range speeds {
		args := slices.Concat(plain, plain, []string{"speed", strconv.FormatFloat(speed, 'f', -1, 64), "rate"})
		sound, _, err := pipe(all, "sox", args...)
		if err != nil {
			return err
		}
		t.talk(samples(sound))
	}
	return nil
}

// read appends what a synthesiser says.
func (t *tape) read(text, name string, args ...string) error {
	wav, _, err := pipe([]byte(text), name, args...)
	if err != nil {
		return err
	}
	sound, _, err := pipe(wav, "sox", append([]string{"--ignore-length", "-t", "wav", "-"}, plain...)...)
	if err != nil {
		return err
	}
	t.talk(samples(sound))
	return nil
}

func (t *tape) talk(sound []int16) {
	for i, x := range sound {
		sound[i] = compand(x, false)
	}
	t.sound = append(t.sound, sound...)
}

// babble is words for a synthesiser, with every vowel next to every consonant.
func babble(r *rand.Rand, letters int) string {
	var b strings.Builder
	for b.Len() < letters {
		for range 2 + r.IntN(8) {
			for range 1 + r.IntN(3) {
				b.WriteByte("bcdfghjklmnprstvwz"[r.IntN(18)])
				b.WriteString(pick(r, "a", "e", "i", "o", "u", "oo", "ee", "ay", "ou"))
			}
			b.WriteByte(' ')
		}
		b.WriteString(". ")
	}
	return b.String()
}
