package store

import (
	"errors"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func (b *bed) proof(id string) []oauth.Once {
	return []oauth.Once{{Kind: "dpop", Owner: "key", ID: id, Until: b.time().Add(time.Minute)}}
}

// One proof issues once, whatever it comes with.
func TestIssueRacersWithOneProof(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		onlyOne(t, race(t, func(int) error {
			a := b.authorization(g)
			a.Proofs = b.proof("1")
			return b.Issue(t.Context(), a)
		}), oauth.ErrProofUsed)
		if n := b.count(t, "authorizations"); n != 1 {
			t.Errorf("%d authorizations", n)
		}
	})
}

// One code is redeemed once, and the losers' proofs are as good as new.
func TestIssueRacersWithTheirOwnProofs(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		a := b.authorization(b.ground(t))
		onlyOne(t, race(t, func(int) error {
			mine := a
			mine.Proofs = b.proof(secret.NewID())
			return b.Issue(t.Context(), mine)
		}), oauth.ErrReplayed)
		if n := b.count(t, "used"); n != 1 {
			t.Errorf("%d proofs are used up", n)
		}
	})
}

func TestRotateRacersWithOneProof(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		a := b.authorization(b.ground(t))
		ok(t, b.Issue(t.Context(), a))
		onlyOne(t, race(t, func(i int) error {
			r := b.rotation(a, int64(i))
			r.Proofs = b.proof("1")
			_, err := b.Rotate(t.Context(), r)
			if errors.Is(err, oauth.ErrConflict) {
				t.Error("the proof was used before, and the generation looked at")
			}
			return err
		}), oauth.ErrProofUsed)
	})
}

func TestRotateRacersWithTheirOwnProofs(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		a := b.authorization(b.ground(t))
		ok(t, b.Issue(t.Context(), a))
		onlyOne(t, race(t, func(int) error {
			r := b.rotation(a, 0)
			r.Proofs = b.proof(secret.NewID())
			_, err := b.Rotate(t.Context(), r)
			return err
		}), oauth.ErrConflict)
		if n := b.count(t, "used"); n != 1 {
			t.Errorf("%d proofs are used up", n)
		}
	})
}

// Two proofs that cross one another deadlock nobody.
func TestProofsInEitherOrder(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		one, two := b.proof("1")[0], b.proof("2")[0]
		onlyOne(t, race(t, func(i int) error {
			a := b.authorization(g)
			a.Proofs = []oauth.Once{one, two}
			if i%2 == 0 {
				a.Proofs = []oauth.Once{two, one}
			}
			return b.Issue(t.Context(), a)
		}), oauth.ErrProofUsed)
	})
}

// Whatever is refused leaves nothing of its proofs, and of a proof that was
// used nothing is issued.
func TestRefusedLeavesItsProofs(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		used, issued := b.proof("used"), b.authorization(g)
		issued.Proofs = used
		ok(t, b.Issue(ctx, issued))
		wants(t, "as UseOnce sees it", b.UseOnce(ctx, "dpop", "key", "used", used[0].Until), oauth.ErrReplayed)
		two := append(b.proof("fresh"), used...)
		rotate := func(r oauth.Rotation, proofs []oauth.Once) error {
			r.Proofs = proofs
			_, err := b.Rotate(ctx, r)
			return err
		}
		issue := func(a oauth.Authorization, proofs []oauth.Once) error {
			a.Proofs = proofs
			return b.Issue(ctx, a)
		}
		stale := b.authorization(g)
		stale.UserEpoch = 9
		other := b.rotation(issued, 0)
		other.SeedHash = []byte("other")
		for _, row := range []struct {
			what string
			err  error
			want error
		}{
			{"a code with a used proof", issue(b.authorization(g), used), oauth.ErrProofUsed},
			{"a code with a fresh and a used one", issue(b.authorization(g), two), oauth.ErrProofUsed},
			{"a refresh with a used one", rotate(b.rotation(issued, 0), used), oauth.ErrProofUsed},
			{"a used code", issue(issued, b.proof("fresh")), oauth.ErrReplayed},
			{"an ended code", issue(stale, b.proof("fresh")), oauth.ErrEnded},
			{"another seed", rotate(other, b.proof("fresh")), oauth.ErrEnded},
			{"an unknown refresh", rotate(oauth.Rotation{ID: "x", At: b.time()}, b.proof("fresh")), oauth.ErrNotFound},
			{"an old generation", rotate(b.rotation(issued, -1), b.proof("fresh")), oauth.ErrConflict},
		} {
			wants(t, row.what, row.err, row.want)
		}
		if got, n := must(b.Authorization(ctx, issued.ID))(t), b.count(t, "authorizations"); n != 1 || got.Generation != 0 {
			t.Errorf("%d authorizations, generation %d", n, got.Generation)
		}
		ok(t, rotate(b.rotation(issued, 0), b.proof("fresh")))
		if n := b.count(t, "used"); n != 2 {
			t.Errorf("%d proofs are used up, not 2", n)
		}
	})
}

// On SQLite members with and without proofs share a commit, and who is refused
// takes nobody along.
func TestSixteenWithProofs(t *testing.T) {
	onSQLite(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		ok(t, b.UseOnce(t.Context(), "dpop", "key", "used", b.proof("")[0].Until))
		before := b.Writes()
		errs := sixteen(t, b, func(i int) error {
			a := b.authorization(g)
			switch {
			case i == 7:
				a.Proofs = append(b.proof("seven"), b.proof("used")...)
			case i%2 == 0:
				a.Proofs = b.proof(secret.NewID())
			}
			return b.Issue(t.Context(), a)
		})
		for i, err := range errs {
			if want := map[bool]error{true: oauth.ErrProofUsed}[i == 7]; !errors.Is(err, want) {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if issued, used, writes := b.count(t, "authorizations"), b.count(t, "used"), b.Writes()-before; issued != 15 || used != 9 || writes != 2 {
			t.Errorf("%d issued with %d proofs in %d commits", issued, used, writes)
		}
	})
}

func TestProlong(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		a.RefreshUntil = b.time().Add(time.Hour)
		ok(t, b.Issue(ctx, a))
		b.advance(30 * time.Minute)
		until := b.time().Add(time.Hour)
		prolong := func(id string, seed []byte) error { return b.Prolong(ctx, id, seed, until, b.time()) }
		ok(t, prolong(a.ID, a.SeedHash))
		got := must(b.Authorization(ctx, a.ID))(t)
		if !got.RefreshUntil.Equal(until) || !got.ExpiresAt.Equal(a.ExpiresAt) || got.Generation != 0 || !got.RotatedAt.IsZero() {
			t.Errorf("%+v", got)
		}
		later := a.ExpiresAt.Add(time.Hour)
		ok(t, b.Prolong(ctx, a.ID, a.SeedHash, until, later))
		if got := must(b.Authorization(ctx, a.ID))(t); !got.ExpiresAt.Equal(later) {
			t.Errorf("expires at %v", got.ExpiresAt)
		}
		wants(t, "another seed", prolong(a.ID, []byte("other")), oauth.ErrEnded)
		wants(t, "an unknown one", prolong("x", a.SeedHash), oauth.ErrEnded)
		plain := b.authorization(g)
		plain.SeedHash, plain.RefreshUntil = nil, time.Time{}
		ok(t, b.Issue(ctx, plain))
		wants(t, "one without a refresh token", prolong(plain.ID, nil), oauth.ErrEnded)
		b.advance(time.Hour)
		wants(t, "an expired one", prolong(a.ID, a.SeedHash), oauth.ErrEnded)
		ended := b.authorization(g)
		ok(t, b.Issue(ctx, ended))
		ok(t, b.DisableUser(ctx, g.user.Subject, b.time()))
		wants(t, "one that isn't live", prolong(ended.ID, ended.SeedHash), oauth.ErrEnded)
	})
}

// A refresh that waits for a consent being narrowed isn't taken for an ended
// one.
func TestProlongWhileConsentIsNarrowed(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		for range 5 {
			later := b.time().Add(time.Hour)
			answers := race(t, func(i int) error {
				if i < 4 {
					return b.NarrowConsent(ctx, g.user.Subject, g.client.ID, secret.NewID(), b.time())
				}
				return b.Prolong(ctx, a.ID, a.SeedHash, later, later)
			})
			if answers[nil] != 32 {
				t.Errorf("answers are %v", answers)
			}
		}
	})
}

func TestPairwiseSalt(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		nodes := []*Store{b.Store, b.open(t)}
		var salts [32]string
		race(t, func(i int) error {
			salt, err := nodes[i%2].PairwiseSalt(ctx)
			ok(t, err)
			salts[i] = string(salt)
			salt[0]++ // the caller's own
			return err
		})
		before := b.Writes()
		again := string(must(b.PairwiseSalt(ctx))(t))
		later := string(must(b.open(t).PairwiseSalt(ctx))(t))
		for _, salt := range append(salts[:], later) {
			if len(salt) != 32 || salt != again {
				t.Fatalf("%x is not %x", salt, again)
			}
		}
		if b.Writes() != before {
			t.Error("reading it again wrote")
		}
	})
}
