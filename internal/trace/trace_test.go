package trace

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector keeps what arrives, as OpenTelemetry's own code reads it.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*tracepb.Span
	about   map[string]string
	answers []int // before 200
	key     string
}

func newCollector(t *testing.T, answers ...int) *collector {
	t.Helper()
	c := &collector{answers: answers, about: map[string]string{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) > 0 {
		w.WriteHeader(c.answers[0])
		c.answers = c.answers[1:]
		return
	}
	body, _ := io.ReadAll(r.Body)
	var data tracepb.TracesData
	if err := proto.Unmarshal(body, &data); err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "400", http.StatusBadRequest)
		return
	}
	c.key = r.Header.Get("Api-Key")
	for _, in := range data.GetResourceSpans() {
		for _, a := range in.GetResource().GetAttributes() {
			c.about[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range in.GetScopeSpans() {
			c.got = append(c.got, scope.GetSpans()...)
		}
	}
}

func (c *collector) spans() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

// run sends until the test's stop.
func run(t *testing.T, tr *Tracer) (stop func()) {
	t.Helper()
	tr.every, tr.pauses = 5*time.Millisecond, []time.Duration{time.Millisecond, time.Millisecond}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { tr.Run(ctx); close(ended) }()
	return func() { cancel(); <-ended }
}

func TestSpansArrive(t *testing.T) {
	c := newCollector(t, http.StatusServiceUnavailable)
	tr := New(Config{
		Endpoint: c.URL, Ratio: 1, Version: "v1", Attributes: map[string]string{"deployment.environment": "test"},
		Headers: map[string]string{"Api-Key": "k"}, Now: time.Now,
	})
	stop := run(t, tr)
	ctx, root := tr.Request(t.Context(), "")
	root.Set("http.route", "/token")
	Set(ctx, "oauth.client_id", "web")
	Set(ctx, "oauth.client_id", "app")
	tr.Child(ctx, "store.commit")(nil)
	tr.Call(ctx, "fetch", "server.address", "app.example")(errors.New("secret words"))
	id := ID(ctx)
	root.EndRequest("POST /token", false)
	for began := time.Now(); len(c.spans()) < 3 && time.Since(began) < 5*time.Second; {
		time.Sleep(time.Millisecond)
	}
	stop()
	spans := c.spans()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	if c.about["service.name"] != "valetkey" || c.about["service.version"] != "v1" || c.about["deployment.environment"] != "test" || c.key != "k" {
		t.Errorf("%v %q", c.about, c.key)
	}
	last := spans[2]
	if last.GetName() != "POST /token" || last.GetKind() != tracepb.Span_SPAN_KIND_SERVER || len(last.GetParentSpanId()) != 0 {
		t.Errorf("%v", last)
	}
	for _, s := range spans {
		if hex.EncodeToString(s.GetTraceId()) != id || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() || s.GetStartTimeUnixNano() == 0 {
			t.Errorf("%v", s)
		}
	}
	for _, s := range spans[:2] {
		if string(s.GetParentSpanId()) != string(last.GetSpanId()) {
			t.Errorf("%v hangs elsewhere", s)
		}
	}
	if s := spans[1]; s.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || s.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || s.GetStatus().GetMessage() != "failed" {
		t.Errorf("%v", s)
	}
	attributes := map[string]string{}
	for _, a := range last.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if len(attributes) != 2 || attributes["oauth.client_id"] != "app" || attributes["http.route"] != "/token" {
		t.Errorf("%v", attributes)
	}
	if sent, dropped := tr.Stats(); sent != 3 || dropped != 0 {
		t.Errorf("sent %d, dropped %d", sent, dropped)
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
		tr := New(Config{Ratio: c.ratio, Now: time.Now})
		ctx, span := tr.Request(t.Context(), c.header)
		joined := ID(ctx) == "4bf92f3577b34da6a3ce929d0e0e4736"
		if (span != nil) != c.sampled || joined != c.joined {
			t.Errorf("%q at %v: sampled %v, joined %v", c.header, c.ratio, span != nil, joined)
		}
		tr.Child(ctx, "nothing")(nil) // of what isn't sampled is no harm
		Set(ctx, "nothing", "")
	}
}

func TestRatio(t *testing.T) {
	tr, n := New(Config{Ratio: 0.25, Now: time.Now}), 0
	for range 4000 {
		if _, span := tr.Request(t.Context(), ""); span != nil {
			n++
		}
	}
	if n < 800 || n > 1200 {
		t.Errorf("%d of 4000 at a quarter", n)
	}
}

// TestNobodyWaits: a collector that is gone costs spans and never a request.
func TestNobodyWaits(t *testing.T) {
	c := newCollector(t, http.StatusBadRequest)
	tr := New(Config{Endpoint: c.URL, Ratio: 1, Now: time.Now})
	for range maxQueue + 10 {
		_, span := tr.Request(t.Context(), "")
		span.EndRequest("GET /", true)
	}
	if _, dropped := tr.Stats(); dropped != 10 {
		t.Errorf("%d dropped", dropped)
	}
	stop := run(t, tr)
	defer stop()
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(5 * time.Millisecond) {
		if sent, dropped := tr.Stats(); sent == maxQueue-maxBatch && dropped == 10+maxBatch { // the first batch was refused for good
			return
		}
	}
	sent, dropped := tr.Stats()
	t.Errorf("sent %d, dropped %d", sent, dropped)
}

func FuzzParent(f *testing.F) {
	f.Add(sampledParent)
	f.Add("")
	f.Fuzz(func(t *testing.T, header string) {
		if p, ok := parseParent(header); ok && (p.trace == [16]byte{} || p.span == [8]byte{}) {
			t.Error("an empty id")
		}
	})
}
