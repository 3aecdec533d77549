package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tandem/store"
)

// schema is as much of JSON Schema as the document uses in requests.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Enum       []any             `json:"enum"`
	Format     string            `json:"format"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	AllOf      []schema          `json:"allOf"`
}

// described is what random requests are made from.
type described struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas    map[string]schema
		Parameters map[string]parameter
	}
}

type parameter struct {
	Ref    string `json:"$ref"`
	Name   string
	In     string
	Schema schema
}

type operation struct {
	Parameters  []parameter
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	} `json:"requestBody"`
}

// chaos makes values, right ones and wrong ones.
type chaos struct {
	*rand.Rand
	doc described
}

var oddTexts = []string{"", "x", "+14155550123", "911", "ext:", "null", "\u0000", "\r\nX-Injected: 1", "'; DROP TABLE calls; --", "é\u202e", "2026-11-23T09:42:11Z",
	"99999999999999999999", "-1", "call_01kay2v5e8f3vr2m8c5nq0d7xw", "=1+1", "%00", "../../etc/passwd", strings.Repeat("9", 300)}

func (c *chaos) text() string { return oddTexts[c.IntN(len(oddTexts))] }

// value makes one of a schema, or one time in five one of another.
func (c *chaos) value(s schema, depth int) any {
	if s.Ref != "" {
		return c.value(c.doc.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]], depth)
	}
	if len(s.AllOf) > 0 {
		return c.value(s.AllOf[0], depth)
	}
	if c.IntN(5) == 0 || depth > 5 {
		return []any{nil, true, -1, 1e300, c.text(), []any{}, map[string]any{}, []any{map[string]any{"a": []any{nil}}}}[c.IntN(8)]
	}
	if len(s.Enum) > 0 {
		return s.Enum[c.IntN(len(s.Enum))]
	}
	kind, _ := s.Type.(string)
	if several, is := s.Type.([]any); is {
		kind, _ = several[c.IntN(len(several))].(string)
	}
	switch {
	case kind == "null":
		return nil
	case kind == "integer" || kind == "number":
		return []any{0, 1, 30, 60, -5, 1 << 40}[c.IntN(6)]
	case kind == "boolean":
		return c.IntN(2) == 0
	case kind == "array" && s.Items != nil:
		var list []any
		for range c.IntN(4) {
			list = append(list, c.value(*s.Items, depth+1))
		}
		return list
	case kind == "object":
		object := map[string]any{}
		for name, property := range s.Properties {
			if c.IntN(3) > 0 {
				object[name] = c.value(property, depth+1)
			}
		}
		if c.IntN(8) == 0 {
			object["surprise"] = c.text()
		}
		return object
	}
	return c.text()
}

// TestRandomRequests makes right and wrong requests from the document: none has
// an answer that the document does not describe, or a 5xx.
func TestRandomRequests(t *testing.T) {
	r := newRig(t, store.Key{})
	c := &chaos{Rand: rand.New(rand.NewPCG(1, 2))}
	if err := json.Unmarshal(document, &c.doc); err != nil {
		t.Fatal(err)
	}
	seed := func() []string { // things that are there
		_, call := r.do("POST", "/v1/calls", smallest)
		_, rep := r.do("POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"+14155550199"}}`)
		_, hook := r.do("POST", "/v1/webhook-endpoints", `{"url":"https://crm.example.com/"}`)
		return []string{fmt.Sprint(call["id"]), fmt.Sprint(rep["id"]), fmt.Sprint(hook["id"]), "+14155550123"}
	}
	ids := seed()
	paths := make([]string, 0, len(c.doc.Paths))
	for path := range c.doc.Paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	made := 0
	for range 6 {
		for _, path := range paths {
			for method, raw := range c.doc.Paths[path] {
				if method == "parameters" {
					continue
				}
				var op operation
				if err := json.Unmarshal(raw, &op); err != nil {
					t.Fatal(err)
				}
				made++
				c.send(r, strings.ToUpper(method), path, &op, ids)
			}
			r.do("DELETE", "/v1/admin/drain", "") // or the rest is refused
		}
		ids = seed()
	}
	t.Logf("%d requests", made)
}

func (c *chaos) send(r *rig, method, path string, op *operation, ids []string) {
	r.Helper()
	target := path
	for strings.Contains(target, "{") {
		open, shut := strings.Index(target, "{"), strings.Index(target, "}")
		value := ids[c.IntN(len(ids))]
		switch name := target[open+1 : shut]; {
		case c.IntN(6) == 0:
			value = "no-such-thing"
		case name == "call_id":
			value = ids[0]
		case name == "rep_id":
			value = ids[1]
		case name == "endpoint_id":
			value = ids[2]
		}
		target = target[:open] + escaped(value) + target[shut+1:]
	}
	var header []string
	query := ""
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = c.doc.Components.Parameters[p.Ref[strings.LastIndex(p.Ref, "/")+1:]]
		}
		value := fmt.Sprint(c.value(p.Schema, 0))
		switch {
		case c.IntN(2) == 0 || p.Name == "wait":
		case p.In == "query":
			query += "&" + escaped(p.Name) + "=" + escaped(value)
		case p.In == "header" && !strings.ContainsAny(value, "\r\n\x00"):
			header = append(header, p.Name, value)
		}
	}
	if query != "" {
		target += "?" + query[1:]
	}
	body := ""
	for kind, content := range op.RequestBody.Content {
		text, err := json.Marshal(c.value(content.Schema, 0))
		if err != nil {
			r.Fatal(err)
		}
		body = string(text)
		if c.IntN(10) == 0 {
			body = body[:len(body)/2]
		}
		header = append(header, "Content-Type", kind)
		break
	}
	if res, answer := r.do(method, target, body, header...); res.StatusCode >= 500 || res.StatusCode == http.StatusOK && strings.Contains(res.Header.Get("X-Injected"), "1") {
		r.Errorf("%s %s %.200s: %d %v", method, target, body, res.StatusCode, answer)
	}
}

// escaped is text with all but the plainest characters as %XX.
func escaped(text string) string {
	var b strings.Builder
	for _, octet := range []byte(text) {
		if octet >= '0' && octet <= '9' || octet >= 'a' && octet <= 'z' || octet >= 'A' && octet <= 'Z' || octet == '_' || octet == '-' {
			b.WriteByte(octet)
		} else {
			fmt.Fprintf(&b, "%%%02X", octet)
		}
	}
	return b.String()
}

// TestAHundredEqualPostsMakeOneCall is the property that Idempotency-Key is for.
func TestAHundredEqualPostsMakeOneCall(t *testing.T) {
	r := newRig(t, store.Key{})
	r.equalPosts(100, "same")
}

func TestDeepAndLargeBodiesAreRefused(t *testing.T) {
	r := newRig(t, store.Key{})
	for body, status := range map[string]int{
		strings.Repeat("[", 30000):                                                     400,
		strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000):              422,
		`{"to":"` + strings.Repeat("1", 70000) + `"}`:                                  413,
		`{"metadata":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`: 422,
	} {
		res, answer := r.do("POST", "/v1/calls", body)
		if res.StatusCode != status && res.StatusCode != 400 {
			t.Errorf("%.20s…: %d %v", body, res.StatusCode, answer)
		}
	}
}
