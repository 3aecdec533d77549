// Package runbooks is the pages of this folder, one an alert, for the binary to
// print where there is no browser.
package runbooks

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Names are those of all runbooks, in order.
func Names() []string {
	files, _ := fs.Glob(pages, "*.md") // the pattern is good
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(path.Base(file), ".md")
	}
	slices.Sort(names)
	return names
}

// Page is the text of one; false = there is none of that name.
func Page(name string) (string, bool) {
	text, err := pages.ReadFile(name + ".md")
	return string(text), err == nil
}
