package config

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Codes of problems. An E is an error, a W a warning.
const (
	CodeSyntax   = "E100" // not YAML
	CodeUnknown  = "E101" // no such key
	CodeEnv      = "E102" // no such key, from the environment
	CodeType     = "E103" // not of the key's type, or out of its range
	CodeRequired = "E104" // not there
	CodeNumber   = "E120" // not E.164
	CodeSecret   = "E130" // plain text, or a reference to nothing
	CodeRefers   = "E140" // names something that is not there
	CodePorts    = "W210" // fewer ports than channels
	CodeUnused   = "W220" // a trunk without a route
	CodePreset   = "W230" // not as the trunk's preset wants it
	CodeInClear  = "W240" // keys of SRTP without TLS
)

// Origin is where a value came from.
type Origin struct {
	From      string // default, preset NAME, env NAME, or a file's name
	Line, Col int    // in a file
}

func (o Origin) String() string {
	if o.Line > 0 {
		return fmt.Sprintf("%s:%d:%d", o.From, o.Line, o.Col)
	}
	return o.From
}

// Problem is one thing that is wrong.
type Problem struct {
	Origin
	Path    string // of the key
	Message string
	Code    string
	Help    string // what to write instead; "" = nothing to add
	excerpt string
}

// Warning reports whether tandem runs all the same.
func (p *Problem) Warning() bool { return strings.HasPrefix(p.Code, "W") }

// Problems is everything that is wrong.
type Problems []Problem

// Errors is how many of them are errors.
func (ps Problems) Errors() (n int) {
	for i := range ps {
		if !ps[i].Warning() {
			n++
		}
	}
	return n
}

func (ps Problems) Error() string {
	var b strings.Builder
	ps.Text(&b)
	return b.String()
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
}

// Text writes them for people. What to write instead stands under the place where
// that is shown.
func (ps Problems) Text(w io.Writer) {
	for i := range ps {
		p := &ps[i]
		path := p.Path
		if path != "" {
			path += ": "
		}
		fmt.Fprintf(w, "%s: %s%s  [%s]", p.Origin, path, p.Message, p.Code)
		if p.excerpt == "" {
			fmt.Fprintln(w, after("  ", p.Help))
			continue
		}
		lead := fmt.Sprintf("%6d | ", p.Line)
		fmt.Fprintf(w, "\n%s%s\n%s| %s%s%s\n", lead, p.excerpt, strings.Repeat(" ", len(lead)-2), strings.Repeat(" ", max(0, p.Col-1)), strings.Repeat("^", p.width()), after(" ", p.Help))
	}
}

// after puts a text behind another, if there is one.
func after(gap, text string) string {
	if text == "" {
		return ""
	}
	return gap + text
}

// width is how long the word is that stands at the problem's place.
func (p *Problem) width() int {
	if p.Col < 1 || p.Col > len(p.excerpt) {
		return 1
	}
	word := p.excerpt[p.Col-1:]
	if end := strings.Index(word[1:], word[:1]); strings.ContainsAny(word[:1], `"'`) && end >= 0 {
		return end + 2
	}
	if end := strings.IndexAny(word, " ,:]}"); end > 0 {
		return end
	}
	return len(word)
}

// Summary counts them.
func (ps Problems) Summary() string {
	file, environment, warnings := 0, 0, 0
	for i := range ps {
		switch {
		case ps[i].Warning():
			warnings++
		case strings.HasPrefix(ps[i].From, "env "):
			environment++
		default:
			file++
		}
	}
	text := some(file+environment, "error")
	if file+environment > 0 {
		text = some(file, "error") + " in the file"
	}
	if environment > 0 {
		text += fmt.Sprintf(", %d in the environment", environment)
	}
	return text + ", " + some(warnings, "warning")
}

// some is a number of things, in words.
func some(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// GitHub writes them as annotations of a workflow.
func (ps Problems) GitHub(w io.Writer) {
	for _, p := range ps {
		level := "error"
		if p.Warning() {
			level = "warning"
		}
		fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d::%s: %s [%s] %s\n", level, p.From, p.Line, p.Col, p.Path, p.Message, p.Code, p.Help)
	}
}

// JSON writes them as a list.
func (ps Problems) JSON(w io.Writer) error {
	type row struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Col     int    `json:"col"`
		Path    string `json:"path"`
		Message string `json:"message"`
		Code    string `json:"code"`
		Help    string `json:"help,omitempty"`
	}
	rows := make([]row, len(ps))
	for i, p := range ps {
		rows[i] = row{p.From, p.Line, p.Col, p.Path, p.Message, p.Code, p.Help}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}
