package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/upstreams"
)

// tabs presses Tab until an element has the focus, which must be seen at every
// stop on the way.
func (p *person) tabs(id string) {
	p.t.Helper()
	for range 40 {
		at := p.value(`(e => e && e !== document.body ? (e.id || e.tagName) + " " + getComputedStyle(e).outlineStyle : "")(document.activeElement)`)
		name, ring, _ := strings.Cut(at, " ")
		if name != "" && ring == "none" {
			p.t.Errorf("%s: the focus on %s is invisible", p.address().Path, name)
		}
		if name == id {
			return
		}
		p.types(kb.Tab)
	}
	p.t.Fatalf("Tab doesn't reach #%s at %s:\n%s", id, p.address(), p.text())
}

// focused checks where the focus is without a key pressed.
func (p *person) focused(id string) {
	p.t.Helper()
	got := ""
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(20 * time.Millisecond) { // autofocus comes with the first frame
		if got = p.value(`document.activeElement.id`); got == id {
			return
		}
	}
	p.t.Errorf("%s: the focus is on %q, not on %q", p.address().Path, got, id)
}

// TestPeopleKeyboard: from an app to a second step and back by keys alone, with
// the ways back and another language.
func TestPeopleKeyboard(t *testing.T) {
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true}), vault)
	p := somebody(t)
	p.connect(w, "vault")
	p.focused("username")
	p.types("ada")
	p.tabs("password")
	p.types(password)
	p.enters()
	p.at("/enrol")
	key := get(t, p.ctx, chromedp.TextContent(chromedp.CSS("#totp-key")))
	p.tabs("totp-otp")
	p.types("123456")
	p.enters()
	p.sees("This code isn't right.")
	p.focused("totp-otp") // where it is mended
	p.types(otp(t, key, w.Clock.Now()))
	p.enters()
	p.sees("Your recovery codes")
	p.tabs("recovery-codes") // which may be longer than the screen
	p.tabs("codes-done")
	p.enters()
	p.returns("vault")

	p.forgets()
	w.align()
	p.connect(w, "saleswave")
	p.types("ada")
	p.tabs("password")
	p.types(password)
	p.enters()
	p.at("/factor")
	p.focused("otp")
	p.tabs("trust")
	p.types(" ")
	if !get(t, p.ctx, chromedp.Evaluate[bool](`document.getElementById("trust").checked`)) {
		t.Error("the space bar ticks nothing")
	}
	p.tabs("by-recovery")
	p.enters()
	p.focused("otp")
	p.tabs("by-totp")
	p.enters()
	p.focused("otp")
	p.types("000000")
	p.enters()
	p.sees("This code isn't right")
	p.focused("otp") // where it is mended
	p.types(otp(t, key, w.Clock.Now()))
	p.enters()
	p.at("/consent")
	p.tabs("consent-allow")
	p.enters()
	p.returns("saleswave")

	// Enrolling ends with a refusal as well.
	p.forgets()
	p.connect(w, "vault")
	p.types("grace")
	p.tabs("password")
	p.types(password)
	p.enters()
	p.tabs("not-now")
	p.enters()
	p.returns("vault")

	// The ways by mail, and back.
	p.forgets()
	p.connect(w, "saleswave")
	p.types("bob")
	p.tabs("password")
	p.types("wrong")
	p.enters()
	p.sees("The username or the password is wrong.")
	p.focused("password")
	p.tabs("forgot")
	p.enters()
	p.at("/forgot")
	p.focused("username")
	p.types("ada")
	p.enters()
	p.sees("Check your mail")
	p.open(p.reads(w, "ada@example.com", w.letters("ada@example.com")).link)
	p.focused("password")
	p.types("a new battery for ada")
	p.enters()
	p.sees("Your password is set")
	p.tabs("sign-in")
	p.enters()
	p.at("/login")

	// Another language, and the page is the same.
	p.connect(w, "saleswave")
	p.tabs("language")
	p.types(kb.ArrowDown)
	if got := p.value(`document.getElementById("language").value`); got != "de" {
		t.Fatalf("the arrow chooses %q", got)
	}
	p.tabs("language-submit")
	p.enters()
	p.at("/login")
	if p.value(`document.documentElement.lang`) != "de" || !strings.Contains(p.text(), "Saleswave") {
		t.Errorf("another page, or language:\n%s", p.text())
	}
	for _, page := range []string{"/forgot", "/login/email"} {
		p.open(w.URL + page)
		p.tabs("language")
		p.types(kb.ArrowUp)
		p.tabs("language-submit")
		p.enters()
		p.at(page)
		if p.value(`document.documentElement.lang`) != "en" {
			t.Errorf("%s stays in another language", page)
		}
		p.tabs("language")
		p.types(kb.ArrowDown)
		p.tabs("language-submit")
		p.enters()
	}
}

// TestPeopleNoScript: all but passkeys works without a line of script, and where
// a passkey is offered it says so.
func TestPeopleNoScript(t *testing.T) {
	example := upstreams.OIDC(t, upstreams.Options{People: []upstreams.Person{fellow("olga", "olga@elsewhere.example"), fellow("impostor", "ada@example.com")}})
	w := settle(t, byMail(valetkey.Config{
		ThrottleOff: true, Signup: true, SignupVerify: true,
		Connectors: []valetkey.Connector{{Name: "example", Kind: "oidc", Title: "Example ID", Issuer: example.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret}},
	}), vault)
	p := somebody(t)
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.plain, p.changed = true, true
	p.connect(w, "vault")
	p.sees("Passkeys need JavaScript.")
	p.look("login-plain")
	p.signsIn("ada", password)
	p.sees("Passkeys need JavaScript.")
	key, codes := p.enrols(w)
	p.press("#codes-done")
	p.returns("vault").proved(t, w.sub("ada"), "2", "pwd", "otp", "mfa")

	p.forgets()
	w.align()
	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	p.do(mouse("#trust"))
	p.answers(otp(t, key, w.Clock.Now()))
	p.returns("saleswave").proved(t, w.sub("ada"), "2", "pwd", "otp", "mfa")
	p.forgets()
	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	p.press("#by-recovery")
	p.answers(codes[0])
	p.returns("saleswave").proved(t, w.sub("ada"), "2", "pwd", "otp", "mfa")

	p.forgets()
	p.connect(w, "saleswave")
	p.press("#way-email")
	p.write("#username", "grace")
	p.press("#email-form-submit")
	p.answers(p.reads(w, "grace@example.com", 1).code)
	p.returns("saleswave").proved(t, w.sub("grace"), "1", "otp")

	p.forgets()
	p.connect(w, "saleswave")
	p.press("#forgot")
	p.write("#username", "grace")
	p.press("#forgot-form-submit")
	p.open(p.reads(w, "grace@example.com", 2).link)
	p.write("#password", "a new battery for grace")
	p.press("#reset-form-submit")
	p.press("#sign-in")
	p.signsIn("grace", "a new battery for grace")
	p.at("/account")

	p.forgets()
	p.connect(w, "saleswave")
	p.press("a[href^='/signup']")
	p.signsUp("hedy", "hedy@example.com")
	p.answers(p.reads(w, "hedy@example.com", 1).code)
	p.returns("saleswave").proved(t, w.sub("hedy"), "1", "pwd")

	p.forgets()
	p.connect(w, "saleswave")
	p.comesFrom("example", "olga")
	p.returns("saleswave").proved(t, w.sub("olga"), "1", "fed")
	p.forgets()
	p.connect(w, "saleswave")
	p.comesFrom("example", "impostor")
	p.press("#sign-in")
	p.signsIn("grace", "a new battery for grace")
	p.press("#link-form-submit")
	p.returns("saleswave").proved(t, w.sub("grace"), "1", "pwd")

	p.forgets()
	p.connect(w, "saleswave")
	p.do(chromedp.SetValue(chromedp.CSS("#language"), "de"))
	p.press("#language-submit")
	p.at("/login")
	if p.value(`document.documentElement.lang`) != "de" {
		t.Error("the language stays")
	}

	// At the second step by a passkey alone, another way is there or the page says
	// what is missing.
	q := somebody(t)
	q.authenticator()
	q.forgets()
	q.connect(w, "vault")
	q.signsIn("bob", password)
	q.press("#passkey-submit")
	recovery := strings.Fields(get(t, q.ctx, chromedp.TextContent(chromedp.CSS("#recovery-codes"))))
	q.press("#codes-done")
	q.returns("vault")
	p.forgets()
	p.connect(w, "vault")
	p.do(visible("#login-form"))
	p.signsIn("bob", password)
	p.at("/factor")
	p.look("factor-plain")
	p.do(see("Passkeys need JavaScript."))
	p.press("#by-recovery")
	p.answers(recovery[0])
	p.returns("vault").proved(t, w.sub("bob"), "2", "pwd", "otp", "mfa")
}
