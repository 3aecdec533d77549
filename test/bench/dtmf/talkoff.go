package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
)

// voices is what a corpus' talk-off is made of: folders of prompts, pieces of
// music, and synthetic voices that read. No voice is in both corpora.
type voices struct {
	folders []string
	music   []string
	espeak  []string
	flite   []string
}

const sounds, moh = "/usr/share/asterisk/sounds/", "/usr/share/asterisk/moh/"

var talkers = map[string]voices{
	"train": {
		[]string{sounds + "en_US_f_Allison", sounds + "it_IT_f_Menardi", sounds + "es"},
		[]string{moh + "macroform-cold_day.wav", moh + "manolo_camp-morning_coffee.wav"},
		[]string{"en-us", "de", "fr", "es+f3", "en+m4"}, []string{"kal", "awb"},
	},
	"test": {
		[]string{sounds + "es_MX_f_Allison", sounds + "fr_CA_f_June", sounds + "it_IT_m_Carlo", sounds + "ru_RU_f_IvrvoiceRU", sounds + "fr"},
		[]string{moh + "macroform-robot_dity.wav", moh + "macroform-the_simplicity.wav", moh + "reno_project-system.wav"},
		[]string{"it", "en-gb+f2", "pt", "sv+m2"}, []string{"rms", "slt"},
	},
}

var speeds = []float64{0.85, 0.93, 1, 1.08, 1.17}

// talkTapes are hours in which nobody presses a key, by kind.
func talkTapes(r *rand.Rand, corpus string, share float64) ([]*tape, error) {
	v := talkers[corpus]
	speech, music, robots := &tape{category: "speech"}, &tape{category: "music"}, &tape{category: "synthetic speech"}
	for _, folder := range v.folders {
		files, err := recordings(folder)
		if err != nil {
			return nil, err
		}
		if err := speech.say(files, share); err != nil {
			return nil, err
		}
	}
	if err := music.say(v.music, share); err != nil {
		return nil, err
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
	hard := &tape{category: "vowels", sound: vowels(r, int(60*share)+1)}
	tapes := []*tape{speech, music, robots, hard}
	for _, t := range tapes {
		t.sound = t.sound[:len(t.sound)/frame*frame]
		t.spans = []span{{end: len(t.sound)}}
	}
	return tapes, nil
}

// recordings are the sound files below a folder.
func recordings(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && (strings.HasSuffix(name, ".wav") || strings.HasSuffix(name, ".gsm")) {
			files = append(files, name)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no sound files", folder)
	}
	return files, err
}

// say appends a share of files at every speed.
func (t *tape) say(files []string, share float64) error {
	files = files[:max(1, int(float64(len(files))*share))]
	for _, speed := range speeds {
		args := append([]string{}, files...)
		args = append(args, "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-", "speed", strconv.FormatFloat(speed, 'f', -1, 64))
		sound, _, err := pipe(nil, "sox", args...)
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
	sound, _, err := pipe(wav, "sox", "--ignore-length", "-t", "wav", "-", "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-")
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
