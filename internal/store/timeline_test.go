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
		if _, err := Recover(t.Context(), older.config(), false); err == nil {
			t.Error("an older schema was taken")
		}
	})
}

// TestTimelineLost: what a node thinks of a server, by what the database
// remembers.
func TestTimelineLost(t *testing.T) {
	for name, c := range map[string]struct {
		timeline
		want bool
	}{
		"a new database":              {timeline{now: 3}, false},
		"the same":                    {timeline{now: 3, known: 3}, false},
		"promoted":                    {timeline{now: 4, known: 3}, true},
		"promoted, and had all":       {timeline{now: 4, known: 3, standby: syncedStandby}, false},
		"only the new one waits":      {timeline{now: 4, known: 3, synced: true}, true},
		"pg_upgrade begins at 1":      {timeline{now: 1, known: 3}, false},
		"promoted twice, unseen once": {timeline{now: 5, known: 3}, true},
	} {
		if c.lost() != c.want {
			t.Errorf("%s: lost is %v", name, !c.want)
		}
		if n := c.noted(); n.lost() || n.known != c.now || (n.standby != "") != c.synced {
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
	if err := later.Ping(t.Context()); err != nil {
		t.Errorf("a connection that stands: %v", err)
	}
	if _, err := Open(t.Context(), b.config()); !errors.Is(err, errPromoted) {
		t.Errorf("a start: %v", err)
	}
	must(Recover(t.Context(), b.config(), true))(t)
	b.open(t)
}
