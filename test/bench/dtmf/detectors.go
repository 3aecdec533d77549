package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"tandem/dtmf"
)

// heard is one key that a detector reported: at which sample, and since when.
type heard struct {
	digit     byte
	at, start int
}

// detector is one of those that are compared.
type detector struct {
	name  string
	hear  func(t *tape) ([]heard, error)
	speed func(t *tape) (time.Duration, error) // processor time, fed by frames; nil = not measured
	timed bool                                 // heard.at means something
}

func detectors(work string) []detector {
	driver := filepath.Join(work, "spandsp")
	return []detector{
		{"tandem", func(t *tape) ([]heard, error) { return tandem(t, 32), nil }, spent(func(t *tape) { tandem(t, frame) }), true},
		{"spandsp", func(t *tape) ([]heard, error) { out, _, err := spandsp(driver, work, t, false); return out, err },
			func(t *tape) (time.Duration, error) { _, d, err := spandsp(driver, work, t, true); return d, err }, true},
		{"multimon-ng", multimon, nil, false},
		{"textbook", func(t *tape) ([]heard, error) { return textbook(t), nil }, spent(func(t *tape) { textbook(t) }), true},
	}
}

// tuning is how tandem's receiver is set.
var tuning = dtmf.Config{InBand: true}

// tandem is the receiver of a call, fed n samples at a time; lost frames are gaps
// in its media time.
func tandem(t *tape, n int) (out []heard) {
	r := dtmf.NewReceiver(tuning)
	presses := make([]dtmf.Press, 0, 8)
	for at := 0; at < len(t.sound); at += n {
		if f := at / frame; f < len(t.lost) && t.lost[f] {
			continue
		}
		end := min(at+n, len(t.sound))
		presses = r.Audio(time.Time{}, uint32(at), t.sound[at:end], presses[:0])
		for _, p := range presses {
			if !p.Up && p.Near == 0 {
				out = append(out, heard{p.Digit, end, int(p.At)})
			}
		}
	}
	return out
}

// spent measures the processor time of f.
func spent(f func(*tape)) func(*tape) (time.Duration, error) {
	return func(t *tape) (time.Duration, error) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		const thread = 1 // RUSAGE_THREAD
		var a, b syscall.Rusage
		if err := syscall.Getrusage(thread, &a); err != nil {
			return 0, err
		}
		f(t)
		err := syscall.Getrusage(thread, &b)
		return time.Duration(b.Utime.Nano() - a.Utime.Nano()), err
	}
}

// raw is samples as octets.
func raw(samples []int16) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, samples)
	return b.Bytes()
}

func spandsp(driver, work string, t *tape, byFrames bool) (out []heard, took time.Duration, err error) {
	lost := make([]byte, len(t.lost))
	for i, gone := range t.lost {
		if gone {
			lost[i] = 1
		}
	}
	marks := filepath.Join(work, "lost")
	if err := os.WriteFile(marks, lost, 0o600); err != nil {
		return nil, 0, err
	}
	args := []string{marks}
	if byFrames {
		args = append(args, "speed")
	}
	text, said, err := pipe(raw(t.sound), driver, args...)
	if err != nil {
		return nil, 0, err
	}
	var seconds float64
	if _, err := fmt.Sscan(string(said), &seconds); err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(text)) {
		var h heard
		if _, err := fmt.Sscanf(line, "%c %d", &h.digit, &h.at); err != nil {
			return nil, 0, err
		}
		out = append(out, h)
	}
	return out, time.Duration(seconds * 1e9), nil
}

// marker are keys, clean and slow, that tell multimon-ng's output apart: it prints
// no times.
const marker = "DADCBD"

// multimon gives multimon-ng a tape with a marker behind each stimulus.
func multimon(t *tape) (out []heard, err error) {
	mark := new(stimulus)
	mark.r = seeded(1)
	for i := range len(marker) {
		p := usual(marker[i])
		p.on, p.off = 100, 100
		mark.key(p)
	}
	mark.rest(100)
	var sound []int16
	for _, s := range t.spans {
		sound = append(append(sound, t.sound[s.begin:s.end]...), mark.sound()...)
	}
	fast, _, err := pipe(raw(sound), "sox", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-",
		"-t", "raw", "-r", "22050", "-e", "signed", "-b", "16", "-c", "1", "-")
	if err != nil {
		return nil, err
	}
	text, _, err := pipe(fast, "multimon-ng", "-q", "-t", "raw", "-a", "DTMF", "-")
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	for line := range strings.Lines(string(text)) {
		if digit, is := strings.CutPrefix(strings.TrimSpace(line), "DTMF: "); is {
			all.WriteString(digit)
		}
	}
	parts := strings.Split(all.String(), marker)
	if len(parts) != len(t.spans)+1 {
		return nil, fmt.Errorf("multimon-ng: %d markers of %d came back", len(parts)-1, len(t.spans))
	}
	for i, s := range t.spans {
		for _, digit := range []byte(parts[i]) {
			out = append(out, heard{digit, s.begin + 1, 0})
		}
	}
	return out, nil
}

// pipe runs a command over input.
func pipe(input []byte, name string, args ...string) (stdout, stderr []byte, err error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %s", name, err, said.String())
	}
	return out.Bytes(), said.Bytes(), nil
}
