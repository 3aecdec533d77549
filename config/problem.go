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

// Text writes them for people.
func (ps Problems) Text(w io.Writer) {
	for _, p := range ps {
		path := p.Path
		if path != "" {
			path += ": "
		}
		fmt.Fprintf(w, "%s: %s%s  [%s]", p.Origin, path, p.Message, p.Code)
		if p.Help != "" {
			fmt.Fprintf(w, "  %s", p.Help)
		}
		fmt.Fprintln(w)
		if p.excerpt != "" {
			lead := fmt.Sprintf("%6d | ", p.Line)
			fmt.Fprintf(w, "%s%s\n%s| %s^\n", lead, p.excerpt, strings.Repeat(" ", len(lead)-2), strings.Repeat(" ", max(0, p.Col-1)))
		}
	}
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
