package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/valetkey/valetkey/internal/store"
)

// state asks how things stand at each look. It keeps nothing itself.
type state struct {
	c     Config
	known map[string]*prometheus.Desc
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func newState(m *Metrics, c Config) *state {
	s := &state{c: c, known: map[string]*prometheus.Desc{}}
	add := func(name, help string, labels ...string) {
		s.known[name] = prometheus.NewDesc(m.name(name), help, labels, nil)
	}
	add("build_info", "Always 1; the labels say what runs.", "version", "go", "database")
	add("store_queue_length", "Changes and reads that wait for their batch.")
	add("store_pool_connections", "Connections to the database: in_use, idle, and max.", "state")
	add("store_pool_waits_total", "Times that a connection had to be waited for.")
	add("store_pool_wait_seconds_total", "Time that was waited for connections.")
	add("store_cache_age_seconds", "Since other nodes' changes were looked for last.")
	add("store_cache_stale", "1 when that is so long ago that nothing in the cache is believed.")
	add("sweep_last_duration_seconds", "How long the last sweep took.")
	add("sweep_last_rows", "Rows that the last sweep deleted.")
	add("sweep_last_timestamp_seconds", "When the last sweep ended; 0 before the first.")
	add("hashes_waiting", "Hashes of passwords that wait for their turn.")
	add("hashes_running", "Hashes of passwords that are being computed.")
	add("signing_key_age_seconds", "Since the key that signs began to, by algorithm.", "alg")
	add("signing_keys_next_change_timestamp_seconds", "When keys are published, sign or retire next; 0 when nothing is planned.")
	add("mails_waiting", "Letters that waited when last counted, once a minute.")
	add("tls_certificate_not_after_timestamp_seconds", "When the certificate in use expires.")
	add("tls_reload_failures_total", "Certificate files that changed and couldn't be used.")
	add("trace_spans_total", "Spans of traces: sent or dropped.", "outcome")
	return s
}

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.known {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It never asks the database.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	tell := func(name string, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.known[name], kind, value, labels...)
	}
	database := ""
	if s.c.Store != nil {
		stats := s.c.Store()
		database = string(stats.Database)
		tellStore(tell, stats)
	}
	tell("build_info", gauge, 1, s.c.Version, runtime.Version(), database)
	if s.c.Hashes != nil {
		waiting, running := s.c.Hashes()
		tell("hashes_waiting", gauge, float64(waiting))
		tell("hashes_running", gauge, float64(running))
	}
	s.tellKeys(tell)
	if s.c.Certificate != nil {
		if notAfter, failures := s.c.Certificate(); !notAfter.IsZero() {
			tell("tls_certificate_not_after_timestamp_seconds", gauge, seconds(notAfter))
			tell("tls_reload_failures_total", counter, float64(failures))
		}
	}
	if s.c.Traces != nil {
		sent, dropped := s.c.Traces()
		tell("trace_spans_total", counter, float64(sent), "sent")
		tell("trace_spans_total", counter, float64(dropped), "dropped")
	}
}

type teller func(name string, kind prometheus.ValueType, value float64, labels ...string)

func tellStore(tell teller, stats store.Stats) {
	tell("store_queue_length", gauge, float64(stats.Waiting))
	tell("store_pool_connections", gauge, float64(stats.Pool.InUse), "in_use")
	tell("store_pool_connections", gauge, float64(stats.Pool.Idle), "idle")
	tell("store_pool_connections", gauge, float64(stats.Pool.Most), "max")
	tell("store_pool_waits_total", counter, float64(stats.Pool.Waits))
	tell("store_pool_wait_seconds_total", counter, stats.Pool.Waited.Seconds())
	tell("store_cache_age_seconds", gauge, stats.CacheAge.Seconds())
	tell("store_cache_stale", gauge, float64(index(stats.Stale)))
	tell("sweep_last_duration_seconds", gauge, stats.Sweep.Took.Seconds())
	tell("sweep_last_rows", gauge, float64(stats.Sweep.Rows))
	tell("sweep_last_timestamp_seconds", gauge, seconds(stats.Sweep.At))
	if stats.Mails >= 0 {
		tell("mails_waiting", gauge, float64(stats.Mails))
	}
}

func (s *state) tellKeys(tell teller) {
	if s.c.Keys == nil {
		return
	}
	stats := s.c.Keys()
	for alg, age := range stats.Age {
		tell("signing_key_age_seconds", gauge, age.Seconds(), string(alg))
	}
	tell("signing_keys_next_change_timestamp_seconds", gauge, seconds(stats.Next))
}

// seconds since 1970; 0 for no time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
