package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"tandem/store"
)

// bodied are the operations of the document that take JSON, at paths where
// something is.
func bodied(r *rig) map[string]string {
	r.Helper()
	var doc described
	if err := json.Unmarshal(document, &doc); err != nil {
		r.Fatal(err)
	}
	_, call := r.do("POST", "/v1/calls", smallest)
	_, rep := r.do("POST", "/v1/reps", `{"name":"Ana","pass_through":{"number":"+14155550199"}}`)
	_, hook := r.do("POST", "/v1/webhook-endpoints", `{"url":"https://crm.example.com/"}`)
	there := strings.NewReplacer("{call_id}", fmt.Sprint(call["id"]), "{rep_id}", fmt.Sprint(rep["id"]), "{endpoint_id}", fmt.Sprint(hook["id"]))
	all := make(map[string]string)
	for path, methods := range doc.Paths {
		for method, raw := range methods {
			var op operation
			if method == "parameters" || json.Unmarshal(raw, &op) != nil {
				continue
			}
			if _, takes := op.RequestBody.Content["application/json"]; takes {
				all[strings.ToUpper(method)+" "+there.Replace(path)] = path
			}
		}
	}
	if len(all) < 9 {
		r.Fatalf("only %d operations take JSON", len(all))
	}
	return all
}

// badBodies are what no operation takes, and the answers there may be.
var badBodies = map[string]struct {
	body, kind string
	status     []int
}{
	"nothing":               {"", "", []int{400}},
	"nothing but spaces":    {" \r\n\t", "", []int{400}},
	"cut short":             {`{"to":"+1415`, "", []int{400}},
	"two values":            {`{}{}`, "", []int{400}},
	"something after it":    {`{} x`, "", []int{400}},
	"a comment":             {`{/* */}`, "", []int{400}},
	"single quotes":         {`{'to':'1'}`, "", []int{400}},
	"a comma too many":      {`{"to":"1",}`, "", []int{400}},
	"NaN":                   {`{"max_duration_s":NaN}`, "", []int{400}},
	"a list":                {`[]`, "", []int{422}},
	"a text":                {`"to"`, "", []int{422}},
	"a number":              {`1`, "", []int{422}},
	"true":                  {`true`, "", []int{422}},
	"null":                  {`null`, "", []int{422}},
	"a field that is none":  {`{"surprise":1}`, "", []int{422}},
	"a field with no name":  {`{"":1}`, "", []int{422}},
	"a field twice":         {`{"a":1,"a":1}`, "", []int{400}},
	"twice, further in":     {`{"metadata":{"a":"1","a":"2"}}`, "", []int{400}},
	"twice, written apart":  {`{"a":1,"\u0061":1}`, "", []int{400}},
	"NUL":                   {"{\"to\":\"a\x00b\"}", "", []int{400}},
	"NUL before it":         {"\x00{}", "", []int{400}},
	"no UTF-8":              {"{\"to\":\"\xff\"}", "", []int{400}},
	"UTF-8 too long":        {"{\"to\":\"\xc0\xaf\"}", "", []int{400}},
	"half a character":      {"{\"to\":\"\xed\xa0\x80\"}", "", []int{400}},
	"UTF-16":                {utf16Text(`{"to":"1"}`), "", []int{400}},
	"a byte order mark":     {"\ufeff{}", "", []int{400}},
	"too large":             {`{"to":"` + strings.Repeat("1", maxBarredBody) + `"}`, "", []int{413}},
	"deep lists":            {strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "", []int{400, 422}},
	"deep objects":          {strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "", []int{400, 422}},
	"deep and never closed": {strings.Repeat("[", 60000), "", []int{400}},
	"a number of 400 digits": {`{"max_duration_s":` + strings.Repeat("9", 400) + `,"digits":` + strings.Repeat("9", 400) + `,"numbers":` +
		strings.Repeat("9", 400) + `}`, "", []int{422}},
	"1e999":           {`{"max_duration_s":1e999,"since":1e999}`, "", []int{422}},
	"Latin-1":         {`{}`, "application/json; charset=iso-8859-1", []int{415}},
	"UTF-7":           {`{}`, "application/json; charset=utf-7", []int{415}},
	"XML":             {`<to>1</to>`, "application/xml", []int{415}},
	"a file":          {"--x\r\n", "multipart/form-data; boundary=x", []int{415}},
	"no media type":   {`{}`, "json", []int{415}},
	"two of them":     {`{}`, "application/json, text/plain", []int{415}},
	"a broken header": {`{}`, "application/json; charset", []int{415}},
}

func utf16Text(text string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		b.Write([]byte{byte(unit >> 8), byte(unit)})
	}
	return b.String()
}

// TestBadBodies sends each to every operation: it is refused with a code that the
// document describes, nothing is done, and no refusal says what was sent in a header.
func TestBadBodies(t *testing.T) {
	r := newRig(t, store.Key{})
	operations := bodied(r)
	starts := r.starts
	for _, operation := range slices.Sorted(maps.Keys(operations)) {
		method, path, _ := strings.Cut(operation, " ")
		for name, bad := range badBodies {
			var header []string
			if bad.kind != "" {
				header = []string{"Content-Type", bad.kind}
			}
			res, body := r.do(method, path, bad.body, header...)
			if !slices.Contains(bad.status, res.StatusCode) || body["code"] == nil {
				t.Errorf("%s with %s: %d %.200v", operation, name, res.StatusCode, body)
			}
		}
	}
	if r.starts != starts {
		t.Errorf("%d calls were started", r.starts-starts)
	}
}

// TestValuesOfAnotherKindAreNamed: a number where a text is wanted, or one too large,
// is said of its field, in words of JSON and without repeating it.
func TestValuesOfAnotherKindAreNamed(t *testing.T) {
	r := newRig(t, store.Key{})
	digits := strings.Repeat("9", 400)
	for body, want := range map[string]string{
		`{"max_duration_s":` + digits + `}`: "It is a JSON number and must be a whole number.",
		`{"max_duration_s":"60"}`:           "It is a JSON string and must be a whole number.",
		`{"to":` + digits + `}`:             "It is a JSON number and must be a string.",
		`{"metadata":[]}`:                   "It is a JSON array and must be an object.",
		`{"metadata":{"a":{"b":"c"}}}`:      "It is a JSON object and must be a string.",
		`null`:                              "It is null and must be an object.",
	} {
		if _, answer := r.do("POST", "/v1/calls", body); answer["detail"] != want || answer["code"] != "validation_failed" {
			t.Errorf("%.40s: %v", body, answer)
		}
	}
}

// TestTextsThatWouldBreakOut: what ends up in a header, a cell, a line of the log or
// a page is either refused, or given back as it was sent and nowhere else.
func TestTextsThatWouldBreakOut(t *testing.T) {
	for _, text := range []string{"Jane\r\nX-Injected: 1", "Jane\nBcc: x", "Jane\x00", "Jane\u0085X", "Jane\x1b[2J", "Jane\u2028X", "Jane\u202eX"} {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, store.Key{})
		for _, body := range []string{
			`{"rep_number":"+14155550199","to":"+14155550123","contact_name":%s}`,
			`{"rep_number":"+14155550199","to":"+14155550123","metadata":{"a":%s}}`,
			`{"rep_number":"+14155550199","to":"+14155550123","metadata":{%s:"a"}}`,
			`{"rep_number":"+14155550199","to":%s}`,
			`{"rep_number":"+14155550199","to":"+14155550123","caller_id":%s}`,
			`{"rep_external_id":%s,"to":"+14155550123"}`,
		} {
			res, answer := r.do("POST", "/v1/calls", fmt.Sprintf(body, quoted))
			if res.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%s with %s: %d %v", body, quoted, res.StatusCode, answer)
			}
		}
		if res, answer := r.do("POST", "/v1/reps", fmt.Sprintf(`{"name":%s}`, quoted)); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a rep called %s: %d %v", quoted, res.StatusCode, answer)
		}
		if res, _ := r.do("GET", "/v1/calls", "", "X-Request-Id", "a b"); strings.Contains(res.Header.Get("X-Request-Id"), " ") {
			t.Errorf("X-Request-Id: %q", res.Header.Get("X-Request-Id"))
		}
	}
}
