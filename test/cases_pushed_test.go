package test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// push sends a request of the client web to /par.
func push(t *testing.T, srv *harness.Server, change url.Values) *harness.Answer {
	t.Helper()
	return call(t, srv, "/par", "web:"+harness.Secret, request(change))
}

// openPushed is where a browser begins with a pushed request.
func openPushed(client, requestURI string) string {
	return "/authorize?" + url.Values{"client_id": {client}, "request_uri": {requestURI}}.Encode()
}

// Test152Push is 152 and what /par answers.
// RFC 9126 §2, §2.1, §2.2, §2.3.
func Test152Push(t *testing.T) {
	srv := start(t)
	good := push(t, srv, nil)
	if n, _ := good.JSON["expires_in"].(float64); good.Status != 201 || !strings.HasPrefix(good.String("request_uri"), "urn:ietf:params:oauth:request_uri:") || n < 5 || n > 90 {
		t.Errorf("good: %d %s", good.Status, good.Body)
	}
	if good.Header.Get("Cache-Control") != "no-store" {
		t.Error("no-store is missing")
	}
	for id, c := range map[string]struct {
		answer *harness.Answer
		want   string
	}{
		"confidential without authentication": {call(t, srv, "/par", "", request(nil)), "Unauthorized invalid_client"},
		"request_uri inside":                  {push(t, srv, one("request_uri", good.String("request_uri"))), "Bad Request invalid_request"},
		"unregistered redirect":               {push(t, srv, one("redirect_uri", "https://evil.example/cb")), "Bad Request invalid_request"},
		"no redirect":                         {push(t, srv, url.Values{"redirect_uri": nil}), "Bad Request invalid_request"},
		"bad scope":                           {push(t, srv, one("scope", "nonsense")), "Bad Request invalid_scope"},
		"no PKCE":                             {push(t, srv, url.Values{"code_challenge": nil, "code_challenge_method": nil}), "Bad Request invalid_request"},
		"token":                               {push(t, srv, one("response_type", "token")), "Bad Request unsupported_response_type"},
		"other client_id":                     {push(t, srv, one("client_id", "other")), "Bad Request invalid_request"},
		"twice":                               {push(t, srv, url.Values{"scope": {"a", "b"}}), "Bad Request invalid_request"},
		"2 MB":                                {push(t, srv, one("x", strings.Repeat("x", 2<<20))), "Request Entity Too Large invalid_request"},
	} {
		if got := result(c.answer); got != c.want {
			t.Errorf("152 %s: %s", id, got)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		req, _ := http.NewRequestWithContext(t.Context(), method, srv.URL+"/par", nil)
		if a, err := harness.Do(req); err != nil || a.Status != 405 || a.Header.Get("Allow") != "POST" {
			t.Errorf("152 %s: %v %d", method, err, a.Status)
		}
	}
	// A public client pushes too, and is capped.
	spa := request(url.Values{"client_id": {"spa"}, "redirect_uri": {harness.SPACallback}})
	for i := range 101 {
		a := post(t, srv, "/par", spa)
		if want := map[bool]int{true: 201, false: 429}[i < 100]; a.Status != want {
			t.Fatalf("push %d: %d %s", i, a.Status, a.Body)
		}
	}
}

// Test153UsedUp: at completion, not at opening; in every browser; once.
// RFC 9126 §4, §7.3.
func Test153UsedUp(t *testing.T) {
	srv := start(t)
	uri := push(t, srv, one("state", "pushed")).String("request_uri")
	b := srv.Browser(t)
	for range 3 { // opening and loading again use nothing up
		if page, err := b.Get(openPushed("web", uri)); err != nil || page.ByID("login-form") == nil {
			t.Fatalf("open: %v %s", err, outcome(page))
		}
	}
	page, err := b.Get(openPushed("web", uri))
	if err != nil {
		t.Fatal(err)
	}
	login := page.URL.String()
	done, err := b.SignIn(openPushed("web", uri), "ada", harness.Password)
	if err != nil || done.Location == nil || done.Location.Query().Get("code") == "" || done.Location.Query().Get("state") != "pushed" {
		t.Fatalf("complete: %v %s", err, outcome(done))
	}
	for name, again := range map[string]*harness.Browser{"same browser": b, "other browser": signedIn(t, srv, "bob")} {
		if page, err := again.Get(openPushed("web", uri)); err != nil || outcome(page) != "PAGE400(invalid_request_uri request_uri)" {
			t.Errorf("153 %s: %v %s", name, err, outcome(page))
		}
		if page, err := again.Get(openPushed("web", uri) + "&prompt=none"); err != nil || outcome(page) != "PAGE400(invalid_request_uri request_uri)" {
			t.Errorf("153 prompt=none in %s: %v %s", name, err, outcome(page))
		}
	}
	// The page of before offers the way back.
	if page, err := b.Get(login); err != nil || page.Status != 400 || !strings.Contains(page.Text(), "Back to Saleswave") {
		t.Errorf("the old page: %v %s", err, page.Text())
	}
	if page, err := b.Hop("GET", openPushed("web", "urn:ietf:params:oauth:request_uri:made-up"), nil); err != nil || outcome(page) != "PAGE400(invalid_request_uri request_uri)" {
		t.Errorf("made up: %v %s", err, outcome(page))
	}
	// An error ends it too.
	silent := push(t, srv, one("prompt", "none")).String("request_uri")
	fresh := srv.Browser(t)
	for i, want := range []string{"RED(login_required) to " + harness.Callback + " state=xyz", "PAGE400(invalid_request_uri request_uri)"} {
		if page, err := fresh.Hop("GET", openPushed("web", silent), nil); err != nil || outcome(page) != want {
			t.Errorf("prompt=none %d: %v %s", i, err, outcome(page))
		}
	}
	// After 90 s nobody begins; who began may end.
	slow := push(t, srv, nil).String("request_uri")
	waiting, err := srv.Browser(t).Get(openPushed("web", slow))
	if err != nil || waiting.ByID("login-form") == nil {
		t.Fatal(err)
	}
	srv.Clock.Advance(91e9)
	if page, err := b.Get(openPushed("web", slow)); err != nil || outcome(page) != "PAGE400(invalid_request_uri request_uri)" {
		t.Errorf("after 91 s: %v %s", err, outcome(page))
	}
}

// Test153Races: two tabs that finish one pushed request at once.
func Test153Races(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			srv := harness.Start(t, setup(database(t)))
			if err := harness.Populate(srv); err != nil {
				t.Fatal(err)
			}
			b := signedIn(t, srv, "ada")
			if _, err := b.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				uri := push(t, srv, nil).String("request_uri")
				var codes, refusals atomic.Int64
				parallel(8, func(int) {
					page, err := b.Hop("GET", openPushed("web", uri), nil)
					switch {
					case err != nil:
					case page.Location != nil && page.Location.Query().Get("code") != "":
						codes.Add(1)
					case strings.HasPrefix(outcome(page), "PAGE400(invalid_request_uri"):
						refusals.Add(1)
					}
				})
				if codes.Load() != 1 || refusals.Load() != 7 {
					t.Fatalf("153: %d codes, %d refusals", codes.Load(), refusals.Load())
				}
			}
		})
	}
}

// Test154To157Bound: 154, 156, 053, 157 and 162.
// RFC 9126 §5, §6, RFC 9101 §6.3.
func Test154To157Bound(t *testing.T) {
	srv := start(t)
	uri := push(t, srv, url.Values{"state": {"pushed"}, "login_hint": {"canary-hint"}, "nonce": {"canary-nonce"}}).String("request_uri")
	if page, err := srv.Browser(t).Hop("GET", openPushed("other", uri), nil); err != nil || outcome(page) != "PAGE400(invalid_request_uri request_uri)" {
		t.Errorf("154: %v %s", err, outcome(page))
	}
	outside := openPushed("web", uri) + "&" + url.Values{
		"scope": {"PRODUCTION"}, "state": {"outside"}, "redirect_uri": {"https://evil.example/cb"}, "prompt": {"none"}, "code_challenge": {strings.Repeat("A", 43)},
	}.Encode()
	b := srv.Browser(t)
	page, err := b.SignIn(outside, "ada", harness.Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("state") != "pushed" {
		t.Fatalf("156: %v %s", err, outcome(page))
	}
	a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
	if a.Status != 200 || a.String("scope") != "orgs:read" {
		t.Errorf("053, 156: %s", a.Body)
	}
	for _, cookie := range b.Cookies() {
		if strings.Contains(cookie.Value, "canary") || strings.Contains(page.URL.String(), "canary") {
			t.Errorf("162: %s", cookie)
		}
	}
	register(t, srv, "pusher", oauth.Metadata{Type: oauth.TypeSPA, RedirectURIs: []string{harness.SPACallback}, RequirePushed: true})
	plain := request(url.Values{"client_id": {"pusher"}, "redirect_uri": {harness.SPACallback}})
	if page, err := srv.Browser(t).Hop("GET", "/authorize?"+plain.Encode(), nil); err != nil || outcome(page) != "RED(invalid_request) to "+harness.SPACallback+" state=xyz" {
		t.Errorf("157: %v %s", err, outcome(page))
	}
	if a := post(t, srv, "/par", plain); a.Status != 201 {
		t.Errorf("157 pushed: %s", a.Body)
	}
	// A long request fits when it is pushed.
	long := push(t, srv, url.Values{"state": {strings.Repeat("s", 4000)}, "nonce": {strings.Repeat("n", 1000)}, "claims": {`{"userinfo":{"email":{"values":["` + strings.Repeat("x", 3500) + `"]}}}`}})
	if page, err := b.SignIn(openPushed("web", long.String("request_uri")), "ada", harness.Password); err != nil || page.Location == nil || len(page.Location.Query().Get("state")) != 4000 {
		t.Errorf("long: %v %s", err, outcome(page))
	}
}

// requestObjects is a server whose client keyed signs its requests, with a
// listener that counts who fetches.
type requestObjects struct {
	*harness.Server
	key     *caseKey
	fetched atomic.Int64
	object  atomic.Value
	address string
}

func newRequestObjects(t *testing.T) *requestObjects {
	t.Helper()
	r := &requestObjects{key: newCaseKey(t, "PS256", "k1")}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.fetched.Add(1)
		w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
		text, _ := r.object.Load().(string)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(listener.Close)
	r.address = listener.URL
	config := setup(databases["sqlite"](t))
	config.FetchAllowLoopback = true
	r.Server = harness.Start(t, config)
	if err := harness.Populate(r.Server); err != nil {
		t.Fatal(err)
	}
	register(t, r.Server, "keyed", oauth.Metadata{
		Type: oauth.TypeWeb, AuthMethod: oauth.AuthPrivateJWT, JWKS: jwksOf(r.key), RedirectURIs: []string{harness.Callback},
		RequestURIs: []string{r.address + "/object"},
	})
	return r
}

func (r *requestObjects) claims(changes map[string]any) map[string]any {
	return with(map[string]any{
		"iss": "keyed", "aud": r.URL, "exp": r.Clock.Now().Unix() + 60, "client_id": "keyed", "response_type": "code", "redirect_uri": harness.Callback,
		"scope": "openid", "state": "inner", "nonce": "n", "code_challenge": challenge(), "code_challenge_method": "S256", "max_age": 600,
		"claims": map[string]any{"id_token": map[string]any{"email": nil}}, "resource": []string{"https://api.example"},
	}, changes)
}

func (r *requestObjects) ask(t *testing.T, outer url.Values) string {
	t.Helper()
	page, err := r.Browser(t).Hop("GET", "/authorize?"+merge(url.Values{"client_id": {"keyed"}, "state": {"outer"}}, outer).Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return outcome(page)
}

// Test158To161RequestObjects: 156, 158 to 161.
// RFC 9101 §4, §5, §5.2, §6.1, §6.2, §6.3, §10.8, OpenID Connect Core §6.1, §6.2.
func Test158To161RequestObjects(t *testing.T) {
	r := newRequestObjects(t)
	sign := func(changes map[string]any) string { return r.key.jwt(nil, r.claims(changes)) }
	cb := one("redirect_uri", harness.Callback)
	red := func(code string) string { return "RED(" + code + ") to " + harness.Callback + " state=outer" }
	for _, c := range []struct {
		id    string
		outer url.Values
		want  string
	}{
		{"good", one("request", sign(nil)), "LOGIN"},
		{"156 outside ignored", url.Values{"request": {sign(nil)}, "scope": {"nonsense"}, "redirect_uri": {"https://evil.example/cb"}, "prompt": {"none"}}, "LOGIN"},
		{"inside prompt none", one("request", sign(map[string]any{"prompt": "none"})), "RED(login_required) to " + harness.Callback + " state=inner"},
		{"inside unregistered redirect", merge(one("request", sign(map[string]any{"redirect_uri": "https://evil.example/cb"})), cb), "PAGE400(invalid_request redirect_uri)"},
		{"161 client_id", merge(one("request", sign(map[string]any{"client_id": "web"})), cb), red("invalid_request_object")},
		{"no client_id", merge(one("request", sign(map[string]any{"client_id": nil})), cb), red("invalid_request_object")},
		{"161 both", merge(url.Values{"request": {sign(nil)}, "request_uri": {r.address + "/object"}}, cb), red("invalid_request")},
		{"161 nested", merge(one("request", sign(map[string]any{"request": sign(nil)})), cb), red("invalid_request_object")},
		{"161 nested uri", merge(one("request", sign(map[string]any{"request_uri": "https://x.example"})), cb), red("invalid_request_object")},
		{"iss of another", merge(one("request", sign(map[string]any{"iss": "web"})), cb), red("invalid_request_object")},
		{"like an assertion", merge(one("request", sign(map[string]any{"sub": "keyed"})), cb), red("invalid_request_object")},
		{"redirect_uri first", url.Values{"request": {"junk"}, "redirect_uri": {"https://evil.example/cb"}}, "PAGE400(invalid_request redirect_uri)"},
		{"junk without target", one("request", "junk"), "PAGE400(invalid_request_object "},
		{"unsigned", merge(one("request", raw64.EncodeToString([]byte(`{"alg":"none"}`))+"."+raw64.EncodeToString([]byte(`{"client_id":"keyed"}`))+"."), cb), red("request_not_supported")},
		{"by reference", one("request_uri", r.address+"/object"), "LOGIN"},
		{"158 link-local", merge(one("request_uri", "https://169.254.169.254/"), cb), red("request_uri_not_supported")},
		{"158 localhost", merge(one("request_uri", "http://localhost"), cb), red("request_uri_not_supported")},
		{"158 file", merge(one("request_uri", "file:///etc/passwd"), cb), red("request_uri_not_supported")},
		{"158 elsewhere", merge(one("request_uri", r.address+"/other"), cb), red("request_uri_not_supported")},
		{"158 without target", one("request_uri", "https://169.254.169.254/"), "PAGE400(request_uri_not_supported request_uri)"},
		{"two requests", merge(url.Values{"request": {sign(nil), sign(nil)}}, cb), red("invalid_request")},
	} {
		r.object.Store(sign(nil))
		before := r.fetched.Load()
		if got := r.ask(t, c.outer); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", c.id, got)
		}
		if n := r.fetched.Load() - before; (n > 0) != (c.id == "by reference") {
			t.Errorf("%s: fetched %d times", c.id, n)
		}
	}
	r.object.Store("junk")
	if got := r.ask(t, merge(one("request_uri", r.address+"/object"), cb)); got != red("invalid_request_object") {
		t.Errorf("junk by reference: %s", got)
	}
	// What stands inside reaches the tokens.
	page, err := r.Browser(t).SignIn("/authorize?client_id=keyed&request="+sign(nil), "ada", harness.Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("state") != "inner" {
		t.Fatalf("%v %s", err, outcome(page))
	}
	a := post(t, r.Server, "/token", byAssertion(r.key.jwt(nil, assertionOf(r.Server, "keyed")), url.Values{
		"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier},
	}))
	id := payload(t, a.String("id_token"))
	if id["nonce"] != "n" || id["email"] != "ada@example.com" || payload(t, a.String("access_token"))["aud"] != "https://api.example" {
		t.Errorf("tokens: %v %v", id, payload(t, a.String("access_token")))
	}
	// Pushed, and signed responses of every kind.
	form := byAssertion(r.key.jwt(nil, assertionOf(r.Server, "keyed")), one("request", sign(map[string]any{"response_mode": "jwt"})))
	if a := post(t, r.Server, "/par", form); a.Status != 201 {
		t.Errorf("pushed object: %s", a.Body)
	}
}

// TestSignedResponses is JARM: every mode, for codes and for errors.
// JARM §2.1, §2.3, §2.3.4.
func TestSignedResponses(t *testing.T) {
	srv := start(t)
	b := signedIn(t, srv, "ada")
	if _, err := b.SignIn("/authorize?"+request(nil).Encode(), "ada", harness.Password); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"jwt", "query.jwt"} {
		for prompt, member := range map[string]string{"": "code", "none login": "error"} {
			page, err := b.Hop("GET", "/authorize?"+request(url.Values{"response_mode": {mode}, "prompt": {prompt}}).Encode(), nil)
			if err != nil || page.Location == nil {
				t.Fatalf("%s: %v", mode, err)
			}
			q := page.Location.Query()
			if len(q) != 1 {
				t.Errorf("%s: beside response stands %v", mode, q)
			}
			claims := payload(t, q.Get("response"))
			if claims["iss"] != srv.URL || claims["aud"] != "web" || claims["state"] != "xyz" || claims[member] == nil || claims["exp"] == nil {
				t.Errorf("%s: %v", mode, claims)
			}
			if header(t, q.Get("response"))["alg"] != "RS256" {
				t.Errorf("%s: %v", mode, header(t, q.Get("response")))
			}
		}
	}
	page, err := b.Hop("GET", "/authorize?"+request(one("response_mode", "form_post.jwt")).Encode(), nil)
	if err != nil || page.ByID("form-post") == nil || payload(t, hidden(t, page, "response"))["code"] == nil {
		t.Errorf("form_post.jwt: %v %s", err, page.Text())
	}
}
