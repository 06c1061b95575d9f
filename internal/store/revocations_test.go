package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// feed is what the feed tells since a time, each entry once.
func (b *bed) feed(t *testing.T, since time.Time) []string {
	t.Helper()
	var got []string
	for _, v := range must(b.Revocations(t.Context(), since))(t) {
		if v.At.Before(since) {
			t.Errorf("%+v is older than %v", v, since)
		}
		got = append(got, strings.Trim(v.Authorization+" token:"+v.Token+" client:"+v.ClientID, " "))
	}
	slices.Sort(got)
	return slices.Compact(got)
}

func authorizationEntry(id string) string { return id + " token: client:" }

// Whatever ends something tells the feed which tokens are dead, and of no other.
func TestFeed(t *testing.T) {
	type ending struct {
		end  func(t *testing.T, b *bed, g ground, a oauth.Authorization) error
		want string // entry; "" is the authorization
	}
	for name, row := range map[string]ending{
		"token revoked": {func(t *testing.T, b *bed, _ ground, _ oauth.Authorization) error {
			return b.RevokeToken(t.Context(), "jti", b.time().Add(time.Minute))
		}, "token:jti client:"},
		"authorization ended": {func(t *testing.T, b *bed, _ ground, a oauth.Authorization) error {
			return b.EndAuthorization(t.Context(), a.ID, "replayed", b.time())
		}, ""},
		"session ended": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.EndSession(t.Context(), g.session.ID, b.time())
		}, ""},
		"session replaced": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			r := g.session
			r.ID, r.CreatedAt = secret.NewID(), b.time()
			return b.StartSession(t.Context(), login.Start{Record: r, Replaces: g.session.ID})
		}, ""},
		"user disabled": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.DisableUser(t.Context(), g.user.Subject, b.time())
		}, ""},
		"user disabled and enabled": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			ok(t, b.DisableUser(t.Context(), g.user.Subject, b.time()))
			return b.EnableUser(t.Context(), g.user.Subject, b.time())
		}, ""},
		"user deleted": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.DeleteUser(t.Context(), g.user.Subject)
		}, ""},
		"password set": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.setPassword(t, g.user.Subject, "new", g.session.ID)
		}, ""},
		"consent withdrawn": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.WithdrawConsent(t.Context(), g.user.Subject, g.client.ID, b.time())
		}, ""},
		"consent narrowed": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.NarrowConsent(t.Context(), g.user.Subject, g.client.ID, "notes", b.time())
		}, ""},
		"client disabled": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.DisableClient(t.Context(), g.client.ID)
		}, "token: client:app"},
		"client deleted": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.DeleteClient(t.Context(), g.client.ID)
		}, "token: client:app"},
		"client updated to its end": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.UpdateClient(t.Context(), g.client, true)
		}, "token: client:app"},
		"client replaced to its end": {func(t *testing.T, b *bed, g ground, _ oauth.Authorization) error {
			return b.ReplaceClient(t.Context(), g.client, true, true)
		}, "token: client:app"},
		"document changed to its end": {func(t *testing.T, b *bed, _ ground, _ oauth.Authorization) error {
			must(b.KeepDocument(t.Context(), newDocument("https://app.example/"), false, true))(t) // new: nothing ends
			_, err := b.KeepDocument(t.Context(), newDocument("https://app.example/"), false, true)
			return err
		}, "token: client:https://app.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			databases(t, func(t *testing.T, b *bed) {
				g, a := b.bystanders(t)
				b.advance(time.Minute)
				before := b.time()
				ok(t, row.end(t, b, g, a))
				want := row.want
				if want == "" {
					want = authorizationEntry(a.ID)
				}
				if diff := cmp.Diff([]string{want}, b.feed(t, before)); diff != "" {
					t.Error(diff)
				}
				if later := b.feed(t, before.Add(time.Second)); len(later) != 0 {
					t.Errorf("a second later: %v", later)
				}
				b.advance(keepRevocations + 3*time.Minute)
				ok(t, b.Sweep(t.Context()))
				if n := b.count(t, "revocations") + b.count(t, "revoked"); n != 0 || len(b.feed(t, before)) != 0 {
					t.Errorf("%d rows are left", n)
				}
			})
		})
	}
}

// bystanders are authorizations beside the one that is to end: of another
// person, and of the same one two that are dead and forgotten.
func (b *bed) bystanders(t *testing.T) (ground, oauth.Authorization) {
	t.Helper()
	ctx, g := t.Context(), b.ground(t)
	short, old, ends := b.authorization(g), b.authorization(g), b.authorization(g)
	short.ExpiresAt, short.SeedHash, short.RefreshUntil = b.time().Add(10*time.Minute), nil, time.Time{}
	ok(t, b.Issue(ctx, short))
	ok(t, b.Issue(ctx, old))
	ok(t, b.EndAuthorization(ctx, old.ID, "revoked", b.time()))
	b.advance(2 * time.Hour)
	ok(t, b.Issue(ctx, ends))
	other := g
	other.user = b.addUser(t, "u2", false)
	other.session = b.addSession(t, other.user)
	other.consent.Epoch = 0
	ok(t, b.Issue(ctx, b.authorization(other)))
	return g, ends
}

// What is made after something ended isn't listed with it, even in the same
// second; what may outlive a session neither.
func TestFeedListsOnlyTheDead(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		before, offline := b.authorization(g), b.authorization(g)
		offline.Offline = true
		ok(t, b.Issue(ctx, before))
		ok(t, b.Issue(ctx, offline))
		ok(t, b.EndSession(ctx, g.session.ID, b.time()))
		if diff := cmp.Diff([]string{authorizationEntry(before.ID)}, b.feed(t, b.time())); diff != "" {
			t.Errorf("after the session: %s", diff)
		}
		ok(t, b.setPassword(t, g.user.Subject, "new", ""))
		g.session = b.addSession(t, g.user)
		ok(t, b.Issue(ctx, b.authorization(g)))
		want := []string{authorizationEntry(before.ID), authorizationEntry(offline.ID)}
		slices.Sort(want)
		if diff := cmp.Diff(want, b.feed(t, b.time())); diff != "" {
			t.Errorf("after the password: %s", diff)
		}
	})
}

// An authorization is listed as long as it may have a token, whether its
// refresh token rotates or not.
func TestFeedAndRenewal(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		rotated, inPlace, without := b.authorization(g), b.authorization(g), b.authorization(g)
		without.Scopes = []string{"openid"}
		for _, a := range []oauth.Authorization{rotated, inPlace, without} {
			ok(t, b.Issue(ctx, a))
		}
		b.advance(10 * time.Hour)
		must(b.Rotate(ctx, b.rotation(rotated, 0)))(t)
		ok(t, b.NarrowConsent(ctx, g.user.Subject, g.client.ID, "notes", b.time()))
		want := []string{authorizationEntry(rotated.ID), authorizationEntry(inPlace.ID)}
		slices.Sort(want)
		if diff := cmp.Diff(want, b.feed(t, b.time())); diff != "" {
			t.Errorf("narrowed: %s", diff)
		}
		b.advance(time.Second)
		ok(t, b.NarrowConsent(ctx, g.user.Subject, g.client.ID, "never granted", b.time()))
		if got := b.feed(t, b.time()); len(got) != 0 {
			t.Errorf("narrowed by what no token holds: %v", got)
		}
		ok(t, b.WithdrawConsent(ctx, g.user.Subject, g.client.ID, b.time()))
		want = append(want, authorizationEntry(without.ID))
		slices.Sort(want)
		if diff := cmp.Diff(want, b.feed(t, b.time())); diff != "" {
			t.Errorf("withdrawn: %s", diff)
		}
	})
}

func TestFeedIsInOrder(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		start := b.time()
		for _, end := range []func() error{
			func() error { return b.RevokeToken(ctx, "jti", b.time().Add(time.Hour)) },
			func() error { return b.DisableUser(ctx, g.user.Subject, b.time()) },
			func() error { return b.RevokeToken(ctx, "jti", b.time().Add(time.Hour)) },
			func() error { return b.DisableClient(ctx, g.client.ID) },
			func() error { return b.EndAuthorization(ctx, "unknown", "replayed", b.time()) },
			func() error { return b.EndAuthorization(ctx, a.ID, "replayed", b.time()) },
			func() error { return b.EndAuthorization(ctx, a.ID, "replayed", b.time()) },
		} {
			ok(t, end())
			b.advance(time.Second)
		}
		want := []oauth.Revocation{
			{Token: "jti", At: start},
			{Authorization: a.ID, At: start.Add(time.Second)},
			{ClientID: "app", At: start.Add(3 * time.Second)},
			{Authorization: a.ID, At: start.Add(5 * time.Second)},
		}
		if diff := cmp.Diff(want, must(b.Revocations(ctx, start))(t)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want[2:], must(b.Revocations(ctx, start.Add(2*time.Second+500*time.Millisecond)))(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFeedRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		race(t, func(i int) error {
			err := []func() error{
				func() error { return b.EndAuthorization(ctx, a.ID, "replayed", b.time()) },
				func() error { return b.EndSession(ctx, g.session.ID, b.time()) },
				func() error { return b.RevokeToken(ctx, "jti", b.time()) },
				func() error { return b.DisableClient(ctx, "app") },
			}[i%4]()
			ok(t, err)
			return err
		})
		want := []string{authorizationEntry(a.ID), "token: client:app", "token:jti client:"}
		slices.Sort(want)
		if diff := cmp.Diff(want, b.feed(t, b.time())); diff != "" {
			t.Error(diff)
		}
	})
}
