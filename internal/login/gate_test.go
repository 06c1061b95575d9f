package login_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/internal/upstream"
	"github.com/valetkey/valetkey/oauth"
)

// code is what an authenticator app shows.
func (b *bed) code(key string) string {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	ok(b.t, err)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(b.now().Unix()/30))
	mac := hmac.New(sha1.New, raw)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// enrol gives an account an authenticator app.
func (b *bed) enrol(in login.SignedIn) (key string, codes []string) {
	b.t.Helper()
	a := b.actor(in.Record)
	t, err := b.NewTOTP(a.User())
	ok(b.t, err)
	codes, err = b.AddTOTP(context.Background(), a, t.Sealed, b.code(t.Key), "My phone")
	ok(b.t, err)
	b.advance(30 * time.Second)
	return t.Key, codes
}

func (b *bed) half(name string, want login.Want) (login.Verdict, login.HalfDone) {
	b.t.Helper()
	want.Bind = browser
	v, err := b.Authenticate(context.Background(), b.evidence(name), want)
	ok(b.t, err)
	if v.Half == "" {
		b.t.Fatalf("the gate lets %s in by %v", name, v.Next)
	}
	h, err := b.OpenHalf(context.Background(), v.Half, browser)
	ok(b.t, err)
	return v, h
}

// TestSecondFactor: the gate asks for what the person set up, a code works once
// on whichever half it is tried, and amr and acr tell the truth (case 245).
func TestSecondFactor(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	first := b.signIn("ada", "")
	if first.Record.ACR != "1" || !slices.Equal(first.Record.AMR, []string{"pwd"}) {
		t.Errorf("by password: %s %q", first.Record.ACR, first.Record.AMR)
	}
	key, codes := b.enrol(first)
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	v, h := b.half("ada", login.Want{})
	if v.Next != login.NextFactor {
		t.Fatalf("the gate wants %q", v.Next)
	}
	_, err := b.OpenHalf(ctx, v.Half, "another browser")
	wants(t, "a half in another browser", err, login.ErrStale)
	_, err = b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: "000000", From: from})
	wants(t, "a wrong code", err, login.ErrWrong)
	code := b.code(key)
	p, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: " " + code[:3] + " " + code[3:], From: from})
	ok(t, err)
	again, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: code, From: from})
	ok(t, err) // it is used up by the session that it makes
	in, err := b.SignIn(ctx, p, nil, "", from)
	ok(t, err)
	if in.Record.ACR != "2" || !slices.Equal(in.Record.AMR, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("with a code: %s %q", in.Record.ACR, in.Record.AMR)
	}
	_, err = b.SignIn(ctx, again, nil, "", from)
	wants(t, "the same code again", err, login.ErrWrong)
	_, err = b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: code, From: from})
	wants(t, "the same code once more", err, login.ErrWrong)

	p, err = b.Second(ctx, h, login.Try{Kind: login.WayRecovery, Code: strings.ToUpper(codes[3]), From: from})
	ok(t, err)
	_, err = b.SignIn(ctx, p, nil, "", from)
	ok(t, err)
	if left, _ := b.RecoveryLeft(ctx, u.Subject); left != 9 {
		t.Errorf("%d codes are left", left)
	}
	_, err = b.Second(ctx, h, login.Try{Kind: login.WayRecovery, Code: codes[3], From: from})
	wants(t, "a used recovery code", err, login.ErrWrong)
	if l := b.letter("ada@"); !strings.Contains(l.Text, "recovery code was used") || !strings.Contains(l.Text, "9") {
		t.Errorf("the owner hears: %s", l.Text)
	}
	b.advance(time.Hour)
	_, err = b.OpenHalf(ctx, v.Half, browser)
	wants(t, "a half after an hour", err, login.ErrStale)
}

// TestNoWayAround: whichever way somebody comes, the second factor is asked, and
// whoever may not come in doesn't: mistake 10, cases 022, 105, 270.
func TestNoWayAround(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	b.enrol(b.signIn("ada", ""))
	arrival := login.Arrival{Identity: upstream.Identity{Connector: "google", Issuer: "https://g.example", Subject: "1", Email: "a@b.example"}, Create: true}
	made, err := b.ByIdentity(ctx, arrival)
	ok(t, err)
	other := b.user(login.User{Subject: made.Subject()})
	byMail := func() login.Evidence {
		sealed, err := b.MailCode(ctx, "ada", "", "/account", browser, "en", from)
		ok(t, err)
		e, err := b.ByMailCode(ctx, sealed, b.letter("ada@").Code, browser)
		ok(t, err)
		return e
	}
	for name, e := range map[string]login.Evidence{"password": b.evidence("ada"), "mail": byMail()} {
		v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
		ok(t, err)
		if v.Next != login.NextFactor {
			t.Errorf("by %s the gate wants %q", name, v.Next)
		}
		if _, err := b.SignIn(ctx, v.Proof, nil, "", from); err == nil {
			t.Errorf("by %s a session without a second factor", name)
		}
	}
	v, err := b.Authenticate(ctx, made, login.Want{Bind: browser, ACR: "2"})
	ok(t, err)
	if v.Next != login.NextEnrol {
		t.Errorf("with nothing set up the gate wants %q", v.Next)
	}
	for what, change := range map[string]func(){
		"disabled": func() { ok(t, b.Store.DisableUser(ctx, u.Subject, b.now())) },
		"locked": func() {
			ok(t, b.Store.EnableUser(ctx, u.Subject, b.now()))
			yes := true
			_, err := b.Store.Apply(ctx, login.Change{Subject: u.Subject, At: b.now(), Locked: &yes})
			ok(t, err)
		},
	} {
		change()
		_, err := b.ByPassword(ctx, login.Attempt{Username: "ada", Password: password, Address: from.Address})
		wants(t, what, err, login.ErrWrong)
	}
	ok(t, b.Store.DisableUser(ctx, other.Subject, b.now()))
	e, err := b.ByIdentity(ctx, arrival)
	ok(t, err)
	_, err = b.Authenticate(ctx, e, login.Want{Bind: browser})
	wants(t, "disabled, by another provider", err, login.ErrWrong)
	_, err = b.SignIn(ctx, login.Proof{}, nil, "", from)
	if err == nil {
		t.Error("a session of no proof")
	}
	_, err = b.Authenticate(ctx, login.Evidence{}, login.Want{})
	if err == nil {
		t.Error("the gate takes no evidence for some")
	}
}

// TestPolicies: per client and per group.
func TestPolicies(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.Policy.Groups = map[string]login.GroupPolicy{"staff": {Factors: 2}} })
	ctx := t.Context()
	u := b.person("ada")
	in := b.signIn("ada", "")
	ok(t, b.Store.SetMemberships(ctx, u.Subject, "", []string{"staff"}))
	rec, err := b.Session(ctx, in.Cookie)
	ok(t, err)
	if rec.Demand != "2" {
		t.Errorf("a session made before the policy: %q", rec.Demand)
	}
	v, _ := b.half("ada", login.Want{})
	if v.Next != login.NextEnrol {
		t.Fatalf("the gate wants %q", v.Next)
	}
	h, err := b.OpenHalf(ctx, v.Half, browser)
	ok(t, err)
	totp, err := b.NewTOTP(h.User)
	ok(t, err)
	_, _, err = b.EnrolTOTP(ctx, h, totp.Sealed, "000000", "", from)
	var invalid *login.Invalid
	if !errors.As(err, &invalid) {
		t.Errorf("a wrong first code: %v", err)
	}
	p, codes, err := b.EnrolTOTP(ctx, h, totp.Sealed, b.code(totp.Key), "", from)
	ok(t, err)
	done, err := b.SignIn(ctx, p, nil, "", from)
	ok(t, err)
	if done.Record.ACR != "2" || len(codes) != 10 {
		t.Errorf("after enrolment: %s, %d codes", done.Record.ACR, len(codes))
	}
	_, err = b.Session(ctx, in.Cookie)
	wants(t, "a session from before", err, oauth.ErrNotFound) // case 210
	_, _, err = b.EnrolTOTP(ctx, h, totp.Sealed, b.code(totp.Key), "", from)
	wants(t, "the same half again", err, login.ErrStale)
	_, err = b.Authenticate(ctx, b.evidence("ada"), login.Want{Bind: browser, Ways: []string{"passkey"}})
	wants(t, "a way that the app doesn't let be used", err, login.ErrWrong)
}

// TestTrustedBrowser: 30 days without a second factor where the person wants it,
// until a password changes; never where it is demanded.
func TestTrustedBrowser(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	b.person("ada")
	key, _ := b.enrol(b.signIn("ada", ""))
	_, h := b.half("ada", login.Want{})
	p, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: b.code(key), Trust: true, From: from})
	ok(t, err)
	in, err := b.SignIn(ctx, p, nil, "", from)
	ok(t, err)
	if got := b.signIn("ada", in.Browser); got.Record.ACR != "1" {
		t.Errorf("a trusted browser is no factor, and acr says %s", got.Record.ACR)
	}
	b.half("ada", login.Want{Browser: "another"})
	b.half("ada", login.Want{Browser: in.Browser, ACR: "2"})
	b.half("ada", login.Want{Browser: in.Browser, Again: true})
	b.advance(31 * 24 * time.Hour)
	b.half("ada", login.Want{Browser: in.Browser})
}

// TestFresh: case 248.
func TestFresh(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	b.person("ada")
	in := b.signIn("ada", "")
	b.actor(in.Record)
	key, _ := b.enrol(in)
	_, err := b.Fresh(ctx, in.Record, from)
	wants(t, "one factor where the person has two", err, login.ErrStale)
	_, h := b.half("ada", login.Want{})
	p, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: b.code(key), From: from})
	ok(t, err)
	in, err = b.SignIn(ctx, p, nil, "", from)
	ok(t, err)
	b.actor(in.Record)
	b.advance(6 * time.Minute)
	_, err = b.Fresh(ctx, in.Record, from)
	wants(t, "after six minutes", err, login.ErrStale)

	b.person("bob")
	sealed, err := b.MailCode(ctx, "bob", "", "/", browser, "en", from)
	ok(t, err)
	e, err := b.ByMailCode(ctx, sealed, b.letter("bob@").Code, browser)
	ok(t, err)
	v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
	ok(t, err)
	in, err = b.SignIn(ctx, v.Proof, nil, "", from)
	ok(t, err)
	_, err = b.Fresh(ctx, in.Record, from)
	wants(t, "by a letter, with a password at hand", err, login.ErrStale)
}

// TestGuessedFactor: tries are few and far between, whoever makes them, and the
// owner hears of it.
func TestGuessedFactor(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	key, _ := b.enrol(b.signIn("ada", ""))
	_, h := b.half("ada", login.Want{})
	tried, refused := 0, 0
	for range 40 {
		_, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: "12345x", From: from})
		switch {
		case errors.Is(err, login.ErrWrong):
			tried++
		case errors.Is(err, login.ErrSlowDown):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if tried > 6 {
		t.Errorf("%d guesses were judged", tried)
	}
	_, err := b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: b.code(key), From: from})
	wants(t, "the right code while slowed", err, login.ErrSlowDown)
	b.advance(2 * time.Minute)
	_, err = b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: b.code(key), From: from})
	ok(t, err)
	for range 60 {
		_, _ = b.Second(ctx, h, login.Try{Kind: login.WayTOTP, Code: "12345x", From: from})
		b.advance(10 * time.Second)
	}
	happened, err := b.Store.Activities(ctx, u.Subject, 100)
	ok(t, err)
	if !slices.ContainsFunc(happened, func(a login.Activity) bool { return a.Kind == login.DidGuess }) {
		t.Error("nobody tells the owner of guesses at the second factor")
	}
}

// TestNewBrowserTold: the owner hears of a sign-in from a browser that the
// account doesn't know, and of no other.
func TestNewBrowserTold(t *testing.T) {
	b := newBed(t)
	b.person("ada")
	first := b.signIn("ada", "")
	if n := b.letters("ada@"); n != 0 {
		t.Errorf("%d letters about a new account's first browser", n)
	}
	b.advance(time.Hour)
	b.signIn("ada", first.Browser)
	if n := b.letters("ada@"); n != 0 {
		t.Errorf("%d letters about a known browser", n)
	}
	second := b.signIn("ada", "planted")
	if second.Browser == "planted" {
		t.Error("the browser chose its own name")
	}
	l := b.letter("ada@")
	if !strings.Contains(l.Text, "192.0.2.1") || !strings.Contains(l.Link, issuer+"/lock?t=") {
		t.Errorf("%s", l.Text)
	}
}

// TestLock: "This wasn't me" ends everything and lets nobody in before the owner
// is back; an address that was changed meanwhile is put back.
func TestLock(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	in := b.signIn("ada", "")
	_, err := b.ProveAddress(ctx, b.user(u), "thief@evil.example", browser, "en", from)
	ok(t, err)
	proven, err := b.OpenVerify(ctx, token(b.letter("thief@")))
	ok(t, err)
	ok(t, b.Verify(ctx, proven, from))
	l := b.letter("ada@")
	if !strings.Contains(l.Subject, "email address") {
		t.Fatalf("the old address hears: %s", l.Subject)
	}
	lock := token(l)
	_, err = b.OpenLock(ctx, lock)
	ok(t, err) // case 257: looking changes nothing
	_, err = b.Session(ctx, in.Cookie)
	ok(t, err)
	ok(t, b.Lock(ctx, lock, from))
	wants(t, "twice", b.Lock(ctx, lock, from), login.ErrStale)
	_, err = b.Session(ctx, in.Cookie)
	wants(t, "the session", err, oauth.ErrNotFound)
	_, err = b.ByPassword(ctx, login.Attempt{Username: "ada", Password: password, Address: from.Address})
	wants(t, "the password", err, login.ErrWrong)
	if now := b.user(u); now.Email != "ada@example.com" || !now.EmailVerified {
		t.Errorf("the address is %s", now.Email)
	}
	ok(t, b.Forgot(ctx, "ada", "en", from))
	reset, err := b.OpenReset(ctx, login.LinkReset, token(b.letter("ada@")))
	ok(t, err)
	ok(t, b.SetByReset(ctx, reset, "another password of hers", from))
	_, err = b.ByPassword(ctx, login.Attempt{Username: "ada", Password: "another password of hers", Address: from.Address})
	ok(t, err)
}

// TestLinksDie: group W.
func TestLinksDie(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.Throttle.Off = true })
	ctx := t.Context()
	u := b.person("ada")
	forgot := func() string {
		ok(t, b.Forgot(ctx, "ada", "en", from))
		return token(b.letter("ada@"))
	}
	open := func(token string) error {
		_, err := b.OpenReset(ctx, login.LinkReset, token)
		return err
	}
	one := forgot()
	_, err := b.OpenReset(ctx, login.LinkOperator, one)
	wants(t, "another kind of link", err, login.ErrStale) // 256
	_, err = b.OpenVerify(ctx, one)
	wants(t, "a reset to verify with", err, login.ErrStale) // 256
	ok(t, open(one))                                        // 257
	ok(t, open(one))
	two := forgot()
	wants(t, "an older link", open(one), login.ErrStale) // 253
	reset, err := b.OpenReset(ctx, login.LinkReset, two)
	ok(t, err)
	ok(t, b.SetByReset(ctx, reset, "first new password", from))
	wants(t, "twice", b.SetByReset(ctx, reset, "second new password", from), login.ErrStale)
	wants(t, "a used link", open(two), login.ErrStale)
	three := forgot()
	ok(t, b.SetPassword(ctx, u.Subject, "an operator's choice"))
	wants(t, "after the password was changed", open(three), login.ErrStale)
	four := forgot()
	b.advance(31 * time.Minute)
	wants(t, "after half an hour", open(four), login.ErrStale)
	five := forgot()
	ok(t, b.Store.DisableUser(ctx, u.Subject, b.now()))
	wants(t, "of a disabled account", open(five), login.ErrStale)
	before := b.letters("@")
	ok(t, b.Forgot(ctx, "nobody at all", "en", from))
	ok(t, b.Forgot(ctx, "ada", "en", from))
	if after := b.letters("@"); after != before {
		t.Errorf("%d letters went to nobody, or to a disabled account", after-before)
	}
}

// TestForgotForms: case 258, a letter goes to the stored address, whatever was
// typed.
func TestForgotForms(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.Throttle.Off = true })
	ctx := t.Context()
	b.person("victim")
	for _, typed := range []string{"victim@example.com", "VICTIM@example.com", "vıctim@example.com", "victim@example.com@evil.example", "victim@evil.example"} {
		ok(t, b.Forgot(ctx, typed, "en", from))
	}
	ok(t, b.Post.Deliver(ctx))
	for _, l := range b.box.List() {
		if !strings.Contains(l.To, "victim@example.com") {
			t.Errorf("a letter went to %s", l.To)
		}
	}
}

// TestMailsCapped: nobody's mailbox can be filled by strangers.
func TestMailsCapped(t *testing.T) {
	b := newBed(t)
	b.person("ada")
	for i := range 50 {
		err := b.Forgot(t.Context(), "ada", "en", login.Visitor{Address: fmt.Sprintf("192.0.2.%d", i)})
		if err != nil && !errors.Is(err, login.ErrSlowDown) {
			t.Fatal(err)
		}
	}
	if n := b.letters("ada@"); n > 6 {
		t.Errorf("%d letters in a row", n)
	}
}

// TestMailCode: five tries, the newest code only, in the browser that asked; the
// link signs in only there: group W.
func TestMailCode(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	b.person("ada")
	ask := func() (string, mail.Received) {
		sealed, err := b.MailCode(ctx, "ada", "Saleswave", "/login?i=x", browser, "en", from)
		ok(t, err)
		return sealed, b.letter("ada@")
	}
	sealed, l := ask()
	_, err := b.ByMailCode(ctx, sealed, l.Code, "another browser")
	wants(t, "in another browser", err, login.ErrStale)
	for range 5 {
		_, err := b.ByMailCode(ctx, sealed, "000000", browser)
		wants(t, "a wrong code", err, login.ErrWrong)
	}
	_, err = b.ByMailCode(ctx, sealed, l.Code, browser)
	wants(t, "the right code after five wrong ones", err, login.ErrWrong)
	sealed, l = ask()
	there, err := b.OpenMailLink(ctx, token(l), "another browser")
	ok(t, err)
	_, err = b.ByMailLink(ctx, there)
	wants(t, "the link elsewhere", err, login.ErrStale)
	here, err := b.OpenMailLink(ctx, token(l), browser)
	ok(t, err)
	if !here.Here || here.To != "/login?i=x" {
		t.Errorf("%+v", here)
	}
	byLink, err := b.ByMailLink(ctx, here)
	ok(t, err)
	byCode, err := b.ByMailCode(ctx, sealed, l.Code, browser)
	ok(t, err)
	signed := 0
	for _, e := range []login.Evidence{byLink, byCode} {
		v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
		ok(t, err)
		if in, err := b.SignIn(ctx, v.Proof, nil, "", from); err == nil {
			signed++
			if !slices.Equal(in.Record.AMR, []string{"otp"}) || in.Record.ACR != "1" {
				t.Errorf("%q %s", in.Record.AMR, in.Record.ACR)
			}
		}
	}
	if signed != 1 {
		t.Errorf("one letter signed in %d times", signed)
	}
	nobody, err := b.MailCode(ctx, "nobody", "", "/", browser, "en", from)
	ok(t, err)
	_, err = b.ByMailCode(ctx, nobody, "123456", browser)
	wants(t, "a code for nobody", err, login.ErrWrong)
}

// TestVerify: cases 253, 261. An address is the account's when it was proven, and
// not before; its owner elsewhere is told, and the old one too.
func TestVerify(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u, other := b.person("ada"), b.person("bob")
	sealed, err := b.ProveAddress(ctx, b.user(u), "new@example.com", browser, "en", from)
	ok(t, err)
	if b.user(u).Email != "ada@example.com" {
		t.Error("an address was taken before it was proven")
	}
	p, err := b.VerifyByCode(ctx, sealed, b.letter("new@").Code, browser)
	ok(t, err)
	ok(t, b.Verify(ctx, p, from))
	wants(t, "twice", b.Verify(ctx, p, from), login.ErrStale)
	if now := b.user(u); now.Email != "new@example.com" || !now.EmailVerified {
		t.Errorf("%+v", now)
	}
	_, err = b.ProveAddress(ctx, b.user(u), other.Email, browser, "en", from)
	ok(t, err)
	l := b.letter("bob@")
	if !strings.Contains(l.Subject, "already have an account") || l.Code != "" {
		t.Errorf("the owner of the address hears: %s", l.Subject)
	}
}

// TestSignUp: by anybody, by domain, by invitation: cases 276, 305.
func TestSignUp(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.Policy.Domains = []string{"corp.example"} })
	ctx := t.Context()
	n := login.NewUser{Username: "eve", Email: "eve@evil.example", Password: password}
	_, err := b.SignUp(ctx, n, login.Asked{Browser: browser, Locale: "en"}, from)
	var invalid *login.Invalid
	if !errors.As(err, &invalid) || invalid.Field != "email" {
		t.Errorf("of another domain: %v", err)
	}
	n.Email = "eve@corp.example"
	made, err := b.SignUp(ctx, n, login.Asked{Browser: browser, Locale: "en"}, from)
	ok(t, err)
	if _, err := b.Find(ctx, "eve"); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("an account before its address is proven: %v", err)
	}
	l := b.letter("eve@corp")
	if at, err := b.OpenSignUp(ctx, token(l), "another browser"); err != nil || at.Here {
		t.Errorf("the link elsewhere: %v %v", at.Here, err)
	}
	e, err := b.ConfirmSignUp(ctx, made.Await, l.Code, "", browser)
	ok(t, err)
	if u := b.user(login.User{Subject: e.Subject()}); !u.EmailVerified || u.Username != "eve" {
		t.Errorf("%+v", u)
	}
	_, err = b.ConfirmSignUp(ctx, "", "", token(l), browser)
	wants(t, "twice", err, login.ErrStale)
	n.Username = "eve2"
	_, err = b.SignUp(ctx, n, login.Asked{Browser: browser, Locale: "en"}, from)
	ok(t, err) // it says the same
	if l := b.letter("eve@corp"); !strings.Contains(l.Subject, "already have an account") {
		t.Errorf("the owner hears: %s", l.Subject)
	}

	link, _, err := b.Invite(ctx, "guest@else.example", "Grace", []string{"guests"})
	ok(t, err)
	_, invitation, _ := strings.Cut(link, "?t=")
	guest := login.NewUser{Username: "guest", Email: "guest@else.example", Password: password}
	in, err := b.SignUp(ctx, guest, login.Asked{Invitation: invitation, Browser: browser, Locale: "en"}, from)
	ok(t, err)
	if u := b.user(login.User{Subject: in.Evidence.Subject()}); !u.EmailVerified || !slices.Equal(u.Groups(), []string{"guests"}) {
		t.Errorf("%+v", u)
	}
	guest.Username = "second"
	_, err = b.SignUp(ctx, guest, login.Asked{Invitation: invitation, Browser: browser, Locale: "en"}, from)
	wants(t, "an invitation's second use", err, login.ErrStale)
}

// TestUpstreamIdentity: group X, what login decides: by issuer and subject, never
// by an address.
func TestUpstreamIdentity(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	u := b.person("ada")
	arrive := func(issuer, subject, email string, verified bool) (login.Evidence, login.Arrival, error) {
		a := login.Arrival{Create: true, Identity: upstream.Identity{Connector: "google", Issuer: issuer, Subject: subject, Email: email, EmailVerified: verified, Username: "ada"}}
		e, err := b.ByIdentity(ctx, a)
		return e, a, err
	}
	for _, verified := range []bool{true, false} { // 262
		_, _, err := arrive("https://g", "1", "ada@example.com", verified)
		var unlinked *login.Unlinked
		if !errors.As(err, &unlinked) || unlinked.Existing != verified {
			t.Errorf("an existing address, verified %v: %v", verified, err)
		}
	}
	one, _, err := arrive("https://g", "1", "", false)
	ok(t, err)
	two, _, err := arrive("https://h", "1", "", false) // 269
	ok(t, err)
	if one.Subject() == two.Subject() || one.Subject() == u.Subject {
		t.Error("one account for two identities")
	}
	again, a, err := arrive("https://g", "1", "ada@example.com", true)
	ok(t, err)
	if again.Subject() != one.Subject() {
		t.Error("an identity moved with its address")
	}
	in := b.signIn("ada", "")
	offer, err := b.OfferLink(a, browser)
	ok(t, err)
	_, err = b.OpenOffer(offer, "another browser")
	wants(t, "an offer elsewhere", err, login.ErrStale) // 272
	wants(t, "somebody else's identity", b.Link(ctx, b.actor(in.Record), offer, browser), oauth.ErrConflict)
	a.Subject, a.Once = "2", &oauth.Once{Kind: "upstream", ID: "nonce", Until: b.now().Add(time.Hour)}
	offer, err = b.OfferLink(a, browser)
	ok(t, err)
	ok(t, b.Link(ctx, b.actor(in.Record), offer, browser))
	b.advance(time.Second)
	if err := b.Link(ctx, b.actor(in.Record), offer, browser); err == nil {
		t.Error("an offer was used twice")
	}
	linked, err := b.ByIdentity(ctx, a)
	ok(t, err)
	if linked.Subject() != u.Subject {
		t.Error("the linked account isn't the one that linked")
	}
	ok(t, b.Unlink(ctx, b.actor(in.Record), a.Issuer, a.Subject))
	_, _, err = arrive(a.Issuer, a.Subject, "ada@example.com", true)
	if err == nil {
		t.Error("an unlinked identity signs in still")
	}
}

// TestUnlinkLast: unlinking never leaves an account without a way in.
func TestUnlinkLast(t *testing.T) {
	b := newBed(t, func(s *login.Service) { s.Connectors = func() []string { return []string{"google"} } })
	ctx := t.Context()
	a := login.Arrival{Create: true, Identity: upstream.Identity{Connector: "google", Issuer: "https://g", Subject: "1", Username: "ada"}}
	e, err := b.ByIdentity(ctx, a)
	ok(t, err)
	v, err := b.Authenticate(ctx, e, login.Want{Bind: browser})
	ok(t, err)
	in, err := b.SignIn(ctx, v.Proof, nil, "", from)
	ok(t, err)
	wants(t, "the only way in", b.Unlink(ctx, b.actor(in.Record), "https://g", "1"), login.ErrLastWay)
	ok(t, b.ChangePassword(ctx, in.Record, "", "a password of my own", "", from))
	rec, err := b.Session(ctx, in.Cookie)
	ok(t, err)
	_, err = b.Fresh(ctx, rec, from)
	wants(t, "a sign-in elsewhere whose time nobody knows, with a password at hand", err, login.ErrStale)
	own, err := b.ByPassword(ctx, login.Attempt{Username: "ada", Password: "a password of my own", Address: from.Address})
	ok(t, err)
	v, err = b.Authenticate(ctx, own, login.Want{Bind: browser, Again: true})
	ok(t, err)
	in, err = b.SignIn(ctx, v.Proof, &rec, in.Browser, from)
	ok(t, err)
	ok(t, b.Unlink(ctx, b.actor(in.Record), "https://g", "1"))
}

// TestGroupsFromElsewhere: who left a group there has left it here.
func TestGroupsFromElsewhere(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	a := login.Arrival{Create: true, Identity: upstream.Identity{Connector: "corp", Issuer: "ldap:dc=corp", Subject: "1", Username: "ada", Groups: []string{"staff", "admins"}}}
	e, err := b.ByIdentity(ctx, a)
	ok(t, err)
	a.Groups = []string{"staff"}
	_, err = b.ByIdentity(ctx, a)
	ok(t, err)
	groups, err := b.Groups(ctx, e.Subject())
	ok(t, err)
	if !slices.Equal(groups, []string{"staff"}) {
		t.Errorf("%q", groups)
	}
}

// TestPasswords: NIST SP 800-63B §5.1.1.2; case 242.
func TestPasswords(t *testing.T) {
	b := newBed(t)
	for password, want := range map[string]bool{
		"": false, "short": false, "1234567": false, "12345678": false, "password1": false, "PASSWORD1": false, "aaaaaaaaaaaa": false,
		"ada.lovelace": false, "ada.lovelace1815": false, "o-stock2026": false, strings.Repeat("x1", 65): false, strings.Repeat("é", 129): false,
		"no rules of composition": true, "пароль из слов": true, "パスワード合言葉": true, strings.Repeat("🔑🚗", 64): true, "with\x00nul bytes": false,
	} {
		_, err := b.Create(t.Context(), login.NewUser{Username: "ada.lovelace", Email: "ada@example.com", Password: password}, "")
		if got := err == nil; got != want && password != "" {
			t.Errorf("%q: %v", password, err)
		}
		if err == nil {
			u, err := b.Find(t.Context(), "ada.lovelace")
			ok(t, err)
			ok(t, b.Store.DeleteUser(t.Context(), u.Subject))
		}
	}
}

// TestTwoStepLetters: whoever switches the second step of another's account off is
// told of to its owner, who can lock it.
func TestTwoStepLetters(t *testing.T) {
	b := newBed(t)
	u := b.person("ada")
	key, _ := b.enrol(b.signIn("ada", ""))
	for _, c := range []struct {
		on      bool
		subject string
	}{
		{false, "The second step was switched off for your account at O-stock"},
		{true, "The second step was switched on for your account at O-stock"},
	} {
		b.advance(time.Minute) // a code works once
		_, h := b.half("ada", login.Want{Again: true})
		p, err := b.Second(t.Context(), h, login.Try{Kind: login.WayTOTP, Code: b.code(key), From: from})
		ok(t, err)
		in, err := b.SignIn(t.Context(), p, nil, "", from)
		ok(t, err)
		_, err = b.SwitchTwoStep(t.Context(), b.actor(in.Record), c.on)
		ok(t, err)
		if got := b.letter(u.Email); got.Subject != c.subject || !strings.Contains(got.Link, "/lock?t=") || b.user(u).TwoStep != c.on {
			t.Errorf("%v: %q %q", c.on, got.Subject, got.Link)
		}
	}
}

// Where the server's clock is moved and people's phones aren't, codes go by the
// phones'.
func TestPhonesHaveTheirOwnTime(t *testing.T) {
	b := newBed(t, func(s *login.Service) {
		real := s.Now
		s.Phones, s.Now = real, func() time.Time { return real().Add(11 * time.Minute) }
	})
	b.person("ada")
	key, _ := b.enrol(b.signIn("ada", ""))
	_, h := b.half("ada", login.Want{})
	if _, err := b.Second(t.Context(), h, login.Try{Kind: login.WayTOTP, Code: b.code(key), From: from}); err != nil {
		t.Error(err)
	}
}
