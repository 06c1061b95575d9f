package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
)

func arrival(name, email string, verified bool, identities ...string) Import {
	p := Import{User: login.User{
		Subject: secret.NewID(), Username: name, UsernameKey: login.Canonical(name), Email: email, EmailVerified: verified, Password: "{SSHA}…",
		Memberships: map[string][]string{"": {"staff"}}, CreatedAt: began.Add(-time.Hour),
	}}
	for _, sub := range identities {
		p.Identities = append(p.Identities, login.Identity{Issuer: "https://idp.example", Upstream: sub, Connector: "idp", Label: name})
	}
	return p
}

// TestImportUsers: who is in the way of whom. A dry run answers the same.
func TestImportUsers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		first := []Import{
			arrival("ada", "ada@x.example", true, "1", "2"), arrival("bob", "bob@x.example", false), arrival("carol@x.example", "", false),
		}
		for _, standing := range must(b.ImportUsers(ctx, first))(t) {
			if standing != StandsFree {
				t.Errorf("in an empty database: %s", standing)
			}
		}
		ada := must(b.User(ctx, first[0].User.Subject))(t)
		if ada.Password != "{SSHA}…" || !ada.EmailVerified || ada.Epoch != 1 || !ada.CreatedAt.Equal(began.Add(-time.Hour)) || len(ada.Groups()) != 1 {
			t.Errorf("%+v", ada)
		}
		if i := must(b.Identity(ctx, "https://idp.example", "2"))(t); i.Subject != ada.Subject || i.Connector != "idp" {
			t.Errorf("%+v", i)
		}
		later := func(p Import) Import { p.User.CreatedAt = began; return p }
		unknown := func(p Import) Import { p.User.CreatedAt = time.Time{}; return p }
		for name, tt := range map[string]struct {
			p    Import
			want Standing
		}{
			"the same":                      {arrival("Ada", "ada@x.example", true, "1"), StandsHere},
			"the address was changed here":  {arrival("ada", "old@x.example", true), StandsHere},
			"no time, the same address":     {unknown(arrival("ada", "ADA@x.example", false)), StandsHere},
			"no time, no address on one":    {unknown(arrival("ada", "", false)), StandsName},
			"no time, no address on either": {unknown(arrival("carol@x.example", "", false)), StandsHere},
			"somebody of that name":         {later(arrival("ada", "other@x.example", true)), StandsName},
			"named like a proven address":   {arrival("ada@x.example", "", false), StandsName},
			"a proven address":              {arrival("lovelace", "Ada@x.example", true), StandsEmail},
			"an address nobody proved here": {arrival("ada2", "ada@x.example", false), StandsFree},
			"theirs is not proven":          {arrival("bob2", "bob@x.example", true), StandsFree},
			"an address that is a name":     {arrival("carol", "carol@x.example", true), StandsEmail},
			"linked elsewhere":              {arrival("dave", "dave@x.example", true, "3", "2"), StandsIdentity},
		} {
			if got := must(b.Standings(ctx, []Import{tt.p}))(t); got[0] != tt.want {
				t.Errorf("%s: %q, not %q", name, got[0], tt.want)
			}
			if tt.want == StandsFree {
				continue
			}
			if got := must(b.ImportUsers(ctx, []Import{tt.p}))(t); got[0] != tt.want {
				t.Errorf("%s: imported: %q, not %q", name, got[0], tt.want)
			}
		}
		if n := len(must(b.ListUsers(ctx, "", 100, ""))(t)); n != 3 {
			t.Errorf("%d users", n)
		}
	})
}

// TestImportKeptSubjects: a sub that somebody had elsewhere is one account's, and
// of an account that had it before, and was deleted, nothing comes to life.
func TestImportKeptSubjects(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		later := func(p Import) Import { p.User.CreatedAt = began; return p }
		kept := func(sub string, p Import) Import { p.User.Subject, p.Kept = sub, true; return p }
		const long = "auth0|65c0000000000000000000aa/~Z"
		ada := kept(long, arrival("ada", "ada@x.example", true))
		ada.TOTPs = []login.TOTP{{ID: "a", Name: "Phone", Sealed: []byte("x")}, {ID: "b", Name: "Desk", Sealed: []byte("y")}}
		if got := must(b.ImportUsers(ctx, []Import{ada, kept(long, later(arrival("bob", "", false))), kept("2", arrival("eve", "", false))}))(t); got[0] != StandsFree || got[1] != StandsSubject || got[2] != StandsFree {
			t.Fatalf("%q", got)
		}
		if apps := must(b.TOTPs(ctx, long))(t); len(apps) != 2 || apps[0].Name != "Phone" {
			t.Errorf("%+v", apps)
		}
		for name, tt := range map[string]struct {
			p    Import
			want Standing
		}{
			"the same":                     {ada, StandsHere},
			"under another name":           {kept(long, arrival("lovelace", "ada@x.example", true)), StandsHere},
			"under another sub":            {kept("3", arrival("ada", "ada@x.example", true)), StandsHere},
			"somebody else's sub":          {kept("2", later(arrival("mallory", "m@x.example", true))), StandsSubject},
			"a sub that differs in case":   {kept("AUTH0|65c0000000000000000000aa/~z", arrival("zoe", "", false)), StandsFree},
			"nobody asked to keep the sub": {arrival("zoe", "", false), StandsFree},
		} {
			if got := must(b.Standings(ctx, []Import{tt.p}))(t); got[0] != tt.want {
				t.Errorf("%s: %q, not %q", name, got[0], tt.want)
			}
		}
		u := must(b.User(ctx, long))(t)
		client := b.addClient(t, "app")
		g := ground{user: u, client: client, session: b.addSession(t, u)}
		g.consent = must(b.Agree(ctx, oauth.Consent{Subject: long, ClientID: "app", Scopes: []string{"openid"}, SessionID: g.session.ID}))(t)
		a := b.authorization(g)
		ok(t, b.Issue(ctx, a))
		ok(t, b.DeleteUser(ctx, long))
		b.advance(time.Second)
		ada.TOTPs = nil
		if got := must(b.ImportUsers(ctx, []Import{ada}))(t); got[0] != StandsFree {
			t.Fatalf("%q", got)
		}
		again := must(b.User(ctx, long))(t)
		if again.Epoch <= u.Epoch {
			t.Errorf("the epoch was %d and is %d", u.Epoch, again.Epoch)
		}
		_ = must(b.Agree(ctx, oauth.Consent{Subject: long, ClientID: "app", Scopes: []string{"openid"}, SessionID: b.addSession(t, again).ID}))(t)
		_, err := b.Rotate(ctx, b.rotation(a, 0))
		if err == nil {
			t.Error("the refresh token of a deleted account works again")
		}
	})
}

// TestImportUsersOnce: of 32 imports of the same people at once, each person is
// made by one, whole.
func TestImportUsersOnce(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		made := make([]int, 32)
		answers := race(t, func(i int) error {
			var people []Import
			for n := range 20 {
				people = append(people, arrival(fmt.Sprintf("u%d", n), fmt.Sprintf("u%d@x.example", n), true, fmt.Sprint(n)))
			}
			standings, err := b.ImportUsers(t.Context(), people)
			for _, one := range standings {
				if one == StandsFree {
					made[i]++
				}
			}
			return err
		})
		total := 0
		for _, n := range made {
			total += n
		}
		users := must(b.ListUsers(t.Context(), "", 100, ""))(t)
		if answers[nil] != 32 || total != 20 || len(users) != 20 {
			t.Errorf("%v, %d made, %d users", answers, total, len(users))
		}
		for _, u := range users {
			if n := len(must(b.Identities(t.Context(), u.Subject))(t)); n != 1 {
				t.Errorf("%s has %d identities", u.Username, n)
			}
		}
	})
}

func BenchmarkImportUsers(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": sqliteFile, "postgres": testkit.Postgres} {
		b.Run(name, func(b *testing.B) {
			s := newBed(b, url(b))
			n := 0
			for b.Loop() {
				people := make([]Import, 64)
				for i := range people {
					n++
					people[i] = arrival(fmt.Sprintf("u%d", n), fmt.Sprintf("u%d@x.example", n), true, fmt.Sprint(n))
				}
				must(s.ImportUsers(b.Context(), people))(b)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "users/s")
		})
	}
}
