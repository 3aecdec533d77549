package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"tandem/bridge"
)

// Sink makes spans of what next has kept.
func (t *Tracer) Sink(next bridge.Sink) bridge.Sink { return &sink{next, t} }

type sink struct {
	bridge.Sink
	t *Tracer
}

func (s *sink) Emit(ctx context.Context, record bridge.Record, events ...bridge.Event) error {
	if err := s.Sink.Emit(ctx, record, events...); err != nil {
		return err // they come again
	}
	s.t.tell(&record, events)
	return nil
}

func (s *sink) SaveLeg(ctx context.Context, leg bridge.SavedLeg, record bridge.Record, events ...bridge.Event) error {
	if err := s.Sink.SaveLeg(ctx, leg, record, events...); err != nil {
		return err
	}
	s.t.tell(&record, events)
	return nil
}

// tell makes spans of events that are kept.
func (t *Tracer) tell(record *bridge.Record, events []bridge.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range events {
		e := &events[i]
		if e.Type == bridge.CallQueued {
			t.live[e.Call] = t.begin(record, e)
		}
		s := t.live[e.Call]
		if s == nil {
			continue // begun by another process
		}
		s.next(t.tracer, e)
		if e.Type == bridge.CallEnded {
			delete(t.live, e.Call)
		}
	}
}

// spans are those of one call that is up.
type spans struct {
	ctx     context.Context
	root    trace.Span
	legs    map[bridge.Side]trace.Span
	confirm trace.Span // nil = not asked, or answered
	bridge  trace.Span // nil = not connected
}

func (t *Tracer) begin(record *bridge.Record, e *bridge.Event) *spans {
	ctx, _ := root(record.ID, record.Asked.Traceparent)
	s := &spans{legs: make(map[bridge.Side]trace.Span)}
	s.ctx, s.root = t.tracer.Start(ctx, "call", trace.WithTimestamp(e.At), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("tandem.call.id", record.ID), attribute.String("tandem.call.kind", string(record.Asked.Kind)), attribute.String("tandem.source", string(record.Asked.Source))))
	return s
}

// next is what one event means to the spans.
func (s *spans) next(tracer trace.Tracer, e *bridge.Event) {
	at := trace.WithTimestamp(e.At)
	switch e.Type {
	case bridge.CallRepDialing, bridge.CallProspectDialing:
		s.endLeg(e.Side, at) // another trunk is tried
		_, s.legs[e.Side] = tracer.Start(s.ctx, "leg "+string(e.Side), at, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("tandem.leg", string(e.Side)), attribute.String("tandem.trunk", e.Trunk),
			attribute.String("sip.method", "INVITE"), attribute.String("sip.call_id", e.SIPCallID)))
	case bridge.CallRepRinging, bridge.CallProspectRinging:
		s.note(e.Side, "ringing", at)
	case bridge.CallRepAnswered:
		s.note(e.Side, "answered", at)
		if leg := s.legs[e.Side]; leg != nil {
			_, s.confirm = tracer.Start(trace.ContextWithSpan(s.ctx, leg), "confirm", at)
		}
	case bridge.CallRepConfirmed:
		if s.confirm != nil {
			s.confirm.SetAttributes(attribute.String("tandem.confirmed", string(e.Flag)))
		}
		s.end(&s.confirm, at)
	case bridge.CallProspectAnswered:
		s.note(e.Side, "answered", at)
	case bridge.CallConnected:
		_, s.bridge = tracer.Start(s.ctx, "bridge", at)
	case bridge.CallEnded:
		s.end(&s.confirm, at)
		s.end(&s.bridge, at)
		s.endLeg(bridge.Prospect, at)
		s.endLeg(bridge.Rep, at)
		s.root.SetAttributes(attribute.String("tandem.outcome", string(e.Ending.Outcome)), attribute.String("tandem.reason", string(e.Ending.Reason)))
		if e.Ending.Outcome == bridge.Failed {
			s.root.SetStatus(codes.Error, string(e.Ending.Reason))
		}
		s.root.End(at)
	}
	if e.Hangup != nil {
		s.hungUp(e, at)
	}
}

// hungUp is the end of a leg.
func (s *spans) hungUp(e *bridge.Event, at trace.SpanEventOption) {
	leg := s.legs[e.Side]
	if leg == nil {
		return
	}
	leg.SetAttributes(attribute.String("tandem.cause", string(e.Hangup.Cause)))
	if e.Hangup.SIPCode != 0 {
		leg.SetAttributes(attribute.Int("sip.response.status_code", e.Hangup.SIPCode))
	}
	if e.Quality != nil && e.Quality.MOS > 0 {
		leg.SetAttributes(attribute.Float64("tandem.mos", e.Quality.MOS))
	}
	s.end(&s.bridge, at) // with either leg
	if e.Side == bridge.Rep {
		s.end(&s.confirm, at)
	}
	s.endLeg(e.Side, at)
}

func (s *spans) note(side bridge.Side, what string, at trace.SpanEventOption) {
	if leg := s.legs[side]; leg != nil {
		leg.AddEvent(what, at)
	}
}

func (s *spans) endLeg(side bridge.Side, at trace.SpanEventOption) {
	if leg := s.legs[side]; leg != nil {
		leg.End(at)
		delete(s.legs, side)
	}
}

func (s *spans) end(span *trace.Span, at trace.SpanEventOption) {
	if *span != nil {
		(*span).End(at)
		*span = nil
	}
}
