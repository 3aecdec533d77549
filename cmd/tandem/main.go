// Command tandem is the bridge, and the tools of those who run it.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// command is one word of the command line; each has a small file of its own.
// run returns the exit status: 0 good, 1 failed, 2 wrong usage.
type command struct {
	summary string
	run     func(args []string, stdin io.Reader, stdout, stderr io.Writer) int
}

// commands is every word there is; a file beside this one makes each value.
var commands map[string]command

func init() {
	commands = map[string]command{
		"backup":       backupCommand,
		"restore":      restoreCommand,
		"serve":        serveCommand,
		"demo":         demoCommand,
		"check-config": checkConfigCommand,
		"config":       configCommand,
		"keys":         keysCommand,
		"call":         callCommand,
		"dtmf":         dtmfCommand,
		"trunk":        trunkCommand,
		"doctor":       doctorCommand,
		"reps":         repsCommand,
		"webhooks":     webhooksCommand,
		"cdr":          cdrCommand,
		"do-not-call":  doNotCallCommand,
		"prompts":      promptsCommand,
		"version":      versionCommand,
		"healthcheck":  healthcheckCommand,
		"completion":   completionCommand,
	}
}

func main() {
	os.Exit(dispatch(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func dispatch(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return 2
	}
	switch args[0] {
	case "help", "-h", "--help":
		usage(stdout)
		return 0
	}
	c, known := commands[args[0]]
	if !known {
		fmt.Fprintf(stderr, "tandem: no command %q; `tandem help` lists them\n", args[0])
		return 2
	}
	return c.run(args[1:], stdin, stdout, stderr)
}

// wantsHelp reports whether a command with words of its own is asked for help.
func wantsHelp(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0])
}

func usage(w io.Writer) {
	var names []string
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("Tandem rings a rep's phone, waits for a 1, and dials the prospect.\n\nusage: tandem COMMAND [--help]\n\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  %-14s %s\n", name, commands[name].summary)
	}
	_, _ = io.WriteString(w, b.String())
}
