package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNewerSchema says that a newer program has been at work on the database.
var ErrNewerSchema = errors.New("the database was made by a newer version of this program")

//go:embed migrations/*.sql
var migrationFiles embed.FS

type migration struct {
	number int
	name   string
	text   string
	serves int // the oldest schema whose programs can work with this one
}

// servesMark begins a migration that older programs don't notice, since it only
// adds what they don't ask for: "-- serves: 3" lets programs that know the
// schema 3 go on beside newer ones, and start. Without it none may.
const servesMark = "-- serves: "

// migrations are the numbered files in order: 001_start.sql and on, no gaps.
func migrations() ([]migration, error) {
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, e := range entries {
		digits, _, _ := strings.Cut(e.Name(), "_")
		number, err := strconv.Atoi(digits)
		if err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", e.Name(), i+1)
		}
		text, err := migrationFiles.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, newMigration(number, e.Name(), string(text)))
	}
	return laterMigrations(all)
}

func newMigration(number int, name, text string) migration {
	m := migration{number: number, name: name, text: text, serves: number}
	if rest, marked := strings.CutPrefix(text, servesMark); marked {
		line, _, _ := strings.Cut(rest, "\n")
		if n, err := strconv.Atoi(line); err == nil {
			m.serves = n
		}
	}
	return m
}

// migrateSQLite: the transactions are immediate, so that two processes that
// start together wait for one another.
func migrateSQLite(ctx context.Context, db *sql.DB, now time.Time) error {
	return migrate(ctx, db.BeginTx, now)
}

// migrationLock is of the schema, so that installations in one database don't
// wait for one another.
const migrationLock = "hashtextextended('valetkey ' || current_schema(), 0)"

// migratePostgres holds an advisory lock: two nodes that start together would
// collide even on CREATE TABLE IF NOT EXISTS. An engine without such locks lets
// them collide, and who loses looks again.
func migratePostgres(ctx context.Context, db *sql.DB, now time.Time) (err error) {
	for attempt := 1; ; attempt++ {
		err := migrateLocked(ctx, db, now)
		if !collided(err) || attempt == 20 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * 10 * time.Millisecond):
		}
	}
}

func migrateLocked(ctx context.Context, db *sql.DB, now time.Time) (err error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	// A limit that is right for requests would end a wait or a migration.
	if _, err := c.ExecContext(ctx, "SET statement_timeout = 0"); err == nil {
		defer func() { _, _ = c.ExecContext(context.WithoutCancel(ctx), "RESET statement_timeout") }()
	}
	_, err = c.ExecContext(ctx, "SELECT pg_advisory_lock("+migrationLock+")")
	switch {
	case unknownHere(err):
	case err != nil:
		return err
	default:
		defer func() {
			_, unlock := c.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock("+migrationLock+")")
			err = errors.Join(err, unlock)
		}()
	}
	return migrate(ctx, c.BeginTx, now)
}

// unknownHere: the engine has no such function, or doesn't support it.
func unknownHere(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42883" || pg.Code == "0A000")
}

// collided: another node made the same table, or was faster with a row.
func collided(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (retryable(pg.Code) || pg.Code == "23505" || pg.Code == "42P07" || pg.Code == "42701")
}

type begin func(context.Context, *sql.TxOptions) (*sql.Tx, error)

// migrate runs what hasn't been run in one transaction: a start that fails
// leaves the schema as it was.
func migrate(ctx context.Context, begin begin, now time.Time) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	tx, err := begin(ctx, nil)
	if err != nil {
		return err
	}
	if err := runMigrations(ctx, tx, all, now); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func runMigrations(ctx context.Context, tx *sql.Tx, all []migration, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (
		number BIGINT PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL)`); err != nil {
		return err
	}
	var have int
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM migrations").Scan(&have); err != nil {
		return err
	}
	if have > len(all) {
		return mustServe(ctx, tx, have, len(all))
	}
	for _, m := range all[have:] {
		if err := runMigration(ctx, tx, m, now); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

// mustServe refuses a schema that this program doesn't know, unless whoever made
// it says that programs of this one's schema can work with it.
func mustServe(ctx context.Context, tx *sql.Tx, have, known int) error {
	var serves int
	err := tx.QueryRowContext(ctx, "SELECT number FROM settings WHERE name = $1 AND value = $2", settingServes, strconv.Itoa(have)).Scan(&serves)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err != nil || serves > known {
		return newerSchema(have, known)
	}
	return nil
}

func runMigration(ctx context.Context, tx *sql.Tx, m migration, now time.Time) error {
	for text := range strings.SplitSeq(m.text, ";\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO migrations (number, name, at) VALUES ($1, $2, $3)",
		m.number, m.name, now.Unix()); err != nil {
		return err
	}
	// One that serves fewer sets the mark for those before it too.
	_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value, number) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, number = CASE WHEN settings.number > excluded.number THEN settings.number ELSE excluded.number END`,
		settingServes, strconv.Itoa(m.number), m.serves)
	return err
}
