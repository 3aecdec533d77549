package ops

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tandem/test/carrier"
	"tandem/test/namespace"
)

// builder is buildah with a store of its own. It builds a Dockerfile as Docker does.
type builder struct {
	*testing.T
	store string
}

func (b builder) command(args ...string) *exec.Cmd {
	return exec.Command("buildah", append([]string{"--storage-driver", "vfs", "--root", b.store + "/root", "--runroot", b.store + "/run"}, args...)...)
}

func (b builder) run(args ...string) string {
	b.Helper()
	out, err := b.command(args...).Output()
	if err != nil {
		var why []byte
		if exit, is := err.(*exec.ExitError); is {
			why = exit.Stderr
		}
		b.Fatalf("buildah %v: %v\n%s%s", args, err, out, why)
	}
	return strings.TrimSpace(string(out))
}

// base commits an image of files of this machine, under the name of one that the
// Dockerfile begins with.
func (b builder) base(name string, files map[string]string, settings ...string) {
	b.Helper()
	c := b.run("from", "scratch")
	for to, from := range files {
		b.run("copy", "-q", c, from, to)
	}
	b.run(append(append([]string{"config"}, settings...), c)...)
	b.run("commit", "-q", "--rm", c, name)
}

// TestImage builds the Dockerfile, every line of it, and starts what came of it as
// compose does: as nobody, with the configuration mounted where it says, until the
// health check is content. The images it begins with are stand-ins: this machine's Go,
// and an empty folder in the place of one with certificates and time zones.
func TestImage(t *testing.T) {
	if out, err := exec.Command("go", "mod", "download").CombinedOutput(); err != nil { // with the network that the build will not have
		t.Fatalf("%v\n%s", err, out)
	}
	if !namespace.Alone(t, func(t *testing.T) { t.Fatal("this takes root, CAP_BPF and CAP_NET_ADMIN") }) {
		return
	}
	b := builder{t, t.TempDir()}
	settings := map[string]string{}
	for _, name := range []string{"GOROOT", "GOMODCACHE", "GOCACHE"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		settings[name] = strings.TrimSpace(string(out))
	}
	b.base("docker.io/library/golang:1.26", map[string]string{"/bin/sh": "/bin/busybox", "/bin/mkdir": "/bin/busybox"}, "--env", "PATH=/usr/local/go/bin:/bin", "--env", "GOMODCACHE=/modules", "--env", "GOCACHE=/built", "--env", "TMPDIR=/built")
	b.base("gcr.io/distroless/static-debian12:nonroot", map[string]string{"/etc/os-release": "/etc/os-release"})
	b.run("bud", "--quiet", "--isolation", "chroot", "--pull-never", "--layers=false", "--format", "docker", "--build-arg", "VERSION=1.2.3", "--tag", "tandem",
		"--volume", settings["GOROOT"]+":/usr/local/go:ro", "--volume", settings["GOMODCACHE"]+":/modules", "--volume", settings["GOCACHE"]+":/built", "../..")

	var image struct {
		Docker struct {
			Config struct {
				User            string
				Entrypoint, Cmd []string
				Healthcheck     struct{ Test []string }
			}
		}
	}
	if err := json.Unmarshal([]byte(b.run("inspect", "--type", "image", "tandem")), &image); err != nil {
		t.Fatal(err)
	}
	its := image.Docker.Config
	if its.User != "65532:65532" || len(its.Healthcheck.Test) < 2 || its.Healthcheck.Test[0] != "CMD" {
		t.Fatalf("%+v", its)
	}
	c := b.run("from", "--pull-never", "tandem")
	root := b.run("mount", c)
	isStatic(t, filepath.Join(root, its.Entrypoint[0]))

	trunk := openTrunk(t, carrier.Options{})
	config := filepath.Join(t.TempDir(), "tandem.yaml")
	text := fmt.Sprintf("version: 1\nnumbers: {default_region: US, allow: [\"+1\"]}\ntrunks: {carrier: {host: 127.0.0.1, port: %d, auth: {mode: ip}, caller_ids: [\"+14155550100\"]}}\nstore: {url: \"sqlite:///var/lib/tandem/tandem.db\"}\n", trunk.Addr().Port())
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run := []string{"run", "--isolation", "chroot"}
	service, err := project(t).GetService("tandem")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range service.Volumes {
		switch v.Type {
		case "bind":
			run = append(run, "--volume", config+":"+v.Target+":ro")
		case "volume": // which has at first what is there in the image, and its owner
			if owner := ownerOf(t, filepath.Join(root, v.Target)); owner != 65532 {
				t.Errorf("%s belongs to %d", v.Target, owner)
			}
		}
	}
	inside := func(command []string) *exec.Cmd { return b.command(append(append(run, c, "--"), command...)...) }
	if out, err := inside([]string{its.Entrypoint[0], "version"}).Output(); err != nil || !strings.HasPrefix(string(out), "tandem 1.2.3 ") {
		t.Errorf("%v %s", err, out)
	}
	if inside(its.Healthcheck.Test[1:]).Run() == nil {
		t.Error("it is healthy before it runs")
	}
	serving := inside(append(its.Entrypoint, its.Cmd...))
	serving.Stdout, serving.Stderr = t.Output(), t.Output()
	serving.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the health check is content", func() bool { return inside(its.Healthcheck.Test[1:]).Run() == nil })
	if owner := ownerOf(t, filepath.Join(root, "var/lib/tandem/tandem.db")); owner != 65532 {
		t.Errorf("it runs as %d", owner)
	}
	if err := syscall.Kill(-serving.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = serving.Wait() // buildah's own status
}

// isStatic fails where a program needs a loader or libraries.
func isStatic(t *testing.T, file string) {
	t.Helper()
	binary, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Errorf("%s is not static", file)
		}
	}
}

func ownerOf(t *testing.T, file string) uint32 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}
