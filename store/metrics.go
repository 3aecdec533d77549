package store

import (
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what a Store does. A nil *Metrics counts nothing.
type Metrics struct {
	write    prometheus.Histogram
	cdrs     prometheus.Counter
	failures prometheus.Counter
	bytes    prometheus.Gauge
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		write: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tandem_store_write_seconds", Help: "From a write's request until it is durable.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}, NativeHistogramBucketFactor: 1.1,
		}),
		cdrs:     prometheus.NewCounter(prometheus.CounterOpts{Name: "tandem_cdrs_written_total", Help: "Call records whose end was written."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "tandem_cdr_write_failures_total", Help: "Ends of calls that could not be written at a try."}),
		bytes:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "tandem_store_bytes", Help: "Size of the database file, looked at hourly."}),
	}
	reg.MustRegister(m.write, m.cdrs, m.failures, m.bytes)
	return m
}

func (m *Metrics) wrote(d time.Duration) {
	if m != nil {
		m.write.Observe(d.Seconds())
	}
}

func (m *Metrics) record(err error) {
	switch {
	case m == nil:
	case err != nil:
		m.failures.Inc()
	default:
		m.cdrs.Inc()
	}
}

func (m *Metrics) size(path string) {
	if info, err := os.Stat(path); m != nil && err == nil {
		m.bytes.Set(float64(info.Size()))
	}
}
