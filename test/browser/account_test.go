package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
)

// TestAccountSessions: one browser ends another, and then all others.
func TestAccountSessions(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true})
	p, q, r := somebody(t), somebody(t), somebody(t)
	for _, one := range []*person{p, q, r} {
		one.front()
		one.home(w, "ada")
		w.Clock.Advance(10 * time.Minute)
	}
	bob := somebody(t)
	bob.home(w, "bob")
	p.front()
	p.page(w, "/account/sessions")
	p.sees("This browser", "20 minutes ago", "10 minutes ago", "Password")
	if n := p.value(`"" + document.querySelectorAll("tbody tr").length`); n != "3" {
		t.Errorf("%s sessions are listed", n)
	}
	other := `[action="/account/sessions/end"] button`
	if said := p.value(`document.querySelector('` + other + `').getAttribute("aria-label")`); said != "Sign out Chrome on Linux" {
		t.Errorf("the button is called %q", said)
	}
	p.press(other)
	p.at("/account/sessions")
	p.sees("Chrome on Linux is signed out")
	p.focused("done")
	var out []*person
	for _, one := range []*person{q, r} {
		if one.front().open(w.URL + "/account"); one.address().Path == "/login" {
			out = append(out, one)
		}
	}
	if len(out) != 1 {
		t.Fatalf("%d browsers were signed out", len(out))
	}
	p.front().press("#end-others")
	p.at("/account/sessions")
	p.sees("This browser")
	if p.has(other) || p.has("#end-others") {
		t.Error("there are others still")
	}
	for _, one := range []*person{q, r} {
		one.front().open(w.URL + "/account")
		one.at("/login")
	}
	bob.front().page(w, "/account") // he is somebody else

	// "This wasn't me" does the same, and asks for a new password.
	q.front().home(w, "ada")
	p.front().page(w, "/account/activity")
	p.press("#not-me")
	p.sees("One other browser is signed out.")
	p.press("#not-me-submit")
	p.at("/account/password")
	p.sees("Every other browser is signed out, and every app lost its access.")
	p.look("account-password-ended")
	p.write("#current", "wrong")
	p.write("#new", "a new battery for ada")
	p.press("#password-submit")
	p.sees("That isn't your current password.")
	p.focused("current")
	p.look("account-password-wrong")
	p.write("#current", password)
	p.write("#new", "a new battery for ada")
	p.press("#password-submit")
	p.sees("Your password is changed.")
	q.front().open(w.URL + "/account")
	q.at("/login")
	q.signsIn("ada", password)
	q.sees("The username or the password is wrong.")
	q.signsIn("ada", "a new battery for ada")
	q.at("/account")
}

// TestAccountApps: what an app may do is taken back, a part or all of it.
func TestAccountApps(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true})
	p, app := somebody(t), w.read("calendar", "Calendar")
	p.home(w, "ada")
	app.letIn(p, "openid profile email offline_access")
	if got := app.learns(); got["name"] != "Ada Lovelace" || got["email"] != "ada@example.com" {
		t.Errorf("the app learns %v", got)
	}
	p.page(w, "/account/apps")
	p.sees("Calendar", "See your profile", "See your email address", "Keep this access when you're away", "You let Calendar in just now.")
	w.Clock.Advance(4 * time.Minute)
	if said := app.renews(); said != "" {
		t.Fatal(said)
	}
	w.Clock.Advance(3 * time.Minute)
	p.page(w, "/account/apps")
	p.sees("last used 3 minutes ago", "Calendar refreshed its access 3 minutes ago.", "You let Calendar in 7 minutes ago.", "One sign-in gives it access now.")

	p.press(`[aria-label="Remove: See your profile"]`)
	p.at("/account/apps")
	p.focused("done")
	p.sees("That permission was taken back", "See your email address")
	if p.has(`[aria-label="Remove: See your profile"]`) {
		t.Error("it may do so still")
	}
	if said := app.renews(); said != "" || strings.Contains(app.Scope, "profile") || !strings.Contains(app.Scope, "email") {
		t.Errorf("the app is given %q %q", app.Scope, said)
	}
	if got := app.learns(); got["name"] != nil || got["email"] != "ada@example.com" {
		t.Errorf("the app learns %v", got)
	}

	p.press(`[aria-label="Remove all access of Calendar"]`)
	p.at("/account/apps")
	p.sees("The app has no access any more", "No app may act for you")
	p.focused("done")
	if got := app.learns(); got != nil {
		t.Errorf("the app learns %v", got)
	}
	if said := app.renews(); said != "invalid_grant" {
		t.Errorf("the app is refused with %q", said)
	}

	// It has to ask anew.
	p.connect(w, "saleswave")
	p.at("/consent")
	app.letIn(p, "openid")
	p.page(w, "/account/apps")
	p.sees("Calendar", "Know who you are")
}

// chooses puts a file into a field.
func (p *person) chooses(field, path string) {
	p.t.Helper()
	p.do(chromedp.SetUploadFiles(chromedp.CSS(field), []string{path}))
}

// TestAccountProfile: what a person says of themselves is what an app learns.
func TestAccountProfile(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true}))
	p, app := somebody(t), w.read("calendar", "Calendar")
	p.home(w, "ada")
	app.letIn(p, "openid profile email address phone")
	p.page(w, "/account")
	p.press("#profile-edit")
	p.at("/account/profile")
	p.write("#name", "Ada King")
	p.write("#birthdate", "tomorrow")
	p.write("#phone_number", "call me")
	p.press("#profile-submit")
	p.sees("Nothing was saved.", "2 fields need another look.")
	p.focused("birthdate") // the first that is wrong
	p.look("account-profile-wrong")
	if got := p.value(`document.getElementById("name").value`); got != "Ada King" {
		t.Errorf("what was typed is %q now", got)
	}
	p.write("#birthdate", "1815-12-10")
	p.write("#phone_number", "+44 20 7946 0000")
	p.write("#website", "https://ada.example")
	p.write("#street_address", "12 St James's Square\nFlat 2")
	p.write("#locality", "London")
	p.do(chromedp.SetValue(chromedp.CSS("#locale"), "fr"))
	p.press("#profile-submit")
	p.at("/account")
	p.sees("Ada King", "1815-12-10", "Français", "12 St James's Square, Flat 2")

	// A picture, and one that is none.
	p.page(w, "/account/profile")
	p.chooses("#picture", written(t, "portrait.png", []byte("<svg/>")))
	p.press("#picture-submit")
	if !p.has("#picture-error") {
		t.Errorf("a file that is no picture is taken:\n%s", p.text())
	}
	p.chooses("#picture", portrait(t))
	p.press("#picture-submit")
	p.at("/account/profile")
	if get(t, p.ctx, chromedp.Evaluate[int64](`document.getElementById("picture-shown").naturalWidth`)) != 96 {
		t.Error("the picture isn't shown")
	}
	got := app.learns()
	address, _ := got["address"].(map[string]any)
	for claim, want := range map[string]any{"name": "Ada King", "birthdate": "1815-12-10", "website": "https://ada.example", "locale": "fr", "phone_number": "+44 20 7946 0000"} {
		if got[claim] != want {
			t.Errorf("%s is %v, not %v", claim, got[claim], want)
		}
	}
	if address["street_address"] != "12 St James's Square\nFlat 2" || address["locality"] != "London" {
		t.Errorf("the address is %v", address)
	}
	shown, _ := got["picture"].(string)
	kind, content := fetched(t, shown)
	if m, err := png.Decode(bytes.NewReader(content)); err != nil || kind != "image/png" || m.Bounds().Dx() != 96 {
		t.Errorf("the picture at %s is %s, %v", shown, kind, err)
	}
	p.press("#picture-remove")
	if p.has("#picture-shown") || app.learns()["picture"] != nil {
		t.Error("the picture is still there")
	}

	// Another address is the account's when its code was typed, and not before.
	p.page(w, "/account/email")
	p.sees("ada@example.com", "Confirmed")
	p.write("#email", "king@example.com")
	p.press("#email-submit")
	p.at("/account/email/code")
	p.sees("A letter is on its way to king@example.com.")
	p.look("account-email-code")
	code := p.reads(w, "king@example.com", 1).code
	if app.learns()["email"] != "ada@example.com" {
		t.Error("the address changed before it was proven")
	}
	p.answers("000000")
	p.sees("This code isn't right")
	p.focused("otp")
	p.look("account-email-code-wrong")
	p.answers(code)
	p.at("/account/email")
	p.sees("king@example.com", "Confirmed")
	if got := app.learns(); got["email"] != "king@example.com" || got["email_verified"] != true {
		t.Errorf("the app learns %v", got)
	}
	if n := w.letters("ada@example.com"); n == 0 {
		t.Error("the old address hears nothing")
	}
	p.page(w, "/account/activity")
	p.sees("Your email address was changed to king@example.com", "Your profile was changed")
	p.forgets()
	p.open(w.URL + "/login")
	p.signsIn("ada@example.com", password)
	p.sees("The username or the password is wrong.")
	p.signsIn("king@example.com", password)
	p.at("/account")
}

var aSecret = regexp.MustCompile(`(?i)"[^"]*(hash|sealed|secret_|private)[^"]*":|argon2|\$pbkdf2|scrypt`)

// TestAccountData: a copy of all that is kept, and then nothing is.
func TestAccountData(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true}))
	p, app, sub := somebody(t), w.read("calendar", "Calendar"), w.sub("ada")
	p.home(w, "ada")
	app.letIn(p, "openid email offline_access")
	p.authenticator()
	p.addsPasskey(w, "Phone")

	p.page(w, "/account/data")
	p.press("#data-download")
	p.at("/login") // a passkey is better proof than what there was
	p.press("#passkey-submit")
	p.at("/account/data")
	name, content := p.download(mouse("#data-download"))
	var data struct {
		Account   struct{ Sub, Username, Email string }
		Passkeys  []struct{ Name string }
		Consents  []struct{ App string }
		Sessions  []struct{ Way string }
		Activity  []struct{ Kind string }
		Codes     struct{ Left int } `json:"recovery_codes"`
		Providers []any              `json:"linked_accounts"`
	}
	if err := json.Unmarshal(content, &data); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(name, "account-data-") || data.Account.Sub != sub || data.Account.Username != "ada" || data.Account.Email != "ada@example.com" ||
		len(data.Passkeys) != 1 || data.Passkeys[0].Name != "Phone" || len(data.Consents) != 1 || data.Consents[0].App != "Calendar" ||
		len(data.Sessions) == 0 || len(data.Activity) == 0 || data.Codes.Left != 10 || data.Providers == nil {
		t.Errorf("%s is %s", name, content)
	}
	if found := aSecret.Find(content); found != nil {
		t.Errorf("the copy holds %s", found)
	}
	p.page(w, "/account/activity")
	p.sees("Your data was downloaded")

	// Apps that people sign in to don't vanish with their maker.
	made, err := w.Admin().CreateClient(context.Background(), valetkey.NewClient{OwnerName: "ada", Metadata: oauth.Metadata{
		Name: "Ada's own", Type: oauth.TypeWeb, RedirectURIs: []string{"https://own.example/cb"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.page(w, "/account/data")
	p.press("#account-delete")
	p.at("/account/delete")
	p.sees("First, your apps", "Ada's own")
	p.look("account-delete-apps")
	if err := w.Admin().DeleteClient(context.Background(), made.ID); err != nil {
		t.Fatal(err)
	}

	p.page(w, "/account/delete")
	p.write("#delete-username", "bob")
	p.press("#delete-submit")
	p.sees("This isn't your username.")
	p.focused("delete-username")
	p.look("account-delete-wrong")
	p.write("#delete-username", "ada")
	p.press("#delete-submit")
	p.sees("Your account is deleted", "You are signed out everywhere, and no app has access any more.")
	p.look("account-deleted")
	p.press("#sign-in")
	p.at("/login")
	p.signsIn("ada", password)
	p.sees("The username or the password is wrong.")
	p.press("#passkey-submit")
	p.sees("This passkey isn't known here")
	p.open(w.URL + "/account")
	p.at("/login")
	if app.learns() != nil || app.renews() != "invalid_grant" {
		t.Error("the app has access still")
	}
	users, err := w.Admin().Users(context.Background())
	if err != nil || slices.ContainsFunc(users, func(u valetkey.User) bool { return u.Subject == sub }) {
		t.Errorf("%v %v", users, err)
	}
}
