package store

import (
	"context"
	"errors"
	"time"
)

// Recovered is what Recover did.
type Recovered struct {
	At       time.Time `json:"at"`
	Ended    bool      `json:"ended"`              // whatever was made before
	Timeline int64     `json:"timeline,omitempty"` // that is served from now on; 0: the database has none
}

// Recover lets nodes use a database that may lack what was committed last: one
// whose server was promoted, or whose files were put back. It ends every session
// and authorization, and whatever was sealed, signed or mailed before is refused
// from then on; with keep nothing is ended. An older schema is brought up to date.
func Recover(ctx context.Context, c Config, keep bool) (r Recovered, err error) {
	if err := mustBeOurs(ctx, c.Database); err != nil {
		return r, err
	}
	e, err := openTarget(ctx, c.Database)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	known, err := migrations()
	if err == nil {
		err = runMigrations(ctx, e.tx, known, c.Now())
	}
	if err != nil {
		return r, err
	}
	r = Recovered{At: c.Now().UTC(), Ended: !keep}
	t, err := e.timeline(ctx)
	switch {
	case errors.Is(err, errNoTimelines):
	case err != nil:
		return r, err
	default:
		n := t.noted()
		r.At, r.Timeline = time.Unix(t.at, 0).UTC(), n.known // by the one clock that all nodes share
		if err := setSetting(e.run(ctx), settingTimeline, n.note, n.known); err != nil {
			return r, err
		}
	}
	if !keep {
		if r.At, err = e.markRestored(ctx, r.At, true); err != nil {
			return r, err
		}
	}
	if err := e.commit(); err != nil || keep {
		return r, err
	}
	return r, afterSecond(ctx, c.Now(), r.At)
}

// mustBeOurs: a database is recovered and not made.
func mustBeOurs(ctx context.Context, database string) error {
	e, err := openSource(ctx, database)
	if err != nil {
		return err
	}
	_, _, err = e.tables(ctx)
	return errors.Join(err, e.close())
}
