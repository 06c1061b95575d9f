package web

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/secret"
	"github.com/valetkey/valetkey/oauth"
)

func TestSignInAndConsent(t *testing.T) {
	h := newHouse(t)
	user := h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	a := v.get(authorizePath(c))
	if to := a.Header().Get("Location"); a.Code != 302 || !strings.HasPrefix(to, "/login?i=") {
		t.Fatalf("%d %s", a.Code, to)
	}
	a = v.follow(a)
	a.has(t, 200, `id="login-form"`, `Sign in to continue to <span id="client-name">Saleswave</span>`, `id="client-policy"`, `id="client-tos"`, "This app isn't verified")
	a = v.submit(a, "login-form", "username", "ada", "password", "wrong wrong")
	a.has(t, 401, wrongWords, `value="ada"`, `role="alert"`)
	a = v.submit(a, "login-form", "password", password)
	if a.Code != 303 || !strings.HasPrefix(a.Header().Get("Location"), "/consent?i=") {
		t.Fatalf("%d %s", a.Code, a.Header().Get("Location"))
	}
	a = v.follow(a)
	a.has(t, 200, "See your organizations", `name="scope" value="notes:write" checked`, "ada@example.com", "app.saleswave.example", `<code class="quiet">orgs:read</code>`)
	a = v.submit(a, "consent-form", "decision", "allow", "scope", "openid")
	to, err := url.Parse(a.Header().Get("Location"))
	ok(t, err)
	if q := to.Query(); a.Code != 303 || to.Host != "app.saleswave.example" || q.Get("code") == "" || q.Get("state") != "st" || q.Get("iss") != issuer {
		t.Fatalf("%d %s", a.Code, to)
	}
	consent, err := h.Store.Consent(context.Background(), user.Subject, c.ID)
	ok(t, err)
	slices.Sort(consent.Scopes)
	if !slices.Equal(consent.Scopes, []string{"openid", "orgs:read"}) { // the optional one was unticked
		t.Errorf("agreed to %v", consent.Scopes)
	}
}

func TestConsentDenied(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	v.signIn("ada")
	a := v.follow(v.get(authorizePath(c)))
	a = v.submit(a, "consent-form", "decision", "deny")
	if to := a.Header().Get("Location"); a.Code != 303 || !strings.Contains(to, "error=access_denied") || !strings.Contains(to, "state=st") {
		t.Errorf("%d %s", a.Code, to)
	}
}

// The token of the consent form names what was shown. If that has changed the
// page is shown again and nothing is agreed to.
func TestConsentThatNoLongerFits(t *testing.T) {
	h := newHouse(t)
	ada, bob := h.user("ada"), h.user("bob")
	c := h.client("sales", "")
	v := h.visitor()
	v.signIn("ada")
	old := v.follow(v.get(authorizePath(c)))
	t.Run("another person signed in", func(t *testing.T) {
		a := v.follow(v.get(strings.Replace(v.get(authorizePath(c)).Header().Get("Location"), "/consent?", "/login?switch=1&", 1)))
		v.submit(a, "login-form", "username", "bob", "password", password)
		v.submit(old, "consent-form", "decision", "allow").has(t, 403, "Something changed", "bob@example.com")
	})
	t.Run("the scope has other words", func(t *testing.T) {
		page := v.follow(v.get(authorizePath(c)))
		ok(t, h.Store.Declare(context.Background(), []oauth.Scope{{Name: "orgs:read", Title: "Delete your organizations"}, {Name: "notes:write", Title: "Change", Optional: true}}, nil))
		v.submit(page, "consent-form", "decision", "allow").has(t, 403, "Something changed", "Delete your organizations")
	})
	for _, u := range []string{ada.Subject, bob.Subject} {
		if got, err := h.Store.Consent(context.Background(), u, c.ID); err != nil || len(got.Scopes) > 0 {
			t.Errorf("agreed: %v %v", got.Scopes, err)
		}
	}
}

func TestTabsSideBySide(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	one, two := v.follow(v.get(authorizePath(c, "state", "one"))), v.follow(v.get(authorizePath(c, "state", "two")))
	a := v.follow(v.submit(one, "login-form", "username", "ada", "password", password))
	a = v.submit(a, "consent-form", "decision", "allow")
	if !strings.Contains(a.Header().Get("Location"), "state=one") {
		t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
	}
	a = v.submit(two, "login-form", "username", "ada", "password", password)
	if !strings.Contains(a.Header().Get("Location"), "state=two") {
		t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
	}
}

// Case 017: an interaction belongs to the browser that began it.
func TestInteractionOfAnotherBrowser(t *testing.T) {
	h := newHouse(t)
	c := h.client("sales", "")
	path := h.visitor().get(authorizePath(c)).Header().Get("Location")
	other := h.visitor()
	other.get(path).has(t, 400, `id="error-page"`, "opened in another browser", `href="/back?i=`, "Back to ")
	// The way back is the app's own site, and nothing of the request goes there.
	if to := other.get(strings.Replace(path, "/login", "/back", 1)).Header().Get("Location"); to != "https://saleswave.example" {
		t.Errorf("back to %q", to)
	}
	envelope, app, _ := strings.Cut(path, ".")
	_, foreign, _ := strings.Cut(h.visitor().get(authorizePath(h.client("other", ""))).Header().Get("Location"), ".")
	for _, forged := range []string{envelope, envelope + ".", envelope + "." + foreign, envelope + "." + app[1:]} {
		other.get(forged).has(t, 400, `id="error-page"`, `href="/account"`)
		other.get(strings.Replace(forged, "/login", "/back", 1)).has(t, 400, `id="error-page"`)
	}
}

func TestExpiredInteractionLeadsBack(t *testing.T) {
	h := newHouse(t)
	c := h.client("sales", "")
	v := h.visitor()
	path := v.get(authorizePath(c)).Header().Get("Location")
	h.advance(2 * time.Hour)
	a := v.get(path)
	a.has(t, 400, "expired", "Back to Saleswave", `href="/back?i=`)
	a = v.get(strings.Replace(path, "/login", "/back", 1))
	if to := a.Header().Get("Location"); a.Code != 302 || !strings.HasPrefix(to, "https://app.saleswave.example/cb?error=access_denied") || !strings.Contains(to, "state=st") {
		t.Errorf("%d %s", a.Code, to)
	}
}

func TestSelectAccount(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	v.signIn("ada")
	a := v.follow(v.get(authorizePath(c, "prompt", "select_account")))
	a.has(t, 200, "Continue as ada@example.com")
	if other := v.submit(a, "select-form", "decision", "other").Header().Get("Location"); !strings.HasPrefix(other, "/login?i=") || !strings.HasSuffix(other, "switch=1") {
		t.Errorf("other: %s", other)
	}
	if next := v.submit(a, "select-form", "decision", "continue").Header().Get("Location"); !strings.HasPrefix(next, "/consent?i=") {
		t.Errorf("continue: %s", next)
	}
	// prompt=login with it asks for a sign-in after the choice, and doesn't go round in circles.
	a = v.follow(v.get(authorizePath(c, "prompt", "select_account login")))
	a = v.follow(v.submit(a, "select-form", "decision", "continue"))
	a.has(t, 200, "Prove once more", `value="ada"`)
}

func TestLoginHint(t *testing.T) { // case 214
	h := newHouse(t)
	c := h.client("sales", "")
	v := h.visitor()
	a := v.follow(v.get(authorizePath(c, "login_hint", `" autofocus onfocus="x`+strings.Repeat("y", 5000))))
	a.has(t, 200, `value="&#34; autofocus onfocus=&#34;x`)
	if strings.Contains(a.text, strings.Repeat("y", 257)) {
		t.Error("not cut")
	}
}

func TestSignup(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	a := v.follow(v.get(authorizePath(c, "prompt", "create")))
	a.has(t, 200, "Create an account to continue to", `id="signup-form"`)
	a = v.submit(a, "signup-form", "username", "ADA", "password", password)
	a.has(t, 422, "taken", `aria-invalid="true"`)
	a = v.submit(a, "signup-form", "username", "bob", "password", "short")
	a.has(t, 422, "at least 8")
	a = v.follow(v.submit(a, "signup-form", "username", "bob", "password", password))
	a.has(t, 200, `id="consent-form"`, "bob")
}

// What may be left out says so.
func TestOptionalFields(t *testing.T) {
	v := newHouse(t).visitor()
	v.get("/signup").has(t, 200, ">Email (optional)</label>", ">Name (optional)</label>", ">Username</label>")
	v = newHouse(t, func(c *Config) { c.Login.Policy.Domains = []string{"example.com"} }).visitor()
	a := v.get("/signup")
	a.has(t, 200, ">Email</label>", ">Name (optional)</label>")
	if !regexp.MustCompile(`id="email"[^>]* required`).MatchString(a.text) {
		t.Error("an address isn't asked for")
	}
}

func TestSignupOff(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Signup = false })
	v := h.visitor()
	v.get("/signup").has(t, 404)
	v.post("/signup", url.Values{"username": {"x"}}).has(t, 404)
	if strings.Contains(v.get("/login").text, "/signup") {
		t.Error("offered")
	}
}

// Case 305, 309: the link of the first administrator works once, and only where
// it works is anybody asked for a password.
func TestSetup(t *testing.T) {
	h := newHouse(t)
	ok(t, h.Store.SetupToken(context.Background(), secret.Hash("one-time")))
	h.user("bob")
	v := h.visitor()
	fill := []string{"username", "root", "password", password, "admin", "1"}
	send := func(token string) answer { // by a form that was opened while the link worked
		form := url.Values{"form": {h.formToken(nil, h.request(v), oauth.Session{}, "setup", token)}, "username": {"root"}, "password": {password}}
		return v.post(pathWith("/setup", "token", token), form)
	}
	v.get("/login") // gives the browser its name
	for _, token := range []string{"other", "", "one-tim", "one-time2"} {
		for _, a := range []answer{v.get(pathWith("/setup", "token", token)), send(token)} {
			a.has(t, 404, "no longer works", "prints a new one at its next start")
			if strings.Contains(a.text, "setup-form") || strings.Contains(a.text, "Sign in") {
				t.Errorf("%q: %s", token, a.text)
			}
		}
	}
	golden(t, "setup_dead", v.get("/setup?token=other"))
	for range 3 { // whatever scans it
		h.visitor().get("/setup?token=one-time").has(t, 200, "setup-form")
	}
	page := v.get("/setup?token=one-time")
	v.submit(page, "setup-form", "username", "bob", "password", password).has(t, 422, "taken", "setup-form")
	a := v.submit(page, "setup-form", fill...)
	if a.Code != 303 {
		t.Fatalf("%d %s", a.Code, a.text)
	}
	v.get("/account").has(t, 200, "Administrator")
	v = h.visitor()
	v.get("/login")
	for _, token := range []string{"one-time", "other", ""} {
		for _, a := range []answer{v.get(pathWith("/setup", "token", token)), send(token)} {
			a.has(t, 404, "set up already", `href="/login"`)
		}
	}
	golden(t, "setup_done", v.get("/setup"))
}

func TestSlowDown(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	page := v.get("/login")
	for range 200 {
		a := v.submit(page, "login-form", "username", "ada", "password", "wrong wrong")
		if a.Code == 429 {
			a.has(t, 429, "too many tries", "Try again in")
			if a.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return
		}
	}
	t.Error("never slowed down")
}

func TestLogout(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	v.signIn("ada")
	a := v.get("/logout")
	a.has(t, 200, `id="logout-confirm"`)
	v.get("/account").has(t, 200) // asking ends nothing
	back := "/logout?client_id=" + c.ID + "&state=s%201&post_logout_redirect_uri=" + url.QueryEscape("https://app.saleswave.example/bye")
	a = v.get(back)
	a.has(t, 200, "<strong>Saleswave</strong> asks to sign you out")
	a = v.submit(a, "logout-form")
	if a.Code != 303 || !strings.HasPrefix(a.Header().Get("Location"), "https://app.saleswave.example/bye?state=s") {
		t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
	}
	if a := v.get("/account"); a.Code != 302 {
		t.Errorf("still in: %d", a.Code)
	}
	v.signIn("ada")
	v.submit(v.get("/logout"), "logout-form").has(t, 200, `id="logout-done"`, "signed out")
}

// An app may ask by a POST from its own site; the question goes on as a GET
// and ends nothing.
func TestLogoutByForeignPost(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	v.header.Set("Sec-Fetch-Site", "cross-site")
	a := v.post("/logout", url.Values{"client_id": {"sales"}, "form": {"x"}, "state": {"1"}})
	if a.Code != 303 || a.Header().Get("Location") != "/logout?client_id=sales&state=1" {
		t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
	}
	v.header.Del("Sec-Fetch-Site")
	v.get("/account").has(t, 200)
	v.get("/logout?post_logout_redirect_uri=https://evil.example/").has(t, 400, `id="error-detail"`, "post_logout_redirect_uri")
	v.get("/account").has(t, 200)
}
