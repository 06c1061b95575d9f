package test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// documentHost serves metadata documents over https on this machine.
type documentHost struct {
	*harness.Server
	host   *httptest.Server
	answer atomic.Value // func(http.ResponseWriter, *http.Request)
	hits   atomic.Int64
}

func newDocumentHost(t *testing.T, change func(*valetkey.Config)) *documentHost {
	t.Helper()
	d := &documentHost{}
	d.host = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.hits.Add(1)
		d.answer.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	t.Cleanup(d.host.Close)
	roots := x509.NewCertPool()
	roots.AddCert(d.host.Certificate())
	d.Server = open(t, func(c *valetkey.Config) {
		c.FetchRoots = roots
		if change != nil {
			change(c)
		}
	})
	d.serve(d.document(nil))
	return d
}

// id is the client's: an address on this machine.
func (d *documentHost) id() string { return d.host.URL + "/client.json" }

func (d *documentHost) document(changes map[string]any) map[string]any {
	return with(map[string]any{
		"client_id": d.id(), "client_name": "Documented", "redirect_uris": []string{"https://documented.example/cb"},
		"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}, changes)
}

func (d *documentHost) serve(document any) {
	d.answer.Store(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document)
	})
}

// fresh forgets what is cached, as time does.
func (d *documentHost) fresh() { d.Clock.Advance(3 * 3600e9) }

func (d *documentHost) ask(t *testing.T, change url.Values) string {
	t.Helper()
	page, err := d.Browser(t).Hop("GET", "/authorize?"+d.request(change).Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return outcome(page)
}

func (d *documentHost) request(change url.Values) url.Values {
	return request(merge(url.Values{"client_id": {d.id()}, "redirect_uri": {"https://documented.example/cb"}}, change))
}

const noClient = "PAGE400(invalid_request client_id)"

// Test177To182Documents: what a document may be.
// Client ID Metadata Document §3, §4, §6.6.
func Test177To182Documents(t *testing.T) {
	d := newDocumentHost(t, nil)
	for _, c := range []struct {
		id     string
		change map[string]any
		want   string
	}{
		{"good", nil, "LOGIN"},
		{"unknown members", map[string]any{"x": map[string]any{"y": 1}, "client_uri": d.host.URL}, "LOGIN"},
		{"177 slash", map[string]any{"client_id": d.id() + "/"}, noClient},
		{"177 port", map[string]any{"client_id": "https://127.0.0.1/client.json"}, noClient},
		{"177 case", map[string]any{"client_id": strings.ToUpper(d.id())}, noClient},
		{"177 none", map[string]any{"client_id": nil}, noClient},
		{"180 secret", map[string]any{"client_secret": "x"}, noClient},
		{"180 expires", map[string]any{"client_secret_expires_at": 0}, noClient},
		{"180 basic", map[string]any{"token_endpoint_auth_method": "client_secret_basic"}, noClient},
		{"180 post", map[string]any{"token_endpoint_auth_method": "client_secret_post"}, noClient},
		{"180 secret JWT", map[string]any{"token_endpoint_auth_method": "client_secret_jwt"}, noClient},
		{"180 private key", map[string]any{"jwks": json.RawMessage(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 43) + `","d":"AAAA"}]}`)}, noClient},
		{"redirect elsewhere", map[string]any{"redirect_uris": []string{"https://other.example/cb"}}, "PAGE400(invalid_request redirect_uri)"},
		{"no redirect", map[string]any{"redirect_uris": nil}, noClient},
		{"wrong type", map[string]any{"redirect_uris": "https://documented.example/cb"}, noClient},
		{"5 KB", map[string]any{"x": strings.Repeat("x", 6<<10)}, noClient},
		{"no name", map[string]any{"client_name": nil}, "LOGIN"},
		{"operator's matters", map[string]any{"first_party": true, "profile": "fapi2", "grant_types": []string{"authorization_code", "client_credentials"}}, "LOGIN"},
	} {
		d.fresh()
		d.serve(d.document(c.change))
		if got := d.ask(t, nil); got != c.want {
			t.Errorf("%s: %s", c.id, got)
		}
	}
	// 178: no redirect is followed, and a failure isn't remembered.
	for _, status := range []int{301, 302, 401, 500, 204} {
		d.fresh()
		d.answer.Store(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("178: a redirect was followed")
			}
			w.Header().Set("Location", d.host.URL+"/elsewhere")
			w.WriteHeader(status)
		})
		if got := d.ask(t, nil); got != noClient {
			t.Errorf("178 %d: %s", status, got)
		}
		d.serve(d.document(nil))
		if got := d.ask(t, nil); got != "LOGIN" {
			t.Errorf("178 after %d: %s", status, got)
		}
	}
	// Remembered for a while.
	before := d.hits.Load()
	for range 5 {
		d.ask(t, nil)
	}
	if n := d.hits.Load() - before; n > 0 {
		t.Errorf("%d fetches of a document that is known", n)
	}
}

// Test176And181Addresses: what a client id may be as an address.
// Client ID Metadata Document §3.
func Test176And181Addresses(t *testing.T) {
	d := newDocumentHost(t, nil)
	for _, id := range []string{
		d.id() + "#f", strings.Replace(d.id(), "https://", "https://u@", 1), d.host.URL + "/a/../client.json", d.host.URL, d.id() + "?",
		strings.Replace(d.id(), "https", "http", 1), "https://documented.example:8443/client.json", d.host.URL + "/%2e%2e/client.json",
		"https://169.254.169.254/latest", "https://10.0.0.1/x", "https://[fd00::1]/x", "https://[::ffff:a00:1]/x", "https://2130706433/x", "https:///x", "https://",
		"HTTPS://127.0.0.1/x",
	} {
		before := d.hits.Load()
		if got := d.ask(t, one("client_id", id)); got != noClient {
			t.Errorf("181 %s: %s", id, got)
		}
		if d.hits.Load() != before {
			t.Errorf("181 %s was fetched", id)
		}
	}
	narrow := newDocumentHost(t, func(c *valetkey.Config) { c.Documents.Hosts = []string{"*.example"} })
	if got := narrow.ask(t, nil); got != noClient {
		t.Errorf("a host that isn't listed: %s", got)
	}
	off := newDocumentHost(t, func(c *valetkey.Config) { c.Documents.Off = true })
	if got := off.ask(t, nil); got != noClient {
		t.Errorf("switched off: %s", got)
	}
	blind := newDocumentHost(t, func(c *valetkey.Config) { c.FetchAllowLoopback = false })
	if got := blind.ask(t, nil); got != noClient || blind.hits.Load() > 0 {
		t.Errorf("176 this machine: %s, %d fetches", got, blind.hits.Load())
	}
}

// TestDocumentPushes: a client that nobody has agreed to yet may push its request.
func TestDocumentPushes(t *testing.T) {
	d := newDocumentHost(t, nil)
	a := post(t, d.Server, "/par", d.request(nil))
	if a.Status != 201 {
		t.Fatalf("par: %s", a.Body)
	}
	page, err := d.Browser(t).SignIn(openPushed(d.id(), a.String("request_uri")), "ada", harness.Password)
	if err != nil || page.Location == nil || page.Location.Query().Get("code") == "" {
		t.Fatalf("%v %s", err, outcome(page))
	}
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {d.id()}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier}}
	if a := post(t, d.Server, "/token", form); a.Status != 200 {
		t.Errorf("token: %s", a.Body)
	}
	if a := post(t, d.Server, "/par", merge(d.request(nil), one("client_id", d.host.URL+"/other.json"))); a.Status != 401 {
		t.Errorf("a document of another name: %d %s", a.Status, a.Body)
	}
}

// Test184Documented walks a whole flow: a row only once somebody has signed in,
// the host on the page, asked again when the document changes.
func Test184Documented(t *testing.T) {
	d := newDocumentHost(t, nil)
	key := newCaseKey(t, "ES256", "k")
	d.serve(d.document(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": jwksOf(key)}))
	rows := func() int {
		clients, err := d.Admin().Clients(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(clients)
	}
	before := rows()
	b := d.Browser(t)
	page, err := b.Get("/authorize?" + d.request(nil).Encode())
	if err != nil || !strings.Contains(page.Text(), "127.0.0.1") {
		t.Fatalf("185 sign-in: %v %s", err, page.Text())
	}
	page, err = b.Submit(page, "login-form", "login-submit", url.Values{"username": {"ada"}, "password": {harness.Password}})
	if err != nil || page.ByID("consent-form") == nil || !strings.HasPrefix(page.TextOf("client-host"), "127.0.0.1") {
		t.Fatalf("185 consent: %v %s", err, page.Text())
	}
	if rows() != before {
		t.Error("a row was written before anybody agreed")
	}
	page, err = b.Submit(page, "consent-form", "consent-allow", nil)
	if err != nil || page.Location == nil {
		t.Fatalf("consent: %v %s", err, page.Text())
	}
	if rows() != before+1 {
		t.Error("no row after somebody agreed")
	}
	redeem := func(code string) *harness.Answer {
		assertion := key.jwt(nil, assertionOf(d.Server, d.id()))
		return post(t, d.Server, "/token", byAssertion(assertion, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}}))
	}
	tokens := redeem(page.Location.Query().Get("code"))
	if tokens.Status != 200 || payload(t, tokens.String("access_token"))["client_id"] != d.id() {
		t.Fatalf("token: %s", tokens.Body)
	}
	asked := func() bool {
		page, err := b.Get("/authorize?" + d.request(nil).Encode())
		if err != nil {
			t.Fatal(err)
		}
		return page.ByID("consent-form") != nil
	}
	if asked() {
		t.Error("a confidential client's consent was not remembered")
	}
	for name, change := range map[string]map[string]any{
		"redirect_uris": {"redirect_uris": []string{"https://documented.example/cb", "https://documented.example/cb2"}},
		"name":          {"client_name": "Another name"},
		"jwks":          {"jwks": jwksOf(key, newCaseKey(t, "ES256", "k2"))},
	} {
		d.fresh()
		d.serve(d.document(with(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": jwksOf(key)}, change)))
		if !asked() {
			t.Errorf("184 %s changed, and nobody was asked", name)
		}
		if page, err := b.SignIn("/authorize?"+d.request(nil).Encode(), "ada", harness.Password); err != nil || page.Location == nil {
			t.Fatalf("184 %s: %v %s", name, err, page.Text())
		}
		if asked() {
			t.Errorf("184 %s: asked twice", name)
		}
	}
	if a := post(t, d.Server, "/token", byAssertion(key.jwt(nil, assertionOf(d.Server, d.id())), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.String("refresh_token")}})); a.Status != 200 {
		t.Errorf("tokens of before: %s", a.Body)
	}
	if _, err := d.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: "https://made.example/x", Metadata: oauth.Metadata{Name: "x", RedirectURIs: []string{harness.Callback}}}); err == nil {
		t.Error("185: an id of ours looks like an address")
	}
	if a := post(t, d.Server, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "client_id": {"https://127.0.0.1:1/unseen"}}); a.Status != 401 {
		t.Errorf("an unseen client at /token: %s", a.Body)
	}
	document := bearer(t, d.Server, "GET", "/.well-known/oauth-authorization-server", "", "")
	if document.JSON["client_id_metadata_document_supported"] != true || !strings.Contains(document.String("token_endpoint_auth_methods_supported"), `"none"`) {
		t.Errorf("metadata: %s", document.Body)
	}
}
