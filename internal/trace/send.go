package trace

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/go-logr/logr"
	global "go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// maxQueue bounds the spans that wait or are being sent.
const maxQueue = 4096

// queue keeps the SDK's from ever being full, since that one drops in silence.
type queue struct {
	sdk.SpanProcessor
	sender *sender
}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (q queue) OnEnd(span sdk.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if q.sender.waiting.Add(1) > maxQueue {
		q.sender.waiting.Add(-1)
		q.sender.dropped.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(span)
}

// sender counts what arrives. A collector's failure is logged once until it
// takes spans again.
type sender struct {
	sdk.SpanExporter
	log     *slog.Logger
	waiting atomic.Int64
	failing atomic.Bool

	sent, dropped atomic.Uint64
}

// ExportSpans implements sdk.SpanExporter.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	s.waiting.Add(-int64(len(spans)))
	if err != nil {
		s.dropped.Add(uint64(len(spans)))
		if !s.failing.Swap(true) {
			s.log.WarnContext(ctx, "traces can't be sent", "error", short(err.Error()))
		}
		return nil // it is told here, and not to the program's handler of errors
	}
	s.sent.Add(uint64(len(spans)))
	s.failing.Store(false)
	return nil
}

// short: an error may hold a whole page that a proxy answered.
func short(text string) string { return text[:min(len(text), 300)] }

// failure is the kind of an error and not its text, which may quote what was
// sent.
func failure(err error) string {
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return "timeout"
	}
	return "failed"
}

// LogTo has what OpenTelemetry's library complains of in this log. It holds for
// the whole program: an embedder has its own. What it says beside is left out,
// since of a header that it can't read it shows all.
func LogTo(log *slog.Logger) {
	global.SetLogger(logr.Discard())
	global.SetErrorHandler(global.ErrorHandlerFunc(func(err error) { log.Warn("tracing", "error", short(err.Error())) }))
}
