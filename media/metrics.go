package media

import (
	"time"

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

// Metrics counts what streams carry, by leg. Streams bring it up to date every
// few seconds and when they close, so that a packet costs nothing.
type Metrics struct {
	packets, octets                  *prometheus.CounterVec
	lost, late, duplicate, reordered *prometheus.CounterVec
	rejected, suspect                *prometheus.CounterVec
	silent, changes                  *prometheus.CounterVec
	jitter, roundTrip                *prometheus.HistogramVec
	forward                          prometheus.Histogram
}

// legs are the names of streams that are counted.
var legs = [...]string{"rep", "prospect"}

// NewMetrics registers all metrics, every series at zero.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets ...float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets, NativeHistogramBucketFactor: 1.1,
		}, []string{"leg"})
		registry.MustRegister(h)
		return h
	}
	m := &Metrics{
		packets:   counter("tandem_rtp_packets_total", "RTP packets received and sent.", "leg", "direction"),
		octets:    counter("tandem_rtp_bytes_total", "Octets of their payload.", "leg", "direction"),
		lost:      counter("tandem_rtp_lost_packets_total", "RTP packets that did not come, by their sequence numbers.", "leg"),
		late:      counter("tandem_rtp_late_packets_total", "RTP packets more than 60 ms later than the quickest.", "leg"),
		duplicate: counter("tandem_rtp_duplicate_packets_total", "RTP packets that came again.", "leg"),
		reordered: counter("tandem_rtp_reordered_packets_total", "RTP packets that came after a later one.", "leg"),
		rejected:  counter("tandem_rtp_rejected_packets_total", "Packets that are not the far end's sound, by why.", "reason"),
		suspect:   counter("tandem_rtp_suspect_packets_total", "Packets such as an attack has, by kind.", "reason"),
		silent:    counter("tandem_rtp_silent_legs_total", "Legs that sent nothing but comfort noise or digital silence.", "leg"),
		changes:   counter("tandem_rtp_source_changes_total", "Times a far end's address became another.", "leg"),
		jitter: histogram("tandem_rtp_jitter_seconds", "Interarrival jitter (RFC 3550), one sample a leg every ten seconds.",
			.001, .002, .005, .01, .02, .04, .08, .16, .32),
		roundTrip: histogram("tandem_rtp_round_trip_seconds", "Round trip to the far end by RTCP, one sample a leg every ten seconds.",
			.005, .01, .025, .05, .1, .2, .4, .8, 1.6),
		forward: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tandem_media_forward_seconds", Help: "From packet in to packet out on the user path, of one packet in 64.",
			Buckets: []float64{.00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01, .02}, NativeHistogramBucketFactor: 1.1,
		}),
	}
	registry.MustRegister(m.forward)
	for _, leg := range legs {
		m.bear(leg)
	}
	for _, reason := range rejections {
		m.rejected.WithLabelValues(reason)
	}
	for _, reason := range suspicions {
		m.suspect.WithLabelValues(reason)
	}
	return m
}

func (m *Metrics) bear(leg string) {
	for _, c := range []*prometheus.CounterVec{m.packets, m.octets} {
		c.WithLabelValues(leg, "in")
		c.WithLabelValues(leg, "out")
	}
	for _, c := range []*prometheus.CounterVec{m.lost, m.late, m.duplicate, m.reordered, m.silent, m.changes} {
		c.WithLabelValues(leg)
	}
	m.jitter.WithLabelValues(leg)
	m.roundTrip.WithLabelValues(leg)
}

// observe takes how long packets were here; nil where nobody counts.
func (m *Metrics) observe() observe {
	if m == nil {
		return nil
	}
	return func(d time.Duration) { m.forward.Observe(d.Seconds()) }
}

// of returns the meter of a leg's stream; nil where nobody counts.
func (m *Metrics) of(leg string) *meter {
	for _, known := range legs {
		if m != nil && leg == known {
			return &meter{m: m, leg: leg}
		}
	}
	return nil
}

// meter counts one stream. A nil one does nothing.
type meter struct {
	m       *Metrics
	leg     string
	counted Stats // so far
	sampled time.Time
}

// sampleEvery is how often jitter and round trip are observed.
const sampleEvery = 10 * time.Second

// sample brings the metrics up to date.
func (m *meter) sample(now time.Time, s Stats) {
	if m == nil {
		return
	}
	m.count(s)
	if s.Received == 0 || now.Sub(m.sampled) < sampleEvery {
		return
	}
	m.sampled = now
	m.m.jitter.WithLabelValues(m.leg).Observe(s.Jitter.Seconds())
	if s.Far.Reports > 0 && s.RTT > 0 {
		m.m.roundTrip.WithLabelValues(m.leg).Observe(s.RTT.Seconds())
	}
}

// end is the last sample.
func (m *meter) end(s Stats) {
	if m == nil {
		return
	}
	m.count(s)
	if s.Silent {
		m.m.silent.WithLabelValues(m.leg).Inc()
	}
}

// count adds what came since it was counted last. What was lost may have come
// since: then it is counted once it is lost again.
func (m *meter) count(s Stats) {
	was := m.counted
	for _, c := range []struct {
		vec     *prometheus.CounterVec
		labels  []string
		is, was uint64
	}{
		{m.m.packets, []string{m.leg, "in"}, s.Received, was.Received},
		{m.m.packets, []string{m.leg, "out"}, s.Sent, was.Sent},
		{m.m.octets, []string{m.leg, "in"}, s.Bytes, was.Bytes},
		{m.m.octets, []string{m.leg, "out"}, s.SentBytes, was.SentBytes},
		{m.m.lost, []string{m.leg}, s.Lost, was.Lost},
		{m.m.late, []string{m.leg}, s.Late, was.Late},
		{m.m.duplicate, []string{m.leg}, s.Duplicate, was.Duplicate},
		{m.m.reordered, []string{m.leg}, s.Reordered, was.Reordered},
		{m.m.changes, []string{m.leg}, s.SourceChanges, was.SourceChanges},
	} {
		if c.is > c.was {
			c.vec.WithLabelValues(c.labels...).Add(float64(c.is - c.was))
		}
	}
	for i, reason := range rejections {
		m.m.rejected.WithLabelValues(reason).Add(float64(s.Rejected[i] - was.Rejected[i]))
	}
	for i, reason := range suspicions {
		m.m.suspect.WithLabelValues(reason).Add(float64(s.Suspect[i] - was.Suspect[i]))
	}
	s.Lost = max(s.Lost, was.Lost)
	m.counted = s
}
