package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// Plan is what opening a database would do to its schema.
type Plan struct {
	Schema  int      `json:"schema"` // the number of the last migration that ran; 0 for none
	Latest  int      `json:"latest"` // that this program knows
	Pending []string `json:"pending"`
}

// Pending tells which migrations would run, without running them or making the
// database. ErrNewerSchema: a newer program has been at work.
func Pending(ctx context.Context, database string) (p Plan, err error) {
	known, err := migrations()
	if err != nil {
		return p, err
	}
	p = Plan{Latest: len(known), Pending: []string{}}
	if p.Schema, err = schemaOf(ctx, database); err != nil {
		return p, err
	}
	if p.Schema > len(known) {
		return p, newerSchema(p.Schema, len(known))
	}
	for _, m := range known[p.Schema:] {
		p.Pending = append(p.Pending, m.name)
	}
	return p, nil
}

// schemaOf answers 0 for a SQLite database that isn't there yet.
func schemaOf(ctx context.Context, database string) (schema int, err error) {
	if path, sqlite := strings.CutPrefix(database, "sqlite:"); sqlite {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
	}
	e, err := openSource(ctx, database)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	return e.schema(ctx)
}
