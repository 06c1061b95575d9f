package metrics

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store"
)

// look answers what Prometheus would read.
func look(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	return w.Body.String()
}

// whole is watched by somebody who answers everything.
func whole(c Config) *Metrics {
	m := New()
	c.Store = func() store.Stats {
		return store.Stats{Database: store.SQLite, Waiting: 3, Mails: 2, CacheAge: time.Second, Sweep: store.SweepStats{Rows: 7, At: time.Unix(100, 0)}}
	}
	c.Keys = func() keys.Stats {
		return keys.Stats{Age: map[jose.Alg]time.Duration{jose.ES256: time.Hour}, Next: time.Unix(500, 0)}
	}
	c.Hashes = func() (int, int) { return 4, 2 }
	c.Certificate = func() (time.Time, uint64) { return time.Unix(900, 0), 1 }
	c.Traces = func() (uint64, uint64) { return 10, 1 }
	m.Watch(c)
	return m
}

func TestWhatIsShown(t *testing.T) {
	m := whole(Config{Version: "v1"})
	m.Requests.Began()
	m.Requests.Began()
	m.Requests.Ended("POST /login", http.MethodPost, 303, 3*time.Millisecond)
	m.Requests.Ended("", "PROPFIND", 421, 0)
	m.Requests.Began()
	m.Requests.Ended("GET /{$}", http.MethodGet, 0, 0)
	m.Requests.Panicked()
	m.Rules.Authorized("code")
	m.Rules.Authorized("access_denied")
	m.Rules.Redeemed("authorization_code", "ok")
	m.Rules.Redeemed("", "unsupported_grant_type")
	m.Rules.Consented(true)
	m.Rules.Introspected(false)
	m.SignIns.SignedIn("password", "wrong")
	m.Store.Committed(16, time.Millisecond)
	m.Store.Read(time.Microsecond)
	m.Store.Failed("unavailable")
	m.Store.Retried()
	m.Hashes.Hashed(0, 40*time.Millisecond)
	m.Hashes.Refused()
	m.Mails.Ended("sent")
	got := look(t, m)
	for _, want := range []string{
		`valetkey_http_requests_total{method="POST",route="/login",status="3xx"} 1`,
		`valetkey_http_requests_total{method="other",route="none",status="4xx"} 1`,
		`valetkey_http_requests_total{method="GET",route="/",status="2xx"} 1`,
		`valetkey_http_request_duration_seconds_bucket{route="/login",le="0.005"} 1`,
		`valetkey_http_requests_in_flight 0`,
		`valetkey_http_panics_total 1`,
		`valetkey_authorizations_total{outcome="access_denied"} 1`,
		`valetkey_tokens_total{grant="authorization_code",outcome="ok"} 1`,
		`valetkey_tokens_total{grant="unknown",outcome="unsupported_grant_type"} 1`,
		`valetkey_consents_total{decision="allowed"} 1`,
		`valetkey_introspections_total{active="false"} 1`,
		`valetkey_sign_ins_total{outcome="wrong",way="password"} 1`,
		`valetkey_store_batch_size_sum 16`,
		`valetkey_store_errors_total{kind="unavailable"} 1`,
		`valetkey_store_queue_length 3`,
		`valetkey_store_cache_stale 0`,
		`valetkey_hashes_waiting 4`,
		`valetkey_hashes_refused_total 1`,
		`valetkey_signing_key_age_seconds{alg="ES256"} 3600`,
		`valetkey_signing_keys_next_change_timestamp_seconds 500`,
		`valetkey_mails_waiting 2`,
		`valetkey_mails_total{outcome="sent"} 1`,
		`valetkey_sweep_last_rows 7`,
		`valetkey_tls_certificate_not_after_timestamp_seconds 900`,
		`valetkey_trace_spans_total{outcome="dropped"} 1`,
		`database="sqlite"`, `version="v1"`, "go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	shown := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (valetkey_\S+)`).FindAllStringSubmatch(got, -1) {
		shown[found[1]] = true
	}
	for _, name := range m.Names() {
		if !shown[name] {
			t.Errorf("%s is named and not shown", name)
		}
		delete(shown, name)
	}
	for name := range shown {
		t.Errorf("%s is shown and not named", name)
	}
}

// TestFewWords: however many values come from elsewhere, a label has a hundred
// and one for the others.
func TestFewWords(t *testing.T) {
	m := New()
	for i := range 300 {
		m.Rules.Redeemed(strings.Repeat("g", i+1), "ok")
		m.Rules.Authorized(strings.Repeat("e", i+1))
		m.SignIns.SignedIn(strings.Repeat("w", i+1), "ok")
	}
	got := look(t, m)
	for _, name := range []string{"tokens_total", "authorizations_total", "sign_ins_total"} {
		if n := strings.Count(got, "\nvaletkey_"+name+"{"); n > maxWords+1 {
			t.Errorf("%s has %d", name, n)
		}
	}
	if !strings.Contains(got, `valetkey_sign_ins_total{outcome="ok",way="other"} 200`) {
		t.Error("the others aren't counted")
	}
}

// TestNoAllocation: what is counted within a request allocates nothing.
func TestNoAllocation(t *testing.T) {
	m := New()
	if n := testing.AllocsPerRun(1000, func() { count(m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// count is all that one token request is counted by.
func count(m *Metrics) {
	m.Requests.Began()
	m.Store.Read(50 * time.Microsecond)
	m.Store.Committed(4, time.Millisecond)
	m.Rules.Redeemed("authorization_code", "ok")
	m.Requests.Ended("/token", http.MethodPost, http.StatusOK, 2*time.Millisecond)
}

func BenchmarkMetrics(b *testing.B) {
	m := New()
	b.Run("request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Requests.Began()
			m.Requests.Ended("/token", http.MethodPost, http.StatusOK, 2*time.Millisecond)
		}
	})
	b.Run("token request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			count(m)
		}
	})
	b.Run("token request, all cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				count(m)
			}
		})
	})
	b.Run("look", func(b *testing.B) {
		m := whole(Config{})
		for b.Loop() {
			look(b, m)
		}
	})
}
