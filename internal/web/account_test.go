package web

import (
	"strings"
	"testing"
)

func TestSessions(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	h.user("bob")
	here, there, bob := h.visitor(), h.visitor(), h.visitor()
	here.signIn("ada")
	there.signIn("ada")
	bob.signIn("bob")
	a := here.get("/account/sessions")
	_, fields := formIn(t, a.text, "/account/sessions/end")
	theirs := fields.Get("id")
	// Another person's session isn't ended by whoever knows its id.
	b := h.visitor()
	b.signIn("bob")
	if a := b.submit(b.get("/account/sessions"), "/account/sessions/end", "id", theirs); a.Code != 303 {
		t.Errorf("%d", a.Code)
	}
	there.get("/account").has(t, 200)
	here.submit(a, "/account/sessions/end")
	if a := there.get("/account"); a.Code != 302 {
		t.Errorf("not ended: %d", a.Code)
	}
	here.get("/account").has(t, 200)
	there.signIn("ada")
	here.submit(here.get("/account/sessions"), "/account/sessions/end-others")
	if a := there.get("/account"); a.Code != 302 {
		t.Errorf("not ended: %d", a.Code)
	}
	here.get("/account").has(t, 200)
}

// Case 210.
func TestChangePassword(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	here, there := h.visitor(), h.visitor()
	here.signIn("ada")
	there.signIn("ada")
	a := here.submit(here.get("/account/password"), "password-form", "current", "wrong wrong", "new", "another good one")
	a.has(t, 422, "your current password")
	here.submit(a, "password-form", "current", password, "new", "short").has(t, 422, "at least 8")
	here.submit(a, "password-form", "current", password, "new", "another good one").has(t, 200, "is changed")
	here.get("/account").has(t, 200)
	if a := there.get("/account"); a.Code != 302 {
		t.Errorf("other session lives: %d", a.Code)
	}
}

func TestConnectedApps(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	v.signIn("ada")
	v.submit(v.follow(v.get(authorizePath(c))), "consent-form", "decision", "allow")
	a := v.get("/account/apps")
	a.has(t, 200, "Saleswave", "Change your notes")
	a = v.follow(v.submit(a, "/account/apps/narrow", "scope", "notes:write"))
	a.has(t, 200, "Saleswave")
	if strings.Contains(a.text, "Remove: Change your notes") {
		t.Error("not narrowed")
	}
	v.follow(v.submit(a, "/account/apps/withdraw")).has(t, 200, "No app may act for you")
}

// Case 204: what was planted or is junk counts as no cookie.
func TestCookies(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	good := v.cookies["__Host-session"]
	v.header.Set("Cookie", "__Host-session="+strings.Repeat("x", 4000)+"; __Host-session=abc.def")
	v.get("/account").has(t, 200)
	v.header.Del("Cookie")
	v.signIn2(t, good)
	for _, c := range h.visitor().get("/login").Result().Cookies() {
		if c.Name != "__Host-browser" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.SameSite == 0 {
			t.Errorf("%+v", c)
		}
	}
}

// Case 202: signing in again makes the old cookie worthless.
func (v *visitor) signIn2(t *testing.T, old string) {
	a := v.submit(v.get("/login?switch=1"), "login-form", "username", "ada", "password", password)
	if a.Code != 303 || v.cookies["__Host-session"] == old {
		t.Errorf("%d: the cookie stayed", a.Code)
	}
	v.cookies["__Host-session"] = old
	if a := v.get("/account"); a.Code != 302 {
		t.Errorf("the old cookie lives: %d", a.Code)
	}
}

func TestToPageAfterSignIn(t *testing.T) { // case 220
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	to := v.get("/developer/apps/new").Header().Get("Location")
	if !strings.HasPrefix(to, "/login?to=") || strings.Contains(to, "developer") {
		t.Errorf("%s", to)
	}
	a := v.submit(v.get(to), "login-form", "username", "ada", "password", password)
	if a.Header().Get("Location") != "/developer/apps/new" {
		t.Errorf("%s", a.Header().Get("Location"))
	}
	for _, evil := range []string{"//evil", "/\\evil", "/%09/evil", "https:evil", "javascript:alert(1)", "https://as.example@evil"} {
		for _, name := range []string{"to", "next", "return_to"} {
			x := h.visitor()
			a := x.submit(x.get("/login?"+name+"="+escape(evil)), "login-form", "username", "ada", "password", password)
			if a.Header().Get("Location") != "/account" {
				t.Errorf("%s=%s: %s", name, evil, a.Header().Get("Location"))
			}
		}
	}
}
