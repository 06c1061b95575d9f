package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Restored is what a restore did.
type Restored struct {
	Snapshot

	RestoredAt time.Time `json:"restored_at"`
	Ended      bool      `json:"ended"` // every session and authorization
}

// ReadBackup opens a backup, checks that it is whole, and tells what it holds.
func ReadBackup(ctx context.Context, path string) (s Snapshot, err error) {
	from, s, err := openBackup(ctx, path)
	if err != nil {
		return s, err
	}
	return s, from.close()
}

// openBackup checks a backup's sums before anything is done with it.
func openBackup(ctx context.Context, path string) (*end, Snapshot, error) {
	var s Snapshot
	if _, err := os.Stat(path); err != nil {
		return nil, s, fmt.Errorf("backup: %w", err)
	}
	// It lies still, so nothing beside it is made or looked for.
	from, err := openSQLiteEnd(ctx, path, url.Values{"mode": {"ro"}, "immutable": {"1"}, "_txlock": {"deferred"}, "_query_only": {"1"}})
	if err != nil {
		return nil, s, fmt.Errorf("backup: %s can't be read as a backup: %w", path, err)
	}
	if s, err = from.checked(ctx); err != nil {
		return nil, s, errors.Join(fmt.Errorf("backup: %s: %w", path, err), from.close())
	}
	return from, s, nil
}

func (e *end) checked(ctx context.Context) (Snapshot, error) {
	s, err := e.noted(ctx)
	if err != nil {
		return s, err
	}
	tables, err := tablesAt(ctx, s.Schema)
	if err != nil {
		return s, err
	}
	found, err := e.sums(ctx, tables)
	if err != nil {
		return s, fmt.Errorf("it is damaged: %w", err)
	}
	if wrong := differing(s.Tables, found); len(wrong) > 0 || len(found) != len(s.Tables) {
		return s, fmt.Errorf("it is damaged: these tables aren't as they were written: %s", strings.Join(wrong, ", "))
	}
	return s, nil
}

func (e *end) noted(ctx context.Context) (s Snapshot, err error) {
	names, err := e.tableNames(ctx)
	if err != nil {
		return s, err
	}
	if !slices.Contains(names, "backup") || !slices.Contains(names, "backup_tables") {
		return s, errors.New("this isn't a file that `valetkey backup` made")
	}
	var format int
	err = e.tx.QueryRowContext(ctx, "SELECT format, version, schema, database, issuer, made_at FROM backup").
		Scan(&format, &s.Version, &s.Schema, &s.Database, &s.Issuer, intoTime(&s.MadeAt))
	if err != nil {
		return s, fmt.Errorf("it is damaged: %w", err)
	}
	if format > backupFormat {
		return s, fmt.Errorf("a newer version of this program made it (%s): its format is %d, this program knows %d", s.Version, format, backupFormat)
	}
	s.Tables, err = all(e.run(ctx), func(r scanner) (t TableSum, err error) {
		err = r.Scan(&t.Name, &t.Rows, &t.Bytes, &t.SHA256)
		return t, err
	}, "SELECT name, row_count, bytes, sha256 FROM backup_tables ORDER BY name")
	return s, err
}

// Restore fills an empty database with a backup, in one transaction: half a
// restore never stays. Whatever was made before it and isn't a row of its own
// is refused from then on; with endAll, whatever is a row too.
func Restore(ctx context.Context, c Config, path string, endAll bool) (r Restored, err error) {
	from, s, err := openBackup(ctx, path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	if err := from.sealedBy(ctx, c.MasterCheck); err != nil {
		return r, err
	}
	to, err := openTarget(ctx, c.Database)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	r = Restored{Snapshot: s, Ended: endAll}
	if err := to.receiveBackup(ctx, from, s, c.Now()); err != nil {
		return r, err
	}
	if r.RestoredAt, err = to.markRestored(ctx, c.Now(), endAll); err != nil {
		return r, err
	}
	if endAll {
		if err := sayEnded(to.run(ctx), unix(r.RestoredAt)); err != nil {
			return r, err
		}
	}
	if err := to.commit(); err != nil {
		return r, err
	}
	return r, afterSecond(ctx, c.Now(), r.RestoredAt)
}

// sealedBy refuses a master secret that opens nothing of what comes.
func (e *end) sealedBy(ctx context.Context, checks []string) error {
	kept, _, err := setting(e.run(ctx), settingMaster)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	case !slices.Contains(checks, kept):
		return ErrMasterSecret
	}
	return nil
}

// receiveBackup is receive from a file, which knows its schema by its note.
func (e *end) receiveBackup(ctx context.Context, from *end, s Snapshot, now time.Time) error {
	tables, err := tablesAt(ctx, s.Schema)
	if err != nil {
		return err
	}
	read, err := e.take(ctx, from, s.Schema, tables, now)
	if err != nil {
		return err
	}
	if wrong := differing(s.Tables, read); len(wrong) > 0 {
		return fmt.Errorf("the backup changed while it was read: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// markRestored writes down when, so that nothing made earlier is believed that
// the database can't know: see RestoredAt. Letters that waited are dropped: they
// went out since, and the links in them don't work any more.
func (e *end) markRestored(ctx context.Context, now time.Time, endAll bool) (at time.Time, err error) {
	in := e.run(ctx)
	var marked int64 // never earlier than it was: what was refused stays so
	if err := in.row(`INSERT INTO settings (name, value, number) VALUES ($1, '', $2) ON CONFLICT (name) DO UPDATE SET
		number = CASE WHEN excluded.number > settings.number THEN excluded.number ELSE settings.number END RETURNING number`,
		settingRestored, unix(now)).Scan(&marked); err != nil {
		return at, err
	}
	at = time.Unix(marked, 0).UTC()
	if _, err := in.exec("DELETE FROM mails"); err != nil {
		return at, err
	}
	if endAll {
		if err := endEverything(in, unix(at)); err != nil {
			return at, err
		}
	}
	return at, raiseVersion(in)
}

type step struct {
	query string
	args  []any
}

// endEverything raises every user's and client's epoch, so that sessions, codes,
// authorizations and clients' own tokens die by comparison, however many there
// are. The feed names the clients, with which all tokens end that were made until
// then.
func endEverything(c conn, at int64) error {
	return each(c, []step{
		{`INSERT INTO revocations (at, kind, subject, name) SELECT CAST($1 AS BIGINT), 'client', '', id FROM clients
			WHERE true ON CONFLICT (at, kind, subject, name) DO NOTHING`, []any{at}},
		{"UPDATE users SET epoch = epoch + 1, updated_at = $1", []any{at}},
		{"UPDATE clients SET epoch = epoch + 1, updated_at = $1", []any{at}},
		{"UPDATE browsers SET trusted_until = 0 WHERE trusted_until > 0", nil},
		{"DELETE FROM initial_tokens", nil}, // one that was used may be good once more
	})
}

// sayEnded lets the rows say so too.
func sayEnded(c conn, at int64) error {
	return each(c, []step{
		{"UPDATE authorizations SET ended_at = $1, end_reason = 'everything was ended after a restore' WHERE ended_at = 0", []any{at}},
		{"UPDATE sessions SET ended_at = $1 WHERE ended_at = 0", []any{at}},
	})
}

func each(c conn, steps []step) error {
	for _, s := range steps {
		if _, err := c.exec(s.query, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// afterSecond waits until the second is over in which something was marked.
// Times are kept in whole seconds, and what was made in that second is refused:
// a server that starts afterwards makes nothing in it. A database whose clock is
// ahead is waited for a little.
func afterSecond(ctx context.Context, now, marked time.Time) error {
	select {
	case <-ctx.Done(): // it is done all the same
	case <-time.After(min(marked.Add(time.Second).Sub(now), 5*time.Second)):
	}
	return nil
}
