package config

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A preset is what a carrier or PBX wants of a trunk, as the trunk's own keys;
// beside them checks, which warn of what does not go with it, and notes, for
// those who set the other side up. Each fact names its source and date.
//
//go:embed presets/*.yaml
var presetFiles embed.FS

// Presets lists the names of presets.
func Presets() (names []string) {
	entries, _ := presetFiles.ReadDir("presets") // embedded: it is there
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Preset is a preset's file as it was written.
func Preset(name string) ([]byte, error) {
	data, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no preset %q%s", name, meant(name, Presets()))
	}
	return data, nil
}

// PresetNotes are what a preset says to those who set the other side up.
func PresetNotes(name string) (notes []string) {
	data, err := Preset(name)
	if err != nil {
		return nil
	}
	if tree, _ := parse(name, data); tree != nil && tree.fields["notes"] != nil {
		for _, n := range tree.fields["notes"].list {
			notes = append(notes, n.text)
		}
	}
	return notes
}

// presets puts each trunk's preset under what the file says of it.
func (d *decoder) presets(root *node) {
	trunks := root.fields["trunks"]
	if trunks == nil || trunks.kind != mapping {
		return
	}
	for _, name := range trunks.keys {
		if trunk := trunks.fields[name]; trunk.kind == mapping {
			d.preset("trunks."+name, trunk)
		}
	}
}

func (d *decoder) preset(path string, trunk *node) {
	name, at := "generic", trunk.origin
	if n := trunk.fields["preset"]; n != nil && n.kind == scalar && !n.null {
		name, at = n.text, n.origin
	}
	data, err := d.presetData(name)
	if err != nil {
		d.add(at, path+".preset", err.Error(), CodeRefers, "there are: "+strings.Join(Presets(), ", ")+", and files of your own, by their path")
		return
	}
	tree, problems := parse("preset "+name, data)
	d.problems = append(d.problems, problems...)
	if tree == nil {
		return
	}
	checks := tree.fields["checks"]
	tree.remove("checks")
	tree.remove("notes")
	trunk.under(tree)
	if checks != nil {
		d.presetChecks(path, name, trunk, checks.list)
	}
}

// presetData reads a preset of ours, or the operator's own, named by its path.
func (d *decoder) presetData(name string) ([]byte, error) {
	if !strings.HasSuffix(name, ".yaml") {
		return Preset(name)
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(d.dir, name)
	}
	return os.ReadFile(name)
}

// presetChecks warns where a trunk does not look like what its preset is for.
func (d *decoder) presetChecks(path, name string, trunk *node, checks []*node) {
	for _, c := range checks {
		if except := c.fields["unless"]; except != nil && trunk.word(except.word("key")) == except.word("is") {
			continue
		}
		key := c.word("key")
		form, err := regexp.Compile(c.word("form"))
		if err != nil {
			d.add(c.origin, "", fmt.Sprintf("form of a check: %v", err), CodeSyntax, "")
			continue
		}
		if value := trunk.word(key); !form.MatchString(value) {
			at := trunk.origin
			if n := trunk.at(key); n != nil && n.origin.Line > 0 && !strings.HasPrefix(n.origin.From, "preset ") {
				at = n.origin
			}
			d.add(at, path+"."+key, fmt.Sprintf("%q does not look right for %s", value, name), CodePreset, c.word("say"))
		}
	}
}
