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
	for name, confirm := range map[string]func(*visitor, answer, string) answer{
		"at once": func(v *visitor, page answer, code string) answer {
			wrong := "000000"
			if wrong == code {
				wrong = "000001"
			}
			again := v.submit(page, "otp-form", "otp", wrong)
			again.has(t, 422, "This code isn&#39;t right", "ada@example.com")
			return v.submit(again, "otp-form", "otp", code)
		},
		"on the page of the address": func(v *visitor, page answer, code string) answer {
			v.follow(v.get(linkIn(t, page.text, "later"))).has(t, 200, `id="email-confirm" href="/account/email"`)
			page = v.get("/account/email")
			page.has(t, 200, `id="letter-to">ada@example.com`, `id="again"`)
			golden(t, "account_email_sent", page)
			if strings.Contains(page.text, "confirm-form") {
				t.Error("a button that voids the code is the first thing there")
			}
			return v.submit(page, "otp-form", "otp", code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := h.visitor()
			a := v.submit(v.get("/signup"), "signup-form", "username", strings.ReplaceAll(name, " ", "-"), "email", "ada@example.com", "password", password)
			if a.Code != 303 || a.Header().Get("Location") != "/signup/letter" {
				t.Fatalf("%d to %s", a.Code, a.Header().Get("Location"))
			}
			page := v.follow(a)
			page.has(t, 200, "A letter is on its way to", "ada@example.com", `id="otp"`, `id="later"`)
			golden(t, "signup_letter", page)
			user, err := h.Store.UserByName(t.Context(), strings.ReplaceAll(name, " ", "-"))
			ok(t, err)
			if user.EmailVerified {
				t.Error("proven by nothing")
			}
			if a = confirm(v, page, h.newest(box, "ada@").Code); a.Code != 303 {
				t.Fatalf("%d %s", a.Code, a.text)
			}
			v.follow(a).has(t, 200)
			if !h.again(user).EmailVerified {
				t.Error("not proven")
			}
			if a := v.get("/account/email"); strings.Contains(a.text, "otp-form") {
				t.Error("waits for a letter that has come back")
			}
			if to := v.get("/signup/letter").Header().Get("Location"); to != "/login" {
				t.Errorf("leads to %s", to)
			}
			ok(t, h.Store.DeleteUser(t.Context(), user.Subject))
			h.advance(time.Hour)
		})
	}
}

// The way to an app goes on behind it.
func TestSignUpForAnAppTellsOfItsLetter(t *testing.T) {
	box := new(mail.Mailbox)
	h := newHouse(t, withMail(t, box))
	c := h.client("sales", "")
	v := h.visitor()
	page := v.follow(v.get(authorizePath(c, "prompt", "create")))
	page = v.follow(v.submit(page, "signup-form", "username", "bob", "email", "bob@example.com", "password", password))
	page.has(t, 200, `id="client-name">Saleswave`, "bob@example.com")
	if csp := page.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https:") {
		t.Errorf("its POST can't end at the app: %s", csp)
	}
	v.follow(v.get(linkIn(t, page.text, "later"))).has(t, 200, `id="consent-form"`, "bob")
	v.follow(v.submit(page, "otp-form", "otp", h.newest(box, "bob@").Code)).has(t, 200, `id="consent-form"`)
	bob, err := h.Store.UserByName(t.Context(), "bob")
	ok(t, err)
	if !bob.EmailVerified {
		t.Error("not proven")
	}

	// Without an address there is no letter, and nothing to tell.
	v = h.visitor()
	page = v.follow(v.get(authorizePath(c, "prompt", "create")))
	v.follow(v.submit(page, "signup-form", "username", "eve", "password", password)).has(t, 200, `id="consent-form"`)
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
	for _, one := range []*visitor{other, h.visitor()} {
		a := one.get("/signup/letter")
		if a.Code != 302 || a.Header().Get("Location") != "/login" {
			t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
		}
	}
	other.get("/account/email").has(t, 200, `id="confirm-submit"`)
	v.submit(v.get("/login?switch=1"), "login-form", "username", "bob", "password", password)
	if to := v.get("/signup/letter").Header().Get("Location"); to != "/login" {
		t.Errorf("told of another's letter: %s", to)
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

// linkIn is where the link of an id leads.
func linkIn(t *testing.T, page, id string) string {
	t.Helper()
	to := cutOut(page, `id="`+id+`" href="`, `"`)
	if to == "" {
		t.Fatalf("no link %s in %s", id, page)
	}
	return strings.ReplaceAll(to, "&amp;", "&")
}
