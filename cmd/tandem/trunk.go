package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"tandem/config"
)

var trunkCommand = command{"list | presets [NAME] | test NAME", trunk}

const trunkUsage = "usage: tandem trunk list [--config FILE] | presets [NAME] | test NAME [--call NUMBER] [--config FILE]"

func trunk(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if wantsHelp(args) {
		fmt.Fprintln(stdout, trunkUsage)
		return 0
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, trunkUsage)
		return 2
	}
	flags := flag.NewFlagSet("trunk "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := configFlag(flags)
	asJSON := flags.Bool("json", false, "as JSON")
	number := flags.String("call", "", "test: also call this `NUMBER`, and hang up once it has answered")
	words, code, done := mixed(flags, args[1:])
	if done {
		return code
	}
	switch {
	case args[0] == "list" && len(words) == 0:
		return listTrunks(*file, *asJSON, stdout, stderr)
	case args[0] == "test" && len(words) == 1:
		return testTrunk(*file, words[0], *number, *asJSON, stdout, stderr)
	case args[0] == "presets" && len(words) <= 1:
		return showPresets(words, *asJSON, stdout, stderr)
	}
	fmt.Fprintln(stderr, trunkUsage)
	return 2
}

// listed is one trunk of the configuration, without its secrets.
type listed struct {
	Name      string   `json:"name"`
	Preset    string   `json:"preset"`
	Host      string   `json:"host"`
	Transport string   `json:"transport"`
	Auth      string   `json:"auth"`
	Username  string   `json:"username,omitempty"`
	CallerIDs []string `json:"caller_ids"`
	Channels  int      `json:"channels"`
	CPS       float64  `json:"cps"`
}

// listTrunks shows the trunks of the configuration. How they are doing is asked
// of a running tandem, at GET /v1/trunks.
func listTrunks(file string, asJSON bool, stdout, stderr io.Writer) int {
	cfg, code := load(file, stderr)
	if cfg == nil {
		return code
	}
	all := make([]listed, 0, len(cfg.Trunks))
	for _, name := range cfg.TrunkNames() {
		t := cfg.Trunks[name]
		all = append(all, listed{name, t.Preset, t.Host, t.Transport, t.Auth.Mode, t.Auth.Username, t.CallerIDs, t.Limits.Channels, t.Limits.CPS})
	}
	if asJSON {
		return printJSON(all, stdout, stderr)
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPRESET\tHOST\tTRANSPORT\tAUTH\tCALLER ID\tCHANNELS\tCALLS/S")
	for _, t := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.Preset, t.Host, t.Transport, t.Auth, append(t.CallerIDs, "-")[0], limit(float64(t.Channels)), limit(t.CPS))
	}
	if err := w.Flush(); err != nil {
		return 1
	}
	return 0
}

// limit writes a limit, where 0 is none.
func limit(n float64) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprintf("%g", n)
}

func printJSON(v any, stdout, stderr io.Writer) int {
	e := json.NewEncoder(stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", err)
		return 1
	}
	return 0
}

// showPresets lists the presets, or prints one with the source of each fact.
func showPresets(words []string, asJSON bool, stdout, stderr io.Writer) int {
	if len(words) == 1 {
		data, err := config.Preset(words[0])
		if err != nil {
			fmt.Fprintf(stderr, "tandem: %v; `tandem trunk presets` lists them\n", err)
			return 1
		}
		_, _ = stdout.Write(data)
		return 0
	}
	if asJSON {
		return printJSON(config.Presets(), stdout, stderr)
	}
	for _, name := range config.Presets() {
		fmt.Fprintln(stdout, name)
	}
	return 0
}
