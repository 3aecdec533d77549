// Package prompts holds what the rep hears spoken; make.sh makes it again.
package prompts

import (
	"embed"
	"io/fs"
)

//go:embed en
var files embed.FS

// Open opens a prompt by its name, such as en/press-1.
func Open(name string) (fs.File, error) { return files.Open(name + ".wav") }
