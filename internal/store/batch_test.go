package store

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/oauth"
)

// sixteen runs sixteen members in one batch: the writer is held up by a first
// one until all of them wait.
func sixteen(t *testing.T, b *bed, member func(i int) error) []error {
	t.Helper()
	writer := b.writer.(*batcher)
	hold, held := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		ok(t, b.statement(t.Context(), func(conn) error { close(held); <-hold; return nil }))
	})
	<-held
	errs := make([]error, 16)
	for i := range errs {
		done.Go(func() { errs[i] = member(i) })
	}
	for len(writer.queue) < 16 {
		select {
		case <-t.Context().Done():
			t.Fatal("the members never came")
		default:
		}
	}
	close(hold)
	done.Wait()
	return errs
}

func insertUsed(c conn, i int) error {
	_, err := c.exec("INSERT INTO used (until, kind, hash) VALUES ($1, 'x', $2)", i, []byte{byte(i), byte(i >> 8)})
	return err
}

func onSQLite(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, newBed(t, "sqlite::memory:")) })
	t.Run("sqlite", func(t *testing.T) { test(t, newBed(t, sqliteFile(t))) })
}

// One member's context is cancelled in the middle of its own statement's
// batch: nobody's change is lost, and all were one commit.
func TestOneOfSixteenCancelled(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		before := b.Writes()
		errs := sixteen(t, b, func(i int) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			return b.statement(ctx, func(c conn) error {
				if i == 7 {
					cancel()
				}
				return insertUsed(c, i)
			})
		})
		for i, err := range errs {
			if err != nil && (i != 7 || !errors.Is(err, context.Canceled)) {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if n, writes := b.count(t, "used"), b.Writes()-before; n != 16 || writes != 2 {
			t.Errorf("%d rows in %d commits, not 16 in 2", n, writes)
		}
	})
}

func TestOneOfSixteenGoneBeforehand(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		errs := sixteen(t, b, func(i int) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i == 7 {
				// It still takes its place in the queue.
				m := &member{ctx: ctx, done: make(chan error, 1), run: func(c conn) error { return insertUsed(c, i) }}
				b.writer.(*batcher).queue <- m
				cancel()
				return <-m.done
			}
			return b.statement(ctx, func(c conn) error { return insertUsed(c, i) })
		})
		for i, err := range errs {
			if want := map[bool]error{true: context.Canceled}[i == 7]; !errors.Is(err, want) {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if n := b.count(t, "used"); n != 15 {
			t.Errorf("%d rows, not 15", n)
		}
	})
}

// One member fails: the others' changes are made, each alone.
func TestOneOfSixteenFails(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		before := b.Writes()
		errs := sixteen(t, b, func(i int) error {
			return b.transaction(t.Context(), func(c conn) error {
				if err := insertUsed(c, i); err != nil || i != 7 {
					return err
				}
				_, err := c.exec("SELECT no_such_column FROM used")
				return err
			})
		})
		for i, err := range errs {
			if (err != nil) != (i == 7) {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if n, writes := b.count(t, "used"), b.Writes()-before; n != 15 || writes != 16 {
			t.Errorf("%d rows in %d commits, not 15 in 16", n, writes)
		}
	})
}

// One member is refused after it wrote something: that is undone, and the
// batch stays one commit.
func TestOneOfSixteenRefused(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		before := b.Writes()
		errs := sixteen(t, b, func(i int) error {
			return b.transaction(t.Context(), func(c conn) error {
				if err := insertUsed(c, i); err != nil || i != 7 {
					return err
				}
				return insertUsed(c, i) // a uniqueness conflict
			})
		})
		for i, err := range errs {
			if want := map[bool]error{true: oauth.ErrConflict}[i == 7]; !errors.Is(err, want) {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if n, writes := b.count(t, "used"), b.Writes()-before; n != 15 || writes != 2 {
			t.Errorf("%d rows in %d commits, not 15 in 2", n, writes)
		}
	})
}

// A code flow of a signed-in user is one durable write, a refresh one, all
// that only looks none.
func TestCommitsCounted(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		for _, step := range []struct {
			what string
			want uint64
			do   func() error
		}{
			{"session", 0, func() error { _, err := b.Session(ctx, g.session.ID, b.time()); return err }},
			{"client", 0, func() error { _, err := b.Client(ctx, "app"); return err }},
			{"catalog", 0, func() error { _, err := b.Catalog(ctx); return err }},
			{"consent", 0, func() error { _, err := b.Consent(ctx, g.user.Subject, "app"); return err }},
			{"redeem", 1, func() error { return b.Issue(ctx, a) }},
			{"introspect", 0, func() error { _, err := b.Authorization(ctx, a.ID); return err }},
			{"revoked?", 0, func() error { _, err := b.TokenRevoked(ctx, "t"); return err }},
			{"refresh", 1, func() error { _, err := b.Rotate(ctx, b.rotation(a, 0)); return err }},
			{"redeem with a proof", 1, func() error { v := b.authorization(g); v.Proofs = b.proof("1"); return b.Issue(ctx, v) }},
			{"refresh with a proof", 1, func() error {
				r := b.rotation(a, 1)
				r.Proofs = b.proof("2")
				_, err := b.Rotate(ctx, r)
				return err
			}},
			{"refresh without rotation", 1, func() error { return b.Prolong(ctx, a.ID, a.SeedHash, a.RefreshUntil, a.ExpiresAt) }},
			{"feed", 0, func() error { _, err := b.Revocations(ctx, b.time()); return err }},
			{"no logouts", 0, func() error { _, err := b.TakeLogouts(ctx, b.time(), b.time(), 9); return err }},
			{"push", 1, func() error { return b.Push(ctx, b.pushed("h"), 1, 1) }},
			{"pushed", 0, func() error { _, err := b.Pushed(ctx, "h"); return err }},
			{"spend pushed", 1, func() error { return b.SpendPushed(ctx, "h") }},
			{"end", 1, func() error { return b.EndAuthorization(ctx, a.ID, "replayed", b.time()) }},
			{"revoke", 1, func() error { return b.RevokeToken(ctx, "t", b.time()) }},
			{"seen", 0, func() error { b.SessionSeen(g.session.ID, b.time()); return nil }},
			{"used", 0, func() error { b.Used("app", g.user.Subject, b.time()); return nil }},
			{"proof", 1, func() error { return b.UseOnce(ctx, "jti", "app", "1", b.time()) }},
			{"log out", 1, func() error { return b.EndSession(ctx, g.session.ID, b.time()) }},
		} {
			before := b.Writes()
			ok(t, step.do())
			if n := b.Writes() - before; n != step.want {
				t.Errorf("%s: %d commits, not %d", step.what, n, step.want)
			}
		}
	})
}

func TestCancelledCallerDoesntWait(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wants(t, "write", b.UseOnce(ctx, "a", "b", "c", b.time()), context.Canceled)
		_, err := b.Authorization(ctx, "x")
		if b.kind == PostgreSQL {
			wants(t, "read", err, context.Canceled)
		}
		ok(t, b.UseOnce(t.Context(), "a", "b", "c", b.time()))
	})
}

func BenchmarkStore(b *testing.B) {
	bed := newBed(b, sqliteFile(b))
	g := bed.ground(b)
	issued := bed.authorization(g)
	ok(b, bed.Issue(b.Context(), issued))
	parallel := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32) // × 2 processors
			before := bed.Writes()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(bed.Writes()-before)/float64(b.N), "commits/op")
		})
	}
	parallel("Issue", func() error { return bed.Issue(b.Context(), bed.authorization(g)) })
	parallel("IssueAndRotate", func() error {
		a := bed.authorization(g)
		if err := bed.Issue(b.Context(), a); err != nil {
			return err
		}
		_, err := bed.Rotate(b.Context(), bed.rotation(a, 0))
		return err
	})
	parallel("Authorization", func() error { _, err := bed.Authorization(b.Context(), issued.ID); return err })
	parallel("Session", func() error { _, err := bed.Session(b.Context(), g.session.ID, bed.time()); return err })
	parallel("Client", func() error { _, err := bed.Client(b.Context(), "app"); return err })
	parallel("UseOnce", func() error {
		return bed.UseOnce(b.Context(), "jti", "app", bed.authorization(g).ID, bed.time())
	})
}

// A full disk may make SQLite roll all back by itself, savepoints too: what is
// told is that the disk is full, not that there is no savepoint.
func TestMemberThatSQLiteRolledBack(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		err := b.statements(t.Context(), func(c conn) error {
			if _, err := c.exec("PRAGMA max_page_count = 1"); err != nil { // no fewer than there are
				return err
			}
			_, full := c.exec("INSERT INTO parked (handle, content, until) VALUES ('x', zeroblob(1000000), 1)")
			_, _ = c.exec("ROLLBACK") // should it not have done so yet
			return full
		})
		wants(t, "a full disk", err, oauth.ErrUnavailable)
		_, err = write(t.Context(), b.Store, single, func(c conn) (int64, error) { return c.exec("PRAGMA max_page_count = 1000000") })
		ok(t, err)
		ok(t, b.statements(t.Context(), func(c conn) error { return insertUsed(c, 1) }))
	})
}
