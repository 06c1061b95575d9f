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

// warnOfNewer tells of a schema that a newer program made and that this one can
// work with.
func (s *Store) warnOfNewer(ctx context.Context) error {
	known, err := migrations()
	if err != nil {
		return err
	}
	var have int
	if err := s.read(ctx).row("SELECT MAX(number) FROM migrations").Scan(&have); err != nil {
		return s.mapped(ctx, err)
	}
	if have > len(known) {
		s.log.WarnContext(ctx, "the database's schema is of a newer version, which says that this one can work with it", "schema", have, "known", len(known))
	}
	return nil
}
