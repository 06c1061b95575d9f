package test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/test/harness"
)

// grant runs a whole flow and returns the token answer.
func grant(t *testing.T, srv *harness.Server, client string, change url.Values) *harness.Answer {
	t.Helper()
	change = merge(url.Values{"client_id": {client}}, change)
	code := flow(t, srv, change)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}
	a, err := srv.Call("/token", client+":"+harness.Secret, form)
	if err != nil || a.Status != 200 {
		t.Fatalf("token: %v %+v", err, a)
	}
	return a
}

func merge(into, from url.Values) url.Values {
	for name, values := range from {
		into[name] = values
	}
	return into
}

func call(t *testing.T, srv *harness.Server, path, basic string, form url.Values) *harness.Answer {
	t.Helper()
	a, err := srv.Call(path, basic, form)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func active(t *testing.T, srv *harness.Server, client, token string) bool {
	t.Helper()
	a := call(t, srv, "/introspect", client+":"+harness.Secret, one("token", token))
	if a.Status != 200 {
		t.Fatalf("introspect: %s", a.Body)
	}
	if a.JSON["active"] == false && strings.TrimSpace(a.Body) != `{"active":false}` {
		t.Errorf("inactive is %s", a.Body)
	}
	return a.JSON["active"] == true
}

// TestIntrospectionCases is group H, 109 to 112; decision 10.
func TestIntrospectionCases(t *testing.T) {
	srv := start(t)
	for _, client := range []string{"web", "compat"} { // a JWT and an opaque token
		tokens := grant(t, srv, client, nil)
		access, refresh := tokens.String("access_token"), tokens.String("refresh_token")
		if !active(t, srv, client, access) || !active(t, srv, client, refresh) || !active(t, srv, "api", access) {
			t.Errorf("%s: owner and resource see a live token", client)
		}
		// 110: not its owner, not its resource's client.
		if active(t, srv, "other", access) || active(t, srv, "other", refresh) || active(t, srv, "api", refresh) {
			t.Errorf("110 %s: a stranger was told", client)
		}
		// 112: a wrong hint is only a hint.
		if a := call(t, srv, "/introspect", client+":"+harness.Secret, url.Values{"token": {refresh}, "token_type_hint": {"access_token"}}); a.JSON["active"] != true {
			t.Errorf("112 %s: %s", client, a.Body)
		}
		for name, junk := range map[string]string{"cut": access[:len(access)-2], "empty envelope": "at_", "garbage": "rt_xxxx", "dots": "a.b.c"} {
			if active(t, srv, client, junk) {
				t.Errorf("%s %s: active", client, name)
			}
		}
		// 090: an ID token is no access token.
		if id := grant(t, srv, client, one("scope", "openid")).String("id_token"); active(t, srv, client, id) {
			t.Errorf("090 %s: an ID token is active", client)
		}
	}
	// 109.
	if a := call(t, srv, "/introspect", "", one("token", "x")); a.Status != 401 {
		t.Errorf("109 nobody: %d", a.Status)
	}
	if a := call(t, srv, "/introspect", "", url.Values{"token": {"x"}, "client_id": {"spa"}}); a.Status != 401 {
		t.Errorf("109 public: %d", a.Status)
	}
	if a := bearer(t, srv, "GET", "/introspect", "", ""); a.Status != 405 {
		t.Errorf("109 GET: %d", a.Status)
	}
}

// TestRevocationCases: 112 to 114; decision 9.
func TestRevocationCases(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", nil)
	access, refresh := tokens.String("access_token"), tokens.String("refresh_token")
	// 113: another client's token.
	for _, token := range []string{access, refresh} {
		if a := call(t, srv, "/revoke", "other:"+harness.Secret, one("token", token)); a.Status != 400 || a.String("error") != "invalid_grant" {
			t.Errorf("113: %d %s", a.Status, a.Body)
		}
	}
	if !active(t, srv, "web", access) || !active(t, srv, "web", refresh) {
		t.Error("113: it ended all the same")
	}
	// 114: an access token ends alone; 200, empty, no content type.
	a := call(t, srv, "/revoke", "web:"+harness.Secret, url.Values{"token": {access}, "token_type_hint": {"refresh_token"}})
	if a.Status != 200 || a.Body != "" || a.Header.Get("Content-Type") != "" {
		t.Errorf("114: %d %q %q", a.Status, a.Body, a.Header.Get("Content-Type"))
	}
	if active(t, srv, "web", access) || !active(t, srv, "web", refresh) {
		t.Error("114: the access token alone ends")
	}
	// A refresh token ends everything.
	again := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	call(t, srv, "/revoke", "web:"+harness.Secret, one("token", again.String("refresh_token")))
	if active(t, srv, "web", again.String("access_token")) || active(t, srv, "web", again.String("refresh_token")) {
		t.Error("114: the family lives")
	}
	for _, token := range []string{"unknown", "rt_", "at_", refresh} {
		if a := call(t, srv, "/revoke", "web:"+harness.Secret, one("token", token)); a.Status != 200 {
			t.Errorf("114 %s: %d", token, a.Status)
		}
	}
	if a := call(t, srv, "/revoke", "", one("token", "x")); a.Status != 401 {
		t.Errorf("nobody: %d", a.Status)
	}
}

func bearer(t *testing.T, srv *harness.Server, method, path, header, body string) *harness.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		req.Header.Set("Authorization", header)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a, err := harness.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestUserInfo: OpenID Connect Core §5.3; 117, 118, 090: by header and by body,
// never by query, and every claim of a scope comes back, typed.
func TestUserInfo(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", one("scope", "openid profile email address phone"))
	access := tokens.String("access_token")
	for name, a := range map[string]*harness.Answer{
		"GET":         bearer(t, srv, "GET", "/userinfo", "Bearer "+access, ""),
		"POST header": bearer(t, srv, "POST", "/userinfo", "Bearer "+access, ""),
		"POST body":   bearer(t, srv, "POST", "/userinfo", "", "access_token="+url.QueryEscape(access)),
	} {
		if a.Status != 200 {
			t.Fatalf("%s: %d %s", name, a.Status, a.Body)
		}
		for _, claim := range []string{
			"sub", "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
			"gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "address", "phone_number", "phone_number_verified",
		} {
			if _, ok := a.JSON[claim]; !ok {
				t.Errorf("%s: no %s", name, claim)
			}
		}
		_, number := a.JSON["updated_at"].(float64)
		_, boolean := a.JSON["email_verified"].(bool)
		_, object := a.JSON["address"].(map[string]any)
		if !number || !boolean || !object {
			t.Errorf("%s: types: %s", name, a.Body)
		}
	}
	for name, c := range map[string]struct {
		answer *harness.Answer
		status int
		code   string
	}{
		"118 query":    {bearer(t, srv, "GET", "/userinfo?access_token="+url.QueryEscape(access), "", ""), 400, "invalid_request"},
		"118 both":     {bearer(t, srv, "POST", "/userinfo", "Bearer "+access, "access_token="+url.QueryEscape(access)), 400, "invalid_request"},
		"118 nothing":  {bearer(t, srv, "GET", "/userinfo", "", ""), 401, ""},
		"090 ID token": {bearer(t, srv, "GET", "/userinfo", "Bearer "+tokens.String("id_token"), ""), 401, "invalid_token"},
		"junk":         {bearer(t, srv, "GET", "/userinfo", "Bearer x", ""), 401, "invalid_token"},
		"117":          {bearer(t, srv, "GET", "/userinfo", "Bearer "+grant(t, srv, "web", one("scope", "profile")).String("access_token"), ""), 403, "insufficient_scope"},
	} {
		if c.answer.Status != c.status || c.answer.String("error") != c.code || !strings.HasPrefix(c.answer.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: %d %s %q", name, c.answer.Status, c.answer.Body, c.answer.Header.Get("WWW-Authenticate"))
		}
	}
}

// TestClaimsParameter: OpenID Connect Core §5.5.
func TestClaimsParameter(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", url.Values{"scope": {"openid"}, "claims": {`{"userinfo":{"given_name":null,"unknown":null},"id_token":{"email":{"essential":true},"family_name":{"value":"Byron"}}}`}})
	info := bearer(t, srv, "GET", "/userinfo", "Bearer "+tokens.String("access_token"), "")
	if info.String("given_name") != "Ada" || info.String("name") != "" || info.String("email") != "" {
		t.Errorf("userinfo: %s", info.Body)
	}
	id := payload(t, tokens.String("id_token"))
	if id["email"] != "ada@example.com" || id["family_name"] != nil {
		t.Errorf("ID token: %v", id)
	}
}

// TestIDTokenShape: 057.
func TestIDTokenShape(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", url.Values{"scope": {"openid"}, "nonce": {"n"}, "max_age": {"100"}})
	id, access := payload(t, tokens.String("id_token")), payload(t, tokens.String("access_token"))
	if id["sub"] != access["sub"] || id["nonce"] != "n" || id["auth_time"] == nil || id["at_hash"] == nil || id["sid"] == nil || id["iss"] != srv.URL {
		t.Errorf("057: %v", id)
	}
	if aud := id["aud"]; aud != "web" {
		if list, ok := aud.([]any); !ok || len(list) != 1 || list[0] != "web" {
			t.Errorf("057: aud %v", aud)
		}
	}
}

// TestDiscovery: 054, 282, 293, 294: both documents, unchanged by what a
// request claims, readable by everyone.
func TestDiscovery(t *testing.T) {
	srv := start(t)
	var first string
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		req, _ := http.NewRequestWithContext(context.Background(), "GET", srv.URL+path, nil)
		req.Header.Set("X-Forwarded-Host", "evil.example")
		req.Header.Set("Forwarded", "host=evil.example")
		req.Header.Set("Origin", "https://anybody.example")
		a, err := harness.Do(req)
		if err != nil || a.Status != 200 {
			t.Fatalf("%v %+v", err, a)
		}
		if a.String("issuer") != srv.URL || a.JSON["authorization_response_iss_parameter_supported"] != true || strings.Contains(a.Body, "evil") {
			t.Errorf("054: %s", a.Body)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.Header.Get("Cache-Control"), "public") {
			t.Errorf("293, 294: %v", a.Header)
		}
		if first != "" && first != a.Body {
			t.Error("the two documents differ")
		}
		first = a.Body
	}
	var document map[string]any
	_ = json.Unmarshal([]byte(first), &document)
	for name, value := range document {
		if text, ok := value.(string); ok && strings.HasSuffix(name, "_endpoint") && !strings.HasPrefix(text, srv.URL+"/") {
			t.Errorf("%s is %s", name, text)
		}
	}
	if a := bearer(t, srv, "GET", "/jwks", "", ""); a.Status != 200 || strings.Contains(a.Body, `"d"`) {
		t.Errorf("jwks: %d %s", a.Status, a.Body)
	}
}

// TestHostCases: 282; decision 17.
func TestHostCases(t *testing.T) {
	srv := start(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	for host, want := range map[string]int{
		"evil.example": 421, "127.0.0.1": 421, "127.0.0.1:" + port: 200, "localhost:" + port: 200, "[::1]:" + port: 200, "localhost:1": 421, "127.0.0.1.evil:" + port: 421,
	} {
		req, _ := http.NewRequestWithContext(context.Background(), "GET", srv.URL+"/.well-known/openid-configuration", nil)
		req.Host = host
		a, err := harness.Do(req)
		if err != nil || a.Status != want {
			t.Errorf("282 %s: %v %+v, want %d", host, err, a, want)
		}
	}
	// 221: nothing is cleaned by a redirect.
	for _, c := range [][2]string{{"GET", "//evil.example/%2e%2e"}, {"POST", "//token"}, {"GET", "/x/../jwks"}, {"GET", "/./jwks"}, {"GET", "/nowhere"}} {
		if status := raw(t, srv, c[0]+" "+c[1]+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(srv.URL, "http://")+"\r\nContent-Length: 0\r\n\r\n"); status != 404 {
			t.Errorf("221 %s %s: %d", c[0], c[1], status)
		}
	}
	// 282, 289: what has two meanings has none.
	host := "Host: " + strings.TrimPrefix(srv.URL, "http://") + "\r\n"
	for request, want := range map[string]int{
		"GET http://evil.example/jwks HTTP/1.1\r\n" + host + "\r\n":                                                                       421,
		"GET /jwks HTTP/1.1\r\nHost:\r\n\r\n":                                                                                             421,
		"GET /jwks HTTP/1.1\r\n" + host + host + "\r\n":                                                                                   400,
		"POST /token HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab":                                            400,
		"POST /token HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n":                                                         501,
		"POST /token HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n":                                                501,
		"GET /jwks HTTP/1.1\r\n" + host + "X : y\r\n\r\n":                                                                                 400,
		"POST /token HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
	} {
		if got := raw(t, srv, request); got != want {
			t.Errorf("282, 289: %d, want %d for %q", got, want, request)
		}
	}
	// 297.
	for _, path := range []string{"/debug/pprof/", "/.env", "/metrics"} {
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL+path, nil)
		req.Header.Set("X-Forwarded-For", "203.0.113.7") // a stranger's, through a proxy of this machine
		if a, err := harness.Do(req); err != nil || a.Status != 404 {
			t.Errorf("297 %s: %v %v", path, a, err)
		}
	}
	if a := bearer(t, srv, "GET", "/metrics", "", ""); a.Status != 200 || !strings.Contains(a.Body, "valetkey_http_requests_total") {
		t.Errorf("this machine's own look at /metrics: %d", a.Status)
	}
}

// TestCORS: 293; CONTRACT §3.
func TestCORS(t *testing.T) {
	srv := start(t)
	ask := func(method, path, origin string) *harness.Answer {
		req, _ := http.NewRequestWithContext(context.Background(), method, srv.URL+path, nil)
		req.Header.Set("Origin", origin)
		a, err := harness.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: credentials", method, path)
		}
		return a
	}
	for _, path := range []string{"/token", "/userinfo", "/revoke", "/introspect"} {
		for origin, want := range map[string]string{"https://spa.example": "https://spa.example", "https://evil.example": "", "null": "", "https://app.example": ""} {
			for _, method := range []string{"OPTIONS", "POST"} {
				if got := ask(method, path, origin).Header.Get("Access-Control-Allow-Origin"); got != want {
					t.Errorf("293 %s %s %s: %q", method, path, origin, got)
				}
			}
		}
	}
	for _, path := range []string{"/authorize", "/login", "/developer", "/account"} {
		if got := ask("GET", path, "https://spa.example").Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("293 %s: %q", path, got)
		}
	}
}

// TestPostedAuthorization: OpenID Connect Core §3.1.2.1, POST; 303, and the
// session is seen afterwards.
func TestPostedAuthorization(t *testing.T) {
	srv := start(t)
	b := srv.Browser(t)
	if _, err := b.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password); err != nil {
		t.Fatal(err)
	}
	page, err := b.Hop("POST", "/authorize", request(nil))
	if err != nil || page.Status != 303 || !strings.HasPrefix(page.Location.Path, "/authorize") {
		t.Fatalf("%v %s", err, outcome(page))
	}
	page, err = b.Get(page.Location.String())
	if err != nil || page.Location == nil || page.Location.Query().Get("code") == "" || page.Status != 302 {
		t.Fatalf("%v %d %s", err, page.Status, outcome(page))
	}
	page, err = b.Hop("POST", "/authorize", request(one("scope", "nonsense")))
	if err != nil || page.Status != 303 || page.Location.Query().Get("error") != "invalid_scope" {
		t.Errorf("an error by POST: %v %d %s", err, page.Status, outcome(page))
	}
	// prompt=login by POST asks a signed-in person again.
	page, err = b.Post("/authorize", request(one("prompt", "login")))
	if err != nil || page.ByID("login-form") == nil {
		t.Errorf("prompt=login by POST: %v %s", err, outcome(page))
	}
}

// TestFormPost: Form Post Response Mode; 026, 216.
func TestFormPost(t *testing.T) {
	srv := start(t)
	state := `"><script>alert(1)</script>`
	page, err := srv.Browser(t).SignIn("/authorize?"+request(url.Values{"response_mode": {"form_post"}, "state": {state}}).Encode(), "ada", harness.Password)
	if err != nil {
		t.Fatal(err)
	}
	if page.Status != 200 || !strings.Contains(page.Body, `action="`+harness.Callback+`"`) || strings.Contains(page.Body, "<script>alert") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	for _, name := range []string{`name="code"`, `name="state"`, `name="iss"`} {
		if strings.Count(page.Body, name) != 1 {
			t.Errorf("%s in %s", name, page.Body)
		}
	}
	checkHeaders(t, page)
}

// TestKeyRotation: 317: a successor is published before it signs, and what the
// old key signed stays good; an emergency ends it.
func TestKeyRotation(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", nil)
	before := strings.Count(bearer(t, srv, "GET", "/jwks", "", "").Body, `"kid"`)
	if err := harness.Operate(srv, []string{"rotate-key", "ES256"}); err != nil {
		t.Fatal(err)
	}
	if after := strings.Count(bearer(t, srv, "GET", "/jwks", "", "").Body, `"kid"`); after != before+1 {
		t.Errorf("317: %d keys, then %d", before, after)
	}
	kid := header(t, tokens.String("access_token"))["kid"]
	if now := header(t, grant(t, srv, "web", nil).String("access_token"))["kid"]; now != kid {
		t.Error("317: the successor signs at once")
	}
	srv.Clock.Advance(25 * time.Hour)
	if now := header(t, grant(t, srv, "web", nil).String("access_token"))["kid"]; now == kid {
		t.Error("317: the successor doesn't sign after its lead")
	}
	fresh := grant(t, srv, "web", nil).String("access_token")
	if err := harness.Operate(srv, []string{"rotate-key", "ES256", "emergency"}); err != nil {
		t.Fatal(err)
	}
	if active(t, srv, "web", fresh) {
		t.Error("318: a token of the removed key is active")
	}
}

func header(t *testing.T, token string) map[string]any { return part(t, token, 0) }

func payload(t *testing.T, token string) map[string]any { return part(t, token, 1) }

func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %s", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// raw sends bytes as they are and returns the status of the answer.
func raw(t *testing.T, srv *harness.Server, request string) int {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}
