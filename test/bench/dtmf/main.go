// Command dtmf compares DTMF detectors on a corpus that it makes: how many presses
// each of them finds, and what it takes for one that is none. ./run installs what
// it needs and runs it.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
)

func main() {
	corpus := flag.String("corpus", "test", "`train`, test or held: other seeds and voices, and the last by another generator")
	share := flag.Float64("share", 1, "how much of the corpus to make, 0 to 1")
	only := flag.String("only", "", "comma-separated `DETECTORS`; empty = all")
	out := flag.String("write", "", "write the corpus to `FOLDER` as WAV with a truth.tsv, and stop")
	score := flag.Float64("score", 0, "tandem's operating point; 0 = its default")
	dwell := flag.Duration("dwell", 0, "how long its tones must last")
	weights := flag.Bool("fit", false, "fit tandem's weights to the corpus and print them")
	misses := flag.String("misses", "", "print what tandem heard where it was wrong in a `CATEGORY`, and stop")
	profile := flag.String("profile", "", "write a processor profile to `FILE`")
	flag.Parse()
	tuning.Score, tuning.Dwell = float32(*score), *dwell
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil || pprof.StartCPUProfile(f) != nil {
			fmt.Fprintln(os.Stderr, "no profile:", err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	if err := run(*corpus, *share, *only, *out, *misses, *weights); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 0x5eed)) }

// seeds keep the corpora apart.
var seeds = map[string]uint64{"train": 1, "test": 2, "held": 3}

func run(corpus string, share float64, only, out, misses string, weights bool) error {
	work, err := os.MkdirTemp("", "dtmf")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	seed, known := seeds[corpus]
	if !known {
		return fmt.Errorf("no corpus %q", corpus)
	}
	tapes, err := record(seeded(seed), corpus, share, work)
	if err != nil {
		return err
	}
	switch {
	case out != "":
		return write(tapes, out)
	case misses != "":
		showMisses(tapes, misses, os.Stdout)
		return nil
	case weights:
		return fitWeights(tapes, os.Stdout)
	}
	return compare(tapes, only, os.Stdout)
}

// record makes every tape of a corpus.
func record(r *rand.Rand, corpus string, share float64, work string) (tapes []*tape, err error) {
	makers, codecs := makers, codecs
	if corpus == "held" {
		behind, err := gather()
		if err != nil {
			return nil, err
		}
		makers, codecs = heldMakers(behind), heldCodecs
	}
	byCategory := make(map[string]*tape)
	for _, m := range makers {
		t := byCategory[m.category]
		if t == nil {
			t = &tape{category: m.category}
			byCategory[m.category] = t
			tapes = append(tapes, t)
		}
		for i := range max(16, int(float64(m.n)*share)) {
			t.add(m.make(r, i))
		}
	}
	coded, err := codecTapes(r, int(640*share), codecs, work)
	if err != nil {
		return nil, err
	}
	talk, err := talkTapes(r, corpus, share)
	if err != nil {
		return nil, err
	}
	return append(append(tapes, coded...), talk...), nil
}

// write leaves the corpus for others to use.
func write(tapes []*tape, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var truth strings.Builder
	truth.WriteString("file\tbegin_ms\tend_ms\tdigits\tstart_ms\n")
	for i, t := range tapes {
		name := fmt.Sprintf("%02d-%s.wav", i, strings.NewReplacer(" ", "-", ",", "").Replace(t.category))
		if err := writeWAV(filepath.Join(folder, name), t.sound); err != nil {
			return err
		}
		for _, s := range t.spans {
			fmt.Fprintf(&truth, "%s\t%d\t%d\t%s\t%d\n", name, s.begin/8, s.end/8, s.digits, s.start/8)
		}
	}
	return os.WriteFile(filepath.Join(folder, "truth.tsv"), []byte(truth.String()), 0o600)
}

// compare runs the detectors over the same tapes and prints a table.
func compare(tapes []*tape, only string, w io.Writer) error {
	work, err := buildDriver()
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var categories []string
	seconds := 0
	for _, t := range tapes {
		if len(categories) == 0 || categories[len(categories)-1] != t.category {
			categories = append(categories, t.category)
		}
		seconds += len(t.sound) / rate
	}
	rep := report{categories: unique(categories), seconds: seconds}
	for _, d := range detectors(work) {
		if only != "" && !strings.Contains(","+only+",", ","+d.name+",") {
			continue
		}
		c := column{name: d.name, tallies: make(map[string]*tally)}
		for _, t := range tapes {
			if err := c.run(d, t); err != nil {
				return err
			}
		}
		rep.columns = append(rep.columns, c)
	}
	return rep.print(w)
}

func unique(all []string) (once []string) {
	seen := make(map[string]bool)
	for _, s := range all {
		if !seen[s] {
			once = append(once, s)
		}
		seen[s] = true
	}
	return once
}

// buildDriver compiles the driver of spandsp.
func buildDriver() (work string, err error) {
	if work, err = os.MkdirTemp("", "dtmf"); err != nil {
		return "", err
	}
	_, _, err = pipe(nil, "cc", "-O2", "-o", filepath.Join(work, "spandsp"), filepath.Join("test", "bench", "dtmf", "spandsp", "driver.c"), "-lspandsp", "-ltiff", "-lm")
	return work, err
}
