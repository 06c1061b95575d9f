package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

// sql runs statements beside the store, as a database's own operator.
func sqlBeside(t testing.TB, url string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { ok(t, c.Close(context.WithoutCancel(t.Context()))) }()
	for _, text := range statements {
		if _, err := c.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// sqlNumber reads one number beside the store.
func sqlNumber(t testing.TB, url, query string) (n int64) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { ok(t, c.Close(context.WithoutCancel(t.Context()))) }()
	ok(t, c.QueryRow(t.Context(), query).Scan(&n))
	return n
}

// atOnce issues so many authorizations together and answers their errors.
func (b *bed) atOnce(t *testing.T, g ground, n int, with func(i int, a *oauth.Authorization)) ([]oauth.Authorization, []error) {
	t.Helper()
	made, errs := make([]oauth.Authorization, n), make([]error, n)
	var done sync.WaitGroup
	for i := range made {
		made[i] = b.authorization(g)
		if with != nil {
			with(i, &made[i])
		}
		done.Go(func() { errs[i] = b.Issue(t.Context(), made[i]) })
	}
	done.Wait()
	return made, errs
}

// Many that come together share transactions, and one that PostgreSQL refuses
// takes nobody with it.
func TestLaneSharesCommits(t *testing.T) {
	t.Parallel()
	b := newBed(t, testkit.Postgres(t))
	g, before := b.ground(t), b.Writes()
	const n, bad = 200, 77
	made, errs := b.atOnce(t, g, n, func(i int, a *oauth.Authorization) {
		if i == bad {
			a.ACR = "\x00" // text that PostgreSQL can't hold: 22021
		}
	})
	for i, err := range errs {
		if (err != nil) != (i == bad) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if got := b.count(t, "authorizations"); got != n-1 {
		t.Errorf("%d rows, not %d", got, n-1)
	}
	if writes := b.Writes() - before; writes > n {
		t.Errorf("%d commits", writes)
	}
	// Without a bad one they do share: far fewer commits than members.
	before = b.Writes()
	if _, errs = b.atOnce(t, g, n, nil); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	if writes := b.Writes() - before; writes > n/2 {
		t.Errorf("%d commits for %d", writes, n)
	}
	// Reading goes the same way.
	var done sync.WaitGroup
	for i := range made {
		done.Go(func() {
			_, err := b.Authorization(t.Context(), made[i].ID)
			if i == bad {
				wants(t, "the bad one", err, oauth.ErrNotFound)
			} else if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	done.Wait()
}

// failingCommits makes a table's changes fail as they are committed: one in two,
// at most so many times, with PostgreSQL's own error for a lost race.
func failingCommits(t *testing.T, url, table, code string, times int) {
	t.Helper()
	sqlBeside(t, url, "CREATE SEQUENCE failed_"+table,
		fmt.Sprintf(`CREATE FUNCTION fail_%s() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				IF nextval('failed_%[1]s') %% 2 = 1 AND currval('failed_%[1]s') < 2 * %d THEN
					RAISE EXCEPTION 'injected at commit' USING ERRCODE = '%s';
				END IF;
				RETURN NULL;
			END $$`, table, times, code),
		fmt.Sprintf(`CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON %s DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION fail_%[1]s()`, table))
}

// A commit that loses against another one is repeated, in a batch and alone, in
// hot statements and in transactions, and nobody hears of it.
func TestCommitsThatLoseAreRepeated(t *testing.T) {
	for _, code := range []string{"40001", "40P01"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, testkit.Postgres(t))
			g := b.ground(t)
			for _, table := range []string{"authorizations", "users", "consents"} {
				failingCommits(t, b.url, table, code, 40)
			}
			made, errs := b.atOnce(t, g, 64, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			alone := b.authorization(g)
			ok(t, b.Issue(t.Context(), alone))
			_, err := b.Rotate(t.Context(), b.rotation(alone, 0))
			ok(t, err)
			wants(t, "a second time", b.Issue(t.Context(), alone), oauth.ErrReplayed)
			b.addUser(t, "after", false)
			_, err = b.Agree(t.Context(), oauth.Consent{Subject: g.user.Subject, ClientID: "other", Scopes: []string{"a"}})
			ok(t, err)
			if n := b.count(t, "authorizations"); n != len(made)+1 {
				t.Errorf("%d authorizations", n)
			}
			for _, table := range []string{"authorizations", "users", "consents"} {
				if sqlNumber(t, b.url, "SELECT last_value FROM failed_"+table) < 2 {
					t.Errorf("nothing failed at %s", table)
				}
			}
		})
	}
}

// Two nodes that rotate the same rows in batches never wait for one another in
// a circle: each row is rotated by one of them.
func TestBatchesOfTwoNodes(t *testing.T) {
	t.Parallel()
	b := newBed(t, testkit.Postgres(t))
	g, other := b.ground(t), b.open(t)
	made, errs := b.atOnce(t, g, 128, nil)
	ok(t, errors.Join(errs...))
	for generation := range int64(5) {
		var won [2][128]error
		var done sync.WaitGroup
		for i := range made {
			for node, s := range []*Store{b.Store, other} {
				at := i
				if node == 1 {
					at = len(made) - 1 - i // the other way round
				}
				done.Go(func() { _, won[node][at] = s.Rotate(t.Context(), b.rotation(made[at], generation)) })
			}
		}
		done.Wait()
		for i := range made {
			one, two := won[0][i], won[1][i]
			if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), oauth.ErrConflict) {
				t.Errorf("row %d: %v and %v", i, one, two)
			}
		}
	}
	if n := sqlNumber(t, b.url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// An engine that speaks PostgreSQL's protocol and knows neither advisory locks
// nor notifications serves all the same, and two nodes may start on it at once.
func TestWithoutLocksAndNotifications(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	sqlBeside(t, url, "CREATE SCHEMA vk", "CREATE SCHEMA lacking",
		"CREATE FUNCTION lacking.pg_advisory_lock(bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not supported' USING ERRCODE = '0A000'; END $$",
		"CREATE FUNCTION lacking.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not supported' USING ERRCODE = '42883'; END $$",
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = vk, lacking, pg_catalog', current_database()); END $$`)
	beds := make([]*bed, 4)
	var done sync.WaitGroup
	for i := range beds {
		done.Go(func() { beds[i] = newBed(t, url) })
	}
	done.Wait()
	if t.Failed() {
		return
	}
	for _, b := range beds {
		go b.Run(t.Context())
	}
	b := beds[0]
	g := b.ground(t)
	_, errs := b.atOnce(t, g, 32, nil)
	ok(t, errors.Join(errs...))
	b.addClient(t, "later")
	for _, other := range beds[1:] {
		eventually(t, func() bool { _, err := other.Client(t.Context(), "later"); return err == nil })
	}
}

// A change is known to another node before its poll would have found it.
func TestNotified(t *testing.T) {
	t.Parallel()
	b := newBed(t, testkit.Postgres(t))
	c := b.config()
	c.Poll = 1900 * time.Millisecond
	other, err := Open(t.Context(), c)
	ok(t, err)
	t.Cleanup(func() { ok(t, other.Close()) })
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { other.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	eventually(t, func() bool {
		return sqlNumber(t, b.url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN valetkey'") == 1
	})
	fastest := time.Hour
	for i := range 5 {
		id := fmt.Sprintf("client-%d", i)
		if _, err := other.Client(t.Context(), id); !errors.Is(err, oauth.ErrNotFound) {
			t.Fatal(err)
		}
		began := time.Now()
		b.addClient(t, id)
		eventually(t, func() bool { _, err := other.Client(t.Context(), id); return err == nil })
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 500*time.Millisecond {
		t.Errorf("the fastest of five took %s", fastest)
	}
}

// A database that answers before a commit is safe isn't taken.
func TestSynchronousCommitOff(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	sqlBeside(t, url, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	b := &bed{url: url}
	if _, err := Open(t.Context(), Config{Database: b.url, Now: time.Now}); err == nil {
		t.Error("taken")
	}
}

// A batch that waits for a row that somebody holds doesn't hold up the others.
func TestSlowBatchHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b := newBed(t, testkit.Postgres(t))
	g := b.ground(t)
	held := b.authorization(g)
	ok(t, b.Issue(t.Context(), held))
	c, err := pgx.Connect(t.Context(), b.url)
	ok(t, err)
	defer func() { ok(t, c.Close(context.WithoutCancel(t.Context()))) }()
	tx, err := c.Begin(t.Context())
	ok(t, err)
	_, err = tx.Exec(t.Context(), "UPDATE authorizations SET end_reason = '' WHERE id = $1", held.ID)
	ok(t, err)
	var rotating sync.WaitGroup
	rotating.Go(func() {
		_, err := b.Rotate(t.Context(), b.rotation(held, 0))
		if err != nil {
			t.Error(err)
		}
	})
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	_, errs := b.atOnce(t, g, 50, nil)
	ok(t, errors.Join(errs...))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the others took %s", took)
	}
	ok(t, tx.Rollback(t.Context()))
	rotating.Wait()
}
