package test

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// dpopCode is a fresh code of the native client, and the form that redeems it.
func dpopCode(t *testing.T, srv *harness.Server, change url.Values) url.Values {
	t.Helper()
	change = merge(url.Values{"client_id": {"native"}, "redirect_uri": {"http://127.0.0.1/cb"}}, change)
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {"native"}, "code": {flow(t, srv, change)}, "code_verifier": {verifier}}
}

// Test136To138Proofs: what a proof must be at /token. A refused one changes
// nothing, so one code serves all rows until the good one.
// RFC 9449 §4.3, §5, §11.1.
func Test136To138Proofs(t *testing.T) {
	srv := start(t)
	key := newCaseKey(t, "ES256", "")
	form := dpopCode(t, srv, nil)
	now := srv.Clock.Now().Unix()
	good := func(changes map[string]any) string { return key.proof(with(proofOf(srv, "POST", "/token"), changes)) }
	private := key.bare()
	private["d"] = "AAAA"
	plain := &caseKey{alg: "ES256", private: key.private}
	for _, c := range []struct {
		id      string
		headers []string
		want    string
	}{
		{"136 htm", []string{good(map[string]any{"htm": "GET"})}, "invalid_dpop_proof"},
		{"136 htm case", []string{good(map[string]any{"htm": "post"})}, "invalid_dpop_proof"},
		{"136 host", []string{good(map[string]any{"htu": "http://evil.example/token"})}, "invalid_dpop_proof"},
		{"136 path", []string{good(map[string]any{"htu": srv.URL + "/userinfo"})}, "invalid_dpop_proof"},
		{"136 scheme", []string{good(map[string]any{"htu": strings.Replace(srv.URL, "http", "https", 1) + "/token"})}, "invalid_dpop_proof"},
		{"136 slash", []string{good(map[string]any{"htu": srv.URL + "/token/"})}, "invalid_dpop_proof"},
		{"136 no htu", []string{good(map[string]any{"htu": nil})}, "invalid_dpop_proof"},
		{"136 htu list", []string{good(map[string]any{"htu": []string{srv.URL + "/token"}})}, "invalid_dpop_proof"},
		{"137 -5 min", []string{good(map[string]any{"iat": now - 300})}, "invalid_dpop_proof"},
		{"137 +5 min", []string{good(map[string]any{"iat": now + 300})}, "invalid_dpop_proof"},
		{"137 -1 h", []string{good(map[string]any{"iat": now - 3600})}, "invalid_dpop_proof"},
		{"no jti", []string{good(map[string]any{"jti": nil})}, "invalid_dpop_proof"},
		{"no iat", []string{good(map[string]any{"iat": nil})}, "invalid_dpop_proof"},
		{"145 two headers", []string{good(nil), good(nil)}, "invalid_dpop_proof"},
		{"145 64 KB", []string{good(map[string]any{"x": strings.Repeat("x", 12<<10)})}, "invalid_dpop_proof"},
		{"private jwk", []string{plain.jwt(map[string]any{"typ": "dpop+jwt", "jwk": private}, proofOf(srv, "POST", "/token"))}, "invalid_dpop_proof"},
		{"no jwk", []string{plain.jwt(map[string]any{"typ": "dpop+jwt"}, proofOf(srv, "POST", "/token"))}, "invalid_dpop_proof"},
		{"no typ", []string{plain.jwt(map[string]any{"jwk": key.bare()}, proofOf(srv, "POST", "/token"))}, "invalid_dpop_proof"},
		{"other key's", []string{newCaseKey(t, "ES256", "").jwt(map[string]any{"typ": "dpop+jwt", "jwk": key.bare()}, proofOf(srv, "POST", "/token"))}, "invalid_dpop_proof"},
		{"junk", []string{"x"}, "invalid_dpop_proof"},
		{"empty", []string{""}, "invalid_dpop_proof"},
	} {
		headers := []string{}
		for _, h := range c.headers {
			headers = append(headers, "DPoP", h)
		}
		if a := post(t, srv, "/token", form, headers...); a.Status != 400 || a.String("error") != c.want {
			t.Errorf("%s: %s", c.id, a.Body)
		}
	}
	// 136: query, fragment, case and default port don't count; 137: +-10 s.
	once := good(map[string]any{"htu": strings.Replace(srv.URL, "http://", "HTTP://", 1) + "/token?x=1#f", "iat": now + 10})
	a := post(t, srv, "/token", form, "DPoP", once)
	if a.Status != 200 || a.String("token_type") != "DPoP" || a.String("refresh_token") == "" {
		t.Fatalf("good: %s", a.Body)
	}
	if cnf := payload(t, a.String("access_token"))["cnf"].(map[string]any); cnf["jkt"] != key.jkt() {
		t.Errorf("cnf %v, want %s", cnf, key.jkt())
	}
	// 138: the same proof again, for a request that is good otherwise.
	refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {"native"}, "refresh_token": {a.String("refresh_token")}}
	if a := post(t, srv, "/token", refresh, "DPoP", once); a.String("error") != "invalid_dpop_proof" {
		t.Errorf("138: %s", a.Body)
	}
	// 108: a public client's refresh token is bound to its key.
	if a := post(t, srv, "/token", refresh); a.String("error") != "invalid_dpop_proof" {
		t.Errorf("108 without: %s", a.Body)
	}
	other := newCaseKey(t, "ES256", "")
	if a := post(t, srv, "/token", refresh, "DPoP", other.proof(proofOf(srv, "POST", "/token"))); a.String("error") != "invalid_grant" {
		t.Errorf("108 other key: %s", a.Body)
	}
	again := good(map[string]any{"iat": now - 10})
	if a := post(t, srv, "/token", refresh, "DPoP", again); a.Status != 200 || a.String("token_type") != "DPoP" {
		t.Errorf("refresh: %s", a.Body)
	}
	if a := post(t, srv, "/token", refresh, "DPoP", again); a.String("error") != "invalid_dpop_proof" {
		t.Errorf("138 predecessor with a used proof: %s", a.Body)
	}
	jti := payload(t, again)["jti"]
	if a := post(t, srv, "/token", refresh, "DPoP", good(map[string]any{"jti": jti})); a.String("error") != "invalid_dpop_proof" {
		t.Errorf("138 the same jti with another iat: %s", a.Body)
	}
	if a := post(t, srv, "/token", refresh, "DPoP", good(nil)); a.Status != 200 {
		t.Errorf("the predecessor within its time: %s", a.Body)
	}
}

// Test141BoundTokens: 141, 142 at userinfo, and what introspection says.
// RFC 9449 §6, §6.2, §7, §7.1, §7.2.
func Test141BoundTokens(t *testing.T) {
	srv := start(t)
	key, other := newCaseKey(t, "EdDSA", ""), newCaseKey(t, "ES256", "")
	tokens := post(t, srv, "/token", dpopCode(t, srv, one("scope", "openid email")), "DPoP", key.proof(proofOf(srv, "POST", "/token")))
	access := tokens.String("access_token")
	ath := func(token string) string {
		sum := sha256.Sum256([]byte(token))
		return raw64.EncodeToString(sum[:])
	}
	proof := func(k *caseKey, changes map[string]any) string {
		return k.proof(with(with(proofOf(srv, "GET", "/userinfo"), map[string]any{"ath": ath(access)}), changes))
	}
	get := func(scheme string, proofs ...string) *harness.Answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", scheme+" "+access)
		for _, p := range proofs {
			req.Header.Add("DPoP", p)
		}
		a, err := harness.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	used := proof(key, nil)
	for _, c := range []struct {
		id, scheme string
		proofs     []string
		status     int
		challenge  string
	}{
		{"good", "DPoP", []string{used}, 200, ""},
		{"138 again", "DPoP", []string{used}, 401, `DPoP error="invalid_dpop_proof"`},
		{"141 no ath", "DPoP", []string{proof(key, map[string]any{"ath": nil})}, 401, `DPoP error="invalid_dpop_proof"`},
		{"141 wrong ath", "DPoP", []string{proof(key, map[string]any{"ath": ath("x")})}, 401, `DPoP error="invalid_dpop_proof"`},
		{"141 no proof", "DPoP", nil, 401, `DPoP error="invalid_dpop_proof"`},
		{"141 other key", "DPoP", []string{proof(other, nil)}, 401, `DPoP error="invalid_token"`},
		{"142 bearer", "Bearer", nil, 401, `Bearer error="invalid_token"`},
		{"142 bearer with proof", "Bearer", []string{proof(key, nil)}, 401, `Bearer error="invalid_token"`},
		{"scheme in lower case", "dpop", []string{proof(key, nil)}, 200, ""},
	} {
		a := get(c.scheme, c.proofs...)
		if a.Status != c.status || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), c.challenge) {
			t.Errorf("%s: %d %s", c.id, a.Status, a.Header.Get("WWW-Authenticate"))
		}
	}
	bearer := grant(t, srv, "web", one("scope", "openid")).String("access_token")
	access = bearer
	if a := get("DPoP", proof(key, nil)); a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `DPoP error="invalid_token"`) {
		t.Errorf("unbound token as DPoP: %d %s", a.Status, a.Header.Get("WWW-Authenticate"))
	}
	bound := post(t, srv, "/token", one("grant_type", "client_credentials"), "DPoP", key.proof(proofOf(srv, "POST", "/token")),
		"Authorization", "Basic "+basicOf("service", harness.Secret))
	in := call(t, srv, "/introspect", "service:"+harness.Secret, one("token", bound.String("access_token")))
	if cnf, _ := in.JSON["cnf"].(map[string]any); in.String("token_type") != "DPoP" || cnf["jkt"] != key.jkt() {
		t.Errorf("introspection: %s", in.Body)
	}
}

// Test140Nonces: a server that asks for nonces.
// RFC 9449 §8, §8.2, §9.
func Test140Nonces(t *testing.T) {
	config := setup(databases["sqlite"](t))
	config.DPoPNonce = true
	srv := harness.Start(t, config)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	key, form := newCaseKey(t, "ES256", ""), one("grant_type", "client_credentials")
	ask := func(nonce any) *harness.Answer {
		return post(t, srv, "/token", form, "DPoP", key.proof(with(proofOf(srv, "POST", "/token"), map[string]any{"nonce": nonce})),
			"Authorization", "Basic "+basicOf("service", harness.Secret))
	}
	none := ask(nil)
	nonce := none.Header.Get("DPoP-Nonce")
	if none.Status != 400 || none.String("error") != "use_dpop_nonce" || nonce == "" {
		t.Errorf("140 none: %d %s %v", none.Status, none.Body, none.Header)
	}
	if a := ask("made up"); a.String("error") != "use_dpop_nonce" || a.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("140 made up: %s", a.Body)
	}
	if a := ask(nonce); a.Status != 200 || a.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("140 right: %s", a.Body)
	}
	srv.Clock.Advance(20 * 60e9)
	if a := ask(nonce); a.String("error") != "use_dpop_nonce" {
		t.Errorf("140 stale: %s", a.Body)
	}
	// At a resource of ours: 401.
	bearer := ask(ask(nil).Header.Get("DPoP-Nonce")).String("access_token")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/userinfo", nil)
	req.Header.Set("Authorization", "DPoP "+bearer)
	sum := sha256.Sum256([]byte(bearer))
	req.Header.Set("DPoP", key.proof(with(proofOf(srv, "GET", "/userinfo"), map[string]any{"ath": raw64.EncodeToString(sum[:])})))
	if a, err := harness.Do(req); err != nil || a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `DPoP error="use_dpop_nonce"`) || a.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("140 at userinfo: %v %+v", err, a)
	}
}

// Test144BoundCodes: dpop_jkt, and a proof at /par.
// RFC 9449 §10, §10.1.
func Test144BoundCodes(t *testing.T) {
	srv := start(t)
	key, other := newCaseKey(t, "ES256", ""), newCaseKey(t, "ES256", "")
	form := dpopCode(t, srv, one("dpop_jkt", key.jkt()))
	if a := post(t, srv, "/token", form); a.String("error") != "invalid_grant" {
		t.Errorf("144 without a proof: %s", a.Body)
	}
	if a := post(t, srv, "/token", form, "DPoP", other.proof(proofOf(srv, "POST", "/token"))); a.String("error") != "invalid_grant" {
		t.Errorf("144 other key: %s", a.Body)
	}
	if a := post(t, srv, "/token", form, "DPoP", key.proof(proofOf(srv, "POST", "/token"))); a.Status != 200 {
		t.Errorf("144 right key: %s", a.Body)
	}
	pushed := request(url.Values{"client_id": {"native"}, "redirect_uri": {"http://127.0.0.1/cb"}, "dpop_jkt": {key.jkt()}})
	if a := post(t, srv, "/par", pushed, "DPoP", other.proof(proofOf(srv, "POST", "/par"))); a.Status != 400 {
		t.Errorf("144 at /par: %s", a.Body)
	}
	delete(pushed, "dpop_jkt")
	a := post(t, srv, "/par", pushed, "DPoP", key.proof(proofOf(srv, "POST", "/par")))
	if a.Status != 201 {
		t.Fatalf("par: %s", a.Body)
	}
	page, err := srv.Browser(t).SignIn("/authorize?client_id=native&request_uri="+url.QueryEscape(a.String("request_uri")), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, outcome(page))
	}
	redeem := url.Values{"grant_type": {"authorization_code"}, "client_id": {"native"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}}
	if a := post(t, srv, "/token", redeem, "DPoP", other.proof(proofOf(srv, "POST", "/token"))); a.String("error") != "invalid_grant" {
		t.Errorf("144 pushed, other key: %s", a.Body)
	}
	if a := post(t, srv, "/token", redeem, "DPoP", key.proof(proofOf(srv, "POST", "/token"))); a.Status != 200 {
		t.Errorf("144 pushed, right key: %s", a.Body)
	}
	if page, err := srv.Browser(t).Hop("GET", "/authorize?"+request(one("dpop_jkt", "short")).Encode(), nil); err != nil || !strings.HasPrefix(outcome(page), "RED(invalid_request)") {
		t.Errorf("malformed dpop_jkt: %v %s", err, outcome(page))
	}
}

// Test138ProofRaces: one proof on two nodes.
func Test138ProofRaces(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			c := nodes(t, database(t), 2)
			key := newCaseKey(t, "ES256", "k")
			client := newCaseKey(t, "ES256", "c")
			register(t, c.Server, "keyed", oauth.Metadata{
				Type: oauth.TypeService, AuthMethod: oauth.AuthPrivateJWT, JWKS: jwksOf(client), GrantTypes: []string{oauth.GrantClientCredentials},
			})
			proof := key.proof(proofOf(c.Server, "POST", "/token"))
			all := together(16, func(i int) *harness.Answer {
				return c.at(i%2, "/token", "", byAssertion(client.jwt(nil, assertionOf(c.Server, "keyed")), one("grant_type", "client_credentials")), "DPoP", proof)
			})
			got := answers(all)
			if got["200"] != 1 || got["400 invalid_dpop_proof"] != 15 {
				t.Errorf("138: %v", got)
			}
		})
	}
}
