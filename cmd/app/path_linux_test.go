//go:build linux && (amd64 || arm64)

package app

import (
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tandem/config"
	"tandem/media"
	"tandem/media/kernel"
	"tandem/test/confine"
	"tandem/test/namespace"
)

// refusals is why a process does not get the kernel path, what it is told, and
// how it comes to that.
var refusals = map[string]struct {
	reason kernel.Reason
	says   string
	on     string // media.interfaces
	way    confine.Way
	attr   syscall.SysProcAttr
}{
	"no capabilities":      {kernel.Capability, "give it CAP_BPF and CAP_NET_ADMIN", "lo", confine.Capabilities, syscall.SysProcAttr{}},
	"container":            {kernel.Capability, "seccomp", "lo", confine.BPF(confine.Any, syscall.EPERM), syscall.SysProcAttr{}},
	"user namespace":       {kernel.Capability, "user namespaces", "lo", nil, rootOfItsOwn},
	"kernel without eBPF":  {kernel.TooOld, "Linux 6.6", "lo", confine.BPF(confine.Any, syscall.ENOSYS), syscall.SysProcAttr{}},
	"kernel without TCX":   {kernel.TooOld, "Linux 6.6", "lo", confine.BPF(confine.LinkCreate, syscall.EINVAL), syscall.SysProcAttr{}},
	"not Ethernet":         {kernel.Interface, "media.interfaces", "tunnel", nil, syscall.SysProcAttr{}},
	"no such interface":    {kernel.Interface, "media.interfaces", "no-such", nil, syscall.SysProcAttr{}},
	"one interface of two": {kernel.Interface, "media.interfaces", "lo,tunnel", nil, syscall.SysProcAttr{}},
}

var rootOfItsOwn = syscall.SysProcAttr{
	Cloneflags:  syscall.CLONE_NEWUSER,
	UidMappings: []syscall.SysProcIDMap{{Size: 1}}, GidMappings: []syscall.SysProcIDMap{{Size: 1}},
}

// confined is set, to its name in refusals, in a process that is to be refused.
const confined = "TANDEM_TEST_REFUSED"

// TestEveryRefusalIsSoft: whatever is in the way, a process with auto says so
// once, counts it and goes on, and one with kernel does not start and is told
// what to do.
func TestEveryRefusalIsSoft(t *testing.T) {
	if name := os.Getenv(confined); name != "" {
		refusedSoftly(t, name)
		return
	}
	if !namespace.Alone(t, func(t *testing.T) { t.Log("nothing more can be refused here") }) {
		return
	}
	namespace.Run(t, "ip", "tuntap", "add", "tunnel", "mode", "tun")
	for name, r := range refusals {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestEveryRefusalIsSoft$")
			cmd.Env = append(os.Environ(), confined+"="+name, "GORACE=atexit_sleep_ms=0")
			cmd.SysProcAttr = &r.attr
			run := func() {
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
			if r.way == nil {
				run()
			} else if err := r.way.Start(run); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// refusedSoftly is in the process that is refused.
func refusedSoftly(t *testing.T, name string) {
	want := refusals[name]
	for mode, starts := range map[string]bool{"auto": true, "kernel": false} {
		var log strings.Builder
		a := &App{
			cfg: &config.Config{}, registry: prometheus.NewRegistry(), log: slog.New(slog.NewTextHandler(&log, nil)),
			wire: Wire{OpenKernel: media.OpenKernel},
		}
		a.cfg.Media.FastPath, a.cfg.Media.Interfaces = mode, want.on
		a.cfg.SIP.Listen = []string{"udp://127.0.0.1:5060"}
		table, err := a.openKernel(media.NewPathMetrics(a.registry), 10)
		if table != nil || (err == nil) != starts {
			t.Fatalf("%s: %v, %v", mode, table, err)
		}
		if !starts {
			if !strings.Contains(err.Error(), "media.fast_path") || !strings.Contains(err.Error(), want.says) {
				t.Errorf("%s does not say what to do: %v", mode, err)
			}
			continue
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), want.says) {
			t.Errorf("%s logs\n%s", mode, log.String())
		}
		if err := testutil.GatherAndCompare(a.registry, strings.NewReader(fallbacks(string(want.reason))), "tandem_media_path_fallbacks_total"); err != nil {
			t.Error(err)
		}
	}
	if path, why := media.ChoosePath(media.PathConfig{Mode: "auto", Interfaces: want.on}); path != "user" || !strings.Contains(why, want.says) {
		t.Errorf("doctor says %s, %s", path, why)
	}
}
