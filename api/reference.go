package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
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
	Paths map[string]map[string]json.RawMessage
}

// shownOperation is one operation on the page.
type shownOperation struct {
	Method, Path, Summary, Description, Scope string
	OperationID                               string `json:"operationId"`
	Tags                                      []string
	Security                                  []map[string][]string
}

var referencePage = template.Must(template.New("reference").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Info.Title}}</title>
<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font-size:.95em}h3{margin:1.5rem 0 .2rem}p{margin:.2rem 0}.scope{opacity:.75}</style>
<h1>{{.Info.Title}} {{.Info.Version}}</h1><p>{{.Info.Summary}}</p>
<p>Every request and answer in full: <a href="/openapi.json">/openapi.json</a>. Send the key as <code>Authorization: Bearer KEY</code>.</p>
{{range .Groups}}<h2>{{.Name}}</h2>{{range .Operations}}
<h3 id="{{.OperationID}}"><code>{{.Method}} {{.Path}}</code></h3><p>{{.Summary}}</p>{{with .Description}}<p>{{.}}</p>{{end}}<p class="scope">{{.Scope}}</p>{{end}}{{end}}
<h2>Problems</h2><dl>{{range .Problems}}<dt><a href="/errors/{{.Code}}"><code>{{.Code}}</code></a> {{.Status}}</dt><dd>{{.Title}}. {{.Help}}</dd>{{end}}</dl></html>
`))

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
				o.Method, o.Path, o.Scope = strings.ToUpper(method), path, scopeText(o.Security)
				g.Operations = append(g.Operations, o)
			}
		}
		slices.SortFunc(g.Operations, func(a, b shownOperation) int {
			return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
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
