package web

import (
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/login"
	"github.com/valetkey/valetkey/oauth"
)

// said is the line by which a page says what was done just now, "" for none.
func (a answer) said() string {
	return strings.ReplaceAll(cutOut(cutOut(a.text, `id="done"`, "</p>"), ">", "\x00"), "&#34;", `"`)
}

// Every button that changes something says on the page that it leads to what it
// did, once, and leads to where that stands.
func TestDoneIsSaid(t *testing.T) {
	h := newHouse(t, withOthers(t))
	ada := h.user("ada")
	v := h.visitor()
	h.give(ada, login.Change{AddPasskey: phoneKey(), AddIdentity: atGitHub()})
	v.prove2(t, ada)
	security := "/account/security"
	for _, row := range []struct{ page, form, to, said string }{
		{security, "two-step-form", "#two-step", "The second step was switched on"},
		{security, "/account/passkeys/rename", "#passkeys", "The passkey is called “Phone” now"},
		{"/account/two-step", "two-step-form", "#two-step", "The second step was switched off"},
		{security, "two-step-form", "#two-step", "The second step was switched on"},
		{security, "/account/passkeys/remove", "#passkeys", "The passkey “Phone” was removed, and the second step is off: nothing is left to ask for"},
		{security, "/account/unlink", "#linked", "Your account at GitHub was unlinked"},
		{"/account/profile", "profile-form", "#done", "Saved."},
	} {
		a := v.submit(v.get(row.page), row.form)
		to := a.Header().Get("Location")
		if a.Code == 200 { // recovery codes come first
			to = cutOut(a.text, `id="codes-done" href="`, `"`)
		} else if a.Code != 303 {
			t.Fatalf("%s: %d %s", row.form, a.Code, a.text)
		}
		path, fragment, _ := strings.Cut(to, "#")
		if "#"+fragment != row.to {
			t.Errorf("%s leads to %s", row.form, to)
		}
		b := v.get(path)
		if got := b.said(); got != row.said {
			t.Errorf("%s says %q", row.form, got)
		}
		if !strings.Contains(b.text, ` id="`+fragment+`"`) {
			t.Errorf("%s leads to %s, which isn't there", row.form, to)
		}
		if got := v.get(path).said(); got != "" {
			t.Errorf("%s is said twice", got)
		}
	}
}

// An app that lost its last permission stays while a sign-in of its lives, and
// says that it may do nothing; then it goes.
func TestDoneOfApps(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	c := h.client("sales", "", func(m *oauth.Metadata) { m.Name = "<b>Sales</b>" })
	v := h.visitor()
	v.signIn("ada")
	v.submit(v.follow(v.get(authorizePath(c))), "consent-form", "decision", "allow")
	h.happen(ada.Subject, "sales", func(a *oauth.Authorization) { a.Scopes = []string{"openid", "notes:write"} })
	for a := v.get("/account/apps"); strings.Contains(a.text, "/account/apps/narrow"); {
		b := v.submit(a, "/account/apps/narrow")
		if b.Header().Get("Location") != "/account/apps#done" {
			t.Fatalf("%d %s", b.Code, b.Header())
		}
		a = v.get("/account/apps")
		if got := a.said(); got != "That permission was taken back" {
			t.Errorf("says %q", got)
		}
		if card := cutOut(a.text, "<section", "</section>"); !strings.Contains(card, `id="done"`) {
			t.Error("it isn't said on the app's card")
		}
	}
	a := v.get("/account/apps")
	a.has(t, 200, "It may do nothing for you now.", "One sign-in gives it access now.")
	golden(t, "account_apps_nothing", a)
	b := v.submit(a, "/account/apps/withdraw")
	if a = v.follow(b); a.said() != "The app has no access any more" || !strings.Contains(a.text, "No app may act for you") {
		t.Errorf("says %q", a.said())
	}
}

func TestDoneOfSessions(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v, there, third := h.visitor(), h.visitor(), h.visitor()
	for _, one := range []*visitor{v, there, third} {
		one.signIn("ada")
	}
	if a := v.follow(v.submit(v.get("/account/sessions"), "/account/sessions/end")); a.said() != "Firefox on Linux is signed out" {
		t.Errorf("says %q", a.said())
	}
	if a := v.follow(v.submit(v.get("/account/sessions"), "/account/sessions/end-others")); a.said() != "Every other browser is signed out" {
		t.Errorf("says %q", a.said())
	}
}

// What a page says comes from nobody but the server: not from an address, not from
// another session or page, and not from a cookie that was made up.
func TestDoneIsNobodyElses(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	v.submit(v.get("/account/profile"), "profile-form")
	kept := v.cookies["__Host-done"]
	if kept == "" {
		t.Fatal("nothing is kept")
	}
	if a := v.get("/account/sessions"); a.said() != "" {
		t.Errorf("another page says %q", a.said())
	}
	for _, planted := range []string{"Send your password to eve@example.com", kept + "x"} {
		v.cookies["__Host-done"] = planted
		if a := v.get("/account?done=" + planted); a.said() != "" || strings.Contains(a.text, "eve@") {
			t.Errorf("says %q", a.said())
		}
	}
	other := h.visitor()
	h.user("eve")
	other.signIn("eve")
	other.cookies["__Host-done"], other.cookies["__Host-browser"] = kept, v.cookies["__Host-browser"]
	if a := other.get("/account"); a.said() != "" {
		t.Errorf("another session says %q", a.said())
	}
	v.cookies["__Host-done"] = kept
	if a := v.get("/account"); a.said() == "" || v.cookies["__Host-done"] != "" {
		t.Errorf("says %q", a.said())
	}
}
