package app

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tandem/config"
	"tandem/media"
	"tandem/media/kernel"
)

// TestKernelPathIsRefusedSoftly: with auto the reason is logged once and
// counted, and calls go on without; with kernel nothing starts.
func TestKernelPathIsRefusedSoftly(t *testing.T) {
	for mode, starts := range map[string]bool{"auto": true, "kernel": false} {
		var log strings.Builder
		asked := media.PathConfig{}
		a := &App{
			cfg: &config.Config{}, registry: prometheus.NewRegistry(), log: slog.New(slog.NewTextHandler(&log, nil)),
			wire: Wire{OpenKernel: func(cfg media.PathConfig) (*kernel.Table, error) {
				asked = cfg
				return nil, &kernel.Refusal{Reason: kernel.Capability, Err: errors.New("give it CAP_BPF")}
			}},
		}
		a.cfg.Media.FastPath, a.cfg.Media.Interfaces = mode, "eth0"
		a.cfg.SIP.Listen = []string{"udp://192.0.2.1:5060"}
		metrics := media.NewPathMetrics(a.registry)
		table, err := a.openKernel(metrics, 10)
		if table != nil || (err == nil) != starts {
			t.Errorf("%s: %v, %v", mode, table, err)
		}
		if asked.Mode != mode || asked.Interfaces != "eth0" || asked.Flows != 10 || asked.Bind.String() != "192.0.2.1" {
			t.Errorf("%s: asked for %+v", mode, asked)
		}
		if !starts {
			if !strings.Contains(err.Error(), "media.fast_path") || !strings.Contains(err.Error(), "CAP_BPF") {
				t.Errorf("%s: %v", mode, err)
			}
			continue
		}
		if n := strings.Count(log.String(), "CAP_BPF"); n != 1 {
			t.Errorf("%s: the reason is logged %d times", mode, n)
		}
		if err := testutil.GatherAndCompare(a.registry, strings.NewReader(fallbacks("capability")), "tandem_media_path_fallbacks_total"); err != nil {
			t.Error(err)
		}
	}
}

// fallbacks is the metric once one reason was counted, and no other.
func fallbacks(counted string) string {
	const name = "tandem_media_path_fallbacks_total"
	text := "# HELP " + name + " Streams, or the whole process, that could not take the kernel path, by why.\n# TYPE " + name + " counter\n"
	for _, reason := range append([]string{"transcoding", "srtp", "inband", "headers", "unmatched"}, names(kernel.Reasons)...) {
		n := "0"
		if reason == counted {
			n = "1"
		}
		text += name + "{reason=\"" + reason + "\"} " + n + "\n"
	}
	return text
}

func names(reasons []kernel.Reason) (all []string) {
	for _, r := range reasons {
		all = append(all, string(r))
	}
	return all
}

func TestMediaPathOfUserIsUser(t *testing.T) {
	cfg := &config.Config{}
	cfg.Media.FastPath = "user"
	if path, why := MediaPath(cfg); path != "user" || !strings.Contains(why, "fast_path") {
		t.Errorf("%s, %s", path, why)
	}
	cfg.Media.FastPath, cfg.Media.Interfaces = "auto", "no-such-interface"
	if path, why := MediaPath(cfg); path != "user" || why == "" {
		t.Errorf("%s, %q", path, why)
	}
}
