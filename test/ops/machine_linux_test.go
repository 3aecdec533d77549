package ops

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is a Debian that systemd has booted: the packages of this machine, which it
// may change for itself, and nothing else of it. Its network is the test's.
type machine struct {
	*testing.T
	root string
	init string // the process that systemd is
}

// entries are what a Debian has before anything is set up: links, and files with their text.
var entries = map[string]string{
	"etc/nsswitch.conf":   "passwd: files systemd\ngroup: files systemd\nhosts: files dns\n",
	"etc/hosts":           "127.0.0.1 localhost\n",
	"etc/resolv.conf":     "",
	"etc/machine-id":      strings.Repeat("0f", 16) + "\n",
	"var/lib/dpkg/status": "",
}

// copies are files it has as this machine has them.
var copies = []string{"etc/os-release", "etc/passwd", "etc/group", "etc/ld.so.cache", "etc/default/prometheus", "etc/prometheus/prometheus.yml"}

// boot starts one, and waits for it.
func boot(t *testing.T) *machine {
	t.Helper()
	m := &machine{T: t, root: t.TempDir()}
	for _, folder := range []string{"usr", "root", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/prometheus"} {
		if err := os.MkdirAll(filepath.Join(m.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(m.root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range entries {
		m.write(name, []byte(text))
	}
	for _, name := range copies {
		text, err := os.ReadFile("/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m.write(name, text)
	}
	var console bytes.Buffer
	booted := false
	nspawn := exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory="+m.root, "--machine=tandem-test", "--overlay=/usr::/usr", "--register=no", "--keep-unit",
		"--capability=CAP_BPF,CAP_NET_ADMIN", "--system-call-filter=bpf", "--console=read-only")
	nspawn.Stdout, nspawn.Stderr = &console, &console
	nspawn.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nspawn.Process.Signal(syscall.SIGTERM) // halt
		_ = nspawn.Process.Signal(syscall.SIGTERM) // now
		_ = nspawn.Wait()
		if !booted {
			t.Logf("%s", console.Bytes())
		}
	})
	until(t, "systemd has booted", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", nspawn.Process.Pid))
		m.init = strings.TrimSpace(string(children))
		booted = err == nil && m.init != "" && m.shell("systemctl is-system-running --wait").Run() == nil
		return booted
	})
	m.run("chown prometheus /var/lib/prometheus")
	return m
}

// write makes a file of the machine's.
func (m *machine) write(name string, text []byte) {
	m.Helper()
	file := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		m.Fatal(err)
	}
}

// shell is a command that root types on it, at home.
func (m *machine) shell(text string) *exec.Cmd {
	return exec.Command("nsenter", "--target="+m.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "/usr/bin/env", "-i",
		"HOME=/root", "PATH=/usr/sbin:/usr/bin", "sh", "-ec", "cd; "+text)
}

// run types a command that has to succeed.
func (m *machine) run(text string) string {
	m.Helper()
	out, err := m.shell(text).CombinedOutput()
	if err != nil {
		m.Fatalf("%s: %v\n%s", text, err, out)
	}
	return string(out)
}
