package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every preset is taken as it is, and says where it knows from.
func TestPresets(t *testing.T) {
	if len(Presets()) != 15 {
		t.Errorf("%d presets: %v", len(Presets()), Presets())
	}
	source := regexp.MustCompile(`(?s)[a-z0-9./-]+\.[a-z]{2,}.*read 20[0-9]{2}-[01][0-9]`)
	for _, name := range Presets() {
		data, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "generic" && !source.Match(data) {
			t.Errorf("%s: no fact has a source with its date", name)
		}
		tree, problems := parse(name, data)
		if len(problems) > 0 {
			t.Error(problems)
		}
		if checks := tree.fields["checks"]; checks != nil {
			for _, c := range checks.list {
				if _, err := regexp.Compile(c.word("form")); err != nil || c.word("key") == "" || c.word("say") == "" {
					t.Errorf("%s: check %v: %v", name, c, err)
				}
			}
		}
		if name != "generic" && len(PresetNotes(name)) == 0 {
			t.Errorf("%s: says nothing to those who set the other side up", name)
		}
	}
}

func TestPresetChecks(t *testing.T) {
	tests := map[string]struct {
		trunk string
		want  string // key of the warning, "" = none
	}{
		"twilio's own":            {`preset: twilio, host: acme.pstn.twilio.com, auth: {username: a, password: "${env:P}"}`, ""},
		"twilio's region":         {`preset: twilio, host: acme.pstn.dublin.twilio.com, auth: {username: a, password: "${env:P}"}`, ""},
		"not twilio":              {`preset: twilio, host: sip.twilio.com, auth: {username: a, password: "${env:P}"}`, "trunks.carrier.host"},
		"flowroute by ip":         {`preset: flowroute, host: us-west-or.sip.flowroute.com`, "trunks.carrier.dial.prefix"},
		"flowroute with a prefix": {`preset: flowroute, host: us-west-or.sip.flowroute.com, dial: {prefix: "12345678*"}`, ""},
		"flowroute by digest":     {`preset: flowroute, host: us-west-or.sip.flowroute.com, auth: {mode: digest, username: a, password: "${env:P}"}`, ""},
		"cucm's other type":       {`preset: cucm, host: 10.0.0.5, telephone_event_pt: 96`, "trunks.carrier.telephone_event_pt"},
	}
	for name, tt := range tests {
		text := "version: 1\nnumbers: {default_region: US, allow: [\"+1\"]}\ntrunks:\n  carrier: {" + tt.trunk + ", caller_ids: [\"+14155550100\"]}\n"
		_, problems := Read("t.yaml", []byte(text), []string{"P=secret"})
		got := ""
		for _, p := range problems {
			if p.Code != CodePreset {
				t.Errorf("%s: %v", name, p)
				continue
			}
			got = p.Path
			if p.Help == "" || p.Line != 4 {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if got != tt.want {
			t.Errorf("%s: warns of %q, want %q", name, got, tt.want)
		}
	}
}

// A file of the operator's own is a preset too.
func TestOwnPreset(t *testing.T) {
	dir := t.TempDir()
	own := "host: 192.0.2.1\nauth: {mode: ip}\ndial: {prefix: \"77\"}\nnotes: [\"x\"]\nchecks: [{key: dial.strip, form: '^0$', say: \"strip the 0\"}]\n"
	if err := os.WriteFile(filepath.Join(dir, "ours.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tandem.yaml")
	text := "version: 1\nnumbers: {default_region: US, allow: [\"+1\"]}\ntrunks: {carrier: {preset: ours.yaml, caller_ids: [\"+14155550100\"]}}\n"
	c, problems := Read(file, []byte(text), nil)
	if len(problems) != 1 || problems[0].Code != CodePreset || c.Trunks["carrier"].Dial.Prefix != "77" || c.Trunks["carrier"].Host != "192.0.2.1" {
		t.Errorf("%v, %+v", problems, c)
	}
	_, problems = Read(file, []byte(strings.Replace(text, "ours.yaml", "../other.yaml", 1)), nil)
	if problems.Errors() == 0 {
		t.Error("a preset that is not there was taken")
	}
}
