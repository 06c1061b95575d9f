package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/valetkey/valetkey/internal/failpoint"
)

// lane carries the few statements that every flow runs to PostgreSQL. What
// arrives while one batch is under way goes with the next: one round trip, one
// implicit transaction and one commit for all. An answer is given only when the
// whole batch is durable.
type lane struct {
	pool     *pgxpool.Pool
	changing bool // its statements write
	done     func()
	meter    Meter
	queue    chan *query
	stop     chan struct{}

	mu      sync.Mutex // guards what follows
	aside   int        // batches under way beside the first
	closed  bool
	workers sync.WaitGroup
}

// query is one statement on its way.
type query struct {
	ctx    context.Context //nolint:containedctx // asked once, before the batch is sent
	key    string          // the row that it locks
	text   string
	args   []any
	dest   []any
	err    error
	answer chan error
}

var queries = sync.Pool{New: func() any { return &query{answer: make(chan error, 1)} }}

const (
	// lanePatience is how long a batch may take before what waits behind it goes
	// beside it: one at a time makes the largest batches, and one that waits for a
	// row that somebody else holds must not hold up the rest.
	lanePatience = 10 * time.Millisecond
	maxAside     = 7
	// laneTimeout is after which a batch that PostgreSQL doesn't answer is given
	// up: its callers are told that the database can't be reached.
	laneTimeout = 5 * time.Second
)

func startLane(pool *pgxpool.Pool, changing bool, done func(), meter Meter) *lane {
	l := &lane{pool: pool, changing: changing, done: done, meter: meter, queue: make(chan *query, 2*maxBatch), stop: make(chan struct{})}
	l.workers.Go(l.run)
	return l
}

func (l *lane) close() {
	close(l.stop)
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.workers.Wait()
}

// do sends a statement and scans its first row, if it has one, into dest. Once
// it is on its way the caller waits for the answer whatever its context says:
// dest is written meanwhile, and laneTimeout bounds the wait.
func (l *lane) do(ctx context.Context, key, text string, args, dest []any) error {
	q, _ := queries.Get().(*query)
	q.ctx, q.key, q.text, q.args, q.dest, q.err = ctx, key, text, args, dest, nil
	select {
	case l.queue <- q:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.stop:
		return errClosed
	}
	select {
	case err := <-q.answer:
		q.ctx, q.args, q.dest = nil, nil, nil
		queries.Put(q)
		return err
	case <-l.stop:
		l.workers.Wait()
	}
	select {
	case err := <-q.answer: // the last batch answered before it stopped
		return err
	default:
		return errClosed
	}
}

func (l *lane) run() {
	for {
		select {
		case q := <-l.queue:
			l.patiently(q)
		case <-l.stop:
			return
		}
	}
}

// patiently commits a batch, and lets the next go beside it when it takes long.
func (l *lane) patiently(first *query) {
	batch := l.collect(first)
	var over atomic.Bool
	var slow *time.Timer
	armed := make(chan struct{})
	slow = time.AfterFunc(lanePatience, func() {
		<-armed
		if !over.Load() {
			l.beside()
			slow.Reset(lanePatience)
		}
	})
	close(armed)
	l.commit(batch)
	over.Store(true)
	slow.Stop()
}

// beside commits what waits behind a slow batch.
func (l *lane) beside() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.aside == maxAside {
		return
	}
	select {
	case q := <-l.queue:
		l.aside++
		l.workers.Go(func() {
			defer func() { l.mu.Lock(); l.aside--; l.mu.Unlock() }()
			l.patiently(q)
		})
	default:
	}
}

// collect takes what waits, leaving out callers who have gone, and lets requests
// that are about to come run first.
func (l *lane) collect(first *query) []*query {
	batch := make([]*query, 0, 16)
	yields := maxYields
	for q := first; ; {
		if err := q.ctx.Err(); err != nil {
			q.answer <- err
		} else {
			batch = append(batch, q)
		}
		if len(batch) == maxBatch {
			return batch
		}
		for q = nil; q == nil; {
			select {
			case q = <-l.queue:
			default:
				if yields == 0 {
					return batch
				}
				yields--
				runtime.Gosched()
			}
		}
	}
}

// commit answers every statement. When a batch of several fails by one of them,
// nothing of it was done, and each tries alone.
func (l *lane) commit(batch []*query) {
	if len(batch) == 0 {
		return
	}
	if l.changing { // in one order on every node, so that batches can't deadlock
		slices.SortFunc(batch, func(a, b *query) int { return cmp.Compare(a.key, b.key) })
	}
	err := l.send(batch)
	if err != nil && len(batch) > 1 && fromServer(err) {
		for _, q := range batch {
			q.answer <- l.alone(q)
		}
		return
	}
	for _, q := range batch {
		switch {
		case err == nil:
			q.answer <- q.err
		case len(batch) == 1:
			q.answer <- l.again(q, err)
		case l.mayRepeat(err):
			q.answer <- l.alone(q)
		default:
			q.answer <- err
		}
	}
}

// fromServer tells an error that PostgreSQL answered with, so that the batch
// was rolled back, from one whose outcome nobody knows.
func fromServer(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && !lostConnection(err)
}

// mayRepeat: nothing was sent, or nothing was to be changed.
func (l *lane) mayRepeat(err error) bool {
	return pgconn.SafeToRetry(err) || !l.changing && lostConnection(err) && !errors.Is(err, context.DeadlineExceeded)
}

func (l *lane) alone(q *query) error {
	if err := l.send([]*query{q}); err != nil {
		return l.again(q, err)
	}
	return q.err
}

// again repeats a statement that lost against another transaction, and once
// what met a dead connection and may be repeated.
func (l *lane) again(q *query, err error) error {
	repeated := false
	for attempt := 1; attempt < maxAttempts; attempt++ {
		var pg *pgconn.PgError
		switch {
		case errors.As(err, &pg) && retryable(pg.Code):
			time.Sleep(time.Duration(attempt) * time.Millisecond)
		case !repeated && l.mayRepeat(err):
			repeated = true
		default:
			return err
		}
		l.meter.Retried()
		if err = l.send([]*query{q}); err == nil {
			return q.err
		}
	}
	return err
}

// send runs a batch in one implicit transaction. Its error is about all of it.
func (l *lane) send(batch []*query) error {
	ctx, cancel := context.WithTimeout(context.Background(), laneTimeout)
	defer cancel()
	began := stopwatch()
	c, err := l.pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer c.Release()
	var b pgx.Batch
	for _, q := range batch {
		b.Queue(q.text, q.args...)
	}
	if l.changing {
		failpoint.Hit("before-commit")
	}
	results := c.SendBatch(ctx, &b)
	for _, q := range batch {
		q.err = scanOne(results, q.dest)
	}
	if err := results.Close(); err != nil {
		l.leaveReadOnly(ctx, c, err)
		return err
	}
	if l.changing {
		failpoint.Hit("after-commit")
		l.meter.Committed(len(batch), time.Since(began))
	}
	if slices.ContainsFunc(batch, func(q *query) bool { return q.err == nil && !strings.HasPrefix(q.text, "SELECT") }) {
		l.done()
	}
	return nil
}

func scanOne(results pgx.BatchResults, dest []any) error {
	if dest == nil {
		_, err := results.Exec()
		return err
	}
	err := results.QueryRow().Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return sql.ErrNoRows
	}
	return err
}

// leaveReadOnly closes a connection to a server that has become a standby.
func (l *lane) leaveReadOnly(ctx context.Context, c *pgxpool.Conn, err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "25006" {
		_ = c.Conn().Close(ctx)
	}
}
