package app

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// release is the version of a package or an image, whose build says it: -ldflags "-X tandem/cmd/app.release=1.2.3".
var release string

// Version is what the binary was built from.
func Version() (version, revision string) {
	version, revision = cmp.Or(release, "devel"), "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if v := info.Main.Version; release == "" && v != "" && v != "(devel)" {
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
			if a.bridge.Load().Draining() {
				return 1
			}
			return 0
		}),
		gauge("tandem_calls_stuck", "Calls longer in their state than it can last; must be 0.", func() float64 { return float64(a.bridge.Load().Stuck(time.Now())) }),
		gauge("tandem_webhook_pending", "Events that webhook endpoints have still to get.", func() float64 { n, _ := a.backlog(); return n }),
		gauge("tandem_webhook_oldest_pending_seconds", "How long the oldest of them has waited.", func() float64 { _, age := a.backlog(); return age }),
		gauge("tandem_webhook_endpoints_disabled", "Webhook endpoints that get nothing, by hand or because they failed.", a.disabledEndpoints),
		gauge("tandem_rtp_ports_in_use", "RTP ports lent to calls.", func() float64 { return float64(a.pool.InUse()) }),
		gauge("tandem_rtp_ports_limit", "RTP ports there are.", func() float64 { return float64((int(high) - int(low) + 1) / 2) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return mux
}

// backlog is how many events webhooks have still to deliver, and the age of the
// oldest in seconds.
func (a *App) backlog() (n, age float64) {
	ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
	defer cancel()
	count, oldest, err := a.Store.Backlog(ctx)
	if err != nil || count == 0 {
		return 0, 0
	}
	return float64(count), time.Since(oldest).Seconds()
}

func (a *App) disabledEndpoints() (n float64) {
	ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
	defer cancel()
	endpoints, err := a.Store.Endpoints(ctx)
	if err != nil {
		return 0
	}
	for i := range endpoints {
		if endpoints[i].Disabled != "" {
			n++
		}
	}
	return n
}
