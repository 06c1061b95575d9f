package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// speaking has the pages speak from other catalogues.
func speaking(t *testing.T, catalogues map[string]string) {
	t.Helper()
	files := fstest.MapFS{}
	for tag, text := range catalogues {
		files[tag+".json"] = &fstest.MapFile{Data: []byte(text)}
	}
	t.Cleanup(locale.Use(files))
}

const (
	someGerman = `{"Sign in": "Anmelden", "Sign in to continue to {0}": "Bei {0} anmelden", "There is no such page": "Diese Seite gibt es nicht", "Sign out?": "Abmelden?"}`
	someFrench = `{"Sign in": "Se connecter"}`
	someArabic = `{"Sign in": "تسجيل الدخول"}`
)

func speakSome(t *testing.T) {
	speaking(t, map[string]string{"de": someGerman, "fr": someFrench, "ar": someArabic})
}

func langOf(a answer) string {
	_, rest, _ := strings.Cut(a.text, `<html lang="`)
	tag, _, _ := strings.Cut(rest, `"`)
	if tag != a.Header().Get("Content-Language") {
		return tag + ", and " + a.Header().Get("Content-Language")
	}
	return tag
}

func TestLanguageOfARequest(t *testing.T) {
	speakSome(t)
	h := newHouse(t)
	c := h.client("sales", "")
	for _, row := range []struct{ path, cookie, accept, want string }{
		{"/login", "", "", "en"},
		{"/login", "", "de", "de"},
		{"/login", "", "ja, fr;q=0.5", "fr"},
		{"/login", "ar", "de", "ar"},
		{"/login", "ar.1", "de", "ar"},
		{"/login", "xx", "de", "de"},
		{"/login", "ar.junk", "de", "ar"},
		{"/login", strings.Repeat("ar.", 200), "de", "de"},
		{"/login?ui_locales=fr", "", "de", "fr"},
		{"/nowhere", "", "de", "de"},
		{authorizePath(c, "ui_locales", "fr-CA de"), "", "de", "fr"},
		{authorizePath(c, "ui_locales", "fr"), "ar", "de", "fr"},
		{authorizePath(c, "ui_locales", "fr"), "ar.1", "de", "fr"},
		{authorizePath(c, "ui_locales", "ko"), "ar", "de", "ar"},
		{authorizePath(c), "", "de", "de"},
		{"/authorize?client_id=nobody&ui_locales=fr", "", "de", "fr"},
		{"/logout?post_logout_redirect_uri=https://x.example/&ui_locales=ar", "", "de", "ar"},
	} {
		v := h.visitor()
		if row.cookie != "" {
			v.cookies["__Host-lang"] = row.cookie
		}
		v.header.Set("Accept-Language", row.accept)
		if got := langOf(v.follow(v.get(row.path))); got != row.want {
			t.Errorf("%s, cookie %.20q, %s: %s, want %s", row.path, row.cookie, row.accept, got, row.want)
		}
	}
}

func TestPagesInArabicAreRightToLeft(t *testing.T) {
	speakSome(t)
	v := newHouse(t).visitor()
	v.header.Set("Accept-Language", "ar")
	v.get("/login").has(t, 200, `<html lang="ar" dir="rtl">`, "<h1>تسجيل الدخول</h1>", `<option value="en" lang="en" dir="ltr">English</option>`, `lang="ar" dir="rtl" selected>`)
}

func TestChooseLanguage(t *testing.T) {
	speakSome(t)
	h := newHouse(t)
	h.user("ada")
	c := h.client("sales", "")
	v := h.visitor()
	to := v.get(authorizePath(c, "ui_locales", "fr")).Header().Get("Location")
	a := v.get(to)
	chosen := v.submit(a, "language-form", "lang", "de")
	if chosen.Code != 303 || chosen.Header().Get("Location") != to {
		t.Fatalf("%d %s, want %s", chosen.Code, chosen.Header().Get("Location"), to)
	}
	for _, cookie := range chosen.Result().Cookies() {
		if cookie.Name != "__Host-lang" || cookie.MaxAge != 31536000 || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("%+v", cookie)
		}
	}
	// What was chosen after the app had asked outdoes what the app asked.
	v.get(to).has(t, 200, `lang="de"`, `Bei <span id="client-name">Saleswave</span> anmelden`)
	// The next time the app asks, it knows better again.
	h.advance(time.Second)
	if got := langOf(v.follow(v.get(authorizePath(c, "ui_locales", "fr")))); got != "fr" {
		t.Error(got)
	}
	v.get("/login").has(t, 200, `lang="de"`)
	wrong := v.submit(v.get("/login"), "login-form", "username", "ada", "password", "wrong wrong")
	if back := v.submit(wrong, "language-form", "lang", "en").Header().Get("Location"); back != "/login" {
		t.Errorf("after a refused form: %s", back)
	}
	if back := v.submit(v.get("/nowhere?a=b&c"), "language-form", "lang", "en").Header().Get("Location"); back != "/nowhere?a=b&c" {
		t.Errorf("back to %s", back)
	}
	if back := v.submit(v.get("/logout?post_logout_redirect_uri=https://x.example/&ui_locales=ar"), "language-form", "lang", "fr").Header().Get("Location"); back != "/logout?post_logout_redirect_uri=https%3A%2F%2Fx.example%2F" {
		t.Errorf("back to %s", back)
	}
}

// The choice leads nowhere but to pages of ours that this browser has seen.
func TestLanguageLeadsNowhereElse(t *testing.T) {
	speakSome(t)
	h := newHouse(t)
	v, other := h.visitor(), h.visitor()
	a := v.get("/login")
	_, mine := formIn(t, a.text, "language-form")
	_, theirs := formIn(t, other.get("/signup").text, "language-form")
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-browser", Value: v.cookies["__Host-browser"]})
	sealed := func(to, purpose string) (string, string) {
		s := h.forms.Seal([]byte(to), formBind(h.browser(r), purpose))
		return s, h.formToken(nil, r, oauth.Session{}, "language", s)
	}
	evilTo, evilForm := sealed("//evil.example/", "language")
	loginTo, loginForm := sealed("/developer", "to")
	for name, row := range map[string]struct {
		form url.Values
		want int
	}{
		"as it stands":               {url.Values{"form": mine["form"], "to": mine["to"], "lang": {"de"}}, 303},
		"no token":                   {url.Values{"to": mine["to"], "lang": {"de"}}, 403},
		"another's":                  {url.Values{"form": theirs["form"], "to": theirs["to"], "lang": {"de"}}, 403},
		"another's page":             {url.Values{"form": mine["form"], "to": theirs["to"], "lang": {"de"}}, 403},
		"a plain path":               {url.Values{"form": mine["form"], "to": {"/account"}, "lang": {"de"}}, 403},
		"an address":                 {url.Values{"form": mine["form"], "to": {"https://evil.example/"}, "lang": {"de"}}, 403},
		"nowhere":                    {url.Values{"form": mine["form"], "lang": {"de"}}, 403},
		"sealed, and of another":     {url.Values{"form": {evilForm}, "to": {evilTo}, "lang": {"de"}}, 403},
		"sealed for another purpose": {url.Values{"form": {loginForm}, "to": {loginTo}, "lang": {"de"}}, 403},
		"no language of ours":        {url.Values{"form": mine["form"], "to": mine["to"], "lang": {"tlh"}}, 400},
		"no language":                {url.Values{"form": mine["form"], "to": mine["to"]}, 400},
		"a header":                   {url.Values{"form": mine["form"], "to": mine["to"], "lang": {"de\r\nSet-Cookie: a=b"}}, 400},
	} {
		a := v.post("/language", row.form)
		if a.Code != row.want || a.Code == 303 && a.Header().Get("Location") != "/login" {
			t.Errorf("%s: %d %s", name, a.Code, a.Header().Get("Location"))
		}
		if _, set := v.cookies["__Host-lang"]; set != (row.want == 303) {
			t.Errorf("%s: cookie %v", name, set)
		}
		delete(v.cookies, "__Host-lang")
	}
	v.header.Set("Sec-Fetch-Site", "cross-site")
	if a := v.post("/language", mine); a.Code != 403 {
		t.Errorf("from another site: %d", a.Code)
	}
}

func TestHere(t *testing.T) {
	h := newHouse(t)
	for _, row := range []struct{ method, target, want string }{
		{"GET", "/login?i=abc", "/login?i=abc"},
		{"HEAD", "/nowhere", "/nowhere"},
		{"GET", "/a%2Fb?x=%20", "/a%2Fb?x=%20"},
		{"GET", "//evil.example/", "/account"},
		{"GET", `/\evil.example/`, "/%5Cevil.example/"},
		{"GET", "/x?" + strings.Repeat("a", 9000), "/account"},
		{"GET", "/logout?ui_locales=de", "/logout?"},
		{"POST", "/login?i=abc", "/login?i=abc"},
		{"POST", "/account/sessions/end", "/account"},
		{"POST", "/developer/apps/sales/secret", "/account"},
		{"POST", "/language", "/account"},
		{"POST", "/developer/apps/sales", "/developer/apps/sales"},
	} {
		u, err := url.Parse("https://as.example")
		ok(t, err)
		path, query, _ := strings.Cut(row.target, "?")
		u.Path, err = url.PathUnescape(path)
		ok(t, err)
		u.RawPath, u.RawQuery = path, query
		if got := h.here(&http.Request{Method: row.method, URL: u, Host: "as.example"}); got != row.want {
			t.Errorf("%s %.40s: %.60s", row.method, row.target, got)
		}
	}
}

// A page that shows a secret once can't be shown again in another language.
func TestNoChoiceBesideASecret(t *testing.T) {
	speakSome(t)
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	a := v.submit(v.get("/developer/apps/new"), "app-form", "name", "Tidy notes", "callbacks", "https://app.example/cb")
	a.has(t, 200, `id="client-secret"`)
	if strings.Contains(a.text, "language-form") {
		t.Error("a choice of language")
	}
	v.get("/account").has(t, 200, `id="language-form"`, `<select id="language" name="lang">`, `id="language-submit"`)
}

func TestOneLanguageIsNoChoice(t *testing.T) {
	speaking(t, nil)
	if a := newHouse(t).visitor().get("/login"); strings.Contains(a.text, "language-form") {
		t.Error(a.text)
	}
}

func TestCookieOnHTTP(t *testing.T) {
	speakSome(t)
	h := newHouse(t, func(c *Config) { c.Issuer = "http://localhost:8080" })
	v := h.visitor()
	v.host = "localhost:8080"
	for _, c := range v.submit(v.get("/login"), "language-form", "lang", "fr").Result().Cookies() {
		if c.Name != "lang" || c.Secure || !strings.HasPrefix(c.Value, "fr.") {
			t.Errorf("%+v", c)
		}
	}
	v.get("/login").has(t, 200, "Se connecter")
}
