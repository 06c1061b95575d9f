package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/upstreams"
)

// accountPages are all that stand in the frame, and can be opened by whoever has
// proved just now that the account is theirs.
var accountPages = []string{
	"/account", "/account/profile", "/account/email", "/account/security", "/account/two-step", "/account/password", "/account/passkeys/new", "/account/totp/new",
	"/account/sessions", "/account/apps", "/account/activity", "/account/activity/not-me", "/account/data", "/account/delete",
}

// named is what a page is called in a picture's name.
func named(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "-")
}

// household is a server with letters and another provider.
func household(t *testing.T) (*place, *upstreams.Provider) {
	t.Helper()
	example := upstreams.OIDC(t, upstreams.Options{People: []upstreams.Person{
		fellow("olga", "olga@elsewhere.example"), fellow("ada", "ada.lovelace.of.the.analytical.engine@a-long-name.elsewhere.example"),
	}})
	return settle(t, byMail(valetkey.Config{ThrottleOff: true, Connectors: []valetkey.Connector{
		{Name: "example", Kind: "oidc", Title: "Example ID", Issuer: example.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret},
	}})), example
}

// TestAccountEmpty: the pages of somebody who has done nothing yet say what
// belongs there.
func TestAccountEmpty(t *testing.T) {
	w, _ := household(t)
	w.user(valetkey.NewUser{Username: "newcomer", Password: password})
	p := somebody(t)
	p.home(w, "newcomer")
	for _, path := range []string{"/account", "/account/email", "/account/security", "/account/apps", "/account/activity"} {
		p.page(w, path)
		p.look("empty-" + named(path))
	}
	for path, texts := range map[string][]string{
		"/account":          {"Not given", "Only in this browser.", "No app may act for you."},
		"/account/email":    {"Your account has none.", "Add an address"},
		"/account/security": {"Add a passkey or an authenticator app first.", "None. When you take the second step", "Link an account at Example ID"},
		"/account/sessions": {"This browser"},
		"/account/apps":     {"No app may act for you"},
	} {
		p.page(w, path)
		p.sees(texts...)
	}
	p.page(w, "/account/sessions")
	if p.has("#end-others") {
		t.Error("there is nothing else to sign out of")
	}
}

// furnished is an account that has some of everything, with names as long as
// they may be.
func furnished(t *testing.T) (*place, *person) {
	t.Helper()
	w, _ := household(t)
	long := "Augusta Ada King-Noel, Countess of Lovelace, née Byron-Milbanke"
	w.user(valetkey.NewUser{Username: "augusta.ada.king.countess.of.lovelace", Name: long, Email: "augusta.ada.king.of.lovelace@mathematics.example.com", Password: password, Claims: map[string]any{
		"given_name": "Augusta Ada", "middle_name": "King", "family_name": "King-Noel", "nickname": "Countess", "gender": "female", "birthdate": "1815-12-10",
		"profile": "https://people.example/a/very/long/path/to/the/profile/of/augusta-ada-king-countess-of-lovelace?and=a&long=query", "website": "https://ada.example",
		"zoneinfo": "Europe/London", "locale": "de", "phone_number": "+44 20 7946 0000",
		"address": map[string]any{"street_address": "12 St James's Square\nFlat 2", "postal_code": "SW1Y 4JH", "locality": "London", "region": "England", "country": "United Kingdom"},
	}})
	p := somebody(t)
	w.align()
	p.home(w, "augusta.ada.king.countess.of.lovelace")
	p.page(w, "/account/profile")
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#picture"), []string{portrait(t)}))
	p.press("#picture-submit")
	p.links(w, "olga")
	p.links(w, "ada")
	phone := p.authenticator()
	p.addsPasskey(w, "The phone with the cracked screen that lies in the kitchen")
	p.forgets() // and come in by it, which proves both factors
	p.open(w.URL + "/account")
	p.press("#passkey-submit")
	phone.beside(func() { p.addsPasskey(w, "") })
	key, _ := p.addsTOTP(w, "Tablet")

	// Elsewhere too, where the second step isn't asked for again.
	q := somebody(t)
	w.Clock.Advance(5 * time.Minute) // the account isn't new any more
	w.align()
	q.open(w.URL + "/account")
	q.signsIn("augusta.ada.king.countess.of.lovelace", password)
	q.do(mouse("#trust"))
	q.answers(otp(t, key, w.Clock.Now()))
	q.at("/account")

	// Apps: one that is used, one that isn't, and one whose key was copied.
	for _, a := range []struct{ id, name, scope string }{
		{"calendar", "Calendar of the Analytical Society of London and Paris", "openid profile email address phone offline_access"}, {"notes", "Notes", "openid"}, {"copied", "Copied", "openid offline_access"},
	} {
		app := w.read(a.id, a.name)
		app.letIn(p, a.scope)
		if app.Refresh == "" {
			continue
		}
		old := app.Refresh
		w.Clock.Advance(time.Minute)
		if said := app.renews(); said != "" {
			t.Fatal(said)
		}
		if a.id == "copied" {
			w.Clock.Advance(2 * time.Minute)
			app.Refresh = old
			if said := app.renews(); said != "invalid_grant" {
				t.Fatalf("an old refresh token is taken: %q", said)
			}
		}
	}

	// What was proven is too long ago by now.
	p.front()
	p.open(w.URL + "/account/totp/new")
	p.at("/login")
	p.sees("Confirm that it is you")
	p.look("login-again")
	p.press("#passkey-submit")
	p.at("/account/totp/new")
	return w, p
}

// TestAccountFull: each page with much on it, in other languages, and by keys.
func TestAccountFull(t *testing.T) {
	w, p := furnished(t)
	as := func(name string, part func(*testing.T, *place, *person)) {
		t.Run(name, func(t *testing.T) {
			p.t, w.t = t, t
			part(t, w, p)
		})
		p.t, w.t = t, t
	}
	as("look", lookAll)
	as("languages", speakAll)
	as("keys", keysAlone)
}

func lookAll(_ *testing.T, w *place, p *person) {
	for _, path := range accountPages {
		p.page(w, path)
		p.look("full-" + named(path))
	}
	for path, texts := range map[string][]string{
		"/account":          {"Augusta Ada King-Noel", "Deutsch", "In 2 browsers.", "3 apps may act for you."},
		"/account/security": {"The phone with the cracked screen", "Tablet", "10 codes are left", "Asked for after your password.", "last used", "@a-long-name.elsewhere…"},
		"/account/sessions": {"Passkey", "Password and a second step", "This browser"},
		"/account/apps":     {"Calendar of the Analytical", "refreshed its access", "See your postal address", "Somebody may have copied it"},
		"/account/activity": {"was added", "You signed in in a new browser", "Your account at Example ID was linked"},
	} {
		p.page(w, path)
		p.sees(texts...)
	}
}

// speakAll: nothing is wider than the screen, in long words or from right to left.
func speakAll(_ *testing.T, w *place, p *person) {
	for _, l := range []struct{ tag, dir string }{{"de", "ltr"}, {"ar", "rtl"}, {"en", "ltr"}} {
		p.page(w, "/account")
		p.do(chromedp.SetValue(chromedp.CSS("#language"), l.tag))
		p.press("#language-submit")
		p.at("/account")
		p.speaks(l.tag, l.dir)
		for _, path := range accountPages {
			if l.tag == "en" {
				break // looked at already
			}
			p.page(w, path)
			p.speaks(l.tag, l.dir)
			p.fits(l.tag + "-" + named(path))
		}
		if l.tag == "ar" {
			p.page(w, "/account/activity")
			p.sees("مفتاح مرور") // a name that is ours, not the person's
		}
	}
}

// speaks checks the language of a page, and from which side it is read.
func (p *person) speaks(tag, dir string) {
	p.t.Helper()
	got := p.value(`document.documentElement.lang + " " + document.documentElement.dir + " " + getComputedStyle(document.querySelector("h1")).direction`)
	if want := tag + " " + dir + " " + dir; got != want {
		p.t.Errorf("%s is %s, not %s", p.address().Path, got, want)
	}
}

// fits checks that nothing is wider than a phone, or a desk, or cut off there.
func (p *person) fits(name string) {
	p.t.Helper()
	for _, v := range []view{views[0], views[2]} {
		p.do(chromedp.EmulateViewport(v.width, v.height))
		if out := p.value(`(() => {
			const wide = document.documentElement.clientWidth, out = [];
			if (document.documentElement.scrollWidth > wide) out.push("the page is " + document.documentElement.scrollWidth + " wide");
			for (const e of document.querySelectorAll("main *, header *, nav *, footer *")) {
				const box = e.getBoundingClientRect();
				if (box.width > 1 && box.height > 1 && (box.left < -1 || box.right > wide + 1) && !e.closest("pre, thead") && e.checkVisibility()) out.push(e.tagName + "#" + e.id + " " + Math.round(box.left) + ".." + Math.round(box.right));
			}
			return out.join("; ");
		})()`); out != "" {
			p.t.Errorf("%s %s: %s", name, v.name, out)
		}
		if dir := os.Getenv("SHOTS"); dir != "" {
			// Beyond its screen Chromium paints short pages from right to left askew.
			p.do(chromedp.EmulateViewport(v.width, max(v.height, get(p.t, p.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollHeight`)))))
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("people-%s-%s.png", name, v.name)), get(p.t, p.ctx, chromedp.CaptureScreenshot()), 0o600); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.do(chromedp.EmulateViewport(1280, 900))
}
