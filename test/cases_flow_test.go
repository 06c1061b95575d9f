package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

var update = flag.Bool("update", false, "write the golden documents anew")

// TestGoldenMetadata: 054; RFC 8414 §2, OpenID Connect Discovery §3: the whole
// document, so that no change to it goes unseen.
func TestGoldenMetadata(t *testing.T) {
	srv := start(t)
	a := bearer(t, srv, "GET", "/.well-known/openid-configuration", "", "")
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(strings.ReplaceAll(a.Body, srv.URL, "https://issuer.example")), "", "\t"); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/metadata.json"
	if *update {
		if err := os.WriteFile(file, append(got.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != got.String() {
		t.Errorf("the document differs from %s; look, then run with -update\n%s", file, got.String())
	}
}

// Test004Grants: an app with a redirect URI and without the code grant is told so.
func Test004Grants(t *testing.T) {
	srv := start(t)
	for _, c := range []valetkey.NewClient{
		{ID: "machine", Secret: harness.Secret, Metadata: oauth.Metadata{
			Name: "Machine", Type: oauth.TypeWeb, RedirectURIs: []string{harness.Callback}, GrantTypes: []string{oauth.GrantClientCredentials},
		}},
		{ID: "narrow", Secret: harness.Secret, Metadata: oauth.Metadata{
			Name: "Narrow", Type: oauth.TypeWeb, RedirectURIs: []string{harness.Callback}, Scope: "openid audit",
		}},
	} {
		if _, err := srv.Admin().CreateClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	red := func(code string) string { return "RED(" + code + ") to " + harness.Callback + " state=xyz" }
	for _, c := range []struct {
		id     string
		change url.Values
		want   string
	}{
		{"004", one("client_id", "machine"), red("unauthorized_client")},
		{"005 not registered", url.Values{"client_id": {"narrow"}, "scope": {"openid orgs:read"}}, red("invalid_scope")},
		{"005 registered, restricted", url.Values{"client_id": {"narrow"}, "scope": {"openid audit"}}, "LOGIN"},
	} {
		page, err := srv.Browser(t).Hop("GET", "/authorize?"+request(c.change).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(page); got != c.want {
			t.Errorf("%s: %s, want %s", c.id, got, c.want)
		}
	}
}

// Test008EveryParameterTwice: RFC 6749 §3.1, also for those that nobody knows,
// and once in the query and once in the body.
func Test008EveryParameterTwice(t *testing.T) {
	srv := start(t)
	for _, name := range []string{
		"response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode", "prompt", "max_age", "ui_locales",
		"id_token_hint", "login_hint", "acr_values", "claims", "request", "request_uri", "registration", "display", "unknown",
	} {
		value := request(nil).Get(name)
		page, err := srv.Browser(t).Hop("GET", "/authorize?"+request(url.Values{name: {value, value}}).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := "RED(invalid_request) to " + harness.Callback + " state=xyz"
		if name == "state" {
			want = strings.TrimSuffix(want, "xyz")
		}
		if got := outcome(page); got != want {
			t.Errorf("008 %s: %s", name, got)
		}
		both, err := srv.Browser(t).Hop("POST", "/authorize?"+name+"=x", request(nil))
		if err != nil || !strings.HasPrefix(outcome(both), "PAGE400(invalid_request") {
			t.Errorf("008 %s in query and body: %v %s", name, err, outcome(both))
		}
	}
}

// Test009UnknownParameter: it is ignored, and goes nowhere.
func Test009UnknownParameter(t *testing.T) {
	srv := start(t)
	page, err := srv.Browser(t).SignIn("/authorize?"+request(url.Values{"x": {"1"}, "error": {"e"}, "code": {"c"}, "iss": {"i"}}).Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	if names := slices.Sorted(maps.Keys(page.Location.Query())); !slices.Equal(names, []string{"code", "iss", "state"}) || page.Location.Query().Get("code") == "c" {
		t.Errorf("009: %s", page.Location)
	}
}

// Test010EmptyParameters: sent without a value they are as if omitted.
func Test010EmptyParameters(t *testing.T) {
	srv := start(t)
	page, err := srv.Browser(t).SignIn("/authorize?"+request(url.Values{"state": {""}, "nonce": {""}, "prompt": {""}, "max_age": {""}, "claims": {""}, "resource": {""}}).Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	if names := slices.Sorted(maps.Keys(page.Location.Query())); !slices.Equal(names, []string{"code", "iss"}) {
		t.Errorf("010: %s", page.Location)
	}
}

// Test013TabsAndRestart: a sign-in as somebody else in one tab, while another
// one waits with a consent page: nobody's session is mixed with another's.
func Test013TabsAndRestart(t *testing.T) {
	srv := start(t)
	browser := srv.Browser(t)
	q := url.Values{"scope": {"openid"}, "nonce": {"n"}}
	page, err := browser.SignIn("/authorize?"+request(q).Encode(), "ada", harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	first := redeemed(t, srv, page)
	// prompt=login is begun and left.
	again, err := browser.Get("/authorize?" + request(merge(one("prompt", "login"), q)).Encode())
	if err != nil || again.ByID("login-form") == nil {
		t.Fatalf("%v %s", err, again.Text())
	}
	if page, err := browser.Get("/account"); err != nil || page.URL.Path != "/account" {
		t.Errorf("013: the session was touched: %v %s", err, page.URL)
	}
	// An old tab waits for ada's consent to more.
	waiting, err := browser.Get("/authorize?" + request(merge(one("scope", "openid PRODUCTION"), url.Values{"nonce": {"n"}})).Encode())
	if err != nil || waiting.ByID("consent-form") == nil {
		t.Fatalf("%v %s", err, waiting.Text())
	}
	// Bob goes on in the tab that asked for a sign-in.
	page, err = browser.Submit(again, "login-form", "login-submit", url.Values{"username": {"bob"}, "password": {harness.Password}})
	if err == nil && page.ByID("consent-form") != nil {
		page, err = browser.Submit(page, "consent-form", "consent-allow", nil)
	}
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	second := redeemed(t, srv, page)
	if first["sub"] == second["sub"] || first["sid"] == second["sid"] {
		t.Errorf("013: %v and %v", first, second)
	}
	// The old tab's page was ada's: bob's yes to it is none.
	page, err = browser.Submit(waiting, "consent-form", "consent-allow", nil)
	if err != nil || page.Location != nil || page.Status != http.StatusForbidden || !strings.Contains(page.Text(), "bob@example.com") {
		t.Errorf("013: the old tab: %v %d %s", err, page.Status, page.Text())
	}
}

// TestNoIsNo: two browsers of one person ask at the same time. What one allows
// changes what the other would be asked: a yes there goes on, or is asked anew;
// a no is taken as it is.
func TestNoIsNo(t *testing.T) {
	srv := start(t)
	var asks []*harness.Page
	var browsers []*harness.Browser
	for range 3 {
		b := srv.Browser(t)
		page, err := b.Get("/authorize?" + request(nil).Encode())
		if err == nil {
			page, err = b.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
		}
		if err != nil || page.ByID("consent-form") == nil {
			t.Fatalf("%v %s", err, outcome(page))
		}
		browsers, asks = append(browsers, b), append(asks, page)
	}
	for i, want := range []struct {
		button, code, refusal string
		status                int
	}{{"consent-allow", "code", "", 303}, {"consent-allow", "code", "", 303}, {"consent-deny", "", "access_denied", 303}} {
		page, err := browsers[i].Submit(asks[i], "consent-form", want.button, nil)
		if err != nil || page.Status != want.status {
			t.Fatalf("%d: %v %d %s", i, err, page.Status, outcome(page))
		}
		if page.Location != nil && (page.Location.Query().Get("error") != want.refusal || page.Location.Query().Has("code") != (want.code != "")) {
			t.Errorf("%d: %s", i, page.Location)
		}
	}
}

// redeemed is the ID token's content of a code that a page was sent away with.
func redeemed(t *testing.T, srv *harness.Server, page *harness.Page) map[string]any {
	t.Helper()
	a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
	if a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return payload(t, a.String("id_token"))
}

// Test014AuthTime: after max_age has passed, auth_time is that of the new sign-in.
func Test014AuthTime(t *testing.T) {
	srv := start(t)
	browser := srv.Browser(t)
	for range 2 {
		began := srv.Clock.Now().Unix()
		page, err := browser.SignIn("/authorize?"+request(url.Values{"scope": {"openid"}, "max_age": {"1"}}).Encode(), "ada", harness.Password)
		if err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, page.Text())
		}
		if at, _ := redeemed(t, srv, page)["auth_time"].(float64); int64(at) < began {
			t.Errorf("014: auth_time %v, asked at %d", at, began)
		}
		srv.Clock.Advance(10 * time.Second)
	}
}

// Test016AfterSignIn: a sign-in is answered by 303, and no address or page
// after it holds the password.
func Test016AfterSignIn(t *testing.T) {
	srv := start(t)
	browser := srv.Browser(t)
	page, err := browser.Get("/authorize?" + request(nil).Encode())
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"form": {hidden(t, page, "form")}, "username": {"ada"}, "password": {harness.Password}}
	page, err = browser.Hop("POST", page.URL.RequestURI(), form)
	if err != nil || page.Status != http.StatusSeeOther {
		t.Fatalf("016: %v %d", err, page.Status)
	}
	consent, err := browser.Get(page.Location.String())
	if err != nil || consent.ByID("consent-form") == nil {
		t.Fatalf("%v %s", err, consent.Text())
	}
	sent, err := browser.Submit(consent, "consent-form", "consent-allow", nil)
	if err != nil || sent.Status != http.StatusSeeOther || sent.Location == nil {
		t.Fatalf("016: %v %d", err, sent.Status)
	}
	for _, text := range []string{page.Location.String(), consent.Body, sent.Location.String()} {
		if strings.Contains(text, "correct") || strings.Contains(text, url.QueryEscape(harness.Password)) {
			t.Errorf("016: %s", text)
		}
	}
}

// Test018TamperedForms: what a form's fields or address claim beside the
// sealed request changes nothing of it.
func Test018TamperedForms(t *testing.T) {
	srv := start(t)
	lies := url.Values{
		"client_id": {"other"}, "scope": {"audit"}, "response_type": {"token"}, "redirect_uri": {"https://evil.example/"}, "state": {"evil"},
		"subject": {"root"}, "sub": {"root"}, "user_id": {"root"}, "max_age": {"1000000"}, "prompt": {"none"}, "resource": {"https://other.example"},
	}
	browser := srv.Browser(t)
	page, err := browser.Get("/authorize?" + request(one("scope", "orgs:read orgs:write")).Encode())
	if err != nil {
		t.Fatal(err)
	}
	page, err = browser.Submit(page, "login-form", "login-submit", merge(maps.Clone(lies), url.Values{"username": {"ada"}, "password": {harness.Password}}))
	if err != nil || page.ByID("consent-form") == nil {
		t.Fatalf("018 sign-in: %v %s", err, page.Text())
	}
	// 020: scopes that weren't shown can't be ticked.
	lies["scope"] = []string{"orgs:write", "audit", "PRODUCTION", "openid", "offline_access"}
	page, err = browser.Submit(page, "consent-form", "consent-allow", lies)
	if err != nil || page.Location == nil || !strings.HasPrefix(page.Location.String(), harness.Callback+"?code=") || page.Location.Query().Get("state") != "xyz" {
		t.Fatalf("018 consent: %v %v %s", err, page.Location, page.Text())
	}
	a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
	if a.String("scope") != "orgs:read orgs:write" || payload(t, a.String("access_token"))["client_id"] != "web" {
		t.Errorf("018, 020: %s", a.Body)
	}
	// An envelope that was altered opens nothing.
	begun, err := browser.Get("/authorize?" + request(one("scope", "PRODUCTION")).Encode())
	if err != nil || begun.ByID("consent-form") == nil {
		t.Fatalf("%v %s", err, begun.Text())
	}
	sealed := begun.URL.Query().Get("i")
	for _, i := range []int{0, 10, len(sealed) / 2, len(sealed) - 2} {
		other := byte('A')
		if sealed[i] == other {
			other = 'B'
		}
		page, err := browser.Get("/consent?i=" + sealed[:i] + string(other) + sealed[i+1:])
		if err != nil || page.Status != http.StatusBadRequest || page.ByID("consent-form") != nil {
			t.Errorf("018: altered at %d: %v %d", i, err, page.Status)
		}
	}
}

// Test020ScopeGoneMeanwhile: a scope that the app lost while the consent page
// was open isn't granted.
func Test020ScopeGoneMeanwhile(t *testing.T) {
	srv := start(t)
	browser := srv.Browser(t)
	waiting, err := browser.Get("/authorize?" + request(one("scope", "orgs:read PRODUCTION")).Encode())
	if err == nil {
		waiting, err = browser.Submit(waiting, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
	}
	if err != nil || waiting.ByID("consent-form") == nil {
		t.Fatalf("%v %s", err, waiting.Text())
	}
	if _, err := srv.Admin().UpdateClient(t.Context(), "web", func(c *valetkey.Client) { c.Scope = "orgs:read" }); err != nil {
		t.Fatal(err)
	}
	page, err := browser.Submit(waiting, "consent-form", "consent-allow", nil)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}})
	if a.Status != http.StatusOK || a.String("scope") != "orgs:read" {
		t.Errorf("020: %s", a.Body)
	}
}

// Test022EndedMeanwhile: the user or the app is switched off between sign-in
// and consent; the page that comes leads nowhere.
func Test022EndedMeanwhile(t *testing.T) {
	for _, operation := range [][]string{
		{"disable-user", "ada"},
		{"delete-user", "ada"},
		{"set-password", "ada", "another good password"},
		{"disable-client", "web"},
		{"delete-client", "web"},
		{"set-redirect", "web", "https://app.example/elsewhere"},
	} {
		srv := start(t)
		browser := srv.Browser(t)
		page, err := browser.Get("/authorize?" + request(nil).Encode())
		if err == nil {
			page, err = browser.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
		}
		if err != nil || page.ByID("consent-form") == nil {
			t.Fatalf("%v %s", err, page.Text())
		}
		if err := harness.Operate(srv, operation); err != nil {
			t.Fatal(err)
		}
		after, err := browser.Submit(page, "consent-form", "consent-allow", nil)
		if err != nil || after.Location != nil {
			t.Errorf("022 %v: %v %v", operation, err, after.Location)
			continue
		}
		client := strings.HasSuffix(operation[0], "client") || operation[0] == "set-redirect"
		if client && (after.Status != http.StatusBadRequest || after.ByID("error-page") == nil) || !client && after.ByID("login-form") == nil && after.ByID("error-page") == nil {
			t.Errorf("022 %v: %d %s", operation, after.Status, after.Text())
		}
	}
}

// Test024State: it comes back byte for byte, in one header line, whatever it is.
func Test024State(t *testing.T) {
	srv := start(t)
	browser := signedIn(t, srv, "ada")
	for _, state := range []string{
		"x\r\nSet-Cookie: planted=1\r\n\r\n<script>", `"quotes" 'and' <angles> & more`, "\U0001F511\u202eemoji ä", "%0d%0a%00", "a+b c%20d", "=&?#;,/",
		strings.Repeat("0123456789abcdef", 128), "code=evil&iss=evil",
	} {
		q := url.Values{"client_id": {"first"}, "state": {state}}
		page, err := browser.Hop("GET", "/authorize?"+request(q).Encode(), nil)
		if err != nil || page.Location == nil {
			t.Fatalf("024 %q: %v %s", state, err, page.Text())
		}
		got := page.Location.Query()
		if got.Get("state") != state || len(got["state"]) != 1 || len(got["code"]) != 1 || got.Get("iss") != srv.URL || page.Header.Get("Set-Cookie") != "" {
			t.Errorf("024 %.40q came back as %.40q; %v", state, got.Get("state"), page.Header)
		}
	}
}

// Test025FlowsSideBySide: two hundred flows of twenty people at once; each code
// has its own client, scope, nonce and person.
func Test025FlowsSideBySide(t *testing.T) {
	srv := start(t)
	const people, flows = 20, 10
	browsers, subjects := make([]*harness.Browser, people), make([]string, people)
	for i := range people {
		u, err := srv.Admin().CreateUser(t.Context(), valetkey.NewUser{Username: fmt.Sprint("person", i), Password: harness.Password})
		if err != nil {
			t.Fatal(err)
		}
		subjects[i], browsers[i] = u.Subject, srv.Browser(t)
	}
	parallel(people, func(i int) {
		if got := try(t, browsers[i], fmt.Sprint("person", i), harness.Password); got != "in" {
			t.Errorf("sign-in: %s", got)
		}
	})
	var mu sync.Mutex
	codes := map[string]bool{}
	parallel(people*flows, func(n int) {
		person, flow := n/flows, n%flows
		client := []string{"web", "other", "first"}[flow%3]
		callback := harness.Callback
		if client == "other" {
			callback = "https://other.example/cb"
		}
		scope := []string{"openid", "openid orgs:read", "openid PRODUCTION orgs:read"}[(person+flow)%3]
		mark := fmt.Sprint("flow ", n)
		q := url.Values{"client_id": {client}, "redirect_uri": {callback}, "scope": {scope}, "nonce": {mark}, "state": {mark}}
		page, err := browsers[person].SignIn("/authorize?"+request(q).Encode(), "nobody", "")
		if err != nil || page.Location == nil || page.Location.Query().Get("state") != mark || !strings.HasPrefix(page.Location.String(), callback+"?") {
			t.Errorf("025 %d: %v %s", n, err, outcome(page))
			return
		}
		code := page.Location.Query().Get("code")
		mu.Lock()
		codes[code] = true
		mu.Unlock()
		a, err := srv.Call("/token", client+":"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
		if err != nil || a.Status != http.StatusOK {
			t.Errorf("025 %d: %v %+v", n, err, a)
			return
		}
		id := claimsOf(a.String("id_token"))
		if id["sub"] != subjects[person] || id["nonce"] != mark || id["azp"] != client || a.String("scope") != scope {
			t.Errorf("025 %d: %v %s", n, id, a.String("scope"))
		}
	})
	if len(codes) != people*flows {
		t.Errorf("025: %d codes", len(codes))
	}
}

// claimsOf is a JWT's content, for use beside others.
func claimsOf(token string) map[string]any {
	var claims map[string]any
	if parts := strings.Split(token, "."); len(parts) == 3 {
		content, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(content, &claims)
	}
	return claims
}

// Test056InjectedCode: a code stolen from one person's flow is worth nothing
// in another one's, though the honest app redeems it: its verifier is another.
func Test056InjectedCode(t *testing.T) {
	srv := start(t)
	for client, basic := range map[string]string{"web": "web:" + harness.Secret, "spa": ""} {
		q := url.Values{"client_id": {client}}
		if client == "spa" {
			q.Set("redirect_uri", harness.SPACallback)
		}
		stolen := flow(t, srv, q)
		a := call(t, srv, "/token", basic, url.Values{"client_id": {client}, "grant_type": {"authorization_code"}, "code": {stolen}, "code_verifier": {strings.Repeat("attackers-own-", 4)}})
		if a.Status != http.StatusBadRequest || a.String("error") != "invalid_grant" {
			t.Errorf("056 %s: %d %s", client, a.Status, a.Body)
		}
	}
}

// Test057Hashes: at_hash, sub and aud fit together; sub stays the same.
func Test057Hashes(t *testing.T) {
	srv := start(t)
	var subject any
	for range 2 {
		tokens := grant(t, srv, "web", one("scope", "openid"))
		id := payload(t, tokens.String("id_token"))
		sum := sha256.Sum256([]byte(tokens.String("access_token")))
		if id["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) {
			t.Errorf("057: at_hash %v", id["at_hash"])
		}
		if alg := header(t, tokens.String("id_token"))["alg"]; alg != "RS256" {
			t.Errorf("057: alg %v", alg)
		}
		if subject != nil && id["sub"] != subject {
			t.Errorf("057: sub was %v, is %v", subject, id["sub"])
		}
		subject = id["sub"]
	}
}

// Test058Randomness: what nobody may guess is spread evenly and never alike.
func Test058Randomness(t *testing.T) {
	srv := start(t)
	browser := signedIn(t, srv, "ada")
	const rounds = 300
	random := map[string][][]byte{}
	note := func(kind string, raw []byte) { random[kind] = append(random[kind], raw) }
	decode := func(text string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return raw
	}
	for range rounds {
		page, err := browser.Hop("GET", "/authorize?"+request(one("client_id", "first")).Encode(), nil)
		if err != nil || page.Location == nil {
			t.Fatalf("%v %s", err, page.Text())
		}
		code := page.Location.Query().Get("code")
		note("code", decode(strings.TrimPrefix(code, "ac_"))[4:]) // after the key's id
		a := call(t, srv, "/token", "first:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}})
		token := decode(strings.TrimPrefix(a.String("refresh_token"), "rt_"))
		note("refresh token", slices.Concat(token[26:42], token[50:])) // seed and tag; between them generation and the key's id
	}
	for range 40 {
		visitor := srv.Browser(t)
		if _, err := visitor.Get("/login"); err != nil {
			t.Fatal(err)
		}
		note("browser", decode(cookieOf(visitor, "browser")))
	}
	for kind, all := range random {
		if bits := len(all[0]) * 8; bits < 128 {
			t.Errorf("058 %s: %d bits", kind, bits)
		}
		seen, prefixes, counts, total := map[string]bool{}, map[string]int{}, [256]float64{}, 0.0
		for _, raw := range all {
			seen[string(raw)] = true
			prefixes[string(raw[:4])]++
			for _, b := range raw {
				counts[b]++
				total++
			}
		}
		if len(seen) != len(all) || len(prefixes) < len(all)-1 {
			t.Errorf("058 %s: %d of %d differ, %d beginnings", kind, len(seen), len(all), len(prefixes))
		}
		chi := 0.0
		for _, n := range counts {
			chi += (n - total/256) * (n - total/256) / (total / 256)
		}
		// 255 degrees of freedom: 255 ± 22.6; six deviations are one run in a
		// thousand million.
		if chi > 255+6*22.6 {
			t.Errorf("058 %s: chi-square %.0f", kind, chi)
		}
	}
}

// Test066AlteredCodes: each altered writing of a code is no code.
func Test066AlteredCodes(t *testing.T) {
	srv := start(t)
	code := flow(t, srv, nil)
	swap := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 32
		case r >= 'A' && r <= 'Z':
			return r + 32
		}
		return r
	}, code[3:])
	altered := []string{code[:3] + swap, strings.ToUpper(code), code + " ", " " + code, code + "=", code + "==", "rt_" + code[3:], code[3:], code + code, code + "\r\n"}
	for i := 1; i < len(code); i += 17 {
		altered = append(altered, code[:i])
	}
	for _, other := range altered {
		a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {other}, "code_verifier": {verifier}})
		if a.Status != http.StatusBadRequest || a.String("error") != "invalid_grant" {
			t.Errorf("066 %q: %d %s", other, a.Status, a.Body)
		}
	}
	if a := call(t, srv, "/token", "web:"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}); a.Status != http.StatusOK {
		t.Errorf("066: the code itself: %s", a.Body)
	}
}

// Test080UnknownClientOrWrongSecret: the answers are the same. Their time isn't
// compared: /authorize tells anybody whether a client_id exists, as RFC 6749
// §4.1.2.1 has it, so there is nothing to hide.
func Test080UnknownClientOrWrongSecret(t *testing.T) {
	srv := start(t)
	var first string
	for _, basic := range []string{"nix:wrong", "web:wrong", "spa:wrong", "service:wrong"} {
		for _, path := range []string{"/token", "/introspect", "/revoke"} {
			a := call(t, srv, path, basic, url.Values{"grant_type": {"authorization_code"}, "token": {"x"}, "code": {"x"}})
			a.Header.Del("Date")
			a.Header.Del("X-Request-Id")
			got := fmt.Sprint(a.Status, a.Header, a.Body)
			if first == "" {
				first = got
			}
			if got != first || a.Status != http.StatusUnauthorized {
				t.Errorf("080 %s %s: %s, first %s", path, basic, got, first)
			}
		}
	}
}

// Test090OtherTokens: what isn't an access token opens nothing.
func Test090OtherTokens(t *testing.T) {
	srv := start(t)
	for _, client := range []string{"web", "compat"} {
		q := one("scope", "openid offline_access")
		tokens := grant(t, srv, client, q)
		code := flow(t, srv, url.Values{"client_id": {client}})
		page, err := srv.Browser(t).Get("/authorize?" + request(nil).Encode())
		if err != nil {
			t.Fatal(err)
		}
		for what, token := range map[string]string{
			"refresh token": tokens.String("refresh_token"), "ID token": tokens.String("id_token"), "code": code, "interaction": page.URL.Query().Get("i"),
			"form token": hidden(t, page, "form"), "interaction in the dress of a token": "at_" + page.URL.Query().Get("i"), "code in the dress of a token": "at_" + strings.TrimPrefix(code, "ac_"),
		} {
			if a := bearer(t, srv, "GET", "/userinfo", "Bearer "+token, ""); a.Status != http.StatusUnauthorized || a.String("error") != "invalid_token" {
				t.Errorf("090 %s at userinfo: %d %s", what, a.Status, a.Body)
			}
			if what != "refresh token" && active(t, srv, client, token) {
				t.Errorf("090 %s is active", what)
			}
			if what != "code" {
				a := call(t, srv, "/token", client+":"+harness.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {token}, "code_verifier": {verifier}})
				if a.String("error") != "invalid_grant" {
					t.Errorf("090 %s as code: %d %s", what, a.Status, a.Body)
				}
			}
			if what != "refresh token" {
				a := call(t, srv, "/token", client+":"+harness.Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
				if a.String("error") != "invalid_grant" {
					t.Errorf("090 %s as refresh token: %d %s", what, a.Status, a.Body)
				}
			}
		}
	}
}

// Test093DeletedUser: what a person who is gone had let an app do is gone.
func Test093DeletedUser(t *testing.T) {
	srv := start(t)
	tokens := grant(t, srv, "web", one("scope", "openid offline_access"))
	code := flow(t, srv, nil)
	if err := harness.Operate(srv, []string{"delete-user", "ada"}); err != nil {
		t.Fatal(err)
	}
	for what, form := range map[string]url.Values{
		"code":    {"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}},
		"refresh": {"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}},
	} {
		if a := call(t, srv, "/token", "web:"+harness.Secret, form); a.Status != http.StatusBadRequest || a.String("error") != "invalid_grant" {
			t.Errorf("093 %s: %d %s", what, a.Status, a.Body)
		}
	}
	if a := bearer(t, srv, "GET", "/userinfo", "Bearer "+tokens.String("access_token"), ""); a.Status != http.StatusUnauthorized {
		t.Errorf("093 userinfo: %d %s", a.Status, a.Body)
	}
	if active(t, srv, "web", tokens.String("access_token")) {
		t.Error("093: the access token is active")
	}
}

// Test101ForeignRefresh: another client and nobody at all are refused, and the
// token is none the worse for it.
func Test101ForeignRefresh(t *testing.T) {
	srv := start(t)
	token := grant(t, srv, "web", nil).String("refresh_token")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for who, c := range map[string]struct {
		basic  string
		extra  url.Values
		status int
		code   string
	}{
		"another":         {"other:" + harness.Secret, nil, 400, "invalid_grant"},
		"a public client": {"", one("client_id", "spa"), 400, "invalid_grant"},
		"nobody":          {"", nil, 401, "invalid_client"},
		"its id alone":    {"", one("client_id", "web"), 401, "invalid_client"},
		"a wrong secret":  {"web:wrong", nil, 401, "invalid_client"},
	} {
		a := call(t, srv, "/token", c.basic, merge(maps.Clone(form), c.extra))
		if a.Status != c.status || a.String("error") != c.code {
			t.Errorf("101 %s: %d %s", who, a.Status, a.Body)
		}
	}
	if a := call(t, srv, "/token", "web:"+harness.Secret, form); a.Status != http.StatusOK {
		t.Errorf("101: %s", a.Body)
	}
}
