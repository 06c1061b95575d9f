package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// sendJSON calls /register or a client's own address.
func sendJSON(t testing.TB, srv *harness.Server, method, address, token string, body any) *harness.Answer {
	t.Helper()
	var content []byte
	switch body := body.(type) {
	case nil:
	case string:
		content = []byte(body)
	default:
		content, _ = json.Marshal(body)
	}
	if strings.HasPrefix(address, "/") {
		address = srv.URL + address
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := harness.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func open(t *testing.T, change func(*valetkey.Config)) *harness.Server {
	t.Helper()
	config := setup(databases["sqlite"](t))
	config.Registration, config.FetchAllowLoopback = oauth.RegistrationOpen, true
	if change != nil {
		change(&config)
	}
	srv := harness.Start(t, config)
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	return srv
}

// Test164Modes: closed, with an initial access token, open.
// RFC 7591 §3, §3.1.
func Test164Modes(t *testing.T) {
	good := map[string]any{"redirect_uris": []string{"https://new.example/cb"}}
	closed := start(t)
	if a := sendJSON(t, closed, "POST", "/register", "", good); a.Status != 403 {
		t.Errorf("164 closed: %d %s", a.Status, a.Body)
	}
	srv := open(t, func(c *valetkey.Config) { c.Registration = oauth.RegistrationToken })
	_, token, err := srv.Admin().CreateInitialToken(t.Context(), "partner", 2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "made-up", "iat_made-up", token + "x"} {
		if a := sendJSON(t, srv, "POST", "/register", bad, good); a.Status != 401 || a.String("error") != "invalid_token" {
			t.Errorf("164 %q: %d %s", bad, a.Status, a.Body)
		}
	}
	for _, bad := range []any{map[string]any{"redirect_uris": []string{"http://new.example/cb"}}, "[]", map[string]any{"redirect_uris": []string{"https://new.example/cb"}, "sector_identifier_uri": "https://10.0.0.1/x"}} {
		if a := sendJSON(t, srv, "POST", "/register", token, bad); a.Status != 400 {
			t.Errorf("164 refused for another reason: %d %s", a.Status, a.Body)
		}
	}
	for i, want := range []int{201, 201, 401} {
		if a := sendJSON(t, srv, "POST", "/register", token, good); a.Status != want {
			t.Errorf("164 use %d: %d %s", i, a.Status, a.Body)
		}
	}
	_, late, err := srv.Admin().CreateInitialToken(t.Context(), "late", 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	srv.Clock.Advance(time.Hour + time.Second)
	if a := sendJSON(t, srv, "POST", "/register", late, good); a.Status != 401 {
		t.Errorf("164 expired: %d %s", a.Status, a.Body)
	}
	if a := sendJSON(t, open(t, nil), "POST", "/register", "", good); a.Status != 201 {
		t.Errorf("open: %d %s", a.Status, a.Body)
	}
}

// Test165Addresses: every address of a registration, with what no address may be.
// RFC 7591 §2, §3.2.2.
func Test165Addresses(t *testing.T) {
	srv := open(t, func(c *valetkey.Config) { c.ThrottleOff = true })
	list := func(s string) any { return []string{s} }
	plain := func(s string) any { return s }
	for field, as := range map[string]func(string) any{
		"redirect_uris": list, "post_logout_redirect_uris": list, "request_uris": list,
		"logo_uri": plain, "client_uri": plain, "policy_uri": plain, "tos_uri": plain, "jwks_uri": plain, "initiate_login_uri": plain,
		"sector_identifier_uri": plain, "backchannel_logout_uri": plain, "frontchannel_logout_uri": plain,
	} {
		for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://app.example/x", "https://user@app.example/x", "//app.example/x"} {
			body := map[string]any{"redirect_uris": []string{"https://app.example/cb"}}
			body[field] = as(bad)
			a := sendJSON(t, srv, "POST", "/register", "", body)
			want := "invalid_client_metadata"
			if strings.HasSuffix(field, "redirect_uris") {
				want = "invalid_redirect_uri"
			}
			if a.Status == 429 {
				srv.Clock.Advance(time.Minute)
				a = sendJSON(t, srv, "POST", "/register", "", body)
			}
			if a.Status != 400 || a.String("error") != want {
				t.Errorf("165 %s %s: %d %s", field, bad, a.Status, a.Body)
			}
		}
	}
}

// Test169WhatStrangersDecide: 169, 172 and the rules of metadata.
// RFC 7591 §2, §3.2.1, §3.2.2, OpenID Connect Registration §2, §3.1.
func Test169WhatStrangersDecide(t *testing.T) {
	srv := open(t, nil)
	ask := func(change map[string]any) *harness.Answer {
		return sendJSON(t, srv, "POST", "/register", "", with(map[string]any{"client_name": "Mine", "redirect_uris": []string{"https://new.example/cb"}}, change))
	}
	a := ask(map[string]any{
		"client_id": "web", "client_secret": "chosen", "first_party": true, "verified": true, "skip_consent": true, "owner": "ada", "profile": "fapi2",
		"grant_types": []string{"authorization_code", "client_credentials", oauth.GrantTokenExchange, oauth.GrantJWTBearer, "implicit", "password"},
		"scope":       "openid audit nonsense", "token_exchange": map[string]any{"impersonation": true}, "software_statement": "e30.e30.", "unknown": 1,
	})
	if a.Status != 201 || a.String("client_id") == "web" || a.String("client_secret") == "chosen" || a.String("grant_types") != `["authorization_code"]` ||
		a.String("scope") != "openid" || a.JSON["token_exchange"] != nil || a.String("profile") != "compatible" {
		t.Errorf("169: %d %s", a.Status, a.Body)
	}
	if a.JSON["client_secret_expires_at"] != float64(0) || a.String("registration_access_token") == "" || a.String("registration_client_uri") != srv.URL+"/register/"+a.String("client_id") {
		t.Errorf("201 has: %s", a.Body)
	}
	page, err := srv.Browser(t).Get("/authorize?" + request(map[string][]string{"client_id": {a.String("client_id")}, "redirect_uri": {"https://new.example/cb"}, "scope": {"openid"}}).Encode())
	if err != nil || !strings.Contains(page.Text(), "isn't verified") {
		t.Errorf("172 unverified: %v %s", err, page.Text())
	}
	for id, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"only service grants": {map[string]any{"grant_types": []string{"client_credentials"}, "redirect_uris": nil}, "Bad Request invalid_client_metadata"},
		"no redirect":         {map[string]any{"redirect_uris": []string{}}, "Bad Request invalid_redirect_uri"},
		"fragment":            {map[string]any{"redirect_uris": []string{"https://new.example/cb#f"}}, "Bad Request invalid_redirect_uri"},
		"044 our own":         {map[string]any{"redirect_uris": []string{srv.URL + "/cb"}}, "Bad Request invalid_redirect_uri"},
		"jwks and jwks_uri":   {map[string]any{"jwks": jwksOf(newCaseKey(t, "ES256", "k")), "jwks_uri": "https://new.example/jwks"}, "Bad Request invalid_client_metadata"},
		"private jwks":        {map[string]any{"jwks": json.RawMessage(`{"keys":[{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `","d":"AAAA"}]}`)}, "Bad Request invalid_client_metadata"},
		"key method, no key":  {map[string]any{"token_endpoint_auth_method": "private_key_jwt"}, "Bad Request invalid_client_metadata"},
		"unknown method":      {map[string]any{"token_endpoint_auth_method": "magic"}, "Bad Request invalid_client_metadata"},
		"encrypted":           {map[string]any{"id_token_encrypted_response_alg": "RSA-OAEP"}, "Bad Request invalid_client_metadata"},
		"alg none":            {map[string]any{"id_token_signed_response_alg": "none"}, "Bad Request invalid_client_metadata"},
		"response type":       {map[string]any{"response_types": []string{"token"}}, "Bad Request invalid_client_metadata"},
		"wrong type":          {map[string]any{"redirect_uris": "https://new.example/cb"}, "Bad Request invalid_client_metadata"},
		"long name":           {map[string]any{"client_name": strings.Repeat("n", 10<<10)}, "Bad Request invalid_client_metadata"},
		"124 twice":           {nil, "Bad Request invalid_client_metadata"},
	} {
		answer := ask(c.change)
		if id == "124 twice" {
			answer = sendJSON(t, srv, "POST", "/register", "", `{"redirect_uris":["https://new.example/cb"],"redirect_uris":["https://evil.example/cb"]}`)
		}
		if got := result(answer); got != c.want {
			t.Errorf("%s: %s", id, got)
		}
	}
	if a := ask(map[string]any{"client_name": "Goo\u202egle\u200b <b>"}); a.Status != 201 || a.String("client_name") != "Google <b>" {
		t.Errorf("172: %s", a.Body)
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/register", strings.NewReader(`{}`))
		req.Header.Set("Content-Type", kind)
		if a, err := harness.Do(req); err != nil || a.Status != 415 {
			t.Errorf("208 %q: %v %d", kind, err, a.Status)
		}
	}
}

// Test170Manage: RFC 7592; 170, 174.
// RFC 7592 §2, §2.1, §2.2, §2.3, §3.
func Test170Manage(t *testing.T) {
	srv := open(t, nil)
	made := sendJSON(t, srv, "POST", "/register", "", map[string]any{"client_name": "Mine", "redirect_uris": []string{"https://new.example/cb"}, "scope": "openid offline_access orgs:read"})
	id, token, address := made.String("client_id"), made.String("registration_access_token"), made.String("registration_client_uri")
	other := sendJSON(t, srv, "POST", "/register", "", map[string]any{"redirect_uris": []string{"https://new.example/cb"}})
	for _, bad := range []string{"", "rat_x", other.String("registration_access_token"), strings.ToUpper(token)} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			var body any
			if method == "PUT" {
				body = map[string]any{"client_id": id, "redirect_uris": []string{"https://evil.example/cb"}}
			}
			if a := sendJSON(t, srv, method, address, bad, body); a.Status != 401 {
				t.Errorf("%s with %q: %d", method, bad, a.Status)
			}
		}
	}
	if a := sendJSON(t, srv, "GET", srv.URL+"/register/web", token, nil); a.Status != 401 {
		t.Errorf("another client: %d", a.Status)
	}
	if a := sendJSON(t, srv, "GET", address, token, nil); a.Status != 200 || a.String("client_name") != "Mine" || a.String("client_secret") != "" {
		t.Errorf("GET: %s", a.Body)
	}
	// 170: the whole is judged again.
	for id2, body := range map[string]map[string]any{
		"bad redirect":    {"client_id": id, "redirect_uris": []string{"http://evil.example/cb"}},
		"no client_id":    {"redirect_uris": []string{"https://new.example/cb"}},
		"other client_id": {"client_id": "web", "redirect_uris": []string{"https://new.example/cb"}},
		"own secret":      {"client_id": id, "client_secret": "chosen", "redirect_uris": []string{"https://new.example/cb"}},
	} {
		if a := sendJSON(t, srv, "PUT", address, token, body); a.Status != 400 {
			t.Errorf("170 %s: %d %s", id2, a.Status, a.Body)
		}
	}
	a := sendJSON(t, srv, "PUT", address, token, map[string]any{
		"client_id": id, "client_secret": made.String("client_secret"), "client_name": "Changed", "redirect_uris": []string{"https://new.example/cb2"}, "scope": "openid offline_access orgs:read",
	})
	if a.Status != 200 || a.String("client_name") != "Changed" {
		t.Errorf("PUT: %s", a.Body)
	}
	change := map[string][]string{"client_id": {id}, "redirect_uri": {"https://new.example/cb2"}, "scope": {"openid offline_access orgs:read"}}
	code := flow(t, srv, change)
	tokens := call(t, srv, "/token", id+":"+made.String("client_secret"), map[string][]string{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
	if tokens.Status != 200 {
		t.Fatalf("token: %s", tokens.Body)
	}
	unspent := flow(t, srv, change)
	if a := sendJSON(t, srv, "DELETE", address, token, nil); a.Status != 204 || a.Body != "" {
		t.Errorf("DELETE: %d %s", a.Status, a.Body)
	}
	withinASecond(t, "174", func() bool { return !active(t, srv, "api", tokens.String("access_token")) })
	for what, form := range map[string]map[string][]string{
		"code":    {"grant_type": {"authorization_code"}, "code": {unspent}, "code_verifier": {verifier}},
		"refresh": {"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}},
	} {
		if a := call(t, srv, "/token", id+":"+made.String("client_secret"), form); a.Status != 401 {
			t.Errorf("174 %s: %d %s", what, a.Status, a.Body)
		}
	}
	if a := sendJSON(t, srv, "GET", address, token, nil); a.Status != 401 {
		t.Errorf("174 GET: %d", a.Status)
	}
	if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: id, Metadata: oauth.Metadata{Name: "x", RedirectURIs: []string{"https://new.example/cb"}}}); err == nil {
		t.Error("174: the id was given out again")
	}
}

// Test173ManyRegistrations: a limit by address.
// RFC 7591 §5.
func Test173ManyRegistrations(t *testing.T) {
	srv := open(t, func(c *valetkey.Config) { c.ThrottleOff = false })
	counts := map[int]int{}
	for i := range 100 {
		a := sendJSON(t, srv, "POST", "/register", "", map[string]any{"redirect_uris": []string{fmt.Sprintf("https://new%d.example/cb", i)}})
		counts[a.Status]++
		if a.Status == 429 && a.Header.Get("Retry-After") == "" {
			t.Fatal("173: no Retry-After")
		}
	}
	if counts[201] > 60 || counts[201] < 20 || counts[429] == 0 || counts[201]+counts[429] != 100 {
		t.Errorf("173: %v", counts)
	}
	srv.Clock.Advance(time.Minute + time.Second)
	if a := sendJSON(t, srv, "POST", "/register", "", map[string]any{"redirect_uris": []string{"https://later.example/cb"}}); a.Status != 201 {
		t.Errorf("a minute later: %d", a.Status)
	}
}

// Test166PrivateAddresses: nothing in a registration makes the server speak to
// private addresses; what it says is the same for each.
func Test166PrivateAddresses(t *testing.T) {
	var hits atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer listener.Close()
	port := listener.Listener.Addr().String()[strings.LastIndex(listener.Listener.Addr().String(), ":"):]
	srv := open(t, func(c *valetkey.Config) { c.FetchAllowLoopback = false })
	said := map[string]int{}
	for _, host := range []string{
		"127.0.0.1" + port, "[::1]" + port, "localhost" + port, "[::ffff:7f00:1]" + port, "0.0.0.0" + port, "169.254.169.254", "10.0.0.1", "100.64.0.1", "[fd00::1]", "2130706433" + port, "0177.0.0.1" + port, "127.1" + port,
	} {
		a := sendJSON(t, srv, "POST", "/register", "", map[string]any{
			"redirect_uris": []string{"https://new.example/cb"}, "subject_type": "pairwise", "sector_identifier_uri": "https://" + host + "/sector",
		})
		if a.Status != 400 || a.String("error") != "invalid_client_metadata" {
			t.Errorf("166 %s: %d %s", host, a.Status, a.Body)
		}
		said[a.String("error_description")]++
	}
	if len(said) != 1 {
		t.Errorf("166: the answers differ: %v", said)
	}
	if n := hits.Load(); n > 0 {
		t.Errorf("166: %d requests arrived", n)
	}
}

// TestPairwise: subjects by sector, and the sector's document.
// OpenID Connect Core §8, §8.1, OpenID Connect Registration §5.
func TestPairwise(t *testing.T) {
	var listed atomic.Value
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(listed.Load())
	}))
	defer listener.Close()
	srv := open(t, nil)
	uris := []string{"https://one.example/cb", "https://two.example/cb"}
	made := func(uris []string, sector string) *harness.Answer {
		body := map[string]any{"redirect_uris": uris, "subject_type": "pairwise"}
		if sector != "" {
			body["sector_identifier_uri"] = sector
		}
		return sendJSON(t, srv, "POST", "/register", "", body)
	}
	if a := made(uris, ""); a.String("error") != "invalid_client_metadata" {
		t.Errorf("two hosts without a sector: %s", a.Body)
	}
	listed.Store(uris[:1])
	if a := made(uris, listener.URL); a.String("error") != "invalid_client_metadata" {
		t.Errorf("not all listed: %s", a.Body)
	}
	listed.Store(uris)
	subject := func(a *harness.Answer, uri string) string {
		t.Helper()
		if a.Status != 201 {
			t.Fatalf("register: %s", a.Body)
		}
		id := a.String("client_id")
		code := flow(t, srv, map[string][]string{"client_id": {id}, "redirect_uri": {uri}, "scope": {"openid email"}})
		tokens := call(t, srv, "/token", id+":"+a.String("client_secret"), map[string][]string{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
		info := bearer(t, srv, "GET", "/userinfo", "Bearer "+tokens.String("access_token"), "")
		sub := payload(t, tokens.String("id_token"))["sub"].(string)
		if info.String("sub") != sub || info.String("email") != "ada@example.com" || payload(t, tokens.String("access_token"))["sub"] != sub {
			t.Errorf("userinfo: %s, sub %s", info.Body, sub)
		}
		// Its own ID token signs the person out without a question.
		out := signedIn(t, srv, "ada")
		if page, err := out.SignIn("/authorize?"+request(map[string][]string{"client_id": {id}, "redirect_uri": {uri}, "scope": {"openid"}}).Encode(), "ada", harness.Password); err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, outcome(page))
		} else {
			own := call(t, srv, "/token", id+":"+a.String("client_secret"), map[string][]string{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
			if page, err := out.Get("/logout?id_token_hint=" + own.String("id_token")); err != nil || page.ByID("logout-done") == nil {
				t.Errorf("pairwise hint at /logout: %v %s", err, page.Text())
			}
		}
		// The hint of its own ID token fits.
		b := signedIn(t, srv, "ada")
		for hint, want := range map[string]bool{tokens.String("id_token"): true} {
			page, err := b.Hop("GET", "/authorize?"+request(map[string][]string{"client_id": {id}, "redirect_uri": {uri}, "scope": {"openid"}, "prompt": {"none"}, "id_token_hint": {hint}}).Encode(), nil)
			if err != nil || (page.Location.Query().Get("code") != "") != want {
				t.Errorf("hint: %v %s", err, outcome(page))
			}
		}
		return sub
	}
	first, second, alone := subject(made(uris, listener.URL), uris[0]), subject(made(uris, listener.URL), uris[1]), subject(made([]string{"https://three.example/cb"}, ""), "https://three.example/cb")
	if first != second || first == alone || strings.Contains(first+alone, "ada") || len(alone) < 40 {
		t.Errorf("subjects %s %s %s", first, second, alone)
	}
}

// Test168Logo: a logo is fetched once, drawn anew and served by us; a picture
// that is none leaves the client without.
func Test168Logo(t *testing.T) {
	var hits atomic.Int64
	var content atomic.Value
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(content.Load().([]byte))
	}))
	defer host.Close()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	srv := open(t, nil)
	shown := func(logo string) string {
		a := sendJSON(t, srv, "POST", "/register", "", map[string]any{"redirect_uris": []string{"https://new.example/cb"}, "logo_uri": logo})
		if a.Status != 201 {
			t.Fatalf("register: %s", a.Body)
		}
		for range 3 {
			page, err := srv.Browser(t).Get("/authorize?" + request(map[string][]string{"client_id": {a.String("client_id")}, "redirect_uri": {"https://new.example/cb"}, "scope": {"openid"}}).Encode())
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(page.Body, host.URL) {
				t.Error("168: a page loads what somebody else serves")
			}
			if logo := page.ByID("client-logo"); logo != nil {
				return "shown"
			}
		}
		return "none"
	}
	content.Store(picture.Bytes())
	if got := shown(host.URL + "/logo.png"); got != "shown" || hits.Load() != 1 {
		t.Errorf("168: %s after %d fetches", got, hits.Load())
	}
	content.Store([]byte("<svg onload=alert(1)>"))
	if got := shown(host.URL + "/logo.svg"); got != "none" {
		t.Errorf("168 not a picture: %s", got)
	}
	content.Store(append(picture.Bytes(), make([]byte, 2<<20)...))
	if got := shown(host.URL + "/large.png"); got != "none" {
		t.Errorf("168 too large: %s", got)
	}
	if got := shown("https://10.0.0.1/logo.png"); got != "none" {
		t.Errorf("168 private: %s", got)
	}
}
