package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNotEmpty says that a database holds something already.
var ErrNotEmpty = errors.New("the database isn't empty")

// copyTables copies table by table and returns what was read. It holds one row
// in memory.
func copyTables(ctx context.Context, from, to *end, tables []table) ([]TableSum, error) {
	sums := make([]TableSum, len(tables))
	for i, t := range tables {
		rows, err := from.cursor(ctx, t)
		if err != nil {
			return nil, err
		}
		err = errors.Join(to.fill(ctx, rows), rows.rows.Close())
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, fmt.Errorf("copy the table %s: %w", t.name, err)
		}
		sums[i] = rows.digest.of(t.name)
	}
	return sums, nil
}

// take copies tables into an empty database: it brings the target to the
// source's schema, fills it, reads it again and compares, and then brings it up
// to date. Nothing is committed here.
func (e *end) take(ctx context.Context, from *end, schema int, tables []table, now time.Time) ([]TableSum, error) {
	if err := e.mustBeEmpty(ctx); err != nil {
		return nil, err
	}
	if err := e.prepare(ctx, schema, now); err != nil {
		return nil, err
	}
	read, err := copyTables(ctx, from, e, tables)
	if err != nil {
		return nil, err
	}
	written, err := e.sums(ctx, tables)
	if err != nil {
		return nil, err
	}
	if wrong := differing(read, written); len(wrong) > 0 {
		return nil, fmt.Errorf("what was written differs from what was read: %s", strings.Join(wrong, ", "))
	}
	all, err := migrations()
	if err == nil {
		err = runMigrations(ctx, e.tx, all, now)
	}
	return read, err
}

// prepare makes the schema as it was after n migrations. A target that is
// further holds nothing, and begins again.
func (e *end) prepare(ctx context.Context, n int, now time.Time) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	have, err := e.schema(ctx)
	if err != nil {
		return err
	}
	if have > n {
		if err := e.drop(ctx, have); err != nil {
			return err
		}
	}
	if err := runMigrations(ctx, e.tx, all[:n], now); err != nil {
		return err
	}
	_, err = e.tx.ExecContext(ctx, "DELETE FROM settings") // a migration's and the master secret's; the source brings its own
	return err
}

func (e *end) drop(ctx context.Context, have int) error {
	tables, err := tablesAt(ctx, have)
	if err != nil {
		return err
	}
	for _, t := range append(tables, table{name: "migrations"}) {
		if _, err := e.tx.ExecContext(ctx, "DROP TABLE "+t.name); err != nil {
			return fmt.Errorf("drop the empty table %s: %w", t.name, err)
		}
	}
	return nil
}

// mustBeEmpty takes a database without tables of ours, or one in which nothing
// was ever made: a server that ran on it has made a signing key.
func (e *end) mustBeEmpty(ctx context.Context) error {
	known, err := migrations()
	if err != nil {
		return err
	}
	schema, err := e.schema(ctx)
	switch {
	case err != nil:
		return err
	case schema > len(known):
		return newerSchema(schema, len(known))
	case schema == 0:
		return e.noStrangers(ctx, len(known))
	}
	tables, err := tablesAt(ctx, schema)
	if err != nil {
		return err
	}
	var holds []string
	for _, t := range tables {
		n, err := e.countOwn(ctx, t.name)
		if err != nil {
			return err
		}
		if n > 0 {
			holds = append(holds, fmt.Sprintf("%s (%d)", t.name, n))
		}
	}
	if len(holds) > 0 {
		return fmt.Errorf("%w: it holds %s; name one that is", ErrNotEmpty, strings.Join(holds, ", "))
	}
	return nil
}

// countOwn leaves out the settings that any command makes by opening a
// database.
func (e *end) countOwn(ctx context.Context, name string) (n int64, err error) {
	query := "SELECT COUNT(*) FROM " + name
	if name == "settings" {
		query += fmt.Sprintf(" WHERE name NOT IN ('%s', '%s', '%s', '%s')", settingVersion, settingMaster, settingServes, settingTimeline)
	}
	err = e.tx.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// noStrangers: another program's table of the same name would be taken for ours.
func (e *end) noStrangers(ctx context.Context, schema int) error {
	there, err := e.tableNames(ctx)
	if err != nil {
		return err
	}
	ours, err := tablesAt(ctx, schema)
	if err != nil {
		return err
	}
	for _, t := range ours {
		if slices.Contains(there, t.name) {
			return fmt.Errorf("%w: it has a table %s of another program; name a database of its own", ErrNotEmpty, t.name)
		}
	}
	return nil
}
