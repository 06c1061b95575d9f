package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Meter reads the CPU time of what is under load.
type Meter struct {
	Servers  []int                         // process ids
	Database func() (time.Duration, error) // nil when it is in the server's process
}

type reading struct{ server, database time.Duration }

func (m Meter) read() (r reading, err error) {
	for _, pid := range m.Servers {
		used, err := cpuOf(pid)
		if err != nil {
			return r, err
		}
		r.server += used
	}
	if m.Database != nil {
		r.database, err = m.Database()
	}
	return r, err
}

// Result is what one operation cost.
type Result struct {
	Name      string
	Count     int
	Failed    int           // open loop only: a closed one ends at the first failure
	Server    time.Duration // CPU an operation, of all nodes
	Database  time.Duration // CPU an operation, of PostgreSQL
	Elapsed   time.Duration // of the whole run
	Latencies []time.Duration
}

// CPU is what server and database took together, an operation.
func (r Result) CPU() time.Duration { return r.Server + r.Database }

// Quantile returns a latency, q between 0 and 1.
func (r Result) Quantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(q*float64(len(r.Latencies))), len(r.Latencies)-1)]
}

// Operation is done once with a number of its own. Closed passes those of one
// worker in order: worker w does w, w+connections and so on.
type Operation func(ctx context.Context, i int) error

// Closed does an operation count times, so many at once.
func (m Meter) Closed(ctx context.Context, name string, count, connections int, do Operation) (Result, error) {
	latencies := make([]time.Duration, count)
	var failed error
	var once sync.Once
	return m.around(name, count, func() ([]time.Duration, int, error) {
		var workers sync.WaitGroup
		for w := range connections {
			workers.Go(func() {
				for i := w; i < count; i += connections {
					begin := time.Now()
					if err := do(ctx, i); err != nil {
						once.Do(func() { failed = err })
						return
					}
					latencies[i] = time.Since(begin)
				}
			})
		}
		workers.Wait()
		return latencies, 0, failed
	})
}

// maxWaiting bounds what an open loop has under way; beyond it the server has
// lost, and what is due counts as failed.
const maxWaiting = 4096

// Open begins rate operations a second, for so long, and counts each one's time
// from when it was due: what waits behind a slow answer is not left out.
func (m Meter) Open(ctx context.Context, name string, rate float64, during time.Duration, do Operation) (Result, error) {
	count := int(rate * during.Seconds())
	latencies := make([]time.Duration, count)
	var failed, waiting atomic.Int64
	result, err := m.around(name, count, func() ([]time.Duration, int, error) {
		var under sync.WaitGroup
		began := time.Now()
		for i := range count {
			due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			time.Sleep(time.Until(due))
			if waiting.Load() >= maxWaiting {
				failed.Add(1)
				continue
			}
			waiting.Add(1)
			under.Go(func() {
				defer waiting.Add(-1)
				if err := do(ctx, i); err != nil {
					failed.Add(1)
					return
				}
				latencies[i] = time.Since(due)
			})
		}
		under.Wait()
		return slices.DeleteFunc(latencies, func(d time.Duration) bool { return d == 0 }), int(failed.Load()), nil
	})
	return result, err
}

func (m Meter) around(name string, count int, load func() ([]time.Duration, int, error)) (Result, error) {
	before, err := m.read()
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	latencies, failures, failed := load()
	elapsed := time.Since(began)
	after, err := m.read()
	if err = errors.Join(failed, err); err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	slices.Sort(latencies)
	n := time.Duration(max(count, 1))
	return Result{
		Name: name, Count: count, Failed: failures, Elapsed: elapsed, Latencies: latencies,
		Server: (after.server - before.server) / n, Database: (after.database - before.database) / n,
	}, nil
}
