package media

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// value is a counter's, or how often a histogram observed.
func value(t *testing.T, registry *prometheus.Registry, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for _, pair := range m.GetLabel() {
				if labels[pair.GetName()] != pair.GetValue() {
					continue series
				}
			}
			if h := m.GetHistogram(); h != nil {
				return float64(h.GetSampleCount())
			}
			return m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no %s%v", name, labels)
	return 0
}

func TestMetricsSayWhatPassed(t *testing.T) {
	inBubble(t, func(w *world) {
		registry := prometheus.NewRegistry()
		w.rep.Close()
		w.prospect.Close()
		<-time.After(w.pool.cfg.Cool)
		w.pool.cfg.Metrics = NewMetrics(registry)
		side := Side{Name: "rep", Address: w.pool.cfg.Bind, Codecs: []Codec{PCMU, PCMA}, EventPT: 101}
		other := side
		other.Name = "prospect"
		a, b, err := w.pool.OpenPair(side, other)
		if err != nil {
			t.Fatal(err)
		}
		for s, p := range map[*Stream]*phone{a: w.ana, b: w.jane} {
			p.to = s.ours.addr
			if err := s.Accept(p.sdp()); err != nil {
				t.Fatal(err)
			}
		}
		defer Join(a, b)()
		leg := map[string]string{"leg": "rep"}
		if n := value(t, registry, "tandem_rtp_packets_total", map[string]string{"leg": "rep", "direction": "in"}); n != 0 {
			t.Errorf("%v packets at first", n)
		}
		w.ana.talk(100, 0x21)
		w.ana.seq += 3
		w.ana.ts += 3 * frameSamples
		w.ana.talk(800, 0x21)
		w.jane.heard()
		w.jane.talk(50, 0xd5) // digital silence
		again := *w.ana
		again.seq--
		again.packet(again.pt, again.ts-frameSamples, []byte{1})
		stray := *w.jane
		stray.to = w.ana.to
		stray.talk(4, 0x21)
		w.ana.packet(18, 0, []byte{1})
		w.jane.heard()
		if n := value(t, registry, "tandem_rtp_packets_total", map[string]string{"leg": "rep", "direction": "in"}); n < 500 { // the last report may be 7.5 s old
			t.Errorf("while the call is up %v packets are counted", n)
		}
		a.Close()
		b.Close()
		for _, tt := range []struct {
			name   string
			labels map[string]string
			want   float64
		}{
			{"tandem_rtp_packets_total", map[string]string{"leg": "rep", "direction": "in"}, 900},
			{"tandem_rtp_bytes_total", map[string]string{"leg": "rep", "direction": "in"}, 900 * frameSamples},
			{"tandem_rtp_packets_total", map[string]string{"leg": "prospect", "direction": "out"}, 900},
			{"tandem_rtp_packets_total", map[string]string{"leg": "rep", "direction": "out"}, 50},
			{"tandem_rtp_lost_packets_total", leg, 3},
			{"tandem_rtp_duplicate_packets_total", leg, 1},
			{"tandem_rtp_reordered_packets_total", leg, 0},
			{"tandem_rtp_rejected_packets_total", map[string]string{"reason": "source"}, 4},
			{"tandem_rtp_rejected_packets_total", map[string]string{"reason": "payload"}, 1},
			{"tandem_rtp_suspect_packets_total", map[string]string{"reason": "source"}, 4},
			{"tandem_rtp_silent_legs_total", map[string]string{"leg": "prospect"}, 1},
			{"tandem_rtp_silent_legs_total", leg, 0},
		} {
			if got := value(t, registry, tt.name, tt.labels); got != tt.want {
				t.Errorf("%s%v is %v, want %v", tt.name, tt.labels, got, tt.want)
			}
		}
		if n := value(t, registry, "tandem_rtp_jitter_seconds", leg); n < 1 || n > 3 { // in 19 s
			t.Errorf("jitter was observed %v times", n)
		}
	})
}
