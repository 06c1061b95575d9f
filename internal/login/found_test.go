package login_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// TestExpiredPasswordPage: only the gate sends somebody to choose a new password,
// and only after every factor.
func TestExpiredPasswordPage(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	in := b.signIn("ada", "")
	_, err := b.SecondHalf(ctx, in.Record, login.NextPassword)
	wants(t, "by a session", err, login.ErrStale)
	h, err := b.SecondHalf(ctx, in.Record, login.NextFactor)
	ok(t, err)
	h.Next = login.NextPassword
	_, err = b.SetExpired(ctx, h, "the thief's own password", from)
	wants(t, "by a session, made up", err, login.ErrStale)

	key, _ := b.enrol(in)
	yes := true
	_, err = b.Store.Apply(ctx, login.Change{Subject: u.Subject, At: b.now(), MustChange: &yes})
	ok(t, err)
	v, h := b.half("ada", login.Want{})
	if v.Next != login.NextFactor {
		t.Fatalf("an old password leads to %q", v.Next)
	}
	_, err = b.SetExpired(ctx, h, "the thief's own password", from)
	wants(t, "before the second factor", err, login.ErrStale)
	p, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: b.code(key), From: from})
	ok(t, err)
	if _, err := b.SignIn(ctx, p, nil, "", from); err == nil || p.Next() != login.NextPassword {
		t.Errorf("a session with a password that must be changed: %v", err)
	}
	v, err = b.Continue(ctx, p, browser)
	ok(t, err)
	h, err = b.OpenHalf(ctx, v.Half, browser)
	ok(t, err)
	e, err := b.SetExpired(ctx, h, "a new password of her own", from)
	ok(t, err)
	v, err = b.Authenticate(ctx, e, login.Want{Bind: browser})
	ok(t, err)
	done, err := b.SignIn(ctx, v.Proof, nil, "", from)
	ok(t, err)
	if done.Record.ACR != "2" || !slices.Equal(done.Record.AMR, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("%s %q", done.Record.ACR, done.Record.AMR)
	}
}

// TestListsWaiveNothing: an app's list of authenticators neither hides the second
// factor of somebody who has one, nor lets them set up another by the first alone.
func TestListsWaiveNothing(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	b.person("ada")
	key, _ := b.enrol(b.signIn("ada", ""))
	for _, acr := range []string{"", "2"} {
		v, h := b.half("ada", login.Want{Ways: []string{"password"}, ACR: acr})
		if v.Next != login.NextFactor {
			t.Fatalf("acr %q: the gate wants %q", acr, v.Next)
		}
		h.Next = login.NextEnrol
		totp, err := b.NewTOTP(h.User)
		ok(t, err)
		_, _, err = b.EnrolTOTP(ctx, h, totp.Sealed, b.code(totp.Key), "", from)
		wants(t, "another app by the password alone", err, login.ErrStale)
	}
	_, h := b.half("ada", login.Want{Ways: []string{"password"}})
	_, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: b.code(key), Ways: []string{"password"}, From: from})
	ok(t, err)
}

// TestSignUpsOfTwo: a sign-up is finished by the browser that began it: nobody
// confirms somebody else's password.
func TestSignUpsOfTwo(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.Policy.Verify = true })
	ctx := t.Context()
	mine, err := b.SignUp(ctx, login.NewUser{Username: "victor", Email: "v@example.com", Password: password}, login.Asked{Browser: browser, Locale: "en"}, from)
	ok(t, err)
	own := b.letter("v@")
	_, err = b.SignUp(ctx, login.NewUser{Username: "mallory", Email: "v@example.com", Password: "mallory's password"}, login.Asked{Browser: "mallory's browser", Locale: "en"}, from)
	ok(t, err)
	theirs := b.letter("v@")
	_, err = b.ConfirmSignUp(ctx, mine.Await, theirs.Code, "", browser)
	wants(t, "another's code", err, login.ErrWrong)
	_, err = b.ConfirmSignUp(ctx, "", "", token(theirs), browser)
	wants(t, "another's link", err, login.ErrStale)
	e, err := b.ConfirmSignUp(ctx, mine.Await, own.Code, "", browser)
	ok(t, err)
	if u := b.user(login.User{Subject: e.Subject()}); u.Username != "victor" {
		t.Errorf("the account is %s's", u.Username)
	}
}

// TestStrangersUseUpNothing: neither an owner's letters nor the tries at them, nor
// anybody's way to another provider.
func TestStrangersUseUpNothing(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	b.person("ada")
	known := b.signIn("ada", "")
	for range 30 {
		if _, err := b.MailCode(ctx, "ada", "", "/", "a stranger's", "en", login.Visitor{Address: "203.0.113.9"}); err != nil && !errors.Is(err, login.ErrSlowDown) {
			t.Fatal(err)
		}
	}
	theirs, err := b.MailCode(ctx, "ada", "", "/", browser, "en", login.Visitor{Address: "192.0.2.7", Browser: known.Browser})
	ok(t, err)
	l := b.letter("ada@")
	for range 10 {
		_, err := b.ByMailCode(ctx, theirs, "00000000", "a stranger's")
		wants(t, "a stranger's try", err, login.ErrStale)
	}
	_, err = b.ByMailCode(ctx, theirs, l.Code, browser)
	ok(t, err)
	for range 100 {
		_ = b.Throttle.Park("203.0.113.9")
	}
	ok(t, b.Throttle.Park("192.0.2.1"))
}

// TestAddressesAreTheirProvers: who has proven an address is meant by it; who only
// wrote it stands in nobody's way.
func TestAddressesAreTheirProvers(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	_, err := b.Create(ctx, login.NewUser{Username: "ada@example.com", Password: "a squatter's password"}, "")
	ok(t, err)
	e, err := b.ByPassword(ctx, login.Attempt{Username: "ada@example.com", Password: password, Address: from.Address})
	ok(t, err)
	if e.Subject() != u.Subject {
		t.Error("a name stands before a proven address")
	}
	_, err = b.Create(ctx, login.NewUser{Username: "early", Email: "boss@corp.example", Password: password}, "")
	ok(t, err)
	boss, err := b.ByIdentity(ctx, login.Arrival{Create: true, Identity: upstream.Identity{Connector: "corp", Issuer: "https://corp", Subject: "1", Email: "boss@corp.example", EmailVerified: true}})
	ok(t, err)
	if got := b.user(login.User{Subject: boss.Subject()}); !got.EmailVerified {
		t.Error("the boss's address isn't proven")
	}
	_, err = b.Create(ctx, login.NewUser{Username: "second", Email: "ada@example.com", Password: password, Claims: map[string]any{"email_verified": true}}, "")
	if !errors.Is(err, oauth.ErrConflict) {
		t.Errorf("two accounts with one proven address: %v", err)
	}
	yes := true
	_, err = b.Store.Apply(ctx, login.Change{Subject: u.Subject, At: b.now(), Locked: &yes})
	ok(t, err)
	_, _, err = b.Lookup(ctx, "username", "ada")
	wants(t, "a locked account", err, oauth.ErrEnded)
}
