package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/valetkey/valetkey/internal/failpoint"
)

// openPostgres uses database/sql over pgx's own pool.
func (s *Store) openPostgres(ctx context.Context, dsn string) error {
	config, err := poolConfig(dsn)
	if err != nil {
		return fmt.Errorf("database: %w", err) // pgx leaves the password out
	}
	tune := config.AfterConnect
	config.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return s.fenced() }
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return errors.Join(tune(ctx, c), s.fence(ctx, c)) }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := s.durable(ctx, pool); err != nil {
		pool.Close()
		return fmt.Errorf("database: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	if err := migratePostgres(ctx, db, s.now()); err != nil {
		pool.Close()
		return fmt.Errorf("database: %w", asError(err))
	}
	s.kind, s.reads, s.pgx = PostgreSQL, newPool(db, false), pool
	committed := func() { s.writes.Add(1) }
	hot := startLane(pool, true, committed, s.meter)
	s.lane = startLane(pool, false, func() {}, s.meter)
	s.writer = &direct{pool: s.reads, hot: hot, committed: committed, meter: s.meter}
	s.waiting = func() int { return len(hot.queue) + len(s.lane.queue) }
	s.close = func() error {
		s.lane.close()
		hot.close()
		err := db.Close()
		pool.Close()
		return err
	}
	return nil
}

// poolConfig fills in what the URL leaves open.
func poolConfig(dsn string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		config.MaxConns = 16
	}
	if severalHosts(config.ConnConfig) && config.ConnConfig.ValidateConnect == nil { // the one that writes
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "valetkey"
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		// What every flow asks has one good plan, by primary keys. Made anew for
		// each set of values it would cost as much as the asking; an engine that
		// doesn't know the setting does as it does.
		_, _ = c.Exec(ctx, "SET plan_cache_mode = force_generic_plan")
		return nil
	}
	return config, nil
}

// severalHosts: a fallback may also be the same host without TLS.
func severalHosts(c *pgx.ConnConfig) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port })
}

// direct is PostgreSQL's writer: the server groups commits by itself. A single
// statement is its own transaction; of several, those that trust one another
// run serializable, so that what one of them read is still true when the last
// has written.
type direct struct {
	pool      *pool
	hot       *lane
	committed func()
	meter     Meter
}

const maxAttempts = 50

func (d *direct) submit(ctx context.Context, m *member) error {
	if m.shape == hot {
		return m.run(conn{ctx: ctx, pool: d.pool, lane: d.hot, key: m.key})
	}
	for attempt := 1; ; attempt++ {
		err := d.once(ctx, m)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || !retryable(pg.Code) || attempt == maxAttempts {
			return err
		}
		d.meter.Retried()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * time.Millisecond):
		}
	}
}

func (d *direct) once(ctx context.Context, m *member) error {
	began := stopwatch()
	if m.shape == single {
		err := m.run(conn{ctx: ctx, pool: d.pool})
		if err == nil {
			d.done(began)
		}
		return err
	}
	tx, err := d.pool.BeginTx(ctx, isolation(m.shape))
	if err != nil {
		return err
	}
	if err := m.run(conn{ctx: ctx, pool: d.pool, tx: tx}); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	failpoint.Hit("before-commit")
	if err := tx.Commit(); err != nil {
		return err
	}
	failpoint.Hit("after-commit")
	d.done(began)
	return nil
}

func (d *direct) done(began time.Time) {
	d.committed()
	d.meter.Committed(1, time.Since(began))
}

func isolation(shape shape) *sql.TxOptions {
	if shape == serial {
		return &sql.TxOptions{Isolation: sql.LevelSerializable}
	}
	return nil
}

// ignoreDone: a cancelled context has rolled the transaction back already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// durable refuses a database that answers before what it was told is safe.
// Engines without the setting have no such mode.
func (s *Store) durable(ctx context.Context, pool *pgxpool.Pool) error {
	var mode, fsync string
	err := pool.QueryRow(ctx, "SELECT current_setting('synchronous_commit', true), current_setting('fsync', true)").Scan(&mode, &fsync)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg), errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return asError(err)
	case mode == "off":
		return errors.New("synchronous_commit is off: a token that was answered could be lost; set it to on for this role or database")
	case fsync == "off":
		s.log.Warn("PostgreSQL runs with fsync=off: a power cut loses tokens that were answered")
	}
	return nil
}
