package store

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

// TestEditProfile: of 32 edits at once none is lost, and nothing but the profile
// is written.
func TestEditProfile(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u := b.person(t, "ada")
		note := func() login.Activity {
			return login.Activity{ID: secret.NewID(), Subject: u.Subject, Kind: login.DidChangeProfile, At: b.time()}
		}
		race(t, func(i int) error {
			return b.EditProfile(ctx, u.Subject, b.time(), func(name string, claims oauth.Claims) (string, oauth.Claims) {
				claims = maps.Clone(claims)
				claims[fmt.Sprintf("n%d", i)] = "x"
				return "Ada", claims
			}, note())
		})
		got := must(b.User(ctx, u.Subject))(t)
		if len(got.Claims) != 32 || got.Name != "Ada" || got.Password != u.Password || got.Email != u.Email || !got.EmailVerified || got.Epoch != u.Epoch {
			t.Errorf("%+v", got)
		}
		if n := len(must(b.Activities(ctx, u.Subject, 100))(t)); n != 32 {
			t.Errorf("%d activities", n)
		}
		wants(t, "nobody's", b.EditProfile(ctx, "nobody", b.time(), func(name string, claims oauth.Claims) (string, oauth.Claims) { return name, claims }, note()), oauth.ErrNotFound)
		ok(t, b.EditProfile(ctx, u.Subject, b.time(), func(string, oauth.Claims) (string, oauth.Claims) { return "", nil }, note()))
		if got := must(b.User(ctx, u.Subject))(t); got.Name != "" || len(got.Claims) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestAuthorizations: a person's own, newest first, those that have ended too.
func TestAuthorizations(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		u, other := b.person(t, "ada"), b.person(t, "bob")
		client := &oauth.Client{ID: "web", Epoch: 1}
		client.Name = "Web"
		ok(t, b.CreateClient(ctx, client))
		var ids []string
		for i, subject := range []string{u.Subject, u.Subject, other.Subject} {
			id := secret.NewIDAt(b.time().Add(time.Duration(i) * time.Second))
			ids = append(ids, id)
			ok(t, b.Issue(ctx, oauth.Authorization{
				ID: id, ClientID: "web", Subject: subject, UserEpoch: 1, ClientEpoch: 1, CreatedAt: b.time(), ExpiresAt: b.time().Add(time.Hour),
			}))
		}
		ok(t, b.EndAuthorization(ctx, ids[0], "revoked by the app", b.time()))
		got := must(b.Authorizations(ctx, u.Subject))(t)
		if len(got) != 2 || got[0].ID != ids[1] || !got[0].Live || got[1].ID != ids[0] || got[1].Live || got[1].EndReason != "revoked by the app" {
			t.Errorf("%+v", got)
		}
		if none := must(b.Authorizations(ctx, "nobody"))(t); len(none) != 0 {
			t.Errorf("%+v", none)
		}
	})
}
