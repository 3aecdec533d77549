package sip

import (
	"context"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
)

// measure returns the value of a counter or gauge with these label values, in
// the order of their names.
func measure(t *testing.T, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	series:
		for _, m := range family.GetMetric() {
			for i, label := range m.GetLabel() {
				if label.GetValue() != labels[i] {
					continue series
				}
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("no %s %v", name, labels)
	return 0
}

func TestMetricsOfOneCall(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg, []string{"carrier"})
	inBubble(t, func(w *world) {
		release, err := w.e.Reserve("carrier", "carrier")
		if err != nil {
			t.Fatal(err)
		}
		l, inv := w.connect(invite())
		want := func(want float64, name string, labels ...string) {
			t.Helper()
			if got := measure(t, reg, name, labels...); got != want {
				t.Errorf("%s %v = %v, want %v", name, labels, got, want)
			}
		}
		want(1, "tandem_trunk_channels_in_use", "carrier")
		want(1, "tandem_trunk_channels_reserved", "carrier")
		w.ok(inv, "callee")    // again
		w.receive(time.Second) // the ACK again
		l.Hangup(Reason{})
		w.answerBye()
		<-l.Done()
		release()
		want(0, "tandem_trunk_channels_in_use", "carrier")
		want(0, "tandem_trunk_channels_reserved", "carrier")
		want(1, "tandem_sip_requests_total", outbound, "INVITE")
		want(2, "tandem_sip_requests_total", outbound, "ACK")
		want(1, "tandem_sip_requests_total", outbound, "BYE")
		want(1, "tandem_sip_responses_total", "180", inbound, "INVITE")
		want(2, "tandem_sip_responses_total", "200", inbound, "INVITE")
		want(1, "tandem_sip_retransmissions_total", inbound)
		want(1, "tandem_sip_retransmissions_total", outbound)
		want(1, "tandem_trunk_up", "carrier")
		if _, err := w.e.Dial(context.Background(), Invite{Trunk: "carrier", To: "+1", From: "+1"}); err == nil {
			t.Error("nobody answered, and yet")
		}
		want(0, "tandem_trunk_up", "carrier")
		want(1, "tandem_sip_transaction_timeouts_total", "INVITE")
	}, func(c *Config) { c.Metrics = metrics })
}

// Every code and method a peer can think of: the series stay few.
func TestSeriesAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg, []string{"carrier"})
	for code := range 1000 {
		if text := metrics.code(code); text == "" {
			t.Fatal(code)
		}
	}
	for _, method := range []sipmsg.RequestMethod{"INVITE", "FLY", "", "invite"} {
		metrics.timeout(method)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, family := range families {
		n += len(family.GetMetric())
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", family.GetName())
		}
	}
	if n > 200 {
		t.Errorf("%d series before the first call", n)
	}
}
