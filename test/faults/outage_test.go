//go:build unix

package faults

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/cluster"
	"github.com/valetkey/valetkey/test/harness"
)

// witness looks at every answer: while the database is away only 503 with
// Retry-After may be said, and the server itself always answers.
type witness struct {
	next http.RoundTripper

	mu      sync.Mutex
	said    map[int]int
	wrong   []string
	firstOK chan time.Time // the next success after asking for it
	asked   atomic.Bool
	within  time.Duration // that a refusal comes; zero: any
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := w.next.RoundTrip(r)
	took := time.Since(began)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		if r.Context().Err() == nil {
			w.wrong = append(w.wrong, fmt.Sprintf("%s: %v", r.URL.Path, err))
		}
		return resp, err
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "":
		w.wrong = append(w.wrong, r.URL.Path+": 503 without Retry-After")
	case resp.StatusCode == http.StatusServiceUnavailable && w.within > 0 && took > w.within:
		w.wrong = append(w.wrong, fmt.Sprintf("%s: 503 after %s", r.URL.Path, took))
	case resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable:
		w.wrong = append(w.wrong, r.URL.Path+": "+resp.Status)
	case resp.StatusCode < 400 && r.URL.Path == "/token" && w.asked.CompareAndSwap(true, false):
		w.firstOK <- time.Now()
	}
	w.said[resp.StatusCode]++
	return resp, nil
}

// CloseIdleConnections is what an http.Client asks its transport for.
func (w *witness) CloseIdleConnections() {
	if next, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// recovery says how long after now the next token is given out.
func (w *witness) recovery(t *testing.T, from time.Time) time.Duration {
	t.Helper()
	w.asked.Store(true)
	select {
	case at := <-w.firstOK:
		return at.Sub(from)
	case <-time.After(20 * time.Second):
		t.Fatal("no success within 20 seconds")
		return 0
	}
}

// watched is a server on a database of its own, under load.
type watched struct {
	*witness
	*ledger

	target *loadgen.Target
	stop   func()
}

func underLoad(t *testing.T, database string) *watched {
	t.Helper()
	binary := harness.Binary(t)
	p := harness.NewProcess(t, binary, "VALETKEY_DATABASE="+database, "VALETKEY_MASTER_SECRET_FILE="+secretFile(t, binary))
	p.Start(t)
	return load(t, p)
}

// load sets eight workers on a server that runs.
func load(t *testing.T, p *harness.Process) *watched {
	t.Helper()
	w := &watched{
		witness: &witness{said: map[int]int{}, firstOK: make(chan time.Time, 1)}, ledger: &ledger{}, target: p.Target(t),
	}
	w.next = w.target.HTTP.Transport
	w.target.HTTP.Transport, w.target.HTTP.Timeout = w.witness, 30*time.Second
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for turn := 0; ctx.Err() == nil; turn++ {
				if !w.flow(ctx, w.target, turn) {
					time.Sleep(20 * time.Millisecond)
				}
				time.Sleep(either(10*time.Millisecond, 0)) // the others have a core, too
			}
		})
	}
	w.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(w.stop)
	return w
}

// judge ends the load and looks whether anything acknowledged was lost.
func (w *watched) judge(t *testing.T, url string) {
	t.Helper()
	w.whole(t)
	c, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	var connections int
	if err := c.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'valetkey'").Scan(&connections); err != nil {
		t.Fatal(err)
	}
	if connections > 16+1 { // the pool, and the one that listens
		t.Errorf("%d connections are open", connections)
	}
	t.Logf("%d connections", connections)
}

// whole ends the load and looks whether anything wrong was said, or anything
// acknowledged was lost.
func (w *watched) whole(t *testing.T) {
	t.Helper()
	w.stop()
	w.mutual(t)
	w.settle(t, w.target)
	acknowledged := 0
	for _, e := range w.entries {
		if e.redeemed {
			acknowledged++
		}
	}
	t.Logf("%d acknowledged of %d flows, answers %v", acknowledged, len(w.entries), w.said)
}

func (w *watched) mutual(t *testing.T) {
	t.Helper()
	w.witness.mu.Lock()
	defer w.witness.mu.Unlock()
	for i, text := range w.wrong {
		if i == 5 {
			t.Errorf("and %d more", len(w.wrong)-i)
			break
		}
		t.Error(text)
	}
}

const soon = 5 * time.Second

// TestRestarts: case 324. PostgreSQL goes away as by a power cut, again and
// again.
func TestRestarts(t *testing.T) {
	t.Parallel()
	db, url := postgres(t)
	w := underLoad(t, url)
	time.Sleep(500 * time.Millisecond)
	for range either(3, 20) {
		if err := db.Restart(true); err != nil {
			t.Fatal(err)
		}
		if took := w.recovery(t, time.Now()); took > soon {
			t.Errorf("the first success came after %s", took)
		}
		time.Sleep(either(300*time.Millisecond, 10*time.Second))
	}
	w.judge(t, url)
}

// TestBackendsKilled: connections are torn out of the pool.
func TestBackendsKilled(t *testing.T) {
	t.Parallel()
	db, url := postgres(t)
	w := underLoad(t, url)
	for range either(10, 200) {
		time.Sleep(100 * time.Millisecond)
		if err := db.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'valetkey'"); err != nil {
			t.Fatal(err)
		}
		if took := w.recovery(t, time.Now()); took > soon {
			t.Errorf("the first success came after %s", took)
		}
	}
	w.judge(t, url)
}

// TestPause: PostgreSQL stands still for five seconds and goes on.
func TestPause(t *testing.T) {
	t.Parallel()
	db, url := postgres(t)
	w := underLoad(t, url)
	for range either(1, 10) {
		time.Sleep(500 * time.Millisecond)
		resume, err := db.Pause()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := resume(); err != nil {
			t.Fatal(err)
		}
		if took := w.recovery(t, time.Now()); took > soon {
			t.Errorf("the first success came after %s", took)
		}
	}
	w.judge(t, url)
}

// TestFailover: the first server is gone for good, and its synchronous standby
// takes its place under the second name in the URL.
func TestFailover(t *testing.T) {
	t.Parallel()
	first, _ := postgres(t)
	second, err := first.Standby(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Remove() })
	url := first.URL("valetkey", second)
	w := underLoad(t, url)
	time.Sleep(500 * time.Millisecond)
	fail(t, first, second)
	if took := w.recovery(t, time.Now()); took > soon {
		t.Errorf("the first success came after %s", took)
	}
	time.Sleep(500 * time.Millisecond)
	w.judge(t, second.URL("valetkey"))
}

func fail(t *testing.T, first, second *cluster.Cluster) {
	t.Helper()
	if err := first.Stop(true); err != nil {
		t.Fatal(err)
	}
	if err := second.Promote(); err != nil {
		t.Fatal(err)
	}
}
