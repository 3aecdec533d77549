package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"tandem/cmd/app"
	"tandem/media"
	"tandem/media/prompts"
)

var promptsCommand = command{"list | check FILE… | convert IN OUT: what the rep hears spoken", promptTools}

const promptsUsage = "usage: tandem prompts list | check FILE… | convert IN.wav OUT.wav [--json]\n" +
	"  check says whether a WAV is fit for call_flow.confirm.prompt; convert makes one of any WAV"

// heardPrompt is what there is to say of one prompt.
type heardPrompt struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Level   float64 `json:"level_dbm0"` // of its loudest second
	Wrong   string  `json:"wrong,omitempty"`
}

func promptTools(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if wantsHelp(args) {
		fmt.Fprintln(stdout, promptsUsage)
		return 0
	}
	flags := flag.NewFlagSet("prompts", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "as JSON")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	var all []heardPrompt
	var err error
	switch {
	case len(words) == 1 && words[0] == "list":
		all, err = builtinPrompts()
	case len(words) > 1 && words[0] == "check":
		for _, file := range words[1:] {
			all = append(all, hearPrompt(file))
		}
	case len(words) == 3 && words[0] == "convert":
		if err = convertPrompt(words[1], words[2]); err == nil {
			all = append(all, hearPrompt(words[2]))
		}
	default:
		fmt.Fprintln(stderr, promptsUsage)
		return 2
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return showPrompts(all, *asJSON, stdout, stderr)
}

func builtinPrompts() (all []heardPrompt, err error) {
	names, err := prompts.Names()
	for _, name := range names {
		all = append(all, hearPrompt("builtin:"+name))
	}
	return all, err
}

// quietest is what a prompt must not be below, dBm0: speech is at about -20.
const quietest = -35

// hearPrompt looks at a prompt as serve does, and at what it does not mind.
func hearPrompt(name string) heardPrompt {
	clip, err := app.Prompt(name)
	p := heardPrompt{Name: name, Seconds: clip.Duration().Seconds(), Level: float64(int(10*clip.Level())) / 10}
	switch {
	case err != nil:
		p.Wrong = err.Error()
	case p.Seconds == 0:
		p.Wrong = "there is no sound in it"
	case p.Level < quietest:
		p.Wrong = "it is too soft to be understood on a telephone"
	}
	return p
}

func convertPrompt(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	clip, err := media.ConvertWAV(in)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	var out bytes.Buffer // so that nothing is written where it goes wrong
	return errors.Join(clip.WriteWAV(&out), os.WriteFile(to, out.Bytes(), 0o644))
}

// showPrompts prints what was heard; exit status 0 = all are fit.
func showPrompts(all []heardPrompt, asJSON bool, stdout, stderr io.Writer) (code int) {
	for _, p := range all {
		if p.Wrong != "" {
			code = 1
		}
	}
	if asJSON {
		if err := json.NewEncoder(stdout).Encode(map[string]any{"data": all}); err != nil {
			return 1
		}
		return code
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, p := range all {
		if p.Wrong != "" {
			fmt.Fprintf(stderr, "%s: %s\n", p.Name, p.Wrong)
			continue
		}
		fmt.Fprintf(w, "%s\t%.2f s\t%.1f dBm0\n", p.Name, p.Seconds, p.Level)
	}
	if err := w.Flush(); err != nil {
		return 1
	}
	return code
}
