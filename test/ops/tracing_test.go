package ops

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlp is a collector: it takes spans by OTLP over HTTP.
type otlp struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*spans.Span
}

func newOTLP(t *testing.T) *otlp {
	o := new(otlp)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			t.Errorf("%s %v: %d octets that are no spans", r.URL, err, len(body))
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, of := range request.ResourceSpans {
			for _, in := range of.ScopeSpans {
				o.spans = append(o.spans, in.Spans...)
			}
		}
	}))
	t.Cleanup(o.Close)
	return o
}

// trace is all spans of a trace, by name.
func (o *otlp) trace(id string) map[string]*spans.Span {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make(map[string]*spans.Span)
	for _, s := range o.spans {
		if hex.EncodeToString(s.TraceId) == id {
			all[s.Name] = s
		}
	}
	return all
}

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func attribute(s *spans.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestCallIsATrace: a collector gets a call as a span with its legs in it, under
// whoever asked for it; its id is in the call and in the log.
func TestCallIsATrace(t *testing.T) {
	const caller, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	o, log := newOTLP(t), new(logged)
	w := startWith(t, "tracing: {otlp_endpoint: \""+o.URL+"\"}\n", slog.New(slog.NewTextHandler(log, nil)))
	var call struct {
		ID      string `json:"id"`
		TraceID string `json:"trace_id"`
		Legs    map[string]struct {
			SIPCallID string `json:"sip_call_id"`
		} `json:"legs"`
	}
	if err := json.Unmarshal([]byte(w.call(t, "+12025550110", "+12025550100", "traceparent", "00-"+caller+"-"+parent+"-01")), &call); err != nil {
		t.Fatal(err)
	}
	if call.TraceID != caller {
		t.Errorf("the call is in trace %q", call.TraceID)
	}
	var trace map[string]*spans.Span
	until(t, "the collector has the trace", func() bool {
		trace = o.trace(caller)
		return trace["call"] != nil
	})
	for name, under := range map[string]string{"call": "", "leg rep": "call", "confirm": "leg rep", "leg prospect": "call", "bridge": "call"} {
		s := trace[name]
		if s == nil {
			t.Errorf("no span %q", name)
			continue
		}
		want := parent
		if under != "" {
			want = hex.EncodeToString(trace[under].SpanId)
		}
		if got := hex.EncodeToString(s.ParentSpanId); got != want {
			t.Errorf("%s is under %s, not %s", name, got, want)
		}
		if s.EndTimeUnixNano <= s.StartTimeUnixNano || time.Duration(s.EndTimeUnixNano-s.StartTimeUnixNano) > time.Minute {
			t.Errorf("%s lasts from %d to %d", name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
	}
	if t.Failed() {
		return
	}
	if attribute(trace["call"], "tandem.call.id") != call.ID || attribute(trace["call"], "tandem.outcome") != "completed" {
		t.Errorf("%v", trace["call"].Attributes)
	}
	if leg := trace["leg prospect"]; attribute(leg, "sip.call_id") != call.Legs["prospect"].SIPCallID || attribute(leg, "tandem.trunk") != "simulated" || len(leg.Events) != 2 {
		t.Errorf("%v %v", leg.Attributes, leg.Events)
	}
	if !regexp.MustCompile(`msg="call ended" call=` + call.ID + ` trace_id=` + caller).MatchString(log.String()) {
		t.Errorf("no trace id in the log:\n%s", log)
	}
	for name, s := range trace {
		if text := s.String(); strings.Contains(text, "202555") {
			t.Errorf("a number is in %s: %s", name, text)
		}
	}
	// Who asks without a trace gets one of their own; who asks not to be traced is not.
	if answer := w.call(t, "+12025550110", "+12025550101"); !regexp.MustCompile(`"trace_id":"[0-9a-f]{32}"`).MatchString(answer) || strings.Contains(answer, caller) {
		t.Errorf("%s", answer)
	}
	if answer := w.call(t, "+12025550110", "+12025550101", "traceparent", "00-"+caller+"-"+parent+"-00"); !strings.Contains(answer, `"trace_id":null`) {
		t.Errorf("%s", answer)
	}
}

// TestNoNumberLeaks: whatever happens in calls, no log line, trace or metric has a
// telephone number, unless log.numbers is full; and never a password or a key.
func TestNoNumberLeaks(t *testing.T) {
	numbers := []string{"2025550110", "2025550114", "2025550100", "2025550101", "2025550104", "2025550199"}
	for _, how := range []string{"masked", "hashed", "full"} {
		t.Run(how, func(t *testing.T) {
			log := new(logged)
			w := startWith(t, "log: {numbers: "+how+"}\n", slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
			calls := [][2]string{{"+12025550110", "+12025550101"}}
			if how == "masked" {
				calls = append(calls, [2]string{"+12025550110", "+12025550100"}, [2]string{"+12025550110", "+12025550104"}, [2]string{"+12025550114", "+12025550100"})
			}
			said := ""
			for _, call := range calls {
				id := callID(w.call(t, call[0], call[1]))
				said += w.ask(t, "GET", "/v1/calls/"+id+"/trace", "")
			}
			if !strings.Contains(said, "INVITE") {
				t.Errorf("no ladder: %s", said)
			}
			said += log.String() + get(t, "http://"+w.Metrics.String()+"/metrics")
			for _, secret := range []string{canary, w.key, "response="} {
				if strings.Contains(strings.ReplaceAll(said, `response=\"***`, ""), secret) {
					t.Errorf("%q is in a ladder, the log or the metrics", secret)
				}
			}
			var leaked []string
			for _, number := range numbers {
				if strings.Contains(log.String(), number) {
					leaked = append(leaked, number)
				}
				if strings.Contains(get(t, "http://"+w.Metrics.String()+"/metrics"), number) {
					t.Errorf("%s is in the metrics", number)
				}
			}
			if shown := len(leaked) > 0; shown != (how == "full") {
				t.Errorf("%s: in the log are %v:\n%s", how, leaked, log)
			}
			if n := strings.Count(log.String(), "call ended"); n != len(calls) {
				t.Errorf("%d lines of a call's end", n)
			}
		})
	}
}
