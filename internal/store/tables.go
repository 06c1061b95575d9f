package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// table is a table as the migrations make it, with its columns in order. It is
// read off the migrations and not off a database, so that both kinds of
// database are copied by one list.
type table struct {
	name    string
	columns []column
}

type column struct {
	name string
	kind string // TEXT, BIGINT, BOOLEAN or BYTEA
}

func (t table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// tablesAt lists the tables after the first n migrations, but for the one in
// which the migrations themselves are noted: every database keeps its own.
func tablesAt(ctx context.Context, n int) (tables []table, err error) {
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	if n > len(all) {
		return nil, newerSchema(n, len(all))
	}
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if err := runMigrations(ctx, tx, all[:n], time.Unix(0, 0)); err != nil {
		return nil, err
	}
	return tablesOf(conn{ctx: ctx, pool: newPool(db, false), tx: tx})
}

func tablesOf(c conn) ([]table, error) {
	names, err := all(c, scanName, `SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'migrations' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	tables := make([]table, len(names))
	for i, name := range names {
		columns, err := all(c, func(r scanner) (v column, err error) {
			err = r.Scan(&v.name, &v.kind)
			return v, err
		}, "SELECT name, type FROM pragma_table_info($1) ORDER BY cid", name)
		if err != nil {
			return nil, err
		}
		tables[i] = table{name: name, columns: columns}
	}
	return tables, nil
}

func scanName(r scanner) (name string, err error) {
	err = r.Scan(&name)
	return name, err
}

func newerSchema(have, known int) error {
	return fmt.Errorf("%w: its schema is %d, this program knows %d", ErrNewerSchema, have, known)
}
