package test

import (
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// TestPutLosesTheOperatorsWord: a client that shows another face is no longer
// vouched for, and keeps the profile that it was given: RFC 7592 §2.2.
func TestPutLosesTheOperatorsWord(t *testing.T) {
	srv := open(t, nil)
	key := newCaseKey(t, "PS256", "k")
	made := sendJSON(t, srv, "POST", "/register", "", map[string]any{"client_name": "Mine", "redirect_uris": []string{"https://new.example/cb"}, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwksOf(key)})
	id, token, address := made.String("client_id"), made.String("registration_access_token"), made.String("registration_client_uri")
	if _, err := srv.Admin().UpdateClient(t.Context(), id, func(c *valetkey.Client) {
		c.Verified, c.FirstParty, c.Profile, c.BoundDPoP = true, true, oauth.ProfileFAPI2, true
		c.IDTokenAlg = "PS256"
	}); err != nil {
		t.Fatal(err)
	}
	a := sendJSON(t, srv, "PUT", address, token, map[string]any{"client_id": id, "client_name": "Google", "redirect_uris": []string{"https://evil.example/cb"}, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwksOf(key)})
	c, err := srv.Admin().Client(t.Context(), id)
	if err != nil || a.Status != 200 || c.Name != "Google" || c.Verified || c.FirstParty || c.Profile != oauth.ProfileFAPI2 {
		t.Errorf("%v %s: %+v", err, a.Body, c)
	}
}

// TestSectorOfADocument: a stranger's document gets nobody else's pairwise subjects: OpenID Connect Core §8.1.
func TestSectorOfADocument(t *testing.T) {
	sector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode([]string{"https://victim.example/cb"})
	}))
	defer sector.Close()
	d := newDocumentHost(t, nil)
	victim := sendJSON(t, d.Server, "POST", "/register", "", map[string]any{"redirect_uris": []string{"https://victim.example/cb"}, "subject_type": "pairwise", "sector_identifier_uri": sector.URL})
	if victim.Status != 201 {
		t.Fatal(victim.Body)
	}
	d.serve(d.document(map[string]any{"subject_type": "pairwise", "sector_identifier_uri": sector.URL}))
	if got := d.ask(t, nil); got != noClient {
		t.Errorf("another's sector: %s", got)
	}
	d.fresh()
	d.serve(d.document(map[string]any{"subject_type": "pairwise", "sector_identifier_uri": "https://victim2.example/never-fetched"}))
	if got := d.ask(t, nil); got != noClient {
		t.Errorf("a sector that can't be fetched: %s", got)
	}
	a := sendJSON(t, d.Server, "POST", "/register", "", map[string]any{
		"redirect_uris": []string{"https://victim.example/cb"}, "subject_type": "pairwise", "grant_types": []string{"authorization_code", oauth.GrantDeviceCode},
	})
	if a.String("error") != "invalid_client_metadata" {
		t.Errorf("a device without a sector of its own: %s", a.Body)
	}
}

// TestPushesOfOneWhoProvesItself: a client that authenticates may push more than a stranger.
func TestPushesOfOneWhoProvesItself(t *testing.T) {
	srv := start(t)
	for i := range 110 {
		if a := push(t, srv, nil); a.Status != 201 {
			t.Fatalf("push %d of a confidential client: %d %s", i, a.Status, a.Body)
		}
	}
}

// Test161RequestURIStandsAlone: RFC 9101 §5.
func Test161RequestURIStandsAlone(t *testing.T) {
	srv := start(t)
	uri := push(t, srv, nil).String("request_uri")
	other := push(t, srv, nil).String("request_uri")
	for _, q := range []url.Values{
		{"client_id": {"web"}, "request_uri": {uri, other}},
		{"client_id": {"web"}, "request_uri": {uri}, "request": {"eyJ"}},
	} {
		page, err := srv.Browser(t).Hop("GET", "/authorize?"+q.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(page); got != "PAGE400(invalid_request request_uri)" {
			t.Errorf("%v: %s", q, got)
		}
	}
}

// TestDocumentUpdates: what a document says of itself later counts.
func TestDocumentUpdates(t *testing.T) {
	d := newDocumentHost(t, nil)
	subOf(t, d.Server, d.id(), "https://documented.example/cb", "")
	d.fresh()
	d.serve(d.document(map[string]any{"post_logout_redirect_uris": []string{"https://documented.example/bye"}, "dpop_bound_access_tokens": true, "grant_types": []string{"authorization_code"}, "backchannel_logout_uri": "https://documented.example/bc"}))
	code := flow(t, d.Server, map[string][]string{"client_id": {d.id()}, "redirect_uri": {"https://documented.example/cb"}, "scope": {"openid"}})
	a := post(t, d.Server, "/token", url.Values{"client_id": {d.id()}, "grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	c, err := d.Admin().Client(t.Context(), d.id())
	if err != nil {
		t.Fatal(err)
	}
	if a.Status == 200 || len(c.PostLogoutRedirectURIs) == 0 {
		t.Errorf("without a proof: %d %s; row: post_logout %v dpop %v grants %v bc %q", a.Status, a.String("token_type"), c.PostLogoutRedirectURIs, c.BoundDPoP, c.GrantTypes, c.BackchannelURI)
	}
}

// TestDisableDocument: an operator switches off a client that describes itself.
func TestDisableDocument(t *testing.T) {
	d := newDocumentHost(t, nil)
	subOf(t, d.Server, d.id(), "https://documented.example/cb", "")
	if err := harness.Operate(d.Server, []string{"disable-client", d.id()}); err != nil {
		t.Fatal(err)
	}
	withinASecond(t, "the client is off", func() bool { return d.ask(t, nil) == "PAGE400(unauthorized_client client_id)" })
}

// TestDocumentKeys: replaced keys count at once; a document that drops its keys ends what they were given.
func TestDocumentKeys(t *testing.T) {
	d := newDocumentHost(t, nil)
	old, next := newCaseKey(t, "ES256", "old"), newCaseKey(t, "ES256", "next")
	by := func(k *caseKey) map[string]any {
		return map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": jwksOf(k)}
	}
	d.serve(d.document(by(old)))
	code := flow(t, d.Server, map[string][]string{"client_id": {d.id()}, "redirect_uri": {"https://documented.example/cb"}, "scope": {"orgs:read"}})
	tokens := post(t, d.Server, "/token", byAssertion(old.jwt(nil, assertionOf(d.Server, d.id())), url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}))
	if tokens.Status != 200 {
		t.Fatal(tokens.Body)
	}
	d.fresh()
	d.serve(d.document(by(next)))
	refresh := func(k *caseKey) int {
		return post(t, d.Server, "/token", byAssertion(k.jwt(nil, assertionOf(d.Server, d.id())), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}})).Status
	}
	n, o := refresh(next), refresh(old)
	if n != 200 || o == 200 {
		t.Errorf("3 h after the key was replaced: new key %d, removed key %d", n, o)
	}
	// The keys are gone: whoever holds a token that was given to them has nothing.
	d.fresh()
	d.serve(d.document(nil))
	flow(t, d.Server, map[string][]string{"client_id": {d.id()}, "redirect_uri": {"https://documented.example/cb"}, "scope": {"orgs:read"}})
	if !activeRefresh(t, d, tokens.String("refresh_token")) {
		return
	}
	t.Error("refresh token of a key client is good without any key after the method became none")
}

// Test140FeedNonce: RFC 9449 §9, at the revocation feed.
func Test140FeedNonce(t *testing.T) {
	config := setup(databases["sqlite"](t))
	config.DPoPNonce = true
	srv := harness.Start(t, config)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	key, form := newCaseKey(t, "ES256", ""), url.Values{"grant_type": {"client_credentials"}, "scope": {"revocations:read"}}
	ask := func(nonce any) *harness.Answer {
		return post(t, srv, "/token", form, "DPoP", key.proof(with(proofOf(srv, "POST", "/token"), map[string]any{"nonce": nonce})),
			"Authorization", "Basic "+basicOf("api", harness.Secret))
	}
	token := ask(ask(nil).Header.Get("DPoP-Nonce")).String("access_token")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/revocations", nil)
	req.Header.Set("Authorization", "DPoP "+token)
	sum := sha256.Sum256([]byte(token))
	req.Header.Set("DPoP", key.proof(with(proofOf(srv, "GET", "/api/v1/revocations"), map[string]any{"ath": raw64.EncodeToString(sum[:])})))
	a, err := harness.Do(req)
	if err != nil || a.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("%v %d %v nonce %q", err, a.Status, a.Header.Get("WWW-Authenticate"), a.Header.Get("DPoP-Nonce"))
	}
}

// Test134UserinfoAsHint: signed userinfo is no ID token: RFC 8725 §3.11.
func Test134UserinfoAsHint(t *testing.T) {
	srv := open(t, nil)
	made := sendJSON(t, srv, "POST", "/register", "", map[string]any{"redirect_uris": []string{"https://new.example/cb"}, "userinfo_signed_response_alg": "RS256", "post_logout_redirect_uris": []string{"https://new.example/bye"}})
	id := made.String("client_id")
	code := flow(t, srv, map[string][]string{"client_id": {id}, "redirect_uri": {"https://new.example/cb"}, "scope": {"openid"}})
	a := call(t, srv, "/token", id+":"+made.String("client_secret"), url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	info := bearer(t, srv, "GET", "/userinfo", "Bearer "+a.String("access_token"), "")
	page, err := srv.Browser(t).Hop("GET", "/logout?"+url.Values{"id_token_hint": {info.Body}, "post_logout_redirect_uri": {"https://new.example/bye"}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if page.Status != 400 {
		t.Errorf("a userinfo JWT passes for an ID token: %d %v", page.Status, page.Location)
	}
}

// Test186IPv6Guesses: one IPv6 customer is one address: RFC 8628 §5.1.
func Test186IPv6Guesses(t *testing.T) {
	config := setup(databases["sqlite"](t))
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	srv := harness.Start(t, config)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	television(t, srv)
	letters := "BCDFGHJKLMNPQRSTVWXZ"
	for i := range 40 {
		b := srv.Browser(t)
		b.Header.Set("X-Forwarded-For", fmt.Sprintf("2001:db8::%x", i+1))
		page, err := b.Get("/device")
		if err == nil {
			page, err = b.Submit(page, "device-form", "device-submit", one("user_code", fmt.Sprintf("BBBB-BB%c%c", letters[i/20], letters[i%20])))
		}
		if err != nil {
			t.Fatal(err)
		}
		if page.Status == 429 {
			return
		}
	}
	t.Error("40 guesses from one /64 and no limit")
}

// TestBoundTwice: RFC 9449 §5.2, whatever certificate comes beside it.
func TestBoundTwice(t *testing.T) {
	b := newMTLSBed(t)
	self := newAuthority(t)
	cert := self.issue(t, nil)
	key := &caseKey{alg: "ES256", kid: "k", private: cert.PrivateKey.(crypto.Signer)}
	register(t, b.Server, "self", oauth.Metadata{
		Type: oauth.TypeWeb, AuthMethod: oauth.AuthSelfSigned, JWKS: jwksOf(key), RedirectURIs: []string{harness.Callback}, BoundCertificate: true, BoundDPoP: true,
	})
	code := flow(t, b.Server, url.Values{"client_id": {"self"}, "scope": {"openid offline_access"}})
	a := b.send(t, "POST", "/token", cert, url.Values{"grant_type": {"authorization_code"}, "client_id": {"self"}, "code": {code}, "code_verifier": {verifier}})
	if a.Status == 200 {
		t.Errorf("dpop_bound_access_tokens and no proof: %d %s", a.Status, a.String("token_type"))
	}
}

// TestDocumentAskedForAtOnce: of many who ask at once one fetches.
func TestDocumentAskedForAtOnce(t *testing.T) {
	d := newDocumentHost(t, nil)
	doc := d.document(nil)
	d.answer.Store(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(doc)
	})
	got := make(chan string, 8)
	for range 8 {
		b := d.Browser(t)
		go func() {
			page, err := b.Hop("GET", "/authorize?"+d.request(nil).Encode(), nil)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- outcome(page)
		}()
	}
	counts := map[string]int{}
	for range 8 {
		counts[<-got]++
	}
	if counts["LOGIN"] != 8 {
		t.Errorf("eight people at once at a client whose document isn't cached: %v", counts)
	}
}

// TestAudienceOfAClient: RFC 8693 §2.1, the same each time.
func TestAudienceOfAClient(t *testing.T) {
	config := setup(databases["sqlite"](t))
	config.Resources = append(config.Resources, oauth.Resource{URL: "https://api2.example", Name: "API2", Client: "api"})
	srv := harness.Start(t, config)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "gw", Secret: harness.Secret, Metadata: oauth.Metadata{Name: "gw", Type: oauth.TypeService, GrantTypes: []string{oauth.GrantTokenExchange}, Reserved: oauth.Reserved{Exchange: &oauth.ExchangePolicy{Clients: []string{"*"}}}}}); err != nil {
		t.Fatal(err)
	}
	a := grant(t, srv, "web", url.Values{"scope": {"orgs:read"}})
	seen := map[string]int{}
	for range 30 {
		x := call(t, srv, "/token", "gw:"+harness.Secret, url.Values{"grant_type": {oauth.GrantTokenExchange}, "audience": {"api"}, "subject_token": {a.String("access_token")}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}})
		seen[fmt.Sprint(payload(t, x.String("access_token"))["aud"])]++
	}
	if len(seen) > 1 {
		t.Errorf("audience=api means by chance %v", seen)
	}
}

// Test073EveryCredential: no credential is read from a query: RFC 6749 §2.3.1.
func Test073EveryCredential(t *testing.T) {
	srv := start(t)
	television(t, srv)
	a := beginDevice(t, srv, "orgs:read")
	x := post(t, srv, "/token?device_code="+a.String("device_code")+"&assertion=eyJ&subject_token=secret", pollAs("tv", a))
	if x.String("error") != "invalid_request" {
		t.Errorf("a device_code in the query: %d %s", x.Status, x.Body)
	}
}

func subOf(t *testing.T, srv *harness.Server, id, uri string, basic string) string {
	t.Helper()
	code := flow(t, srv, map[string][]string{"client_id": {id}, "redirect_uri": {uri}, "scope": {"openid"}})
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}
	if basic == "" {
		form.Set("client_id", id)
	}
	a := call(t, srv, "/token", basic, form)
	if a.Status != 200 {
		t.Fatalf("token: %s", a.Body)
	}
	return payload(t, a.String("id_token"))["sub"].(string)
}

func activeRefresh(t *testing.T, d *documentHost, token string) bool {
	t.Helper()
	a := post(t, d.Server, "/token", url.Values{"client_id": {d.id()}, "grant_type": {"refresh_token"}, "refresh_token": {token}})
	return a.Status == 200
}
