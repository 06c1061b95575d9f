// Package store remembers: clients, people, sessions, consents, authorizations
// and whatever may happen only once, in SQLite or PostgreSQL.
//
// Each verb is atomic and none is a read followed by a write that trusts it.
// A verb that issues, rotates or spends something decides by what one
// conditional statement returns, so two nodes that race learn which of them
// was first. What ends a user, a client or a consent raises an epoch; sessions,
// codes and authorizations carry the epochs they were made under, and every
// use compares for equality.
//
// The package decides nothing about the protocol and knows no request. It
// answers oauth's errors: ErrNotFound, ErrReplayed, ErrConflict, ErrEnded and
// ErrUnavailable; a cancelled context is answered as itself.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

var (
	_ oauth.Store = (*Store)(nil)
	_ login.Store = (*Store)(nil)
)

// Config says where the database is and whom it serves.
type Config struct {
	// Database is "sqlite:PATH", "sqlite::memory:" or "postgres://…".
	Database string
	// Issuer is what clients' redirect URIs are judged against.
	Issuer string
	// MasterCheck are the check values of the master secret's keys, the first
	// being the one that seals. The database keeps one and refuses a secret
	// that doesn't know it. Empty: not checked, for commands that open nothing
	// sealed.
	MasterCheck []string
	Now         func() time.Time
	Log         *slog.Logger
	// Poll is how often other processes' changes are looked for; 100 ms on
	// SQLite, 500 ms on PostgreSQL.
	Poll time.Duration
	// KeepRevocations is how long the revocation feed remembers: longer than
	// any access token lives, by two minutes; 0 is an hour.
	KeepRevocations time.Duration
	// UnusedClients is how long a client that registered itself may wait to be
	// used before it is deleted; 0 is 30 days.
	UnusedClients time.Duration
	// KeepGoing uses a PostgreSQL server that was promoted even if it may lack
	// commits of the one before it.
	KeepGoing bool
	Meter     Meter // nil: nobody counts
	Span      Span  // nil: nothing is traced
}

// Database is a kind of database.
type Database string

// The databases.
const (
	SQLite     Database = "sqlite"
	PostgreSQL Database = "postgres"
)

// Store is the one implementation of oauth.Store, login.Store and keys.Store.
type Store struct {
	kind   Database
	issuer string
	now    func() time.Time
	log    *slog.Logger
	poll   time.Duration

	reads  *pool
	pgx    *pgxpool.Pool // PostgreSQL's, else nil
	lane   *lane         // PostgreSQL's for reading, else nil
	writer writer
	close  func() error
	closed atomic.Bool
	writes atomic.Uint64

	keepRevocations time.Duration
	unusedAfter     time.Duration

	restored  atomic.Int64 // Unix seconds; 0: never
	keepGoing bool         // after whatever fail-over
	refused   atomic.Pointer[refusal]
	seen      atomic.Pointer[seen]
	salt      atomic.Pointer[[]byte]
	cache     *cache
	lazy      lazy
	problems  problems
	sweeper   sweeper
	meter     Meter
	span      Span
	waiting   func() int   // in the queues of the writers
	mails     atomic.Int64 // that waited when last counted
}

// Open opens the database, brings its schema up to date and checks that the
// master secret is the one it was made with.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{
		issuer: c.Issuer, now: c.Now, log: c.Log, poll: c.Poll,
		keepRevocations: cmp.Or(c.KeepRevocations, keepRevocations), unusedAfter: cmp.Or(c.UnusedClients, defaultUnused),
		meter: c.Meter, span: c.Span, keepGoing: c.KeepGoing,
	}
	if s.now == nil {
		return nil, errors.New("store: Config.Now is missing")
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.poll <= 0 {
		s.poll = defaultPoll(c.Database)
	}
	if s.meter == nil {
		s.meter = unmetered{}
	}
	s.mails.Store(-1)
	s.cache = newCache()
	if err := s.connect(ctx, c.Database); err != nil {
		return nil, err
	}
	if err := s.start(ctx, c.MasterCheck); err != nil {
		s.cache.stop()
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// defaultPoll: on SQLite a poll is a read of the process's own memory, and the
// command line that just made something expects it to be there.
func defaultPoll(database string) time.Duration {
	if strings.HasPrefix(database, "postgres") {
		return 500 * time.Millisecond
	}
	return 100 * time.Millisecond
}

func (s *Store) start(ctx context.Context, masterCheck []string) error {
	if err := s.checkMaster(ctx, masterCheck); err != nil {
		return err
	}
	if err := s.loadRestored(ctx); err != nil {
		return err
	}
	if err := s.warnOfNewer(ctx); err != nil {
		return err
	}
	return s.pollOnce(ctx)
}

// Run does what has no request to ride on until ctx is done: it looks for
// other processes' changes, writes what is written lazily and sweeps. Close
// comes after it has returned.
func (s *Store) Run(ctx context.Context) {
	poll, minute := time.NewTicker(s.poll), time.NewTicker(time.Minute)
	defer poll.Stop()
	defer minute.Stop()
	var chores sync.WaitGroup
	defer chores.Wait()
	if s.pgx != nil {
		chores.Go(func() { s.listen(ctx) })
	}
	var busy atomic.Bool
	var clock pace
	clock.even(stopwatch(), s.now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			s.complain(ctx, "looking for changes in the database", s.pollOnce(ctx))
		case <-minute.C:
			sweep := clock.even(stopwatch(), s.now()) >= steadyFor
			// Beside this loop, so that a slow sweep never makes the cache stale.
			if busy.CompareAndSwap(false, true) {
				chores.Go(func() {
					defer busy.Store(false)
					s.complain(ctx, "writing what is written lazily", s.Flush(ctx))
					if sweep && s.agrees(ctx) {
						s.complain(ctx, "sweeping", s.sweepInTurn(ctx))
					}
					s.complain(ctx, "counting letters", s.countMails(ctx))
				})
			}
		}
	}
}

func (s *Store) complain(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Warn(what+" failed", "error", err)
	}
}

// Flush writes out what is written lazily: "last used" and problems.
func (s *Store) Flush(ctx context.Context) error {
	return errors.Join(s.flushLazy(ctx), s.flushProblems(ctx))
}

// Close writes out what waits in memory and closes the database.
func (s *Store) Close() error {
	if s.closed.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.Flush(ctx)
	if s.closed.Swap(true) {
		return nil
	}
	s.cache.stop()
	return errors.Join(err, s.close())
}

// Ping says whether the database answers; ErrUnavailable if not.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read(ctx).row("SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping: %w", s.mapped(ctx, err))
	}
	return nil
}

// Writes is the number of commits that were made durable since Open.
func (s *Store) Writes() uint64 { return s.writes.Load() }

// Database says which kind of database it is.
func (s *Store) Database() Database { return s.kind }
