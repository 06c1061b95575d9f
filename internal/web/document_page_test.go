package web

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/fetch"
	"github.com/valetkey/valetkey/oauth"
)

// TestPublishedApp: an app whose id is an address is known by that address's
// host, whatever it calls itself, and by where it sends people.
func TestPublishedApp(t *testing.T) {
	var documents *httptest.Server
	documents = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		redirect := map[string]string{"/own.json": documents.URL + "/cb", "/other.json": "http://localhost:3000/cb"}[r.URL.Path]
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": documents.URL + r.URL.Path, "client_name": "Your bank", "redirect_uris": []string{redirect}, "client_uri": "https://bank.example",
		})
	}))
	defer documents.Close()
	pool := x509.NewCertPool()
	pool.AddCert(documents.Certificate())
	h := newHouseOf(t, func(s *oauth.Server) { s.Outbound = fetch.New(fetch.Config{AllowLoopback: true, Roots: pool}) })
	h.user("ada")
	host := strings.TrimPrefix(documents.URL, "https://")
	ask := func(path, redirect string) string {
		return "/authorize?" + url.Values{
			"response_type": {"code"}, "client_id": {documents.URL + path}, "redirect_uri": {redirect}, "scope": {"openid orgs:read"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}.Encode()
	}
	v := h.visitor()
	a := v.follow(v.get(ask("/other.json", "http://localhost:3000/cb")))
	a.has(t, 200, `id="login-form"`, `<strong id="client-host">`+host, "isn't verified", `<strong id="client-goes">localhost:3000`)
	golden(t, "login_document", a)
	a = v.follow(v.submit(a, "login-form", "username", "ada", "password", password))
	a.has(t, 200, `id="consent-form"`, `<strong id="client-host">`+host, "isn't verified", `<strong id="client-goes">localhost:3000`, "You will go to <strong>localhost:3000")
	golden(t, "consent_document", a)
	if strings.Contains(a.text, "bank.example") {
		t.Error("it shows a host that the document only claims")
	}
	// Back to its own host there is nothing more to say.
	a = v.follow(v.get(ask("/own.json", documents.URL+"/cb")))
	a.has(t, 200, `<strong id="client-host">`+host)
	if strings.Contains(a.text, "client-goes") {
		t.Error("its own host is another")
	}
	// Once the operator vouches for it, its host stays in view and the warning goes.
	v.submit(a, "consent-form", "decision", "allow")
	c, err := h.Store.Client(t.Context(), documents.URL+"/own.json")
	ok(t, err)
	c.Verified = true
	ok(t, h.Store.UpdateClient(t.Context(), c, true))
	a = h.visitor().get(ask("/own.json", documents.URL+"/cb"))
	v = h.visitor()
	a = v.follow(v.get(ask("/own.json", documents.URL+"/cb")))
	a.has(t, 200, `<strong id="client-host">`+host)
	if strings.Contains(a.text, "verified") {
		t.Error("it warns of what the operator vouches for")
	}
	// It is nobody's in the portal.
	v.signIn("ada")
	v.get("/developer/apps/"+url.PathEscape(c.ID)).has(t, 404)
	v.get("/developer/apps/"+url.PathEscape(c.ID)+"/security").has(t, 404)
	if strings.Contains(v.get("/developer").text, "Your bank") {
		t.Error("it stands in a portal")
	}
}

// Apps that are the operator's own or verified carry no warning.
func TestVerifiedAppsCarryNoWarning(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(*oauth.Client){
		"verified":    func(c *oauth.Client) { c.Verified = true },
		"first-party": func(c *oauth.Client) { c.FirstParty = true },
		"neither":     func(*oauth.Client) {},
	} {
		c := h.client(name, "")
		change(c)
		ok(t, h.Store.UpdateClient(t.Context(), c, false))
		v := h.visitor()
		if a := v.follow(v.get(authorizePath(c))); strings.Contains(a.text, "verified") != (name == "neither") {
			t.Errorf("%s", name)
		}
	}
}
