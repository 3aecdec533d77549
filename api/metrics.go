package api

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what a Server does. A nil *Metrics counts nothing.
type Metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	rejects   *prometheus.CounterVec
	replays   prometheus.Counter
	streams   prometheus.Gauge
	tooSlow   prometheus.Counter
	attempts  *prometheus.CounterVec
	attempt   prometheus.Histogram
	templates map[string]bool
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tandem_http_requests_total", Help: "Requests answered, by the route's template.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_http_request_seconds", Help: "From a request to its answer; streams and long polls last.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 30}, NativeHistogramBucketFactor: 1.1,
		}, []string{"route", "method"}),
		rejects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tandem_calls_rejected_total", Help: "Calls refused before any SIP, by the problem's code.",
		}, []string{"code"}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tandem_idempotent_replays_total", Help: "Requests answered from an earlier one with the same Idempotency-Key.",
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tandem_sse_clients", Help: "Event streams that are open."}),
		tooSlow: prometheus.NewCounter(prometheus.CounterOpts{Name: "tandem_sse_dropped_total", Help: "Event streams dropped because the client did not read."}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tandem_webhook_attempts_total", Help: "Attempts to deliver an event to a webhook endpoint, by how they ended.",
		}, []string{"result"}),
		attempt: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tandem_webhook_attempt_seconds", Help: "How long an attempt to deliver an event took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15}, NativeHistogramBucketFactor: 1.1,
		}),
		templates: make(map[string]bool),
	}
	reg.MustRegister(m.requests, m.seconds, m.rejects, m.replays, m.streams, m.tooSlow, m.attempts, m.attempt)
	for _, result := range []string{"ok", "http_error", "timeout", "refused", "blocked"} {
		m.attempts.WithLabelValues(result)
	}
	for code := range kinds {
		m.rejects.WithLabelValues(code)
	}
	for _, r := range routes {
		m.templates[r.path] = true
	}
	return m
}

var httpMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

func (m *Metrics) request(path, method string, status int, d time.Duration) {
	if m == nil {
		return
	}
	if !m.templates[path] {
		path = "other"
	}
	if !slices.Contains(httpMethods, method) {
		method = "other"
	}
	m.requests.WithLabelValues(path, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(path, method).Observe(d.Seconds())
}

func (m *Metrics) rejected(code string) {
	if m != nil {
		m.rejects.WithLabelValues(code).Inc()
	}
}

func (m *Metrics) replayed() {
	if m != nil {
		m.replays.Inc()
	}
}

func (m *Metrics) clients(n float64) {
	if m != nil {
		m.streams.Add(n)
	}
}

func (m *Metrics) dropped() {
	if m != nil {
		m.tooSlow.Inc()
	}
}

func (m *Metrics) attempted(result string, d time.Duration) {
	if m != nil {
		m.attempts.WithLabelValues(result).Inc()
		m.attempt.Observe(d.Seconds())
	}
}
