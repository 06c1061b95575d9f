package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/mail"
)

// Who signs up with an address that needs no proof is told of the letter, and
// its code is good wherever a page asks for it.
func TestSignUpTellsOfItsLetter(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	v := h.visitor()
	a := v.submit(v.get("/signup"), "signup-form", "username", "ada", "email", "ada@example.com", "password", password)
	v.follow(a).has(t, 200, `id="email-confirm" href="/account/email"`)
	page := v.get("/account/email")
	page.has(t, 200, "A letter is on its way to", `id="letter-to">ada@example.com`, `id="again"`)
	golden(t, "account_email_sent", page)
	if strings.Contains(page.text, "confirm-form") {
		t.Error("a button that voids the code is the first thing there")
	}
	user, err := h.Store.UserByName(t.Context(), "ada")
	ok(t, err)
	if user.EmailVerified {
		t.Error("proven by nothing")
	}
	if a = v.submit(page, "otp-form", "otp", h.newest(box, "ada@").Code); a.Code != 303 {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	v.follow(a).has(t, 200)
	if !h.again(user).EmailVerified {
		t.Error("not proven")
	}
	if a := v.get("/account/email"); strings.Contains(a.text, "otp-form") {
		t.Error("waits for a letter that has come back")
	}
}

// The letter is its account's: whoever else signs in in this browser, or the
// same person in another one, isn't asked for its code. Its link works there.
func TestSignUpLetterIsOnes(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	bob := h.user("bob")
	h.advance(time.Hour)
	v, other := h.visitor(), h.visitor()
	v.submit(v.get("/signup"), "signup-form", "username", "ada", "email", "ada@example.com", "password", password)
	other.signIn("ada")
	other.get("/account/email").has(t, 200, `id="confirm-submit"`)
	v.submit(v.get("/login?switch=1"), "login-form", "username", "bob", "password", password)
	if strings.Contains(v.get("/account/email").text, "ada@example.com") {
		t.Error("told of another's letter")
	}
	link, err := url.Parse(h.newest(box, "ada@").Link)
	ok(t, err)
	other.submit(other.get(link.RequestURI()), "verify-form").has(t, 200, "Your address is confirmed")
	ada, err := h.Store.UserByName(t.Context(), "ada")
	ok(t, err)
	if !ada.EmailVerified || h.again(bob).EmailVerified {
		t.Error("the wrong one is proven")
	}
}
