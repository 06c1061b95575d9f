package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// end is one end of a copy: a connection of its own and one transaction on it.
// A source's transaction sees one moment and can't write; a target's is
// committed whole or not at all.
type end struct {
	kind Database
	db   *sql.DB
	conn *sql.Conn
	tx   *sql.Tx
	made string // the SQLite file that goes again unless something is committed
}

// openSource begins to read a database as it is at this moment. Nothing in it
// is changed, its schema neither, and a server may go on with it.
func openSource(ctx context.Context, database string) (*end, error) {
	path, sqlite := strings.CutPrefix(database, "sqlite:")
	if !sqlite {
		return openPostgresEnd(ctx, database, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	if path == "" || path == ":memory:" {
		return nil, errors.New("a database in memory ends with its process: there is nothing to read")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return openSQLiteEnd(ctx, path, url.Values{
		"mode": {"rw"}, "_txlock": {"deferred"}, "_query_only": {"1"}, "_pragma": {"busy_timeout(5000)", "temp_store(MEMORY)"},
	})
}

// openTarget begins to write into a database. It waits for whoever brings the
// same database's schema up to date just now.
func openTarget(ctx context.Context, database string) (*end, error) {
	path, sqlite := strings.CutPrefix(database, "sqlite:")
	if !sqlite {
		return openPostgresEnd(ctx, database, nil)
	}
	if err := lasting(path); err != nil {
		return nil, err
	}
	if err := judgePlace(path, nil); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	made := ""
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		made = path
	}
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	e, err := openSQLiteEnd(ctx, path, writing())
	if err != nil {
		return nil, errors.Join(err, discard(made))
	}
	e.made = made
	return e, nil
}

func lasting(path string) error {
	if path == "" || path == ":memory:" {
		return errors.New("a database in memory ends with this command: nothing would be kept")
	}
	return nil
}

func writing() url.Values {
	q, _ := url.ParseQuery(pragmas(false)) // our own text
	return q
}

func openSQLiteEnd(ctx context.Context, path string, how url.Values) (*end, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+how.Encode())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	var e *end
	err = patiently(ctx, func() (err error) {
		e, err = begun(ctx, SQLite, db, nil)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, asError(err)), db.Close())
	}
	return e, nil
}

func openPostgresEnd(ctx context.Context, database string, how *sql.TxOptions) (*end, error) {
	config, err := poolConfig(database)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if how == nil {
		// Held by the session and not by the transaction, which would be over if an
		// engine knew no such locks.
		config.ConnConfig.AfterConnect = func(ctx context.Context, c *pgconn.PgConn) error {
			_, err := c.Exec(ctx, "SELECT pg_advisory_lock("+migrationLock+")").ReadAll()
			if unknownHere(err) {
				return nil
			}
			return err
		}
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	e, err := begun(ctx, PostgreSQL, db, how)
	if err == nil {
		err = e.unlimited(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database: %w", asError(err)), db.Close())
	}
	return e, nil
}

// unlimited: limits that are right for requests would end a copy of any size.
func (e *end) unlimited(ctx context.Context) error {
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		if _, err := e.tx.ExecContext(ctx, "SET LOCAL "+name+" = 0"); err != nil {
			return err
		}
	}
	return nil
}

func begun(ctx context.Context, kind Database, db *sql.DB, how *sql.TxOptions) (*end, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := c.BeginTx(ctx, how)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	e := &end{kind: kind, db: db, conn: c, tx: tx}
	if _, err := e.tableNames(ctx); err != nil { // SQLite's moment is that of the first reading
		return nil, errors.Join(err, tx.Rollback(), c.Close())
	}
	return e, nil
}

func (e *end) commit() error {
	err := e.tx.Commit()
	if err == nil {
		e.made = ""
	}
	return err
}

// close ends the transaction; unless it was committed, nothing of it is left.
func (e *end) close() error {
	return errors.Join(ignoreDone(e.tx.Rollback()), ignoreGone(e.conn.Close()), e.db.Close(), discard(e.made))
}

// ignoreGone: a cancelled context has closed the connection already.
func ignoreGone(err error) error {
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// run gives the transaction to what works on any connection.
func (e *end) run(ctx context.Context) conn {
	return conn{ctx: ctx, pool: newPool(e.db, false), tx: e.tx}
}

func (e *end) tableNames(ctx context.Context) ([]string, error) {
	query := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if e.kind == PostgreSQL {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false))"
	}
	return all(e.run(ctx), scanName, query)
}

// schema is the number of the last migration that ran; 0 without any.
func (e *end) schema(ctx context.Context) (int, error) {
	names, err := e.tableNames(ctx)
	if err != nil || !slices.Contains(names, "migrations") {
		return 0, err
	}
	var have int
	err = e.tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM migrations").Scan(&have)
	return have, err
}

// tables lists what a database of ours has, by the migrations that it has had.
func (e *end) tables(ctx context.Context) (schema int, tables []table, err error) {
	if schema, err = e.schema(ctx); err != nil {
		return 0, nil, err
	}
	if schema == 0 {
		return 0, nil, errors.New("this isn't a database of this program: it has no table of migrations")
	}
	tables, err = tablesAt(ctx, schema)
	return schema, tables, err
}

// fill writes what a cursor reads.
func (e *end) fill(ctx context.Context, rows *cursor) error {
	if e.kind == PostgreSQL {
		rows.strict = true
		return e.conn.Raw(func(driver any) error {
			c, ok := driver.(*stdlib.Conn)
			if !ok {
				return fmt.Errorf("the driver is %T", driver)
			}
			_, err := c.Conn().CopyFrom(ctx, pgx.Identifier{rows.table.name}, rows.table.names(), rows)
			return err
		})
	}
	insert, err := e.tx.PrepareContext(ctx, insertOf(rows.table))
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for rows.Next() {
		if _, err := insert.ExecContext(ctx, rows.values...); err != nil {
			return fmt.Errorf("write the table %s: %w", rows.table.name, err)
		}
	}
	return rows.Err()
}

func insertOf(t table) string {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")
	return "INSERT INTO " + t.name + " (" + strings.Join(t.names(), ", ") + ") VALUES (" + marks + ")"
}

// discard takes away a SQLite database that a failed command made; "" is none.
func discard(path string) error {
	if path == "" {
		return nil
	}
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
