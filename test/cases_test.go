package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// databases names where the cases run.
var databases = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/valetkey.db" },
	"postgres": func(t testing.TB) string { return testkit.Postgres(t) },
}

// setup is the server that every script and case speaks with.
func setup(database string) valetkey.Config {
	return valetkey.Config{
		Database: database, MasterSecret: valetkey.NewMasterSecret(), ThrottleOff: true,
		Scopes: []oauth.Scope{
			{Name: "PRODUCTION", Title: "Use your live data"},
			{Name: "orgs:read", Title: "See your organizations", Resource: "https://api.example"},
			{Name: "orgs:write", Title: "Change your organizations", Optional: true, Resource: "https://api.example"},
			{Name: "audit", Title: "Read the audit log", Restricted: true},
		},
		Resources: []oauth.Resource{{URL: "https://api.example", Name: "API", Client: "api"}, {URL: "https://other.example", Name: "Other"}},
	}
}

func start(t *testing.T) *harness.Server {
	t.Helper()
	srv := harness.Start(t, setup(databases["sqlite"](t)))
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	return srv
}

// request is a good authorization request, with changes: a nil list removes.
func request(change url.Values) url.Values {
	v := url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {harness.Callback}, "scope": {"orgs:read"},
		"state": {"xyz"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for name, values := range change {
		if v.Del(name); values != nil {
			v[name] = values
		}
	}
	return v
}

// outcome says in one line where an answer of /authorize leads.
func outcome(p *harness.Page) string {
	switch {
	case p.Location != nil && strings.HasPrefix(p.Location.Path, "/login"):
		return "LOGIN"
	case p.Location != nil:
		q := p.Location.Query()
		base, _, _ := strings.Cut(p.Location.String(), "?")
		return strings.TrimSpace(fmt.Sprintf("RED(%s) to %s state=%s", q.Get("error"), base, q.Get("state")))
	case p.ByID("error-page") != nil:
		parameter := regexp.MustCompile(`[a-z]+_[a-z_]+`).FindString(p.TextOf("error-detail"))
		return fmt.Sprintf("PAGE%d(%s %s)", p.Status, p.TextOf("error-code"), parameter)
	}
	return fmt.Sprintf("%d %s", p.Status, p.Text())
}

func one(name, value string) url.Values { return url.Values{name: {value}} }

// TestAuthorizeCases are groups A, B and C of requests that end before anybody
// signs in.
func TestAuthorizeCases(t *testing.T) {
	srv := start(t)
	red := func(code string) string { return "RED(" + code + ") to " + harness.Callback + " state=xyz" }
	for _, c := range []struct {
		id     string
		change url.Values
		want   string
	}{
		{"good", nil, "LOGIN"},
		{"001 missing", url.Values{"client_id": nil}, "PAGE400(invalid_request client_id)"},
		{"001 unknown", one("client_id", "nobody"), "PAGE400(invalid_request client_id)"},
		{"002", url.Values{"redirect_uri": nil}, "PAGE400(invalid_request redirect_uri)"},
		{"004", url.Values{"client_id": {"service"}}, "PAGE400(invalid_request redirect_uri)"},
		{"005 unknown", one("scope", "nonsense"), red("invalid_scope")},
		{"005 restricted", one("scope", "audit"), red("invalid_scope")},
		{"008 client_id", url.Values{"client_id": {"web", "web"}}, "PAGE400(invalid_request client_id)"},
		{"008 redirect_uri", url.Values{"redirect_uri": {harness.Callback, harness.Callback}}, "PAGE400(invalid_request redirect_uri)"},
		{"008 scope", url.Values{"scope": {"orgs:read", "orgs:read"}}, red("invalid_request")},
		{"008 resource", url.Values{"resource": {"https://api.example", "https://other.example"}}, "LOGIN"},
		{"009", one("x", "1"), "LOGIN"},
		{"010 nonce", one("nonce", ""), "LOGIN"},
		{"010 challenge", one("code_challenge", ""), red("invalid_request")},
		{"012 session", one("prompt", "none"), red("login_required")},
		{"024 long state", one("state", strings.Repeat("s", 5000)), "RED(invalid_request) to " + harness.Callback + " state="},
		{"026 unknown", one("response_mode", "web_message"), red("invalid_request")},
		{"026 fragment", one("response_mode", "fragment"), red("invalid_request")},
		{"045", url.Values{"code_challenge": nil, "code_challenge_method": nil}, red("invalid_request")},
		{"046 plain", one("code_challenge_method", "plain"), red("invalid_request")},
		{"046 absent", url.Values{"code_challenge_method": nil}, red("invalid_request")},
		{"046 case", one("code_challenge_method", "s256"), red("invalid_request")},
		{"094", one("resource", "https://unknown.example"), red("invalid_target")},
		{"token", one("response_type", "token"), red("unsupported_response_type")},
		{"no type", url.Values{"response_type": nil}, red("invalid_request")},
		{"request", one("request", "eyJ"), red("request_not_supported")},
		{"158 request_uri", one("request_uri", "https://169.254.169.254/"), red("request_uri_not_supported")},
		{"041 none", url.Values{"redirect_uri": {"https://evil.example"}, "prompt": {"none"}}, "PAGE400(invalid_request redirect_uri)"},
		{"041 form_post", url.Values{"redirect_uri": {"https://evil.example"}, "response_mode": {"form_post"}}, "PAGE400(invalid_request redirect_uri)"},
		{"max_age", one("max_age", "-1"), red("invalid_request")},
		{"claims", one("claims", `{"userinfo":`), red("invalid_request")},
		{"acr essential", one("claims", `{"id_token":{"acr":{"essential":true,"values":["3"]}}}`), red("unmet_authentication_requirements")},
		{"acr of two factors", one("claims", `{"id_token":{"acr":{"essential":true,"values":["2"]}}}`), "LOGIN"},
		{"acr voluntary", one("claims", `{"id_token":{"acr":{"values":["2"]}}}`), "LOGIN"},
		{"acr reached", one("claims", `{"id_token":{"acr":{"essential":true,"values":["2","1"]}}}`), "LOGIN"},
	} {
		t.Run(c.id, func(t *testing.T) {
			page, err := srv.Browser(t).Hop(http.MethodGet, "/authorize?"+request(c.change).Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(page); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			checkHeaders(t, page)
		})
	}
}

// checkHeaders: G5, 209, 294.
func checkHeaders(t *testing.T, p *harness.Page) {
	t.Helper()
	if p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", p.Header.Get("Cache-Control"))
	}
	if p.Location != nil {
		if iss := p.Location.Query().Get("iss"); iss == "" && !strings.HasPrefix(p.Location.Path, "/login") {
			t.Errorf("no iss in %s", p.Location)
		}
		return
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		if got := p.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	csp := p.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
}

// TestRedirectCases is group B: the redirect URI is compared byte for byte.
func TestRedirectCases(t *testing.T) {
	srv := start(t)
	ask := func(t *testing.T, client, uri string) string {
		t.Helper()
		page, err := srv.Browser(t).Hop(http.MethodGet, "/authorize?"+request(url.Values{"client_id": {client}, "redirect_uri": {uri}}).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return outcome(page)
	}
	for _, uri := range []string{
		// 028
		"https://app.example/cb/", "https://app.example/cb/x", "https://app.example/cb?x=1", "https://app.example/cb#f", "https://app.example/CB",
		"http://app.example/cb", "https://app.example:443/cb", "https://app.example:444/cb", "https://app.example/%63b", "https://APP.example/cb",
		// 029
		"https://app.example/cb/..;/x", "https://app.example/cb\n", "https://app.example/cb/%2e%2e/x", "https://app.example/cb/../cb", "//app.example/cb",
		"https://app.example/cb,https://evil.example", "https://app.example/cb https://evil.example", "https://app.example.evil.example/cb",
		// 030
		"https://app.example@evil/cb", "https://a@b@evil/cb", "https://app.example\\@evil/cb", "https://user:pass@app.example/cb",
		// 033, 040
		"https://app.example/cb?code=attacker", "https://app.example/cb\x00", "https://app.example/cb\r\nSet-Cookie:a=b", "https://app.example/cb\t", " https://app.example/cb",
		"javascript:alert(1)", "data:text/html,x",
	} {
		if got := ask(t, "web", uri); !strings.HasPrefix(got, "PAGE400(invalid_request") {
			t.Errorf("028-040 %q: %s", uri, got)
		}
	}
	for uri, ok := range map[string]bool{
		// 036
		"http://127.0.0.1/cb": true, "http://127.0.0.1:1/cb": true, "http://127.0.0.1:65535/cb": true,
		"http://127.0.0.1.evil:1/cb": false, "http://localhost:1/cb": false, "http://localhost.evil/cb": false, "http://127.1/cb": false,
		"http://2130706433/cb": false, "http://[::1]:1/cb": false, "http://0.0.0.0:1/cb": false, "http://127.0.0.1:65536/cb": false,
		"http://127.0.0.1:/cb": false, "http://127.0.0.1:80@evil/cb": false, "https://127.0.0.1:1/cb": false, "http://127.0.0.1:01/cb": false,
		"com.example.app:/cb": true, "com.example.app:/cb2": false,
	} {
		if got := ask(t, "native", uri); (got == "LOGIN") != ok {
			t.Errorf("036 %q: %s", uri, got)
		}
	}
	// 033: a registered query stays, once.
	b := srv.Browser(t)
	page, err := b.SignIn("/authorize?"+request(url.Values{"client_id": {"other"}, "redirect_uri": {"https://other.example/q?x=1"}}).Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("033: %v %s", err, page.Text())
	}
	if q := page.Location.RawQuery; !strings.HasPrefix(q, "x=1&code=") || strings.Count(q, "code=") != 1 || strings.Count(q, "state=xyz") != 1 || strings.Count(q, "iss=") != 1 {
		t.Errorf("033: %s", q)
	}
}

// TestRegisteredURIs: 032, 034, 037, 038, 044, 165: what may be registered.
func TestRegisteredURIs(t *testing.T) {
	const issuer = "https://auth.example"
	for _, c := range []struct {
		uri  string
		kind oauth.ClientType
		ok   bool
	}{
		{"https://app.example/cb", oauth.TypeWeb, true},
		{"https://app.example/cb?x=1", oauth.TypeWeb, true},
		{"http://localhost:8081/cb", oauth.TypeWeb, true},
		{"*", oauth.TypeWeb, false},
		{"https://*.app.example/*", oauth.TypeWeb, false},
		{"https://app.example*", oauth.TypeWeb, false},
		{"https://app.example/cb#f", oauth.TypeWeb, false},
		{"myapp:/cb", oauth.TypeNative, false},
		{"com.example.app:/cb", oauth.TypeWeb, false},
		{"com.example.app:/cb", oauth.TypeNative, true},
		{"http://app.example/cb", oauth.TypeWeb, false},
		{"https://auth.example/cb", oauth.TypeWeb, false},
		{"https://AUTH.example:443/cb", oauth.TypeWeb, false},
		{"javascript:alert(1)", oauth.TypeNative, false},
		{"data:text/html,x", oauth.TypeNative, false},
		{"file:///etc/passwd", oauth.TypeNative, false},
		{"https://", oauth.TypeWeb, false},
		{"https:app.example", oauth.TypeWeb, false},
		{"/cb", oauth.TypeWeb, false},
		{"https://user@app.example/cb", oauth.TypeWeb, false},
		{"https://app.example/a/../b", oauth.TypeWeb, false},
		{"https://app.example/cb?code=x", oauth.TypeWeb, false},
		{"https://app.example;sandbox/cb", oauth.TypeWeb, false},
		{"https://app.example'/cb", oauth.TypeWeb, false},
		{"https://[2001:db8::1]/cb", oauth.TypeWeb, true},
		{"https://xn--mnchen-3ya.example:8443/cb", oauth.TypeWeb, true},
	} {
		_, err := oauth.ParseRedirectURI(c.uri, c.kind, issuer)
		if (err == nil) != c.ok {
			t.Errorf("%s for %s: %v", c.uri, c.kind, err)
		}
		if err != nil && err.Code != oauth.CodeInvalidRedirectURI {
			t.Errorf("%s: code %s", c.uri, err.Code)
		}
	}
}

// flow signs ada in and returns a fresh code of a client.
func flow(t *testing.T, srv *harness.Server, change url.Values) string {
	t.Helper()
	page, err := srv.Browser(t).SignIn("/authorize?"+request(change).Encode(), "ada", harness.Password)
	if err != nil {
		t.Fatal(err)
	}
	if page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("no code: %s", outcome(page))
	}
	return page.Location.Query().Get("code")
}

// TestTokenEndpointCases is group F.
func TestTokenEndpointCases(t *testing.T) {
	srv := start(t)
	code := flow(t, srv, nil)
	good := "grant_type=authorization_code&code=" + code + "&code_verifier=" + verifier
	basic := func(id, password string) http.Header {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(id, password)
		return r.Header
	}
	web := basic("web", url.QueryEscape(harness.Secret))
	form := "application/x-www-form-urlencoded"
	for _, c := range []struct {
		id, method, query, kind, body string
		header                        http.Header
		want                          string
	}{
		{"072 GET", "GET", "", "", "", nil, "405 "},
		{"072 HEAD", "HEAD", "", "", "", nil, "405 "},
		{"072 JSON", "POST", "", "application/json", `{"grant_type":"authorization_code"}`, web, "400 invalid_request"},
		{"072 multipart", "POST", "", "multipart/form-data; boundary=x", "--x--", web, "400 invalid_request"},
		{"072 no type", "POST", "", "", good, web, "400 invalid_request"},
		{"073 code", "POST", "?code=x", form, good, web, "400 invalid_request"},
		{"073 secret", "POST", "?client_id=web&client_secret=x", form, good, nil, "400 invalid_request"},
		{"074", "POST", "", form, good + "&code=x", web, "400 invalid_request"},
		{"two methods", "POST", "", form, good + "&client_id=web&client_secret=x", web, "400 invalid_request"},
		{"076", "POST", "", form, good + "&client_id=web&client_secret=" + url.QueryEscape(harness.Secret), nil, "401 invalid_client"},
		{"077", "POST", "", form, good + "&client_id=web", nil, "401 invalid_client"},
		{"077 empty secret", "POST", "", form, good, basic("web", ""), "401 invalid_client"},
		{"078 base64", "POST", "", form, good, http.Header{"Authorization": {"Basic !!!"}}, "401 invalid_client"},
		{"078 colon", "POST", "", form, good, http.Header{"Authorization": {"Basic d2Vi"}}, "401 invalid_client"},
		{"078 NUL", "POST", "", form, good, basic("web", "a%00b"), "401 invalid_client"},
		{"078 mismatch", "POST", "", form, good + "&client_id=other", web, "400 invalid_request"},
		{"078 two headers", "POST", "", form, good, http.Header{"Authorization": {web.Get("Authorization"), "Bearer x"}}, "401 invalid_client"},
		{"080 unknown", "POST", "", form, good, basic("nobody", "x"), "401 invalid_client"},
		{"080 wrong", "POST", "", form, good, basic("web", "x"), "401 invalid_client"},
		{"081 absent", "POST", "", form, "a=b", web, "400 invalid_request"},
		{"081 password", "POST", "", form, "grant_type=password&username=ada&password=x", web, "400 unsupported_grant_type"},
		{"081 implicit", "POST", "", form, "grant_type=implicit", web, "400 unsupported_grant_type"},
		{"081 unregistered", "POST", "", form, "grant_type=client_credentials", web, "400 unauthorized_client"},
		{"048", "POST", "", form, strings.Replace(good, verifier, "", 1), web, "400 invalid_grant"},
		{"066 short", "POST", "", form, "grant_type=authorization_code&code=" + code[:len(code)-1] + "&code_verifier=" + verifier, web, "400 invalid_grant"},
		{"066 suffix", "POST", "", form, "grant_type=authorization_code&code=" + code + "x&code_verifier=" + verifier, web, "400 invalid_grant"},
		{"066 newline", "POST", "", form, "grant_type=authorization_code&code=" + code + "%0a&code_verifier=" + verifier, web, "400 invalid_grant"},
		{"066 NUL", "POST", "", form, "grant_type=authorization_code&code=" + code + "%00&code_verifier=" + verifier, web, "400 invalid_request"},
		{"094", "POST", "", form, good + "&resource=https://nowhere.example", web, "400 invalid_target"},
		{"286", "POST", "", form, "grant_type=%ff", web, "400 invalid_request"},
		{"290 semicolon", "POST", "", form, good + ";x=1", web, "400 invalid_request"},
		{"290 percent", "POST", "", form, good + "&x=%zz", web, "400 invalid_request"},
		{"too large", "POST", "", form, good + "&x=" + strings.Repeat("a", 70<<10), web, "413 invalid_request"},
		{"good at last", "POST", "", form, good, web, "200 "},
	} {
		t.Run(c.id, func(t *testing.T) {
			req, err := http.NewRequestWithContext(context.Background(), c.method, srv.URL+"/token"+c.query, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.header != nil {
				req.Header = c.header.Clone()
			}
			if c.kind != "" {
				req.Header.Set("Content-Type", c.kind)
			}
			a, err := harness.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d %s", a.Status, a.String("error")); got != c.want {
				t.Errorf("got %s, want %s: %s", got, c.want, a.Body)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Error("089: no-store is missing")
			}
			if a.Status == 401 && (a.Header.Get("WWW-Authenticate") != "") != (c.header != nil) {
				t.Errorf("CLI401: WWW-Authenticate %q", a.Header.Get("WWW-Authenticate"))
			}
			if a.Status == 405 && a.Header.Get("Allow") != "POST" {
				t.Errorf("Allow %q", a.Header.Get("Allow"))
			}
		})
	}
}

// TestPublicClientBasic: decision 6, a Basic header with an empty secret is
// none for a public client.
func TestPublicClientBasic(t *testing.T) {
	srv := start(t)
	code := flow(t, srv, url.Values{"client_id": {"spa"}, "redirect_uri": {harness.SPACallback}})
	a, err := srv.Call("/token", "spa:", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	if err != nil || a.Status != 200 {
		t.Fatalf("%v %+v", err, a)
	}
}

// TestClientCredentials: 082.
func TestClientCredentials(t *testing.T) {
	srv := start(t)
	ask := func(scope string) *harness.Answer {
		a, err := srv.Call("/token", "service:"+harness.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := ask("orgs:read audit")
	if a.Status != 200 || a.String("refresh_token") != "" || a.String("id_token") != "" || a.String("scope") != "orgs:read audit" {
		t.Errorf("082: %s", a.Body)
	}
	in, err := srv.Call("/introspect", "service:"+harness.Secret, url.Values{"token": {a.String("access_token")}})
	if err != nil || in.String("sub") != "client:service" {
		t.Errorf("082: sub %v %s", err, in.Body)
	}
	for _, scope := range []string{"openid", "PRODUCTION", "orgs:write", "nonsense"} {
		if a := ask(scope); a.String("error") != "invalid_scope" {
			t.Errorf("082 %s: %s", scope, a.Body)
		}
	}
	if a := ask(""); a.Status != 200 || a.String("scope") != "" {
		t.Errorf("no scope: %s", a.Body)
	}
	if err := harness.Operate(srv, []string{"disable-client", "service"}); err != nil {
		t.Fatal(err)
	}
	if a := ask("orgs:read"); a.Status != 401 || a.String("error") != "invalid_client" {
		t.Errorf("082 disabled: %s", a.Body)
	}
}
