package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// A backup is a SQLite file, whichever database it is of: the tables of the
// schema without keys and indexes, which a restore makes anew, the table backup
// with one row about the whole, and backup_tables with a row about each table.
const backupFormat = 1

const backupSchema = `CREATE TABLE backup (format BIGINT NOT NULL, version TEXT NOT NULL, schema BIGINT NOT NULL,
	database TEXT NOT NULL, issuer TEXT NOT NULL, made_at BIGINT NOT NULL);
CREATE TABLE backup_tables (name TEXT PRIMARY KEY, row_count BIGINT NOT NULL, bytes BIGINT NOT NULL, sha256 TEXT NOT NULL)`

// Snapshot is what a backup holds, and of when.
type Snapshot struct {
	Version  string     `json:"version"` // of the program that made it
	Schema   int        `json:"schema"`  // the number of the last migration
	Database Database   `json:"database"`
	Issuer   string     `json:"issuer"`
	MadeAt   time.Time  `json:"made_at"`
	Tables   []TableSum `json:"tables"`
}

// Rows is the number of rows in all tables.
func (s Snapshot) Rows() (n int64) {
	for _, t := range s.Tables {
		n += t.Rows
	}
	return n
}

// Backup writes a consistent copy of a database to a new file, beside whoever
// works on it. The file appears whole or not at all.
func Backup(ctx context.Context, c Config, version, path string) (s Snapshot, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s is there already: a backup never overwrites", path)
		}
		return s, err
	}
	from, err := openSource(ctx, c.Database)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	temp, err := temporary(path)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, discard(temp)) }()
	s = Snapshot{Version: version, Database: from.kind, Issuer: c.Issuer, MadeAt: c.Now().UTC().Truncate(time.Second)}
	if err := s.write(ctx, from, temp); err != nil {
		return s, err
	}
	return s, publish(temp, path)
}

// temporary makes the file under a name of its own, readable by its owner alone.
func temporary(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	return f.Name(), f.Close()
}

func (s *Snapshot) write(ctx context.Context, from *end, path string) (err error) {
	schema, tables, err := from.tables(ctx)
	if err != nil {
		return err
	}
	s.Schema = schema
	// Nobody else knows the file, and one that wasn't finished is thrown away: no
	// journal and no locks, which not every folder for backups has.
	to, err := openSQLiteEnd(ctx, path, url.Values{
		"nolock": {"1"}, "_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "cache_size(-16000)", "temp_store(MEMORY)"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if _, err := to.tx.ExecContext(ctx, backupSchema); err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := to.tx.ExecContext(ctx, bare(t)); err != nil {
			return err
		}
	}
	if s.Tables, err = copyTables(ctx, from, to, tables); err != nil {
		return err
	}
	if err := s.note(ctx, to.tx); err != nil {
		return err
	}
	return to.tx.Commit()
}

// bare is a table without keys: rows are only ever added, and read in a row.
func bare(t table) string {
	text := "CREATE TABLE " + t.name + " ("
	for i, c := range t.columns {
		if i > 0 {
			text += ", "
		}
		text += c.name + " " + c.kind
	}
	return text + ")"
}

func (s *Snapshot) note(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO backup (format, version, schema, database, issuer, made_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		backupFormat, s.Version, s.Schema, string(s.Database), s.Issuer, unix(s.MadeAt)); err != nil {
		return err
	}
	for _, t := range s.Tables {
		if _, err := tx.ExecContext(ctx, "INSERT INTO backup_tables (name, row_count, bytes, sha256) VALUES ($1, $2, $3, $4)",
			t.Name, t.Rows, t.Bytes, t.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// publish gives a file that is written and safe its name, unless somebody has
// taken the name meanwhile.
func publish(temp, path string) error {
	if err := synced(temp); err != nil {
		return err
	}
	err := os.Link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return synced(filepath.Dir(path))
}

func synced(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
