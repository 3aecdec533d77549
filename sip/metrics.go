package sip

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Label values, all of them closed lists.
const (
	inbound  = "in"
	outbound = "out"

	dropParse      = "parse"
	dropNotAllowed = "not_allowed"
	dropRate       = "rate"
	dropLoop       = "loop"

	authRefused     = "refused"     // our answer to the challenge was not accepted
	authUnsupported = "unsupported" // no challenge we can or may answer

	other = "other"
)

// metricMethods and metricCodes bound the series: what is in neither is "other".
var (
	metricMethods = []string{
		"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO", "NOTIFY", "REGISTER", "REFER", other,
	}
	metricCodes = []int{
		100, 180, 181, 182, 183, 200, 202, 300, 302, 400, 401, 403, 404, 405, 407, 408, 410, 415, 420, 421, 422, 480, 481,
		482, 483, 484, 486, 487, 488, 491, 500, 501, 502, 503, 504, 600, 603, 604, 606, 607, 608,
	}
)

// Metrics counts what the Endpoint does. A nil *Metrics counts nothing.
type Metrics struct {
	requests        *prometheus.CounterVec
	responses       *prometheus.CounterVec
	retransmissions *prometheus.CounterVec
	timeouts        *prometheus.CounterVec
	dropped         *prometheus.CounterVec

	up, inUse, reserved, limit *prometheus.GaugeVec
	cpsLimit                   *prometheus.GaugeVec
	cpsWaits                   *prometheus.CounterVec
	cpsWait                    *prometheus.HistogramVec
	authFailures               *prometheus.CounterVec
	faults                     *prometheus.CounterVec
	options                    *prometheus.HistogramVec
	registration, expires      *prometheus.GaugeVec

	methods map[string]bool
	codes   map[int]string
}

// NewMetrics registers the metrics with reg, every trunk's series at zero.
func NewMetrics(reg prometheus.Registerer, trunks []string) *Metrics {
	m := &Metrics{
		requests:        counter("tandem_sip_requests_total", "SIP requests received and sent, retransmissions left out.", "direction", "method"),
		responses:       counter("tandem_sip_responses_total", "SIP responses received and sent, by the method they answer.", "direction", "method", "code"),
		retransmissions: counter("tandem_sip_retransmissions_total", "SIP datagrams seen before, by direction.", "direction"),
		timeouts:        counter("tandem_sip_transaction_timeouts_total", "SIP requests that were never finally answered.", "method"),
		dropped:         counter("tandem_sip_dropped_total", "SIP messages thrown away before they reached a call.", "reason"),

		up:       gauge("tandem_trunk_up", "1 while the trunk answers, 0 when the last request found nobody."),
		inUse:    gauge("tandem_trunk_channels_in_use", "Legs up or being set up on the trunk."),
		reserved: gauge("tandem_trunk_channels_reserved", "Channels promised to calls whose leg is not dialled yet."),
		limit:    gauge("tandem_trunk_channels_limit", "Channels the trunk has, 0 for no limit."),
		cpsLimit: gauge("tandem_trunk_cps_limit", "INVITEs a second the trunk takes, 0 for no limit."),
		cpsWaits: counter("tandem_trunk_cps_waits_total", "Calls that had to wait for the trunk's calls-per-second limit.", "trunk"),
		cpsWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_trunk_cps_wait_seconds", Help: "How long calls waited for the trunk's calls-per-second limit.",
			Buckets:                     []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
			NativeHistogramBucketFactor: 1.1,
		}, []string{"trunk"}),
		authFailures: counter("tandem_trunk_auth_failures_total", "Digest challenges of the trunk that ended in failure.", "trunk", "reason"),
		faults:       counter("tandem_trunk_faults_total", "Calls that failed because of the trunk, by what is wrong with it.", "trunk", "reason"),
		registration: gauge("tandem_trunk_registered", "1 while we are registered at the trunk, 0 otherwise."),
		expires:      gauge("tandem_trunk_registration_expires_timestamp_seconds", "When the registration runs out, in Unix time; 0 = there is none."),
		options: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_trunk_options_seconds", Help: "Round trips of OPTIONS to the trunk.",
			Buckets:                     []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 4, 8},
			NativeHistogramBucketFactor: 1.1,
		}, []string{"trunk"}),

		methods: make(map[string]bool),
		codes:   make(map[int]string),
	}
	reg.MustRegister(m.requests, m.responses, m.retransmissions, m.timeouts, m.dropped, m.up, m.inUse, m.reserved,
		m.limit, m.cpsLimit, m.cpsWaits, m.cpsWait, m.authFailures, m.options, m.faults, m.registration, m.expires)
	m.zero(trunks)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"trunk"})
}

// zero gives birth to the series whose first increment an alert must see.
func (m *Metrics) zero(trunks []string) {
	for _, code := range metricCodes {
		m.codes[code] = strconv.Itoa(code)
	}
	for _, method := range metricMethods {
		m.methods[method] = true
		m.timeouts.WithLabelValues(method)
		for _, direction := range []string{inbound, outbound} {
			m.requests.WithLabelValues(direction, method)
		}
	}
	m.retransmissions.WithLabelValues(inbound)
	m.retransmissions.WithLabelValues(outbound)
	for _, reason := range []string{dropParse, dropNotAllowed, dropRate, dropLoop} {
		m.dropped.WithLabelValues(reason)
	}
	for _, name := range trunks {
		m.trunk(TrunkConfig{Name: name})
		m.cpsWaits.WithLabelValues(name)
		m.cpsWait.WithLabelValues(name)
		m.options.WithLabelValues(name)
		m.registered(name, time.Time{})
		for _, reason := range []string{authRefused, authUnsupported} {
			m.authFailures.WithLabelValues(name, reason)
		}
		for _, f := range Faults() {
			m.faults.WithLabelValues(name, string(f))
		}
	}
}

func (m *Metrics) method(method sipmsg.RequestMethod) string {
	if m.methods[string(method)] {
		return string(method)
	}
	return other
}

func (m *Metrics) code(code int) string {
	if text, ok := m.codes[code]; ok {
		return text
	}
	return other
}

// message counts a SIP message going in or out.
func (m *Metrics) message(direction string, msg sipmsg.Message) {
	if m == nil {
		return
	}
	switch msg := msg.(type) {
	case *sipmsg.Request:
		m.request(direction, msg.Method)
	case *sipmsg.Response:
		m.responses.WithLabelValues(direction, m.method(methodOf(msg)), m.code(msg.StatusCode)).Inc()
	}
}

// request counts a request, also one that sipgo sends by itself.
func (m *Metrics) request(direction string, method sipmsg.RequestMethod) {
	if m != nil {
		m.requests.WithLabelValues(direction, m.method(method)).Inc()
	}
}

func (m *Metrics) retransmission(direction string) {
	if m != nil {
		m.retransmissions.WithLabelValues(direction).Inc()
	}
}

func (m *Metrics) timeout(method sipmsg.RequestMethod) {
	if m != nil {
		m.timeouts.WithLabelValues(m.method(method)).Inc()
	}
}

func (m *Metrics) drop(reason string) {
	if m != nil {
		m.dropped.WithLabelValues(reason).Inc()
	}
}

// trunk publishes a trunk's limits; it counts as up until it proves otherwise.
func (m *Metrics) trunk(t TrunkConfig) {
	if m == nil {
		return
	}
	m.limit.WithLabelValues(t.Name).Set(max(0, float64(t.Channels)))
	m.cpsLimit.WithLabelValues(t.Name).Set(max(0, t.CPS))
	m.channels(t.Name, 0, 0)
	m.trunkUp(t.Name, true)
}

// trunkGone ends the series of a trunk that is no more.
func (m *Metrics) trunkGone(name string) {
	if m == nil {
		return
	}
	label := prometheus.Labels{"trunk": name}
	for _, gauge := range []*prometheus.GaugeVec{m.up, m.inUse, m.reserved, m.limit, m.cpsLimit, m.registration, m.expires} {
		gauge.DeletePartialMatch(label)
	}
	m.cpsWaits.DeletePartialMatch(label)
	m.authFailures.DeletePartialMatch(label)
	m.faults.DeletePartialMatch(label)
	m.cpsWait.DeletePartialMatch(label)
	m.options.DeletePartialMatch(label)
}

func (m *Metrics) trunkUp(name string, up bool) {
	if m == nil {
		return
	}
	value := 0.0
	if up {
		value = 1
	}
	m.up.WithLabelValues(name).Set(value)
}

func (m *Metrics) probed(name string, took time.Duration) {
	if m != nil {
		m.options.WithLabelValues(name).Observe(took.Seconds())
	}
}

// registered publishes until when a trunk has us registered; zero = it has not.
func (m *Metrics) registered(name string, until time.Time) {
	if m == nil {
		return
	}
	is, at := 0.0, 0.0
	if !until.IsZero() {
		is, at = 1, float64(until.Unix())
	}
	m.registration.WithLabelValues(name).Set(is)
	m.expires.WithLabelValues(name).Set(at)
}

func (m *Metrics) channels(name string, inUse, reserved int) {
	if m != nil {
		m.inUse.WithLabelValues(name).Set(float64(inUse))
		m.reserved.WithLabelValues(name).Set(float64(reserved))
	}
}

func (m *Metrics) turn(name string, waited time.Duration) {
	if m != nil {
		m.cpsWaits.WithLabelValues(name).Inc()
		m.cpsWait.WithLabelValues(name).Observe(waited.Seconds())
	}
}

func (m *Metrics) fault(name string, f Fault) {
	if m != nil {
		m.faults.WithLabelValues(name, string(f)).Inc()
	}
}

func (m *Metrics) authFailure(name, reason string) {
	if m != nil {
		m.authFailures.WithLabelValues(name, reason).Inc()
	}
}
