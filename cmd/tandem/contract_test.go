package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// withoutJSON are commands that have no --json, and why.
var withoutJSON = map[string]string{
	"serve":         "it prints nothing; its log is JSON by log.format",
	"completion":    "it prints a script",
	"config init":   "it prints a file to edit",
	"config schema": "it is JSON",
}

// TestCommandsKeepTheContract: each command of its list is there, explains itself,
// and has --json; the flags that its text names are taken.
func TestCommandsKeepTheContract(t *testing.T) {
	var text []byte
	for _, file := range []string{"cli.md", "api.md"} {
		part, err := os.ReadFile("../../test/testdata/contract/" + file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	list := regexp.MustCompile("## Command list\n\n`([^`]+)`").FindSubmatch(text)
	if list == nil {
		t.Fatal("the contract has no list of commands")
	}
	help := func(words ...string) string {
		var out, errs bytes.Buffer
		if code := dispatch(append(words, "--help"), nil, &out, &errs); code != 0 {
			t.Errorf("%v --help: exit %d", words, code)
		}
		return out.String() + errs.String()
	}
	count := 0
	for _, entry := range strings.Split(strings.Replace(string(list[1]), "backup|restore", "backup · restore", 1), " · ") {
		words := strings.Fields(entry)
		if _, known := commands[words[0]]; !known {
			t.Errorf("there is no %s", words[0])
			continue
		}
		subs := []string{""}
		for _, word := range words[1:] { // capitals and flags stand for what is given
			if strings.Contains(word, "|") {
				subs = strings.Split(word, "|")
			}
		}
		for _, sub := range subs {
			count++
			whole := help(words[0])
			if sub != "" && sub != "CSV" {
				if !regexp.MustCompile(`\b` + sub + `\b`).MatchString(whole + commands[words[0]].summary) {
					t.Errorf("tandem %s does not speak of %s", words[0], sub)
				}
				whole += help(words[0], sub)
			}
			name := strings.TrimSpace(words[0] + " " + sub)
			if has := strings.Contains(whole, "-json"); !has && withoutJSON[name] == "" {
				t.Errorf("tandem %s has no --json:\n%s", name, whole)
			}
		}
	}
	if count < 33 {
		t.Errorf("the list has %d commands", count)
	}
	for command, flags := range map[string][]string{
		"demo": {"once", "you-are-the-rep", "scenario", "speed"}, "check-config": {"format", "online", "strict"}, "config print": {"redacted"},
		"call": {"rep", "wait"}, "webhooks": {"forward"}, "dtmf scan": {"sdp"}, "keys create": {"name", "scopes"},
	} {
		said := help(strings.Fields(command)...)
		for _, flag := range flags {
			if !strings.Contains(said, "-"+flag) || !bytes.Contains(text, []byte("--"+flag)) {
				t.Errorf("tandem %s has no --%s, or the contract does not", command, flag)
			}
		}
	}
}
