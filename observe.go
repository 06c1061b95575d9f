package valetkey

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/valetkey/valetkey/internal/endpoint"
	"github.com/valetkey/valetkey/internal/fetch"
	"github.com/valetkey/valetkey/internal/metrics"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/trace"
)

// Traces says where OpenTelemetry traces go, in OTLP over HTTP. What it leaves
// out the standard variables say: OTEL_EXPORTER_OTLP_ENDPOINT and the like,
// OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER.
type Traces struct {
	Endpoint string            // of the collector, such as http://localhost:4318
	Headers  map[string]string // sent along, such as the collector's key
	Ratio    *float64          // of requests that are traced, 0 to 1; nil: OTEL_TRACES_SAMPLER, else all
}

// Certificate is what the server's TLS certificate is like, for metrics.
type Certificate interface {
	NotAfter() time.Time
	Failures() uint64 // how often files changed and couldn't be used
}

// observers are made before anything that they observe.
func (c *Config) observers(ctx context.Context) (*metrics.Metrics, *trace.Tracer, error) {
	if c.Traces == nil || c.OneOff {
		return metrics.New(), nil, nil
	}
	tracer, err := trace.New(ctx, trace.Config{
		Endpoint: c.Traces.Endpoint, Headers: c.Traces.Headers, Ratio: c.Traces.Ratio, Version: c.version(), Log: c.Log,
	})
	return metrics.New(), tracer, err
}

func (c *Config) version() string {
	if c.Version != "" {
		return c.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// span is how others begin parts of a request; nil when nothing is traced.
func (s *Server) span() func(context.Context, string, ...string) func(error) {
	if s.tracer == nil {
		return nil
	}
	return s.tracer.Child
}

// call is span for requests to others.
func (s *Server) call() func(context.Context, string, ...string) func(error) {
	if s.tracer == nil {
		return nil
	}
	return s.tracer.Call
}

// named tells a trace which client a request is of; nil when nothing is traced.
func (s *Server) named() func(context.Context, string) {
	if s.tracer == nil {
		return nil
	}
	return func(ctx context.Context, id string) { trace.Set(ctx, "oauth.client_id", id) }
}

// watched adds to a store's configuration who hears of it.
func (s *Server) watched(c store.Config) store.Config {
	c.Meter, c.Span = &s.metrics.Store, s.span()
	return c
}

// fetcher asks the outside, for this server.
func (s *Server) fetcher(c Config) *fetch.Client {
	return fetch.New(fetch.Config{AllowLoopback: c.FetchAllowLoopback, Roots: c.FetchRoots, Span: s.call()})
}

// sendTraces until ctx is done, and then what is left.
func (s *Server) sendTraces(ctx context.Context) {
	if s.tracer == nil {
		return
	}
	s.tracer.Start()
	s.running.Go(func() {
		<-ctx.Done()
		s.tracer.Stop()
	})
}

// observe has the hasher and the front heard, and tells the metrics whom to ask.
func (s *Server) observe(c Config, hasher *secret.Hasher, front *endpoint.Front) {
	front.Meter, front.Tracer = &s.metrics.Requests, s.tracer
	watch := metrics.Config{Version: c.version(), Now: c.Now, Store: s.store.Stats, Keys: s.keys.Stats, Hashes: hasher.Stats}
	if s.tracer != nil {
		watch.Traces = s.tracer.Stats
	}
	if c.Certificate != nil {
		watch.Certificate = func() (time.Time, uint64) { return c.Certificate.NotAfter(), c.Certificate.Failures() }
	}
	s.metrics.Watch(watch)
}
