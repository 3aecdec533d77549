// Package test holds what is true of the whole tree.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows is the drawing in ARCHITECTURE.md: what each folder may import of ours.
var arrows = map[string][]string{
	"dtmf":   {},
	"sip":    {},
	"media":  {"dtmf", "media/prompts", "media/kernel"},
	"bridge": {"sip", "media", "dtmf"},
	"store":  {"bridge"},
	"api":    {"bridge", "store"},
	"web":    {},
	"config": {},

	"media/kernel": {},
}

// doors is which folders may import a library; a test of theirs may too.
var doors = map[string][]string{
	"github.com/emiago/sipgo":                        {"sip"},
	"github.com/miekg/dns":                           {"sip"},
	"github.com/pion":                                {"media"},
	"github.com/zaf/g711":                            {"media"},
	"github.com/nyaruka/phonenumbers":                {"bridge"},
	"github.com/google/uuid":                         {"bridge"},
	"github.com/prometheus/client_golang":            {"api", "bridge", "cmd/app", "media", "sip", "store", "test/ops"},
	"modernc.org/sqlite":                             {"store"},
	"github.com/goccy/go-yaml":                       {"config", "api"}, // api: its test makes openapi.json
	"github.com/gopacket/gopacket":                   {"cmd/scan"},
	"github.com/pb33f/libopenapi":                    {"api"},
	"github.com/pb33f/libopenapi-validator":          {"api"},
	"github.com/cilium/ebpf":                         {"media/kernel"},
	"golang.org/x/crypto":                            {"cmd/app"},
	"golang.org/x/sys":                               {"media"},
	"github.com/standard-webhooks/standard-webhooks": {"api"},
	"github.com/compose-spec/compose-go":             {"test/ops"},
	"github.com/coreos/go-systemd":                   {"cmd/tandem"},
	"go.opentelemetry.io/otel":                       {"cmd/tracing"},
	"go.opentelemetry.io/proto/otlp":                 {"test/ops"},
	"google.golang.org/protobuf":                     {"test/ops"},
}

// source is one Go file and what it imports.
type source struct {
	file, dir string
	imports   []string
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator)))
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{file: file, dir: path.Dir(file)}
		for _, spec := range tree.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("found %d files: is this the root of the tree?", len(all))
	}
	return all
}

func TestArrowsOnlyGoDown(t *testing.T) {
	for _, s := range sources(t) {
		allowed, drawn := arrows[s.dir]
		if !drawn {
			continue // cmd and test may import everything
		}
		for _, imported := range s.imports {
			ours, is := strings.CutPrefix(imported, "tandem/")
			far := strings.HasSuffix(s.file, "_test.go") && strings.HasPrefix(ours, "test/")
			if is && ours != s.dir && !far && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: there is no such arrow", s.file, imported)
			}
		}
	}
}

func TestEveryLibraryHasItsDoor(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			if host, _, _ := strings.Cut(imported, "/"); !strings.Contains(host, ".") {
				continue // the standard library, or ours
			}
			door, found := "", false
			for library := range doors {
				if imported == library || strings.HasPrefix(imported, library+"/") {
					door, found = library, true
				}
			}
			if !found {
				t.Errorf("%s imports %s: give it a door here, or do without it", s.file, imported)
				continue
			}
			if !slices.Contains(doors[door], s.dir) {
				t.Errorf("%s imports %s: its door is %v", s.file, imported, doors[door])
			}
			metrics := strings.HasPrefix(path.Base(s.file), "metrics") || strings.HasSuffix(s.file, "_test.go")
			if door == "github.com/prometheus/client_golang" && !metrics && s.dir != "cmd/app" {
				t.Errorf("%s imports %s: only metrics.go files do", s.file, imported)
			}
		}
	}
}

func TestNoSleepInTests(t *testing.T) {
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.file, "_test.go") || s.dir == "test/e2e" || s.file == "test/arrows_test.go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(s.file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"time." + "Sleep(", "." + "Skip("} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s calls %s): wait for what must happen, and fail if it does not", s.file, word)
			}
		}
	}
}
