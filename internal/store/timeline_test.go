package store

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

// TestRecover: whatever is a row or was made before is over, for a store that is
// open too.
func TestRecover(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		issued := b.authorization(g)
		ok(t, b.Issue(t.Context(), issued))
		b.advance(60e9)

		kept := must(Recover(t.Context(), b.config(), true))(t)
		if kept.Ended || !b.RestoredAt().IsZero() {
			t.Errorf("%+v", kept)
		}
		must(b.Session(t.Context(), g.session.ID, b.time()))(t)

		did := must(Recover(t.Context(), b.config(), false))(t)
		if !did.Ended || (did.Timeline > 0) != (b.kind == PostgreSQL) {
			t.Errorf("%+v", did)
		}
		ok(t, b.pollOnce(t.Context()))
		if !b.RestoredAt().Equal(did.At) {
			t.Errorf("restored at %v, the open store says %v", did.At, b.RestoredAt())
		}
		_, err := b.Session(t.Context(), g.session.ID, b.time())
		wants(t, "a session of before", err, oauth.ErrNotFound)
		expectDead(t, b, g, issued)
	})
}

// A database is recovered and not made; an older one is brought up to date, since
// no program may serve it before.
func TestRecoverRefuses(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		config := b.config()
		config.Database = "sqlite:" + filepath.Join(t.TempDir(), "none.db")
		if _, err := Recover(t.Context(), config, false); err == nil {
			t.Error("a database was made")
		}
		all := must(migrations())(t)
		older := &bed{url: "sqlite:" + filepath.Join(t.TempDir(), "older.db"), offset: b.offset}
		older.atSchema(t, len(all)-1)
		must(Recover(t.Context(), older.config(), false))(t)
		if plan := must(Pending(t.Context(), older.url))(t); len(plan.Pending) != 0 {
			t.Errorf("an older schema stays: %+v", plan)
		}
	})
}

// TestTimelineLost: what a node thinks of a server, by what the database
// remembers.
func TestTimelineLost(t *testing.T) {
	waited, didnt := &seen{3, true}, &seen{3, false}
	for name, c := range map[string]struct {
		t    timeline
		seen *seen
		want error
	}{
		"a new database":                     {timeline{now: 3}, nil, nil},
		"the same":                           {timeline{now: 3, known: 3}, nil, nil},
		"the same, as before":                {timeline{now: 3, known: 3}, didnt, nil},
		"promoted":                           {timeline{now: 4, known: 3}, nil, errPromoted},
		"promoted, and had all":              {timeline{now: 4, known: 3, at: 1100, note: "synchronous 1000"}, waited, nil},
		"as it is told, long ago":            {timeline{now: 4, known: 3, at: 1301, note: "synchronous 1000"}, nil, errPromoted},
		"as it is told, and was given up":    {timeline{now: 4, known: 3, at: 1100, note: "synchronous 1000"}, didnt, errPromoted},
		"only the new one waits":             {timeline{now: 4, known: 3, synced: true}, nil, errPromoted},
		"promoted twice, unseen once":        {timeline{now: 5, known: 3}, nil, errPromoted},
		"judged by an operator":              {timeline{now: 4, known: 4}, didnt, nil},
		"pg_upgrade begins at 1":             {timeline{now: 1, known: 3}, nil, nil},
		"the one before is started again":    {timeline{now: 2, known: 2}, waited, errNotPrimary},
		"it follows":                         {timeline{follows: true, known: 3}, nil, errNotPrimary},
		"a note that somebody wrote by hand": {timeline{now: 4, known: 3, note: "synchronous x"}, nil, errPromoted},
	} {
		s := &Store{}
		s.seen.Store(c.seen)
		if err := s.admit(c.t); !errors.Is(err, c.want) || err != nil && !errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		s.keepGoing = true
		if err := s.admit(c.t); (err != nil) != errors.Is(c.want, errNotPrimary) {
			t.Errorf("%s, and kept: %v", name, err)
		}
		if n := c.t.noted(); n.lost() || n.known != c.t.now || (n.note != "") != c.t.synced {
			t.Errorf("%s: then %+v", name, n)
		}
	}
}

// TestTimelineNoted: a database knows its server's timeline from the first start,
// and how it is replicated as soon as that changes.
func TestTimelineNoted(t *testing.T) {
	b := newBed(t, testkit.PostgresSchema(t))
	if _, number, err := setting(b.read(t.Context()), settingTimeline); err != nil || number < 1 {
		t.Errorf("%d %v", number, err)
	}
	later := b.open(t)
	ok(t, later.statement(t.Context(), func(c conn) error {
		_, err := c.exec("UPDATE settings SET number = -number, value = '' WHERE name = $1", settingTimeline)
		return err
	}))
	if err := b.pollOnce(t.Context()); !errors.Is(err, oauth.ErrUnavailable) || !errors.Is(err, errPromoted) {
		t.Errorf("a connection that was moved: %v", err)
	}
	if _, err := Open(t.Context(), b.config()); !errors.Is(err, errPromoted) {
		t.Errorf("a start: %v", err)
	}
	must(Recover(t.Context(), b.config(), true))(t)
	b.open(t)
}
