package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// ErrChanged says that a database was written to while it was copied.
var ErrChanged = errors.New("the database was written to while it was copied")

// MoveOptions say how a database is moved.
type MoveOptions struct {
	To     string // sqlite:PATH or postgres://…, empty
	DryRun bool   // read and judge, and write nothing
	Live   bool   // a copy that is older than its source will do
}

// Moved is what a move did, or would do.
type Moved struct {
	From    Database   `json:"from"`
	To      Database   `json:"to"`
	Schema  int        `json:"schema"` // of the source
	DryRun  bool       `json:"dry_run"`
	Tables  []TableSum `json:"tables"`
	Changed []string   `json:"changed,omitempty"` // tables that were written to meanwhile
}

// Move copies a database, which may be in use, into an empty one. What is
// written to the source afterwards isn't in the target, so a source that changes
// meanwhile is refused; with Live it is not, and the target counts as restored:
// what was used up in the source since must not work there a second time.
func Move(ctx context.Context, c Config, o MoveOptions) (m Moved, err error) {
	from, err := openSource(ctx, c.Database)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	schema, tables, err := from.tables(ctx)
	if err == nil {
		err = from.judged(ctx)
	}
	if err != nil {
		return m, err
	}
	m = Moved{From: from.kind, To: kindOf(o.To), Schema: schema, DryRun: o.DryRun}
	if o.DryRun {
		m.Tables, err = from.rehearse(ctx, o.To, tables)
		return m, err
	}
	return m, m.copy(ctx, c, o, from, tables)
}

func kindOf(database string) Database {
	if strings.HasPrefix(database, "sqlite:") {
		return SQLite
	}
	return PostgreSQL
}

// rehearse reads all that would be copied and looks whether the target is empty,
// without making it.
func (e *end) rehearse(ctx context.Context, target string, tables []table) (sums []TableSum, err error) {
	path, sqlite := strings.CutPrefix(target, "sqlite:")
	if sqlite {
		if err := lasting(path); err != nil {
			return nil, fmt.Errorf("target: %w", err)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return e.sums(ctx, tables)
		}
	}
	to, err := openSource(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if err := to.mustBeEmpty(ctx); err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	return e.sums(ctx, tables)
}

func (m *Moved) copy(ctx context.Context, c Config, o MoveOptions, from *end, tables []table) (err error) {
	to, err := openTarget(ctx, o.To)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if m.Tables, err = to.take(ctx, from, m.Schema, tables, c.Now()); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if m.Changed, err = changedSince(ctx, c.Database, tables, m.Tables); err != nil {
		return err
	}
	var marked time.Time
	if len(m.Changed) > 0 {
		if !o.Live {
			return fmt.Errorf("%w: %s; stop the server and try again, or accept a copy that is older than its source by --live", ErrChanged, strings.Join(m.Changed, ", "))
		}
		if marked, err = to.markRestored(ctx, c.Now(), false); err != nil {
			return err
		}
	}
	if err := to.commit(); err != nil {
		return err
	}
	if len(m.Changed) > 0 {
		return afterSecond(ctx, c.Now(), marked)
	}
	return nil
}

// changedSince reads the source once more, at a later moment. That is as long as
// the first reading, and it is sure: no counter that both kinds of database keep
// tells of writes alone.
func changedSince(ctx context.Context, database string, tables []table, before []TableSum) (names []string, err error) {
	again, err := openSource(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, again.close()) }()
	after, err := again.sums(ctx, tables)
	if err != nil {
		return nil, err
	}
	return differing(before, after), nil
}
