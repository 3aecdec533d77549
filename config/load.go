package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads a file, and what the environment sets over it. The Config is whole
// where the problems hold no error.
func Load(path string, environ []string) (*Config, Problems) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, Problems{{Origin: Origin{From: path}, Message: err.Error(), Code: CodeSyntax,
			Help: "write one with: tandem config init > tandem.yaml"}}
	}
	return Read(path, data, environ)
}

// Read is Load of what a file holds.
func Read(path string, data []byte, environ []string) (*Config, Problems) {
	root, problems := parse(path, data)
	if root == nil {
		return nil, problems
	}
	d := &decoder{problems: problems, environ: environ, dir: filepath.Dir(path), origins: make(map[string]Origin)}
	d.overlay(root)
	d.presets(root)
	c := d.config(root)
	d.checkRest(c)
	lines := strings.Split(string(data), "\n")
	for i := range d.problems {
		p := &d.problems[i]
		if p.From == path && p.Line > 0 && p.Line <= len(lines) {
			p.excerpt = lines[p.Line-1]
		}
	}
	d.problems.sort()
	return c, d.problems
}

// overlay puts the environment over the file: TANDEM_A__B is a.b. A variable that is
// empty makes the key empty, one that is not there leaves it as it was.
func (d *decoder) overlay(root *node) {
	sorted := slices.Sorted(slices.Values(d.environ))
	for _, entry := range sorted {
		name, value, _ := strings.Cut(entry, "=")
		path, ours := strings.CutPrefix(name, "TANDEM_")
		if !ours || !strings.Contains(path, "__") && path != "VERSION" { // TANDEM_CONFIG and its like are not keys
			continue
		}
		d.putEnv(root, name, strings.Split(strings.ToLower(path), "__"), value)
	}
}

func (d *decoder) putEnv(root *node, name string, levels []string, value string) {
	origin := Origin{From: "env " + name}
	at := root
	for i, level := range levels[:len(levels)-1] {
		key := level
		for _, have := range at.keys { // a trunk's name may have capitals and dashes
			if strings.EqualFold(strings.ReplaceAll(have, "-", "_"), level) {
				key = have
			}
		}
		if i == 1 && levels[0] == "trunks" && at.fields[key] == nil {
			d.add(origin, "", fmt.Sprintf("no trunk %q%s", level, meant(level, at.keys)), CodeEnv, "")
			return
		}
		if at.fields[key] == nil || at.fields[key].kind != mapping {
			at.set(key, origin, newMap(origin))
		}
		at = at.fields[key]
	}
	at.set(levels[len(levels)-1], origin, &node{origin: origin, text: value})
}

// meant asks whether another name was meant.
func meant(name string, candidates []string) string {
	if near := nearest(name, candidates); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}
