package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/test/harness"
)

// signedIn is a browser in which somebody signed in.
func signedIn(t *testing.T, srv *harness.Server, username string) *harness.Browser {
	t.Helper()
	b := srv.Browser(t)
	if got := try(t, b, username, harness.Password); got != "in" {
		t.Fatalf("sign-in of %s: %s", username, got)
	}
	return b
}

// cookieOf is the value of a browser's cookie.
func cookieOf(b *harness.Browser, name string) string {
	for _, c := range b.Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// within says whether a session cookie opens the account page.
func within(t *testing.T, srv *harness.Server, session string) bool {
	t.Helper()
	b := srv.Browser(t)
	b.Header.Set("Cookie", "session="+session)
	page, err := b.Hop("GET", "/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	return page.Status == http.StatusOK
}

// Test202PlantedSession: a session that somebody planted in a browser is not
// the one that a sign-in there makes, and is worth nothing afterwards.
func Test202PlantedSession(t *testing.T) {
	srv := start(t)
	planted := cookieOf(signedIn(t, srv, "bob"), "session")
	victim := srv.Browser(t)
	victim.Header.Set("Cookie", "session="+planted)
	page, err := victim.Get("/login?switch=1")
	if err != nil {
		t.Fatal(err)
	}
	page, err = victim.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
	if err != nil || page.Status != http.StatusOK {
		t.Fatalf("%v %d", err, page.Status)
	}
	made := cookieOf(victim, "session")
	if made == "" || made == planted || strings.Split(made, ".")[0] == strings.Split(planted, ".")[0] {
		t.Errorf("202: planted %s, made %s", planted, made)
	}
	if within(t, srv, planted) || !within(t, srv, made) {
		t.Error("202: the planted session lives, or the new one doesn't")
	}
	// An id that was never given out doesn't become one.
	invented := srv.Browser(t)
	invented.Header.Set("Cookie", "session="+strings.Repeat("0", 26)+"."+strings.Repeat("a", 43))
	if got := try(t, invented, "ada", harness.Password); got != "in" || strings.HasPrefix(cookieOf(invented, "session"), "000") {
		t.Errorf("202: %s with %s", got, cookieOf(invented, "session"))
	}
}

// Test205ForeignSignIn: another site can't sign a browser in as the attacker.
func Test205ForeignSignIn(t *testing.T) {
	srv := start(t)
	attacker := srv.Browser(t)
	page, err := attacker.Get("/login")
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"form": {hidden(t, page, "form")}, "username": {"bob"}, "password": {harness.Password}}
	for name, header := range map[string][2]string{
		"by Sec-Fetch-Site":                 {"Sec-Fetch-Site", "cross-site"},
		"by Sec-Fetch-Site, a sibling site": {"Sec-Fetch-Site", "same-site"},
		"by Origin":                         {"Origin", "https://evil.example"},
		"by Origin null":                    {"Origin", "null"}, // the form token decides
		"by neither":                        {"X-Nothing", "1"},
	} {
		victim := srv.Browser(t)
		page, err := victim.Get("/login") // it is known here
		if err != nil {
			t.Fatal(err)
		}
		victim.Header.Set(header[0], header[1])
		tokens := []string{form.Get("form")}
		if header[1] != "null" && header[0] != "X-Nothing" {
			tokens = append(tokens, hidden(t, page, "form")) // not even with a token of its own
		}
		for _, token := range tokens {
			form.Set("form", token)
			page, err := victim.Post("/login", form)
			if err != nil || page.Status != http.StatusForbidden || cookieOf(victim, "session") != "" {
				t.Errorf("205 %s: %v %d, session %q", name, err, page.Status, cookieOf(victim, "session"))
			}
		}
		form.Set("form", tokens[0])
	}
}

// Test206NullOriginBesideSecFetchSite: Chromium posts the forms of a
// no-referrer page with Origin null, and they are taken; CONTRACT §3.
func Test206NullOriginBesideSecFetchSite(t *testing.T) {
	srv := start(t)
	for _, headers := range []map[string]string{
		{"Origin": "null", "Sec-Fetch-Site": "same-origin"}, {"Origin": "null"}, {"Sec-Fetch-Site": "none"}, {"Origin": srv.URL}, {},
	} {
		b := srv.Browser(t)
		for name, value := range headers {
			b.Header.Set(name, value)
		}
		if got := try(t, b, "ada", harness.Password); got != "in" {
			t.Errorf("206 %v: %s", headers, got)
		}
	}
}

// Test208OddBodies: a form is a form, and no header makes another method of it.
func Test208OddBodies(t *testing.T) {
	srv := start(t)
	session := cookieOf(signedIn(t, srv, "ada"), "session")
	send := func(method, path, kind, body string, header ...string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "session="+session)
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		a, err := harness.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	for _, path := range []string{"/login", "/account/password", "/account/sessions/end-others", "/developer/apps/new"} {
		for _, kind := range []string{"application/json", "text/plain", ""} {
			if got := send("POST", path, kind, `{"username":"ada"}`); got/100 != 4 {
				t.Errorf("208 %s as %q: %d", path, kind, got)
			}
		}
	}
	for _, header := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		if got := send("GET", "/account/sessions/end-others", "", "", header, "POST"); got != http.StatusMethodNotAllowed {
			t.Errorf("208 GET with %s: %d", header, got)
		}
		if got := send("GET", "/account", "", "", header, "DELETE"); got != http.StatusOK {
			t.Errorf("208 GET with %s: %d", header, got)
		}
	}
	if !within(t, srv, session) {
		t.Error("208: the session ended")
	}
}

// Test209EveryPageIsUnframeable: 209, 294, G5: every page and every error page
// says so.
func Test209EveryPageIsUnframeable(t *testing.T) {
	srv := start(t)
	browser := signedIn(t, srv, "ada")
	waiting, err := browser.Get("/authorize?" + request(nil).Encode())
	if err != nil || waiting.ByID("consent-form") == nil {
		t.Fatalf("%v %s", err, waiting.Text())
	}
	stranger := srv.Browser(t)
	begun, err := stranger.Get("/authorize?" + request(nil).Encode())
	if err != nil || begun.ByID("login-form") == nil {
		t.Fatalf("%v %s", err, begun.Text())
	}
	for _, c := range []struct {
		browser *harness.Browser
		method  string
		path    string
		status  int
	}{
		{stranger, "GET", "/login", 200},
		{stranger, "GET", begun.URL.RequestURI(), 200},
		{stranger, "GET", "/logout", 200},
		{stranger, "GET", "/setup?token=x", 404},
		{stranger, "GET", "/signup", 404},
		{browser, "GET", waiting.URL.RequestURI(), 200},
		{stranger, "GET", waiting.URL.RequestURI(), 400},
		{browser, "GET", "/authorize?" + request(one("prompt", "select_account")).Encode(), 200},
		{browser, "GET", "/account", 200},
		{browser, "GET", "/account/apps", 200},
		{browser, "GET", "/account/sessions", 200},
		{browser, "GET", "/account/password", 200},
		{browser, "GET", "/developer", 200},
		{browser, "GET", "/developer/apps/new", 200},
		{browser, "GET", "/developer/apps/web", 404},
		{browser, "GET", "/logout", 200},
		{browser, "GET", "/login?i=x", 400},
		{browser, "GET", "/consent", 400},
		{browser, "GET", "/select?i=x", 400},
		{browser, "GET", "/back?i=x", 400},
		{browser, "GET", "/nowhere", 404},
		{browser, "POST", "/account", 405},
		{browser, "POST", "/account/password", 403},
		{browser, "GET", "/authorize", 400},
		{browser, "GET", "/logout?post_logout_redirect_uri=https://evil.example/", 400},
		{browser, "GET", "/authorize?" + request(one("redirect_uri", "https://evil.example")).Encode(), 400},
		{browser, "GET", "/authorize?a=%zz", 400},
	} {
		var form url.Values
		if c.method == "POST" {
			form = url.Values{"a": {"b"}}
		}
		page, err := c.browser.Hop(c.method, c.path, form)
		if err == nil && page.Status/100 == 3 {
			page, err = c.browser.Get(page.Location.String())
		}
		if err != nil || page.Status != c.status {
			t.Errorf("%s %.60s: %v %d, want %d", c.method, c.path, err, page.Status, c.status)
			continue
		}
		t.Run(fmt.Sprintf("%s %.40s", c.method, c.path), func(t *testing.T) { checkHeaders(t, page) })
	}
}

// Test213ErrorPagesReflectNothing: through the whole server, on every page
// that a stranger can be sent to.
func Test213ErrorPagesReflectNothing(t *testing.T) {
	srv := start(t)
	const mark = `zq"'><script>alert(7)</script>{{.}}zq`
	for _, path := range []string{"/authorize", "/login", "/logout", "/consent", "/select", "/back", "/setup", "/nowhere", "/account", "/login/" + url.PathEscape(mark)} {
		q := url.Values{}
		for _, name := range []string{
			"error", "error_description", "error_hint", "client_id", "redirect_uri", "state", "i", "to", "next", "return_to", "client_name",
			"post_logout_redirect_uri", "id_token_hint", "token", mark,
		} {
			q.Set(name, mark)
		}
		page, err := srv.Browser(t).Get(path + "?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page.Body, `zq"'`) || strings.Contains(page.Body, "<script>alert") || path != "/setup" && strings.Contains(page.Text(), "alert(7)") {
			t.Errorf("213 %s: %s", path, page.Body)
		}
		if page.Status >= 500 {
			t.Errorf("213 %s: %d", path, page.Status)
		}
	}
}

// odd are values that mean something to a database, a template or a decoder.
var odd = []string{
	"' OR '1'='1", "'; DROP TABLE users; --", `\'; SELECT pg_sleep(5); --`, "$1", "$$", "%", "_", "0x00", "null", "{{.}}", "-1", "1e400",
	"\x00", "a\x00b", "\xff", "\xed\xa0\x80", "\u202e", "\U0001F511", strings.Repeat("x", 3000), "../../etc/passwd",
}

// Test284OddValues: 284, 286: no value, wherever it stands, makes the server
// fail, wait or change.
func Test284OddValues(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			srv := harness.Start(t, setup(database(t)))
			if err := harness.Populate(srv); err != nil {
				t.Fatal(err)
			}
			browser := signedIn(t, srv, "ada")
			before := census(t, srv)
			for _, value := range odd {
				for where, send := range places(t, srv, browser, value) {
					began := time.Now()
					status, body := send()
					if took := time.Since(began); status >= 500 || status == 0 || took > 2*time.Second {
						t.Errorf("284 %s=%.40q: %d after %s: %.200s", where, value, status, took, body)
					}
				}
			}
			if after := census(t, srv); after != before {
				t.Errorf("284: %s, before %s", after, before)
			}
		})
	}
}

// census counts what strangers must not change.
func census(t *testing.T, srv *harness.Server) string {
	t.Helper()
	users, err := srv.Admin().Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clients, err := srv.Admin().Clients(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(len(users), " users, ", len(clients), " apps")
}

// places are all the ways to bring a value into the server.
func places(t *testing.T, srv *harness.Server, browser *harness.Browser, value string) map[string]func() (int, string) {
	t.Helper()
	out := map[string]func() (int, string){}
	escaped := url.QueryEscape(value)
	get := func(where, path string) {
		out[where] = func() (int, string) {
			page, err := browser.Hop("GET", path, nil)
			if err != nil {
				return 0, err.Error()
			}
			return page.Status, page.Body
		}
	}
	for _, name := range []string{
		"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "prompt", "max_age",
		"login_hint", "acr_values", "id_token_hint", "claims", "ui_locales", "resource", "response_mode", "i",
	} {
		get("/authorize?"+name, "/authorize?"+request(one(name, value)).Encode())
	}
	for _, path := range []string{"/login?i=", "/login?to=", "/consent?i=", "/logout?client_id=", "/logout?state=", "/setup?token=", "/account?", "/developer?after="} {
		get(path, path+escaped)
	}
	for _, path := range []string{"/developer/apps/", "/logos/", "/static/", "/login/"} {
		get(path, path+url.PathEscape(value))
	}
	post := func(where, path, basic string, form url.Values) {
		out[where] = func() (int, string) {
			a, err := srv.Call(path, basic, form)
			if err != nil {
				return 0, err.Error()
			}
			return a.Status, a.Body
		}
	}
	web := "web:" + harness.Secret
	for _, name := range []string{"grant_type", "code", "code_verifier", "redirect_uri", "refresh_token", "scope", "resource", "client_id"} {
		for _, grant := range []string{"authorization_code", "refresh_token"} {
			post("/token "+grant+" "+name, "/token", web, merge(url.Values{"grant_type": {grant}}, one(name, value)))
		}
	}
	post("/token Basic id", "/token", value+":x", one("grant_type", "authorization_code"))
	post("/token Basic secret", "/token", "web:"+value, one("grant_type", "authorization_code"))
	post("/token body id", "/token", "", url.Values{"grant_type": {"authorization_code"}, "client_id": {value}, "client_secret": {value}})
	post("/token service scope", "/token", "service:"+harness.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {value}})
	for _, prefix := range []string{"", "rt_", "at_", "a.b."} {
		post("/introspect "+prefix, "/introspect", web, one("token", prefix+value))
		post("/revoke "+prefix, "/revoke", web, one("token", prefix+value))
	}
	post("/introspect hint", "/introspect", web, url.Values{"token": {"x"}, "token_type_hint": {value}})
	form := func(where, page, id string, change url.Values) {
		out[where] = func() (int, string) {
			shown, err := browser.Get(page)
			if err == nil {
				shown, err = browser.Submit(shown, id, "", change)
			}
			if err != nil {
				return 0, err.Error()
			}
			return shown.Status, shown.Body
		}
	}
	form("username", "/login?switch=1", "login-form", url.Values{"username": {value}, "password": {""}})
	form("password", "/login?switch=1", "login-form", url.Values{"username": {"nobody"}, "password": {value + strings.Repeat("y", 200)}})
	form("app name", "/developer/apps/new", "app-form", url.Values{"name": {value}, "redirect_uris": {"not a URI"}})
	form("app scope", "/developer/apps/new", "app-form", url.Values{"name": {"x"}, "scope": {value}})
	header := func(name string) {
		if strings.ContainsAny(value, "\x00") {
			return // net/http refuses to send it; a server's answer is 400
		}
		out["header "+name] = func() (int, string) {
			b := srv.Browser(t)
			b.Header.Set(name, value)
			page, err := b.Get("/login")
			if err == nil {
				page, err = b.Submit(page, "login-form", "", url.Values{"username": {"bob"}, "password": {harness.Password}})
			}
			if err != nil {
				return 0, err.Error()
			}
			if page.URL.Path != "/account" && !strings.EqualFold(name, "Cookie") {
				return 0, page.Text()
			}
			return page.Status, page.Body
		}
	}
	if len(value) <= 40 { // each is a sign-in, with a hash
		header("User-Agent")
	}
	for _, cookie := range []string{"session=", "browser="} {
		out["cookie "+cookie] = func() (int, string) {
			req, _ := http.NewRequestWithContext(context.Background(), "GET", srv.URL+"/account", nil)
			req.Header.Set("Cookie", cookie+url.PathEscape(value)+"; "+cookie+strings.Repeat("0", 26)+"."+strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", ""), ""))
			a, err := harness.Do(req)
			if err != nil {
				return 0, err.Error()
			}
			return a.Status, a.Body
		}
	}
	return out
}

// Test286TextParameters: what is no text is refused as such, before anybody
// looks it up.
func Test286TextParameters(t *testing.T) {
	srv := start(t)
	for _, value := range []string{"%00", "a%00b", "%ff", "%c3%28", "%ed%a0%80"} {
		for _, name := range []string{"client_id", "redirect_uri", "state", "scope", "nonce", "login_hint", "unknown"} {
			q := request(url.Values{name: nil})
			page, err := srv.Browser(t).Hop("GET", "/authorize?"+q.Encode()+"&"+name+"="+value, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := page.TextOf("error-code"); page.Status != http.StatusBadRequest || got != "invalid_request" {
				t.Errorf("286 %s=%s: %d %s", name, value, page.Status, got)
			}
		}
		for _, path := range []string{"/token", "/introspect", "/revoke"} {
			for _, name := range []string{"token", "code", "grant_type", "refresh_token", "unknown"} {
				a := bearerless(t, srv, path, name+"="+value)
				if a.Status != http.StatusBadRequest || a.String("error") != "invalid_request" {
					t.Errorf("286 %s %s=%s: %d %s", path, name, value, a.Status, a.Body)
				}
			}
		}
	}
}

// bearerless posts a body as it is, with the credentials of web.
func bearerless(t *testing.T, srv *harness.Server, path, body string) *harness.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("web", url.QueryEscape(harness.Secret))
	a, err := harness.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Test288Sizes: 288, 292, 297 at the real binary: what is too large is
// refused quickly, HTTP/2 isn't spoken in clear, and nothing of the inside is
// on the public listener.
func Test288Sizes(t *testing.T) {
	p := newProcess(t)
	p.Start(t)
	ask := func(request string) (int, time.Duration) {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", p.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		began := time.Now()
		go func() { _, _ = io.WriteString(conn, request) }() // the server may answer before all is sent
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0, time.Since(began)
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode, time.Since(began)
	}
	host := "Host: " + p.Address + "\r\n"
	cookies := strings.Repeat("a=b; ", 1000)
	for _, c := range []struct {
		name, request string
		want          []int
	}{
		{"64 KB header", "GET /jwks HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", []int{431}},
		{"40 KB URL", "GET /jwks?" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\n" + host + "\r\n", []int{431}},
		{"100000 query parameters", "GET /authorize?" + strings.Repeat("a=1&", 100_000) + " HTTP/1.1\r\n" + host + "\r\n", []int{431}},
		{"2000 query parameters", "GET /authorize?" + strings.Repeat("a=1&", 2000) + " HTTP/1.1\r\n" + host + "\r\n", []int{400}},
		{"1000 cookies", "GET /account HTTP/1.1\r\n" + host + "Cookie: " + cookies + "\r\n\r\n", []int{302, 400, 431}},
		{"1000 header lines", "GET /jwks HTTP/1.1\r\n" + host + strings.Repeat("X-A: b\r\n", 4000) + "\r\n", []int{431}},
		{"h2c upgrade", "GET /jwks HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", []int{200}},
		{"HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{0, 400, 421, 505}},
		{"pprof", "GET /debug/pprof/heap HTTP/1.1\r\n" + host + "\r\n", []int{404}},
		{"vars", "GET /debug/vars HTTP/1.1\r\n" + host + "\r\n", []int{404}},
		{"environment", "GET /.env HTTP/1.1\r\n" + host + "\r\n", []int{404}},
		{"git", "GET /.git/config HTTP/1.1\r\n" + host + "\r\n", []int{404}},
	} {
		got, took := ask(c.request)
		if !slices.Contains(c.want, got) || took > time.Second {
			t.Errorf("288, 292, 297 %s: %d after %s, want %v", c.name, got, took, c.want)
		}
	}
	if got, _ := ask("GET /jwks HTTP/1.1\r\n" + host + "\r\n"); got != http.StatusOK {
		t.Errorf("afterwards: %d\n%s", got, p.Out)
	}
}

// Test294NothingIsKept: 089, 294: what an endpoint answers is for nobody's
// cache, whether it is good or not.
func Test294NothingIsKept(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", one("scope", "openid offline_access"))
	access := tokens.String("access_token")
	for name, a := range map[string]*harness.Answer{
		"token":              tokens,
		"token refused":      call(t, srv, "/token", "web:"+harness.Secret, one("grant_type", "odd")),
		"token by nobody":    call(t, srv, "/token", "", one("grant_type", "odd")),
		"introspect":         call(t, srv, "/introspect", "web:"+harness.Secret, one("token", access)),
		"introspect nothing": call(t, srv, "/introspect", "web:"+harness.Secret, nil),
		"userinfo":           bearer(t, srv, "GET", "/userinfo", "Bearer "+access, ""),
		"userinfo refused":   bearer(t, srv, "GET", "/userinfo", "Bearer x", ""),
		"userinfo, nobody's": bearer(t, srv, "GET", "/userinfo", "", ""),
		"revoke":             call(t, srv, "/revoke", "web:"+harness.Secret, one("token", "x")),
	} {
		h := a.Header
		if h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("089, 294 %s: %v", name, h)
		}
		if kind := h.Get("Content-Type"); a.Body != "" && kind != "application/json" {
			t.Errorf("089 %s: %q", name, kind)
		}
	}
}

// Test296HSTS: a server whose issuer is https says so with every answer.
func Test296HSTS(t *testing.T) {
	c := setup(databases["sqlite"](t))
	c.Issuer, c.Log = "https://auth.example", slog.New(slog.DiscardHandler)
	srv, err := valetkey.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	for _, path := range []string{"/login", "/authorize", "/jwks", "/.well-known/openid-configuration", "/nowhere", "/token"} {
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, c.Issuer+path, nil))
		if got := rec.Header().Get("Strict-Transport-Security"); got != "max-age=63072000" {
			t.Errorf("296 %s: %q", path, got)
		}
		for _, cookie := range rec.Result().Cookies() {
			if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(cookie.Name, "__Host-") || cookie.Domain != "" || cookie.Path != "/" {
				t.Errorf("204 %s: %v", path, cookie)
			}
		}
	}
}

// Test298OneCanonicalName: spellings of one name are one account.
func Test298OneCanonicalName(t *testing.T) {
	srv := start(t)
	create := func(name string) error {
		_, err := srv.Admin().CreateUser(t.Context(), valetkey.NewUser{Username: name})
		return err
	}
	for _, name := range []string{"sik", "zo\u00eb", "istanbul"} {
		if err := create(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"SIK", "\u017fik", "si\u212a", "sik.", " sik", "\uff53\uff49\uff4b", "s\u200bik", "sik\u200d", "\u202esik", // sik: long s, Kelvin, full width, invisible
		"zoe\u0308", "ZO\u00cb",
		"ISTANBUL",
	} {
		if create(name) == nil {
			t.Errorf("298: %q is an account of its own", name)
		}
	}
	for name, want := range map[string]string{"\u017fIK": "sik", "si\u212a ": "sik", "ZOE\u0308": "zo\u00eb", "Istanbul": "istanbul"} {
		if u, err := srv.Admin().User(t.Context(), name); err != nil || u.Username != want {
			t.Errorf("298 %q finds %q: %v", name, u.Username, err)
		}
	}
}

// Test314LogInjection: what strangers write stands in a log line, and makes
// none.
func Test314LogInjection(t *testing.T) {
	var lines bytes.Buffer
	c := setup(databases["sqlite"](t))
	c.Log, c.AccessLog = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})), true
	srv, err := harness.Launch(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	const forged = "x\r\n{\"level\":\"INFO\",\"msg\":\"forged\"}\x1b[31m"
	for _, path := range []string{"/" + url.PathEscape(forged), "/authorize?" + request(one("client_id", forged)).Encode(), "/authorize?" + request(one("scope", forged)).Encode(), "/login?i=" + url.QueryEscape(forged)} {
		bearer(t, srv, "GET", path, "", "")
	}
	call(t, srv, "/token", forged+":x", one("grant_type", forged))
	call(t, srv, "/introspect", "web:"+harness.Secret, one("token", "eyJhbGciOiJFUzI1NiIsImtpZCI6Ilx1MDAwYWZvcmdlZCJ9.e30.AAAA"))
	try(t, srv.Browser(t), forged, "not the password")
	if err := srv.Stop(); err != nil {
		t.Fatal(err)
	}
	if lines.Len() == 0 {
		t.Fatal("nothing was logged")
	}
	for line := range strings.Lines(lines.String()) {
		if !strings.HasPrefix(line, `{"time":`) || strings.ContainsRune(line, 0x1b) || strings.Contains(line, `"msg":"forged"`) {
			t.Errorf("314: %s", line)
		}
	}
}
