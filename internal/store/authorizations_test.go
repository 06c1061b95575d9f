package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func TestAuthorizationComesBackAsItWas(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		want := b.authorization(b.ground(t))
		ok(t, b.Issue(t.Context(), want))
		want.Live = true
		if diff := cmp.Diff(want, must(b.Authorization(t.Context(), want.ID))(t)); diff != "" {
			t.Error(diff)
		}
		_, err := b.Authorization(t.Context(), "other")
		wants(t, "an unknown one", err, oauth.ErrNotFound)
		_, err = b.Authorization(t.Context(), "no\x00id\xff")
		wants(t, "an id that no column holds", err, oauth.ErrNotFound)
	})
}

func TestIssueRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		a := b.authorization(b.ground(t))
		onlyOne(t, race(t, func(int) error { return b.Issue(t.Context(), a) }), oauth.ErrReplayed)
	})
}

func TestIssueForAClientItself(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		b.addClient(t, "service")
		a := oauth.Authorization{ID: secret.NewID(), ClientID: "service", ClientEpoch: 1, CreatedAt: b.time(), ExpiresAt: b.time()}
		ok(t, b.Issue(t.Context(), a))
		if !must(b.Authorization(t.Context(), a.ID))(t).Live {
			t.Error("isn't live")
		}
	})
}

func TestRotateRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		a := b.authorization(b.ground(t))
		ok(t, b.Issue(t.Context(), a))
		onlyOne(t, race(t, func(int) error {
			_, err := b.Rotate(t.Context(), b.rotation(a, 0))
			return err
		}), oauth.ErrConflict)
	})
}

func TestRotate(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, a := t.Context(), b.authorization(b.ground(t))
		ok(t, b.Issue(ctx, a))
		rotate := func(r oauth.Rotation) error { _, err := b.Rotate(ctx, r); return err }

		b.advance(time.Hour)
		r := b.rotation(a, 0)
		r.ExpiresAt = b.time() // sooner than the row's, which stays
		got := must(b.Rotate(ctx, r))(t)
		want := a
		want.Generation, want.RotatedAt, want.RefreshUntil, want.Live = 1, b.time(), r.RefreshUntil, true
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		wants(t, "an old generation", rotate(b.rotation(a, 0)), oauth.ErrConflict)
		wants(t, "an unknown one", rotate(oauth.Rotation{ID: "x", At: b.time()}), oauth.ErrNotFound)
		other := b.rotation(a, 1)
		other.SeedHash = []byte("another")
		wants(t, "another seed", rotate(other), oauth.ErrEnded)
		ok(t, rotate(b.rotation(a, 7))) // after a restore the row moves up
		if g := must(b.Authorization(ctx, a.ID))(t).Generation; g != 8 {
			t.Errorf("generation %d, not 8", g)
		}
		b.advance(90 * 24 * time.Hour)
		wants(t, "an expired one", rotate(b.rotation(a, 8)), oauth.ErrEnded)
	})
}

// Everything that must end what hangs off it: codes, authorizations, refresh
// tokens.
func TestEpochs(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *bed, g ground) error{
		"user disabled": func(t *testing.T, b *bed, g ground) error {
			return b.DisableUser(t.Context(), g.user.Subject, b.time())
		},
		"user disabled and enabled": func(t *testing.T, b *bed, g ground) error {
			ok(t, b.DisableUser(t.Context(), g.user.Subject, b.time()))
			return b.EnableUser(t.Context(), g.user.Subject, b.time())
		},
		"user deleted": func(t *testing.T, b *bed, g ground) error { return b.DeleteUser(t.Context(), g.user.Subject) },
		"password changed": func(t *testing.T, b *bed, g ground) error {
			return b.setPassword(t, g.user.Subject, "new", g.session.ID)
		},
		"client disabled": func(t *testing.T, b *bed, g ground) error { return b.DisableClient(t.Context(), g.client.ID) },
		"client disabled and enabled": func(t *testing.T, b *bed, g ground) error {
			ok(t, b.DisableClient(t.Context(), g.client.ID))
			return b.EnableClient(t.Context(), g.client.ID)
		},
		"client updated to its end": func(t *testing.T, b *bed, g ground) error {
			return b.UpdateClient(t.Context(), g.client, true)
		},
		"client replaced to its end": func(t *testing.T, b *bed, g ground) error {
			return b.ReplaceClient(t.Context(), g.client, true, true)
		},
		"Case174 client deleted": func(t *testing.T, b *bed, g ground) error { return b.DeleteClient(t.Context(), g.client.ID) },
		"consent withdrawn": func(t *testing.T, b *bed, g ground) error {
			return b.WithdrawConsent(t.Context(), g.user.Subject, g.client.ID, b.time())
		},
		"session ended": func(t *testing.T, b *bed, g ground) error { return b.EndSession(t.Context(), g.session.ID, b.time()) },
		"session replaced": func(t *testing.T, b *bed, g ground) error {
			r := g.session
			r.ID = secret.NewID()
			return b.StartSession(t.Context(), login.Start{Record: r, Replaces: g.session.ID})
		},
	} {
		t.Run(name, func(t *testing.T) {
			databases(t, func(t *testing.T, b *bed) {
				g := b.ground(t)
				issued := b.authorization(g)
				ok(t, b.Issue(t.Context(), issued))
				ok(t, end(t, b, g))
				expectDead(t, b, g, issued)
			})
		})
	}
}

func expectDead(t *testing.T, b *bed, g ground, issued oauth.Authorization) {
	t.Helper()
	wants(t, "a code", b.Issue(t.Context(), b.authorization(g)), oauth.ErrEnded)
	wants(t, "the redeemed code", b.Issue(t.Context(), issued), oauth.ErrReplayed)
	if must(b.Authorization(t.Context(), issued.ID))(t).Live {
		t.Error("the authorization is live")
	}
	_, err := b.Rotate(t.Context(), b.rotation(issued, 0))
	wants(t, "the refresh token", err, oauth.ErrEnded)
}

func TestOfflineOutlivesItsSession(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		a := b.authorization(g)
		a.Offline = true
		ok(t, b.Issue(t.Context(), a))
		ok(t, b.EndSession(t.Context(), g.session.ID, b.time()))
		ok(t, b.EndSession(t.Context(), g.session.ID, b.time()))
		if !must(b.Authorization(t.Context(), a.ID))(t).Live {
			t.Error("ended with its session")
		}
		must(b.Rotate(t.Context(), b.rotation(a, 0)))(t)
		late := b.authorization(g)
		late.Offline = true
		wants(t, "a code on its way", b.Issue(t.Context(), late), oauth.ErrEnded)
	})
}

func TestExpiredSessionEndsNothing(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		g := b.ground(t)
		a := b.authorization(g)
		ok(t, b.Issue(t.Context(), a))
		b.advance(48 * time.Hour)
		ok(t, b.Sweep(t.Context()))
		if !must(b.Authorization(t.Context(), a.ID))(t).Live {
			t.Error("ended with its session's expiry")
		}
	})
}

func TestNarrowConsent(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a, code := b.authorization(g), b.authorization(g)
		ok(t, b.Issue(ctx, a))
		ok(t, b.NarrowConsent(ctx, g.user.Subject, g.client.ID, "notes", b.time()))
		wants(t, "a code on its way", b.Issue(ctx, code), oauth.ErrEnded)
		got := must(b.Authorization(ctx, a.ID))(t)
		if !got.Live || join(got.Scopes) != "openid" {
			t.Errorf("live %v with %v", got.Live, got.Scopes)
		}
		must(b.Rotate(ctx, b.rotation(a, 0)))(t)
		agreed := must(b.Consent(ctx, g.user.Subject, g.client.ID))(t)
		if agreed.Epoch != 2 || join(agreed.Scopes) != "openid" {
			t.Errorf("consent %d to %v", agreed.Epoch, agreed.Scopes)
		}
	})
}

func TestWithdrawnConsentIsGivenAgain(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		again := oauth.Consent{Subject: g.user.Subject, ClientID: g.client.ID, Scopes: []string{"email"}}
		if more := must(b.Agree(ctx, again))(t); more.Epoch != 1 || join(more.Scopes) != "openid notes email" {
			t.Errorf("with more: %+v", more)
		}
		ok(t, b.WithdrawConsent(ctx, g.user.Subject, g.client.ID, b.time()))
		if none := must(b.Consent(ctx, g.user.Subject, g.client.ID))(t); none.Epoch != 2 || len(none.Scopes) != 0 {
			t.Errorf("withdrawn: %+v", none)
		}
		if new := must(b.Agree(ctx, again))(t); new.Epoch != 2 || join(new.Scopes) != "email" {
			t.Errorf("given again: %+v", new)
		}
		if zero := must(b.Consent(ctx, "nobody", "none"))(t); !cmp.Equal(zero, oauth.Consent{}) {
			t.Errorf("never given: %+v", zero)
		}
	})
}

func TestAgreeRacersLoseNoScope(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		race(t, func(i int) error {
			_, err := b.Agree(t.Context(), oauth.Consent{Subject: "s", ClientID: "c", Scopes: []string{fmt.Sprint("s", i)}})
			ok(t, err)
			return err
		})
		if got := must(b.Consent(t.Context(), "s", "c"))(t); len(got.Scopes) != 32 || got.Epoch != 1 {
			t.Errorf("%d scopes, epoch %d", len(got.Scopes), got.Epoch)
		}
	})
}

func TestConnections(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		b.addClient(t, "house")
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		first := b.authorization(g)
		first.ClientID, first.ConsentEpoch = "house", 0
		ok(t, b.Issue(ctx, first))
		b.advance(time.Hour)
		b.Used("app", g.user.Subject, b.time())
		want := []Connection{
			{ClientID: "app", Scopes: []string{"openid", "notes"}, Since: began, LastUsed: b.time(), Live: 1},
			{ClientID: "house", Scopes: []string{"openid", "notes"}, Since: began, LastUsed: began, Live: 1},
		}
		for range 2 { // from memory, then from the table
			if diff := cmp.Diff(want, must(b.Connections(ctx, g.user.Subject))(t)); diff != "" {
				t.Error(diff)
			}
			ok(t, b.Flush(ctx))
		}
		ok(t, b.WithdrawConsent(ctx, g.user.Subject, "app", b.time()))
		ok(t, b.WithdrawConsent(ctx, g.user.Subject, "house", b.time()))
		if left := must(b.Connections(ctx, g.user.Subject))(t); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

// Case 104: what was replayed is dead after a restart too.
func TestCase104ReplaySurvivesRestart(t *testing.T) {
	shared(t, func(t *testing.T, b *bed) {
		ctx, a := t.Context(), b.authorization(b.ground(t))
		ok(t, b.Issue(ctx, a))
		ok(t, b.EndAuthorization(ctx, a.ID, "replayed", b.time()))
		ok(t, b.EndAuthorization(ctx, a.ID, "later", b.time().Add(time.Hour)))
		ok(t, b.UseOnce(ctx, "jti", "app", "1", b.time()))
		ok(t, b.Close())
		s := b.open(t)
		got := must(s.Authorization(ctx, a.ID))(t)
		if got.Live || got.EndReason != "replayed" || !got.EndedAt.Equal(b.time()) {
			t.Errorf("%+v", got)
		}
		_, err := s.Rotate(ctx, b.rotation(a, 0))
		wants(t, "its refresh token", err, oauth.ErrEnded)
		wants(t, "its code", s.Issue(ctx, a), oauth.ErrReplayed)
		wants(t, "a proof", s.UseOnce(ctx, "jti", "app", "1", b.time()), oauth.ErrReplayed)
	})
}

// Case 174: an id is never given out again.
func TestCase174DeletedClientsIdIsGone(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, c := t.Context(), b.addClient(t, "app")
		must(b.Client(ctx, "app"))(t)
		wants(t, "the same id", b.CreateClient(ctx, c), oauth.ErrConflict)
		ok(t, b.DeleteClient(ctx, "app"))
		_, err := b.Client(ctx, "app")
		wants(t, "the deleted client", err, oauth.ErrNotFound)
		wants(t, "deleting again", b.DeleteClient(ctx, "app"), oauth.ErrNotFound)
		wants(t, "the same id afterwards", b.CreateClient(ctx, c), oauth.ErrConflict)
	})
}

// Case 306: a user of the same name is somebody else.
func TestCase306DeletedUsersNameIsAnother(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		ok(t, b.DeleteUser(ctx, g.user.Subject))
		again := b.addUser(t, "u1", false)
		if found := must(b.UserByName(ctx, "u1"))(t); found.Subject != again.Subject || found.Admin {
			t.Errorf("%+v", found)
		}
		_, err := b.Session(ctx, g.session.ID, b.time())
		wants(t, "the old session", err, oauth.ErrNotFound)
		expectDead(t, b, g, a)
		for _, subject := range []string{again.Subject, g.user.Subject} {
			if agreed := must(b.Consent(ctx, subject, "app"))(t); len(agreed.Scopes) != 0 {
				t.Errorf("consent of %s: %+v", subject, agreed)
			}
		}
	})
}

// Case 310: there is always an administrator.
func TestCase310LastAdmin(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, u := t.Context(), b.addUser(t, "root", true)
		b.addUser(t, "u1", false)
		demoted := u
		demoted.Admin = false
		for what, do := range map[string]func(string) error{
			"disable": func(s string) error { return b.DisableUser(ctx, s, b.time()) },
			"delete":  func(s string) error { return b.DeleteUser(ctx, s) },
			"demote": func(s string) error {
				d := demoted
				d.Subject = s
				return b.UpdateUser(ctx, d)
			},
		} {
			wants(t, what, do(u.Subject), oauth.ErrConflict)
			other := b.addUser(t, "admin "+what, true)
			ok(t, do(other.Subject))
		}
		var admins []login.User
		for i := range 32 {
			admins = append(admins, b.addUser(t, fmt.Sprint("admin", i), true))
		}
		admins[0] = must(b.User(ctx, admins[0].Subject))(t)
		ok(t, b.DisableUser(ctx, u.Subject, b.time()))
		onlyOneLeft := race(t, func(i int) error { return b.DisableUser(ctx, admins[i].Subject, b.time()) })
		if onlyOneLeft[nil] != 31 || onlyOneLeft[oauth.ErrConflict] != 1 || must(b.CountAdmins(ctx))(t) != 1 {
			t.Errorf("disabling each at once: %v", onlyOneLeft)
		}
	})
}

// A refresh that waits for a consent being narrowed isn't mistaken for a
// replay.
func TestRotateWhileConsentIsNarrowed(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, g := t.Context(), b.ground(t)
		for round := range 10 {
			a := b.authorization(g)
			a.ConsentEpoch = must(b.Consent(ctx, g.user.Subject, g.client.ID))(t).Epoch
			ok(t, b.Issue(ctx, a))
			answers := race(t, func(i int) error {
				if i < 4 {
					return b.NarrowConsent(ctx, g.user.Subject, g.client.ID, fmt.Sprint(round, i), b.time())
				}
				_, err := b.Rotate(ctx, b.rotation(a, int64(i)))
				return err
			})
			if answers[nil]+answers[oauth.ErrConflict] != 32 {
				t.Errorf("answers are %v", answers)
			}
			if got := must(b.Authorization(ctx, a.ID))(t); !got.Live || got.Generation != 32 {
				t.Errorf("live %v, generation %d", got.Live, got.Generation)
			}
		}
	})
}
