package scan

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"tandem/dtmf"
	"tandem/media"
)

// Press is one key found in a file. Times are milliseconds from the file's
// beginning, which of a capture is its first packet.
type Press struct {
	File    string `json:"file"`
	Stream  string `json:"stream,omitempty"` // of a capture: from and to address
	StartMS int    `json:"start_ms"`
	EndMS   int    `json:"end_ms"`
	Digit   string `json:"digit"`
	Method  string `json:"method"`
}

// File returns the presses of a WAV file or a capture, in the order of their
// starts. formats are the payload types agreed on; nil leaves them to RFC 3551
// and a guess.
func File(name string, formats []media.Format) ([]Press, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	magic, _ := in.Peek(4)
	var found []Press
	switch kind := string(magic); {
	case kind == "RIFF":
		found, err = recording(in)
	case isCapture(magic):
		found, err = capture(in, formats)
	default:
		err = fmt.Errorf("neither WAV nor pcap nor pcapng")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range found {
		found[i].File = name
	}
	slices.SortStableFunc(found, func(a, b Press) int { return cmp.Compare(a.StartMS, b.StartMS) })
	return found, nil
}

// frame is how much sound the receiver is given at once, as by a call.
const frame = 160

// recording hears a WAV file.
func recording(in io.Reader) ([]Press, error) {
	clip, err := media.LoadRecording(in)
	if err != nil {
		return nil, err
	}
	e := newEar(dtmf.Config{InBand: true}, "")
	sound, ts := clip.Samples(), uint32(0)
	for part := range slices.Chunk(sound, frame) {
		e.audio(at(ts), origin{}, ts, part)
		ts += uint32(len(part))
	}
	e.rest(at(ts), origin{}, ts)
	return e.found, nil
}

// at is when the sample ts of a recording is heard.
func at(ts uint32) time.Time {
	return time.Unix(0, 0).Add(time.Duration(ts) * time.Second / 8000)
}
