package web

import (
	"context"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/internal/secret"
)

var update = flag.Bool("update", false, "write the golden pages anew")

// What differs from run to run, and what it is replaced by.
var volatile = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`(name="form" value=")[^"]+`), "${1}TOKEN"},
	{regexp.MustCompile(`(name="to" value=")[^"]+`), "${1}SEALED"},
	{regexp.MustCompile(`(name="asked" value=")[^"]+`), "${1}SEALED"},
	{regexp.MustCompile(`(challenge&#34;:&#34;)[^&]+`), "${1}CHALLENGE"},
	{regexp.MustCompile(`<option value="[a-z]+" lang=.*</option></select>`), "LANGUAGES</select>"},
	{regexp.MustCompile(`([?&](?:amp;)?(?:i|to)=)[^"&]+`), "${1}SEALED"},
	{regexp.MustCompile(`(/static/[a-z]+)\.[0-9a-f]{12}`), "${1}.HASH"},
	{regexp.MustCompile(`(id="client-secret"[^>]*>)[^<]+`), "${1}SECRET"},
	{regexp.MustCompile(`\b[0-9a-v]{26}\b`), "ID"},
	{regexp.MustCompile(`(name="code" value=")[^"]+`), "${1}CODE"},
	{regexp.MustCompile(`\b[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}\b`), "USER-CODE"},
	{regexp.MustCompile(`127\.0\.0\.1:\d{5}`), "127.0.0.1:PORT"},
}

// watch, when set, sees every page that golden would compare.
var watch func(t *testing.T, name string, a answer)

func golden(t *testing.T, name string, a answer) {
	t.Helper()
	if watch != nil {
		watch(t, name, a)
		return
	}
	text := a.text
	for _, v := range volatile {
		text = v.what.ReplaceAllString(text, v.by)
	}
	file := filepath.Join("testdata", name+".html")
	if *update {
		ok(t, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	ok(t, err)
	if string(want) != text {
		t.Errorf("%s differs from its golden file; look, then run with -update\n%s", name, text)
	}
	checkHeaders(t, name, a)
}

// checkHeaders: cases 209 and G5.
func checkHeaders(t *testing.T, name string, a answer) {
	t.Helper()
	for header, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=63072000",
	} {
		if got := a.Header().Get(header); got != want {
			t.Errorf("%s: %s is %q, want %q", name, header, got, want)
		}
	}
	csp := a.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "style-src 'self'", "script-src 'self'", "img-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("%s: no %s in %s", name, part, csp)
		}
	}
}

func TestGoldenSignIn(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	logo := secret.NewID()
	ok(t, h.Store.SaveLogo(context.Background(), logo, "sales", tinyPNG(t)))
	c := h.client("sales", "")
	c.LogoID = logo
	ok(t, h.Store.UpdateClient(context.Background(), c, false))
	v := h.visitor()
	golden(t, "login_plain", v.get("/login"))
	a := v.follow(v.get(authorizePath(c)))
	golden(t, "login", a)
	golden(t, "login_wrong", v.submit(a, "login-form", "username", "ada", "password", "wrong wrong"))
	golden(t, "signup", v.get("/signup"))
	golden(t, "signup_wrong", v.submit(v.get("/signup"), "signup-form", "username", "b", "email", "nobody", "password", "short"))
	ok(t, h.Store.SetupToken(t.Context(), secret.Hash("x")))
	golden(t, "setup", v.get("/setup?token=x"))
	golden(t, "error", v.get("/authorize?client_id=sales&response_type=code&redirect_uri=https://evil.example/"))
	v.signIn("ada")
	golden(t, "consent", v.follow(v.get(authorizePath(c))))
	golden(t, "select", v.follow(v.get(authorizePath(c, "prompt", "select_account"))))
	golden(t, "logout", v.get("/logout?client_id=sales"))
	golden(t, "logout_done", v.submit(v.get("/logout"), "logout-form"))
	golden(t, "not_found", v.get("/nowhere"))
	v.signIn("ada")
	a = v.follow(v.get(authorizePath(c, "response_mode", "form_post")))
	golden(t, "form_post", v.submit(a, "consent-form", "decision", "allow"))
	h.advance(3 * time.Hour)
	golden(t, "expired", v.submit(a, "consent-form", "decision", "allow"))
}

func TestGoldenPortal(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	golden(t, "account", v.get("/account"))
	golden(t, "account_apps_none", v.get("/account/apps"))
	golden(t, "developer_none", v.get("/developer"))
	golden(t, "developer_new", v.get("/developer/apps/new"))
	golden(t, "developer_new_wrong", v.submit(v.get("/developer/apps/new"), "app-form", "callbacks", "http://app.example/cb"))
	golden(t, "developer_secret", v.submit(v.get("/developer/apps/new"), "app-form", "name", "Tidy notes", "callbacks", "https://app.example/cb"))
	other := h.visitor()
	other.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	other.signIn("ada")
	c := h.client("sales", ada.Subject)
	a := v.follow(v.get(authorizePath(c)))
	v.submit(a, "consent-form", "decision", "allow")
	other.get("/authorize?client_id=sales&response_type=code&redirect_uri=" + url.QueryEscape("https://app.saleswave.example/cb/"))
	h.advance(time.Second)
	other.get("/authorize?client_id=sales&response_type=code&redirect_uri=" + url.QueryEscape("https://elsewhere.example/cb"))
	h.advance(time.Second)
	other.get(authorizePath(c, "scope", "payrol"))
	h.advance(3 * time.Minute)
	golden(t, "account_sessions", v.get("/account/sessions"))
	golden(t, "account_apps", v.get("/account/apps"))
	golden(t, "account_password_wrong", v.submit(v.get("/account/password"), "password-form", "current", "not it at all", "new", password+"!"))
	golden(t, "account_password", v.submit(v.get("/account/password"), "password-form", "current", password, "new", password+"!"))
	golden(t, "developer", v.get("/developer"))
	golden(t, "developer_app", v.get("/developer/apps/sales"))
	golden(t, "developer_replaced", v.submit(v.get("/developer/apps/sales"), "/developer/apps/sales/secret"))
	golden(t, "developer_delete", v.get("/developer/apps/sales/delete"))
}

// Arabic is written from right to left, has six plural forms, and names stand
// in it that are written the other way.
func TestGoldenArabic(t *testing.T) {
	t.Cleanup(locale.Use(os.DirFS("testdata/locales")))
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v, other := h.visitor(), h.visitor()
	v.header.Set("Accept-Language", "ar")
	a := v.follow(v.get(authorizePath(c)))
	golden(t, "login_ar", v.submit(a, "login-form", "username", "ada", "password", "wrong wrong"))
	v.signIn("ada")
	golden(t, "consent_ar", v.follow(v.get(authorizePath(c))))
	h.advance(3 * time.Minute)
	other.signIn("ada")
	h.advance(2 * time.Minute)
	golden(t, "account_sessions_ar", v.get("/account/sessions"))
}
