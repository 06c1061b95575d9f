package store

import (
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func TestUseOnceRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		onlyOne(t, race(t, func(int) error { return b.UseOnce(t.Context(), "jti", "app", "1", b.time()) }), oauth.ErrReplayed)
	})
}

// Case 068: the decision is what RETURNING returns, never a driver's row count.
func TestCase068RowCounts(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		use := func(kind, owner, id string) error { return b.UseOnce(ctx, kind, owner, id, b.time()) }
		ok(t, use("jti", "app", "1"))
		for range 3 {
			wants(t, "again", use("jti", "app", "1"), oauth.ErrReplayed)
		}
		ok(t, use("totp", "app", "1"))
		ok(t, use("jti", "ap", "p1")) // owner and id don't run together
		ok(t, use("jti", "", "app1"))
		a := b.authorization(b.ground(t))
		ok(t, b.Issue(ctx, a))
		for range 3 {
			wants(t, "the same code", b.Issue(ctx, a), oauth.ErrReplayed)
		}
		must(b.Rotate(ctx, b.rotation(a, 0)))(t)
		for range 3 {
			_, err := b.Rotate(ctx, b.rotation(a, 0))
			wants(t, "the same rotation", err, oauth.ErrConflict)
		}
		if g := must(b.Authorization(ctx, a.ID))(t).Generation; g != 1 {
			t.Errorf("generation %d", g)
		}
	})
}

func TestRevokedTokens(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, until := t.Context(), b.time().Add(10*time.Minute)
		ok(t, b.RevokeToken(ctx, "token", until))
		ok(t, b.RevokeToken(ctx, "token", until))
		if !must(b.TokenRevoked(ctx, "token"))(t) || must(b.TokenRevoked(ctx, "other"))(t) {
			t.Error("the wrong one is revoked")
		}
	})
}

func TestParked(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		ok(t, b.Park(ctx, "h", []byte("content\x00\xff"), b.time().Add(time.Minute)))
		wants(t, "the handle again", b.Park(ctx, "h", []byte{}, b.time()), oauth.ErrConflict)
		if got := must(b.Parked(ctx, "h"))(t); string(got) != "content\x00\xff" {
			t.Errorf("%q", got)
		}
		b.advance(time.Minute)
		_, err := b.Parked(ctx, "h")
		wants(t, "after its time", err, oauth.ErrNotFound)
	})
}

func (b *bed) count(t *testing.T, table string) (n int) {
	t.Helper()
	ok(t, b.read(t.Context()).row("SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

func TestSweep(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		for i := range sweepBatch + 7 {
			ok(t, b.UseOnce(ctx, "dpop", "app", string(rune('a'+i)), b.time()))
		}
		ok(t, b.RevokeToken(ctx, "token", b.time()))
		ok(t, b.Park(ctx, "h", []byte("x"), b.time()))
		ok(t, b.SaveLogo(ctx, "logo", "app", []byte("png")))
		short := b.authorization(g)
		short.ExpiresAt, short.RefreshUntil = b.time(), time.Time{}
		ok(t, b.Issue(ctx, short))
		ok(t, b.Issue(ctx, b.authorization(g)))

		b.advance(90 * time.Second)
		ok(t, b.Sweep(ctx))
		for table, want := range map[string]int{
			"used": sweepBatch + 7, "revoked": 1, "parked": 0, "authorizations": 2, "sessions": 1, "logos": 1,
		} {
			if n := b.count(t, table); n != want {
				t.Errorf("after 90 s: %d rows in %s, not %d", n, table, want)
			}
		}
		ok(t, b.UseOnce(ctx, "jwt-bearer", "issuer", "1", b.time()))
		b.advance(time.Hour) // a clock that is ahead by so much forgets nothing that lives for long
		ok(t, b.Sweep(ctx))
		if n := b.count(t, "used"); n != 1 {
			t.Errorf("after an hour: %d rows in used", n)
		}
		b.advance(36 * time.Hour)
		ok(t, b.Sweep(ctx))
		for table, want := range map[string]int{
			"used": 0, "revoked": 0, "authorizations": 1, "sessions": 0, "logos": 0,
		} {
			if n := b.count(t, table); n != want {
				t.Errorf("after 37 h: %d rows in %s, not %d", n, table, want)
			}
		}
	})
}

// One node at a time sweeps, and each goes on where another ended.
func TestSweepInTurn(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		other := b
		if b.url != "sqlite::memory:" {
			other = b.at(b.url)
			other.Store = other.open(t)
		}
		short := func() {
			t.Helper()
			a := b.authorization(g)
			a.ID, a.ExpiresAt, a.RefreshUntil = secret.NewIDAt(b.time()), b.time(), time.Time{}
			ok(t, b.Issue(ctx, a))
		}
		sweep := func(who *bed, want int) {
			t.Helper()
			ok(t, who.sweepInTurn(ctx))
			if n := b.count(t, "authorizations"); n != want {
				t.Errorf("%d authorizations, not %d", n, want)
			}
		}
		ok(t, b.Issue(ctx, b.authorization(g))) // stays, for its refresh token
		short()
		sweep(b, 2) // too young
		first := must(b.loadWalks(ctx))(t)
		b.advance(time.Hour)
		sweep(other, 1)
		second := must(b.loadWalks(ctx))(t)
		if first.young >= second.young {
			t.Errorf("%v, then %v", first, second)
		}
		short()
		b.advance(40 * time.Second)
		sweep(b, 2) // the other has just swept
		b.advance(time.Hour)
		sweep(b, 1)
		if third := must(other.loadWalks(ctx))(t); third.young <= second.young {
			t.Errorf("%v, then %v", second, third)
		}
		b.advance(90 * 24 * time.Hour)
		sweep(other, 0) // the second walk comes back for what the first left
	})
}

// A code that was redeemed while its session was being ended, as can happen on
// PostgreSQL, doesn't come alive when the session's row goes.
func TestSweptSessionEndsWhatItMissed(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		ok(t, b.statement(ctx, func(c conn) error {
			_, err := c.exec("UPDATE sessions SET ended_at = $1", unix(b.time()))
			return err
		}))
		b.advance(25 * time.Hour)
		ok(t, b.Sweep(ctx))
		if b.count(t, "sessions") != 0 {
			t.Error("the session is there")
		}
		if got := must(b.Authorization(ctx, a.ID))(t); got.Live || got.EndReason != "logout" {
			t.Errorf("%+v", got)
		}
	})
}
