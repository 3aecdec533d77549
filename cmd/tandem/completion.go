package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var completionCommand = command{"bash | zsh | fish: words for the shell to complete", completion}

// word is a subcommand in a command's summary: "create | list | revoke API keys".
var word = regexp.MustCompile(`^[a-z][a-z-]*$`)

// subcommands reads them from the summary that `tandem help` shows, so that the
// two cannot disagree.
func subcommands(summary string) (words []string) {
	parts := strings.Split(summary, "|")
	if len(parts) == 1 {
		return nil
	}
	for _, part := range parts {
		if first, _, _ := strings.Cut(strings.TrimSpace(part), " "); word.MatchString(first) {
			words = append(words, first)
		}
	}
	return words
}

// completion prints a script for the shell to read, as in
// `source <(tandem completion bash)`.
func completion(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	const use = "usage: tandem completion bash | zsh | fish"
	if wantsHelp(args) {
		fmt.Fprintln(stdout, use)
		return 0
	}
	names := slices.Sorted(maps.Keys(commands))
	script := map[string]func(io.Writer, []string){"bash": bashScript, "zsh": zshScript, "fish": fishScript}
	if len(args) != 1 || script[args[0]] == nil {
		fmt.Fprintln(stderr, use)
		return 2
	}
	script[args[0]](stdout, names)
	return 0
}

func bashScript(w io.Writer, names []string) {
	fmt.Fprintf(w, "_tandem() {\n  local words=\"\"\n  case $COMP_CWORD in\n  1) words=\"help %s\" ;;\n  2) case ${COMP_WORDS[1]} in\n", strings.Join(names, " "))
	for _, name := range names {
		if words := subcommands(commands[name].summary); words != nil {
			fmt.Fprintf(w, "    %s) words=\"%s\" ;;\n", name, strings.Join(words, " "))
		}
	}
	fmt.Fprint(w, "    esac ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _tandem tandem\n")
}

func zshScript(w io.Writer, names []string) {
	fmt.Fprint(w, "#compdef tandem\nautoload -U +X bashcompinit && bashcompinit\n")
	bashScript(w, names)
}

func fishScript(w io.Writer, names []string) {
	fmt.Fprint(w, "complete -c tandem -f\n")
	for _, name := range names {
		summary := strings.ReplaceAll(commands[name].summary, "'", "\\'")
		fmt.Fprintf(w, "complete -c tandem -n __fish_use_subcommand -a %s -d '%s'\n", name, summary)
		if words := subcommands(commands[name].summary); words != nil {
			fmt.Fprintf(w, "complete -c tandem -n '__fish_seen_subcommand_from %s' -a '%s'\n", name, strings.Join(words, " "))
		}
	}
}
