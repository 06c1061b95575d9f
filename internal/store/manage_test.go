package store

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func TestClients(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, want := t.Context(), newClient("app")
		want.Owner, want.SecretHash, want.FirstParty, want.LogoID = "dev", []byte{0, 255}, true, "logo"
		ok(t, b.CreateClient(ctx, want))
		want.CreatedAt, want.UpdatedAt = b.time(), b.time()
		same := func(what string) {
			t.Helper()
			got := must(b.Client(ctx, "app"))(t)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(oauth.Client{})); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		same("created")
		b.advance(time.Minute)
		want.Name, want.Verified, want.LogoID, want.UpdatedAt = "Other", true, "", b.time()
		ok(t, b.UpdateClient(ctx, want, false))
		same("updated")
		want.SecretHash, want.SecretPHC, want.SecretKey = nil, "phc", "key"
		ok(t, b.SetClientSecret(ctx, "app", nil, "phc", "key"))
		same("its secret set")
		want.Disabled, want.Epoch = true, 2
		ok(t, b.DisableClient(ctx, "app"))
		same("disabled")
		wants(t, "one that isn't there", b.DisableClient(ctx, "none"), oauth.ErrNotFound)
		wants(t, "updating one that isn't there", b.UpdateClient(ctx, newClient("none"), false), oauth.ErrNotFound)
	})
}

func TestListClients(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		for i := range 5 {
			c := newClient(fmt.Sprint("c", i))
			c.Owner = []string{"", "dev"}[i%2]
			ok(t, b.CreateClient(ctx, c))
		}
		for _, row := range []struct {
			owner *string
			after string
			want  []string
		}{
			{nil, "", []string{"c0", "c1", "c2"}},
			{nil, "c2", []string{"c3", "c4"}},
			{new(""), "c0", []string{"c2", "c4"}},
			{new("dev"), "", []string{"c1", "c3"}},
		} {
			var got []string
			for _, c := range must(b.ListClients(ctx, row.owner, row.after, 3))(t) {
				got = append(got, c.ID)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestCatalog(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		notes := oauth.Scope{Name: "notes", Title: "See your notes", Optional: true, Restricted: true, Resource: "https://api", Groups: []string{"Domain Users"}}
		ok(t, b.CreateScope(ctx, notes))
		wants(t, "twice", b.CreateScope(ctx, notes), oauth.ErrConflict)
		wants(t, "a builtin one", b.CreateScope(ctx, oauth.Scope{Name: "openid"}), oauth.ErrConflict)
		if b.CreateScope(ctx, oauth.Scope{Name: "a b"}) == nil {
			t.Error("a scope of two words was declared")
		}
		api := oauth.Resource{URL: "https://api", Name: "API", Client: "app"}
		ok(t, b.CreateResource(ctx, api))
		wants(t, "twice", b.CreateResource(ctx, api), oauth.ErrConflict)
		catalog := must(b.Catalog(ctx))(t)
		if !reflect.DeepEqual(catalog.Scopes["notes"], notes) || catalog.Resources["https://api"] != api || !catalog.Scopes["openid"].Builtin {
			t.Errorf("%+v", catalog)
		}
		changed := notes
		changed.Title, changed.Groups = "Read your notes", nil
		ok(t, b.UpdateScope(ctx, changed))
		if catalog = must(b.Catalog(ctx))(t); !reflect.DeepEqual(catalog.Scopes["notes"], changed) {
			t.Errorf("changed: %+v", catalog.Scopes["notes"])
		}
		ok(t, b.UpdateScope(ctx, notes))
		wants(t, "one that isn't there", b.UpdateScope(ctx, oauth.Scope{Name: "letters"}), oauth.ErrNotFound)
		declared := notes
		declared.Title = "In other words"
		ok(t, b.Declare(ctx, []oauth.Scope{declared, {Name: "openid", Title: "You"}}, []oauth.Resource{{URL: "https://b"}}))
		ok(t, b.DeleteResource(ctx, "https://api"))
		catalog = must(b.Catalog(ctx))(t)
		if !reflect.DeepEqual(catalog.Scopes["notes"], declared) || len(catalog.Resources) != 1 || !catalog.Scopes["openid"].Builtin {
			t.Errorf("declared: %+v", catalog)
		}
		ok(t, b.DeleteScope(ctx, "notes"))
		wants(t, "deleting again", b.DeleteScope(ctx, "notes"), oauth.ErrNotFound)
	})
}

func TestUsers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, want := t.Context(), b.addUser(t, "Ümit", false)
		want.CreatedAt, want.UpdatedAt = b.time(), b.time()
		for what, find := range map[string]func() (login.User, error){
			"subject": func() (login.User, error) { return b.User(ctx, want.Subject) },
			"name":    func() (login.User, error) { return b.UserByName(ctx, "ümit") },
			"email":   func() (login.User, error) { return b.UserByEmail(ctx, login.Canonical("ÜMIT@example.ORG")) },
		} {
			if diff := cmp.Diff(want, must(find())(t)); diff != "" {
				t.Errorf("by %s: %s", what, diff)
			}
		}
		want.Name, want.Email, want.Claims, want.Admin = "U", "other@example.org", nil, true
		changed := want
		changed.Password, changed.Epoch = "not written", 99
		ok(t, b.UpdateUser(ctx, changed))
		if diff := cmp.Diff(want, must(b.User(ctx, want.Subject))(t)); diff != "" {
			t.Error(diff)
		}
		_, err := b.UserByEmail(ctx, login.Canonical("Ümit@example.org"))
		wants(t, "the old address", err, oauth.ErrNotFound)
		wants(t, "rehash of another", b.Rehash(ctx, want.Subject, "other", "new"), oauth.ErrConflict)
		ok(t, b.Rehash(ctx, want.Subject, "phc", "new"))
		if epoch := must(b.SubjectEpoch(ctx, want.Subject))(t); epoch != 1 {
			t.Errorf("rehash raised the epoch to %d", epoch)
		}
		wants(t, "a password for nobody", b.setPassword(t, "nobody", "p", ""), oauth.ErrNotFound)
		wants(t, "nobody updated", b.UpdateUser(ctx, login.User{Subject: "nobody"}), oauth.ErrNotFound)
	})
}

func TestSharedEmailAddress(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		for i, verified := range []bool{false, false, true} {
			u := admin(i)
			u.Email, u.EmailVerified = "Same@example.org", verified
			ok(t, b.CreateUser(ctx, u))
			found, err := b.UserByEmail(ctx, "same@example.org")
			switch i {
			case 1:
				wants(t, "two without proof", err, oauth.ErrNotFound)
			default:
				if ok(t, err); found.Subject != u.Subject {
					t.Errorf("%d: another account", i)
				}
			}
		}
		_, err := b.UserByEmail(ctx, "")
		wants(t, "no address", err, oauth.ErrNotFound)
	})
}

func TestListUsers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, last := t.Context(), ""
		for _, name := range []string{"anna", "bob%", "Bobby", "carl"} {
			b.addUser(t, name, false)
		}
		for _, row := range []struct {
			prefix string
			want   []string
		}{{"", []string{"anna", "bob%", "Bobby", "carl"}}, {"bob", []string{"bob%", "Bobby"}}, {"bob%", []string{"bob%"}}, {"x", nil}} {
			var got []string
			for last = ""; ; {
				page := must(b.ListUsers(ctx, last, 3, row.prefix))(t)
				for _, u := range page {
					got = append(got, u.Username)
					last = u.Subject
				}
				if len(page) < 3 {
					break
				}
			}
			if diff := cmp.Diff(row.want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
				t.Errorf("%q: %s", row.prefix, diff)
			}
		}
	})
}

func TestSessions(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, u := t.Context(), b.addUser(t, "u1", false)
		want := b.addSession(t, u)
		want.SeenAt = b.time()
		if diff := cmp.Diff(want, must(b.Session(ctx, want.ID, b.time()))(t)); diff != "" {
			t.Error(diff)
		}
		b.advance(time.Hour)
		b.SessionSeen(want.ID, b.time())
		ok(t, b.Flush(ctx))
		want.SeenAt = b.time()
		if diff := cmp.Diff([]login.Record{want}, must(b.Sessions(ctx, u.Subject, b.time()))(t)); diff != "" {
			t.Error(diff)
		}
		again := want
		again.SecretHash, again.AuthTime, again.ACR, again.AMR = []byte("new"), b.time(), "2", []string{"pwd", "otp"}
		again.ExpiresAt, again.ProvenAt = b.time().Add(13*time.Hour), b.time()
		got := must(b.Relogin(ctx, login.Start{Record: again}))(t)
		again.Logins = 2
		if diff := cmp.Diff(again, got); diff != "" {
			t.Error(diff)
		}
		for what, change := range map[string]func(*login.Record){
			"another person's": func(r *login.Record) { r.Subject = "other" },
			"an unknown":       func(r *login.Record) { r.ID = "other" },
		} {
			r := again
			change(&r)
			_, err := b.Relogin(ctx, login.Start{Record: r})
			wants(t, what, err, oauth.ErrNotFound)
		}
		b.advance(13 * time.Hour)
		_, err := b.Session(ctx, want.ID, b.time())
		wants(t, "an expired one", err, oauth.ErrNotFound)
		_, err = b.Relogin(ctx, login.Start{Record: again})
		wants(t, "into an expired one", err, oauth.ErrNotFound)
	})
}

func TestSetPasswordKeepsOneSession(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, u := t.Context(), b.addUser(t, "u1", false)
		kept, other := b.addSession(t, u), b.addSession(t, u)
		ok(t, b.setPassword(t, u.Subject, "new", kept.ID))
		if got := must(b.Session(ctx, kept.ID, b.time()))(t); got.UserEpoch != 2 {
			t.Errorf("kept under epoch %d", got.UserEpoch)
		}
		_, err := b.Session(ctx, other.ID, b.time())
		wants(t, "the other", err, oauth.ErrNotFound)
		ok(t, b.setPassword(t, u.Subject, "newer", other.ID))
		_, err = b.Session(ctx, other.ID, b.time())
		wants(t, "an ended one, kept", err, oauth.ErrNotFound)
		r := kept
		r.ID, r.UserEpoch = secret.NewID(), 2
		wants(t, "a sign-in that began before", b.StartSession(ctx, login.Start{Record: r}), oauth.ErrEnded)
		r.UserEpoch = 3
		ok(t, b.StartSession(ctx, login.Start{Record: r}))
		wants(t, "the same id", b.StartSession(ctx, login.Start{Record: r}), oauth.ErrConflict)
	})
}

func TestSigningKeys(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		first := keys.Record{KID: "1", Alg: "ES256", Sealed: []byte{0, 1}, PublishedAt: 1, SignsAt: 2, RemovedAt: 9}
		second := keys.Record{KID: "2", Alg: "ES256", Replaces: "1", Sealed: []byte{2}, PublishedAt: 3}
		rival := second
		rival.KID = "3"
		for _, row := range []struct {
			r    keys.Record
			want bool
		}{{first, true}, {second, true}, {rival, false}} {
			if added := must(b.AddSigningKey(ctx, row.r))(t); added != row.want {
				t.Errorf("%s: %v", row.r.KID, added)
			}
		}
		second.RetiresAt = 8
		ok(t, b.UpdateSigningKey(ctx, second))
		if diff := cmp.Diff([]keys.Record{first, second}, must(b.SigningKeys(ctx))(t)); diff != "" {
			t.Error(diff)
		}
		ok(t, b.DeleteSigningKeys(ctx, 10))
		if diff := cmp.Diff([]keys.Record{second}, must(b.SigningKeys(ctx))(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLogos(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		ok(t, b.SaveLogo(ctx, "id", "app", []byte("png")))
		if png := must(b.Logo(ctx, "id"))(t); string(png) != "png" {
			t.Errorf("%q", png)
		}
		_, err := b.Logo(ctx, "none")
		wants(t, "none", err, oauth.ErrNotFound)
		c := newClient("app")
		c.LogoID = "id"
		ok(t, b.CreateClient(ctx, c))
		ok(t, b.SaveLogo(ctx, "later", "app", []byte("png")))
		b.advance(25 * time.Hour)
		ok(t, b.Sweep(ctx))
		must(b.Logo(ctx, "id"))(t)
		_, err = b.Logo(ctx, "later")
		wants(t, "one that nobody points to", err, oauth.ErrNotFound)
	})
}
