package app

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Version is what the binary was built from.
func Version() (version, revision string) {
	version, revision = "devel", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

// metricsHandler adds what only the App knows, and serves all.
func (a *App) metricsHandler() http.Handler {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	version, revision := Version()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tandem_build_info", Help: "What runs; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "go": runtime.Version()}})
	build.Set(1)
	started := float64(time.Now().Unix())
	low, high, _ := a.cfg.Media.Ports() // openMedia has read it before
	a.registry.MustRegister(build,
		gauge("tandem_start_time_seconds", "When this process began, since 1970.", func() float64 { return started }),
		gauge("tandem_draining", "1 while no new calls are taken.", func() float64 {
			if a.bridge.Draining() {
				return 1
			}
			return 0
		}),
		gauge("tandem_calls_stuck", "Calls longer in their state than it can last; must be 0.", func() float64 { return float64(a.bridge.Stuck(time.Now())) }),
		gauge("tandem_rtp_ports_in_use", "RTP ports lent to calls.", func() float64 { return float64(a.pool.InUse()) }),
		gauge("tandem_rtp_ports_limit", "RTP ports there are.", func() float64 { return float64((int(high) - int(low) + 1) / 2) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return mux
}
