package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/internal/seal"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// keyHost serves a client's keys.
type keyHost struct {
	*httptest.Server
	keys  atomic.Value // json
	hits  atomic.Int64
	hangs atomic.Bool
}

func newKeyHost(t *testing.T, keys ...*caseKey) *keyHost {
	t.Helper()
	h := &keyHost{}
	h.keys.Store([]byte(jwksOf(keys...)))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.hits.Add(1)
		if h.hangs.Load() {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(h.keys.Load().([]byte))
	}))
	t.Cleanup(h.Close)
	return h
}

func keyedBy(t *testing.T, srv *harness.Server, id, jwksURI string) {
	t.Helper()
	register(t, srv, id, oauth.Metadata{
		Type: oauth.TypeService, AuthMethod: oauth.AuthPrivateJWT, JWKSURI: jwksURI, GrantTypes: []string{oauth.GrantClientCredentials},
	})
}

// Test121Refetch: an unknown kid fetches a client's keys again, and not more
// than once a minute; keys that are known stay good while their address fails.
// OpenID Connect Core §10.1.1.
func Test121Refetch(t *testing.T) {
	srv := open(t, nil)
	first, second := newCaseKey(t, "ES256", "one"), newCaseKey(t, "ES256", "two")
	host := newKeyHost(t, first)
	keyedBy(t, srv, "keyed", host.URL+"/jwks")
	ask := func(k *caseKey) string {
		return result(post(t, srv, "/token", byAssertion(k.jwt(nil, assertionOf(srv, "keyed")), one("grant_type", "client_credentials"))))
	}
	const refused = "Unauthorized invalid_client"
	for i, step := range []struct {
		key     *caseKey
		want    string
		fetches int64
		wait    time.Duration
	}{
		{first, "OK", 1, 0}, {first, "OK", 1, 0}, {second, refused, 1, 0}, // fetched a moment ago
		{second, refused, 2, 61 * time.Second}, {second, refused, 2, 0}, {first, "OK", 2, 0},
	} {
		srv.Clock.Advance(step.wait)
		if got := ask(step.key); got != step.want || host.hits.Load() != step.fetches {
			t.Errorf("step %d: %s, %d fetches, want %s, %d", i, got, host.hits.Load(), step.want, step.fetches)
		}
	}
	host.keys.Store([]byte(jwksOf(first, second)))
	srv.Clock.Advance(61 * time.Second)
	if got := ask(second); got != "OK" || host.hits.Load() != 3 {
		t.Errorf("a new key: %s, %d fetches", got, host.hits.Load())
	}
	host.keys.Store([]byte("junk"))
	srv.Clock.Advance(2 * time.Hour)
	if got := ask(first); got != "OK" {
		t.Errorf("while the address fails: %s", got)
	}
}

// TestHostileKeyHost: whose keys don't come keeps nobody else waiting.
func TestHostileKeyHost(t *testing.T) {
	srv := open(t, nil)
	key := newCaseKey(t, "ES256", "k")
	hostile, good := newKeyHost(t, key), newKeyHost(t, key)
	hostile.hangs.Store(true)
	keyedBy(t, srv, "hostile", hostile.URL+"/jwks")
	keyedBy(t, srv, "good", strings.Replace(good.URL, "127.0.0.1", "localhost", 1)+"/jwks")
	ask := func(client string) string {
		return result(post(t, srv, "/token", byAssertion(key.jwt(nil, assertionOf(srv, client)), one("grant_type", "client_credentials"))))
	}
	var waiting sync.WaitGroup
	for range 60 {
		waiting.Go(func() { ask("hostile") })
	}
	time.Sleep(100 * time.Millisecond)
	for range 10 {
		began := time.Now()
		if got := ask("good"); got != "OK" || time.Since(began) > time.Second {
			t.Errorf("%s after %s", got, time.Since(began))
		}
	}
	if n := hostile.hits.Load(); n > 2 {
		t.Errorf("%d fetches of one address at once", n)
	}
	hostile.CloseClientConnections()
	waiting.Wait()
}

// TestFAPI2 walks the profile: every rule's refusal says which it is, and a
// client that keeps them gets bound tokens that aren't rotated.
// FAPI 2.0 Security Profile §5.3.2, §5.3.2.1, §5.3.2.2, §5.4, §5.4.1.
func TestFAPI2(t *testing.T) {
	srv := start(t)
	key, proof := newCaseKey(t, "PS256", "k"), newCaseKey(t, "ES256", "")
	weak := newCaseKey(t, "RS256", "w")
	register(t, srv, "bank", oauth.Metadata{
		Type: oauth.TypeWeb, Profile: oauth.ProfileFAPI2, JWKS: jwksOf(key, weak), RedirectURIs: []string{harness.Callback}, BoundDPoP: true,
	})
	ask := one("client_id", "bank")
	ask.Set("scope", "openid offline_access")
	page, err := srv.Browser(t).Hop("GET", "/authorize?"+request(ask).Encode(), nil)
	if err != nil || !strings.Contains(page.Location.Query().Get("error_description"), "fapi2") {
		t.Errorf("not pushed: %v %s", err, outcome(page))
	}
	by := func(k *caseKey, changes map[string]any) string {
		return k.jwt(nil, with(assertionOf(srv, "bank"), changes))
	}
	for id, assertion := range map[string]string{
		"RS256": by(weak, nil), "aud of the endpoint": by(key, map[string]any{"aud": srv.URL + "/token"}), "aud as a list": by(key, map[string]any{"aud": []string{srv.URL}}),
	} {
		if a := post(t, srv, "/par", byAssertion(assertion, request(ask))); a.Status != 401 {
			t.Errorf("%s: %d %s", id, a.Status, a.Body)
		}
	}
	pushed := post(t, srv, "/par", byAssertion(by(key, nil), request(ask)))
	if pushed.Status != 201 {
		t.Fatalf("par: %s", pushed.Body)
	}
	page, err = srv.Browser(t).SignIn(openPushed("bank", pushed.String("request_uri")), "ada", harness.Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("iss") != srv.URL {
		t.Fatalf("%v %s", err, outcome(page))
	}
	form := func() map[string][]string {
		return byAssertion(by(key, nil), map[string][]string{
			"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": {harness.Callback},
		})
	}
	if a := post(t, srv, "/token", form()); a.String("error") != "invalid_dpop_proof" {
		t.Errorf("unbound: %s", a.Body)
	}
	tokens := post(t, srv, "/token", form(), "DPoP", proof.proof(proofOf(srv, "POST", "/token")))
	if tokens.Status != 200 || tokens.String("token_type") != "DPoP" || header(t, tokens.String("id_token"))["alg"] != "PS256" {
		t.Fatalf("token: %s", tokens.Body)
	}
	refresh := tokens.String("refresh_token")
	for range 3 {
		srv.Clock.Advance(2 * time.Minute)
		a := post(t, srv, "/token", byAssertion(by(key, nil), map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}), "DPoP", proof.proof(proofOf(srv, "POST", "/token")))
		if a.Status != 200 || a.String("refresh_token") != refresh {
			t.Errorf("refresh: %s", a.Body)
		}
	}
	// In use it lives on beyond 90 days; unused it ends.
	for range 3 {
		srv.Clock.Advance(60 * 24 * time.Hour)
		if a := post(t, srv, "/token", byAssertion(by(key, nil), map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}), "DPoP", proof.proof(proofOf(srv, "POST", "/token"))); a.Status != 200 {
			t.Errorf("60 days later: %s", a.Body)
		}
	}
	srv.Clock.Advance(91 * 24 * time.Hour)
	if a := post(t, srv, "/token", byAssertion(by(key, nil), map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}), "DPoP", proof.proof(proofOf(srv, "POST", "/token"))); a.String("error") != "invalid_grant" {
		t.Errorf("91 unused days: %s", a.Body)
	}
	slow := post(t, srv, "/par", byAssertion(by(key, nil), request(ask)))
	page, err = srv.Browser(t).SignIn(openPushed("bank", slow.String("request_uri")), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatal(err)
	}
	srv.Clock.Advance(61 * time.Second)
	if a := post(t, srv, "/token", form(), "DPoP", proof.proof(proofOf(srv, "POST", "/token"))); a.String("error") != "invalid_grant" {
		t.Errorf("a code of 61 s: %s", a.Body)
	}
}

// TestTokenExchange: RFC 8693, within the operator's policy.
// RFC 8693 §1.1, §2, §2.1, §2.2.1, §2.2.2, §3, §4.1.
func TestTokenExchange(t *testing.T) {
	srv := start(t)
	gateway := func(id string, policy *oauth.ExchangePolicy) {
		t.Helper()
		if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: id, Secret: harness.Secret, Metadata: oauth.Metadata{
			Name: id, Type: oauth.TypeService, GrantTypes: []string{oauth.GrantTokenExchange, oauth.GrantClientCredentials}, Reserved: oauth.Reserved{Exchange: policy},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	gateway("gateway", &oauth.ExchangePolicy{Clients: []string{"web"}, Resources: []string{"https://other.example"}})
	gateway("double", &oauth.ExchangePolicy{Clients: []string{"*"}, Impersonation: true})
	gateway("none", nil)
	tokens := grant(t, srv, "web", one("scope", "openid orgs:read PRODUCTION"))
	subject := tokens.String("access_token")
	ask := func(client string, change map[string][]string) *harness.Answer {
		form := merge(map[string][]string{
			"grant_type": {oauth.GrantTokenExchange}, "subject_token": {subject}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		}, change)
		for name, values := range form {
			if values == nil {
				delete(form, name)
			}
		}
		return call(t, srv, "/token", client+":"+harness.Secret, form)
	}
	a := ask("gateway", map[string][]string{"audience": {"https://other.example"}, "scope": {"PRODUCTION"}})
	if a.Status != 200 || a.String("issued_token_type") != "urn:ietf:params:oauth:token-type:access_token" || a.String("refresh_token") != "" || a.String("id_token") != "" {
		t.Fatalf("exchange: %s", a.Body)
	}
	claims, before := payload(t, a.String("access_token")), payload(t, subject)
	act, _ := claims["act"].(map[string]any)
	if claims["sub"] != before["sub"] || claims["client_id"] != "gateway" || claims["aud"] != "https://other.example" || claims["scope"] != "PRODUCTION" || act["sub"] != "client:gateway" || claims["exp"].(float64) > before["exp"].(float64) {
		t.Errorf("delegation: %v", claims)
	}
	second := ask("double", map[string][]string{"subject_token": {a.String("access_token")}, "actor_token": {call(t, srv, "/token", "double:"+harness.Secret, one("grant_type", "client_credentials")).String("access_token")}, "actor_token_type": {"urn:ietf:params:oauth:token-type:access_token"}})
	chain, _ := payload(t, second.String("access_token"))["act"].(map[string]any)
	if inner, _ := chain["act"].(map[string]any); chain["sub"] != "client:double" || inner["sub"] != "client:gateway" {
		t.Errorf("chain: %v %s", chain, second.Body)
	}
	if plain := ask("double", nil); payload(t, plain.String("access_token"))["act"] != nil {
		t.Errorf("impersonation: %s", plain.Body)
	}
	for id, c := range map[string]struct {
		client string
		change map[string][]string
		want   string
	}{
		"no policy":         {"none", nil, "unauthorized_client"},
		"not registered":    {"web", nil, "unauthorized_client"},
		"no token":          {"gateway", map[string][]string{"subject_token": nil}, "invalid_request"},
		"no type":           {"gateway", map[string][]string{"subject_token_type": nil}, "invalid_request"},
		"ID token":          {"gateway", map[string][]string{"subject_token": {tokens.String("id_token")}}, "invalid_request"},
		"refresh token":     {"gateway", map[string][]string{"subject_token": {"rt_x"}}, "invalid_request"},
		"junk":              {"gateway", map[string][]string{"subject_token": {"x"}}, "invalid_request"},
		"another's tokens":  {"gateway", map[string][]string{"subject_token": {grant(t, srv, "other", map[string][]string{"redirect_uri": {"https://other.example/cb"}}).String("access_token")}}, "unauthorized_client"},
		"wider scope":       {"gateway", map[string][]string{"scope": {"orgs:write"}}, "invalid_scope"},
		"other target":      {"gateway", map[string][]string{"resource": {"https://api.example"}}, "invalid_target"},
		"unknown target":    {"gateway", map[string][]string{"audience": {"nobody"}}, "invalid_target"},
		"requested type":    {"gateway", map[string][]string{"requested_token_type": {"urn:ietf:params:oauth:token-type:saml2"}}, "invalid_request"},
		"actor's type only": {"gateway", map[string][]string{"actor_token_type": {"urn:ietf:params:oauth:token-type:jwt"}}, "invalid_request"},
		"a client's own":    {"double", map[string][]string{"subject_token": {call(t, srv, "/token", "service:"+harness.Secret, one("grant_type", "client_credentials")).String("access_token")}}, "invalid_request"},
	} {
		if got := ask(c.client, c.change).String("error"); got != c.want {
			t.Errorf("092 %s: %s", id, got)
		}
	}
	// It ends with what it came from, and with the client that holds it.
	if err := harness.Operate(srv, []string{"disable-client", "gateway"}); err != nil {
		t.Fatal(err)
	}
	withinASecond(t, "the gateway is off", func() bool { return !active(t, srv, "double", a.String("access_token")) })
	if !active(t, srv, "double", second.String("access_token")) {
		t.Error("the token of another exchange ended")
	}
	call(t, srv, "/revoke", "web:"+harness.Secret, one("token", tokens.String("refresh_token")))
	if err := harness.Operate(srv, []string{"disable-user", "ada"}); err != nil {
		t.Fatal(err)
	}
	withinASecond(t, "the person is off", func() bool { return !active(t, srv, "double", second.String("access_token")) })
	if got := ask("double", nil).String("error"); got != "invalid_request" {
		t.Errorf("092 revoked: %s", got)
	}
}

// TestSecretsOutliveTheMasterKey: a secret that is a key is sealed anew under the
// first master key, so that the old one may go.
func TestSecretsOutliveTheMasterKey(t *testing.T) {
	config := setup(databases["sqlite"](t))
	old, fresh := config.MasterSecret, valetkey.NewMasterSecret()
	secret := ""
	ask := func(srv *harness.Server) string {
		head, body := raw64.EncodeToString([]byte(`{"alg":"HS256"}`)), mustJSON(assertionOf(srv, "hmac"))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(head + "." + raw64.EncodeToString(body)))
		assertion := head + "." + raw64.EncodeToString(body) + "." + raw64.EncodeToString(mac.Sum(nil))
		return result(post(t, srv, "/token", byAssertion(assertion, one("grant_type", "client_credentials"))))
	}
	for i, master := range [][]byte{old, append(append([]byte(nil), fresh...), old...)} {
		config.MasterSecret = master
		srv, err := harness.Launch(config)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			made, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "hmac", Metadata: oauth.Metadata{
				Name: "Old bank", Type: oauth.TypeService, AuthMethod: oauth.AuthSecretJWT, GrantTypes: []string{oauth.GrantClientCredentials},
			}})
			if err != nil {
				t.Fatal(err)
			}
			secret = made.Secret
		}
		if !soon(3*time.Second, func() bool { return ask(srv) == "OK" }) {
			t.Errorf("master secret %d: %s", i, ask(srv))
		}
		ring, err := seal.Parse(master[:len(fresh)])
		if err != nil {
			t.Fatal(err)
		}
		box := ring.Box("client-secret", "")
		if !soon(3*time.Second, func() bool { return opens(t, box, config.Database, secret) }) {
			t.Errorf("master secret %d: the secret is not sealed under the first key", i)
		}
		if err := srv.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// opens says whether the one sealed secret in a database is this.
func opens(t *testing.T, box *seal.Box, database, secret string) bool {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(database, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var sealed string
	if err := db.QueryRowContext(t.Context(), "SELECT secret_key FROM clients WHERE id = 'hmac'").Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	content, err := box.Open(sealed, []byte("hmac"))
	return err == nil && string(content) == secret
}

func mustJSON(v any) []byte {
	content, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return content
}
