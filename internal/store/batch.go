package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/valetkey/valetkey/internal/failpoint"
	"github.com/valetkey/valetkey/oauth"
)

// writer makes a member's change durable before it answers.
type writer interface {
	submit(ctx context.Context, m *member) error
}

// member is one caller's change. run may be called twice (the second time
// alone, after its batch was rolled back), so it must not count on its first.
type member struct {
	ctx   context.Context //nolint:containedctx // asked once, before the batch begins
	shape shape
	key   string // of the row that a hot one changes
	run   func(conn) error
	done  chan error
}

// shape says what a change needs of its database; the zero value is the safest.
type shape uint8

const (
	serial shape = iota // several statements, of which one trusts what another read
	joined              // several that decide each by itself: all or none
	single              // one changing statement, which refuses without a trace
	hot                 // a single one that every flow runs, by its primary key
)

// write runs fn in a transaction of its own or in a batch, and answers once it
// is durable. The caller doesn't wait longer than ctx; what it left behind may
// still be committed, which is why fn's result goes through here and not
// through a captured variable.
func write[T any](ctx context.Context, s *Store, shape shape, fn func(conn) (T, error)) (T, error) {
	return writeRow(ctx, s, shape, "", fn)
}

// writeRow is write with the primary key of the row that a hot change is about.
func writeRow[T any](ctx context.Context, s *Store, shape shape, key string, fn func(conn) (T, error)) (T, error) {
	var out, zero T
	end := s.traced(ctx, "store.commit")
	m := &member{ctx: ctx, shape: shape, key: key, done: make(chan error, 1), run: func(c conn) (err error) {
		out, err = fn(c)
		return err
	}}
	err := s.writer.submit(ctx, m)
	if end != nil {
		end(failure(err))
	}
	if err != nil {
		return zero, s.mapped(ctx, err)
	}
	return out, nil
}

// statement runs a change that is one statement, perhaps with reads behind it.
func (s *Store) statement(ctx context.Context, fn func(conn) error) error {
	_, err := write(ctx, s, single, func(c conn) (struct{}, error) { return struct{}{}, fn(c) })
	return err
}

// statements runs a change of several that decide each by itself.
func (s *Store) statements(ctx context.Context, fn func(conn) error) error {
	_, err := write(ctx, s, joined, func(c conn) (struct{}, error) { return struct{}{}, fn(c) })
	return err
}

// transaction runs a change of several statements that see nobody else's.
func (s *Store) transaction(ctx context.Context, fn func(conn) error) error {
	_, err := write(ctx, s, serial, func(c conn) (struct{}, error) { return struct{}{}, fn(c) })
	return err
}

const (
	maxBatch  = 128
	maxYields = 8
)

// batcher is SQLite's one writer. A commit with synchronous=FULL costs as much
// for a hundred members as for one, so what arrives during one commit shares
// the next.
type batcher struct {
	pool      *pool
	committed func()
	meter     Meter
	queue     chan *member
	stop      chan struct{}
	stopped   chan struct{}
}

func startBatcher(p *pool, committed func(), meter Meter) *batcher {
	b := &batcher{
		pool: p, committed: committed, meter: meter,
		queue: make(chan *member, 2*maxBatch), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go b.run()
	return b
}

func (b *batcher) submit(ctx context.Context, m *member) error {
	select {
	case b.queue <- m:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.stopped:
		return errClosed
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-b.stopped:
		return b.afterwards(m)
	}
}

var errClosed = fmt.Errorf("%w: closed", oauth.ErrUnavailable)

// afterwards: the last batch may have answered at the moment it stopped.
func (b *batcher) afterwards(m *member) error {
	select {
	case err := <-m.done:
		return err
	default:
		return errClosed
	}
}

func (b *batcher) close() {
	close(b.stop)
	<-b.stopped
}

func (b *batcher) run() {
	defer close(b.stopped)
	for {
		select {
		case m := <-b.queue:
			b.commit(b.collect(m))
		case <-b.stop:
			b.drain()
			return
		}
	}
}

func (b *batcher) drain() {
	for {
		select {
		case m := <-b.queue:
			b.commit(b.collect(m))
		default:
			return
		}
	}
}

// collect takes what waits, leaving out callers who have gone. Before it is
// content it lets requests that are about to come run first: a commit costs as
// much for one as for twenty.
func (b *batcher) collect(first *member) []*member {
	batch := make([]*member, 0, 16)
	yields := maxYields
	for m := first; ; {
		if err := m.ctx.Err(); err != nil {
			m.done <- err
		} else {
			batch = append(batch, m)
		}
		if len(batch) == maxBatch {
			return batch
		}
		for m = nil; m == nil; {
			select {
			case m = <-b.queue:
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

// commit answers every member. When one of several fails, all are rolled back
// and each tries alone, so that a failure is told to its own caller only.
func (b *batcher) commit(batch []*member) {
	if len(batch) == 0 {
		return
	}
	answers, err := b.together(batch)
	var failed *memberError
	if errors.As(err, &failed) && len(batch) > 1 {
		for _, m := range batch {
			b.meter.Retried()
			b.commit([]*member{m})
		}
		return
	}
	b.pool.prepareWanted(context.Background())
	for i, m := range batch {
		if err != nil {
			m.done <- err
			continue
		}
		m.done <- answers[i]
	}
}

// memberError is a failure of a member's statement, not of begin or commit.
type memberError struct{ err error }

func (e *memberError) Error() string { return e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

// together runs under no request's context: a cancelled one would roll the
// whole transaction back, savepoints notwithstanding.
func (b *batcher) together(batch []*member) ([]error, error) {
	limitPages(b.pool)
	ctx, began := context.Background(), stopwatch()
	tx, err := b.pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	c := conn{ctx: ctx, pool: b.pool, tx: tx}
	answers := make([]error, len(batch))
	for i, m := range batch {
		answers[i] = asError(c.try(m))
		if answers[i] != nil && !refused(answers[i]) {
			return nil, errors.Join(&memberError{answers[i]}, tx.Rollback())
		}
	}
	failpoint.Hit("before-commit")
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	failpoint.Hit("after-commit")
	b.committed()
	b.meter.Committed(len(batch), time.Since(began))
	return answers, nil
}

// try runs a member so that its refusal leaves nothing behind: a single
// statement does so by itself, several need a savepoint.
func (c conn) try(m *member) error {
	if m.shape == single || m.shape == hot {
		return m.run(c)
	}
	if _, err := c.exec("SAVEPOINT member"); err != nil {
		return err
	}
	err := m.run(c)
	if err != nil {
		if _, undo := c.exec("ROLLBACK TO member"); undo != nil {
			return errors.Join(err, undo) // what comes first is told
		}
	}
	if _, release := c.exec("RELEASE member"); release != nil {
		return release
	}
	return err
}
