package store

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func (b *bed) expectClient(t *testing.T, what string, want *oauth.Client) {
	t.Helper()
	got := must(b.Client(t.Context(), want.ID))(t)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(oauth.Client{})); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestRegisterAndReplaceClient(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, want := t.Context(), newClient("app")
		want.SecretHash, want.SecretKey, want.TokenHash = []byte{1}, "sealed", []byte{2, 0}
		ok(t, b.RegisterClient(ctx, want, 1))
		if want.Source != oauth.SourceOperator {
			t.Error("the caller's client was changed")
		}
		want.Source, want.CreatedAt, want.UpdatedAt = oauth.SourceRegistered, b.time(), b.time()
		b.expectClient(t, "registered", want)
		b.advance(time.Minute)
		want.Name, want.SecretHash, want.SecretPHC, want.SecretKey = "Other", nil, "phc", ""
		want.LogoID, want.UpdatedAt = "logo", b.time()
		given := *want
		given.TokenHash, given.Disabled, given.Owner = []byte{9}, true, "another"
		given.Verified, given.FirstParty = true, true // nobody vouches for oneself
		ok(t, b.ReplaceClient(ctx, &given, true, false))
		b.expectClient(t, "replaced", want)
		want.Verified, want.FirstParty = true, true
		ok(t, b.UpdateClient(ctx, want, false))
		b.expectClient(t, "vouched for", want)
		want.Epoch, want.Verified, want.FirstParty, want.LogoID = 2, false, false, ""
		given = *want
		given.SecretHash, given.SecretPHC, given.SecretKey = []byte{9}, "9", "9"
		ok(t, b.ReplaceClient(ctx, &given, false, true))
		b.expectClient(t, "replaced to its end", want)
		ok(t, b.UpdateClient(ctx, &oauth.Client{ID: "app", Metadata: want.Metadata}, false))
		b.expectClient(t, "updated", want)
		wants(t, "one that isn't there", b.ReplaceClient(ctx, newClient("none"), true, true), oauth.ErrNotFound)
		ok(t, b.DeleteClient(ctx, "app"))
		wants(t, "a deleted id", b.RegisterClient(ctx, want, 9), oauth.ErrConflict)
	})
}

func TestSecretSetMeanwhileSurvives(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		c := newClient("app")
		c.SecretHash, c.SecretKey = []byte{1}, "old"
		ok(t, b.CreateClient(ctx, c))
		read := *must(b.Client(ctx, "app"))(t)
		ok(t, b.SetClientSecret(ctx, "app", []byte{2}, "", "new"))
		read.Name = "Other"
		ok(t, b.ReplaceClient(ctx, &read, false, false))
		got := must(b.Client(ctx, "app"))(t)
		if got.Name != "Other" || !bytes.Equal(got.SecretHash, []byte{2}) || got.SecretKey != "new" {
			t.Errorf("%+v", got)
		}
	})
}

// Of a client's logos the one that it points to is left, once that changes.
func TestOtherLogosGo(t *testing.T) {
	for name, write := range map[string]func(context.Context, *bed, *oauth.Client) error{
		"updated":  func(ctx context.Context, b *bed, c *oauth.Client) error { return b.UpdateClient(ctx, c, false) },
		"replaced": func(ctx context.Context, b *bed, c *oauth.Client) error { return b.ReplaceClient(ctx, c, true, false) },
	} {
		t.Run(name, func(t *testing.T) {
			databases(t, func(t *testing.T, b *bed) {
				ctx := t.Context()
				for _, id := range []string{"first", "second", "stray"} {
					ok(t, b.SaveLogo(ctx, id, "app", []byte("png")))
				}
				ok(t, b.SaveLogo(ctx, "other's", "other", []byte("png")))
				c := newClient("app")
				c.LogoID = "first"
				ok(t, b.CreateClient(ctx, c))
				none := newClient("none")
				none.LogoID = "second"
				for _, step := range []struct {
					c    *oauth.Client
					logo string
					want int
				}{{none, "second", 4}, {c, "first", 4}, {c, "second", 2}, {c, "", 1}} {
					step.c.LogoID = step.logo
					if err := write(ctx, b, step.c); step.c == c {
						ok(t, err)
					}
					if n := b.count(t, "logos"); n != step.want {
						t.Errorf("%s with %q: %d logos, not %d", step.c.ID, step.logo, n, step.want)
					}
				}
				must(b.Logo(ctx, "other's"))(t)
			})
		})
	}
}

func TestRegistrationIsCapped(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		b.addClient(t, "operator's")
		answers := race(t, func(i int) error { return b.RegisterClient(ctx, newClient(fmt.Sprint("c", i)), 5) })
		if answers[nil] != 5 || answers[oauth.ErrConflict] != 27 {
			t.Errorf("answers are %v, not 5 successes", answers)
		}
		before := must(b.version(t))(t)
		for _, c := range must(b.ListClients(ctx, nil, "", 99))(t)[:2] {
			b.Used(c.ID, "", b.time())
		}
		ok(t, b.Flush(ctx))
		if after := must(b.version(t))(t); after != before {
			t.Error("writing down that clients were used emptied caches")
		}
		for i, want := range []error{nil, nil, oauth.ErrConflict} {
			wants(t, fmt.Sprint("number ", i), b.RegisterClient(ctx, newClient(fmt.Sprint("later", i)), 5), want)
		}
	})
}

// At the cap the oldest make room, unless they are young, agreed to or in use.
func TestUnusedClientsMakeRoom(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		const limit = roomAtOnce + 4
		ctx, u := t.Context(), b.addUser(t, "u1", false)
		register := func(id string) error { return b.RegisterClient(ctx, newClient(id), limit) }
		there := func(id string) bool {
			_, err := b.Client(ctx, id)
			return err == nil
		}
		for _, id := range []string{"agreed", "in-use", "with-all"} {
			ok(t, register(id))
		}
		must(b.Agree(ctx, oauth.Consent{Subject: u.Subject, ClientID: "agreed", Scopes: []string{"openid"}}))(t)
		ok(t, b.SaveLogo(ctx, "logo", "with-all", []byte("png")))
		ok(t, b.CreateResource(ctx, oauth.Resource{URL: "https://api", Client: "with-all"}))
		b.advance(time.Second)
		for i := range limit - 3 {
			ok(t, register(fmt.Sprint("c", i)))
			b.advance(time.Second)
		}
		wants(t, "when all are young", register("new"), oauth.ErrConflict)
		b.advance(time.Hour - (limit-6)*time.Second) // the first three are old now, and three others
		b.Used("in-use", "", b.time())
		ok(t, register("new"))
		for id, want := range map[string]bool{
			"agreed": true, "in-use": true, "with-all": false, "c0": false, "c2": false, "c3": true, "new": true,
		} {
			if got := there(id); got != want {
				t.Errorf("%s is there: %v", id, got)
			}
		}
		if n := b.count(t, "logos") + b.count(t, "deleted_clients"); n != 0 {
			t.Errorf("%d rows of theirs are left", n)
		}
		if owned := must(b.Catalog(ctx))(t).Resources["https://api"]; owned.Client != "" {
			t.Errorf("a resource is still that of %q", owned.Client)
		}
		for i := range 5 {
			ok(t, b.RegisterClient(ctx, newClient(fmt.Sprint("more", i)), 2*limit))
		}
		b.advance(time.Hour + time.Second)
		wants(t, "an id that is taken", b.RegisterClient(ctx, newClient("agreed"), 1), oauth.ErrConflict)
		if n := b.count(t, "clients"); n != roomAtOnce+6 {
			t.Errorf("%d clients after a refusal, not %d", n, roomAtOnce+6)
		}
		ok(t, b.RegisterClient(ctx, newClient("last"), 1))
		if n := b.count(t, "clients"); n != 7 { // the two that are used, and the youngest
			t.Errorf("%d clients are left", n)
		}
	})
}

func TestMakeRoomRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		for i := range 5 {
			ok(t, b.RegisterClient(ctx, newClient(fmt.Sprint("old", i)), 5))
		}
		b.advance(time.Hour + time.Second)
		answers := race(t, func(i int) error { return b.RegisterClient(ctx, newClient(fmt.Sprint("c", i)), 5) })
		if n := b.count(t, "clients"); answers[nil] != 5 || answers[oauth.ErrConflict] != 27 || n != 5 {
			t.Errorf("%d clients, answers are %v, not 5 successes", n, answers)
		}
	})
}

func (b *bed) version(t *testing.T) (int64, error) {
	t.Helper()
	_, n, err := setting(b.read(t.Context()), settingVersion)
	return n, err
}

// A client that the operator made, or whose news were written, or that has
// anything, stays.
func TestUnusedClientsAreSwept(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, u := t.Context(), b.addUser(t, "u1", false)
		register := func(id string) { ok(t, b.RegisterClient(ctx, newClient(id), 99)) }
		b.addClient(t, "operator's")
		must(b.KeepDocument(ctx, newDocument("https://app.example/client"), false, false))(t)
		for _, id := range []string{"unused", "used", "agreed", "authorized"} {
			register(id)
		}
		for _, id := range []string{"operator's", "used"} {
			must(b.Client(ctx, id))(t) // into the cache, as before every token
			b.Used(id, "", b.time())
		}
		if _, noted := b.lazy.clients["operator's"]; noted || len(b.lazy.clients) != 1 {
			t.Errorf("%v are to be written down", b.lazy.clients)
		}
		ok(t, b.Flush(ctx))
		must(b.Agree(ctx, oauth.Consent{Subject: u.Subject, ClientID: "agreed", Scopes: []string{"openid"}}))(t)
		ok(t, b.Issue(ctx, oauth.Authorization{
			ID: secret.NewID(), ClientID: "authorized", Subject: u.Subject, UserEpoch: 1, ClientEpoch: 1,
			CreatedAt: b.time(), ExpiresAt: b.time().Add(90 * 24 * time.Hour),
		}))
		b.advance(29 * 24 * time.Hour)
		register("young")
		b.sweepAndExpect(t, 7)
		b.advance(24*time.Hour + time.Hour)
		before := must(b.version(t))(t)
		b.sweepAndExpect(t, 6)
		_, err := b.Client(ctx, "unused")
		wants(t, "the unused one", err, oauth.ErrNotFound)
		if n := b.count(t, "deleted_clients"); n != 0 {
			t.Errorf("%d ids are remembered", n)
		}
		if after := must(b.version(t))(t); after != before+1 {
			t.Errorf("caches were emptied %d times", after-before)
		}
		b.advance(100 * 24 * time.Hour) // what was in use was written down
		b.sweepAndExpect(t, 5)
	})
}

func (b *bed) sweepAndExpect(t *testing.T, clients int) {
	t.Helper()
	ok(t, b.Sweep(t.Context()))
	if n := b.count(t, "clients"); n != clients {
		t.Errorf("%d clients, not %d", n, clients)
	}
}

func TestManyUnusedClientsAreSwept(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		const insert = `INSERT INTO clients (id, owner, metadata, secret_phc, first_party, verified, disabled, epoch,
			logo_id, created_at, updated_at, source) VALUES ($1, '', '{}', '', FALSE, FALSE, FALSE, 1, '', 1, 1, 'registered')`
		ok(t, b.statements(t.Context(), func(c conn) error {
			for i := range 2*chunk + 1 {
				if _, err := c.exec(insert, fmt.Sprint("c", i)); err != nil {
					return err
				}
			}
			return nil
		}))
		b.sweepAndExpect(t, 0)
	})
}

func newDocument(id string) *oauth.Client {
	c := newClient("document")
	c.ID = id
	return c
}

func TestKeepDocument(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		const id = "https://app.example/client"
		ctx, g := t.Context(), b.ground(t)
		_, err := b.Client(ctx, id)
		wants(t, "before it is kept", err, oauth.ErrNotFound)
		keep := func(name string, changed bool) (*oauth.Client, error) {
			c := newDocument(id)
			c.Name, c.Epoch = name, 0
			return b.KeepDocument(ctx, c, changed, false)
		}
		want := newDocument(id)
		want.Name, want.Source, want.CreatedAt, want.UpdatedAt = "One", oauth.SourceDocument, b.time(), b.time()
		same := func(what string, got *oauth.Client) {
			t.Helper()
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(oauth.Client{})); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
			b.expectClient(t, what, want)
		}
		same("new", must(keep("One", false))(t))

		b.advance(time.Minute)
		before := b.Writes()
		same("the same", must(keep("One", false))(t))
		if b.Writes() != before {
			t.Error("a document that says the same was written")
		}
		want.Name, want.UpdatedAt = "Two", b.time()
		same("new metadata", must(keep("Two", false))(t))

		agreed := oauth.Consent{Subject: g.user.Subject, ClientID: id, Scopes: []string{"openid"}, SessionID: g.session.ID}
		must(b.Agree(ctx, agreed))(t)
		must(keep("Two", false))(t)
		expectAsked := func(session string) {
			t.Helper()
			if got := must(b.Consent(ctx, g.user.Subject, id))(t); got.SessionID != session || got.Epoch != 1 {
				t.Errorf("%+v", got)
			}
		}
		expectAsked(g.session.ID)
		same("changed", must(keep("Two", true))(t))
		expectAsked("")
		if other := must(b.Consent(ctx, g.user.Subject, "app"))(t); other.SessionID != g.session.ID {
			t.Errorf("another client's consent: %+v", other)
		}

		ok(t, b.DisableClient(ctx, id))
		want.Name, want.Disabled, want.Epoch = "Three", true, 2
		same("one that the operator disabled", must(keep("Three", true))(t))
		ok(t, b.DeleteClient(ctx, id))
		_, err = keep("Four", true)
		wants(t, "a deleted one", err, oauth.ErrEnded)
		ok(t, b.CreateClient(ctx, newDocument("https://operator.example/")))
		_, err = b.KeepDocument(ctx, newDocument("https://operator.example/"), false, false)
		wants(t, "one that the operator made", err, oauth.ErrConflict)
	})
}

// An operator's word is for the document that was there; what ends, ends even
// when the row says the same already.
func TestChangedDocumentIsNotVouchedFor(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx, id := t.Context(), "https://app.example/client"
		want := newDocument(id)
		want.Verified, want.FirstParty, want.LogoID = true, true, "logo"
		want = must(b.KeepDocument(ctx, want, true, true))(t)
		if !want.Verified || !want.FirstParty || want.Epoch != 1 || want.LogoID != "logo" {
			t.Errorf("new: %+v", want)
		}
		given := *newDocument(id)
		given.LogoID = "other"
		for _, step := range []struct {
			name                  string
			changed, end, vouched bool
			epoch                 int64
		}{
			{"Two", false, false, true, 1},
			{"Three", false, true, true, 2},
			{"Three", false, true, true, 3},
			{"Four", true, false, false, 3},
			{"Five", true, true, false, 4},
		} {
			given.Name = step.name
			want.Name, want.Verified, want.FirstParty, want.Epoch = step.name, step.vouched, step.vouched, step.epoch
			got := must(b.KeepDocument(ctx, &given, step.changed, step.end))(t)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(oauth.Client{})); diff != "" {
				t.Errorf("%+v: %s", step, diff)
			}
			b.expectClient(t, step.name, want)
		}
	})
}

func TestKeepDocumentRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		answers := race(t, func(i int) error {
			c := newDocument("https://app.example/client")
			c.Name = fmt.Sprint("Name ", i%2)
			got, err := b.KeepDocument(t.Context(), c, i%4 == 0, false)
			if err == nil && got.Epoch != 1 {
				t.Errorf("epoch %d", got.Epoch)
			}
			return err
		})
		if answers[nil] != 32 {
			t.Errorf("answers are %v", answers)
		}
	})
}

func TestInitialTokens(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		want := []oauth.InitialToken{
			{ID: "1", Hash: []byte{1}, Note: "Ümit", UsesLeft: 2, CreatedAt: b.time(), ExpiresAt: b.time().Add(time.Hour)},
			{ID: "2", Hash: []byte{2}, UsesLeft: 1, CreatedAt: b.time()},
		}
		for _, v := range want {
			ok(t, b.CreateInitialToken(ctx, v))
		}
		wants(t, "the same id", b.CreateInitialToken(ctx, want[0]), oauth.ErrConflict)
		wants(t, "the same hash", b.CreateInitialToken(ctx, oauth.InitialToken{ID: "3", Hash: []byte{1}}), oauth.ErrConflict)
		spend := func(hash byte) error { return b.SpendInitialToken(ctx, []byte{hash}, b.time()) }
		ok(t, spend(1))
		want[0].UsesLeft = 1
		if diff := cmp.Diff(want, must(b.InitialTokens(ctx))(t)); diff != "" {
			t.Error(diff)
		}
		wants(t, "an unknown one", spend(9), oauth.ErrNotFound)
		b.advance(time.Hour)
		wants(t, "an expired one", spend(1), oauth.ErrNotFound)
		ok(t, spend(2))
		wants(t, "a used up one", spend(2), oauth.ErrNotFound)
		ok(t, b.DeleteInitialToken(ctx, "2"))
		wants(t, "deleting again", b.DeleteInitialToken(ctx, "2"), oauth.ErrNotFound)
	})
}

func TestSpendInitialTokenRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		ok(t, b.CreateInitialToken(t.Context(), oauth.InitialToken{ID: "1", Hash: []byte{1}, UsesLeft: 1}))
		onlyOne(t, race(t, func(int) error { return b.SpendInitialToken(t.Context(), []byte{1}, b.time()) }), oauth.ErrNotFound)
	})
}
