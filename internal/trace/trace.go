// Package trace follows requests through the server and tells a collector of
// them. It is the one door to OpenTelemetry: its SDK makes spans, its exporter
// sends them by OTLP over HTTP, and what Config doesn't say its own variables do
// (OTEL_EXPORTER_OTLP_…, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_TRACES_SAMPLER, OTEL_BSP_…).
//
// A server that doesn't trace has no Tracer, and a request that isn't sampled has
// no Span. A collector that is slow or gone costs spans and never a request. No
// secret is an attribute: callers give names, ids of clients and hosts, never
// what was sent; an error is told by its kind, never by its text.
package trace

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"
)

// Config says where traces go. Its zero value leaves all to the variables.
type Config struct {
	Endpoint string            // of the collector, such as http://localhost:4318
	Headers  map[string]string // sent along, such as a collector's key
	Ratio    *float64          // of the requests that nobody decided about, those that are traced
	Version  string
	Log      *slog.Logger
}

// Tracer makes spans. They are sent from Start to Stop.
type Tracer struct {
	provider *sdk.TracerProvider
	spans    otel.Tracer
	sender   *sender
}

// New makes a Tracer. It speaks to nobody before Start.
func New(ctx context.Context, c Config) (*Tracer, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	exporter, err := otlptracehttp.New(ctx, c.destination()...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "valetkey"), attribute.String("service.version", c.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv()) // a later one wins
	if err != nil {
		c.Log.WarnContext(ctx, "OTEL_RESOURCE_ATTRIBUTES isn't written as key=value,key=value; a part of it is left out")
	}
	options := []sdk.TracerProviderOption{sdk.WithResource(about)}
	if c.Ratio != nil {
		options = append(options, sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(*c.Ratio))))
	}
	t := &Tracer{provider: sdk.NewTracerProvider(options...), sender: &sender{SpanExporter: exporter, log: c.Log}}
	t.spans = t.provider.Tracer("github.com/valetkey/valetkey", otel.WithInstrumentationVersion(c.Version))
	return t, nil
}

func (c Config) destination() (options []otlptracehttp.Option) {
	if c.Endpoint != "" {
		options = append(options, otlptracehttp.WithEndpointURL(strings.TrimSuffix(c.Endpoint, "/")+"/v1/traces"))
	}
	if len(c.Headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(c.Headers))
	}
	return options
}

// Start has spans sent from now on.
func (t *Tracer) Start() {
	t.provider.RegisterSpanProcessor(queue{sdk.NewBatchSpanProcessor(t.sender, sdk.WithMaxQueueSize(maxQueue)), t.sender})
}

// stopWithin is how long what is left at the end may take. A server has ten
// seconds to stop, of which requests under way may take nine.
const stopWithin = 700 * time.Millisecond

// Stop sends what is left, if that is quick.
func (t *Tracer) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what failed is counted
	_ = t.sender.Shutdown(ctx)   // ends a try that is under way
}

// Stats tells how many spans arrived, and how many were given up.
func (t *Tracer) Stats() (sent, dropped uint64) { return t.sender.sent.Load(), t.sender.dropped.Load() }

// Span is that of a request. A nil one is a request that isn't sampled.
type Span struct{ is otel.Span }

// Request begins the span of a request. header is what it came with, when who
// sent it may say that a trace of theirs goes on here; else nil.
func (t *Tracer) Request(ctx context.Context, header http.Header) (context.Context, *Span) {
	if len(header["Traceparent"]) == 1 {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	}
	ctx, span := t.spans.Start(ctx, "request", otel.WithSpanKind(otel.SpanKindServer))
	if !span.IsRecording() {
		return ctx, nil
	}
	return ctx, &Span{span}
}

// Child begins a part of a request, and returns what ends it. Attributes are
// keys and values in turns.
func (t *Tracer) Child(ctx context.Context, name string, attributes ...string) func(error) {
	return t.child(ctx, otel.SpanKindInternal, name, attributes)
}

// Call is Child for a request to another server. That server isn't told of the
// trace: it is a stranger's.
func (t *Tracer) Call(ctx context.Context, name string, attributes ...string) func(error) {
	return t.child(ctx, otel.SpanKindClient, name, attributes)
}

func (t *Tracer) child(ctx context.Context, kind otel.SpanKind, name string, attributes []string) func(error) {
	if !otel.SpanFromContext(ctx).IsRecording() {
		return nothing
	}
	_, span := t.spans.Start(ctx, name, otel.WithSpanKind(kind))
	for i := 0; i+1 < len(attributes); i += 2 {
		span.SetAttributes(attribute.String(attributes[i], attributes[i+1]))
	}
	return func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, failure(err))
		}
		end(span)
	}
}

func nothing(error) {}

// end is never deferred itself: a span that is ended so writes a panic's text
// into the trace.
func end(span otel.Span) { span.End() }

// Set adds an attribute; a later one of the same key wins.
func (s *Span) Set(key, value string) {
	if s != nil {
		s.is.SetAttributes(attribute.String(key, value))
	}
}

// SetNumber is Set for a number.
func (s *Span) SetNumber(key string, value int) {
	if s != nil {
		s.is.SetAttributes(attribute.Int(key, value))
	}
}

// EndRequest ends the span of a request under the name that its route has.
func (s *Span) EndRequest(name string, failed bool) {
	if s == nil {
		return
	}
	s.is.SetName(name)
	if failed {
		s.is.SetStatus(codes.Error, "server error")
	}
	end(s.is)
}

// Set adds an attribute to the request that a context belongs to.
func Set(ctx context.Context, key, value string) {
	otel.SpanFromContext(ctx).SetAttributes(attribute.String(key, value))
}

// ID is the trace of the request that a context belongs to; "" when it isn't
// sampled.
func ID(ctx context.Context) string {
	if span := otel.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}
