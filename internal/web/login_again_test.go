package web

import (
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/internal/mail"
)

// Who is to prove themselves once more reads what for, sees who they are, and is
// offered what they can prove it by, and the way back.
func TestProveAgainSaysWhy(t *testing.T) {
	h := newHouse(t, withMail(t, new(mail.Mailbox)), withEmail, withOthers(t))
	ada := h.verified(h.user("ada"))
	v := h.visitor()
	v.signIn("ada")
	pages := map[string]answer{}
	for _, path := range []string{"/account/delete", "/account/email"} {
		pages[path] = v.get(path)
	}
	h.advance(6 * time.Minute)
	at := map[string]answer{
		"/account/delete":   v.submit(pages["/account/delete"], "delete-form", "username", "ada").goesToProve(t, v),
		"/account/email":    v.submit(pages["/account/email"], "email-form", "email", "countess@example.com").goesToProve(t, v),
		"/account/security": v.get("/account/totp/new").goesToProve(t, v),
	}
	for back, why := range map[string]string{
		"/account/delete": "to delete your account", "/account/email": "to change your email address", "/account/security": "to change how you sign in",
	} {
		page := at[back]
		wrong := v.submit(page, "login-form", "username", "ada", "password", "wrong wrong")
		for _, a := range []answer{page, wrong} {
			a.has(t, a.Code, "Confirm that it is you", why, `value="ada"`, `id="back" href="`+back+`"`, `id="login-form"`)
			for _, no := range []string{"/signup", "passkey-form", "way-email", "with-github", "You are signed in already"} {
				if strings.Contains(a.text, no) {
					t.Errorf("%s, %d: offers %s", back, a.Code, no)
				}
			}
		}
		if wrong.Code != 401 {
			t.Errorf("%d", wrong.Code)
		}
		v.follow(v.get(back)).has(t, 200) // nobody goes in circles
	}
	golden(t, "login_again", at["/account/delete"])

	// What somebody has is offered.
	h.give(ada, login.Change{AddIdentity: atGitHub()})
	h.give(ada, login.Change{AddPasskey: phoneKey()})
	v.get("/account/totp/new").goesToProve(t, v).has(t, 200, "passkey-form", "with-github", "way-email")

	// Whoever isn't signed in, or is about to be somebody else, sees the plain page.
	for _, one := range []*visitor{h.visitor(), v} {
		page := one.get("/login?again=1&switch=1")
		page.has(t, 200, "<h1>Sign in</h1>", `href="/signup`)
	}
}
