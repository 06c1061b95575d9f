package browser

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// badgePage is a template of an embedder's own: it stands among ours and uses
// what they share.
const badgePage = `{{template "card-top" .}}{{with .D}}
<h1>{{.Title}}</h1>
{{if .App}}<p class="hint">{{t "To continue to {0}" (el "span" "client-name" .App.Name)}}</p>{{end}}
{{with .Problem}}<p class="note bad" id="problem" role="alert">{{.}}</p>{{end}}
<form id="badge-form" class="stack" method="post" action="{{.Action}}">
<input type="hidden" name="form" value="{{.Form}}">
<div class="field"><label for="badge">Number on the badge</label><input id="badge" name="badge" inputmode="numeric" required autofocus></div>
<button id="badge-submit" type="submit">Sign in</button>
</form>
<p class="small"><a id="back" href="{{.Back}}">Sign in another way</a></p>
{{end}}{{template "card-end" .}}`

// TestPeopleOwn: the password is switched off, and an embedder's own way in has
// its page.
func TestPeopleOwn(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "badge.html"), []byte(badgePage), 0o600); err != nil {
		t.Fatal(err)
	}
	holder := ""
	badge := valetkey.Authenticator{
		Name: "badge", Factor: 1, Order: 1, Template: "badge", Title: "Sign in with your badge",
		Verify: func(_ context.Context, form url.Values) (string, []string, error) {
			if len(form) != 1 || form.Get("badge") != "4711" {
				return "", nil, valetkey.ErrWrongPassword
			}
			return holder, []string{"sc"}, nil
		},
	}
	w := settle(t, valetkey.Config{
		OwnTemplates:   folder,
		Authenticators: []valetkey.Authenticator{badge, {Name: "passkey", Factor: 1, Order: 2}, {Name: "totp", Factor: 2}, {Name: "passkey", Factor: 2}},
	}, vault, valetkey.NewClient{ID: "door", FirstParty: true, Metadata: oauth.Metadata{Name: "Door", Reserved: oauth.Reserved{Authenticators: []string{"badge"}}}},
		valetkey.NewClient{ID: "wall", FirstParty: true, Metadata: oauth.Metadata{Name: "Wall", Reserved: oauth.Reserved{Authenticators: []string{"totp"}}}})
	holder = w.sub("ada")
	p := somebody(t)
	p.connect(w, "saleswave")
	if p.has("#password") || p.has("#forgot") {
		t.Errorf("a password is asked for:\n%s", p.text())
	}
	p.sees("Sign in with your badge", "Sign in with a passkey")
	p.look("login-own")

	// Nor is one taken that is sent all the same, with the token of the page.
	p.leave(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](`(form => {
			form.action = form.action.replace("/login/passkey", "/login")
			for (const [name, value] of Object.entries({username: "ada", password: "`+password+`"})) {
				const field = document.createElement("input"); field.name = name; field.value = value; form.append(field)
			}
			form.submit(); return true
		})(document.getElementById("passkey-form"))`)(ctx, target)
		return err
	}))
	p.sees("The username or the password is wrong.")

	p.press("#way-badge")
	p.at("/login/own/badge")
	p.sees("Sign in with your badge", "To continue to Saleswave")
	p.look("own")
	p.write("#badge", "1")
	p.press("#badge-submit")
	p.sees("That wasn't right. Try again, or sign in another way.")
	p.press("#back")
	p.at("/login")
	p.press("#way-badge")
	p.write("#badge", "4711")
	p.press("#badge-submit")
	p.returns("saleswave").proved(t, w.sub("ada"), "1", "sc")

	// It is one factor: an app that wants two gets two.
	p.connect(w, "vault")
	p.at("/enrol")
	p.open(w.URL + "/account")
	p.at("/account")

	// An app may name the ways; one that leaves none says so.
	q := somebody(t)
	q.connect(w, "door")
	if q.has("#passkey-form") {
		t.Error("a way is offered that the app doesn't take")
	}
	q.press("#way-badge")
	q.write("#badge", "4711")
	q.press("#badge-submit")
	q.returns("door").proved(t, w.sub("ada"), "1", "sc")
	q.forgets()
	q.connect(w, "wall")
	q.sees("No way to sign in is switched on here.")
	q.look("login-none")

	// Guessing is slowed.
	for range 12 {
		if strings.Contains(q.text(), "too many tries") {
			break
		}
		q.open(w.URL + "/login/own/badge")
		q.write("#badge", "1")
		q.press("#badge-submit")
	}
	q.sees("There were too many tries.")
}
