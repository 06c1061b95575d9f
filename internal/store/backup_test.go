package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

// kinds are the databases that outlive a process.
var kinds = map[string]func(testing.TB) string{"sqlite": sqliteFile, "postgres": testkit.Postgres}

// wholeDatabases leaves out of the short run what copies or reads whole databases
// in one thread: the race detector takes minutes for it and finds nothing there.
func wholeDatabases(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("copies or reads whole databases")
	}
}

// pairs runs a test from each kind of database to each.
func pairs(t *testing.T, test func(t *testing.T, from *bed, to string)) {
	t.Helper()
	wholeDatabases(t)
	for one, source := range kinds {
		for other, target := range kinds {
			t.Run(one+" to "+other, func(t *testing.T) {
				t.Parallel()
				test(t, newBed(t, source(t)), target(t))
			})
		}
	}
}

// fillTables writes rows into every table: values that a kind of database could
// see differently.
func (b *bed) fillTables(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	tables := must(tablesAt(ctx, len(must(migrations())(t))))(t)
	for _, table := range tables {
		for n := range 3 {
			ok(t, b.statement(ctx, func(c conn) error {
				marks, values := []string{}, []any{}
				for i, column := range table.columns {
					marks, values = append(marks, fmt.Sprintf("$%d", i+1)), append(values, sample(table.name, column, n))
				}
				_, err := c.exec("INSERT INTO "+table.name+" ("+strings.Join(table.names(), ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...)
				return err
			}))
		}
	}
}

// nullable are the columns that may hold nothing.
var nullable = []string{"sessions.secret_hash", "sessions.upstream", "clients.secret_hash", "clients.token_hash", "authorizations.seed_hash", "devices.granted", "links.code_hash"}

func sample(table string, c column, n int) any {
	switch c.kind {
	case "BIGINT":
		return []int64{0, -1, 1 << 61}[n]
	case "BOOLEAN":
		return n == 1
	case "BYTEA":
		if n == 2 && slices.Contains(nullable, table+"."+c.name) {
			return nil
		}
		return [][]byte{{}, {0, 255, 'a'}, []byte(strings.Repeat("x", 70_000))}[n]
	}
	return []string{"", "a'\"\\\n\t%_ ß 漢字 \u0001 " + c.name, strings.Repeat("y", 70_000)}[n]
}

// contents are the sums of all tables of a database.
func contents(t testing.TB, database string) []TableSum {
	t.Helper()
	e := must(openSource(t.Context(), database))(t)
	defer func() { ok(t, e.close()) }()
	_, tables, err := e.tables(t.Context())
	ok(t, err)
	return must(e.sums(t.Context(), tables))(t)
}

func backupFile(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "backup 1%.vk")
}

func (b *bed) backup(t testing.TB) (string, Snapshot) {
	t.Helper()
	path := backupFile(t)
	return path, must(Backup(t.Context(), b.config(), "v1", path))(t)
}

func (b *bed) at(database string) *bed { return &bed{url: database, offset: b.offset} }

func TestBackupAndRestore(t *testing.T) {
	pairs(t, func(t *testing.T, from *bed, to string) {
		from.fillTables(t)
		path, made := from.backup(t)
		before := contents(t, from.url)
		if got := differing(before, made.Tables); got != nil || made.Schema != len(must(migrations())(t)) || made.Issuer != issuer {
			t.Errorf("%+v differs in %v", made, got)
		}
		if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		if left := must(os.ReadDir(filepath.Dir(path)))(t); len(left) != 1 {
			t.Errorf("the folder holds %v", left)
		}
		restored := from.at(to)
		did, err := Restore(t.Context(), restored.config(), path, false)
		ok(t, err)
		if !did.RestoredAt.Equal(from.time().Truncate(time.Second)) || did.Rows() != made.Rows() {
			t.Errorf("%+v", did)
		}
		for _, name := range differing(before, contents(t, to)) {
			if !strings.HasPrefix(name, "settings (") && !strings.HasPrefix(name, "mails (") {
				t.Errorf("another content: %s", name)
			}
		}
		restored.Store = restored.open(t)
		if !restored.RestoredAt().Equal(did.RestoredAt) {
			t.Errorf("restored at %v", restored.RestoredAt())
		}
	})
}

// A restore that is refused leaves the target as it was, down to a file that
// wasn't there.
func TestRestoreRefuses(t *testing.T) {
	shared(t, func(t *testing.T, from *bed) {
		from.ground(t)
		path, _ := from.backup(t)
		for name, row := range map[string]struct {
			path   string
			checks []string
			change string
			want   string
		}{
			"another secret":  {path: path, checks: []string{"other"}, want: "wrong master secret"},
			"no secret":       {path: path, want: "wrong master secret"},
			"no file":         {path: path + "x", want: "no such file"},
			"no backup":       {path: "backup_test.go", want: "can't be read as a backup"},
			"a changed row":   {path: path, change: "UPDATE users SET name = 'Eve'", want: "damaged: these tables aren't as they were written: users (1 rows, then 1)"},
			"a lost row":      {path: path, change: "DELETE FROM sessions", want: "sessions (1 rows, then 0)"},
			"a lost table":    {path: path, change: "DROP TABLE consents", want: "damaged"},
			"a newer format":  {path: path, change: "UPDATE backup SET format = 9", want: "its format is 9, this program knows 1"},
			"a newer schema":  {path: path, change: "UPDATE backup SET schema = 999", want: "its schema is 999, this program knows"},
			"a whole other":   {path: path, change: "DROP TABLE backup", want: "this isn't a file that `valetkey backup` made"},
			"a forgotten sum": {path: path, change: "DELETE FROM backup_tables WHERE name = 'users'", want: "damaged"},
		} {
			t.Run(name, func(t *testing.T) {
				to := from.at(sqliteFile(t))
				c := to.config()
				if c.MasterCheck = row.checks; row.change != "" {
					c.MasterCheck, row.path = []string{"check"}, altered(t, row.path, row.change)
				}
				_, err := Restore(t.Context(), c, row.path, false)
				if err == nil || !strings.Contains(err.Error(), row.want) {
					t.Errorf("%v, not %q", err, row.want)
				}
				if left := must(os.ReadDir(filepath.Dir(strings.TrimPrefix(to.url, "sqlite:"))))(t); len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
		t.Run("a cut file", func(t *testing.T) {
			content := must(os.ReadFile(path))(t)
			cut := backupFile(t)
			for _, n := range []int{0, 1, 100, len(content) / 2, len(content) - 4096} {
				ok(t, os.WriteFile(cut, content[:n], 0o600))
				if _, err := ReadBackup(t.Context(), cut); err == nil {
					t.Errorf("%d bytes of %d are a backup", n, len(content))
				}
			}
		})
		t.Run("a database in use", func(t *testing.T) {
			before := contents(t, from.url)
			_, err := Restore(t.Context(), from.config(), path, false)
			wants(t, "into the database itself", err, ErrNotEmpty)
			if !strings.Contains(err.Error(), "users (1)") {
				t.Errorf("%v doesn't say what is there", err)
			}
			if got := differing(before, contents(t, from.url)); got != nil {
				t.Errorf("changed: %v", got)
			}
		})
	})
}

// altered is a copy of a backup that somebody changed.
func altered(t testing.TB, path, query string) string {
	t.Helper()
	other := backupFile(t)
	ok(t, os.WriteFile(other, must(os.ReadFile(path))(t), 0o600))
	db := must(sql.Open("sqlite", "file:"+strings.ReplaceAll(other, "%", "%25")))(t)
	_, err := db.ExecContext(t.Context(), query)
	ok(t, errors.Join(err, db.Close()))
	return other
}

// A table of somebody else's isn't taken for ours, nor dropped.
func TestRestoreRefusesStrangers(t *testing.T) {
	from := newBed(t, sqliteFile(t))
	path, _ := from.backup(t)
	for name, database := range kinds {
		t.Run(name, func(t *testing.T) {
			to := from.at(database(t))
			e := must(openTarget(t.Context(), to.url))(t)
			_, err := e.tx.ExecContext(t.Context(), "CREATE TABLE users (id BIGINT)")
			ok(t, errors.Join(err, e.commit(), e.close()))
			_, err = Restore(t.Context(), to.config(), path, false)
			if !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), "a table users of another program") {
				t.Error(err)
			}
		})
	}
}

// A backup of an older schema is restored and brought up to date, also into a
// database that is further already.
func TestRestoreOlderSchema(t *testing.T) {
	wholeDatabases(t)
	for name, database := range kinds {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			old := &bed{url: database(t), offset: new(atomic.Int64)}
			old.atSchema(t, 1, "INSERT INTO used (until, kind, hash) VALUES (1, 'jti', '\\x00')", "INSERT INTO deleted_clients VALUES ('gone', 7)")
			path, made := old.backup(t)
			if made.Schema != 1 {
				t.Fatalf("schema %d", made.Schema)
			}
			for _, opened := range []bool{false, true} {
				to := old.at(database(t))
				if opened {
					ok(t, to.open(t).Close())
				}
				must(Restore(ctx, to.config(), path, false))(t)
				if plan := must(Pending(ctx, to.url))(t); len(plan.Pending) != 0 {
					t.Errorf("%+v", plan)
				}
				to.Store = to.open(t)
				wants(t, "an id that was deleted", to.CreateClient(ctx, newClient("gone")), oauth.ErrConflict)
			}
		})
	}
}

// atSchema makes a database as an earlier version left it.
func (b *bed) atSchema(t testing.TB, n int, queries ...string) {
	t.Helper()
	e := must(openTarget(t.Context(), b.url))(t)
	ok(t, runMigrations(t.Context(), e.tx, must(migrations())(t)[:n], b.time()))
	for _, query := range queries {
		_, err := e.tx.ExecContext(t.Context(), query)
		ok(t, err)
	}
	ok(t, errors.Join(e.commit(), e.close()))
}

func TestBackupRefuses(t *testing.T) {
	b := newBed(t, sqliteFile(t))
	path, _ := b.backup(t)
	before := must(os.ReadFile(path))(t)
	if _, err := Backup(t.Context(), b.config(), "v1", path); err == nil || !strings.Contains(err.Error(), "never overwrites") {
		t.Errorf("over a file: %v", err)
	}
	if string(before) != string(must(os.ReadFile(path))(t)) {
		t.Error("the file was changed")
	}
	folder := t.TempDir()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, row := range map[string]struct {
		ctx      context.Context
		database string
		path     string
	}{
		"no database":       {t.Context(), "sqlite:" + filepath.Join(folder, "none.db"), "x"},
		"in memory":         {t.Context(), "sqlite::memory:", "x"},
		"nobody there":      {t.Context(), "postgres://127.0.0.1:1/x?connect_timeout=1", "x"},
		"no folder":         {t.Context(), b.url, "no/x"},
		"a cancelled start": {cancelled, b.url, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			c := b.config()
			c.Database = row.database
			if _, err := Backup(row.ctx, c, "v1", filepath.Join(folder, row.path)); err == nil {
				t.Error("made")
			}
			if left := must(os.ReadDir(folder))(t); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// busy works on a database as requests do, until it is told to stop.
func (b *bed) busy(t *testing.T, g ground) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done atomic.Int64
	ended := make(chan struct{}, 4)
	for range 4 {
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil {
				if err := b.flow(ctx, g); err != nil && ctx.Err() == nil {
					t.Errorf("a flow beside the copy: %v", err)
					return
				}
				done.Add(1)
			}
		}()
	}
	return func() int64 {
		cancel()
		for range 4 {
			<-ended
		}
		return done.Load()
	}
}

// flow is somebody who agrees, a code with its proof, a refresh, and the end.
func (b *bed) flow(ctx context.Context, g ground) error {
	a := b.authorization(g)
	a.Proofs = []oauth.Once{{Kind: "dpop", Owner: "x", ID: a.ID, Until: b.time().Add(time.Minute)}}
	if err := b.Issue(ctx, a); err != nil {
		return err
	}
	if _, err := b.Rotate(ctx, b.rotation(a, 0)); err != nil {
		return err
	}
	if _, err := b.Agree(ctx, oauth.Consent{Subject: g.user.Subject, ClientID: g.client.ID, Scopes: []string{"notes"}, SessionID: g.session.ID}); err != nil {
		return err
	}
	return b.EndAuthorization(ctx, a.ID, "revoked", b.time())
}

// Case 333: a backup that was made under load is of one moment.
func TestCase333BackupUnderLoad(t *testing.T) {
	pairs(t, func(t *testing.T, from *bed, database string) {
		stop := from.busy(t, from.ground(t))
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			path, made := from.backup(t)
			to := from.at(database)
			if made.Rows() == 0 {
				t.Fatal("nothing in it")
			}
			must(ReadBackup(t.Context(), path))(t)
			if schema := must(Pending(t.Context(), database))(t).Schema; schema == 0 {
				must(Restore(t.Context(), to.config(), path, false))(t)
				to.one(t)
			}
		}
		if n := stop(); n < 20 {
			t.Errorf("only %d flows ran beside it", n)
		}
	})
}

// one checks that what belongs together is there together: a code's
// authorization and its proof were written as one.
func (b *bed) one(t testing.TB) {
	t.Helper()
	c := b.config()
	found, _ := Examine(t.Context(), c, true)
	for _, f := range found {
		// The tests' clock is years ahead, and their PostgreSQL needn't outlive a power cut.
		if f.Check == "clock" || f.Check == "fsync" {
			continue
		}
		if f.Level == Failure || f.Check == "consistency" && f.Level != Fine {
			t.Errorf("%s: %s", f.Check, f.What)
		}
	}
	e := must(openSource(t.Context(), b.url))(t)
	defer func() { ok(t, e.close()) }()
	var authorizations, proofs int64
	ok(t, e.tx.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM authorizations), (SELECT COUNT(*) FROM used)").Scan(&authorizations, &proofs))
	if authorizations != proofs || authorizations == 0 {
		t.Errorf("%d authorizations, %d proofs", authorizations, proofs)
	}
}

func TestEndAll(t *testing.T) {
	pairs(t, func(t *testing.T, from *bed, database string) {
		ctx, g := t.Context(), from.ground(t)
		offline, own := from.authorization(g), from.authorization(g)
		offline.Offline, own.Subject, own.SessionID, own.UserEpoch, own.ConsentEpoch = true, "", "", 0, 0
		ok(t, from.Issue(ctx, offline))
		ok(t, from.Issue(ctx, own))
		path, _ := from.backup(t)
		for _, all := range []bool{false, true} {
			to := from.at(database)
			if all {
				to.url = sqliteFile(t)
			}
			if did := must(Restore(ctx, to.config(), path, all))(t); did.Ended != all {
				t.Errorf("%+v", did)
			}
			to.advance(time.Second)
			to.Store = to.open(t)
			for _, a := range []oauth.Authorization{offline, own} {
				if now := must(to.Authorization(ctx, a.ID))(t); now.Live == all {
					t.Errorf("all %v: %+v", all, now)
				}
			}
			_, err := to.Session(ctx, g.session.ID, to.time())
			wants(t, "the session", err, oauth.ErrNotFound)
			code := to.authorization(g) // a code that somebody holds still
			if err := to.Issue(ctx, code); (err == nil) == all {
				t.Errorf("all %v: a code: %v", all, err)
			}
			told := must(to.Revocations(ctx, to.time().Add(-time.Minute)))(t)
			if all && (len(told) != 1 || told[0].ClientID != "app") { // with the app all tokens are over, of people too
				t.Errorf("the feed tells %+v", told)
			}
		}
	})
}

// RFC 9700 §4.14 beside §4 of the design: a refresh token that was used after the
// backup is above its row, and moves it up; that before it is then an old one.
func TestRefreshTokenAfterRestore(t *testing.T) {
	pairs(t, func(t *testing.T, from *bed, database string) {
		ctx, g := t.Context(), from.ground(t)
		a := from.authorization(g)
		a.Offline = true
		ok(t, from.Issue(ctx, a))
		path, _ := from.backup(t)
		for n := range int64(3) {
			must(from.Rotate(ctx, from.rotation(a, n)))(t)
		}
		to := from.at(database)
		must(Restore(ctx, to.config(), path, false))(t)
		to.Store = to.open(t)
		if now := must(to.Rotate(ctx, to.rotation(a, 3)))(t); now.Generation != 4 {
			t.Errorf("%+v", now)
		}
		_, err := to.Rotate(ctx, to.rotation(a, 0))
		wants(t, "the one of the backup", err, oauth.ErrConflict)
	})
}

func BenchmarkMoveMillion(b *testing.B) {
	for one, source := range kinds {
		for other, target := range kinds {
			b.Run(one+" to "+other, func(b *testing.B) {
				from := newBed(b, source(b))
				from.million(b)
				for b.Loop() {
					did := must(Move(b.Context(), from.config(), MoveOptions{To: target(b)}))(b)
					b.ReportMetric(float64(did.Tables[1].Rows), "rows")
				}
			})
		}
	}
}

// million makes that many authorizations.
func (b *bed) million(t testing.TB) {
	t.Helper()
	a := b.authorization(b.ground(t))
	ok(t, b.Issue(t.Context(), a))
	ok(t, b.statement(t.Context(), func(c conn) error {
		rest := strings.TrimPrefix(authorizationColumns, "id, ")
		_, err := c.exec(`INSERT INTO authorizations (id, ` + rest + `) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999999)
			SELECT substr(id, 1, 18) || substr('00000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1), ` + rest + ` FROM authorizations, n`)
		return err
	}))
}
