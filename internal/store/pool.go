package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// pool is a database/sql pool that remembers prepared statements: parsing SQL
// is most of what a short SQLite query costs. pgx keeps its own, so keep is
// false for PostgreSQL.
type pool struct {
	*sql.DB
	keep bool

	mu     sync.RWMutex
	stmts  map[string]*sql.Stmt
	wanted map[string]bool
}

func newPool(db *sql.DB, keep bool) *pool {
	return &pool{DB: db, keep: keep, stmts: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

func (p *pool) prepared(query string) *sql.Stmt {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.stmts[query]
}

// want notes a statement that ran unprepared. Preparing it needs a connection,
// and the transaction that met it may hold the only one.
func (p *pool) want(query string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted[query] = true
}

// prepareWanted prepares what was noted. A statement that fails here fails
// again where it is used, so the error is told there.
func (p *pool) prepareWanted(ctx context.Context) {
	for query := range p.takeWanted() {
		_, _ = p.prepare(ctx, query)
	}
}

func (p *pool) takeWanted() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.wanted) == 0 {
		return nil
	}
	taken := p.wanted
	p.wanted = map[string]bool{}
	return taken
}

func (p *pool) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.stmts[query]; ok {
		_ = stmt.Close()
		return first, nil
	}
	p.stmts[query] = stmt
	return stmt, nil
}

// conn runs statements: on any connection of the pool, or in a transaction.
type conn struct {
	ctx  context.Context //nolint:containedctx // lives for one verb
	pool *pool
	tx   *sql.Tx
	lane *lane // PostgreSQL's way for hot statements, else nil
	key  string

	meter Meter // told of what is read; nil: of nothing
	span  Span
}

// statement returns the prepared statement to use, or nil to send the text.
func (c conn) statement(query string) (*sql.Stmt, error) {
	if !c.pool.keep {
		return nil, nil
	}
	stmt := c.pool.prepared(query)
	switch {
	case stmt == nil && c.tx != nil:
		c.pool.want(query)
		return nil, nil
	case stmt == nil:
		return c.pool.prepare(c.ctx, query)
	case c.tx != nil:
		return c.tx.StmtContext(c.ctx, stmt), nil
	}
	return stmt, nil
}

// result is one row that may be an error, like sql.Row.
type result struct {
	row   *sql.Row
	err   error
	later func(dest []any) error
	measure
}

// measure is of one read: when it began, and who hears of it.
type measure struct {
	meter Meter
	began time.Time
	end   func(error)
}

func (c conn) measure() (m measure) {
	if c.meter == nil {
		return m
	}
	m.meter, m.began = c.meter, stopwatch()
	if c.span != nil {
		m.end = c.span(c.ctx, "store.read")
	}
	return m
}

func (m measure) over(err error) {
	if m.meter == nil {
		return
	}
	m.meter.Read(time.Since(m.began))
	if m.end != nil {
		m.end(failure(err))
	}
}

// failure leaves out what is an answer.
func failure(err error) error {
	if refused(asError(err)) {
		return nil
	}
	return err
}

// Scan answers sql.ErrNoRows when there is no row.
func (r result) Scan(dest ...any) error {
	if r.meter == nil {
		return r.scan(dest)
	}
	err := r.scan(dest)
	r.over(err)
	return err
}

func (r result) scan(dest []any) error {
	if r.err != nil {
		return r.err
	}
	if r.later != nil {
		return r.later(dest)
	}
	return r.row.Scan(dest...)
}

func (c conn) row(query string, args ...any) result {
	m := c.measure()
	if c.lane != nil {
		return result{measure: m, later: func(dest []any) error { return c.lane.do(c.ctx, c.key, query, args, dest) }}
	}
	stmt, err := c.statement(query)
	switch {
	case err != nil:
		return result{measure: m, err: err}
	case stmt != nil:
		return result{measure: m, row: stmt.QueryRowContext(c.ctx, args...)}
	case c.tx != nil:
		return result{measure: m, row: c.tx.QueryRowContext(c.ctx, query, args...)}
	}
	return result{measure: m, row: c.pool.QueryRowContext(c.ctx, query, args...)}
}

func (c conn) rows(query string, args ...any) (*sql.Rows, error) {
	stmt, err := c.statement(query)
	switch {
	case err != nil:
		return nil, err
	case stmt != nil:
		return stmt.QueryContext(c.ctx, args...)
	case c.tx != nil:
		return c.tx.QueryContext(c.ctx, query, args...)
	}
	return c.pool.QueryContext(c.ctx, query, args...)
}

// exec runs a statement and returns how many rows it touched. That number
// steers sweeps and nothing else: drivers count differently.
func (c conn) exec(query string, args ...any) (int64, error) {
	if c.lane != nil {
		return 0, c.lane.do(c.ctx, c.key, query, args, nil)
	}
	stmt, err := c.statement(query)
	if err != nil {
		return 0, err
	}
	var r sql.Result
	switch {
	case stmt != nil:
		r, err = stmt.ExecContext(c.ctx, args...)
	case c.tx != nil:
		r, err = c.tx.ExecContext(c.ctx, query, args...)
	default:
		r, err = c.pool.ExecContext(c.ctx, query, args...)
	}
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// all reads every row with scan.
func all[T any](c conn, scan func(scanner) (T, error), query string, args ...any) (out []T, err error) {
	m := c.measure()
	defer func() { m.over(err) }()
	rows, err := c.rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

type scanner interface{ Scan(dest ...any) error }
