package resource

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

const (
	// feedSilence is after how long without an answer the feed is stale.
	feedSilence = 30 * time.Second
	// Two questions are at least this far apart, whatever the server does: one
	// that brought news, and one that was answered early and brought none.
	feedPause      = 250 * time.Millisecond
	feedPauseEmpty = 500 * time.Millisecond

	maxBackoff = 10 * time.Second
)

var errStale = errors.New("the revocation feed has been silent for too long")

// feed follows the server's revocations by long polling, in a goroutine of its
// own.
type feed struct {
	server   *server
	c        Config
	revoked  *revocations
	failures int // in a row; the goroutine's alone

	cancel context.CancelFunc
	ended  chan struct{}
	tried  chan struct{} // closed after the first attempt

	mu       sync.Mutex
	answered time.Time // zero: never
	token    string
	renew    time.Time
}

func startFeed(s *server, c Config) *feed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &feed{server: s, c: c, revoked: newRevocations(c), cancel: cancel, ended: make(chan struct{}), tried: make(chan struct{})}
	go f.run(ctx)
	return f
}

func (f *feed) close() {
	f.cancel()
	<-f.ended
}

func (f *feed) run(ctx context.Context) {
	defer close(f.ended)
	var at cursor
	for first := true; ctx.Err() == nil; first = false {
		soon, later := time.After(feedPause), time.After(feedPauseEmpty)
		next, news, err := f.ask(ctx, at, f.failures == 0)
		if ctx.Err() != nil {
			return
		}
		f.note(ctx, err)
		if first {
			close(f.tried)
		}
		switch {
		case err != nil:
			soon = time.After(backoff(f.failures))
		case news == 0:
			at, soon = next, later
		default:
			at = next
		}
		select {
		case <-soon:
		case <-ctx.Done():
		}
	}
}

// note logs when the feed falls silent and when it's back, not in between.
func (f *feed) note(ctx context.Context, err error) {
	switch {
	case err != nil:
		if f.failures++; f.failures == 1 {
			f.c.Log.ErrorContext(ctx, "resource: the revocation feed can't be read", "error", err)
		}
	case f.failures > 0:
		f.failures = 0
		f.c.Log.InfoContext(ctx, "resource: the revocation feed is back")
	}
}

// backoff is 1 to 10 s, longer after every failure, and by chance, so that a
// server that is back isn't met by all APIs at once.
func backoff(failures int) time.Duration {
	most := min(time.Second<<min(failures, 4), maxBackoff)
	var b [8]byte
	_, _ = rand.Read(b[:])
	return time.Second + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(most-time.Second+1)) //nolint:gosec // most is at least 2 s
}

func (f *feed) stale() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answered.IsZero() || f.c.Now().Sub(f.answered) > feedSilence || f.revoked.incomplete()
}

// notRevoked asks the feed about a JWT that is good otherwise. Who comes before
// its first answer waits for that one.
func (a *API) notRevoked(ctx context.Context, c *claims) error {
	if a.feed == nil {
		return nil
	}
	select {
	case <-a.feed.tried:
	case <-a.feed.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	switch {
	case a.feed.revoked.covers(c):
		return errRevoked
	case a.c.OnStale == StaleRefuse && a.feed.stale():
		return unavailable(errStale)
	}
	return nil
}
