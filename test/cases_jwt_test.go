package test

import (
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// consumer is an endpoint that takes a JWT which somebody else signs.
type consumer struct {
	name    string
	typ     string         // a good token's
	claims  map[string]any // a good token's
	present func(t *testing.T, token string) (accepted bool, answer string)
}

// jwtBed is a server with a client, an issuer and a key for each consumer.
type jwtBed struct {
	*harness.Server
	key, other *caseKey
}

func newJWTBed(t *testing.T) *jwtBed {
	t.Helper()
	bed := &jwtBed{key: newCaseKey(t, "RS256", "k1"), other: newCaseKey(t, "RS256", "k1")}
	config := setup(databases["sqlite"](t))
	config.TrustedIssuers = []oauth.TrustedIssuer{
		{Issuer: "https://issuer.example", JWKS: jwksOf(bed.key), Clients: []string{"bearer"}, Match: "username"},
		{Issuer: "https://second.example", JWKS: jwksOf(bed.other), Clients: []string{"bearer"}, Match: "username"},
	}
	bed.Server = harness.Start(t, config)
	if err := harness.Populate(bed.Server); err != nil {
		t.Fatal(err)
	}
	register(t, bed.Server, "keyed", oauth.Metadata{
		Type: oauth.TypeWeb, AuthMethod: oauth.AuthPrivateJWT, JWKS: jwksOf(bed.key), RedirectURIs: []string{harness.Callback},
		GrantTypes: []string{oauth.GrantAuthorizationCode, oauth.GrantClientCredentials}, Scope: "orgs:read",
	})
	register(t, bed.Server, "bearer", oauth.Metadata{
		Type: oauth.TypeNative, AuthMethod: oauth.AuthNone, GrantTypes: []string{oauth.GrantJWTBearer}, Scope: "orgs:read",
	})
	return bed
}

func (b *jwtBed) consumers() []consumer {
	now := b.Clock.Now().Unix()
	base, _ := url.Parse(harness.Callback)
	return []consumer{
		{"assertion", "", assertionOf(b.Server, "keyed"), func(t *testing.T, token string) (bool, string) {
			a := post(t, b.Server, "/token", byAssertion(token, one("grant_type", "client_credentials")))
			return a.Status == 200, result(a)
		}},
		{"request object", "oauth-authz-req+jwt", map[string]any{
			"iss": "keyed", "aud": b.URL, "exp": now + 60, "client_id": "keyed", "response_type": "code", "redirect_uri": harness.Callback,
			"scope": "orgs:read", "state": "inner", "code_challenge": challenge(), "code_challenge_method": "S256",
		}, func(t *testing.T, token string) (bool, string) {
			q := url.Values{"client_id": {"keyed"}, "request": {token}, "redirect_uri": {harness.Callback}, "state": {"xyz"}}
			page, err := b.Browser(t).Hop(http.MethodGet, "/authorize?"+q.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if page.Location != nil && page.Location.Host != base.Host {
				return true, outcome(page)
			}
			return false, outcome(page)
		}},
		{"jwt bearer", "JWT", map[string]any{
			"iss": "https://issuer.example", "sub": "ada", "aud": b.URL, "exp": now + 60, "iat": now, "jti": "",
		}, func(t *testing.T, token string) (bool, string) {
			a := post(t, b.Server, "/token", url.Values{"grant_type": {oauth.GrantJWTBearer}, "client_id": {"bearer"}, "assertion": {token}, "scope": {"orgs:read"}})
			return a.Status == 200, result(a)
		}},
	}
}

// good is a fresh good token of a consumer.
func (b *jwtBed) good(c consumer, header, changes map[string]any) string {
	claims := with(c.claims, map[string]any{"jti": serial()})
	h := map[string]any{}
	if c.typ != "" {
		h["typ"] = c.typ
	}
	return b.key.jwt(with(h, header), with(claims, changes))
}

// refused says what every consumer answers to a bad token.
var refused = map[string]string{
	"assertion": "Unauthorized invalid_client", "request object": "RED(invalid_request_object) to " + harness.Callback + " state=xyz",
	"jwt bearer": "Bad Request invalid_grant",
}

// TestJWTCases is group I, against every consumer of other people's JWTs but
// DPoP, whose own tests are in internal/dpop.
// RFC 7515 §2, §4, §4.1.9, §4.1.11, RFC 7517 §5, RFC 7519 §4, §4.1.3, RFC 7523 §2.1, §3, RFC 8725 §3.1, RFC 9101 §4, §6.2.
func TestJWTCases(t *testing.T) {
	b := newJWTBed(t)
	public := b.key.private.Public().(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	jwk, _ := json.Marshal(b.key.jwk())
	confused := map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": jwk, "n": public.N.Bytes(),
	}
	for _, c := range b.consumers() {
		t.Run(c.name, func(t *testing.T) {
			expect := func(id, token string, want bool) {
				t.Helper()
				got, answer := c.present(t, token)
				if got != want || !want && answer != refused[c.name] {
					t.Errorf("%s: %s", id, answer)
				}
			}
			expect("good", b.good(c, nil, nil), true)
			for name, secret := range confused {
				head, _ := json.Marshal(map[string]any{"alg": "HS256", "kid": "k1"})
				body, _ := json.Marshal(with(c.claims, map[string]any{"jti": serial()}))
				input := raw64.EncodeToString(head) + "." + raw64.EncodeToString(body)
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				expect("120 "+name, input+"."+raw64.EncodeToString(mac.Sum(nil)), false)
			}
			for _, kid := range []any{"../../dev/null", "' OR 1=1", strings.Repeat("k", 10<<10), []string{"k1"}, "unknown", 1} {
				expect(fmt.Sprintf("121 %.20v", kid), b.good(c, map[string]any{"kid": kid}, nil), false)
			}
			expect("122 crit", b.good(c, map[string]any{"crit": []string{"x"}, "x": 1}, nil), false)
			expect("122 b64", b.good(c, map[string]any{"b64": false, "crit": []string{"b64"}}, nil), false)
			expect("122 zip", b.good(c, map[string]any{"zip": "DEF"}, nil), false)
			head, _ := json.Marshal(with(map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"typ": c.typ}))
			if c.typ == "" {
				head = []byte(`{"alg":"RS256","kid":"k1"}`)
			}
			body, _ := json.Marshal(with(c.claims, map[string]any{"jti": serial()}))
			doubled := strings.Replace(string(body), "{", `{"iss":"nobody",`, 1)
			expect("124 twice", b.key.text(string(head), doubled), false)
			expect("124 case", b.key.text(string(head), strings.Replace(string(body), `"iss"`, `"ISS"`, 1)), c.name == "request object")
			expect("125 exp text", b.good(c, nil, map[string]any{"exp": "123"}), false)
			expect("125 exp past", b.good(c, nil, map[string]any{"exp": 1}), false)
			expect("125 exp negative", b.good(c, nil, map[string]any{"exp": -1}), false)
			expect("125 exp huge", b.key.text(string(head), strings.Replace(string(body), `"exp":`, `"exp":1e400,"x":`, 1)), false)
			expect("125 aud number", b.good(c, nil, map[string]any{"aud": 7}), false)
			expect("125 aud list of numbers", b.good(c, nil, map[string]any{"aud": []int{1}}), false)
			expect("125 aud other", b.good(c, nil, map[string]any{"aud": "https://other.example"}), false)
			expect("125 iss list", b.good(c, nil, map[string]any{"iss": []string{"keyed"}}), false)
			good := b.good(c, nil, nil)
			expect("126 padding", good+"=", false)
			expect("126 newline", good[:20]+"\n"+good[20:], false)
			expect("126 suffix", good+"A", false)
			expect("not a JWT", "a.b.c", false)
			expect("other key", b.other.jwt(map[string]any{"typ": orJWT(c.typ)}, with(c.claims, map[string]any{"jti": serial()})), false)
			for id, jwe := range encrypted() {
				expect(id, jwe, false)
			}
			expect("086 none", raw64.EncodeToString([]byte(`{"alg":"none"}`))+"."+raw64.EncodeToString(body)+"."+raw64.EncodeToString([]byte("x")), false)
		})
	}
}

func orJWT(typ string) string {
	if typ == "" {
		return "JWT"
	}
	return typ
}

// encrypted are 128 to 130 and 160: no JWE is ever opened.
func encrypted() map[string]string {
	var bomb bytes.Buffer
	z, _ := flate.NewWriter(&bomb, 9)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	part := func(s string) string { return raw64.EncodeToString([]byte(s)) }
	return map[string]string{
		"128": part(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + ".." + part("123456789012") + "." + raw64.EncodeToString(bomb.Bytes()) + "." + part("1234567890123456"),
		"129": part(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAA"}`) + "." + part("k") + "." + part("i") + "." + part("c") + "." + part("t"),
		"130": part(`{"alg":"ECDH-ES","enc":"A128CBC-HS256","epk":null}`) + "..." + part("c") + "." + part("t"),
	}
}

// Test132: a token that has expired and is badly signed is badly signed.
func Test132ExpiredAndBadlySigned(t *testing.T) {
	b := newJWTBed(t)
	c := b.consumers()[1]
	token := b.other.jwt(map[string]any{"typ": c.typ}, with(c.claims, map[string]any{"exp": b.Clock.Now().Unix() - 3600}))
	q := url.Values{"client_id": {"keyed"}, "request": {token}, "redirect_uri": {harness.Callback}}
	page, err := b.Browser(t).Hop(http.MethodGet, "/authorize?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if why := page.Location.Query().Get("error_description"); !strings.Contains(why, "not signed by") {
		t.Errorf("132: %s", why)
	}
}

// Test133: two issuers with one kid.
func Test133SameKeyID(t *testing.T) {
	b := newJWTBed(t)
	c := b.consumers()[2]
	foreign := b.key.jwt(nil, with(c.claims, map[string]any{"iss": "https://second.example", "jti": serial()}))
	if ok, answer := c.present(t, foreign); ok || answer != refused[c.name] {
		t.Errorf("133: %s", answer)
	}
	own := b.other.jwt(nil, with(c.claims, map[string]any{"iss": "https://second.example", "jti": serial()}))
	if ok, answer := c.present(t, own); !ok {
		t.Errorf("133 own key: %s", answer)
	}
}

// Test134KindsOfJWT gives every kind of JWT to every place that takes another.
// RFC 8725 §3.11.
func Test134KindsOfJWT(t *testing.T) {
	b := newJWTBed(t)
	tokens := grant(t, b.Server, "web", one("scope", "openid offline_access orgs:read"))
	kinds := map[string]string{
		"access": tokens.String("access_token"), "id": tokens.String("id_token"), "refresh": tokens.String("refresh_token"),
		"proof": b.key.proof(proofOf(b.Server, "POST", "/token")),
	}
	for _, c := range b.consumers() {
		kinds[c.name] = b.good(c, nil, nil)
	}
	// What each kind would say if it said the right things under its own type.
	for _, typ := range []string{"at+jwt", "logout+jwt", "dpop+jwt", "token-introspection+jwt", "secevent+jwt"} {
		for _, c := range b.consumers() {
			token := b.key.jwt(map[string]any{"typ": typ}, with(c.claims, map[string]any{"jti": serial()}))
			if ok, answer := c.present(t, token); ok || answer != refused[c.name] {
				t.Errorf("134 typ %s as %s: %s", typ, c.name, answer)
			}
		}
	}
	for _, c := range b.consumers() {
		for kind, token := range kinds {
			if kind == c.name {
				continue
			}
			if ok, answer := c.present(t, token); ok || answer != refused[c.name] {
				t.Errorf("134 %s as %s: %s", kind, c.name, answer)
			}
		}
	}
	for kind, token := range kinds {
		if kind == "access" {
			continue
		}
		if a := bearer(t, b.Server, "GET", "/userinfo", "Bearer "+token, ""); a.Status != 401 {
			t.Errorf("134 %s at userinfo: %d", kind, a.Status)
		}
		if kind != "refresh" && active(t, b.Server, "web", token) {
			t.Errorf("134 %s introspects as active", kind)
		}
	}
	for kind, token := range kinds {
		if kind == "id" {
			continue
		}
		page, err := b.Browser(t).Hop(http.MethodGet, "/authorize?"+request(one("id_token_hint", token)).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(page); !strings.HasPrefix(got, "RED(invalid_request)") {
			t.Errorf("134 %s as id_token_hint: %s", kind, got)
		}
		page, err = b.Browser(t).Hop(http.MethodGet, "/logout?id_token_hint="+url.QueryEscape(token), nil)
		if err != nil || page.Status != 400 {
			t.Errorf("197 %s as logout hint: %v %d", kind, err, page.Status)
		}
	}
}

// Test084AssertionClaims: 083 to 088.
// RFC 7521 §4.2, RFC 7523 §2.2, §3, OpenID Connect Core §9.
func Test084AssertionClaims(t *testing.T) {
	b := newJWTBed(t)
	c := b.consumers()[0]
	now := b.Clock.Now().Unix()
	for _, one := range []struct {
		id     string
		change map[string]any
		want   bool
	}{
		{"no iss", map[string]any{"iss": nil}, false},
		{"no sub", map[string]any{"sub": nil}, false},
		{"no exp", map[string]any{"exp": nil}, false},
		{"no aud", map[string]any{"aud": nil}, false},
		{"iss other", map[string]any{"iss": "web"}, false},
		{"exp past", map[string]any{"exp": now + 2*minuteAgo}, false},
		{"exp far", map[string]any{"exp": now + 600}, false},
		{"nbf +2 min", map[string]any{"nbf": now + 120}, false},
		{"iat -1 h", map[string]any{"iat": now - 3600}, false},
		{"nbf 8 s ahead", map[string]any{"nbf": now + 8}, true},
		{"iat 8 s ahead", map[string]any{"iat": now + 8}, true},
		{"nbf 60 s ahead", map[string]any{"nbf": now + 60}, false},
		{"iat 60 s ahead", map[string]any{"iat": now + 60}, false},
		{"083 issuer", map[string]any{"aud": b.URL}, true},
		{"083 list", map[string]any{"aud": []string{"https://x.example", b.URL}}, true},
		{"083 token endpoint", map[string]any{"aud": b.URL + "/token"}, true},
		{"083 par at token", map[string]any{"aud": b.URL + "/par"}, false},
		{"083 slash", map[string]any{"aud": b.URL + "/"}, false},
	} {
		ok, answer := c.present(t, b.good(c, nil, one.change))
		if ok != one.want || !ok && answer != refused[c.name] {
			t.Errorf("084 %s: %s", one.id, answer)
		}
	}
	if ok, answer := c.present(t, b.key.jwt(nil, with(c.claims, map[string]any{"jti": nil}))); ok {
		t.Errorf("084 no jti: %s", answer)
	}
	// 083 at /par, 085 twice, and 088: another client's.
	pushed := func(aud string) *harness.Answer {
		form := request(url.Values{"client_id": {"keyed"}})
		return post(t, b.Server, "/par", byAssertion(b.good(c, nil, map[string]any{"aud": aud}), form))
	}
	for _, aud := range []string{b.URL, b.URL + "/token", b.URL + "/par"} {
		if a := pushed(aud); a.Status != 201 {
			t.Errorf("083 %s at /par: %s", aud, a.Body)
		}
	}
	twice := b.good(c, nil, nil)
	if ok, answer := c.present(t, twice); !ok {
		t.Errorf("085 first: %s", answer)
	}
	if ok, answer := c.present(t, twice); ok || answer != refused[c.name] {
		t.Errorf("085 second: %s", answer)
	}
	resigned := b.key.jwt(nil, with(payload(t, twice), map[string]any{"exp": now + 90}))
	if ok, answer := c.present(t, resigned); ok || answer != refused[c.name] {
		t.Errorf("085 the same jti with another exp: %s", answer)
	}
	a := post(t, b.Server, "/token", byAssertion(b.good(c, nil, nil), url.Values{"grant_type": {"client_credentials"}, "client_id": {"web"}}))
	if a.Status != 400 || a.String("error") != "invalid_request" {
		t.Errorf("client_id of another: %s", a.Body)
	}
	a = post(t, b.Server, "/token", byAssertion(b.good(c, nil, nil), url.Values{"grant_type": {"client_credentials"}, "client_id": {"keyed"}, "client_secret": {"x"}}))
	if a.Status != 400 || a.String("error") != "invalid_request" {
		t.Errorf("two methods: %s", a.Body)
	}
	form := byAssertion(b.good(c, nil, nil), one("grant_type", "client_credentials"))
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
	if a = post(t, b.Server, "/token", form); a.Status != 401 {
		t.Errorf("other assertion type: %s", a.Body)
	}
}

// Test085AssertionRaces: one assertion on two nodes, and after a restart.
func Test085AssertionRaces(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			c := nodes(t, database(t), 2)
			key := newCaseKey(t, "ES256", "k")
			register(t, c.Server, "keyed", oauth.Metadata{
				Type: oauth.TypeService, AuthMethod: oauth.AuthPrivateJWT, JWKS: jwksOf(key), GrantTypes: []string{oauth.GrantClientCredentials},
			})
			withinASecond(t, "client on both nodes", func() bool {
				for node := range 2 {
					if c.at(node, "/token", "", byAssertion(key.jwt(nil, assertionOf(c.Server, "keyed")), one("grant_type", "client_credentials"))).Status != 200 {
						return false
					}
				}
				return true
			})
			assertion := key.jwt(nil, assertionOf(c.Server, "keyed"))
			all := together(32, func(i int) *harness.Answer {
				return c.at(i%2, "/token", "", byAssertion(assertion, one("grant_type", "client_credentials")))
			})
			got := answers(all)
			if got["200"] != 1 || got["401 invalid_client"] != 31 {
				t.Errorf("085: %v", got)
			}
		})
	}
}
