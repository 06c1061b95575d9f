package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/fetch"
	"github.com/valetkey/valetkey/internal/mail"
	"github.com/valetkey/valetkey/oauth"
)

// Case 306: what was deleted is gone, and the next one of the same name is
// somebody else.
func TestDeleteAccount(t *testing.T) {
	heard := make(chan string, 9)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.FormValue("logout_token") }))
	defer app.Close()
	box := new(mail.Mailbox)
	h := newHouseOf(t, func(s *oauth.Server) { s.Outbound = fetch.New(fetch.Config{AllowLoopback: true}) }, withMail(t, box))
	ada := h.verified(h.user("ada"))
	c := h.client("bank", "", func(m *oauth.Metadata) { m.BackchannelURI = app.URL + "/out" })
	v, other := h.visitor(), h.visitor()
	v.signIn("ada")
	other.signIn("ada")
	v.connect(c)
	v.upload(t, formToken2(t, v), "picture", "x.png", tinyPNG(t))
	picture := h.again(ada).PictureID
	if picture == "" {
		t.Fatal("no picture")
	}
	page := v.get("/account/delete")
	for _, name := range []string{"", "eve", "ada ada", password} {
		v.submit(page, "delete-form", "username", name).has(t, 422, `id="delete-error"`)
	}
	h.advance(6 * time.Minute)
	a := v.submit(page, "delete-form", "username", "ada").goesToProve(t, v)
	if to := v.prove(a, "ada", ""); to != "/account/delete" {
		t.Errorf("back to %s", to)
	}
	cookie := v.cookies["__Host-session"]
	a = v.submit(v.get("/account/delete"), "delete-form", "username", " Ada ")
	a.has(t, 200, "Your account is deleted")
	golden(t, "account_deleted", a)
	if _, is := v.cookies["__Host-session"]; is {
		t.Error("the cookie stayed")
	}
	v.cookies["__Host-session"] = cookie
	for _, x := range []*visitor{v, other} {
		if a := x.get("/account"); a.Code != 302 {
			t.Errorf("signed in still: %d", a.Code)
		}
	}
	select {
	case <-heard:
	case <-time.After(5 * time.Second):
		t.Error("the app wasn't told")
	}
	if l := h.newest(box, "ada@"); !strings.Contains(l.Subject, "was deleted") || strings.Contains(l.Text, "/lock?") {
		t.Errorf("%s", l.Subject)
	}
	if _, err := h.Store.User(t.Context(), ada.Subject); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("%v", err)
	}
	h.visitor().get("/pictures/"+picture).has(t, 404)
	if a := v.submit(v.get("/login"), "login-form", "username", "ada", "password", password); a.Code != 401 {
		t.Errorf("%d", a.Code)
	}
	again := h.user("ada")
	if again.Subject == ada.Subject {
		t.Error("the subject came back")
	}
	v.cookies["__Host-session"] = cookie
	if a := v.get("/account"); a.Code != 302 {
		t.Errorf("the old session opens the new account: %d", a.Code)
	}
	v.signIn("ada")
	v.get("/account/apps").has(t, 200, "No app may act for you")
	if found, err := h.Store.Activities(t.Context(), again.Subject, 10); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
}

func formToken2(t *testing.T, v *visitor) string {
	t.Helper()
	_, fields := formIn(t, v.get("/account/profile").text, "picture-form")
	return fields.Get("form")
}

// Apps don't lose their owner by the way.
func TestDeleteWithApps(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	page := v.get("/account/delete")
	h.client("notes", ada.Subject, func(m *oauth.Metadata) { m.Name = "<b>Notes</b>" })
	a := v.get("/account/delete")
	a.has(t, 200, "&lt;b&gt;Notes&lt;/b&gt;", `href="/developer/apps/notes/delete"`)
	if strings.Contains(a.text, "delete-form") {
		t.Error("it can be deleted")
	}
	golden(t, "account_delete_apps", a)
	v.submit(page, "delete-form", "username", "ada").has(t, 409, "First, your apps")
	h.again(ada)
	v.submit(v.get("/developer/apps/notes/delete"), "/developer/apps/notes/delete")
	v.submit(v.get("/account/delete"), "delete-form", "username", "ada").has(t, 200, "is deleted")
}

func TestDeleteLastAdministrator(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	ada.Admin = true
	ok(t, h.Store.UpdateUser(t.Context(), ada))
	v := h.visitor()
	v.signIn("ada")
	a := v.submit(v.get("/account/delete"), "delete-form", "username", "ada")
	a.has(t, 409, "last administrator")
	golden(t, "account_delete_last", a)
	v.get("/account").has(t, 200, "Administrator")
	bob := h.user("bob")
	bob.Admin = true
	ok(t, h.Store.UpdateUser(t.Context(), bob))
	v.submit(a, "delete-form", "username", "ada").has(t, 200, "is deleted")
}

// Nobody deletes another's account by a name.
func TestDeleteIsOnesOwn(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	bob := h.user("bob")
	v := h.visitor()
	v.signIn("ada")
	v.submit(v.get("/account/delete"), "delete-form", "username", "bob", "sub", bob.Subject).has(t, 422)
	h.again(bob)
}
