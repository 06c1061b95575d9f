//go:build linux

package faults

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/loadgen"
	"github.com/valetkey/valetkey/test/harness"
)

// soaking is how long the load goes on: SOAK, or an hour, in the long form.
func soaking(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("SOAK"); text != "" && long() {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK: %v", err)
		}
		return d
	}
	return either(6*time.Second, time.Hour)
}

// mixed is what a server does all day.
type mixed struct {
	*loadgen.Target

	process *harness.Process
	t       *testing.T
	lines   [16]struct {
		sync.Mutex

		tokens loadgen.Tokens
	}
}

// step is one operation of twenty, in the order of a day's shares.
func (m *mixed) step(ctx context.Context, i int) error {
	line := &m.lines[i/20%len(m.lines)]
	line.Lock()
	defer line.Unlock()
	switch at := i % 20; {
	case at == 0:
		tokens, err := m.Flow(ctx)
		line.tokens = tokens
		return err
	case at == 1:
		return across(m.Target, m.Target)
	case at == 2 && i%1000 == 2:
		deviceOf(m.t, m.process)
		return nil
	case at == 3: // an app's mistake
		if _, err := m.Redeem(ctx, "made up"); !refused(err) {
			return fmt.Errorf("a code that isn't one: %w", err)
		}
		return nil
	case at == 4 && i%200 == 4: // an app may have a hundred of them
		return m.push(ctx)
	case line.tokens.Refresh == "":
		return nil
	case at < 9:
		fresh, err := m.Refresh(ctx, line.tokens.Refresh)
		if err == nil {
			line.tokens = fresh
		}
		return err
	case at == 19:
		token := line.tokens.Refresh
		line.tokens = loadgen.Tokens{}
		return m.Revoke(ctx, token)
	}
	return m.Introspect(ctx, line.tokens.Access)
}

// push is a request that is pushed and never used: it expires and is swept.
func (m *mixed) push(ctx context.Context) error {
	form := url.Values{
		"response_type": {"code"}, "client_id": {m.Client}, "redirect_uri": {m.Callback}, "scope": {m.Scope},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL+"/par", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(m.Client, m.Secret)
	a, err := harness.DoBy(m.HTTP, req)
	if err == nil && a.Status != http.StatusCreated {
		err = errorOf(a)
	}
	return err
}

// sample is how the server was at a moment.
type sample struct {
	at         time.Duration
	memory     float64 // MiB
	heap       float64 // MiB that Go's collector aims at, twice what lives: without what SQLite keeps
	goroutines float64
}

// trend is the slope of a line through samples, an hour, with the uncertainty
// that their scatter gives it.
func trend(samples []sample, of func(sample) float64) (slope, uncertain float64) {
	var n, meanX, meanY float64
	for _, s := range samples {
		n++
		meanX += s.at.Hours()
		meanY += of(s)
	}
	meanX, meanY = meanX/n, meanY/n
	var xx, xy, rest float64
	for _, s := range samples {
		xx += (s.at.Hours() - meanX) * (s.at.Hours() - meanX)
		xy += (s.at.Hours() - meanX) * (of(s) - meanY)
	}
	slope = xy / xx
	for _, s := range samples {
		off := of(s) - meanY - slope*(s.at.Hours()-meanX)
		rest += off * off
	}
	return slope, 2 * math.Sqrt(rest/(n-2)/xx)
}

// TestSoak: 3.10. A mixed load for as long as it may take: memory and goroutines
// don't grow, nothing is in the log that isn't expected, and the data is whole.
func TestSoak(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			operations, err := harness.FreeAddress()
			if err != nil {
				t.Fatal(err)
			}
			more := []string{"VALETKEY_OPS_LISTEN=" + operations, "VALETKEY_LOG_LEVEL=warn"}
			if database == "postgres" {
				_, url := postgres(t)
				more = append(more, "VALETKEY_DATABASE="+url, "VALETKEY_MASTER_SECRET_FILE="+secretFile(t, harness.Binary(t)))
			}
			p := harness.NewProcess(t, harness.Binary(t), more...)
			p.Start(t)
			soak(t, p, operations, map[string]time.Duration{"sqlite": 12 * time.Hour, "postgres": time.Hour}[database])
		})
	}
}

// soak judges the slope of Go's heap, and of all memory once a load has gone on for
// so long that it has settled: SQLite keeps up to 16 MiB of the file for each
// connection, and the file must have grown to that first.
func soak(t *testing.T, p *harness.Process, operations string, settles time.Duration) {
	m := &mixed{Target: p.Target(t), process: p, t: t}
	attend(t, m.Target)
	quiet := rest(t, m, operations)
	during := soaking(t)
	ended := make(chan struct{})
	var result loadgen.Result
	var first error
	go func() {
		defer close(ended)
		var once sync.Once
		var meter loadgen.Meter
		result, _ = meter.Open(context.Background(), "mixed", 100, during, func(ctx context.Context, i int) error {
			err := m.step(ctx, i)
			if err != nil {
				once.Do(func() { first = fmt.Errorf("operation %d: %w", i, err) })
			}
			return err
		})
	}()
	samples := watchFor(t, p, operations, during, ended)
	if result.Failed > 0 {
		t.Errorf("%d of %d operations failed, the first: %v", result.Failed, result.Count, first)
	}
	// The first quarter fills pools and caches.
	samples = samples[len(samples)/4:]
	memory, scatter := trend(samples, func(s sample) float64 { return s.memory })
	busy, unsure := trend(samples, func(s sample) float64 { return s.goroutines })
	heap, vague := trend(samples, func(s sample) float64 { return s.heap })
	after := rest(t, m, operations)
	t.Logf("%d operations in %s, p50 %s p99 %s; memory %.1f to %.1f MiB, %+.2f (± %.2f) an hour, Go's heap %+.2f (± %.2f); goroutines at rest %d, then %d, %+.2f (± %.2f) an hour under load",
		result.Count, result.Elapsed.Round(time.Second), result.Quantile(0.5), result.Quantile(0.99), samples[0].memory, samples[len(samples)-1].memory, memory, scatter, heap, vague, quiet, after, busy, unsure)
	if after > quiet+8 {
		t.Errorf("%d goroutines at rest, at first %d", after, quiet)
	}
	if grown := samples[len(samples)-1].memory - samples[0].memory; grown > 96 {
		t.Errorf("it grew by %.1f MiB", grown)
	}
	if during >= settles && memory-scatter > 1 {
		t.Errorf("its memory grows by %.2f (± %.2f) MiB an hour", memory, scatter)
	}
	if during >= time.Hour && heap-vague > 1 {
		t.Errorf("Go's heap grows by %.2f (± %.2f) MiB an hour", heap, vague)
	}
	if during >= 20*time.Minute && busy-unsure > 1 {
		t.Errorf("its goroutines grow by %.2f (± %.2f) an hour", busy, unsure)
	}
	p.Say(t, "doctor", "--verify")
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(p.Out.String()) {
		if strings.Contains(line, "level=") && !strings.Contains(line, "msg=code_replayed") { // across does so
			t.Errorf("unexpected in the log: %s", line)
		}
	}
}

// watchFor takes some two hundred samples or more while the load goes on.
func watchFor(t *testing.T, p *harness.Process, operations string, during time.Duration, ended <-chan struct{}) (samples []sample) {
	t.Helper()
	pid, began := p.Cmd.Process.Pid, time.Now()
	for {
		memory, err := loadgen.Memory(pid)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, sample{time.Since(began), memory, metric(t, operations, "go_memstats_next_gc_bytes") / (1 << 20), metric(t, operations, "go_goroutines")})
		select {
		case <-ended:
			return samples
		case <-time.After(min(during/200, 10*time.Second)):
		}
	}
}

// rest is how many goroutines there are when nobody asks for anything.
func rest(t *testing.T, m *mixed, operations string) int {
	t.Helper()
	var last []int
	for range 20 {
		m.HTTP.CloseIdleConnections()
		time.Sleep(50 * time.Millisecond)
		last = append(last, goroutines(t, operations))
	}
	return slices.Min(last)
}
