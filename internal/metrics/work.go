package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Store counts what the database does.
type Store struct {
	batch, commit, read prometheus.Observer
	unavailable, other  prometheus.Counter
	retries             prometheus.Counter
}

func (s *Store) register(m *Metrics) {
	s.batch = m.histogram("store_batch_size", "Changes that shared one commit.", []float64{1, 2, 4, 8, 16, 32, 64, 128}).WithLabelValues()
	s.commit = m.histogram("store_commit_duration_seconds", "How long commits took until they were durable.", []float64{.0005, .002, .005, .02, .1, .5, 2}).WithLabelValues()
	s.read = m.histogram("store_read_duration_seconds", "How long reads took.", []float64{.0001, .0005, .002, .01, .1, 1}).WithLabelValues()
	failed := m.counter("store_errors_total", "Failures of the database: unavailable, or other.", "kind")
	s.unavailable, s.other = failed.WithLabelValues("unavailable"), failed.WithLabelValues(other)
	s.retries = m.counter("store_retries_total", "Changes that were tried once more, since others were in their way.").WithLabelValues()
}

// Committed implements store.Meter.
func (s *Store) Committed(changes int, took time.Duration) {
	s.batch.Observe(float64(changes))
	s.commit.Observe(took.Seconds())
}

// Read implements store.Meter.
func (s *Store) Read(took time.Duration) { s.read.Observe(took.Seconds()) }

// Failed implements store.Meter.
func (s *Store) Failed(kind string) {
	if kind == "unavailable" {
		s.unavailable.Inc()
		return
	}
	s.other.Inc()
}

// Retried implements store.Meter.
func (s *Store) Retried() { s.retries.Inc() }

// Hashes counts the hashing of passwords.
type Hashes struct {
	waited, took prometheus.Observer
	refused      prometheus.Counter
}

func (h *Hashes) register(m *Metrics) {
	h.waited = m.histogram("hash_wait_seconds", "How long hashes of passwords waited for their turn.", []float64{.001, .01, .1, .5, 1, 5}).WithLabelValues()
	h.took = m.histogram("hash_duration_seconds", "How long hashes of passwords took.", []float64{.02, .05, .1, .2, .5, 1}).WithLabelValues()
	h.refused = m.counter("hashes_refused_total", "Hashes that were refused, since the queue was full or the turn didn't come in time.").WithLabelValues()
}

// Hashed implements secret.Meter.
func (h *Hashes) Hashed(waited, took time.Duration) {
	h.waited.Observe(waited.Seconds())
	h.took.Observe(took.Seconds())
}

// Refused implements secret.Meter.
func (h *Hashes) Refused() { h.refused.Inc() }
