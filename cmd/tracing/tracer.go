package tracing

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// closeWithin is the longest that closing waits for the collector.
const closeWithin = 5 * time.Second

// Config says where traces go.
type Config struct {
	Endpoint string  // OTLP over HTTP, e.g. http://collector:4318
	Ratio    float64 // of calls, 0 to 1; a caller's own decision (traceparent) goes before it
	Version  string  // of tandem
	Log      *slog.Logger
}

// Tracer makes spans of calls. Close must follow.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	sampler  sdktrace.Sampler

	mu   sync.Mutex
	live map[string]*spans // of the calls that are up, by their ids
}

// Open returns a Tracer. It does not wait for the collector. The standard
// variables OTEL_EXPORTER_OTLP_… go before cfg.
func Open(ctx context.Context, cfg Config) (*Tracer, error) {
	var options []otlptracehttp.Option
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		at, err := url.Parse(cfg.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("tracing: %w", err)
		}
		if at.Path == "" || at.Path == "/" {
			at.Path = "/v1/traces"
		}
		options = append(options, otlptracehttp.WithEndpointURL(at.String()))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { cfg.Log.Warn("tracing: collector not reached", "err", err) }))
	t := &Tracer{live: make(map[string]*spans), sampler: sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithSampler(t.sampler), sdktrace.WithIDGenerator(ids{}),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "tandem"), attribute.String("service.version", cfg.Version))))
	t.tracer = t.provider.Tracer("tandem")
	return t, nil
}

// Close sends what is left, and waits for that a while.
func (t *Tracer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	return nil
}

// ID is the id of the trace that a call is in, or "" where it is in none; for
// bridge.Config.Trace.
func (t *Tracer) ID(call, traceparent string) string {
	ctx, id := root(call, traceparent)
	decision := t.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: ctx, TraceID: id}).Decision
	if decision != sdktrace.RecordAndSample {
		return ""
	}
	return id.String()
}

// root is where a call's trace begins: in the trace of who asked for it, or in one
// whose id follows from the call's.
func root(call, traceparent string) (context.Context, trace.TraceID) {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() {
		return ctx, parent.TraceID()
	}
	sum := sha256.Sum256([]byte(call))
	id := trace.TraceID(sum[:16])
	return context.WithValue(ctx, wanted{}, id), id
}

// wanted is the key of the trace id that a root span is to have.
type wanted struct{}

// ids gives a root span the trace id that its context names.
type ids struct{}

func (g ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, _ := ctx.Value(wanted{}).(trace.TraceID)
	return id, g.NewSpanID(ctx, id)
}

func (ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	for !id.IsValid() {
		for i := range id {
			id[i] = byte(rand.Uint32())
		}
	}
	return id
}
