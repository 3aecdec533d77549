package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"tandem/cmd/app"
	"tandem/config"
)

var (
	checkConfigCommand = command{"say everything that is wrong with a configuration", checkConfig}
	configCommand      = command{"init | print | schema of the configuration", showConfig}
	versionCommand     = command{"say what this is built from", showVersion}
)

func checkConfig(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check-config", flag.ContinueOnError)
	flags.SetOutput(stderr)
	format := flags.String("format", "text", "text, json or github")
	flags.BoolFunc("json", "the same as --format json", func(string) error { *format = "json"; return nil })
	online := flags.Bool("online", false, "also try every trunk: name, connection, OPTIONS, registration, a call to nobody")
	strict := flags.Bool("strict", false, "exit 3 where there are warnings")
	file := configFlag(flags)
	if code, done := parseFlags(flags, args); done {
		return code
	}
	cfg, problems := config.Load(configFile(*file), os.Environ())
	switch *format {
	case "text":
		problems.Text(stdout)
		fmt.Fprintf(stdout, "%s. Nothing was changed.\n", problems.Summary())
	case "json":
		if *online {
			break // one document, with what the trunks say
		}
		if err := problems.JSON(stdout); err != nil {
			fmt.Fprintf(stderr, "tandem: %v\n", err)
			return 1
		}
	case "github":
		problems.GitHub(stdout)
	default:
		fmt.Fprintf(stderr, "tandem check-config: no format %q; there are text, json, github\n", *format)
		return 2
	}
	code := 0
	if *online {
		code = checkOnline(cfg, problems, *format == "json", stdout, stderr)
	}
	switch {
	case problems.Errors() > 0:
		return 1
	case code != 0:
		return code
	case *strict && len(problems) > 0:
		return 3
	}
	return 0
}

// checkOnline tries every trunk of a configuration that is well. As JSON it writes
// the problems too.
func checkOnline(cfg *config.Config, problems config.Problems, asJSON bool, stdout, stderr io.Writer) int {
	reports, err := []report{}, error(nil)
	if problems.Errors() == 0 {
		reports, err = examine(cfg, cfg.TrunkNames(), "", stderr)
	}
	if !asJSON {
		return showReports(reports, err, false, stdout, stderr)
	}
	var rows bytes.Buffer
	if failed := problems.JSON(&rows); failed != nil {
		fmt.Fprintf(stderr, "tandem: %v\n", failed)
		return 1
	}
	code := printJSON(struct {
		Problems json.RawMessage `json:"problems"`
		Trunks   []report        `json:"trunks"`
	}{rows.Bytes(), reports}, stdout, stderr)
	return max(code, verdictOn(reports, err, stderr))
}

func showConfig(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	const use = "usage: tandem config init | print [--redacted=false] [--json] [--config FILE] | schema"
	if wantsHelp(args) {
		fmt.Fprintln(stdout, use)
		return 0
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, use)
		return 2
	}
	switch args[0] {
	case "init":
		fmt.Fprint(stdout, config.Init)
	case "schema":
		if err := config.Schema(stdout); err != nil {
			fmt.Fprintf(stderr, "tandem: %v\n", err)
			return 1
		}
	case "print":
		flags := flag.NewFlagSet("config print", flag.ContinueOnError)
		flags.SetOutput(stderr)
		redacted := flags.Bool("redacted", true, "leave secrets out")
		asJSON := flags.Bool("json", false, "as JSON: value and source of each setting, by its path")
		file := configFlag(flags)
		if code, done := parseFlags(flags, args[1:]); done {
			return code
		}
		cfg, code := load(*file, stderr)
		if cfg == nil {
			return code
		}
		if !*asJSON {
			cfg.Print(stdout, *redacted)
			return 0
		}
		if err := cfg.PrintJSON(stdout, *redacted); err != nil {
			fmt.Fprintf(stderr, "tandem: %v\n", err)
			return 1
		}
	default:
		fmt.Fprintf(stderr, "tandem config: no %q; there are init, print, schema\n", args[0])
		return 2
	}
	return 0
}

func showVersion(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "as JSON")
	if code, done := parseFlags(flags, args); done {
		return code
	}
	version, revision := app.Version()
	if *asJSON {
		fmt.Fprintf(stdout, "{\"version\":%q,\"revision\":%q}\n", version, revision)
	} else {
		fmt.Fprintf(stdout, "tandem %s (%s)\n", version, revision)
	}
	return 0
}
