package oauth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// told puts a refusal into one readable line: code and parameter, "ok" for none.
func told(e *Error) string {
	switch {
	case e == nil:
		return "ok"
	case e.Parameter == "":
		return e.Code
	}
	return e.Code + " " + e.Parameter
}

// The pair of RFC 7636 appendix B.
const (
	goodVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	goodChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// TestRulePKCE: RFC 7636 §4.3, RFC 9700 §2.1.1; 045, 046.
func TestRulePKCE(t *testing.T) {
	confidential, public := AuthBasic, AuthNone
	for _, c := range []struct {
		profile           Profile
		auth              string
		challenge, method string
		want              string
	}{
		{ProfileOAuth21, confidential, goodChallenge, "S256", "ok"},
		{ProfileOAuth21, confidential, "", "", "invalid_request code_challenge"},
		{ProfileOAuth21, public, "", "", "invalid_request code_challenge"},
		{ProfileCompatible, confidential, "", "", "ok"},
		{ProfileCompatible, public, "", "", "invalid_request code_challenge"},
		{ProfileCompatible, confidential, goodChallenge, "S256", "ok"},
		{ProfileCompatible, confidential, "", "S256", "invalid_request code_challenge"},
		{ProfileCompatible, confidential, goodVerifier, "plain", "invalid_request code_challenge_method"},
		{ProfileOAuth21, confidential, goodChallenge, "", "invalid_request code_challenge_method"},
		{ProfileOAuth21, confidential, goodChallenge, "plain", "invalid_request code_challenge_method"},
		{ProfileOAuth21, confidential, goodChallenge, "s256", "invalid_request code_challenge_method"},
		{ProfileOAuth21, confidential, goodChallenge, "S512", "invalid_request code_challenge_method"},
		{ProfileOAuth21, confidential, goodChallenge[:42], "S256", "invalid_request code_challenge"},
		{ProfileOAuth21, confidential, goodChallenge + "A", "S256", "invalid_request code_challenge"},
		{ProfileOAuth21, confidential, goodChallenge + "=", "S256", "invalid_request code_challenge"},
		{ProfileOAuth21, confidential, goodChallenge[:42] + "+", "S256", "invalid_request code_challenge"},
		{ProfileOAuth21, confidential, goodChallenge[:42] + "N", "S256", "invalid_request code_challenge"}, // trailing bits
		{ProfileOAuth21, confidential, goodChallenge[:42] + "\n", "S256", "invalid_request code_challenge"},
	} {
		client := &Client{Metadata: Metadata{Profile: c.profile, AuthMethod: c.auth}}
		req := Request{params: url.Values{"code_challenge": {c.challenge}, "code_challenge_method": {c.method}}}
		var into AuthorizationRequest
		if got := told(rulePKCE(t.Context(), nil, client, req, &into)); got != c.want {
			t.Errorf("%s %s %q %q: %s, want %s", c.profile, c.auth, c.challenge, c.method, got, c.want)
		}
		if stored := into.Challenge == c.challenge; c.want == "ok" && !stored {
			t.Errorf("challenge %q was kept as %q", c.challenge, into.Challenge)
		}
	}
}

// TestCheckVerifier: RFC 7636 §4.1 and §4.6; 048, 050, 052.
func TestCheckVerifier(t *testing.T) {
	const refused = "invalid_grant code_verifier"
	long := strings.Repeat("a", 128)
	for _, c := range []struct{ id, verifier, challenge, want string }{
		{"RFC 7636 appendix B", goodVerifier, goodChallenge, "ok"},
		{"neither", "", "", "ok"},
		{"048 none", "", goodChallenge, refused},
		{"verifier without challenge", goodVerifier, "", refused},
		{"050 the challenge itself", goodChallenge, goodChallenge, refused},
		{"050 plain", goodVerifier, goodVerifier, refused},
		{"052 128 characters", long, challengeOf(long), "ok"},
		{"052 129 characters", long + "a", challengeOf(long + "a"), refused},
		{"052 42 characters", long[:42], challengeOf(long[:42]), refused},
		{"052 43 characters", long[:43], challengeOf(long[:43]), "ok"},
		{"052 every unreserved kind", "aZ09-._~" + long[:40], challengeOf("aZ09-._~" + long[:40]), "ok"},
		{"052 plus", "+" + long[:60], challengeOf("+" + long[:60]), refused},
		{"052 space", " " + long[:60], challengeOf(" " + long[:60]), refused},
		{"052 umlaut", "ä" + long[:60], challengeOf("ä" + long[:60]), refused},
		{"052 newline", long[:60] + "\n", challengeOf(long[:60] + "\n"), refused},
		{"other case", strings.ToUpper(goodVerifier), goodChallenge, refused},
	} {
		if got := told(checkVerifier(c.verifier, c.challenge)); got != c.want {
			t.Errorf("%s: %s, want %s", c.id, got, c.want)
		}
	}
}

// TestSteps: OpenID Connect Core §3.1.2.1; CONTRACT §4, decisions 12 and 13.
// The outcome is the steps that are still to be taken, in order.
func TestSteps(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ada := Session{ID: "s1", Subject: "ada", Logins: 1, AuthTime: now.Add(-100 * time.Second)}
	again := ada
	again.Logins, again.AuthTime = 2, now
	bob := Session{ID: "s2", Subject: "bob", Logins: 1, AuthTime: now}
	seen := markOf(ada)
	agreed := Consent{Scopes: []string{"read", "write"}, SessionID: "s1", GrantedAt: now, Epoch: 1}
	otherSession, withdrawn := agreed, agreed
	otherSession.SessionID = "s0"
	withdrawn.GrantedAt = time.Time{}

	web := &Client{Metadata: Metadata{AuthMethod: AuthBasic}}
	spa := &Client{Metadata: Metadata{AuthMethod: AuthNone, Type: TypeSPA}}
	native := &Client{Metadata: Metadata{AuthMethod: AuthNone, Type: TypeNative}}
	first := &Client{FirstParty: true, Metadata: Metadata{AuthMethod: AuthNone}}
	const https, loopback, private = "https://app.example/cb", "http://127.0.0.1:5000/cb", "com.example.app:/cb"

	for _, c := range []struct {
		name     string
		client   *Client
		redirect string
		change   func(*AuthorizationRequest)
		standing Standing
		want     string
	}{
		{"nobody", web, https, nil, Standing{}, "login consent"},
		{"signed in, nothing agreed", web, https, nil, Standing{Session: ada}, "consent"},
		{"signed in and agreed", web, https, nil, Standing{Session: ada, consent: agreed}, ""},
		{"agreed in another session", web, https, nil, Standing{Session: ada, consent: otherSession}, ""},
		{"agreed just now", web, https, nil, Standing{Session: ada, Agreed: []string{"read"}}, ""},
		{"agreed to nothing optional just now", web, https, nil, Standing{Session: ada, Agreed: []string{}}, ""},
		{"consent was withdrawn", web, https, nil, Standing{Session: ada, consent: withdrawn}, "consent"},
		{"more is wanted", web, https, scopes("read", "admin"), Standing{Session: ada, consent: agreed}, "consent"},
		{"less is wanted", web, https, scopes("write"), Standing{Session: ada, consent: agreed}, ""},
		{"claims of a scope that wasn't agreed", web, https, claims("email"), Standing{Session: ada, consent: agreed}, "consent"},
		{"claims that no scope covers", web, https, claims("sub"), Standing{Session: ada, consent: agreed}, ""},

		{"013 prompt=login, as before", web, https, prompt("login"), Standing{Session: ada, consent: agreed}, "login"},
		{"013 prompt=login, signed in again", web, https, prompt("login"), Standing{Session: again, consent: agreed}, ""},
		{"013 prompt=login, another person now", web, https, prompt("login"), Standing{Session: bob}, "consent"},
		{"013 prompt=login, signed out meanwhile", web, https, prompt("login"), Standing{}, "login consent"},
		{"prompt=create", web, https, prompt("create"), Standing{Session: ada, consent: agreed}, "login"},
		{"prompt=consent", web, https, prompt("consent"), Standing{Session: ada, consent: agreed}, "consent"},
		{"prompt=consent, agreed just now", web, https, prompt("consent"), Standing{Session: ada, consent: agreed, Agreed: []string{"read"}}, ""},
		{"prompt=login consent", web, https, prompt("login", "consent"), Standing{Session: ada, consent: agreed}, "login consent"},
		{"prompt=select_account", web, https, prompt("select_account"), Standing{Session: ada, consent: agreed}, "select_account"},
		{"prompt=select_account, chosen", web, https, prompt("select_account"), Standing{Session: ada, Selected: true, consent: agreed}, ""},
		{"prompt=select_account, chosen and agreed", web, https, prompt("select_account"), Standing{Session: ada, Agreed: []string{"read"}}, ""},
		{"prompt=select_account, nobody there", web, https, prompt("select_account"), Standing{}, "login consent"},
		{"prompt=select_account, another one now", web, https, prompt("select_account"), Standing{Session: bob, consent: agreed}, ""},

		{"014 max_age that holds", web, https, maxAge(100), Standing{Session: ada, consent: agreed}, ""},
		{"014 max_age that has passed", web, https, maxAge(99), Standing{Session: ada, consent: agreed}, "login"},
		{"014 max_age=0", web, https, maxAge(0), Standing{Session: ada, consent: agreed}, "login"},
		{"014 max_age=0, signed in again", web, https, maxAge(0), Standing{Session: again, consent: agreed}, ""},
		{"014 max_age that has passed since the sign-in", web, https, maxAge(1), Standing{Session: again, consent: agreed, now: now.Add(time.Hour)}, ""},

		{"hint of this person", web, https, hint("ada"), Standing{Session: ada, consent: agreed}, ""},
		{"hint of another", web, https, hint("bob"), Standing{Session: ada, consent: agreed}, "login"},
		{"hint of another, who signed in", web, https, hint("bob"), Standing{Session: bob, consent: agreed}, ""},
		{"hint of another, the wrong one signed in again", web, https, hint("bob"), Standing{Session: again, consent: agreed}, "login"},

		{"021 public, https, agreed in this session", spa, https, nil, Standing{Session: ada, consent: agreed}, ""},
		{"021 public, https, agreed in another", spa, https, nil, Standing{Session: ada, consent: otherSession}, "consent"},
		{"021 public, loopback, agreed", native, loopback, nil, Standing{Session: ada, consent: agreed}, "consent"},
		{"021 public, private scheme, agreed", native, private, nil, Standing{Session: ada, consent: agreed}, "consent"},
		{"021 public, loopback, agreed just now", native, loopback, nil, Standing{Session: ada, Agreed: []string{"read"}}, ""},
		{"021 confidential, loopback, agreed", web, loopback, nil, Standing{Session: ada, consent: otherSession}, ""},
		{"first party", first, https, nil, Standing{Session: ada}, ""},
		{"first party, prompt=consent", first, loopback, prompt("consent"), Standing{Session: ada}, ""},
	} {
		in := &Interaction{Request: AuthorizationRequest{RedirectURI: c.redirect, Scopes: []string{"read"}}, Login: seen}
		if c.change != nil {
			c.change(&in.Request)
		}
		if c.standing.now.IsZero() {
			c.standing.now = now
		}
		var needed []string
		for _, step := range steps() {
			if step.Needed(c.client, in, c.standing) {
				needed = append(needed, step.Name)
			}
		}
		if got := strings.Join(needed, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func scopes(names ...string) func(*AuthorizationRequest) {
	return func(r *AuthorizationRequest) { r.Scopes = names }
}

func prompt(values ...string) func(*AuthorizationRequest) {
	return func(r *AuthorizationRequest) { r.Prompt = values }
}

func maxAge(seconds int) func(*AuthorizationRequest) {
	return func(r *AuthorizationRequest) { r.MaxAge = &seconds }
}

func hint(subject string) func(*AuthorizationRequest) {
	return func(r *AuthorizationRequest) { r.HintSubject = subject }
}

func claims(name string) func(*AuthorizationRequest) {
	return func(r *AuthorizationRequest) {
		r.Claims = &ClaimsRequest{UserInfo: map[string]*ClaimRequest{name: nil}}
	}
}

// TestNarrowed: RFC 6749 §6; 020, 102.
func TestNarrowed(t *testing.T) {
	granted := []string{"read", "write", "openid"}
	for sent, want := range map[string]string{
		"":                  "read write openid",
		"read":              "read",
		"openid read":       "openid read",
		"read read":         "read",
		"read admin":        "invalid_scope scope",
		"READ":              "invalid_scope scope",
		"read  write":       "invalid_scope scope",
		" read":             "invalid_scope scope",
		"read\twrite":       "invalid_scope scope",
		`re"ad`:             "invalid_scope scope",
		"read write openid": "read write openid",
	} {
		names, err := narrowed(Request{params: url.Values{"scope": {sent}}}, granted)
		got := joinScope(names)
		if err != nil {
			got = told(err)
		}
		if got != want {
			t.Errorf("%q of %v: %s, want %s", sent, granted, got, want)
		}
	}
	if names, err := narrowed(Request{params: url.Values{"scope": {"read"}}}, nil); err == nil {
		t.Errorf("of nothing: %v", names)
	}
}

// TestParseScope: RFC 6749 §3.3.
func TestParseScope(t *testing.T) {
	many := make([]string, maxScopes+1)
	for i := range many {
		many[i] = fmt.Sprintf("s%d", i)
	}
	for sent, want := range map[string]string{
		"":                              "",
		"a":                             "a",
		"b a b":                         "b a",
		"!#[]~":                         "!#[]~",
		"urn:x:y https://z/w":           "urn:x:y https://z/w",
		joinScope(many[:maxScopes]):     joinScope(many[:maxScopes]),
		joinScope(many):                 "invalid_scope scope",
		strings.Repeat("a", 200):        strings.Repeat("a", 200),
		strings.Repeat("a", 201):        "invalid_scope scope",
		"a ":                            "invalid_scope scope",
		"a\nb":                          "invalid_scope scope",
		`a\`:                            "invalid_scope scope",
		"ä":                             "invalid_scope scope",
		"a\x00":                         "invalid_scope scope",
		strings.Repeat("a ", 200) + "a": "a",
	} {
		names, err := parseScope(sent)
		got := joinScope(names)
		if err != nil {
			got = told(err)
		}
		if got != want {
			t.Errorf("%.40q: %.60s, want %.60s", sent, got, want)
		}
	}
}

// TestMayAsk: CONTRACT §1a; 005.
func TestMayAsk(t *testing.T) {
	catalog := &Catalog{Scopes: map[string]Scope{"open": {}, "closed": {Restricted: true}, ScopeOpenID: {Builtin: true}}}
	for _, c := range []struct {
		registered, asked string
		want              bool
	}{
		{"", "open", true},
		{"", ScopeOpenID, true},
		{"", "closed", false},
		{"", "undeclared", false},
		{"closed", "closed", true},
		{"closed", "open", false},
		{"closed", ScopeOpenID, false},
		{"undeclared", "undeclared", false},
		{"open closed", "open", true},
		{"open closed", "ope", false},
	} {
		client := &Client{Metadata: Metadata{Scope: c.registered}}
		if got := client.mayAsk(c.asked, catalog); got != c.want {
			t.Errorf("registered with %q, asks for %q: %v", c.registered, c.asked, got)
		}
	}
}

// TestAudience: CONTRACT §1a, RFC 9068 §3.
func TestAudience(t *testing.T) {
	const issuer, api, other = "https://as.example", "https://api.example", "https://other.example"
	catalog := &Catalog{Scopes: map[string]Scope{"read": {Resource: api}, "write": {Resource: api}, "list": {Resource: other}, "plain": {}}}
	for _, c := range []struct {
		asked, scopes []string
		want          string
	}{
		{nil, nil, issuer},
		{nil, []string{"plain", ScopeOpenID}, issuer},
		{nil, []string{"read"}, api},
		{nil, []string{"read", "write", "plain"}, api},
		{nil, []string{"list", "read"}, other + " " + api},
		{[]string{other}, []string{"read"}, other},
		{[]string{api, other}, nil, api + " " + other},
		{nil, []string{"undeclared"}, issuer},
	} {
		if got := strings.Join(catalog.audience(issuer, c.asked, c.scopes), " "); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.asked, c.scopes, got, c.want)
		}
	}
}

// TestIntrospects: decision 10; 110.
func TestIntrospects(t *testing.T) {
	catalog := &Catalog{Resources: map[string]Resource{"https://api.example": {Client: "api"}, "https://open.example": {}}}
	for _, c := range []struct {
		client   string
		audience []string
		want     bool
	}{
		{"api", []string{"https://api.example"}, true},
		{"api", []string{"https://open.example", "https://api.example"}, true},
		{"api", []string{"https://open.example"}, false},
		{"api", nil, false},
		{"other", []string{"https://api.example"}, false},
		{"", []string{"https://open.example"}, false},
	} {
		if got := catalog.introspects(c.client, c.audience); got != c.want {
			t.Errorf("%q for %v: %v", c.client, c.audience, got)
		}
	}
}

// TestRedirectMatching: RFC 9700 §2.1, RFC 8252 §7.3; 028, 036.
func TestRedirectMatching(t *testing.T) {
	for _, c := range []struct {
		kind             ClientType
		registered, sent string
		want             bool
	}{
		{TypeWeb, "https://app.example/cb", "https://app.example/cb", true},
		{TypeWeb, "https://app.example/cb", "https://app.example:443/cb", false},
		{TypeWeb, "https://app.example/cb", "https://APP.example/cb", false},
		{TypeWeb, "https://app.example/cb", "https://app.example/cb/", false},
		{TypeWeb, "https://app.example/cb", "https://app.example/cb?", false},
		{TypeWeb, "https://app.example/cb", "https://app.example/c%62", false},
		{TypeWeb, "https://app.example/cb?x=1", "https://app.example/cb?x=1", true},
		{TypeWeb, "https://app.example/cb?x=1", "https://app.example/cb?x=1&y=2", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1/cb", true},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:1/cb", true},
		{TypeNative, "http://127.0.0.1:80/cb", "http://127.0.0.1:65535/cb", true},
		{TypeNative, "http://127.0.0.1:80/cb", "http://127.0.0.1/cb", true},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:0/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:080/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:-1/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:1/CB", false},
		{TypeNative, "http://127.0.0.1/cb", "http://127.0.0.1:1@evil/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "http://[::1]:1/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false},
		{TypeNative, "http://127.0.0.1/cb", "HTTP://127.0.0.1:1/cb", false},
		{TypeNative, "http://127.0.0.1/cb?x=1", "http://127.0.0.1:7/cb?x=1", true},
		{TypeNative, "http://127.0.0.1", "http://127.0.0.1:7", true},
		{TypeNative, "http://127.0.0.1", "http://127.0.0.1:7/", false},
		{TypeNative, "http://[::1]/cb", "http://[::1]:9/cb", true},
		{TypeNative, "http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:9/cb", false},
		{TypeNative, "http://localhost/cb", "http://localhost:9/cb", false},
		{TypeNative, "com.example.app:/cb", "com.example.app:/cb", true},
		{TypeNative, "com.example.app:/cb", "com.example.app:/cb?x", false},
		{TypeWeb, "http://127.0.0.1/cb", "http://127.0.0.1:1/cb", false},
		{TypeNative, "https://127.0.0.1/cb", "https://127.0.0.1:1/cb", false},
	} {
		u, err := ParseRedirectURI(c.registered, c.kind, "https://as.example")
		if err != nil {
			t.Fatalf("%s: %v", c.registered, err)
		}
		if got := u.matches(c.sent); got != c.want {
			t.Errorf("%s registered %s, sent %s: %v", c.kind, c.registered, c.sent, got)
		}
	}
	if (RedirectURI{}).matches("http://127.0.0.1/") {
		t.Error("what was never parsed matches")
	}
}

// TestParseBasic: RFC 6749 §2.3.1, RFC 7617 §2; 078.
func TestParseBasic(t *testing.T) {
	sent := func(id, password string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(id, password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct{ header, want string }{
		{sent("web", "pw"), "web|pw"},
		{sent("a%3Ab", "c%3Ad%25"), "a:b|c:d%"},
		{sent("a+b", "c+d"), "a b|c d"},
		{sent("web", "p:w"), "web|p:w"},
		{sent("web", ""), "web|"},
		{"basic " + strings.TrimPrefix(sent("web", "pw"), "Basic "), "web|pw"},
		{"Basic  " + strings.TrimPrefix(sent("web", "pw"), "Basic "), "web|pw"},
		{sent("", "pw"), "refused"},
		{sent("web", "%zz"), "refused"},
		{sent("web", "%00"), "refused"},
		{sent("web", "%ff"), "refused"},
		{sent("w\x00b", "pw"), "refused"},
		{"Basic d2Vi", "refused"}, // no colon
		{"Basic !!!", "refused"},
		{"Basic d2ViOnB3=", "refused"},  // one padding too many
		{"Basic d2ViOnB\n3", "refused"}, // a decoder that skips line ends takes it
		{"Basic", "refused"},
		{"", "refused"},
		{"Bearer d2ViOnB3", "refused"},
		{"Basic " + strings.Repeat("A", 5000), "refused"},
	} {
		id, password, present, err := ParseBasic(c.header)
		got := id + "|" + password
		if err != nil {
			got = "refused"
			if err.Code != CodeInvalidClient {
				t.Errorf("%.40q: %s", c.header, err.Code)
			}
		}
		if got != c.want || !present {
			t.Errorf("%.40q: %q, want %q", c.header, got, c.want)
		}
	}
}

// TestMayRefresh: CONTRACT §4, decision 5.
func TestMayRefresh(t *testing.T) {
	with := &Client{Metadata: Metadata{GrantTypes: []string{GrantAuthorizationCode, GrantRefreshToken}}}
	without := &Client{Metadata: Metadata{GrantTypes: []string{GrantAuthorizationCode}}}
	for _, c := range []struct {
		client *Client
		scope  string
		want   bool
	}{
		{with, "", true},
		{with, "read", true},
		{with, "openid", false},
		{with, "openid read", false},
		{with, "openid offline_access", true},
		{with, "offline_access", true},
		{without, "read", false},
		{without, "openid offline_access", false},
	} {
		names, _ := parseScope(c.scope)
		if got := mayRefresh(c.client, names); got != c.want {
			t.Errorf("%v %q: %v", c.client.GrantTypes, c.scope, got)
		}
	}
}

// TestAccepts: RFC 6749 §2.3; CONTRACT §4, decision 3; 076.
func TestAccepts(t *testing.T) {
	for _, c := range []struct {
		profile           Profile
		registered, tried string
		want              bool
	}{
		{ProfileOAuth21, AuthBasic, AuthBasic, true},
		{ProfileOAuth21, AuthBasic, AuthPost, false},
		{ProfileOAuth21, AuthBasic, AuthNone, false},
		{ProfileCompatible, AuthBasic, AuthPost, true},
		{ProfileCompatible, AuthPost, AuthBasic, true},
		{ProfileCompatible, AuthPost, AuthNone, false},
		{ProfileCompatible, AuthNone, AuthBasic, false},
		{ProfileOAuth21, AuthNone, AuthNone, true},
		{ProfileOAuth21, AuthNone, AuthPost, false},
	} {
		client := &Client{Metadata: Metadata{Profile: c.profile, AuthMethod: c.registered}}
		if got := client.accepts(c.tried); got != c.want {
			t.Errorf("%s registered %s, tried %s: %v", c.profile, c.registered, c.tried, got)
		}
	}
}
