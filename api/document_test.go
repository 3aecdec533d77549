package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// TestDocumentIsCurrent holds openapi.json, which is served, to openapi.yaml,
// which is edited.
func TestDocumentIsCurrent(t *testing.T) {
	source, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.YAMLToJSON(source)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, bytes.TrimSpace(raw), "", " "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		document = want.Bytes()
	}
	if !bytes.Equal(want.Bytes(), document) {
		t.Error("openapi.json is not openapi.yaml's: go generate ./api")
	}
}

// TestDocumentAndRoutesAgree walks both ways.
func TestDocumentAndRoutesAgree(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string `json:"security"`
		} `json:"paths"`
	}
	var loose struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(document, &loose); err != nil {
		t.Fatal(err)
	}
	for path := range loose.Paths {
		delete(loose.Paths[path], "parameters")
	}
	clean, err := json.Marshal(loose)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(clean, &doc); err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, methods := range doc.Paths {
		for method, operation := range methods {
			scope, session := "", false
			for _, way := range operation.Security {
				scope += strings.Join(way["apiKey"], ",")
				_, cookie := way["repSession"]
				session = session || cookie
			}
			described = append(described, fmt.Sprint(strings.ToUpper(method), " ", path, " ", scope, session))
		}
	}
	for _, r := range routes {
		served = append(served, fmt.Sprint(r.method, " ", r.path, " ", r.scope, r.session))
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

// TestReferencePageHasAllAndNeedsNothing looks at what /docs serves.
func TestReferencePageHasAllAndNeedsNothing(t *testing.T) {
	page, err := renderReference()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if !bytes.Contains(page, []byte(r.method+" "+r.path+"</code>")) {
			t.Errorf("%s %s is not on the page", r.method, r.path)
		}
	}
	var doc described
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	for name, schema := range doc.Components.Schemas {
		if !bytes.Contains(page, []byte(`id="`+name+`"`)) {
			t.Errorf("%s is not on the page", name)
		}
		for field := range schema.Properties {
			if !bytes.Contains(page, []byte("<code>"+field+"</code>")) {
				t.Errorf("%s.%s is not on the page", name, field)
			}
		}
	}
	for _, want := range []string{`<a href="#createCall">`, `<pre>curl -s $TANDEM_URL/v1/calls -u $TANDEM_API_KEY: -d `, "integer, 1 to 200, else 50", "Ignore fields and events that you do not know"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("%s is not on the page", want)
		}
	}
	for code := range kinds {
		if !bytes.Contains(page, []byte("/errors/"+code+"\"")) {
			t.Errorf("%s is not on the page", code)
		}
	}
	for _, foreign := range []string{"http://", "https://", "src=", "@import"} {
		if bytes.Contains(page, []byte(foreign)) {
			t.Errorf("the page has %s in it", foreign)
		}
	}
}
