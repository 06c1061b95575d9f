package upstream

import (
	"context"
	"sync"
	"time"
)

const (
	minFresh  = 5 * time.Minute
	maxFresh  = 24 * time.Hour
	useFresh  = time.Hour        // where the provider says nothing
	retry     = 5 * time.Second  // after a failure nobody asks for so long
	renewWait = 30 * time.Second // between two that a stranger's token may cause
	maxStale  = 24 * time.Hour   // a document may be used so long after its end, while no newer one can be had
)

// fresh keeps one document of a provider: fetched when somebody needs it, once
// for all who wait, again when it is old.
type fresh[T any] struct {
	// fetch runs under a context of its own, since the first who asked may
	// leave. It says how long the document may be kept; zero: it didn't say.
	fetch   func(context.Context) (T, time.Duration, error)
	now     func() time.Time
	timeout time.Duration

	mu                   sync.Mutex
	value                T
	have                 bool
	fetched, until, next time.Time // next: not to be asked before
	err                  error
	busy                 chan struct{} // closed when who fetches is done
}

// get returns the document. An old one is good enough while the provider is
// down.
func (f *fresh[T]) get(ctx context.Context) (T, error) {
	return f.wait(ctx, func(now time.Time) bool { return !f.have || !now.Before(f.until) })
}

// renew fetches the document again because what is in it wasn't enough: a key
// that is new. It does so rarely, for tokens are made by strangers too.
func (f *fresh[T]) renew(ctx context.Context) (T, error) {
	return f.wait(ctx, func(now time.Time) bool { return now.Sub(f.fetched) >= renewWait })
}

func (f *fresh[T]) wait(ctx context.Context, needed func(now time.Time) bool) (T, error) {
	f.mu.Lock()
	now := f.now()
	if !needed(now) || now.Before(f.next) {
		defer f.mu.Unlock()
		return f.current(now)
	}
	if f.busy == nil {
		f.busy = make(chan struct{})
		go f.load(context.WithoutCancel(ctx), f.busy)
	}
	busy := f.busy
	f.mu.Unlock()
	select {
	case <-busy:
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current(now)
}

// current is under the lock.
func (f *fresh[T]) current(now time.Time) (T, error) {
	if f.have && now.Before(f.until.Add(maxStale)) {
		return f.value, nil
	}
	var none T
	return none, f.err
}

func (f *fresh[T]) load(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	value, keep, err := f.fetch(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	defer close(done)
	f.busy = nil
	now := f.now()
	if err != nil {
		f.err, f.next = err, now.Add(retry)
		return
	}
	if keep == 0 {
		keep = useFresh
	}
	f.value, f.have, f.err = value, true, nil
	f.fetched, f.until, f.next = now, now.Add(min(max(keep, minFresh), maxFresh)), time.Time{}
}
