package config

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Init is a short file to begin with: a real trunk in fourteen lines.
const Init = `version: 1
numbers:
  default_region: US                # for numbers written without +
  allow: ["+1"]                     # prefixes that may be dialled; nothing else is
trunks:
  carrier:
    preset: generic                 # tandem trunk presets: twilio …
    host: sip.example.com           # your carrier, or your PBX
    auth: {mode: digest, username: acme, password: "${env:TRUNK_PASSWORD}"}
    caller_ids: ["+14155550100"]    # what the prospect sees
    limits: {channels: 10, cps: 1}
sip:
  public_address: auto              # behind NAT: the public IP
store: {url: "sqlite:///var/lib/tandem/tandem.db"}
`

// Print writes the whole configuration with where each value came from. Secrets
// are left out where redacted.
func (c *Config) Print(w io.Writer, redacted bool) {
	(&printer{w, c, redacted}).structure("", "", reflect.ValueOf(c).Elem())
}

type printer struct {
	w        io.Writer
	c        *Config
	redacted bool
}

func (p *printer) structure(indent, path string, v reflect.Value) {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if key := tag.Get("key"); key != "-" {
			p.value(indent, key, join(path, key), tag, v.Field(i))
		}
	}
}

func (p *printer) value(indent, key, path string, tag reflect.StructTag, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		fmt.Fprintf(p.w, "%s%s:\n", indent, key)
		p.structure(indent+"  ", path, v)
	case v.Kind() == reflect.Map && v.Len() > 0:
		fmt.Fprintf(p.w, "%s%s:\n", indent, key)
		keys := slices.Sorted(maps.Keys(stringKeys(v)))
		for _, name := range keys {
			p.value(indent+"  ", name, join(path, name), "", v.MapIndex(reflect.ValueOf(name)))
		}
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.Struct:
		fmt.Fprintf(p.w, "%s%s:\n", indent, key)
		for i := range v.Len() {
			fmt.Fprintf(p.w, "%s  -\n", indent)
			p.structure(indent+"    ", fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	default:
		text := scalarText(v)
		if tag.Get("secret") != "" && p.redacted && v.String() != "" {
			text = `"***"`
		}
		line := fmt.Sprintf("%s%s: %s", indent, key, text)
		fmt.Fprintf(p.w, "%-60s # %s\n", line, p.c.Origins[path])
	}
}

// setting is one value and where it came from.
type setting struct {
	Value  any    `json:"value"`
	Source string `json:"source"`
}

// PrintJSON is Print as one JSON object: value and source of each setting by its path.
func (c *Config) PrintJSON(w io.Writer, redacted bool) error {
	all := make(map[string]setting)
	c.collect(all, "", reflect.ValueOf(c).Elem(), redacted)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(all)
}

func (c *Config) collect(all map[string]setting, path string, v reflect.Value, redacted bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag; tag.Get("key") != "-" {
			c.collectValue(all, join(path, tag.Get("key")), tag.Get("secret") != "" && redacted, v.Field(i), redacted)
		}
	}
}

func (c *Config) collectValue(all map[string]setting, path string, hidden bool, v reflect.Value, redacted bool) {
	switch {
	case v.Kind() == reflect.Struct:
		c.collect(all, path, v, redacted)
	case v.Kind() == reflect.Map && v.Len() > 0:
		for name := range stringKeys(v) {
			c.collectValue(all, join(path, name), false, v.MapIndex(reflect.ValueOf(name)), redacted)
		}
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.Struct:
		for i := range v.Len() {
			c.collect(all, fmt.Sprintf("%s[%d]", path, i), v.Index(i), redacted)
		}
	case hidden && v.String() != "":
		all[path] = setting{"***", c.Origins[path].String()}
	case v.Type() == durationType:
		all[path] = setting{durationText(time.Duration(v.Int())), c.Origins[path].String()}
	case v.Kind() == reflect.Slice && v.Len() == 0:
		all[path] = setting{[]string{}, c.Origins[path].String()}
	case v.Kind() == reflect.Map && v.Len() == 0:
		all[path] = setting{map[string]string{}, c.Origins[path].String()}
	default:
		all[path] = setting{v.Interface(), c.Origins[path].String()}
	}
}

func stringKeys(v reflect.Value) map[string]bool {
	keys := make(map[string]bool)
	for _, k := range v.MapKeys() {
		keys[k.String()] = true
	}
	return keys
}

// scalarText is a value as YAML.
func scalarText(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return durationText(time.Duration(v.Int()))
	case v.Kind() == reflect.String:
		return strconv.Quote(v.String())
	case v.Kind() == reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = strconv.Quote(v.Index(i).String())
		}
		return "[" + strings.Join(items, ", ") + "]"
	case v.Kind() == reflect.Map:
		return "{}"
	}
	return fmt.Sprint(v.Interface())
}

func durationText(d time.Duration) string {
	if d >= 24*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	text := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, tail) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Schema writes JSON Schema 2020-12, for editors.
func Schema(w io.Writer) error {
	doc := schemaOf(reflect.TypeFor[Config](), "")
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	doc["title"] = "tandem.yaml"
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

func schemaOf(t reflect.Type, tag reflect.StructTag) map[string]any {
	s := make(map[string]any)
	switch {
	case t == durationType:
		s["type"], s["pattern"] = "string", `^[0-9.]+(ms|s|m|h|d)([0-9.]+(s|m))*$`
	case t.Kind() == reflect.Struct:
		properties, required := make(map[string]any), []string{}
		for i := range t.NumField() {
			field := t.Field(i)
			key := field.Tag.Get("key")
			if key == "-" {
				continue
			}
			properties[key] = schemaOf(field.Type, field.Tag)
			if field.Tag.Get("required") != "" {
				required = append(required, key)
			}
		}
		s["type"], s["properties"], s["additionalProperties"] = "object", properties, false
		if len(required) > 0 {
			s["required"] = required
		}
	case t.Kind() == reflect.Map:
		s["type"], s["additionalProperties"] = "object", schemaOf(t.Elem(), "")
	case t.Kind() == reflect.Slice:
		s["type"], s["items"] = "array", schemaOf(t.Elem(), reflect.StructTag(fmt.Sprintf("oneof:%q", tag.Get("oneof"))))
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Float64:
		s["type"] = "number"
	default:
		s["type"] = "string"
	}
	if oneof := tag.Get("oneof"); oneof != "" && s["type"] == "string" {
		s["enum"] = strings.Split(oneof, ",")
	}
	if doc := tag.Get("doc"); doc != "" {
		s["description"] = doc
	}
	if text := tag.Get("default"); text != "" {
		s["default"] = text
	}
	return s
}
