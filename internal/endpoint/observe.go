package endpoint

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/trace"
)

// Meter is told of each request, to be counted. It must cost next to nothing.
type Meter interface {
	Began()
	// Ended: pattern is that of the route, "" when the request came to none.
	Ended(pattern, method string, status int, took time.Duration)
	Panicked()
}

// visit is one request as it is counted and traced.
type visit struct {
	id      string
	started time.Time
	span    *trace.Span
}

// began gives the request what follows it: its id, and a span when it is traced.
// A trace that others began is joined only when a trusted proxy says so: a
// stranger could make every request of theirs cost one.
func (f *Front) began(ctx context.Context, r *http.Request, id string) (context.Context, visit) {
	ctx = context.WithValue(ctx, requestIDKey{}, id)
	v := visit{id: id, started: f.Now()}
	if f.Meter != nil {
		f.Meter.Began()
	}
	if f.Tracer != nil {
		var said http.Header
		if f.trusted(peer(r)) {
			said = r.Header
		}
		ctx, v.span = f.Tracer.Request(ctx, said)
		v.span.Set("valetkey.request_id", id)
	}
	return ctx, v
}

// ended counts, traces and logs the request: by its route and path, never by its
// query.
func (f *Front) ended(r *http.Request, v visit, status int) {
	took := f.Now().Sub(v.started)
	if f.Meter != nil {
		f.Meter.Ended(r.Pattern, r.Method, status, took)
	}
	if v.span != nil {
		route := routeOf(r.Pattern)
		v.span.Set("http.request.method", knownMethod(r.Method))
		v.span.Set("http.route", route)
		v.span.SetNumber("http.response.status_code", status)
		v.span.EndRequest(knownMethod(r.Method)+" "+route, status >= http.StatusInternalServerError)
	}
	if f.Access {
		f.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("request", v.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", status), slog.Duration("took", took))
	}
}

// routeOf is the path of a ServeMux pattern.
func routeOf(pattern string) string {
	if _, path, found := strings.Cut(pattern, " "); found {
		return path
	}
	return pattern
}

// knownMethod is one that this server knows; a stranger's word is "_OTHER", as
// OpenTelemetry has it.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodHead, http.MethodPatch:
		return method
	}
	return "_OTHER"
}

// WithRequests adds to each line the id of the request that it is about, and of
// its trace.
func WithRequests(log *slog.Logger) *slog.Logger {
	if _, done := log.Handler().(requestLog); done {
		return log
	}
	return slog.New(requestLog{log.Handler()})
}

type requestLog struct{ slog.Handler }

func (h requestLog) Handle(ctx context.Context, line slog.Record) error {
	if id := RequestID(ctx); id != "" && !says(line, "request") {
		line.AddAttrs(slog.String("request", id))
	}
	if id := trace.ID(ctx); id != "" {
		line.AddAttrs(slog.String("trace", id))
	}
	return h.Handler.Handle(ctx, line)
}

func says(line slog.Record, key string) (found bool) {
	line.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

func (h requestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestLog{h.Handler.WithAttrs(attrs)}
}

func (h requestLog) WithGroup(name string) slog.Handler { return requestLog{h.Handler.WithGroup(name)} }
