package trace

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	global "go.opentelemetry.io/otel"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector keeps what arrives, as a real one would read it.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*tracepb.Span
	about  map[string]string
	answer int // instead of 200
	key    string
	path   string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{about: map[string]string{}, answer: http.StatusOK}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer != http.StatusOK {
		w.WriteHeader(c.answer)
		return
	}
	var data collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &data); err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "400", http.StatusBadRequest)
		return
	}
	c.key, c.path = r.Header.Get("Api-Key"), r.URL.Path
	for _, in := range data.GetResourceSpans() {
		for _, a := range in.GetResource().GetAttributes() {
			c.about[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range in.GetScopeSpans() {
			c.got = append(c.got, scope.GetSpans()...)
		}
	}
}

// named are the spans that arrived, by name.
func (c *collector) named() map[string]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string]*tracepb.Span{}
	for _, s := range c.got {
		spans[s.GetName()] = s
	}
	return spans
}

// start begins a Tracer that is in a hurry.
func start(t *testing.T, c Config) *Tracer {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
	tr := newTracer(t, c)
	tr.Start()
	t.Cleanup(tr.Stop)
	return tr
}

func newTracer(t *testing.T, c Config) *Tracer {
	t.Helper()
	tr, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal(what)
		}
	}
}

func TestSpansArrive(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	tr := start(t, Config{Endpoint: c.URL + "/", Version: "v1", Headers: map[string]string{"Api-Key": "k"}})
	ctx, root := tr.Request(t.Context(), nil)
	root.Set("http.route", "/token")
	root.SetNumber("http.response.status_code", 200)
	Set(ctx, "oauth.client_id", "web")
	Set(ctx, "oauth.client_id", "app")
	tr.Child(ctx, "store.commit")(nil)
	tr.Call(ctx, "fetch", "server.address", "app.example")(errors.New("secret words"))
	tr.Call(ctx, "upstream")(context.DeadlineExceeded)
	id := ID(ctx)
	root.EndRequest("POST /token", false)
	eventually(t, "spans are missing", func() bool { return len(c.named()) == 4 })
	spans := c.named()
	if c.about["service.name"] != "valetkey" || c.about["service.version"] != "v1" || c.about["deployment.environment.name"] != "test" || c.key != "k" || c.path != "/v1/traces" {
		t.Errorf("%v %q at %s", c.about, c.key, c.path)
	}
	whole := spans["POST /token"]
	if whole.GetKind() != tracepb.Span_SPAN_KIND_SERVER || len(whole.GetParentSpanId()) != 0 {
		t.Errorf("%v", whole)
	}
	for name, s := range spans {
		if hex.EncodeToString(s.GetTraceId()) != id || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() || s.GetStartTimeUnixNano() == 0 {
			t.Errorf("%v", s)
		}
		if s != whole && string(s.GetParentSpanId()) != string(whole.GetSpanId()) {
			t.Errorf("%s hangs elsewhere", name)
		}
		if strings.Contains(s.String(), "secret words") {
			t.Errorf("%s quotes an error", name)
		}
	}
	failed := map[string]string{}
	for name, s := range spans {
		if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			failed[name] = s.GetStatus().GetMessage()
		}
	}
	if len(failed) != 2 || failed["fetch"] != "failed" || failed["upstream"] != "timeout" || spans["fetch"].GetKind() != tracepb.Span_SPAN_KIND_CLIENT {
		t.Errorf("%v", failed)
	}
	attributes := map[string]string{}
	for _, a := range whole.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if len(attributes) != 3 || attributes["oauth.client_id"] != "app" || attributes["http.route"] != "/token" {
		t.Errorf("%v", attributes)
	}
	eventually(t, "nobody counts", func() bool { sent, dropped := tr.Stats(); return sent == 4 && dropped == 0 })
}

// TestPanicsAreNotQuoted: a span that a panic passes is ended without its text.
func TestPanicsAreNotQuoted(t *testing.T) {
	c := newCollector(t)
	tr := start(t, Config{Endpoint: c.URL})
	func() {
		defer func() { _ = recover() }()
		ctx, root := tr.Request(t.Context(), nil)
		defer root.EndRequest("GET /", true)
		defer tr.Child(ctx, "hash")(nil)
		panic("secret words")
	}()
	eventually(t, "spans are missing", func() bool { return len(c.named()) == 2 })
	for name, s := range c.named() {
		if len(s.GetEvents()) > 0 || strings.Contains(s.String(), "secret words") {
			t.Errorf("%s: %v", name, s)
		}
	}
}

const sampledParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestParents: W3C Trace Context §3.2: a caller decides whether its trace is
// followed; what isn't a traceparent is none.
func TestParents(t *testing.T) {
	for _, c := range []struct {
		header  string
		ratio   float64
		sampled bool
		joined  bool
	}{
		{sampledParent, 0, true, true},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 1, false, false},
		{"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", 0, true, true},
		{"", 1, true, false},
		{"", 0, false, false},
		{sampledParent + "-more", 1, true, false},
		{"ff" + sampledParent[2:], 1, true, false},
		{"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", 1, true, false},
		{"00-00000000000000000000000000000000-00f067aa0ba902b7-01", 1, true, false},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", 1, true, false},
		{"zz" + sampledParent[2:], 1, true, false},
		{"short", 0, false, false},
	} {
		tr := newTracer(t, Config{Ratio: &c.ratio})
		tr.Start()
		ctx, span := tr.Request(t.Context(), http.Header{"Traceparent": {c.header}})
		joined := ID(ctx) == "4bf92f3577b34da6a3ce929d0e0e4736"
		if (span != nil) != c.sampled || joined != c.joined {
			t.Errorf("%q at %v: sampled %v, joined %v", c.header, c.ratio, span != nil, joined)
		}
		tr.Child(ctx, "nothing")(nil) // of what isn't sampled is no harm
		Set(ctx, "nothing", "")
		span.Set("nothing", "")
	}
	tr := newTracer(t, Config{})
	tr.Start()
	for _, header := range []http.Header{nil, {"Traceparent": {sampledParent, sampledParent}}} {
		if ctx, _ := tr.Request(t.Context(), header); ID(ctx) == "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%v is joined", header)
		}
	}
}

// TestRatio: by setting, and by OpenTelemetry's own variables.
func TestRatio(t *testing.T) {
	count := func(c Config) (n int) {
		tr := newTracer(t, c)
		tr.Start()
		for range 4000 {
			if _, span := tr.Request(t.Context(), nil); span != nil {
				n++
			}
		}
		return n
	}
	quarter := 0.25
	if n := count(Config{Ratio: &quarter}); n < 800 || n > 1200 {
		t.Errorf("%d of 4000 at a quarter", n)
	}
	if n := count(Config{}); n != 4000 {
		t.Errorf("%d of 4000 by default", n)
	}
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
	if n := count(Config{}); n < 800 || n > 1200 {
		t.Errorf("%d of 4000 at a quarter by variables", n)
	}
}

// TestNobodyWaits: a collector that takes and never answers costs spans, never a
// request, and doesn't hold up a stop.
func TestNobodyWaits(t *testing.T) {
	over := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer slow.Close()
	defer close(over)
	tr := start(t, Config{Endpoint: slow.URL})
	began := time.Now()
	for range maxQueue + 10 {
		_, span := tr.Request(t.Context(), nil)
		span.EndRequest("GET /", true)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%v for %d requests", took, maxQueue+10)
	}
	if sent, dropped := tr.Stats(); sent != 0 || dropped != 10 {
		t.Errorf("sent %d, dropped %d", sent, dropped)
	}
	began = time.Now()
	if tr.Stop(); time.Since(began) > 2*stopWithin {
		t.Errorf("stopped after %v", time.Since(began))
	}
	eventually(t, "what was given up isn't counted", func() bool { _, dropped := tr.Stats(); return dropped == maxQueue+10 })
}

// TestRefusedOnce: a collector that refuses is told of once, and not to the
// program's handler of errors, until it takes spans again.
func TestRefusedOnce(t *testing.T) {
	c := newCollector(t)
	c.answer = http.StatusForbidden
	var log strings.Builder
	elsewhere := make(chan error, 100)
	global.SetErrorHandler(global.ErrorHandlerFunc(func(err error) { elsewhere <- err }))
	tr := start(t, Config{Endpoint: c.URL, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for n := range uint64(3) {
		_, span := tr.Request(t.Context(), nil)
		span.EndRequest("GET /", false)
		eventually(t, "nothing is dropped", func() bool { _, dropped := tr.Stats(); return dropped == n+1 })
	}
	tr.Stop()
	if n := strings.Count(log.String(), "traces can't be sent"); n != 1 || len(elsewhere) > 0 {
		t.Errorf("%d lines, %d errors elsewhere: %s", n, len(elsewhere), log.String())
	}
}

func FuzzParent(f *testing.F) {
	f.Add(sampledParent, "a=b")
	f.Add("", "")
	tr, err := New(f.Context(), Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, state string) {
		ctx, span := tr.Request(t.Context(), http.Header{"Traceparent": {header}, "Tracestate": {state}})
		if id := ID(ctx); span != nil && (len(id) != 32 || id == strings.Repeat("0", 32)) {
			t.Errorf("%q", id)
		}
	})
}
