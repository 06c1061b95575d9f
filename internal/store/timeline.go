package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/oauth"
)

// A PostgreSQL standby that takes its primary's place begins a timeline with a
// number of its own. What the primary had committed and not yet passed on is
// gone then: a code that was redeemed is unused again, what was ended lives. The
// database remembers its server's timeline and, with the time, whether commits
// waited for a standby. No connection to a server of a later one is used unless
// they did until just before, or an operator has judged (Recover).

// errPromoted refuses a connection.
var errPromoted = errors.New("a PostgreSQL server took over that may lack the last commits of the one before it")

// errNotPrimary refuses one to a server that follows another, or that another one
// took over from: nothing that happens once may be decided by what it knows.
var errNotPrimary = errors.New("this PostgreSQL server isn't the primary")

// Promoted says what to do about a timeline that nobody has judged.
const Promoted = "end every session and token, since one that was used up or ended may live again: valetkey doctor --recover; or say that nothing was lost: valetkey doctor --recover --keep"

const (
	// noteEvery is how often the time in the note is renewed.
	noteEvery = 10
	// noteHolds is how old a note may be that vouches for a standby: longer than
	// it takes to notice that a primary is gone, and short beside the time for
	// which a standby is down that was given up.
	noteHolds = 300
)

// timeline is what a server says of itself, and what the database remembers.
type timeline struct {
	follows  bool // a standby
	now      int64
	synced   bool  // commits wait for a standby
	at       int64 // the server's time, Unix seconds
	known    int64
	note     string // "synchronous" and when, or ""
	restored int64
}

// timelineQuery: a connection asks it once, a node at each poll. The number is in
// the name of the log's file (PostgreSQL's documentation, 9.28.4).
const timelineQuery = `SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN 0
		ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint END,
	current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') <> 'local',
	CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp())) AS bigint),
	COALESCE((SELECT number FROM settings WHERE name = '` + settingTimeline + `'), 0),
	COALESCE((SELECT value FROM settings WHERE name = '` + settingTimeline + `'), ''),
	COALESCE((SELECT number FROM settings WHERE name = '` + settingRestored + `'), 0)`

type row interface{ Scan(dest ...any) error }

// errNoTimelines: the engine has none, or the database nothing of ours yet.
var errNoTimelines = errors.New("no timelines")

func askTimeline(r row) (t timeline, err error) {
	err = r.Scan(&t.follows, &t.now, &t.synced, &t.at, &t.known, &t.note, &t.restored)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || unknownHere(err)) {
		err = errNoTimelines
	}
	return t, err
}

// unasked judges a server that doesn't say: where the database knows of its
// timeline, it should have.
func unasked(err error, known row) error {
	var number int64
	switch {
	case errors.Is(err, errNoTimelines):
		return nil
	case errors.Is(asError(err), oauth.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case known.Scan(&number) == nil && number != 0:
		return unavailable(fmt.Errorf("the PostgreSQL server doesn't tell its timeline: %w", err))
	}
	return nil
}

const knownQuery = "SELECT number FROM settings WHERE name = '" + settingTimeline + "'"

// vouched says whether the note lets a later server in.
func (t timeline) vouched() bool {
	when, synchronous := strings.CutPrefix(t.note, syncedNote)
	at, err := strconv.ParseInt(when, 10, 64)
	return synchronous && err == nil && t.at-at <= noteHolds
}

const syncedNote = "synchronous "

// lost says whether commits may be missing.
func (t timeline) lost() bool { return t.known != 0 && t.now > t.known && !t.vouched() }

func (t timeline) err() error {
	return fmt.Errorf("%w (its timeline is %d, %d is known): %s", errPromoted, t.now, t.known, Promoted)
}

// noted is what the database should remember. That commits wait again is believed
// after a while; that they don't, at once.
func (t timeline) noted() timeline {
	n := t
	n.known = t.now
	at, _ := strconv.ParseInt(strings.TrimPrefix(t.note, syncedNote), 10, 64)
	switch {
	case !t.synced:
		n.note = ""
	case t.known != t.now || t.note == "" || t.at-at >= noteEvery || t.at < at:
		n.note = syncedNote + strconv.FormatInt(t.at, 10)
	}
	return n
}

// seen is what a node saw itself, which no copy can be too old to know.
type seen struct {
	timeline int64
	synced   bool
}

// admit judges a server by what it says and by what this node has seen.
func (s *Store) admit(t timeline) error {
	before := s.seen.Load()
	switch {
	case t.follows:
		return unavailable(fmt.Errorf("%w: it is a standby", errNotPrimary))
	case before != nil && t.now < before.timeline:
		return unavailable(fmt.Errorf("%w any more: another one has taken over (its timeline is %d, %d was seen); stop it. After pg_upgrade, start this program again", errNotPrimary, t.now, before.timeline))
	case s.keepGoing:
		return nil
	case t.lost(), before != nil && t.now > before.timeline && t.now != t.known && !before.synced:
		return unavailable(t.err())
	}
	return nil
}

// fence judges each connection before it is used.
func (s *Store) fence(ctx context.Context, c *pgx.Conn) error {
	t, err := askTimeline(c.QueryRow(ctx, timelineQuery, pgx.QueryExecModeSimpleProtocol))
	if err != nil {
		return unasked(err, c.QueryRow(ctx, knownQuery, pgx.QueryExecModeSimpleProtocol))
	}
	if err := s.admit(t); err != nil {
		s.refused.Store(&refusal{stopwatch(), err})
		return err
	}
	s.restoredAt(t.restored)
	return nil
}

// refusal spares a server that was refused a moment ago the connections of every
// request.
type refusal struct {
	at  time.Time
	err error
}

func (s *Store) fenced() error {
	if r := s.refused.Load(); r != nil && time.Since(r.at) < s.poll/2 {
		return r.err
	}
	return nil
}

// watchTimeline does the same for connections that a pooler moved from one
// server to another, and lets the database remember how it is now.
func (s *Store) watchTimeline(ctx context.Context) error {
	if s.pgx == nil {
		return nil
	}
	apart := conn{ctx: ctx, pool: s.reads} // an error would end a batch
	t, err := askTimeline(apart.row(timelineQuery))
	if err != nil {
		return s.mapped(ctx, unasked(err, apart.row(knownQuery)))
	}
	if err := s.admit(t); err != nil {
		s.pgx.Reset()
		return err
	}
	s.restoredAt(t.restored)
	if before := s.seen.Swap(&seen{t.now, t.synced}); before != nil && t.now > before.timeline {
		s.log.Warn("another PostgreSQL server has taken over", "timeline", t.now, "before", before.timeline)
	}
	if n := t.noted(); n != t && !t.lost() {
		// Where nothing can be written just now, things are read all the same.
		if err := s.note(ctx, t, n); err != nil && ctx.Err() == nil {
			s.log.Debug("noting the timeline failed", "error", err)
		}
	}
	return nil
}

// note replaces what was read, once.
func (s *Store) note(ctx context.Context, t, n timeline) error {
	return s.statement(ctx, func(c conn) error {
		_, err := c.exec(`INSERT INTO settings (name, value, number) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, number = excluded.number
			WHERE settings.value = $4 AND settings.number = $5`, settingTimeline, n.note, n.known, t.note, t.known)
		return err
	})
}

// restoredAt never goes back: what was ended stays so, whatever a server says.
func (s *Store) restoredAt(at int64) {
	for before := s.restored.Load(); at > before && !s.restored.CompareAndSwap(before, at); before = s.restored.Load() {
	}
}

// judged refuses a source that nobody has judged.
func (e *end) judged(ctx context.Context) error {
	t, err := e.timeline(ctx)
	if errors.Is(err, errNoTimelines) {
		return nil
	}
	if err == nil && !t.follows && t.lost() {
		err = t.err()
	}
	return err
}

// timeline asks within the transaction, which an error would end.
func (e *end) timeline(ctx context.Context) (t timeline, err error) {
	if e.kind != PostgreSQL {
		return t, errNoTimelines
	}
	if _, err := e.tx.ExecContext(ctx, "SAVEPOINT timeline"); err != nil {
		return t, err
	}
	t, err = askTimeline(e.tx.QueryRowContext(ctx, timelineQuery))
	if err != nil {
		if _, undo := e.tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT timeline"); undo != nil {
			err = undo
		}
	}
	return t, err
}

// timeline is doctor's finding.
func (x *examiner) timeline(ctx context.Context) {
	t, err := x.e.timeline(ctx)
	switch {
	case errors.Is(err, errNoTimelines):
		x.say(Fine, "timeline", "", "the engine has none: what a fail-over loses can't be told")
	case err != nil:
		x.say(Warning, "timeline", "let the role run pg_walfile_name and pg_current_wal_insert_lsn", "after a fail-over it couldn't be told whether commits are lost: %v", err)
	case t.lost() && x.c.KeepGoing:
		x.say(Warning, "timeline", Promoted, "%v (its timeline is %d, %d is known); it is used all the same, as `failover` says", errPromoted, t.now, t.known)
	case t.lost():
		x.say(Failure, "timeline", Promoted, "%v (its timeline is %d, %d is known); nodes refuse to use it", errPromoted, t.now, t.known)
	case t.synced:
		x.say(Fine, "timeline", "", "%d; commits wait for a standby", t.now)
	default:
		x.say(Fine, "timeline", "", "%d; commits wait for no standby: after a fail-over nodes wait for `valetkey doctor --recover`", t.now)
	}
}
