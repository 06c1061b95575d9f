package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

func TestEmailAddress(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	a := v.get("/account/email")
	a.has(t, 200, "Not confirmed", `id="confirm-submit"`)
	golden(t, "account_email", a)

	// What the account has is confirmed by its code, however long ago its owner
	// signed in.
	h.advance(time.Hour)
	a = v.submit(a, "confirm-form")
	if a.Code != 303 || !strings.HasPrefix(a.Header().Get("Location"), "/account/email/code?m=") {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	page := v.follow(a)
	page.has(t, 200, "ada@example.com", `id="otp-submit"`, `id="again"`)
	golden(t, "account_email_code", page)
	code := h.newest(box, "ada@").Code
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	a = v.submit(page, "otp-form", "otp", wrong)
	a.has(t, 422, "This code isn&#39;t right")
	golden(t, "account_email_code_wrong", a)
	if a = v.submit(a, "otp-form", "otp", code); a.Code != 303 || a.Header().Get("Location") != "/account/email#done" {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	if !h.again(ada).EmailVerified {
		t.Error("not confirmed")
	}
	a = v.get("/account/email")
	a.has(t, 200, `id="email-state"`, "Confirmed")
	golden(t, "account_email_confirmed", a)
	if strings.Contains(a.text, "confirm-form") {
		t.Error("asks to confirm what is confirmed")
	}
	v.submit(a, "email-form", "email", "ada@example.com").has(t, 422, "already")
	v.submit(a, "email-form", "email", "nobody").has(t, 422, "This is not an email address.")

	// Another address wants a fresh proof: case 248.
	a = v.submit(a, "email-form", "email", "countess@example.com").goesToProve(t, v)
	if to := v.prove(a, "ada", ""); to != "/account/email" {
		t.Errorf("back to %s", to)
	}
	page = v.follow(v.submit(v.get("/account/email"), "email-form", "email", "countess@example.com"))
	page.has(t, 200, "countess@example.com")
	if now := h.again(ada); now.Email != "ada@example.com" || !now.EmailVerified {
		t.Errorf("changed too soon: %s", now.Email)
	}
	h.advance(time.Second)
	again := v.follow(v.submit(page, "again-form"))
	h.advance(time.Second)
	first, second := h.letters(box, "countess@")[0], h.newest(box, "countess@")
	if first.ID == second.ID {
		t.Fatalf("one letter: %s", again.text)
	}
	v.submit(page, "otp-form", "otp", first.Code).has(t, 422) // the newest counts
	if a := v.submit(again, "otp-form", "otp", second.Code); a.Code != 303 {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	if now := h.again(ada); now.Email != "countess@example.com" || !now.EmailVerified {
		t.Errorf("%s %v", now.Email, now.EmailVerified)
	}
	if l := h.newest(box, "ada@"); !strings.Contains(l.Subject, "was changed") { // case 261
		t.Errorf("the old address hears %q", l.Subject)
	}
	// An address of somebody else's is not said to be one.
	bob := h.verified(h.user("bob"))
	h.advance(time.Second)
	page = v.follow(v.submit(v.get("/account/email"), "email-form", "email", bob.Email))
	page.has(t, 200, bob.Email)
	if l := h.newest(box, "bob@"); l.Code != "" || !strings.Contains(l.Subject, "already") {
		t.Errorf("%s %s", l.Subject, l.Code)
	}
	v.submit(page, "otp-form", "otp", "123456").has(t, 422)
	for range 8 {
		a = v.submit(v.get("/account/email"), "email-form", "email", "x@example.com")
	}
	a.has(t, 429, "Too many letters")
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// newest is the newest letter to an address.
func (h *house) newest(box *mail.Mailbox, to string) mail.Received {
	h.t.Helper()
	h.advance(time.Second)
	found := h.letters(box, to)
	if len(found) == 0 {
		h.t.Fatalf("no letter to %s", to)
	}
	return found[len(found)-1]
}

// A code is its account's, in its browser.
func TestEmailCodeIsOnes(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	ada, bob := h.user("ada"), h.user("bob")
	v, other := h.visitor(), h.visitor()
	v.signIn("ada")
	other.signIn("bob")
	at := v.submit(v.get("/account/email"), "confirm-form").Header().Get("Location")
	code := h.newest(box, "ada@").Code
	if to := other.get(at).Header().Get("Location"); to != "/account/email" {
		t.Errorf("another browser waits too: %s", to)
	}
	// Somebody else signs in in the same browser.
	v.submit(v.get("/login?switch=1"), "login-form", "username", "bob", "password", password)
	if to := v.get(at).Header().Get("Location"); to != "/account/email" {
		t.Errorf("another person waits too: %s", to)
	}
	q, err := url.Parse(at)
	ok(t, err)
	session, err := h.Session(h.request(v))
	ok(t, err)
	a := v.post("/account/email/code", url.Values{"form": {h.formToken(nil, h.request(v), session, "email-code", "")}, "m": {q.Query().Get("m")}, "a": {q.Query().Get("a")}, "otp": {code}})
	if a.Code != 303 || h.again(ada).EmailVerified || h.again(bob).EmailVerified {
		t.Errorf("%d: another's code confirmed something", a.Code)
	}
	for _, path := range []string{"/account/email/code", "/account/email/code?m=x&a=y"} {
		if to := v.get(path).Header().Get("Location"); to != "/account/email" {
			t.Errorf("%s: %s", path, to)
		}
	}
}

func TestEmailWithoutMail(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	a := v.get("/account/email")
	a.has(t, 200, `id="no-mail"`)
	golden(t, "account_email_no_mail", a)
	session, err := h.Session(h.request(v))
	ok(t, err)
	v.post("/account/email", url.Values{"form": {h.formToken(nil, h.request(v), session, "email", "")}, "email": {"x@example.com"}}).has(t, 503)
	if got, err := h.Store.UserByName(t.Context(), "ada"); err != nil || got.Email != "ada@example.com" {
		t.Errorf("%s", got.Email)
	}
}

// By a link from a letter alone nobody changes where letters go: case 248.
func TestEmailByLetterIsNoProof(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box), withEmail)
	h.verified(h.user("ada"))
	h.advance(time.Second)
	v := h.visitor()
	page := v.follow(v.submit(v.get("/login/email"), "email-form", "username", "ada"))
	if a := v.submit(page, "otp-form", "otp", h.newest(box, "ada@").Code); a.Code != 303 {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	v.get("/account").has(t, 200)
	v.submit(v.get("/account/email"), "email-form", "email", "thief@evil.example").goesToProve(t, v)
	v.get("/account/totp/new").goesToProve(t, v)
	v.get("/account/sessions").has(t, 200, "Code by email")
}
