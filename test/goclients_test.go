package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// goApp registers a client and returns how golang.org/x/oauth2 knows it.
func goApp(t *testing.T, srv *harness.Server, id string, m oauth.Metadata) (*oidc.Provider, *oauth2.Config) {
	t.Helper()
	m.Name = id
	made, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: id, Metadata: m})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := oidc.NewProvider(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &oauth2.Config{ClientID: id, ClientSecret: made.Secret, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID}}
	if len(m.RedirectURIs) > 0 {
		c.RedirectURL = m.RedirectURIs[0]
	}
	return provider, c
}

// goSignIn walks the code flow in a browser and returns the tokens.
func goSignIn(t *testing.T, b *harness.Browser, c *oauth2.Config) *oauth2.Token {
	t.Helper()
	v := oauth2.GenerateVerifier()
	page, err := b.SignIn(c.AuthCodeURL("state", oauth2.S256ChallengeOption(v), oidc.Nonce("n")), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, outcome(page))
	}
	token, err := c.Exchange(t.Context(), page.Location.Query().Get("code"), oauth2.VerifierOption(v))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestGoDevice: RFC 8628 by golang.org/x/oauth2, a yes and a no.
func TestGoDevice(t *testing.T) {
	srv := start(t)
	provider, config := goApp(t, srv, "tv", oauth.Metadata{Type: oauth.TypeNative, GrantTypes: []string{oauth.GrantDeviceCode}})
	for button, want := range map[string]string{"consent-allow": "", "consent-deny": "access_denied"} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			device, err := config.DeviceAuth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(device.Expiry); device.Interval != 5 || left < 9*time.Minute || left > 10*time.Minute {
				t.Errorf("%+v", device)
			}
			device.Interval = 1 // the first question is never too early
			b := srv.Browser(t)
			page, err := b.Get(device.VerificationURIComplete)
			if err == nil {
				page, err = b.Submit(page, "device-form", "device-submit", nil)
			}
			if err == nil {
				page, err = b.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
			}
			if err == nil {
				page, err = b.Submit(page, "consent-form", button, nil)
			}
			if err == nil && page.ByID("consent-form") != nil { // the other device's yes came between
				page, err = b.Submit(page, "consent-form", button, nil)
			}
			if err != nil || page.ByID("device-done") == nil {
				t.Fatalf("%v %s", err, outcome(page))
			}
			token, err := config.DeviceAccessToken(t.Context(), device)
			var refused *oauth2.RetrieveError
			switch {
			case want != "" && errors.As(err, &refused) && refused.ErrorCode == want:
				return
			case want != "" || err != nil:
				t.Fatalf("%v %v", token, err)
			}
			raw, _ := token.Extra("id_token").(string)
			if _, err := provider.Verifier(&oidc.Config{ClientID: "tv"}).Verify(t.Context(), raw); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGoMachine: client credentials by golang.org/x/oauth2, the secret in the
// header, in the body, and found out.
func TestGoMachine(t *testing.T) {
	srv := start(t)
	for method, style := range map[string]oauth2.AuthStyle{oauth.AuthBasic: oauth2.AuthStyleInHeader, oauth.AuthPost: oauth2.AuthStyleInParams} {
		_, config := goApp(t, srv, method, oauth.Metadata{Type: oauth.TypeService, AuthMethod: method})
		for _, style := range []oauth2.AuthStyle{style, oauth2.AuthStyleAutoDetect} {
			machine := clientcredentials.Config{
				ClientID: method, ClientSecret: config.ClientSecret, TokenURL: config.Endpoint.TokenURL, AuthStyle: style,
				Scopes: []string{"orgs:read"}, EndpointParams: url.Values{"resource": {"https://other.example"}},
			}
			token, err := machine.Token(t.Context())
			if err != nil {
				t.Errorf("%s, style %d: %v", method, style, err)
				continue
			}
			var claims struct {
				Audience json.RawMessage `json:"aud"`
			}
			payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token.AccessToken, ".")[1])
			if err := json.Unmarshal(payload, &claims); err != nil || !strings.Contains(string(claims.Audience), "https://other.example") {
				t.Errorf("%s: %v, aud %s", method, err, claims.Audience)
			}
		}
	}
}

// TestGoSignedTokens: coreos/go-oidc verifies the ID tokens and logout tokens of
// every algorithm, with at_hash, signed userinfo and pairwise subjects.
func TestGoSignedTokens(t *testing.T) {
	c := setup(databases["sqlite"](t))
	c.FetchAllowLoopback = true
	srv := harness.Start(t, c)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	site, err := harness.OpenSite(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Close() })
	subjects := map[string]bool{}
	for _, alg := range []string{oidc.RS256, oidc.ES256, oidc.EdDSA, oidc.PS256} {
		path := "/" + strings.ToLower(alg)
		site.Publish(path, http.StatusOK, nil, "")
		provider, config := goApp(t, srv, alg, oauth.Metadata{
			RedirectURIs: []string{"https://" + strings.ToLower(alg) + ".example/cb"}, SubjectType: "pairwise",
			IDTokenAlg: alg, UserInfoAlg: alg, BackchannelURI: site.URL + path, BackchannelSession: true,
		})
		verifier := provider.Verifier(&oidc.Config{ClientID: alg, SupportedSigningAlgs: []string{alg}})
		b := srv.Browser(t)
		token := goSignIn(t, b, config)
		raw, _ := token.Extra("id_token").(string)
		id, err := verifier.Verify(t.Context(), raw)
		if err != nil || id.Nonce != "n" || id.VerifyAccessToken(token.AccessToken) != nil {
			t.Errorf("%s: %v, at_hash %v", alg, err, id.VerifyAccessToken(token.AccessToken))
			continue
		}
		subjects[id.Subject] = true
		info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
		if err != nil || info.Subject != id.Subject {
			t.Errorf("%s: userinfo %v %+v", alg, err, info)
		}
		goLogout(t, b, site, path, verifier, id)
	}
	if len(subjects) != 4 {
		t.Errorf("subjects %v", subjects)
	}
}

// goLogout signs out and verifies what the app is told.
func goLogout(t *testing.T, b *harness.Browser, site *harness.Site, path string, verifier *oidc.IDTokenVerifier, id *oidc.IDToken) {
	t.Helper()
	page, err := b.Get("/logout")
	if err == nil {
		_, err = b.Submit(page, "logout-form", "logout-confirm", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	told, err := site.Await(path, 1, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	token, err := verifier.VerifyLogout(t.Context(), told[0].Form.Get("logout_token"))
	if err != nil {
		t.Errorf("%s: logout token: %v", path, err)
		return
	}
	var of struct{ SID string }
	if err := id.Claims(&of); err != nil || token.Subject != id.Subject || of.SID == "" || token.SessionID != of.SID {
		t.Errorf("%s: %v %+v", path, err, token)
	}
}

// fapi is a client of profile fapi2 in plain Go: RFC 9126, RFC 7523, RFC 9449.
type fapi struct {
	t      *testing.T
	issuer string
	id     string
	sign   jose.Signer // its own key, PS256
	bind   jose.Signer // the key that its tokens are bound to, ES256
}

func newFAPI(t *testing.T, srv *harness.Server, id string) *fapi {
	t.Helper()
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	binding, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: own, KeyID: "one", Algorithm: string(jose.PS256), Use: "sig"}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: id, Metadata: oauth.Metadata{
		Name: "Bank", RedirectURIs: []string{harness.Callback}, Profile: oauth.ProfileFAPI2, AuthMethod: oauth.AuthPrivateJWT, JWKS: public,
	}}); err != nil {
		t.Fatal(err)
	}
	f := &fapi{t: t, issuer: srv.URL, id: id}
	if f.sign, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: jwk}, nil); err != nil {
		t.Fatal(err)
	}
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	if f.bind, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: binding}, options); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fapi) jwt(by jose.Signer, claims map[string]any) string {
	f.t.Helper()
	content, err := json.Marshal(claims)
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := by.Sign(content)
	if err != nil {
		f.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// ask sends a form, or with a token asks for a resource, with a proof.
func (f *fapi) ask(path, token string, form url.Values) *harness.Answer {
	f.t.Helper()
	now, method, body := time.Now(), http.MethodGet, ""
	proof := map[string]any{"jti": rand.Text(), "htu": f.issuer + path, "iat": now.Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		proof["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	} else {
		method = http.MethodPost
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", f.jwt(f.sign, map[string]any{
			"iss": f.id, "sub": f.id, "aud": f.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}))
		body = form.Encode()
	}
	proof["htm"] = method
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.issuer+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("DPoP", f.jwt(f.bind, proof))
	if token != "" {
		req.Header.Set("Authorization", "DPoP "+token)
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := harness.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer
}

// TestGoFAPI2: FAPI 2.0 Security Profile from end to end, with somebody else's
// JOSE.
func TestGoFAPI2(t *testing.T) {
	srv := start(t)
	f := newFAPI(t, srv, "bank")
	v := oauth2.GenerateVerifier()
	pushed := f.ask("/par", "", url.Values{
		"response_type": {"code"}, "redirect_uri": {harness.Callback}, "scope": {"openid email offline_access"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(v)}, "code_challenge_method": {"S256"},
	})
	if pushed.Status != http.StatusCreated {
		t.Fatalf("%d %s", pushed.Status, pushed.Body)
	}
	ask := url.Values{"client_id": {"bank"}, "request_uri": {pushed.String("request_uri")}}
	page, err := srv.Browser(t).SignIn("/authorize?"+ask.Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, outcome(page))
	}
	if got := page.Location.Query(); got.Get("iss") != srv.URL || got.Get("state") != "s" {
		t.Errorf("%v", got)
	}
	tokens := f.ask("/token", "", url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {v}})
	if tokens.Status != http.StatusOK || tokens.String("token_type") != "DPoP" {
		t.Fatalf("%d %s", tokens.Status, tokens.Body)
	}
	provider, err := oidc.NewProvider(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: "bank", SupportedSigningAlgs: []string{oidc.PS256}}).Verify(t.Context(), tokens.String("id_token"))
	if err != nil || id.Nonce != "n" {
		t.Errorf("%v %+v", err, id)
	}
	if info := f.ask("/userinfo", tokens.String("access_token"), nil); info.String("email") != "ada@example.com" {
		t.Errorf("%d %s", info.Status, info.Body)
	}
	again := f.ask("/token", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}})
	if again.Status != http.StatusOK || again.String("refresh_token") != tokens.String("refresh_token") {
		t.Errorf("%d %s", again.Status, again.Body)
	}
	// The token without its key: RFC 9449 §7.2.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+again.String("access_token"))
	if stolen, err := harness.Do(req); err != nil || stolen.Status != http.StatusUnauthorized {
		t.Errorf("%v %+v", err, stolen)
	}
}
