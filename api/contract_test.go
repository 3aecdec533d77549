package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const contractDir = "../test/testdata/contract/"

func contract(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(contractDir + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// agreed is where our document says something else than the contract, and why.
// What only ours has is no difference, but in closed lists.
var agreed = map[string]string{
	"/paths//v1/webhook-endpoints/{endpoint_id}/replay/post/requestBody/required is true": "without since there is nothing to say",

	"/components/schemas/Quote/properties/currency/type +null": "where no rate is known there is no currency either",
}

// reworded is what people read: it may be bettered.
var reworded = []string{"summary", "description", "examples", "title"}

// TestDocumentKeepsTheContract walks all that the contract's document says.
func TestDocumentKeepsTheContract(t *testing.T) {
	raw, err := yaml.YAMLToJSON([]byte(contract(t, "openapi.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	var theirs any
	c := comparison{found: make(map[string]bool)}
	if err := json.Unmarshal(raw, &theirs); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &c.ours); err != nil {
		t.Fatal(err)
	}
	c.walk("", theirs, c.ours)
	if c.compared < 1000 {
		t.Errorf("only %d values were compared", c.compared)
	}
	c.settle(t, agreed)
}

// comparison of two documents collects where they differ.
type comparison struct {
	ours     any
	found    map[string]bool
	compared int
}

func (c *comparison) differ(path, how string, args ...any) {
	c.found[path+" "+fmt.Sprintf(how, args...)] = true
}

// settle fails on differences that were not agreed on, and on agreements about
// nothing.
func (c *comparison) settle(t *testing.T, agreed map[string]string) {
	t.Helper()
	for _, difference := range slices.Sorted(maps.Keys(c.found)) {
		if agreed[difference] == "" {
			t.Errorf("the contract is not kept: %s", difference)
		}
	}
	for _, difference := range slices.Sorted(maps.Keys(agreed)) {
		if !c.found[difference] {
			t.Errorf("this differs no more: %s", difference)
		}
	}
}

func (c *comparison) walk(path string, theirs, ours any) {
	c.compared++
	key := path[strings.LastIndex(path, "/")+1:]
	switch theirs := theirs.(type) {
	case map[string]any:
		ours := c.resolved(theirs, ours)
		for _, limit := range []string{"required", "enum"} {
			if _, have := theirs[limit]; !have && ours[limit] != nil && key != "properties" && !strings.Contains(path, "/responses/") {
				c.differ(path+"/"+limit, "is %v", ours[limit])
			}
		}
		for name, value := range theirs {
			mine, have := ours[name]
			switch {
			case slices.Contains(reworded, name) && key != "properties":
			case !have:
				c.differ(path+"/"+name, "is missing")
			default:
				c.walk(path+"/"+name, value, mine)
			}
		}
	case []any:
		ours, _ := ours.([]any)
		switch key {
		case "enum", "required", "type":
			c.closed(path, texts(theirs), texts(ours))
		case "security":
			c.security(path, theirs, ours)
		case "parameters":
			c.walk(path, named(theirs), named(ours))
		default:
			c.walk(path, numbered(theirs), numbered(ours))
		}
	default:
		if several, is := ours.([]any); is && key == "type" {
			c.closed(path, []string{fmt.Sprint(theirs)}, texts(several))
		} else if fmt.Sprint(theirs) != fmt.Sprint(ours) {
			c.differ(path, "is %v and not %v", ours, theirs)
		}
	}
}

// resolved follows our $ref where the contract describes the thing on the spot.
func (c *comparison) resolved(theirs map[string]any, ours any) map[string]any {
	object, _ := ours.(map[string]any)
	target, is := object["$ref"].(string)
	if _, both := theirs["$ref"]; !is || both {
		return object
	}
	at := c.ours
	for _, step := range strings.Split(target, "/")[1:] {
		at = at.(map[string]any)[step]
	}
	object, _ = at.(map[string]any)
	return object
}

// closed compares lists to which nothing may be added either.
func (c *comparison) closed(path string, theirs, ours []string) {
	for _, each := range theirs {
		if !slices.Contains(ours, each) {
			c.differ(path, "-%s", each)
		}
	}
	for _, each := range ours {
		if !slices.Contains(theirs, each) {
			c.differ(path, "+%s", each)
		}
	}
}

// security compares who may use a route. A rep's own session may more than the
// contract says, for the page does all by the same API; a key may not. The YAML
// library reads a bare calls:read within brackets as a map.
func (c *comparison) security(path string, theirs, ours []any) {
	ways := func(list []any) (all []string) {
		for _, way := range texts(list) {
			all = append(all, strings.NewReplacer("map", "", "[", "", "]", "").Replace(way))
		}
		return all
	}
	mine := ways(ours)
	if !slices.Contains(ways(theirs), "repSession:") {
		mine = slices.DeleteFunc(mine, func(way string) bool { return way == "repSession:" })
	}
	c.closed(path, ways(theirs), mine)
}

func texts(list []any) (all []string) {
	for _, each := range list {
		all = append(all, fmt.Sprint(each))
	}
	return all
}

// named makes parameters an object by their names, or by what they refer to.
func named(list []any) map[string]any {
	all := make(map[string]any)
	for _, each := range list {
		object, _ := each.(map[string]any)
		name, own := object["name"].(string)
		if !own {
			name, _ = object["$ref"].(string)
		}
		all[name] = each
	}
	return all
}

func numbered(list []any) map[string]any {
	all := make(map[string]any)
	for i, each := range list {
		all[strconv.Itoa(i)] = each
	}
	return all
}

// TestProblemsKeepTheContract reads the table of codes: each is served with its
// status.
func TestProblemsKeepTheContract(t *testing.T) {
	_, table, _ := strings.Cut(contract(t, "api.md"), "| HTTP | code |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows, codes := regexp.MustCompile(`(?m)^\| ([0-9, ]+) \| ([^|]+) \|`), regexp.MustCompile("`([a-z0-9_]+)`")
	count := 0
	for _, row := range rows.FindAllStringSubmatch(table, -1) {
		statuses := strings.Split(row[1], ", ")
		for i, code := range codes.FindAllStringSubmatch(row[2], -1) {
			count++
			if status := statuses[min(i, len(statuses)-1)]; strconv.Itoa(kinds[code[1]].status) != status {
				t.Errorf("%s is %d and not %s", code[1], kinds[code[1]].status, status)
			}
		}
	}
	if count != 35 {
		t.Errorf("the table has %d codes", count)
	}
}

// TestRecordsKeepTheContract reads the columns of the CSV.
func TestRecordsKeepTheContract(t *testing.T) {
	columns := regexp.MustCompile("CDR CSV columns: `([^`]+)`").FindStringSubmatch(contract(t, "api.md"))
	if columns == nil || strings.ReplaceAll(columns[1], ", ", ",") != strings.Join(cdrColumns, ",") {
		t.Errorf("the columns are %v, of %v", cdrColumns, columns)
	}
}
