package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

// decoder fills a Config from a tree and its fields' tags.
type decoder struct {
	problems Problems
	environ  []string
	dir      string // of the file
	origins  map[string]Origin
}

func (d *decoder) add(at Origin, path, message, code, help string) {
	d.problems = append(d.problems, Problem{Origin: at, Path: path, Message: message, Code: code, Help: help})
}

func (d *decoder) config(root *node) *Config {
	c := &Config{Origins: d.origins}
	d.structure("", root, reflect.ValueOf(c).Elem())
	return c
}

// structure fills a struct; n is nil where the file says nothing of it.
func (d *decoder) structure(path string, n *node, into reflect.Value) {
	if n != nil && n.kind != mapping && !n.null {
		d.add(n.origin, path, "must be a map of keys, not "+n.kind.String(), CodeType, "")
		return
	}
	known := make([]string, 0, into.NumField())
	for i := range into.NumField() {
		field := into.Type().Field(i)
		key := field.Tag.Get("key")
		if key == "-" {
			continue
		}
		known = append(known, key)
		var value *node
		if n != nil && n.fields != nil {
			value = n.fields[key]
		}
		d.field(join(path, key), n, value, field.Tag, into.Field(i))
	}
	if n == nil {
		return
	}
	for _, key := range n.keys {
		if !slices.Contains(known, key) {
			code := CodeUnknown
			if n.names[key].Line == 0 {
				code = CodeEnv
			}
			help := ""
			if near := nearest(key, known); near != "" {
				help = fmt.Sprintf("did you mean %q?", near)
			}
			d.add(n.names[key], join(path, key), "unknown key", code, help)
		}
	}
}

// field fills one field, from its default where nothing is written.
func (d *decoder) field(path string, parent, n *node, tag reflect.StructTag, into reflect.Value) {
	if n != nil && !n.null {
		d.origins[path] = n.origin
		d.value(path, n, tag, into)
		return
	}
	if tag.Get("required") != "" {
		at := Origin{From: "the configuration"}
		if parent != nil {
			at = parent.origin
		}
		d.add(at, path, "is required: "+tag.Get("doc"), CodeRequired, "")
		return
	}
	d.origins[path] = Origin{From: "default"}
	switch text, given := tag.Lookup("default"); {
	case into.Kind() == reflect.Struct && into.Type() != durationType:
		d.structure(path, nil, into)
	case !given:
	case into.Kind() == reflect.Slice:
		into.Set(reflect.ValueOf(strings.Split(text, ",")))
	default:
		d.scalar(path, &node{origin: Origin{From: "default"}, text: text}, tag, into)
	}
}

func (d *decoder) value(path string, n *node, tag reflect.StructTag, into reflect.Value) {
	switch into.Kind() {
	case reflect.Struct:
		d.structure(path, n, into)
	case reflect.Map:
		d.table(path, n, into)
	case reflect.Slice:
		d.sequence(path, n, tag, into)
	default:
		if n.kind != scalar {
			d.add(n.origin, path, "must be one value, not "+n.kind.String(), CodeType, "")
			return
		}
		d.scalar(path, n, tag, into)
	}
}

// table fills a map with names of the operator's own.
func (d *decoder) table(path string, n *node, into reflect.Value) {
	if n.kind != mapping {
		d.add(n.origin, path, "must be a map of names, not "+n.kind.String(), CodeType, "")
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, name := range n.keys {
		value := reflect.New(into.Type().Elem()).Elem()
		if value.Kind() == reflect.Struct {
			d.structure(join(path, name), n.fields[name], value)
		} else {
			d.value(join(path, name), n.fields[name], "", value)
		}
		into.SetMapIndex(reflect.ValueOf(name), value)
	}
}

// sequence fills a slice; a single value, as from the environment, is split at
// commas.
func (d *decoder) sequence(path string, n *node, tag reflect.StructTag, into reflect.Value) {
	items := n.list
	switch n.kind {
	case mapping:
		d.add(n.origin, path, "must be a list, not a map", CodeType, "write it in [ ]")
		return
	case scalar:
		if n.text == "" {
			break // an empty list
		}
		for text := range strings.SplitSeq(n.text, ",") {
			items = append(items, &node{origin: n.origin, text: strings.TrimSpace(text)})
		}
	}
	into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.origins[at] = item.origin
		if into.Index(i).Kind() == reflect.Struct {
			d.structure(at, item, into.Index(i))
		} else {
			d.value(at, item, tag, into.Index(i))
		}
	}
}

// scalar reads one value and holds it to its tags.
func (d *decoder) scalar(path string, n *node, tag reflect.StructTag, into reflect.Value) {
	text := n.text
	wrong := func(what string) {
		help := ""
		if text == "" && n.origin.Line == 0 {
			help = "unset the variable to leave it as it was"
		}
		d.add(n.origin, path, fmt.Sprintf("%q %s", text, what), CodeType, help)
	}
	switch {
	case into.Type() == durationType:
		v, err := Duration(text)
		if err != nil {
			wrong("is not a duration such as 500ms, 20s or 2h")
			return
		}
		into.SetInt(int64(v))
		d.within(n, path, tag, v, Duration)
	case into.Kind() == reflect.Bool:
		switch text {
		case "true", "false":
			into.SetBool(text == "true")
		default:
			wrong("is neither true nor false")
		}
	case into.Kind() == reflect.Int:
		v, err := strconv.Atoi(text)
		if err != nil {
			wrong("is not a whole number")
			return
		}
		into.SetInt(int64(v))
		d.within(n, path, tag, time.Duration(v), func(s string) (time.Duration, error) {
			v, err := strconv.Atoi(s)
			return time.Duration(v), err
		})
	case into.Kind() == reflect.Float64:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || v != v {
			wrong("is not a number")
			return
		}
		into.SetFloat(v)
		low, _ := strconv.ParseFloat(tag.Get("min"), 64)
		high, _ := strconv.ParseFloat(tag.Get("max"), 64)
		if v < low || v > high {
			wrong(fmt.Sprintf("is not from %s to %s", tag.Get("min"), tag.Get("max")))
		}
	default:
		into.SetString(d.words(path, n, tag))
	}
}

// within holds a number to its range.
func (d *decoder) within(n *node, path string, tag reflect.StructTag, v time.Duration, read func(string) (time.Duration, error)) {
	low, errLow := read(tag.Get("min"))
	high, errHigh := read(tag.Get("max"))
	if errLow == nil && errHigh == nil && (v < low || v > high) {
		d.add(n.origin, path, fmt.Sprintf("%q is not from %s to %s", n.text, tag.Get("min"), tag.Get("max")), CodeType, "")
	}
}

// Duration is time.ParseDuration with days, as in 90d.
func Duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// words reads text and holds it to its tags.
func (d *decoder) words(path string, n *node, tag reflect.StructTag) string {
	text := n.text
	if tag.Get("secret") != "" {
		return d.secret(path, n)
	}
	if oneof, given := tag.Lookup("oneof"); given && !slices.Contains(strings.Split(oneof, ","), text) {
		help := "there are: " + strings.ReplaceAll(oneof, ",", " ")
		if near := nearest(text, strings.Split(oneof, ",")); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		d.add(n.origin, path, fmt.Sprintf("%q is none of the words it may be", text), CodeType, help)
	}
	if form := tag.Get("form"); form != "" && !regexp.MustCompile(form).MatchString(text) {
		d.add(n.origin, path, fmt.Sprintf("%q is not written as it must be: %s", text, tag.Get("doc")), CodeType, "")
	}
	if tag.Get("e164") != "" && !isE164.MatchString(text) {
		d.add(n.origin, path, fmt.Sprintf("%q is not E.164", text), CodeNumber, suggest(text))
	}
	if tag.Get("cidr") != "" {
		if _, err := network(text); err != nil {
			d.add(n.origin, path, fmt.Sprintf("%q is not a network such as 192.0.2.0/24", text), CodeType, "")
		}
	}
	return text
}

var (
	isE164    = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	reference = regexp.MustCompile(`^\$\{(env|file|cred):([^}]+)\}$`)
)

// suggest is how a number was likely meant.
func suggest(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
	switch {
	case len(digits) == 10 && !strings.HasPrefix(text, "+"):
		digits = "1" + digits // the United States and Canada
	case strings.HasPrefix(digits, "00"):
		digits = digits[2:]
	}
	if number := "+" + digits; isE164.MatchString(number) {
		return fmt.Sprintf("write %q", number)
	}
	return "write it with + and the country code"
}

// secret follows a reference. Plain text is refused: files are backed up, copied
// and shown to others.
func (d *decoder) secret(path string, n *node) string {
	if n.text == "" {
		return ""
	}
	m := reference.FindStringSubmatch(n.text)
	if m == nil {
		if n.origin.Line == 0 { // the environment is a place for secrets
			return n.text
		}
		d.add(n.origin, path, "is plain text", CodeSecret, "write a reference: ${env:NAME}, ${file:/run/secrets/x} or ${cred:NAME}")
		return ""
	}
	file := m[2]
	switch m[1] {
	case "env":
		for _, entry := range d.environ {
			if name, value, _ := strings.Cut(entry, "="); name == m[2] && value != "" {
				return value
			}
		}
		d.add(n.origin, path, fmt.Sprintf("the environment has no %s", m[2]), CodeSecret, "")
		return ""
	case "cred":
		file = d.credential(m[2])
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(d.dir, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		d.add(n.origin, path, err.Error(), CodeSecret, "")
	}
	return strings.TrimRight(string(data), "\r\n")
}

// credential is the file of a secret that systemd gives the service: by a name of its
// own, or from the folder that our unit hands over, whose files systemd calls
// tandem_NAME. Commands typed by hand are given none; they read that folder itself.
func (d *decoder) credential(name string) string {
	for _, entry := range d.environ {
		if key, dir, _ := strings.Cut(entry, "="); key == "CREDENTIALS_DIRECTORY" && dir != "" {
			own := filepath.Join(dir, name)
			if _, err := os.Stat(own); err == nil {
				return own
			}
			return filepath.Join(dir, "tandem_"+name)
		}
	}
	return filepath.Join("secrets", name)
}
