package ops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"tandem/config"
)

// project reads docker-compose.yml as Compose does, by the specification's schema.
func project(t *testing.T) *types.Project {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithName("tandem"), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestComposeIsValid: by the schema; and what it mounts is there, but for
// tandem.yaml, which is the operator's.
func TestComposeIsValid(t *testing.T) {
	p := project(t)
	for _, name := range []string{"tandem", "ported", "demo", "prometheus", "grafana"} {
		service, err := p.GetService(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v := range service.Volumes {
			if v.Type != "bind" || filepath.Base(v.Source) == "tandem.yaml" {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts %v", name, err)
			}
		}
	}
}

// TestComposeEnvironmentIsUnderstood: each TANDEM_ variable is a key, with a value
// that it can have, and the published ports are those that are listened on.
func TestComposeEnvironmentIsUnderstood(t *testing.T) {
	service, err := project(t).GetService("ported")
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for key, value := range service.Environment {
		if strings.HasPrefix(key, "TANDEM_") {
			env = append(env, key+"="+*value)
		}
	}
	cfg, problems := config.Read("tandem.yaml", []byte("version: 1\nnumbers: {default_region: US, allow: [\"+1\"]}\ntrunks: {a: {host: sip.example.com, auth: {mode: ip}, caller_ids: [\"+14155550100\"]}}\n"), env)
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	low, high, err := cfg.Media.Ports()
	if err != nil {
		t.Fatal(err)
	}
	published := make(map[uint32]bool)
	for _, port := range service.Ports {
		published[port.Target] = true
	}
	for port := uint32(low); port <= uint32(high); port++ {
		if !published[port] {
			t.Fatalf("RTP port %d is not published", port)
		}
	}
	for _, port := range []uint32{5060, 8080, 9464} {
		if !published[port] {
			t.Errorf("port %d is not published", port)
		}
	}
}
