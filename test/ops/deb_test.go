package ops

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebInstalls builds the package, installs it in a root of its own, and runs
// what is in it.
func TestDebInstalls(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("../../deploy/deb/build", dir, "1.2.3")
	root := filepath.Join(dir, "root")
	for _, folder := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "tandem_1.2.3*.deb"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("%v %v", packages, err)
	}
	run("dpkg", "--root="+root, "--force-not-root", "--force-bad-path", "-i", packages[0])
	run(filepath.Join(root, "usr/bin/tandem"), "version")
	check := exec.Command(filepath.Join(root, "usr/bin/tandem"), "check-config", "--config", filepath.Join(root, "etc/tandem/tandem.yaml"))
	check.Env = append(os.Environ(), "TRUNK_PASSWORD=x")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("check-config: %v\n%s", err, out)
	}
	for _, file := range []string{"usr/lib/systemd/system/tandem.service", "usr/share/man/man1/tandem.1.gz", "usr/share/bash-completion/completions/tandem", "usr/share/tandem/grafana/tandem.json", "usr/share/doc/tandem/runbooks/trunk-down.md"} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Error(err)
		}
	}
	if conffiles := run("dpkg", "--root="+root, "-s", "tandem"); !strings.Contains(conffiles, "/etc/tandem/tandem.yaml") {
		t.Errorf("the configuration would be overwritten:\n%s", conffiles)
	}
}

// TestManualNamesEveryCommand: the page and the binary agree.
func TestManualNamesEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../deploy/tandem.1")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "../../cmd/tandem", "help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, list, _ := strings.Cut(string(out), "[--help]\n\n")
	for line := range strings.Lines(list) {
		if word := strings.Fields(line)[0]; !strings.Contains(string(page), word) {
			t.Errorf("tandem.1 does not name %s", word)
		}
	}
}
