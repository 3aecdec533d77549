package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"
)

var repsCommand = command{"add | list | set ID | import FILE.csv | link ID | test ID", reps}

const repsUsage = "usage: tandem reps add --name NAME [--external-id ID] [--number N] | list | set ID [--on|--off] [--number N] [--caller-id N] | import FILE.csv | link ID | test ID\n       ID is rep_… or ext:YOUR_CRM_USER_ID"

// shownRep is what the command shows of a rep.
type shownRep struct {
	ID          string  `json:"id"`
	ExternalID  *string `json:"external_id"`
	Name        string  `json:"name"`
	State       string  `json:"state"`
	PassThrough struct {
		Display   *string `json:"number_display"`
		Extension *string `json:"extension"`
	} `json:"pass_through"`
}

// reps keeps who calls, through the API of a running tandem.
func reps(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("reps", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := clientFlags(flags)
	fields, pass := map[string]any{}, map[string]any{}
	text := func(in map[string]any, flagName, key, what string) {
		flags.Func(flagName, what, func(value string) error {
			if in[key] = value; value == "" {
				in[key] = nil
			}
			return nil
		})
	}
	text(fields, "name", "name", "how the rep is called")
	text(fields, "external-id", "external_id", "the CRM's id of them")
	text(fields, "region", "region", "country of numbers without +, such as US")
	text(fields, "caller-id", "caller_id", "what prospects see; empty = the trunk's")
	text(pass, "number", "number", "the phone to ring, x123 for an extension; empty = none")
	flags.BoolFunc("on", "switch pass-through calls on", func(string) error { pass["enabled"] = true; return nil })
	flags.BoolFunc("off", "switch them off", func(string) error { pass["enabled"] = false; return nil })
	asJSON := flags.Bool("json", false, "as JSON")
	words, code, done := mixed(flags, args)
	if done {
		return code
	}
	if len(pass) > 0 {
		fields["pass_through"] = pass
	}
	wanted := map[string]int{"add": 1, "list": 1, "set": 2, "import": 2, "link": 2, "test": 2}
	if len(words) == 0 || wanted[words[0]] != len(words) {
		fmt.Fprintln(stderr, repsUsage)
		return 2
	}
	var answer []byte
	var err error
	switch words[0] {
	case "add":
		answer, err = c.do("POST", "/v1/reps", fields)
	case "list":
		answer, err = c.all("/v1/reps")
	case "set":
		answer, err = c.do("PATCH", "/v1/reps/"+url.PathEscape(words[1]), fields)
	case "import":
		return importReps(c, words[1], *asJSON, stdin, stdout, stderr)
	case "link":
		answer, err = c.do("POST", "/v1/reps/"+url.PathEscape(words[1])+"/sessions", nil)
	case "test":
		answer, err = c.do("POST", "/v1/reps/"+url.PathEscape(words[1])+"/verifications", nil)
		if answer, err = c.untilEnded(answer, err); err == nil && !*asJSON {
			return showVerdict(answer, stdout, stderr)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if *asJSON {
		fmt.Fprintf(stdout, "%s\n", answer)
		return 0
	}
	return showReps(answer, stdout, stderr)
}

// showReps prints a rep, a list of them, or the link of one.
func showReps(answer []byte, stdout, stderr io.Writer) int {
	var one struct {
		shownRep
		URL  string
		Data []shownRep
	}
	if err := json.Unmarshal(answer, &one); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	if one.URL != "" {
		fmt.Fprintf(stdout, "%s\nIt opens the dialer once, within 10 minutes.\n", one.URL)
		return 0
	}
	if one.ID != "" {
		one.Data = []shownRep{one.shownRep}
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	for _, r := range one.Data {
		external, number := "-", "-"
		if r.ExternalID != nil {
			external = *r.ExternalID
		}
		if p := r.PassThrough; p.Display != nil {
			number = *p.Display
			if p.Extension != nil {
				number += " x" + *p.Extension
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, external, r.Name, number, r.State)
	}
	if err := w.Flush(); err != nil {
		return 1
	}
	return 0
}

// showVerdict says how the test of a phone went; exit status 0 = it works.
func showVerdict(answer []byte, stdout, stderr io.Writer) int {
	var s struct {
		seen
		Flags   []string `json:"flags"`
		Presses []struct {
			Digit, Method string
			Counted       bool
			After         int `json:"after_ms"`
			Held          int `json:"held_ms"`
		} `json:"presses"`
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s  %s  %v\n", s.Outcome, s.Reason, s.Flags)
	for _, p := range s.Presses {
		fmt.Fprintf(stdout, "%s by %s, %.1f s after the answer, heard after %d ms, counted: %v\n", p.Digit, p.Method, float64(p.After)/1000, p.Held, p.Counted)
	}
	if s.Outcome != "completed" || slices.Contains(s.Flags, "one_way_audio_rep") {
		return 1
	}
	return 0
}

var repColumns = []string{"external_id", "name", "number", "region", "caller_id"}

// importReps makes or changes the rep of every line of a CSV whose first line
// names its columns. Lines that are refused are told, and the others kept.
func importReps(c *client, file string, asJSON bool, stdin io.Reader, stdout, stderr io.Writer) int {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			fmt.Fprintf(stderr, "tandem: %v\n", err)
			return 1
		}
		defer f.Close()
		in = f
	}
	lines := csv.NewReader(in)
	header, err := lines.Read()
	if err != nil || !slices.Contains(header, "external_id") || !slices.Contains(header, "name") {
		fmt.Fprintf(stderr, "tandem: %s: the first line names the columns: %v; external_id and name are needed\n", file, repColumns)
		return 1
	}
	for _, column := range header {
		if !slices.Contains(repColumns, column) {
			fmt.Fprintf(stderr, "tandem: %s: no column %q; there are %v\n", file, column, repColumns)
			return 1
		}
	}
	var result struct {
		Added   int `json:"added"`
		Changed int `json:"changed"`
		Refused int `json:"refused"`
	}
	for {
		row, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := lines.FieldPos(0)
		added := false
		if err == nil {
			added, err = importRep(c, header, row)
		}
		switch {
		case err != nil:
			result.Refused++
			fmt.Fprintf(stderr, "%s:%d: %v\n", file, line, err)
		case added:
			result.Added++
		default:
			result.Changed++
		}
	}
	if asJSON {
		_ = json.NewEncoder(stdout).Encode(result)
	} else {
		fmt.Fprintf(stdout, "%d added, %d changed, %d refused\n", result.Added, result.Changed, result.Refused)
	}
	if result.Refused > 0 {
		return 1
	}
	return 0
}

func importRep(c *client, header, row []string) (added bool, err error) {
	fields := map[string]any{}
	for i, column := range header {
		switch value := row[i]; {
		case value == "":
		case column == "number":
			fields["pass_through"] = map[string]any{"number": value}
		default:
			fields[column] = value
		}
	}
	external, _ := fields["external_id"].(string)
	if external == "" {
		return false, errors.New("external_id is empty")
	}
	_, err = c.do("POST", "/v1/reps", fields)
	var refused *apiError
	if errors.As(err, &refused) && refused.Code == "external_id_taken" {
		_, err = c.do("PATCH", "/v1/reps/ext:"+url.PathEscape(external), fields)
		return false, err
	}
	return true, err
}
