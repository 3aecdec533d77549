// Package prompts holds what the rep hears spoken; make.sh makes it again.
package prompts

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed en
var files embed.FS

// Open opens a prompt by its name, such as en/press-1.
func Open(name string) (fs.File, error) { return files.Open(name + ".wav") }

// Names are those of all prompts.
func Names() (names []string, err error) {
	err = fs.WalkDir(files, ".", func(path string, _ fs.DirEntry, err error) error {
		if name, is := strings.CutSuffix(path, ".wav"); is {
			names = append(names, name)
		}
		return err
	})
	return names, err
}
