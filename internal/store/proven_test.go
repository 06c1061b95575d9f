package store

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

const contested = "ada@x.example"

// claimant is an account that says the contested address is its own, in one of
// its spellings.
func claimant(i int, verified bool) login.User {
	name := fmt.Sprintf("u%02d", i)
	return login.User{
		Subject: secret.NewID(), Username: name, UsernameKey: name, Email: []string{contested, "ADA@X.example"}[i%2], EmailVerified: verified, Password: "p",
	}
}

// provenOwners counts the accounts that have proven the contested address.
func (b *bed) provenOwners(t *testing.T) (n int) {
	t.Helper()
	ok(t, b.read(t.Context()).row("SELECT COUNT(*) FROM users WHERE email_key = $1 AND email_verified", contested).Scan(&n))
	return n
}

// TestProvenAddressRacers: of 32 that prove one address at once, by every verb,
// one has it; the others are told so and nothing of theirs is written.
func TestProvenAddressRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		people := make([]login.User, 32)
		for i := range people {
			if people[i] = claimant(i, false); i%4 > 1 {
				ok(t, b.CreateUser(ctx, people[i]))
			}
			people[i].EmailVerified = true
		}
		var asked atomic.Int64
		answers := race(t, func(i int) error {
			defer asked.Add(1)
			switch u := people[i]; i % 4 {
			case 0:
				return b.CreateUser(ctx, u, login.Change{Subject: u.Subject, At: b.time(), AddIdentity: &login.Identity{Issuer: "https://g", Upstream: u.Username}})
			case 1:
				standings, err := b.ImportUsers(ctx, []Import{{User: u}})
				if err == nil && standings[0] == StandsEmail {
					err = login.ErrAddressTaken
				}
				return err
			case 2:
				return b.UpdateUser(ctx, u)
			default:
				_, err := b.Apply(ctx, login.Change{Subject: u.Subject, At: b.time(), Ends: true, Email: &u.Email, Verified: true})
				return err
			}
		})
		onlyOne(t, answers, oauth.ErrConflict)
		if n := b.provenOwners(t); n != 1 {
			t.Errorf("%d accounts have proven one address", n)
		}
		for i, u := range people {
			got, err := b.User(ctx, u.Subject)
			switch {
			case i%4 < 2 && err != nil: // nobody's row, or the winner's
				_, err := b.Identity(ctx, "https://g", u.Username)
				wants(t, "the link of nobody", err, oauth.ErrNotFound)
			case err != nil:
				t.Error(err)
			case !got.EmailVerified && got.Epoch != 1:
				t.Errorf("%s: half a change was kept: %+v", u.Username, got)
			}
		}
	})
}

// TestProvenAddressIsOnes: what each verb answers about an address that is
// another's, and that an address which nobody proves may be many's.
func TestProvenAddressIsOnes(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		owner, other := claimant(0, true), claimant(1, false)
		ok(t, b.CreateUser(ctx, owner))
		ok(t, b.CreateUser(ctx, other))
		ok(t, b.CreateUser(ctx, claimant(2, false)))
		wants(t, "create", b.CreateUser(ctx, claimant(3, true)), login.ErrAddressTaken)
		other.EmailVerified = true
		wants(t, "update", b.UpdateUser(ctx, other), login.ErrAddressTaken)
		_, err := b.Apply(ctx, login.Change{Subject: other.Subject, At: b.time(), Email: &other.Email, Verified: true})
		wants(t, "apply", err, login.ErrAddressTaken)
		same := claimant(0, true)
		if err := b.CreateUser(ctx, same); strings.Contains(fmt.Sprint(err), login.ErrAddressTaken.Error()) {
			t.Errorf("a username that is taken: %v", err)
		}
		_, err = b.Apply(ctx, login.Change{Subject: owner.Subject, At: b.time(), Email: &other.Email, Verified: true})
		ok(t, err) // her own, in another spelling
		empty := login.User{Subject: secret.NewID(), Username: "e1", UsernameKey: "e1", EmailVerified: true}
		ok(t, b.CreateUser(ctx, empty))
		empty.Subject, empty.UsernameKey = secret.NewID(), "e2"
		ok(t, b.CreateUser(ctx, empty))
		ok(t, b.DeleteUser(ctx, owner.Subject))
		ok(t, b.UpdateUser(ctx, other))
		if n := b.provenOwners(t); n != 1 {
			t.Errorf("%d accounts have proven one address", n)
		}
	})
}

// TestProvenTwiceBefore: the migration leaves an address that several had proven
// to the oldest account, and writes nothing else.
func TestProvenTwiceBefore(t *testing.T) {
	for name, database := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bed{url: database(t), offset: new(atomic.Int64)}
			row := func(subject, email string, verified bool, created int) string {
				return fmt.Sprintf(`INSERT INTO users (subject, username, username_key, email, email_key, email_verified, name, claims, password, admin, disabled,
					external, epoch, created_at, updated_at) VALUES ('%s', '%[1]s', '%[1]s', '%s', '%s', %t, '', '', 'p', FALSE, FALSE, FALSE, 1, %d, 7)`,
					subject, email, strings.ToLower(email), verified, created)
			}
			b.atSchema(t, 3,
				row("1young", contested, true, 9), row("2old", "ADA@x.example", true, 5), row("3same", contested, true, 5), row("4older", contested, false, 1),
				row("5alone", "eve@x.example", true, 9), row("6none", "", true, 1), row("7none", "", true, 2))
			b.Store = b.open(t)
			for subject, want := range map[string]bool{"1young": false, "2old": true, "3same": false, "4older": false, "5alone": true, "6none": true, "7none": true} {
				u := must(b.User(t.Context(), subject))(t)
				if u.EmailVerified != want || u.Epoch != 1 || !u.UpdatedAt.Equal(time.Unix(7, 0)) {
					t.Errorf("%+v", u)
				}
			}
			if u := must(b.UserByEmail(t.Context(), contested))(t); u.Subject != "2old" {
				t.Errorf("the address is of %s", u.Subject)
			}
		})
	}
}
