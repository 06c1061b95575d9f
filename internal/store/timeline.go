package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/oauth"
)

// A PostgreSQL standby that takes its primary's place begins a timeline with a
// number of its own. What the primary had committed and not yet passed on is
// gone then: a code that was redeemed is unused again, what was ended lives. The
// database remembers its timeline and whether a synchronous standby had every
// commit, and no connection to a server of a later one is used unless it had, or
// an operator has judged (Recover). A copy that was put back to an earlier moment
// has a later timeline too.

// errPromoted refuses a connection.
var errPromoted = errors.New("a PostgreSQL server took over that may lack the last commits of the one before it")

// Promoted says what to do about a timeline that nobody has judged.
const Promoted = "end every session and token, since one that was used up or ended may live again: valetkey doctor --recover; or say that nothing was lost: valetkey doctor --recover --keep"

// timeline is what a server says of itself, and what the database remembers.
type timeline struct {
	now      int64
	synced   bool // commits wait for a standby
	known    int64
	standby  string // whether they did: syncedStandby or ""
	restored int64
}

const syncedStandby = "synchronous"

// timelineQuery: a connection asks it once, a node at each poll. The number is in
// the name of the log's file (PostgreSQL's documentation, 9.28.4).
const timelineQuery = `SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint,
	current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') <> 'local',
	COALESCE((SELECT number FROM settings WHERE name = '` + settingTimeline + `'), 0),
	COALESCE((SELECT value FROM settings WHERE name = '` + settingTimeline + `'), ''),
	COALESCE((SELECT number FROM settings WHERE name = '` + settingRestored + `'), 0)`

// askTimeline: known is false where an engine has no timelines, or the database
// nothing of ours yet.
func askTimeline(row interface{ Scan(dest ...any) error }) (t timeline, known bool, err error) {
	err = row.Scan(&t.now, &t.synced, &t.known, &t.standby, &t.restored)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return t, true, nil
	case errors.As(err, &pg) && !errors.Is(asError(err), oauth.ErrUnavailable):
		return t, false, nil
	}
	return t, false, err
}

// lost says whether commits may be missing.
func (t timeline) lost() bool { return t.known != 0 && t.now > t.known && t.standby != syncedStandby }

func (t timeline) err() error {
	return fmt.Errorf("%w (its timeline is %d, %d is known): %s", errPromoted, t.now, t.known, Promoted)
}

// noted is what the database should remember.
func (t timeline) noted() timeline {
	t.known, t.standby = t.now, ""
	if t.synced {
		t.standby = syncedStandby
	}
	return t
}

// fence judges each connection before it is used.
func (s *Store) fence(ctx context.Context, c *pgx.Conn) error {
	t, known, err := askTimeline(c.QueryRow(ctx, timelineQuery, pgx.QueryExecModeSimpleProtocol))
	if err != nil || !known {
		return err
	}
	if t.lost() && !s.keepGoing {
		s.refusedAt.Store(new(stopwatch()))
		return t.err()
	}
	s.restored.Store(t.restored)
	return nil
}

// fenced spares a server that was refused a moment ago the connections of every
// request.
func (s *Store) fenced() error {
	if at := s.refusedAt.Load(); at != nil && time.Since(*at) < s.poll/2 {
		return fmt.Errorf("%w: %s", errPromoted, Promoted)
	}
	return nil
}

// watchTimeline does the same for connections that a pooler moved from one
// server to another, and lets the database remember how it is now.
func (s *Store) watchTimeline(ctx context.Context) error {
	if s.pgx == nil {
		return nil
	}
	t, known, err := askTimeline(conn{ctx: ctx, pool: s.reads}.row(timelineQuery)) // an error would end a batch
	switch {
	case err != nil:
		return s.mapped(ctx, err)
	case !known:
		return nil
	case t.lost() && !s.keepGoing:
		s.pgx.Reset()
		return unavailable(t.err())
	}
	s.restored.Store(t.restored)
	if n := t.noted(); n != t {
		if t.known != 0 && t.now > t.known {
			s.log.Info("another PostgreSQL server has taken over", "timeline", t.now, "before", t.known)
		}
		err = s.statement(ctx, func(c conn) error { return setSetting(c, settingTimeline, n.standby, n.known) })
	}
	return err
}

// Recovered is what Recover did.
type Recovered struct {
	At       time.Time `json:"at"`
	Ended    bool      `json:"ended"`              // whatever was made before
	Timeline int64     `json:"timeline,omitempty"` // that is served from now on; 0: the database has none
}

// Recover lets nodes use a database that may lack what was committed last: one
// whose server was promoted, or whose files were put back. It ends every session
// and authorization, and whatever was sealed, signed or mailed before is refused
// from then on; with keep nothing is ended.
func Recover(ctx context.Context, c Config, keep bool) (r Recovered, err error) {
	source, err := openSource(ctx, c.Database) // one that exists
	if err != nil {
		return r, err
	}
	_, _, err = source.tables(ctx)
	if err = errors.Join(err, source.close()); err != nil {
		return r, err
	}
	e, err := openTarget(ctx, c.Database)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.atLatestSchema(ctx); err != nil {
		return r, err
	}
	r = Recovered{At: c.Now().UTC(), Ended: !keep}
	if !keep {
		if r.At, err = e.markRestored(ctx, c, true); err != nil {
			return r, err
		}
	}
	if r.Timeline, err = e.noteTimeline(ctx); err != nil {
		return r, err
	}
	if err := e.commit(); err != nil || keep {
		return r, err
	}
	return r, afterSecond(ctx, c.Now())
}

// atLatestSchema: what is ended is ended by the rows of this program.
func (e *end) atLatestSchema(ctx context.Context) error {
	known, err := migrations()
	if err != nil {
		return err
	}
	have, err := e.schema(ctx)
	if err == nil && have != len(known) {
		err = fmt.Errorf("the database's schema is %d, this program's is %d: use the program that served it", have, len(known))
	}
	return err
}

func (e *end) noteTimeline(ctx context.Context) (int64, error) {
	if e.kind != PostgreSQL {
		return 0, nil
	}
	// By a savepoint, since an engine without timelines would end the transaction.
	if _, err := e.tx.ExecContext(ctx, "SAVEPOINT timeline"); err != nil {
		return 0, err
	}
	t, known, err := askTimeline(e.tx.QueryRowContext(ctx, timelineQuery))
	if err != nil {
		return 0, err
	}
	if !known {
		_, err = e.tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT timeline")
		return 0, err
	}
	n := t.noted()
	return n.known, setSetting(e.run(ctx), settingTimeline, n.standby, n.known)
}

// timeline: doctor's finding.
func (x *examiner) timeline(ctx context.Context) {
	if _, err := x.e.tx.ExecContext(ctx, "SAVEPOINT timeline"); err != nil {
		x.unread("timeline", err)
		return
	}
	t, known, err := askTimeline(x.e.tx.QueryRowContext(ctx, timelineQuery))
	if _, back := x.e.tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT timeline"); err == nil {
		err = back
	}
	switch {
	case err != nil:
		x.unread("timeline", err)
	case !known:
	case t.lost():
		x.say(Failure, "timeline", Promoted, "%v (its timeline is %d, %d is known); nodes refuse to use it", errPromoted, t.now, t.known)
	case t.synced:
		x.say(Fine, "timeline", "", "%d; a synchronous standby has every commit", t.now)
	default:
		x.say(Fine, "timeline", "", "%d; no synchronous standby: after a fail-over nodes wait for `valetkey doctor --recover`", t.now)
	}
}
