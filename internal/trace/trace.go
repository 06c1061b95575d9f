// Package trace follows requests through the server and tells a collector of
// them in OpenTelemetry's protocol, by protobuf over HTTP.
//
// It is small on purpose: spans with a few attributes, W3C trace contexts, a
// queue that drops rather than waits, and the encoding. The SDK with its exporter
// would add three megabytes to the program. A server that doesn't trace has no Tracer, and
// a request that isn't sampled has no span. No secret is an attribute: callers
// give names, ids of clients and hosts, never what was sent.
package trace

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where traces go.
type Config struct {
	Endpoint   string            // the whole address, such as http://localhost:4318/v1/traces
	Headers    map[string]string // sent along, such as a collector's key
	Ratio      float64           // of the requests that nobody asked to be traced, those that are
	Service    string            // "valetkey" when empty
	Version    string
	Attributes map[string]string // of the resource
	Now        func() time.Time
	Log        *slog.Logger
	Client     *http.Client // nil: one of its own
}

// Tracer makes spans. Run sends them.
type Tracer struct {
	c        Config
	limit    uint64 // of the second half of a trace id, which is random
	finished chan *Span
	every    time.Duration
	pauses   []time.Duration // before each further try to send

	sent, dropped atomic.Uint64
}

const (
	maxQueue  = 4096
	maxBatch  = 512
	sendEvery = 2 * time.Second
	sendLimit = 5 * time.Second
)

// New makes a Tracer.
func New(c Config) *Tracer {
	if c.Service == "" {
		c.Service = "valetkey"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Client == nil {
		c.Client = &http.Client{
			Timeout:       sendLimit,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Tracer{
		c: c, limit: uint64(min(max(c.Ratio, 0), 1) * math.MaxInt64), finished: make(chan *Span, maxQueue),
		every: sendEvery, pauses: []time.Duration{time.Second, 3 * time.Second},
	}
}

// Stats tells how many spans arrived, and how many were given up.
func (t *Tracer) Stats() (sent, dropped uint64) { return t.sent.Load(), t.dropped.Load() }

// Span is a part of a trace. A nil one is a request that isn't sampled.
type Span struct {
	tracer  *Tracer
	trace   [16]byte
	id      [8]byte
	parent  [8]byte
	kind    kind
	name    string
	started time.Time
	ended   time.Time
	failed  string // why; "" when it went well

	mu         sync.Mutex
	attributes []attribute
}

type kind int32

// OpenTelemetry's SpanKind.
const (
	internal kind = 1
	server   kind = 2
	client   kind = 3
)

type attribute struct {
	key, value string
	number     int64 // instead of a text, when isNumber
	isNumber   bool
}

type spanKey struct{}

func of(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}

// Request begins the span of a request. parent is its traceparent header, when
// who sent it may say so. The context comes back as it is when the request isn't
// sampled.
func (t *Tracer) Request(ctx context.Context, parent string) (context.Context, *Span) {
	s := &Span{tracer: t, kind: server, started: t.c.Now()}
	from, ok := parseParent(parent)
	switch {
	case ok && !from.sampled:
		return ctx, nil
	case ok:
		s.trace, s.parent = from.trace, from.span
	default:
		_, _ = rand.Read(s.trace[:])
		if binary.BigEndian.Uint64(s.trace[8:])>>1 >= t.limit {
			return ctx, nil
		}
	}
	_, _ = rand.Read(s.id[:])
	return context.WithValue(ctx, spanKey{}, s), s
}

// Child begins a part of a request, and returns what ends it. Attributes are
// keys and values in turns.
func (t *Tracer) Child(ctx context.Context, name string, attributes ...string) func(error) {
	return t.child(ctx, internal, name, attributes)
}

// Call is Child for a request to another server.
func (t *Tracer) Call(ctx context.Context, name string, attributes ...string) func(error) {
	return t.child(ctx, client, name, attributes)
}

func (t *Tracer) child(ctx context.Context, k kind, name string, attributes []string) func(error) {
	above := of(ctx)
	if above == nil {
		return nothing
	}
	s := &Span{tracer: t, trace: above.trace, parent: above.id, kind: k, name: name, started: t.c.Now()}
	_, _ = rand.Read(s.id[:])
	for i := 0; i+1 < len(attributes); i += 2 {
		s.Set(attributes[i], attributes[i+1])
	}
	return func(err error) {
		if err != nil {
			s.failed = failure(err)
		}
		s.end()
	}
}

func nothing(error) {}

// Set adds an attribute; a later one of the same key wins.
func (s *Span) Set(key, value string) { s.set(attribute{key: key, value: value}) }

// SetNumber is Set for a number.
func (s *Span) SetNumber(key string, value int64) {
	s.set(attribute{key: key, number: value, isNumber: true})
}

func (s *Span) set(a attribute) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.attributes {
		if s.attributes[i].key == a.key {
			s.attributes[i] = a
			return
		}
	}
	s.attributes = append(s.attributes, a)
}

// Set adds an attribute to the request that a context belongs to.
func Set(ctx context.Context, key, value string) { of(ctx).Set(key, value) }

// ID is the trace of the request that a context belongs to; "" when it isn't
// sampled.
func ID(ctx context.Context) string {
	s := of(ctx)
	if s == nil {
		return ""
	}
	return hexOf(s.trace[:])
}

// EndRequest ends the span of a request under the name that its route has.
func (s *Span) EndRequest(name string, failed bool) {
	s.name = name
	if failed {
		s.failed = "server error"
	}
	s.end()
}

// end hands the span over; when the queue is full it is dropped.
func (s *Span) end() {
	s.ended = s.tracer.c.Now()
	select {
	case s.tracer.finished <- s:
	default:
		s.tracer.dropped.Add(1)
	}
}

// failure is the kind of an error and not its text, which may quote what was
// sent.
func failure(err error) string {
	switch {
	case isTimeout(err):
		return "timeout"
	default:
		return "failed"
	}
}
