package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// node is YAML with its places, and nothing more of it than a configuration
// needs: no anchors, no tags.
type node struct {
	origin Origin
	text   string           // of a scalar
	null   bool             // nothing was written
	keys   []string         // of a map, in order
	fields map[string]*node // likewise
	names  map[string]Origin
	list   []*node
	kind   kind
}

type kind int

const (
	scalar kind = iota
	mapping
	sequence
)

func (k kind) String() string { return [...]string{"a value", "a map", "a list"}[k] }

func newMap(o Origin) *node {
	return &node{kind: mapping, origin: o, fields: make(map[string]*node), names: make(map[string]Origin)}
}

func (n *node) set(name string, at Origin, value *node) {
	if n.fields[name] == nil {
		n.keys = append(n.keys, name)
	}
	n.fields[name], n.names[name] = value, at
}

// remove takes a field out.
func (n *node) remove(name string) {
	delete(n.fields, name)
	n.keys = slices.DeleteFunc(n.keys, func(key string) bool { return key == name })
}

// at is the node at a dotted path below n, nil when there is none.
func (n *node) at(path string) *node {
	for name := range strings.SplitSeq(path, ".") {
		if n == nil || n.kind != mapping {
			return nil
		}
		n = n.fields[name]
	}
	return n
}

// word is the one value at a dotted path, "" when there is none.
func (n *node) word(path string) string {
	if found := n.at(path); found != nil && found.kind == scalar {
		return found.text
	}
	return ""
}

// parse reads one document.
func parse(file string, data []byte) (*node, Problems) {
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		p := Problem{Origin: Origin{From: file, Line: 1, Col: 1}, Message: err.Error(), Code: CodeSyntax}
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			p.Message = syntax.Message
			p.Line, p.Col = syntax.Token.Position.Line, syntax.Token.Position.Column
		}
		return nil, Problems{p}
	}
	r := &reader{file: file}
	root := newMap(Origin{From: file, Line: 1, Col: 1})
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if n := r.read("", doc.Body); n.kind == mapping {
			root = n
		} else {
			r.fault(doc.Body, "", "the file must be a map of keys")
		}
	}
	return root, r.problems
}

type reader struct {
	file     string
	problems Problems
}

func (r *reader) origin(n ast.Node) Origin {
	at := n.GetToken().Position
	return Origin{r.file, at.Line, at.Column}
}

func (r *reader) fault(n ast.Node, path, message string) {
	r.problems = append(r.problems, Problem{Origin: r.origin(n), Path: path, Message: message, Code: CodeSyntax})
}

func (r *reader) read(path string, n ast.Node) *node {
	switch n := n.(type) {
	case *ast.MappingNode:
		m := newMap(r.origin(n))
		for _, pair := range n.Values {
			r.pair(path, m, pair)
		}
		return m
	case *ast.MappingValueNode:
		m := newMap(r.origin(n))
		r.pair(path, m, n)
		return m
	case *ast.SequenceNode:
		s := &node{kind: sequence, origin: r.origin(n)}
		for i, item := range n.Values {
			s.list = append(s.list, r.read(fmt.Sprintf("%s[%d]", path, i), item))
		}
		return s
	case *ast.NullNode:
		return &node{origin: r.origin(n), null: true}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		r.fault(n, path, "anchors, aliases and tags are not read; write the value out")
		return &node{origin: r.origin(n), null: true}
	case *ast.LiteralNode:
		return &node{origin: r.origin(n), text: strings.TrimSpace(n.Value.Value)}
	}
	return &node{origin: r.origin(n), text: n.GetToken().Value}
}

func (r *reader) pair(path string, m *node, pair *ast.MappingValueNode) {
	name := pair.Key.GetToken().Value
	if m.fields[name] != nil {
		r.fault(pair.Key, join(path, name), "the key is there twice")
		return
	}
	m.set(name, r.origin(pair.Key), r.read(join(path, name), pair.Value))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// under puts the fields of other below those n has: a preset under a trunk.
func (n *node) under(other *node) {
	for _, name := range other.keys {
		mine, theirs := n.fields[name], other.fields[name]
		switch {
		case mine == nil:
			n.set(name, other.names[name], theirs)
		case mine.kind == mapping && theirs.kind == mapping:
			mine.under(theirs)
		}
	}
}

// nearest is the candidate that text was likely meant to be, "" if none is near.
func nearest(text string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := edits(text, c); d < distance && d < max(len(c), 2) {
			best, distance = c, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, last + 1})
		}
	}
	return row[len(b)]
}
