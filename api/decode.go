package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tandem/bridge"
)

const maxBody = 64 << 10 // octets

// The media types a JSON body may have; "" is no header. A form is what curl -d
// says of any body.
var (
	jsonKinds  = []string{"application/json", "", "application/x-www-form-urlencoded"}
	mergeKinds = []string{"application/merge-patch+json", "application/json", ""} // RFC 7396
)

// body reads a request's JSON whole.
func body(r *http.Request, kinds ...string) ([]byte, *problem) { return bodyUpTo(r, maxBody, kinds...) }

func bodyUpTo(r *http.Request, most int64, kinds ...string) ([]byte, *problem) {
	header := r.Header.Get("Content-Type")
	kind, parameters, err := mime.ParseMediaType(header)
	charset := strings.ToLower(parameters["charset"])
	if header != "" && (err != nil || !slices.Contains(kinds, kind) || charset != "" && charset != "utf-8") {
		return nil, refuse("unsupported_media_type", "Send Content-Type: %s in UTF-8, not %q.", kinds[0], header)
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case err != nil:
		return nil, refuse("malformed_json", "The body ended early.")
	case int64(len(data)) > most:
		return nil, refuse("too_large", "The body has more than %d octets.", most)
	}
	return data, nil
}

// decode reads one JSON object into v, strictly: no field that is unknown, none
// twice, nothing after it.
func decode(data []byte, v any) *problem {
	if !utf8.Valid(data) {
		return refuse("malformed_json", "The body is not UTF-8.")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return refuse("malformed_json", "The body is empty, and must be a JSON object.")
	}
	tokens := json.NewDecoder(bytes.NewReader(data))
	tokens.UseNumber() // how large it may be is its field's matter
	if field, err := twice(tokens); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("malformed_json", "The JSON of the body ends before it is whole.")
	} else if err != nil {
		return refuse("malformed_json", "The body is not JSON: %s.", err.Error())
	} else if field != "" {
		return refuse("malformed_json", "The field %q is there twice.", field)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil && bytes.Equal(bytes.TrimSpace(data), []byte("null")):
		return refuse("validation_failed", "It is null and must be an object.")
	case errors.As(err, &wrong):
		kind, _, _ := strings.Cut(wrong.Value, " ") // without the number itself
		return refuse("validation_failed", "It is a JSON %s and must be %s.", kind, word(wrong.Type.Kind().String())).at(strings.ReplaceAll(wrong.Field, ".", "/"))
	case err != nil && strings.Contains(err.Error(), "unknown field"):
		_, field, _ := strings.Cut(err.Error(), `"`)
		field = strings.TrimSuffix(field, `"`)
		return refuse("validation_failed", "There is no field %q here.", field).at(pathOf(data, field, deepest))
	case err != nil:
		return refuse("malformed_json", "The body is not a JSON object.")
	}
	return nil
}

// deepest is how far in a field of any body is.
const deepest = 2

// pathOf is where the first field with a name is, as a pointer has it.
func pathOf(data []byte, name string, deep int) string {
	var object map[string]json.RawMessage
	if deep == 0 || json.Unmarshal(data, &object) != nil {
		return ""
	}
	if _, here := object[name]; here {
		return name
	}
	for _, field := range slices.Sorted(maps.Keys(object)) {
		if path := pathOf(object[field], name, deep-1); path != "" {
			return field + "/" + path
		}
	}
	return ""
}

// checked is a body that knows what its schema says.
type checked interface{ validate() *problem }

// decodeValid is decode, and then what the schema says.
func decodeValid(data []byte, v checked) *problem {
	if refused := decode(data, v); refused != nil {
		return refused
	}
	return v.validate()
}

// read reads a request's body into v.
func read(r *http.Request, v checked, kinds []string) *problem {
	data, refused := body(r, kinds...)
	if refused != nil {
		return refused
	}
	return decodeValid(data, v)
}

// word is a Go kind as JSON calls it.
func word(kind string) string {
	switch {
	case kind == "struct" || kind == "map":
		return "an object"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	}
	return "a " + kind
}

// twice finds a name that an object has twice. It reads to the end, so that what
// is not one JSON text is an error.
func twice(d *json.Decoder) (field string, err error) {
	field, err = twiceIn(d)
	if err != nil || field != "" {
		return field, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("something follows the value")
	}
	return "", nil
}

func twiceIn(d *json.Decoder) (field string, err error) {
	token, err := d.Token()
	if err != nil {
		return "", err
	}
	open, nested := token.(json.Delim)
	if !nested {
		return "", nil
	}
	seen := make(map[string]bool)
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return "", err
			}
			text, _ := name.(string)
			if folded := strings.ToLower(text); seen[folded] { // encoding/json matches names so
				return text, nil
			} else {
				seen[folded] = true
			}
		}
		if field, err := twiceIn(d); err != nil || field != "" {
			return field, err
		}
	}
	_, err = d.Token() // the closing one
	return "", err
}

// callCreate is the body of POST /v1/calls.
type callCreate struct {
	RepID         *string           `json:"rep_id"`
	RepExternalID *string           `json:"rep_external_id"`
	RepNumber     *string           `json:"rep_number"`
	To            *string           `json:"to"`
	CallerID      *string           `json:"caller_id"`
	MaxDuration   *int64            `json:"max_duration_s"`
	Metadata      map[string]string `json:"metadata"`
	ContactName   *string           `json:"contact_name"`
	TimeZone      *string           `json:"to_timezone"`
}

// faults collects what is wrong with a body's fields.
type faults []fault

func (f *faults) add(field, detail string, args ...any) {
	*f = append(*f, fault{Pointer: "#/" + field, Code: "validation_failed", Detail: fmt.Sprintf(detail, args...)})
}

func (f *faults) text(field string, value *string, limit int) {
	switch {
	case value == nil:
	case utf8.RuneCountInString(*value) > limit:
		f.add(field, "It has more than %d characters.", limit)
	case strings.ContainsFunc(*value, breaksOut):
		f.add(field, "It has a control character in it.")
	}
}

// breaksOut reports whether a character is more than text where it is shown or sent:
// it begins a line, or turns what follows it round.
func breaksOut(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) || r == '\u202d' || r == '\u202e'
}

func (f faults) problem() *problem {
	if len(f) == 0 {
		return nil
	}
	p := refuse("validation_failed", "%s: %s", strings.TrimPrefix(f[0].Pointer, "#/"), f[0].Detail)
	p.Errors = f
	return p
}

// validate checks what the schema says.
func (c *callCreate) validate() *problem {
	var f faults
	reps := 0
	for _, rep := range []*string{c.RepID, c.RepExternalID, c.RepNumber} {
		if rep != nil {
			reps++
		}
	}
	if reps != 1 {
		f.add("rep_number", "Exactly one of rep_id, rep_external_id and rep_number names the rep.")
	}
	if c.To == nil {
		f.add("to", "It is required: the prospect's number.")
	}
	f.text("rep_id", c.RepID, 64)
	f.text("rep_external_id", c.RepExternalID, 128)
	f.text("rep_number", c.RepNumber, 128)
	f.text("to", c.To, 128)
	f.text("caller_id", c.CallerID, 64)
	f.text("contact_name", c.ContactName, 80)
	f.text("to_timezone", c.TimeZone, 64)
	if zone := orZero(c.TimeZone); zone != "" {
		if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
			f.add("to_timezone", "It is no time zone such as America/Denver.")
		}
	}
	if c.MaxDuration != nil && (*c.MaxDuration < 30 || *c.MaxDuration > 28800) {
		f.add("max_duration_s", "It must be 30 to 28800.")
	}
	metadata := make(map[string]*string, len(c.Metadata))
	for key, value := range c.Metadata {
		metadata[key] = &value
	}
	f.metadata(metadata)
	return f.problem()
}

// metadata checks the CRM's own keys and values.
func (f *faults) metadata(m map[string]*string) {
	if len(m) > 20 {
		f.add("metadata", "It has more than 20 keys.")
	}
	for key, value := range m {
		f.text("metadata/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), value, 500)
		f.text("metadata", &key, 64)
	}
}

// maybe is a member of a merge patch: absent, null, or a value.
type maybe[T any] struct {
	set   bool
	value *T    // nil = null
	wrong error // it is of another type
}

// UnmarshalJSON is called only where the member is there. What cannot be read is
// for validate to say, which knows the member's name.
func (m *maybe[T]) UnmarshalJSON(data []byte) error {
	m.set = true
	m.wrong = json.Unmarshal(data, &m.value)
	return nil
}

// maybe checks that a member was of its type.
func (f *faults) maybe(field string, wrong error) {
	var kind *json.UnmarshalTypeError
	if errors.As(wrong, &kind) {
		value, _, _ := strings.Cut(kind.Value, " ") // without the number itself
		f.add(field, "It is a JSON %s and must be %s or null.", value, word(kind.Type.Kind().String()))
	}
}

// callPatch is the body of PATCH /v1/calls/{call_id}.
type callPatch struct {
	Metadata    map[string]*string `json:"metadata"`
	Disposition maybe[string]      `json:"disposition"`
	Notes       maybe[string]      `json:"notes"`
}

func (c *callPatch) validate() *problem {
	var f faults
	f.metadata(c.Metadata)
	f.maybe("disposition", c.Disposition.wrong)
	f.maybe("notes", c.Notes.wrong)
	f.text("disposition", c.Disposition.value, 64)
	if notes := c.Notes.value; notes != nil && utf8.RuneCountInString(*notes) > 4000 {
		f.add("notes", "It has more than 4000 characters.")
	}
	return f.problem()
}

// patch is what is to be written; "" where the body says null.
func (c *callPatch) patch() bridge.Patch {
	text := func(m maybe[string]) *string {
		if m.set && m.value == nil {
			return new(string)
		}
		return m.value
	}
	return bridge.Patch{Metadata: c.Metadata, Disposition: text(c.Disposition), Notes: text(c.Notes)}
}

func (c *callCreate) request() bridge.Request {
	r := bridge.Request{RepNumber: orZero(c.RepNumber), To: orZero(c.To), CallerID: orZero(c.CallerID),
		ContactName: orZero(c.ContactName), TimeZone: orZero(c.TimeZone), Metadata: c.Metadata}
	if c.MaxDuration != nil {
		r.MaxDuration = time.Duration(*c.MaxDuration) * time.Second
	}
	return r
}

var regionForm = regexp.MustCompile(`^[A-Z]{2}$`)

var extensionForm = regexp.MustCompile(`^[0-9*#,;]{1,40}$`)

var digitsForm = regexp.MustCompile(`^[0-9A-D*#w,]{1,64}$`)

// digitsBody is the body of POST …/dtmf.
type digitsBody struct {
	Digits *string `json:"digits"`
}

func (d *digitsBody) validate() *problem {
	var f faults
	if d.Digits == nil || !digitsForm.MatchString(*d.Digits) {
		f.add("digits", `It must be 1 to 64 of 0-9, A-D, *, #, and "w" or "," for a pause of half a second.`)
	}
	return f.problem()
}
