package bridge

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestGaugesReturnToZero(t *testing.T) {
	inBubble(t, func(w *world) {
		reg := prometheus.NewRegistry()
		m := NewMetrics(reg, w, []string{"carrier"})
		w.b.Sink = m
		w.connect(Request{To: prospectNumber})
		w.until(CallConnected)
		if got := testutil.ToFloat64(m.active.WithLabelValues(string(InProgress))); got != 1 {
			t.Errorf("%v calls in progress", got)
		}
		w.hangUp(prospectNumber)
		w.wantEnd(Completed, ReasonCompleted, ByProspect)
		for _, s := range Statuses[:5] {
			if got := testutil.ToFloat64(m.active.WithLabelValues(string(s))); got != 0 {
				t.Errorf("%v calls %s", got, s)
			}
		}
		for _, side := range []string{"rep", "prospect"} {
			if up, ended := testutil.ToFloat64(m.legsUp.WithLabelValues(side, "carrier")), testutil.ToFloat64(m.legsEnded.WithLabelValues(side, "carrier", "answered")); up != 0 || ended != 1 {
				t.Errorf("%s: %v up, %v ended", side, up, ended)
			}
		}
		if got := testutil.CollectAndCount(m.stage); got != len(stages) {
			t.Errorf("%d stages", got)
		}
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			for _, series := range f.Metric {
				if f.GetName() == "tandem_call_stage_seconds" && series.Histogram.GetSampleCount() != 1 {
					t.Errorf("stage %s was seen %d times", series.Label[0].GetValue(), series.Histogram.GetSampleCount())
				}
			}
		}
		if got := testutil.ToFloat64(m.ended.WithLabelValues("completed")); got != 1 {
			t.Errorf("%v completed", got)
		}
	})
}
