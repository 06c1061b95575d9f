package store

import (
	"context"
	"errors"
	"time"

	"github.com/valetkey/valetkey/oauth"
)

// Meter is told what the database does, to be counted. It is called for each
// statement and must cost next to nothing.
type Meter interface {
	// Committed: a commit of so many changes was made durable.
	Committed(changes int, took time.Duration)
	// Read: a row or a list of them was read.
	Read(took time.Duration)
	// Failed: the database failed; kind is "unavailable" or "other".
	Failed(kind string)
	// Retried: a change is tried once more, because others were in its way.
	Retried()
}

// Span begins a part of a request's trace and returns what ends it. A nil Span
// is no tracing.
type Span func(ctx context.Context, name string, attributes ...string) (end func(error))

type unmetered struct{}

func (unmetered) Committed(int, time.Duration) {}
func (unmetered) Read(time.Duration)           {}
func (unmetered) Failed(string)                {}
func (unmetered) Retried()                     {}

// Stats is how the store is at a moment.
type Stats struct {
	Database Database
	Waiting  int // changes and reads that wait for their batch
	Pool     PoolStats
	CacheAge time.Duration // since other processes' changes were looked for last
	Stale    bool          // for so long that nothing in the cache is believed
	Sweep    SweepStats
	Mails    int // letters that waited when last counted, once a minute; -1: not yet
}

// PoolStats are the connections for reading, on PostgreSQL all of them.
type PoolStats struct {
	InUse, Idle, Most int
	Waits             int64 // how often a connection had to be waited for
	Waited            time.Duration
}

// SweepStats are of the last sweep that ended.
type SweepStats struct {
	Took time.Duration
	Rows int64 // deleted
	At   time.Time
}

// Stats never asks the database.
func (s *Store) Stats() Stats {
	stats := Stats{Database: s.kind, Waiting: s.waiting(), Pool: s.poolStats(), Mails: int(s.mails.Load())}
	stats.CacheAge, stats.Stale = s.cache.age()
	if last := s.sweeper.last.Load(); last != nil {
		stats.Sweep = *last
	}
	return stats
}

func (s *Store) poolStats() PoolStats {
	if s.pgx != nil {
		p := s.pgx.Stat()
		return PoolStats{
			InUse: int(p.AcquiredConns()), Idle: int(p.IdleConns()), Most: int(p.MaxConns()),
			Waits: p.EmptyAcquireCount(), Waited: p.EmptyAcquireWaitTime(),
		}
	}
	p := s.reads.Stats()
	return PoolStats{InUse: p.InUse, Idle: p.Idle, Most: p.MaxOpenConnections, Waits: p.WaitCount, Waited: p.WaitDuration}
}

// Fresh says whether what is cached may be believed, if need be after a look at
// the database; ErrUnavailable if not.
func (s *Store) Fresh(ctx context.Context) error { return s.fresh(ctx) }

// stopwatch: what is measured is how long something took here, which no clock
// of a test may move.
func stopwatch() time.Time { return time.Now() } //nolint:forbidigo // see above

// failed counts what is neither an answer nor the caller's going away.
func (s *Store) failed(err error) error {
	switch {
	case err == nil, refused(err):
	case errors.Is(err, oauth.ErrUnavailable):
		s.meter.Failed("unavailable")
	default:
		s.meter.Failed("other")
	}
	return err
}

// traced begins a span when tracing is on.
func (s *Store) traced(ctx context.Context, name string) func(error) {
	if s.span == nil {
		return nil
	}
	return s.span(ctx, name)
}

// countMails notes how many letters wait; a number for the operator only.
func (s *Store) countMails(ctx context.Context) error {
	var n int64
	if err := s.read(ctx).row("SELECT COUNT(*) FROM mails").Scan(&n); err != nil {
		return s.mapped(ctx, err)
	}
	s.mails.Store(n)
	return nil
}

func (c *cache) age() (time.Duration, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.polledAt.IsZero() {
		return 0, c.stale
	}
	return time.Since(c.polledAt), c.stale
}

// timed is swept with its time and rows noted.
func (s *Store) timed(ctx context.Context, sweep func(context.Context) error) error {
	began := stopwatch()
	s.sweeper.rows.Store(0)
	err := sweep(ctx)
	s.sweeper.last.Store(&SweepStats{Took: time.Since(began), Rows: s.sweeper.rows.Load(), At: s.now()})
	return err
}
