package ops

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// messages are all that a file logs, each after its level.
func messages(t *testing.T, file string) (all []string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is {
			return true
		}
		method, is := call.Fun.(*ast.SelectorExpr)
		if !is {
			return true
		}
		level := strings.ToLower(method.Sel.Name)
		if level == "newrecord" {
			level = "warn"
		} else if on, is := method.X.(*ast.SelectorExpr); is && !strings.EqualFold(on.Sel.Name, "log") {
			return true
		} else if on, is := method.X.(*ast.Ident); is && on.Name != "log" {
			return true
		}
		for _, arg := range call.Args {
			if text, is := arg.(*ast.BasicLit); is && text.Kind == token.STRING && slices.Contains([]string{"error", "warn", "info"}, level) {
				message, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, level+": "+message)
				break
			}
		}
		return true
	})
	return all
}

// TestLogsPageHasEveryLine of the code, under its level, and no other.
func TestLogsPageHasEveryLine(t *testing.T) {
	want := make(map[string]bool)
	for _, folder := range []string{"api", "bridge", "cmd", "media", "sip", "store"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(file string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
				for _, message := range messages(t, file) {
					want[message] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		level, _, _ := strings.Cut(section, ":")
		for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| \\S").FindAllStringSubmatch(section, -1) {
			have = append(have, level+": "+row[1])
		}
	}
	for _, message := range have {
		if !want[message] {
			t.Errorf("nothing logs %q", message)
		}
	}
	for _, message := range slices.Sorted(maps.Keys(want)) {
		if !slices.Contains(have, message) {
			t.Errorf("docs/logs.md does not say what %q means", message)
		}
	}
}
