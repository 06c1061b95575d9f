package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

func TestWrongMasterSecret(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		for _, step := range []struct {
			checks []string
			want   error
		}{
			{[]string{"other"}, ErrMasterSecret},
			{nil, nil},
			{[]string{"newer", "check"}, nil}, // the one kept is known; now the newer is kept
			{[]string{"check"}, ErrMasterSecret},
			{[]string{"newer"}, nil},
		} {
			c := b.config()
			c.MasterCheck = step.checks
			s, err := Open(t.Context(), c)
			if !errors.Is(err, step.want) {
				t.Errorf("open with %v: %v, not %v", step.checks, err, step.want)
			}
			if err == nil {
				ok(t, s.Close())
			}
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		ok(t, b.statement(t.Context(), func(c conn) error {
			_, err := c.exec("INSERT INTO migrations (number, name, at) VALUES (999, 'later', 0)")
			return err
		}))
		if _, err := Open(t.Context(), b.config()); !errors.Is(err, ErrNewerSchema) {
			t.Errorf("open: %v, not %v", err, ErrNewerSchema)
		}
	})
}

// Case 334, the way back: a newer schema serves an older program when all of its
// migrations say so.
func TestNewerSchemaServes(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		known := must(migrations())(t)
		for i, row := range []struct {
			text string
			want error
		}{
			{fmt.Sprintf("%s%d\nCREATE TABLE later_1 (id TEXT)", servesMark, len(known)), nil},
			{"CREATE TABLE later_2 (id TEXT)", ErrNewerSchema},
			{fmt.Sprintf("%s%d\nCREATE TABLE later_3 (id TEXT)", servesMark, len(known)), ErrNewerSchema}, // the one before stands
		} {
			ok(t, b.transaction(t.Context(), func(c conn) error {
				return runMigration(t.Context(), c.tx, newMigration(len(known)+1+i, "later.sql", row.text), b.time())
			}))
			s, err := Open(t.Context(), b.config())
			if !errors.Is(err, row.want) {
				t.Errorf("after %q: %v, not %v", row.text, err, row.want)
			}
			if err == nil {
				ok(t, s.Close())
			}
		}
	})
}

// A database that was made before there were profiles goes on.
func TestOlderSchemaIsBroughtUpToDate(t *testing.T) {
	for name, row := range map[string]struct {
		driver string
		url    func(testing.TB) string
	}{"sqlite": {"sqlite", sqliteFile}, "postgres": {"pgx", testkit.Postgres}} {
		t.Run(name, func(t *testing.T) {
			ctx, b := t.Context(), &bed{url: row.url(t), offset: new(atomic.Int64)}
			source := b.url
			if path, is := strings.CutPrefix(source, "sqlite:"); is {
				source = "file:" + (&url.URL{Path: path}).EscapedPath()
			}
			db, err := sql.Open(row.driver, source)
			ok(t, err)
			tx, err := db.BeginTx(ctx, nil)
			ok(t, err)
			ok(t, runMigrations(ctx, tx, must(migrations())(t)[:1], b.time()))
			_, err = tx.ExecContext(ctx, `INSERT INTO clients (id, owner, metadata, secret_phc, first_party, verified,
				disabled, epoch, logo_id, created_at, updated_at) VALUES ('app', 'dev', '{}', '', FALSE, FALSE, FALSE, 3, '', 1, 1)`)
			ok(t, errors.Join(err, tx.Commit(), db.Close()))
			b.Store = b.open(t)
			if c := must(b.Client(ctx, "app"))(t); c.Owner != "dev" || c.Epoch != 3 || c.Source != oauth.SourceOperator {
				t.Errorf("%+v", c)
			}
			b.sweepAndExpect(t, 1)
			ok(t, b.ReplaceClient(ctx, newClient("app"), true, false))
		})
	}
}

func TestUnknownDatabase(t *testing.T) {
	b := &bed{offset: newBed(t, "sqlite::memory:").offset}
	for _, url := range []string{"", "mysql://x", "sqlite:", "postgres://%%", "sqlite:/no/such/folder/x.db"} {
		b.url = url
		if s, err := Open(t.Context(), b.config()); err == nil {
			ok(t, s.Close())
			t.Errorf("%q was opened", url)
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	b := newBed(t, sqliteFile(t))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(strings.TrimPrefix(b.url, "sqlite:") + suffix)
		ok(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v", info.Name(), info.Mode())
		}
	}
}

// Case 320: two nodes start on an empty database at once; there is one schema,
// one key set and one administrator.
func TestCase320TwoNodesStartAtOnce(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": sqliteFile, "postgres": testkit.Postgres} {
		t.Run(name, func(t *testing.T) {
			first := &bed{url: url(t), offset: newBed(t, "sqlite::memory:").offset}
			var nodes [4]*Store
			var opened sync.WaitGroup
			for i := range nodes {
				opened.Go(func() { nodes[i] = first.open(t) })
			}
			opened.Wait()
			if t.Failed() {
				return
			}
			var added [32]bool
			race(t, func(i int) (err error) {
				added[i], err = nodes[i%4].AddSigningKey(t.Context(), keys.Record{
					KID: secret.NewID(), Alg: "ES256", Sealed: []byte{1}, PublishedAt: 1,
				})
				return err
			})
			records := must(nodes[0].SigningKeys(t.Context()))(t)
			count := 0
			for _, is := range added {
				if is {
					count++
				}
			}
			if count != 1 || len(records) != 1 {
				t.Errorf("%d nodes were first, %d keys", count, len(records))
			}
			ok(t, nodes[1].SetupToken(t.Context(), []byte("hash")))
			onlyOne(t, race(t, func(i int) error { return nodes[i%4].CompleteSetup(t.Context(), []byte("hash"), admin(i)) }),
				oauth.ErrConflict)
		})
	}
}

func admin(i int) login.User {
	name := "admin" + string(rune('a'+i))
	return login.User{Subject: secret.NewID(), Username: name, UsernameKey: name}
}

// Case 309: the set-up link makes one administrator, once.
func TestCase309CompleteSetupRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		wants(t, "before there is a token", b.CompleteSetup(ctx, []byte("x"), admin(0)), oauth.ErrNotFound)
		ok(t, b.SetupToken(ctx, []byte("old")))
		ok(t, b.SetupToken(ctx, []byte("token")))
		wants(t, "with an older token", b.CompleteSetup(ctx, []byte("old"), admin(0)), oauth.ErrNotFound)
		if !must(b.NeedsSetup(ctx))(t) {
			t.Error("needs no set-up")
		}
		onlyOne(t, race(t, func(i int) error { return b.CompleteSetup(ctx, []byte("token"), admin(i)) }), oauth.ErrConflict)
		if n := must(b.CountAdmins(ctx))(t); n != 1 {
			t.Errorf("%d administrators", n)
		}
		if must(b.NeedsSetup(ctx))(t) {
			t.Error("still needs set-up")
		}
		wants(t, "later", b.CompleteSetup(ctx, []byte("token"), admin(40)), oauth.ErrConflict)
		wants(t, "a new token", b.SetupToken(ctx, []byte("new")), oauth.ErrConflict)
	})
}

func TestRestoredAtRefusesOlderSessions(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		b.advance(60e9)
		ok(t, b.MarkRestored(t.Context(), b.time()))
		s := b.open(t)
		if !s.RestoredAt().Equal(b.time()) {
			t.Errorf("restored at %v", s.RestoredAt())
		}
		_, err := s.Session(t.Context(), g.session.ID, b.time())
		wants(t, "a session older than the restore", err, oauth.ErrNotFound)
		same := b.addSession(t, g.user)
		_, err = s.Session(t.Context(), same.ID, b.time())
		wants(t, "a session of the second of the restore", err, oauth.ErrNotFound)
		b.advance(1e9)
		fresh := b.addSession(t, g.user)
		must(s.Session(t.Context(), fresh.ID, b.time()))(t)
	})
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		ok(t, b.Ping(t.Context()))
		ok(t, b.Close())
		ok(t, b.Close())
		wants(t, "ping", b.Ping(t.Context()), oauth.ErrUnavailable)
		wants(t, "write", b.Issue(t.Context(), b.authorization(g)), oauth.ErrUnavailable)
		_, err := b.Authorization(t.Context(), "x")
		wants(t, "read", err, oauth.ErrUnavailable)
	})
}
