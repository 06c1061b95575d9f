package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/trace"
)

// heard is a Meter that remembers.
type heard struct {
	open, panics int
	ended        []string
}

func (h *heard) Began() { h.open++ }
func (h *heard) Ended(pattern, method string, status int, _ time.Duration) {
	h.open--
	h.ended = append(h.ended, method+" "+pattern+" "+http.StatusText(status))
}
func (h *heard) Panicked() { h.panics++ }

// front passes requests on to a handler, and keeps its log.
func front(t *testing.T, next http.HandlerFunc) (*Front, *heard, *bytes.Buffer) {
	t.Helper()
	tracer, err := trace.New(t.Context(), trace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Start()
	mux := http.NewServeMux()
	mux.Handle("GET /page/{id}", next)
	var log bytes.Buffer
	meter := &heard{}
	return &Front{
		Issuer: "http://localhost:8080", Log: WithRequests(slog.New(slog.NewJSONHandler(&log, nil))), Now: time.Now, Access: true,
		Open: func(string) bool { return false }, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Meter: meter, Tracer: tracer, Next: mux,
	}, meter, &log
}

func get(f *Front, peer string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/page/7?code=secret", nil)
	r.RemoteAddr = peer + ":1234"
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

const (
	theirs      = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent = "00-" + theirs + "-00f067aa0ba902b7-01"
)

// TestWhoseTrace: a trace that others began is joined only when a trusted proxy
// hands it on, once.
func TestWhoseTrace(t *testing.T) {
	for _, c := range []struct {
		name, peer string
		header     []string
		joined     bool
	}{
		{"a trusted proxy", "10.0.0.1", []string{traceparent}, true},
		{"a stranger", "192.0.2.1", []string{traceparent}, false},
		{"two at once", "10.0.0.1", []string{traceparent, traceparent}, false},
		{"none", "10.0.0.1", nil, false},
	} {
		var seen string
		f, _, _ := front(t, func(_ http.ResponseWriter, r *http.Request) { seen = trace.ID(r.Context()) })
		get(f, c.peer, http.Header{"Traceparent": c.header})
		if (seen == theirs) != c.joined || seen == "" {
			t.Errorf("%s: %q", c.name, seen)
		}
	}
}

// TestOfEachRequest: it is counted by its route, and its line has its id and its
// trace, and never its query.
func TestOfEachRequest(t *testing.T) {
	var inside string
	f, meter, log := front(t, func(_ http.ResponseWriter, r *http.Request) { inside = RequestID(r.Context()) })
	w := get(f, "192.0.2.1", nil)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["request"] != inside || w.Header().Get("X-Request-Id") != inside || len(line["trace"].(string)) != 32 || line["path"] != "/page/7" || strings.Contains(log.String(), "secret") {
		t.Errorf("%v", line)
	}
	if len(meter.ended) != 1 || !strings.HasPrefix(meter.ended[0], "GET GET /page/{id}") || meter.open != 0 {
		t.Errorf("%+v", meter)
	}
}

// TestPanicIsOneRequests: 337: it is answered 500, counted and logged; an abort
// is no mistake, and counted as ended.
func TestPanicIsOneRequests(t *testing.T) {
	f, meter, log := front(t, func(http.ResponseWriter, *http.Request) { panic("a mistake") })
	if w := get(f, "192.0.2.1", nil); w.Code != http.StatusInternalServerError || meter.panics != 1 || meter.open != 0 || !strings.Contains(log.String(), `"fault":"a mistake"`) {
		t.Errorf("%d %+v %s", w.Code, meter, log)
	}
	f, meter, _ = front(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	func() {
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("%v", err)
			}
		}()
		get(f, "192.0.2.1", nil)
	}()
	if meter.panics != 0 || meter.open != 0 {
		t.Errorf("%+v", meter)
	}
}

func TestWords(t *testing.T) {
	for method, want := range map[string]string{"GET": "GET", "get": "_OTHER", "CANARY": "_OTHER", "": "_OTHER"} {
		if got := knownMethod(method); got != want {
			t.Errorf("%s is %s", method, got)
		}
	}
	for pattern, want := range map[string]string{"GET /login": "/login", "/token": "/token", "": ""} {
		if got := routeOf(pattern); got != want {
			t.Errorf("%s is %s", pattern, got)
		}
	}
}

// TestRequestsInLogs: the id is added once, however a logger is wrapped.
func TestRequestsInLogs(t *testing.T) {
	var out bytes.Buffer
	log := WithRequests(WithRequests(slog.New(slog.NewTextHandler(&out, nil)))).With("a", 1).WithGroup("g")
	ctx := context.WithValue(t.Context(), requestIDKey{}, "the-id")
	log.InfoContext(ctx, "one")
	log.InfoContext(ctx, "two", "request", "named")
	log.Info("three")
	if n := strings.Count(out.String(), "the-id"); n != 1 {
		t.Errorf("%d times: %s", n, out.String())
	}
}
