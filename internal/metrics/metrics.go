// Package metrics counts what the server does and shows it to Prometheus. It is
// the one place that knows Prometheus; whoever is measured has a small interface
// of its own, which this package fills, or answers how it stands when asked.
//
// What is counted within a request is resolved before: a request costs a look
// into a map that never changes, and atomic additions. A label is one of a few
// words of ours or a route's pattern, never what somebody sent.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store"
)

// prefix of every name of ours.
const prefix = "valetkey_"

// Config says what is asked at each look. A nil function leaves its metrics out.
type Config struct {
	Version string
	Now     func() time.Time

	Store       func() store.Stats
	Keys        func() keys.Stats
	Hashes      func() (waiting, running int)
	Certificate func() (notAfter time.Time, failures uint64) // zero time: there is none
	Traces      func() (sent, dropped uint64)
}

// Metrics are all counters. Its fields fill the interfaces of those who are
// measured.
type Metrics struct {
	Requests Requests // endpoint.Meter
	Rules    Rules    // oauth.Meter
	SignIns  SignIns  // login.Meter
	Store    Store    // store.Meter
	Hashes   Hashes   // secret.Meter
	Mails    Mails    // mail.Config.Ended

	registry *prometheus.Registry
	names    []string
}

// New makes the counters. Watch adds what is asked at each look.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Requests.register(m)
	m.Rules.register(m)
	m.SignIns.register(m)
	m.Store.register(m)
	m.Hashes.register(m)
	m.Mails.register(m)
	return m
}

// Watch adds what the server is asked for at each look.
func (m *Metrics) Watch(c Config) {
	s := newState(m, c)
	m.registry.MustRegister(s)
}

// Names are those of all metrics of ours that there can be.
func (m *Metrics) Names() []string { return m.names }

// ServeHTTP answers in Prometheus's text format.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	families, err := m.registry.Gather()
	if err != nil && len(families) == 0 {
		http.Error(w, "500 the metrics can't be gathered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	w.Header().Set("Cache-Control", "no-store")
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return // whoever asked has gone
		}
	}
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name(name), Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.name(name), Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: m.name(name), Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) name(name string) string {
	m.names = append(m.names, prefix+name)
	return prefix + name
}
