package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"
)

// connect opens what Config.Database names. All SQL beyond this file and
// postgres.go is one text for both databases.
func (s *Store) connect(ctx context.Context, database string) error {
	switch {
	case database == "sqlite::memory:":
		return s.openMemory(ctx)
	case strings.HasPrefix(database, "sqlite:") && len(database) > len("sqlite:"):
		return s.openSQLite(ctx, strings.TrimPrefix(database, "sqlite:"))
	case strings.HasPrefix(database, "postgres://"), strings.HasPrefix(database, "postgresql://"):
		return s.openPostgres(ctx, database)
	}
	return errors.New("database is neither sqlite:PATH nor postgres://…")
}

// pragmas: FULL, since an answered token must outlive a power cut; foreign
// keys off, since no cascade may delete an authorization before its time.
func pragmas(readOnly bool) string {
	q := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}, "_defensive": {"1"}, "_error_rc": {"1"}}
	for _, p := range []string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)",
		"temp_store(MEMORY)", "cache_size(-16000)", "journal_size_limit(67108864)",
	} {
		q.Add("_pragma", p)
	}
	if readOnly {
		q.Set("_query_only", "1")
	}
	return q.Encode()
}

// openSQLite has one connection that writes and a few that can't.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	if err := judgePlace(path, s.log); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	if err := createPrivate(path); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?"
	writes, err := sql.Open("sqlite", dsn+pragmas(false))
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	writes.SetMaxOpenConns(1)
	if err := patiently(ctx, func() error { return migrateSQLite(ctx, writes, s.now()) }); err != nil {
		return errors.Join(fmt.Errorf("database %s: %w", path, err), writes.Close())
	}
	reads, err := sql.Open("sqlite", dsn+pragmas(true))
	if err != nil {
		return errors.Join(fmt.Errorf("open database %s: %w", path, err), writes.Close())
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	reads.SetMaxOpenConns(n)
	reads.SetMaxIdleConns(n)
	s.useSQLite(newPool(reads, true), newPool(writes, true))
	return nil
}

// patiently repeats the first use of a database while another process has it
// locked: SQLite turns WAL on without regard to the busy timeout, so two that
// start together may meet there.
func patiently(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		err := do()
		if !isBusy(err) || tries == 100 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// createPrivate makes a new database file readable by its owner alone; SQLite
// gives the files beside it the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// openMemory shares a single connection between readers and the writer: it
// lives as long as that connection does.
func (s *Store) openMemory(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file::memory:?"+pragmas(false))
	if err != nil {
		return fmt.Errorf("open database in memory: %w", err)
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if err := migrateSQLite(ctx, db, s.now()); err != nil {
		return errors.Join(err, db.Close())
	}
	p := newPool(db, true)
	s.useSQLite(p, p)
	return nil
}

func (s *Store) useSQLite(reads, writes *pool) {
	s.kind, s.reads = SQLite, reads
	b := startBatcher(writes, func() { s.writes.Add(1) }, s.meter)
	s.writer, s.waiting = b, func() int { return len(b.queue) }
	s.close = func() error {
		b.close()
		err := reads.Close()
		if writes != reads {
			err = errors.Join(err, writes.Close())
		}
		return err
	}
}

// read gives a connection for reading. SQLite's reads are short and local: a
// context that can be cancelled would cost each a goroutine, so theirs can't.
func (s *Store) read(ctx context.Context) conn {
	if s.kind == SQLite {
		ctx = context.WithoutCancel(ctx)
	}
	return conn{ctx: ctx, pool: s.reads, meter: s.meter, span: s.span}
}

// readHot is read for what every flow asks, by a primary key.
func (s *Store) readHot(ctx context.Context) conn {
	c := s.read(ctx)
	c.lane = s.lane
	return c
}
