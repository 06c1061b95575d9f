package web

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/fetch"
	"github.com/valetkey/valetkey/oauth"
)

// connect signs a person in to an app, which redeems its code.
func (v *visitor) connect(c *oauth.Client) {
	t := v.h.t
	t.Helper()
	text, err := v.h.OAuth.GiveSecret(c)
	ok(t, err)
	ok(t, v.h.Store.SetClientSecret(t.Context(), c.ID, c.SecretHash, "", ""))
	a := v.follow(v.get(authorizePath(c, "scope", "openid")))
	if strings.Contains(a.text, `id="consent-form"`) {
		a = v.submit(a, "consent-form", "decision", "allow")
	}
	to, err := url.Parse(a.Header().Get("Location"))
	ok(t, err)
	req, bad := oauth.NewRequest(url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {c.RedirectURIs[0]}})
	if bad != nil {
		t.Fatal(bad)
	}
	_, err = v.h.OAuth.Token(t.Context(), oauth.Credentials{
		Request: req, Method: "POST", Path: oauth.PathToken,
		Authorization: []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(c.ID+":"+text))},
	})
	ok(t, err)
}

// fetching lets the rules reach this machine.
func fetching(s *oauth.Server) { s.Outbound = fetch.New(fetch.Config{AllowLoopback: true}) }

func TestSignedOutPage(t *testing.T) {
	heard := 0
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard++ }))
	defer app.Close()
	h := newHouseOf(t, fetching)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	named := func(name string, more func(*oauth.Metadata)) func(*oauth.Metadata) {
		return func(m *oauth.Metadata) { m.Name = name; more(m) }
	}
	apps := []*oauth.Client{
		h.client("bank", "", named("Bank", func(m *oauth.Metadata) { m.BackchannelURI = app.URL + "/out" })),
		h.client("shop", "", named("Shop", func(m *oauth.Metadata) { m.BackchannelURI = "http://127.0.0.1:9/out" })),
		h.client("mail", "", named("Mail", func(m *oauth.Metadata) { m.FrontchannelURI = "https://app.saleswave.example/out?a=1" })),
		h.client("chat", "", named("Chat", func(m *oauth.Metadata) { m.FrontchannelURI = "https://app.saleswave.example/bye?b=;%20script-src" })),
		h.client("six", "", named("Six", func(m *oauth.Metadata) {
			m.RedirectURIs = append(m.RedirectURIs, "http://[::1]:8080/cb")
			m.FrontchannelURI = "http://[::1]:8080/out"
		})),
		h.client("news", "", named("News", func(*oauth.Metadata) {})),
	}
	for _, c := range apps {
		v.connect(c)
	}
	a := v.submit(v.get("/logout"), "logout-form")
	a.has(t, 200, `id="logout-done"`, `src="https://app.saleswave.example/out?a=1&amp;iss=https%3A%2F%2Fas.example&amp;sid=`)
	golden(t, "logout_apps", a)
	if csp := a.Header().Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; frame-src https://app.saleswave.example") {
		t.Errorf("%s", csp)
	}
	if heard != 1 {
		t.Errorf("the bank heard %d times", heard)
	}

	// With an app that asked, the way on is a link of ours.
	v.signIn("ada")
	v.connect(apps[2])
	back := "/logout?client_id=news&state=s&post_logout_redirect_uri=" + url.QueryEscape("https://app.saleswave.example/bye")
	a = v.submit(v.get(back), "logout-form")
	a.has(t, 200, `id="logout-continue"`, "Continue to News")
	golden(t, "logout_continue", a)
	_, rest, _ := strings.Cut(a.text, `href="/logout/continue?`)
	link, _, _ := strings.Cut(rest, `"`)
	if a := v.get("/logout/continue?" + link); a.Code != 302 || a.Header().Get("Location") != "https://app.saleswave.example/bye?state=s" {
		t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
	}
	// It is this browser's, and nobody can make one.
	h.visitor().get("/logout/continue?"+link).has(t, 404)
	for _, to := range []string{"", "https://evil.example/", "x"} {
		v.get("/logout/continue?to="+url.QueryEscape(to)).has(t, 404)
	}

	// Nothing to tell anybody in a frame: it goes on at once.
	v.signIn("ada")
	v.connect(apps[5])
	if a := v.submit(v.get(back), "logout-form"); a.Code != 303 || a.Header().Get("Location") != "https://app.saleswave.example/bye?state=s" {
		t.Errorf("%d %s", a.Code, a.Header().Get("Location"))
	}
}

func TestOpenFromConnectedApps(t *testing.T) {
	h := newHouse(t)
	h.user("ada")
	v := h.visitor()
	v.signIn("ada")
	v.connect(h.client("news", "", func(m *oauth.Metadata) { m.Name, m.InitiateLoginURI = "News", "https://news.example/start?a=1" }))
	old := h.client("old", "", func(m *oauth.Metadata) { m.Name = "Old" })
	old.InitiateLoginURI = "javascript:alert(1)" // an old row
	ok(t, h.Store.UpdateClient(t.Context(), old, false))
	v.connect(old)
	a := v.get("/account/apps")
	a.has(t, 200, `href="https://news.example/start?a=1&amp;iss=https%3A%2F%2Fas.example" rel="noopener noreferrer">Open News</a>`, "Old")
	golden(t, "account_apps_open", a)
	if strings.Contains(a.text, "Open Old") {
		t.Error("what is no address is a link")
	}
}
