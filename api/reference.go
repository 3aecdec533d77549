package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// documented is what the reference page shows of the document.
type documented struct {
	Info struct{ Title, Version, Summary string }
	Tags []struct{ Name string }
	// By path, then by method, or "parameters".
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas    map[string]shownSchema
		Parameters map[string]shownParameter
	}
}

// shownOperation is one operation on the page.
type shownOperation struct {
	Method, Path, Summary, Description, Scope string
	OperationID                               string `json:"operationId"`
	Tags                                      []string
	Security                                  []map[string][]string
	Parameters                                []shownParameter
	RequestBody                               shownResponse `json:"requestBody"`
	Responses                                 map[string]shownResponse
	Refusals                                  []string // statuses of problems
}

type shownParameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                shownSchema
}

// shownResponse is an answer, or the body of a request.
type shownResponse struct {
	Ref         string `json:"$ref"` // of a problem
	Description string
	Content     map[string]shownContent
}

type shownContent struct {
	Schema   shownSchema
	Examples map[string]struct{ Value any }
}

// Kinds are the media types that a body or an answer comes in, Shape the schema of
// all of them.
func (r shownResponse) Kinds() string {
	return strings.Join(slices.Sorted(maps.Keys(r.Content)), " or ")
}

func (r shownResponse) Shape() shownSchema {
	for _, kind := range slices.Sorted(maps.Keys(r.Content)) {
		return r.Content[kind].Schema
	}
	return shownSchema{}
}

// Example is a body that can be sent as it is, "" = the document has none.
func (r shownResponse) Example() string {
	for _, content := range r.Content {
		for _, example := range content.Examples {
			text, _ := json.Marshal(example.Value) // it was read from JSON
			return string(text)
		}
	}
	return ""
}

// shownSchema is as much of a schema as a reader needs.
type shownSchema struct {
	Ref         string `json:"$ref"`
	Type        any    // a word, or several
	Enum        []any
	Const       any
	Format      string
	Default     any
	Minimum     any
	Maximum     any
	MaxLength   any `json:"maxLength"`
	Description string
	Properties  map[string]shownSchema
	Required    []string
	Items       *shownSchema
	OneOf       []shownSchema `json:"oneOf"`
	AllOf       []shownSchema `json:"allOf"`
}

// Named is the schema of Components that this is, "" = one of its own.
func (s shownSchema) Named() string { return s.Ref[strings.LastIndex(s.Ref, "/")+1:] }

// Text is the type in a few words.
func (s shownSchema) Text() string {
	var words []string
	switch kind := s.Type.(type) {
	case string:
		words = append(words, kind)
	case []any:
		for _, each := range kind {
			words = append(words, fmt.Sprint(each))
		}
	}
	for _, one := range s.OneOf {
		if text := one.Text(); text != "" {
			words = append(words, text)
		}
	}
	text := strings.Join(words, " or ")
	switch {
	case s.Ref != "":
		return s.Named()
	case s.Items != nil:
		return "list of " + s.Items.Text()
	case s.Const != nil:
		return fmt.Sprintf("%q", s.Const)
	case s.Format != "":
		text += " (" + s.Format + ")"
	}
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			if values[i] = fmt.Sprint(v); v == nil {
				values[i] = "null"
			}
		}
		text += ": " + strings.Join(values, ", ")
	}
	return text + s.limits()
}

// limits are what a value may be, and what it is where it is not said.
func (s shownSchema) limits() (text string) {
	if s.Minimum != nil && s.Maximum != nil {
		text += fmt.Sprintf(", %v to %v", s.Minimum, s.Maximum)
	}
	if s.MaxLength != nil {
		text += fmt.Sprintf(", at most %v characters", s.MaxLength)
	}
	if s.Default != nil {
		text += fmt.Sprintf(", else %v", s.Default)
	}
	return text
}

// Needs reports whether a field must be there.
func (s shownSchema) Needs(field string) bool { return slices.Contains(s.Required, field) }

// Fields are the properties, those of a schema it is made of among them.
func (s shownSchema) Fields() map[string]shownSchema {
	all := maps.Clone(s.Properties)
	for _, part := range s.AllOf {
		for name, field := range part.Fields() {
			if all == nil {
				all = make(map[string]shownSchema)
			}
			all[name] = field
		}
	}
	return all
}

var referencePage = template.Must(template.New("reference").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Info.Title}}</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code,pre{font-size:.95em}pre{white-space:pre-wrap;padding:.5rem .7rem;background:#8882;border-radius:4px}h2{margin-top:2.5rem}h3{margin:2rem 0 .2rem}p{margin:.2rem 0}nav p{margin:.5rem 0}nav a{white-space:nowrap;margin-right:.7rem}table{border-collapse:collapse;margin:.3rem 0}td{border:1px solid #8884;padding:.1rem .5rem;vertical-align:top}td code{white-space:nowrap}.scope{opacity:.75}</style>
<h1>{{.Info.Title}} {{.Info.Version}}</h1><p>{{.Info.Summary}}</p>
<p>Send an API key with each request, as <code>Authorization: Bearer KEY</code>, or as <code>curl -u KEY:</code>. For programs: <a href="/openapi.json">/openapi.json</a>. Ignore fields and events that you do not know: new ones may come.</p>
<nav>{{range .Groups}}<p><b>{{.Name}}</b> {{range .Operations}}<a href="#{{.OperationID}}">{{.OperationID}}</a> {{end}}</p>{{end}}<p><b>Objects</b> {{range $name, $_ := .Components.Schemas}}<a href="#{{$name}}">{{$name}}</a> {{end}}</p><p><a href="#problems"><b>Problems</b></a></p></nav>
{{range .Groups}}<h2>{{.Name}}</h2>{{range .Operations}}
<h3 id="{{.OperationID}}"><code>{{.Method}} {{.Path}}</code></h3><p>{{.Summary}}</p>{{with .Description}}<p>{{.}}</p>{{end}}<p class="scope">{{.Scope}}</p>
{{$o := .}}{{with .RequestBody.Example}}<pre>curl -s $TANDEM_URL{{$o.Path}} -u $TANDEM_API_KEY: -d '{{.}}'</pre>{{end}}
{{with .Parameters}}<table>{{range .}}<tr><td><code>{{.Name}}</code><td>{{.In}}{{if .Required}}, required{{end}}<td>{{with .Schema.Named}}<a href="#{{.}}">{{.}}</a>{{else}}{{.Schema.Text}}{{end}}<td>{{.Description}}{{end}}</table>{{end}}
{{with .RequestBody.Kinds}}<p>Body, <code>{{.}}</code>:{{with $o.RequestBody.Shape.Named}} <a href="#{{.}}">{{.}}</a>{{end}}</p>{{if not $o.RequestBody.Shape.Named}}{{template "schema" $o.RequestBody.Shape}}{{end}}{{end}}
{{range $code, $response := .Responses}}<p><code>{{$code}}</code> {{with $response.Shape.Named}}<a href="#{{.}}">{{.}}</a>: {{end}}{{$response.Description}}{{with $response.Kinds}} <span class="scope">({{.}})</span>{{end}}</p>
{{if $response.Shape.Properties}}{{template "schema" $response.Shape}}{{end}}{{end}}
{{with .Refusals}}<p>Refused by a <a href="#Problem">Problem</a>:{{range .}} <code>{{.}}</code>{{end}}</p>{{end}}{{end}}{{end}}
<h2>Objects</h2>{{range $name, $schema := .Components.Schemas}}<h3 id="{{$name}}"><code>{{$name}}</code></h3><p>{{$schema.Description}}</p>{{template "schema" $schema}}{{end}}
<h2 id="problems">Problems</h2><dl>{{range .Problems}}<dt><a href="/errors/{{.Code}}"><code>{{.Code}}</code></a> {{.Status}}</dt><dd>{{.Title}}. {{.Help}}</dd>{{end}}</dl></html>
{{define "schema"}}{{$schema := .}}{{with .Named}}<p><a href="#{{.}}">{{.}}</a></p>{{else}}{{with .Fields}}<table>{{range $name, $field := .}}<tr><td><code>{{$name}}</code><td>{{with $field.Named}}<a href="#{{.}}">{{.}}</a>{{else}}{{$field.Text}}{{end}}{{if $schema.Needs $name}}, required{{end}}<td>{{$field.Description}}{{with $field.Properties}}{{template "schema" $field}}{{end}}{{end}}</table>{{else}}<p>{{$.Text}}</p>{{end}}{{end}}{{end}}`))

// reference is GET /docs: the document for people, without anything from elsewhere.
func (s *Server) reference(w http.ResponseWriter, _ *http.Request, _ *caller) (*answer, error) {
	page, err := renderReference()
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, err = w.Write(page)
	return nil, err
}

var renderReference = sync.OnceValues(func() ([]byte, error) {
	var doc documented
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	type group struct {
		Name       string
		Operations []shownOperation
	}
	type problemRow struct {
		Code, Title, Help string
		Status            int
	}
	shown := struct {
		documented
		Groups   []group
		Problems []problemRow
	}{documented: doc}
	for _, tag := range doc.Tags {
		g := group{Name: tag.Name}
		for path, methods := range doc.Paths {
			for method, raw := range methods {
				var o shownOperation
				if method == "parameters" || json.Unmarshal(raw, &o) != nil || !slices.Contains(o.Tags, tag.Name) {
					continue
				}
				var whole []shownParameter // those of the path are every operation's
				_ = json.Unmarshal(methods["parameters"], &whole)
				o.Parameters = append(whole, o.Parameters...)
				for i, p := range o.Parameters {
					if p.Ref != "" {
						o.Parameters[i] = doc.Components.Parameters[p.Ref[strings.LastIndex(p.Ref, "/")+1:]]
					}
				}
				for code, response := range o.Responses {
					if strings.HasSuffix(response.Ref, "/Problem") {
						o.Refusals = append(o.Refusals, strings.Replace(code, "default", "others", 1))
						delete(o.Responses, code)
					}
				}
				slices.Sort(o.Refusals)
				o.Method, o.Path, o.Scope = strings.ToUpper(method), path, scopeText(o.Security)
				g.Operations = append(g.Operations, o)
			}
		}
		slices.SortFunc(g.Operations, func(a, b shownOperation) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), slices.Index(inOrder, a.Method)-slices.Index(inOrder, b.Method))
		})
		shown.Groups = append(shown.Groups, g)
	}
	for code, k := range kinds {
		shown.Problems = append(shown.Problems, problemRow{code, k.title, k.help, k.status})
	}
	slices.SortFunc(shown.Problems, func(a, b problemRow) int { return strings.Compare(a.Code, b.Code) })
	var page bytes.Buffer
	err := referencePage.Execute(&page, shown)
	return page.Bytes(), err
})

// inOrder is how the methods of a path follow each other: first what makes a thing.
var inOrder = []string{"POST", "GET", "PATCH", "DELETE"}

// scopeText says who may use an operation.
func scopeText(security []map[string][]string) string {
	var ways []string
	for _, way := range security {
		if scopes, key := way["apiKey"]; key {
			ways = append(ways, "a key with the scope "+strings.Join(scopes, ", "))
		}
		if _, session := way["repSession"]; session {
			ways = append(ways, "a rep's session")
		}
	}
	if len(ways) == 0 {
		return "For everybody."
	}
	return "For " + strings.Join(ways, ", or ") + "."
}
