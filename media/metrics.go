package media

import (
	"github.com/prometheus/client_golang/prometheus"

	"tandem/media/kernel"
)

// PathMetrics counts what takes which path.
type PathMetrics struct{ fallbacks *prometheus.CounterVec }

// NewPathMetrics registers its metrics; each reason is there from the start.
func NewPathMetrics(registry prometheus.Registerer) *PathMetrics {
	m := &PathMetrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tandem_media_path_fallbacks_total",
		Help: "Streams, or the whole process, that could not take the kernel path, by why.",
	}, []string{"reason"})}
	for _, reason := range kernel.Reasons {
		m.fallbacks.WithLabelValues(string(reason))
	}
	for _, reason := range falls {
		m.fallbacks.WithLabelValues(reason)
	}
	registry.MustRegister(m.fallbacks)
	return m
}

// Fell is for Config.Fell, and for a kernel path that is not to be had.
func (m *PathMetrics) Fell(reason string) { m.fallbacks.WithLabelValues(reason).Inc() }

// Watch adds how many streams take which path.
func (m *PathMetrics) Watch(registry prometheus.Registerer, p *Pool) {
	for path, read := range map[string]func() int{
		"kernel": p.Below,
		"user":   func() int { return max(0, p.InUse()-p.Below()) },
	} {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tandem_media_streams", Help: "Open streams by the path of what they hear.",
			ConstLabels: prometheus.Labels{"path": path},
		}, func() float64 { return float64(read()) }))
	}
}
