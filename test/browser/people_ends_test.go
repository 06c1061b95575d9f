package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/upstreams"
)

// wayOn checks that a page leads somewhere: it answers its only link or button
// besides the choice of a language.
func (p *person) wayOn() string {
	p.t.Helper()
	var ways []string
	if err := json.Unmarshal([]byte(p.value(`JSON.stringify([...document.querySelectorAll("main a[href], main button:not([disabled])")]
		.filter(e => e.checkVisibility()).map(e => e.innerText.trim()))`)), &ways); err != nil {
		p.t.Fatal(err)
	}
	if len(ways) != 1 {
		p.t.Errorf("the ways on from %s are %q:\n%s", p.address(), ways, p.text())
		return ""
	}
	return ways[0]
}

// quick is press without a mouse.
func (p *person) quick(selector string) {
	p.t.Helper()
	p.leave(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](fmt.Sprintf(`(e => { e.click(); return true })(document.querySelector(%q))`, selector))(ctx, target)
		return err
	}))
}

// ends does what pages ask for, as somebody who never thinks, until an app is
// reached; that must be the right one. It answers the pages on the way. Of a
// browser that has lost what it knew, a page with one way on is the end.
func (p *person) ends(w *place, client, username, key string, lost bool) (out outcome, by []string) {
	p.t.Helper()
	for range 9 {
		at := p.address()
		by = append(by, at.Path)
		switch {
		case strings.HasPrefix(w.apps.URL, "http://"+at.Host):
			return p.returns(client), by
		case p.has("#error-page"):
			if way := p.wayOn(); way == "" {
				p.t.FailNow()
			} else if lost {
				if strings.Contains(at.RawQuery, "i=") && !strings.HasPrefix(way, "Back to ") && !strings.HasPrefix(way, "Open the page again") {
					p.t.Errorf("from %s it goes on to %q, not to the app", at.Path, way)
				}
				return out, append(by, way)
			}
			p.quick("#error-page a.button")
		case lost && at.Path == "/account":
			return out, by
		case p.has("#login-form"):
			p.signsIn(username, password)
		case p.has("#consent-form"):
			p.quick("#consent-allow")
		case p.has("#not-now"):
			p.quick("#not-now")
		case p.has("#recovery-codes"):
			p.quick("#codes-done")
		case at.Path == "/factor":
			w.align()
			p.answers(otp(p.t, key, w.Clock.Now()))
		case p.has("#select-form"):
			p.quick("#select-continue")
		case p.has("#sign-in"):
			p.quick("#sign-in")
		case at.Path == "/signup":
			p.quick("a[href^='/login']")
		case at.Path == "/signup/confirm":
			p.quick("#again")
		case p.has("#back"):
			p.quick("#back")
		default:
			p.t.Fatalf("nothing to press at %s, after %s:\n%s", at, by, p.text())
		}
	}
	p.t.Fatalf("no end after %s:\n%s", by, p.text())
	return out, by
}

// TestPeopleTabs: five apps ask at once in five tabs; each gets its own answer,
// whoever is done first.
func TestPeopleTabs(t *testing.T) {
	app := func(id string) valetkey.NewClient {
		return valetkey.NewClient{ID: id, FirstParty: true, Metadata: oauth.Metadata{Name: id}}
	}
	w := settle(t, byMail(valetkey.Config{ThrottleOff: true, Signup: true}), vault, app("bank"), app("shop"), app("news"))
	first := somebody(t)
	tabs := map[string]*person{"saleswave": first, "vault": first.tab(), "bank": first.tab(), "shop": first.tab(), "news": first.tab()}
	for client, p := range tabs {
		p.connect(w, client)
		p.at("/login")
	}
	tabs["bank"].front().press("#way-email") // waits for a letter that it won't need
	tabs["shop"].front().press("#forgot")
	tabs["news"].front().open(tabs["news"].value(`document.querySelector("a[href^='/signup']").href`))
	tabs["vault"].front().signsIn("ada", password)
	tabs["vault"].at("/enrol")
	tabs["saleswave"].front().signsIn("ada", password)
	tabs["saleswave"].at("/consent")
	key, _ := tabs["vault"].front().enrols(w) // ends what was proven by less
	tabs["vault"].press("#codes-done")
	tabs["vault"].returns("vault").proved(t, w.sub("ada"), "2", "pwd", "otp", "mfa")
	for _, client := range []string{"saleswave", "shop", "bank", "news"} {
		p := tabs[client].front()
		if p.has("#consent-allow") {
			p.press("#consent-allow") // of a session that is over
		}
		out, by := p.ends(w, client, "ada", key, false)
		if out.Error != "" {
			t.Errorf("%s, by %v: %+v", client, by, out)
		}
		t.Log(client, by)
	}
}

// TestPeopleBack: the browser's own button, after it is done, leads to no dead
// end.
func TestPeopleBack(t *testing.T) {
	w := settle(t, valetkey.Config{ThrottleOff: true, Signup: true}, vault)
	p := somebody(t)
	p.connect(w, "vault")
	p.signsIn("ada", password)
	key, _ := p.enrols(w)
	p.press("#codes-done")
	p.returns("vault")
	p.forgets()

	p.connect(w, "saleswave")
	p.signsIn("ada", password)
	w.align()
	p.answers(otp(t, key, w.Clock.Now()))
	p.at("/consent")
	p.press("#consent-allow")
	p.returns("saleswave")
	for i := range 3 { // consent, the second step, and sign-in
		p.back()
		before := p.address().Path
		if p.has("#otp") {
			p.answers("123456") // and they try it
		}
		out, by := p.ends(w, "saleswave", "ada", key, false)
		if out.Error != "" {
			t.Errorf("back %d to %s, by %v: %+v", i+1, before, by, out)
		}
		t.Log(i, before, by)
		for range i + 1 {
			p.back()
		}
	}
}

// stop is a page where people rest: how they come there, and what they do there.
type stop struct {
	name, client string
	reach, send  func(p *person)
}

// TestPeopleRest: between a page and its answer there is lunch, or a night; the
// server is started anew; or the browser loses its cookies. What is sent then
// ends at the app, or at a page with exactly one way on.
func TestPeopleRest(t *testing.T) {
	var w *place
	example := upstreams.OIDC(t, upstreams.Options{
		People: []upstreams.Person{fellow("olga", "ada@example.com")}, Now: func() time.Time { return w.Clock.Now() },
	})
	c := byMail(valetkey.Config{
		Database: "sqlite:" + filepath.Join(t.TempDir(), "valetkey.db"), ThrottleOff: true, Signup: true, SignupVerify: true, FetchAllowLoopback: true,
		Connectors: []valetkey.Connector{{Name: "example", Kind: "oidc", Issuer: example.URL, ClientID: upstreams.ClientID, ClientSecret: upstreams.ClientSecret}},
	})
	w = settle(t, c, vault)
	p := somebody(t)
	p.connect(w, "vault")
	p.signsIn("ada", password)
	key, _ := p.enrols(w)
	p.press("#codes-done")
	p.returns("vault")

	made := 0
	name := func() string { return fmt.Sprintf("newcomer%d", made) }
	stops := []stop{
		{"login", "saleswave", func(p *person) { p.connect(w, "saleswave") }, func(p *person) { p.signsIn("bob", password) }},
		{"consent", "saleswave", func(p *person) {
			p.connect(w, "saleswave", "prompt", "consent")
			p.signsIn("bob", password)
		}, func(p *person) { p.quick("#consent-allow") }},
		{"factor", "vault", func(p *person) {
			p.connect(w, "vault")
			p.signsIn("ada", password)
		}, func(p *person) { w.align(); p.answers(otp(t, key, w.Clock.Now())) }},
		{"enrol", "vault", func(p *person) {
			p.connect(w, "vault")
			p.signsIn("grace", password)
		}, func(p *person) { p.quick("#not-now") }},
		{"enrol-totp", "vault", func(p *person) {
			p.connect(w, "vault")
			p.signsIn("grace", password)
		}, func(p *person) { p.write("#totp-otp", "123456"); p.quick("#totp-submit") }},
		{"new-password", "saleswave", func(p *person) {
			made++
			w.user(valetkey.NewUser{Username: name(), Password: password, MustChange: true})
			p.connect(w, "saleswave")
			p.signsIn(name(), password)
		}, func(p *person) { p.write("#password", password+"!"); p.quick("#new-password-form-submit") }},
		{"email", "saleswave", func(p *person) {
			p.connect(w, "saleswave")
			p.quick("#way-email")
		}, func(p *person) { p.write("#username", "bob"); p.quick("#email-form-submit") }},
		{"email-code", "saleswave", func(p *person) {
			p.connect(w, "saleswave")
			p.quick("#way-email")
			p.write("#username", "bob")
			p.quick("#email-form-submit")
		}, func(p *person) { p.answers("123456") }},
		{"forgot", "saleswave", func(p *person) {
			p.connect(w, "saleswave")
			p.quick("#forgot")
		}, func(p *person) { p.write("#username", "bob"); p.quick("#forgot-form-submit") }},
		{"signup-code", "saleswave", func(p *person) {
			made++
			p.connect(w, "saleswave", "prompt", "create")
			p.signsUp(name(), name()+"@example.com")
		}, func(p *person) { p.answers("123456") }},
		{"signup", "saleswave", func(p *person) {
			made++
			p.connect(w, "saleswave", "prompt", "create")
		}, func(p *person) { p.signsUp(name(), name()+"@example.com") }},
		{"select", "saleswave", func(p *person) {
			p.connect(w, "saleswave", "prompt", "select_account")
			p.signsIn("bob", password)
			p.returns("saleswave")
			p.connect(w, "saleswave", "prompt", "select_account")
		}, func(p *person) { p.quick("#select-continue") }},
		{"link", "saleswave", func(p *person) {
			p.connect(w, "saleswave")
			p.quick("#with-example")
			p.quick("#person-olga")
		}, func(p *person) { p.quick("#sign-in") }},
		{"upstream", "saleswave", func(p *person) {
			p.connect(w, "saleswave")
			p.quick("#with-example")
		}, func(p *person) { p.quick("#deny") }},
	}
	for _, rest := range []struct {
		name string
		do   func(p *person)
	}{
		{"lunch", func(*person) { w.Clock.Advance(65 * time.Minute) }},
		{"night", func(*person) { w.Clock.Advance(13 * time.Hour) }},
		{"restart", func(*person) {
			if err := w.Restart(c); err != nil {
				t.Fatal(err)
			}
		}},
		{"no-cookies", func(p *person) { p.forgets() }},
	} {
		for _, s := range stops {
			t.Run(rest.name+"/"+s.name, func(t *testing.T) {
				p.t, w.t = t, t
				p.forgets()
				s.reach(p)
				rest.do(p)
				s.send(p)
				out, by := p.ends(w, s.client, map[bool]string{true: "ada", false: "bob"}[s.client == "vault"], key, rest.name == "no-cookies")
				t.Log(by, out.Error)
			})
		}
	}
}
