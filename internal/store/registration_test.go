package store

import (
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
		want.TokenHash, want.UpdatedAt = []byte{3}, b.time()
		ok(t, b.ReplaceClient(ctx, want, false))
		b.expectClient(t, "replaced", want)
		want.Epoch = 2
		ok(t, b.ReplaceClient(ctx, want, true))
		b.expectClient(t, "replaced to its end", want)
		ok(t, b.UpdateClient(ctx, &oauth.Client{ID: "app", Metadata: want.Metadata}, false))
		b.expectClient(t, "updated", want)
		wants(t, "one that isn't there", b.ReplaceClient(ctx, newClient("none"), true), oauth.ErrNotFound)
		ok(t, b.DeleteClient(ctx, "app"))
		wants(t, "a deleted id", b.RegisterClient(ctx, want, 9), oauth.ErrConflict)
	})
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
		must(b.KeepDocument(ctx, newDocument("https://app.example/client"), false))(t)
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
		wants(t, "its id", b.CreateClient(ctx, newClient("unused")), oauth.ErrConflict)
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
			return b.KeepDocument(ctx, c, changed)
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
		_, err = b.KeepDocument(ctx, newDocument("https://operator.example/"), false)
		wants(t, "one that the operator made", err, oauth.ErrConflict)
	})
}

func TestKeepDocumentRacers(t *testing.T) {
	databases(t, func(t *testing.T, b *bed) {
		answers := race(t, func(i int) error {
			c := newDocument("https://app.example/client")
			c.Name = fmt.Sprint("Name ", i%2)
			got, err := b.KeepDocument(t.Context(), c, i%4 == 0)
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
