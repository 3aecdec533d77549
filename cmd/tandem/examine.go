package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"tandem/cmd/app"
	"tandem/config"
	"tandem/sip"
)

// finding is one line of a report.
type finding struct {
	Step   string  `json:"step"`
	OK     bool    `json:"ok"`
	Code   string  `json:"code,omitempty"`
	Text   string  `json:"text"`
	Advice string  `json:"advice,omitempty"`
	MS     float64 `json:"ms,omitempty"`
	warns  bool    // it does not keep calls from being placed
}

// report is what was found out about one trunk, or about this machine.
type report struct {
	Subject  string    `json:"subject"`
	Ready    bool      `json:"ready"`
	Findings []finding `json:"findings"`
	Ladder   []string  `json:"ladder,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
}

// examine tries trunks; number, if given, is called.
func examine(cfg *config.Config, trunks []string, number string, stderr io.Writer) ([]report, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	all, note, err := app.Examine(ctx, cfg, app.RealWire(cfg.Media.DSCP), slog.New(slog.DiscardHandler), trunks, number)
	if note != "" {
		fmt.Fprintf(stderr, "note: %s\n", note)
	}
	var reports []report
	for _, one := range all {
		t := cfg.Trunks[one.Trunk]
		r := report{Subject: fmt.Sprintf("trunk %s (preset %s, %s, %s)", one.Trunk, t.Preset, t.Transport, t.Auth.Mode), Ready: one.Ready()}
		for _, f := range one.Findings {
			r.Findings = append(r.Findings, finding{
				Step: f.Step, OK: f.Fault == sip.FaultNone, Code: string(f.Fault), Text: f.Text, Advice: f.Fault.Advice(),
				MS: float64(f.Took.Microseconds()) / 1000, warns: f.Step == "nat",
			})
		}
		for line := range strings.Lines(one.Ladder) {
			r.Ladder = append(r.Ladder, strings.TrimRight(line, "\n"))
		}
		if !r.Ready {
			r.Notes = config.PresetNotes(t.Preset)
		}
		reports = append(reports, r)
	}
	return reports, err
}

// show writes a report for people: what was seen, and under what is wrong, what
// to change.
func (r *report) show(w io.Writer) {
	fmt.Fprintln(w, r.Subject)
	for _, f := range r.Findings {
		word, code := "ok", ""
		if !f.OK {
			word, code = "FAIL", "  ["+f.Code+"]"
			if f.warns {
				word = "warn"
			}
		}
		took := ""
		if f.MS >= 0.1 {
			took = "  " + time.Duration(f.MS*float64(time.Millisecond)).Round(100*time.Microsecond).String()
		}
		fmt.Fprintf(w, "  %-5s %-11s %s%s%s\n", word, f.Step, f.Text, code, took)
		if f.Advice != "" {
			fmt.Fprintf(w, "                    %s\n", f.Advice)
		}
	}
	for _, line := range r.Ladder {
		fmt.Fprintf(w, "  | %s\n", line)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", note)
	}
	verdict := "ready"
	if !r.Ready {
		verdict = "not ready"
	}
	fmt.Fprintf(w, "  %s\n", verdict)
}

// showReports writes reports, and is the exit status they come to.
func showReports(reports []report, err error, asJSON bool, stdout, stderr io.Writer) int {
	if asJSON {
		if failed := printJSON(reports, stdout, stderr); failed != 0 {
			return failed
		}
	} else {
		for i := range reports {
			reports[i].show(stdout)
		}
	}
	return verdictOn(reports, err, stderr)
}

// verdictOn is the exit status that reports come to.
func verdictOn(reports []report, err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	for i := range reports {
		if !reports[i].Ready {
			return 1
		}
	}
	return 0
}

// testTrunk is `tandem trunk test NAME`.
func testTrunk(file, name, number string, asJSON bool, stdout, stderr io.Writer) int {
	cfg, problems := config.Load(configFile(file), os.Environ())
	problems.Text(stderr)
	if problems.Errors() > 0 {
		return 1
	}
	if _, known := cfg.Trunks[name]; !known {
		fmt.Fprintf(stderr, "tandem: no trunk %q; there are: %s\n", name, strings.Join(cfg.TrunkNames(), ", "))
		return 1
	}
	reports, err := examine(cfg, []string{name}, number, stderr)
	return showReports(reports, err, asJSON, stdout, stderr)
}
