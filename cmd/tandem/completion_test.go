package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompletion: each shell itself offers every command, and the words of one that
// has words. zsh runs what is bash's with the arrays of ksh.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	for shell, ask := range map[string][2]string{
		"bash": {`. ./script; COMP_WORDS=(tandem ""); COMP_CWORD=1; _tandem; echo "${COMPREPLY[@]}"`,
			`. ./script; COMP_WORDS=(tandem keys ""); COMP_CWORD=2; _tandem; echo "${COMPREPLY[@]}"`},
		"zsh": {`autoload -U compinit && compinit -u -D; . ./script; setopt ksharrays; COMP_WORDS=(tandem ""); COMP_CWORD=1; _tandem; echo "${COMPREPLY[@]}"`,
			`autoload -U compinit && compinit -u -D; . ./script; setopt ksharrays; COMP_WORDS=(tandem keys ""); COMP_CWORD=2; _tandem; echo "${COMPREPLY[@]}"`},
		"fish": {`source ./script; complete -C "tandem "`, `source ./script; complete -C "tandem keys "`},
	} {
		t.Run(shell, func(t *testing.T) {
			var script bytes.Buffer
			if code := dispatch([]string{"completion", shell}, nil, &script, &script); code != 0 {
				t.Fatal(script.String())
			}
			if err := os.WriteFile(filepath.Join(dir, "script"), script.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			for i, want := range [][]string{slices.Sorted(maps.Keys(commands)), subcommands(commands["keys"].summary)} {
				typed := exec.Command(shell, "-c", ask[i])
				typed.Dir, typed.Env = dir, append(os.Environ(), "HOME="+dir)
				said, err := typed.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				offered := strings.Fields(string(said))
				for _, word := range want {
					if !slices.Contains(offered, word) {
						t.Errorf("%q is not among %q", word, offered)
					}
				}
			}
		})
	}
}
