package metrics

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// methods are told apart; all others are "other", whatever a stranger makes up.
var methods = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodHead, http.MethodPatch, "other"}

// classes of status, by its first digit.
var classes = [...]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}

// Requests counts requests by route, method and class of status.
type Requests struct {
	routes resolved[string, *route]
	count  *prometheus.CounterVec
	took   *prometheus.HistogramVec
	open   prometheus.Gauge
	panics prometheus.Counter
}

// route is one pattern with the counters that it needed so far.
type route struct {
	label string
	took  prometheus.Observer
	count [len(methods)][len(classes)]atomic.Pointer[prometheus.Counter]
}

func (q *Requests) register(m *Metrics) {
	q.count = m.counter("http_requests_total", "Requests answered, by route, method and class of status.", "route", "method", "status")
	q.took = m.histogram("http_request_duration_seconds", "How long requests took, by route.", []float64{.001, .005, .025, .1, .5, 2, 10}, "route")
	q.open = m.gauge("http_requests_in_flight", "Requests that are being answered.")
	q.panics = m.counter("http_panics_total", "Requests that ended in a fault of the program.").WithLabelValues()
	q.routes.make = func(pattern string) *route {
		label := labelOf(pattern)
		return &route{label: label, took: q.took.WithLabelValues(label)}
	}
}

// labelOf is the path of a ServeMux pattern. A request that came to no route,
// since its host or path wasn't ours, is "none".
func labelOf(pattern string) string {
	if _, path, found := strings.Cut(pattern, " "); found {
		pattern = path
	}
	switch pattern {
	case "":
		return "none"
	case "/":
		return "unknown" // the page for what is no page
	}
	return strings.TrimSuffix(pattern, "{$}")
}

// Began implements endpoint.Meter.
func (q *Requests) Began() { q.open.Inc() }

// Ended implements endpoint.Meter.
func (q *Requests) Ended(pattern, method string, status int, took time.Duration) {
	q.open.Dec()
	r := q.routes.of(pattern)
	r.took.Observe(took.Seconds())
	m, class := methodIndex(method), classIndex(status)
	if c := r.count[m][class].Load(); c != nil {
		(*c).Inc()
		return
	}
	c := q.count.WithLabelValues(r.label, methods[m], classes[class])
	r.count[m][class].Store(&c)
	c.Inc()
}

// Panicked implements endpoint.Meter.
func (q *Requests) Panicked() { q.panics.Inc() }

func methodIndex(method string) int {
	for i, m := range methods[:len(methods)-1] {
		if m == method {
			return i
		}
	}
	return len(methods) - 1
}

// classIndex: an answer without a status is 200, as net/http has it.
func classIndex(status int) int {
	if i := status / 100; i >= 1 && i < len(classes) {
		return i
	}
	return 2
}
