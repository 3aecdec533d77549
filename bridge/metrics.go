package bridge

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is a Sink that counts what goes through it to another.
type Metrics struct {
	next Sink

	created   *prometheus.CounterVec
	active    *prometheus.GaugeVec
	ended     *prometheus.CounterVec
	stage     *prometheus.HistogramVec
	talk      prometheus.Histogram
	confirmed *prometheus.CounterVec
	digits    *prometheus.CounterVec
	oneWay    *prometheus.CounterVec
	mos       *prometheus.HistogramVec
	legsUp    *prometheus.GaugeVec
	legsEnded *prometheus.CounterVec
	billed    *prometheus.CounterVec
	amount    *prometheus.CounterVec
	answered  *prometheus.HistogramVec
	failovers *prometheus.CounterVec
}

// confirmations is how asking for the key can end.
var confirmations = []string{"confirmed", "declined", "timeout", "hangup"}

// NewMetrics registers the metrics with reg, all at zero, and counts before next.
func NewMetrics(reg prometheus.Registerer, next Sink, trunks []string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		next:    next,
		created: counter("tandem_calls_created_total", "Calls accepted, by where they were asked for.", "source"),
		active:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tandem_calls_active", Help: "Calls that are up, by status."}, []string{"status"}),
		ended:   counter("tandem_calls_ended_total", "Calls that have ended, by outcome.", "outcome"),
		stage: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_call_stage_seconds", Help: "How long each stage of a call took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 45}, NativeHistogramBucketFactor: 1.1,
		}, []string{"stage"}),
		talk: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tandem_call_talk_seconds", Help: "How long both parties were bridged.",
			Buckets: []float64{1, 6, 12, 30, 60, 180, 600, 1800, 3600, 7200}, NativeHistogramBucketFactor: 1.1,
		}),
		confirmed: counter("tandem_confirmations_total", "How asking the rep for the key ended; timeout is voicemail, or broken DTMF.", "result"),
		digits:    counter("tandem_dtmf_digits_total", "Keys that counted, by how they came.", "leg", "method"),
		oneWay:    counter("tandem_rtp_one_way_legs_total", "Answered legs that nothing was received from.", "leg"),
		mos: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_leg_mos", Help: "Estimated listening quality of legs, one sample a leg at its end.",
			Buckets: []float64{1, 2, 2.6, 3.1, 3.6, 4, 4.3, 4.5}, NativeHistogramBucketFactor: 1.1,
		}, []string{"leg"}),
		legsUp:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tandem_legs_active", Help: "Legs that are dialled or up."}, []string{"leg", "trunk"}),
		legsEnded: counter("tandem_legs_ended_total", "Legs that have ended; ASR is answered of all.", "leg", "trunk", "result"),
		answered: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tandem_leg_answered_seconds", Help: "How long answered legs were up; carriers count those under 6 and 12 s.",
			Buckets: []float64{1, 6, 12, 30, 60, 180, 600, 1800, 3600, 7200}, NativeHistogramBucketFactor: 1.1,
		}, []string{"leg", "trunk"}),
		failovers: counter("tandem_trunk_failovers_total", "Legs that went on over the next trunk because this one failed.", "trunk", "reason"),
	}
	m.billed = counter("tandem_billed_seconds_total", "Time that carriers bill, of legs that have ended.", "leg", "trunk")
	m.amount = counter("tandem_billed_amount_total", "What ended legs cost by their rates, in units of the currency.", "leg", "trunk", "currency")
	reg.MustRegister(m.billed, m.amount)
	reg.MustRegister(m.created, m.active, m.ended, m.stage, m.talk, m.confirmed, m.digits, m.oneWay, m.mos, m.legsUp, m.legsEnded, m.answered, m.failovers)
	m.bear(trunks)
	return m
}

// stages are what tandem_call_stage_seconds tells apart.
var stages = []string{"accept_to_invite", "rep_pdd", "rep_answer", "confirm", "confirm_to_invite", "prospect_pdd", "prospect_answer", "answer_to_bridge", "queue"}

// bear makes every series at zero.
func (m *Metrics) bear(trunks []string) {
	for _, stage := range stages {
		m.stage.WithLabelValues(stage)
	}
	for _, s := range Sources {
		m.created.WithLabelValues(string(s))
	}
	for _, s := range Statuses[:len(Statuses)-1] {
		m.active.WithLabelValues(string(s))
	}
	for _, o := range Outcomes {
		m.ended.WithLabelValues(string(o))
	}
	for _, result := range confirmations {
		m.confirmed.WithLabelValues(result)
	}
	for method := range confirmedBy {
		m.digits.WithLabelValues(string(Rep), method.String())
	}
	for _, trunk := range trunks {
		for _, reason := range failedWhy {
			m.failovers.WithLabelValues(trunk, reason)
		}
	}
	for _, side := range []Side{Rep, Prospect} {
		m.oneWay.WithLabelValues(string(side))
		m.mos.WithLabelValues(string(side))
		for _, trunk := range trunks {
			m.legsUp.WithLabelValues(string(side), trunk)
			m.answered.WithLabelValues(string(side), trunk)
			for _, result := range []string{"answered", "busy", "no_answer", "declined", "unreachable", "canceled", "error"} {
				m.legsEnded.WithLabelValues(string(side), trunk, result)
			}
		}
	}
}

// Emit counts what was kept.
func (m *Metrics) Emit(ctx context.Context, record Record, events ...Event) error {
	if err := m.next.Emit(ctx, record, events...); err != nil {
		return err
	}
	for _, e := range events {
		m.count(&record, e)
	}
	return nil
}

// SaveLeg counts what was kept with a leg.
func (m *Metrics) SaveLeg(ctx context.Context, leg SavedLeg, record Record, events ...Event) error {
	if err := m.next.SaveLeg(ctx, leg, record, events...); err != nil {
		return err
	}
	for _, e := range events {
		m.count(&record, e)
	}
	return nil
}

// entered is the status that an event leads to, and the one before it.
var entered = map[EventType]struct{ from, to Status }{
	CallQueued:       {"", Queued},
	CallRepDialing:   {Queued, CallingRep},
	CallRepAnswered:  {CallingRep, AwaitingConfirmation},
	CallRepConfirmed: {AwaitingConfirmation, CallingProspect},
	CallConnected:    {CallingProspect, InProgress},
}

func (m *Metrics) count(r *Record, e Event) {
	if step, moves := entered[e.Type]; moves && e.Attempt <= 1 {
		if step.from != "" {
			m.active.WithLabelValues(string(step.from)).Dec()
		}
		m.active.WithLabelValues(string(step.to)).Inc()
	}
	if e.Press != nil && e.Press.Counted {
		m.digits.WithLabelValues(string(Rep), e.Press.Method).Inc()
	}
	switch e.Type {
	case CallQueued:
		m.created.WithLabelValues(string(r.Asked.Source)).Inc()
	case CallRepDialing, CallProspectDialing:
		m.legsUp.WithLabelValues(string(e.Side), e.Trunk).Inc()
		if e.Side == Rep && e.Attempt <= 1 {
			m.since("accept_to_invite", r.CreatedAt, e.At)
			m.since("queue", r.CreatedAt, e.At)
		}
		if e.Side == Prospect && e.Attempt <= 1 {
			m.since("confirm_to_invite", r.ConfirmedAt, e.At)
		}
	case CallRepRinging:
		m.since("rep_pdd", r.Rep.DialedAt, e.At)
	case CallProspectRinging:
		m.since("prospect_pdd", r.Prospect.DialedAt, e.At)
	case CallRepAnswered:
		m.since("rep_answer", r.Rep.DialedAt, e.At)
	case CallRepConfirmed:
		m.since("confirm", r.Rep.AnsweredAt, e.At)
		m.confirmed.WithLabelValues("confirmed").Inc()
	case CallProspectAnswered:
		m.since("prospect_answer", r.Prospect.DialedAt, e.At)
	case CallConnected:
		m.since("answer_to_bridge", r.Prospect.AnsweredAt, e.At)
	case CallEnded:
		m.end(r, e)
	}
	if q := e.Quality; q != nil {
		if q.MOS > 0 {
			m.mos.WithLabelValues(string(e.Side)).Observe(q.MOS)
		}
	}
	if e.Flag == FlagFailoverUsed {
		m.legsUp.WithLabelValues(string(e.Side), e.Trunk).Dec()
		m.legsEnded.WithLabelValues(string(e.Side), e.Trunk, (&Leg{Hangup: e.Hangup}).result()).Inc()
		m.failovers.WithLabelValues(e.Trunk, e.Note).Inc()
	}
	if e.Flag == FlagOneWayRep || e.Flag == FlagOneWayProspect {
		m.oneWay.WithLabelValues(string(e.Side)).Inc()
	}
}

func (m *Metrics) since(stage string, begin, end time.Time) {
	if !begin.IsZero() {
		m.stage.WithLabelValues(stage).Observe(end.Sub(begin).Seconds())
	}
}

// unconfirmed is how asking for the key ended where it was not pressed.
var unconfirmed = map[Reason]string{
	ReasonRepNoConfirm: "timeout", ReasonRepVoicemail: "timeout", ReasonRepDeclinedByKey: "declined", ReasonRepLeftPrompt: "hangup",
}

func (m *Metrics) end(r *Record, e Event) {
	m.ended.WithLabelValues(string(e.Ending.Outcome)).Inc()
	m.active.WithLabelValues(string(r.last())).Dec()
	if result, asked := unconfirmed[e.Ending.Reason]; asked {
		m.confirmed.WithLabelValues(result).Inc()
	}
	if !r.ConnectedAt.IsZero() {
		m.talk.Observe(r.Talk(e.At).Seconds())
	}
	for _, side := range []Side{Rep, Prospect} {
		leg := r.Leg(side)
		if leg.DialedAt.IsZero() {
			continue
		}
		m.legsUp.WithLabelValues(string(side), leg.Trunk).Dec()
		m.legsEnded.WithLabelValues(string(side), leg.Trunk, leg.result()).Inc()
		if cost, known := leg.Cost(e.At); known && cost > 0 {
			m.billed.WithLabelValues(string(side), leg.Trunk).Add(leg.Rate.Billed(leg.Answered(e.At)).Seconds())
			m.amount.WithLabelValues(string(side), leg.Trunk, leg.Rate.Currency).Add(float64(cost) / moneyUnit)
		}
		if !leg.AnsweredAt.IsZero() {
			m.answered.WithLabelValues(string(side), leg.Trunk).Observe(leg.EndedAt.Sub(leg.AnsweredAt).Seconds())
		}
	}
}

// last is the status a call had when it ended.
func (r *Record) last() Status {
	switch {
	case !r.ConnectedAt.IsZero():
		return InProgress
	case !r.ConfirmedAt.IsZero():
		return CallingProspect
	case !r.Rep.AnsweredAt.IsZero():
		return AwaitingConfirmation
	case !r.Rep.DialedAt.IsZero():
		return CallingRep
	}
	return Queued
}

// result is a leg's end in the metric's words.
func (l *Leg) result() string {
	if !l.AnsweredAt.IsZero() {
		return "answered"
	}
	if l.Hangup == nil {
		return "canceled"
	}
	switch l.Hangup.Cause {
	case CauseBusy, CauseNoAnswer, CauseDeclined, CauseUnreachable, CauseCanceled:
		return string(l.Hangup.Cause)
	case CauseInvalidNumber:
		return "unreachable"
	}
	return "error"
}
