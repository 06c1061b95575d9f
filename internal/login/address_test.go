package login_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// between is a store in which something happens once, just after somebody has
// looked whose an address is.
type between struct {
	login.Store

	then func()
}

func (b *between) UserByEmail(ctx context.Context, key string) (login.User, error) {
	u, err := b.Store.UserByEmail(ctx, key)
	if then := b.then; then != nil {
		b.then = nil
		then()
	}
	return u, err
}

// rival lets somebody prove v@example.com in between.
func (b *bed) rival() {
	b.t.Helper()
	b.Store = &between{b.store, func() {
		rival := login.User{Subject: "rival", Username: "rival", UsernameKey: "rival", Email: "V@example.com", EmailVerified: true, Password: "x"}
		ok(b.t, b.store.CreateUser(context.Background(), rival))
	}}
}

// TestAddressProvenBetween: an address that somebody else proves between the look
// and the write stays theirs; each way of proving it says so, and writes nothing.
func TestAddressProvenBetween(t *testing.T) {
	const email = "v@example.com"
	people := func(b *bed) int {
		all, err := b.store.ListUsers(b.t.Context(), "", 100, "")
		ok(b.t, err)
		return len(all)
	}
	conflict := func(t *testing.T, err error) {
		t.Helper()
		var invalid *login.Invalid
		if !errors.As(err, &invalid) || invalid.Field != "email" || !errors.Is(err, oauth.ErrConflict) {
			t.Errorf("%v", err)
		}
	}
	t.Run("sign-up", func(t *testing.T) {
		b := newBed(t, func(s *login.Service) { s.Policy.Verify = true })
		up, err := b.SignUp(t.Context(), login.NewUser{Username: "victor", Email: email, Password: password}, login.Asked{Browser: browser, Locale: "en"}, from)
		ok(t, err)
		code := b.letter("v@").Code
		b.rival()
		_, err = b.ConfirmSignUp(t.Context(), up.Await, code, "", browser)
		wants(t, "sign-up", err, login.ErrStale)
		if n := people(b); n != 1 {
			t.Errorf("%d accounts", n)
		}
	})
	t.Run("invitation", func(t *testing.T) {
		b := newBed(t)
		_, _, err := b.Invite(t.Context(), email, "", nil)
		ok(t, err)
		invited := token(b.letter("v@"))
		b.rival()
		up, err := b.SignUp(t.Context(), login.NewUser{Username: "victor", Email: email, Password: password}, login.Asked{Invitation: invited, Browser: browser}, from)
		ok(t, err)
		if u := b.user(login.User{Subject: up.Evidence.Subject()}); u.EmailVerified || u.Email != email {
			t.Errorf("%+v", u)
		}
		if l := b.letter("v@"); !strings.Contains(l.Text, "has an account already") {
			t.Errorf("%s", l.Text)
		}
	})
	t.Run("change", func(t *testing.T) {
		b := newBed(t)
		u := b.person("ada")
		await, err := b.ProveAddress(t.Context(), u, email, browser, "en", from)
		ok(t, err)
		p, err := b.VerifyByCode(t.Context(), await, b.letter("v@").Code, browser)
		ok(t, err)
		before := b.letters("ada@")
		b.rival()
		conflict(t, b.Verify(t.Context(), p, from))
		if u := b.user(u); u.Email != "ada@example.com" || !u.EmailVerified || b.letters("ada@") != before {
			t.Errorf("%+v", u)
		}
	})
	t.Run("operator", func(t *testing.T) {
		b := newBed(t)
		b.rival()
		_, err := b.Create(t.Context(), login.NewUser{Username: "victor", Email: email, Claims: map[string]any{"email_verified": true}}, "")
		conflict(t, err)
		if n := people(b); n != 1 {
			t.Errorf("%d accounts", n)
		}
	})
	t.Run("upstream", func(t *testing.T) {
		b := newBed(t)
		b.rival()
		_, err := b.ByIdentity(t.Context(), login.Arrival{Create: true, Identity: upstream.Identity{Connector: "corp", Issuer: "https://corp", Subject: "1", Email: email, EmailVerified: true, Username: "victor"}})
		var unlinked *login.Unlinked
		if !errors.As(err, &unlinked) || !unlinked.Existing {
			t.Errorf("%v", err)
		}
		if n := people(b); n != 1 {
			t.Errorf("%d accounts", n)
		}
	})
	t.Run("upstream, in two tabs", func(t *testing.T) {
		b := newBed(t)
		a := login.Arrival{Create: true, Identity: upstream.Identity{Connector: "corp", Issuer: "https://corp", Subject: "1", Email: email, EmailVerified: true, Username: "victor"}}
		b.Store = &between{b.store, func() {
			_, err := b.ByIdentity(t.Context(), a)
			ok(t, err)
		}}
		_, err := b.ByIdentity(t.Context(), a)
		ok(t, err)
		if n := people(b); n != 1 {
			t.Errorf("%d accounts", n)
		}
	})
}

// movedTo makes another address a person's, and returns what is in the link "This
// wasn't me" that the old one got.
func (b *bed) movedTo(u login.User, email string) string {
	b.t.Helper()
	ctx := b.t.Context()
	await, err := b.ProveAddress(ctx, b.user(u), email, browser, "en", from)
	ok(b.t, err)
	p, err := b.VerifyByCode(ctx, await, b.letter(email).Code, browser)
	ok(b.t, err)
	ok(b.t, b.Verify(ctx, p, from))
	return token(b.letter(u.Email))
}

// TestLockOfProvenAddress: an account is locked although its old address is
// another account's by now. The address that was written in it goes, the old one
// comes back unproven.
func TestLockOfProvenAddress(t *testing.T) {
	b := newBed(t)
	u := b.person("ada")
	lock := b.movedTo(u, "mallory@example.com")
	ok(t, b.store.CreateUser(t.Context(), login.User{Subject: "other", Username: "other", UsernameKey: "other", Email: u.Email, EmailVerified: true}))
	ok(t, b.Lock(t.Context(), lock, from))
	if u := b.user(u); !u.Locked || u.Email != "ada@example.com" || u.EmailVerified {
		t.Errorf("%+v", u)
	}
}

// TestLockTellsBoth: the address that "This wasn't me" takes off an account hears
// of it, and not whose account it was.
func TestLockTellsBoth(t *testing.T) {
	b := newBed(t)
	u := b.person("ada")
	lock := b.movedTo(u, "mallory@example.net")
	ok(t, b.Lock(t.Context(), lock, from))
	l := b.letter("mallory@")
	if !strings.Contains(l.Subject, "taken off an account") || !strings.Contains(l.Text, "no longer come here") {
		t.Errorf("%s\n%s", l.Subject, l.Text)
	}
	for _, hers := range []string{"Ada", "ada", from.Address, "Firefox"} {
		if strings.Contains(l.Text+l.Subject, hers) {
			t.Errorf("it says %q:\n%s", hers, l.Text)
		}
	}
	if l.Link != "" {
		t.Errorf("it has the link %s", l.Link)
	}
	if l := b.letter("ada@"); !strings.Contains(l.Subject, "is locked") {
		t.Errorf("the owner got %q", l.Subject)
	}
	// A lock that changes no address tells nobody else.
	two := b.person("bob")
	await, err := b.ProveAddress(t.Context(), two, "bob@new.example", browser, "en", from)
	ok(t, err)
	p, err := b.VerifyByCode(t.Context(), await, b.letter("bob@new").Code, browser)
	ok(t, err)
	ok(t, b.Verify(t.Context(), p, from))
	_, err = b.Store.Apply(t.Context(), login.Change{Subject: two.Subject, At: b.now(), Email: &two.Email, Verified: true})
	ok(t, err)
	had := b.letters("bob@new")
	ok(t, b.Lock(t.Context(), token(b.letter("bob@example")), from))
	if n := b.letters("bob@new"); n != had {
		t.Errorf("%d letters more to an address that the account had left", n-had)
	}
}
