package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres uses database/sql over pgx's own pool.
func (s *Store) openPostgres(ctx context.Context, dsn string) error {
	config, err := poolConfig(dsn)
	if err != nil {
		return fmt.Errorf("database: %w", err) // pgx leaves the password out
	}
	pgx, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	db := stdlib.OpenDBFromPool(pgx)
	if err := migratePostgres(ctx, db, s.now()); err != nil {
		pgx.Close()
		return fmt.Errorf("database: %w", asError(err))
	}
	s.kind, s.reads = PostgreSQL, newPool(db, false)
	s.writer = &direct{pool: s.reads, committed: func() { s.writes.Add(1) }}
	s.close = func() error {
		err := db.Close()
		pgx.Close()
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
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "valetkey"
	}
	return config, nil
}

// direct is PostgreSQL's writer: the server groups commits by itself. A single
// statement is its own transaction; of several, those that trust one another
// run serializable, so that what one of them read is still true when the last
// has written.
type direct struct {
	pool      *pool
	committed func()
}

const maxAttempts = 50

func (d *direct) submit(ctx context.Context, m *member) error {
	for attempt := 1; ; attempt++ {
		err := d.once(ctx, m)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || !retryable(pg.Code) || attempt == maxAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * time.Millisecond):
		}
	}
}

func (d *direct) once(ctx context.Context, m *member) error {
	if m.shape == single {
		err := m.run(conn{ctx: ctx, pool: d.pool})
		if err == nil {
			d.committed()
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
	if err := tx.Commit(); err != nil {
		return err
	}
	d.committed()
	return nil
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
