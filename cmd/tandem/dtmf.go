package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"tandem/cmd/scan"
	"tandem/media"
)

var dtmfCommand = command{"find key presses in recordings and captures: dtmf scan FILE…", dtmfTools}

const dtmfUsage = "usage: tandem dtmf scan FILE… [--sdp FILE] [--json]\n" +
	"  FILE is WAV (8 kHz mono, PCM16 or G.711), pcap or pcapng; a line is: FILE start_ms end_ms digit method"

func dtmfTools(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if wantsHelp(args) {
		fmt.Fprintln(stdout, dtmfUsage)
		return 0
	}
	if len(args) == 0 || args[0] != "scan" {
		fmt.Fprintln(stderr, dtmfUsage)
		return 2
	}
	flags := flag.NewFlagSet("dtmf scan", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintln(stderr, dtmfUsage); flags.PrintDefaults() }
	description := flags.String("sdp", "", "session description `FILE` that the receiver answered with")
	asJSON := flags.Bool("json", false, "as JSON")
	var files []string
	for rest := args[1:]; len(rest) > 0; { // flags may stand after files
		if code, done := parseFlags(flags, rest); done {
			return code
		}
		if rest = flags.Args(); len(rest) > 0 {
			files, rest = append(files, rest[0]), rest[1:]
		}
	}
	if len(files) == 0 {
		fmt.Fprintln(stderr, dtmfUsage)
		return 2
	}
	formats, err := readFormats(*description)
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return scanFiles(files, formats, *asJSON, stdout, stderr)
}

// readFormats reads the payload types of a session description; nil without one.
func readFormats(file string) ([]media.Format, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	formats, err := media.Formats(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return formats, nil
}

// scanFiles prints what is in each file. One that cannot be read does not keep
// the others from being so.
func scanFiles(files []string, formats []media.Format, asJSON bool, stdout, stderr io.Writer) (code int) {
	all := []scan.Press{}
	for _, name := range files {
		found, err := scan.File(name, formats)
		if err != nil {
			fmt.Fprintf(stderr, "tandem: %v\n", err)
			code = 1
		}
		all = append(all, found...)
		for _, p := range found {
			if !asJSON {
				fmt.Fprintf(stdout, "%s\t%d\t%d\t%s\t%s\n", p.File, p.StartMS, p.EndMS, p.Digit, p.Method)
			}
		}
	}
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(all); err != nil {
			return 1
		}
	}
	return code
}
