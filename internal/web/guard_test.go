package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/oauth"
)

func TestGuard(t *testing.T) {
	for _, row := range []struct {
		issuer, host, site, origin string
		want                       int
	}{
		{issuer, "as.example", "same-origin", "", 200},
		{issuer, "as.example", "none", "", 200},
		{issuer, "as.example", "same-site", "https://as.example", 403},
		{issuer, "as.example", "cross-site", "https://as.example", 403},
		{issuer, "as.example", "cross-site", "null", 403},
		{issuer, "as.example", "same-origin", "null", 200},
		{issuer, "as.example", "", "https://as.example", 200},
		{issuer, "as.example", "", "https://as.example:444", 403},
		{issuer, "as.example", "", "http://as.example", 403},
		{issuer, "as.example", "", "https://as.example.evil.example", 403},
		{issuer, "as.example", "", "https://evil.example", 403},
		{issuer, "evil.example", "", "https://evil.example", 403},
		{issuer, "as.example", "", "null", 200}, // the form token decides
		{issuer, "as.example", "", "", 200},
		{"http://localhost:8080", "localhost:8080", "", "http://localhost:8080", 200},
		{"http://localhost:8080", "127.0.0.1:8080", "", "http://127.0.0.1:8080", 200},
		{"http://localhost:8080", "[::1]:8080", "", "http://[::1]:8080", 200},
		{"http://localhost:8080", "127.0.0.1:8080", "", "http://127.0.0.1:8081", 403},
		{"http://localhost:8080", "evil.example", "", "http://evil.example", 403},
	} {
		origin, _ := url.Parse(row.issuer)
		w := &Web{Config: Config{Issuer: row.issuer}, origin: row.issuer}
		w.host = origin.Host
		r := &http.Request{Method: "POST", Host: row.host, Header: http.Header{}}
		if row.site != "" {
			r.Header.Set("Sec-Fetch-Site", row.site)
		}
		if row.origin != "" {
			r.Header.Set("Origin", row.origin)
		}
		if got := w.crossSite(r); got != (row.want == 403) {
			t.Errorf("%+v: cross-site %v", row, got)
		}
	}
}

// posts lists every route that changes something, by a path that exists.
func (h *house) posts() []string {
	var out []string
	for _, r := range h.siteMap() {
		if path, ok := strings.CutPrefix(r.pattern, "POST "); ok {
			out = append(out, strings.Replace(path, "{id}", "sales", 1))
		}
	}
	return out
}

// Case 206: every state-changing route refuses a form that isn't its own.
func TestEveryPostNeedsItsToken(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.user("bob")
	h.client("sales", ada.Subject)
	v, other := h.visitor(), h.visitor()
	v.signIn("ada")
	other.signIn("bob")
	_, foreign := formIn(t, other.get("/account/password").text, "password-form")
	_, elsewhere := formIn(t, v.get("/developer/apps/new").text, "app-form")
	before := h.state(t, ada.Subject)
	i := v.get(authorizePath(h.client("third", ""))).Header().Get("Location")
	query := "?" + strings.SplitN(i, "?", 2)[1]
	for _, path := range h.posts() {
		if path == "/login" || path == "/signup" || path == "/select" || path == "/consent" {
			path += query
		}
		for name, row := range map[string]struct {
			token  string
			header http.Header
		}{
			"no token":              {},
			"another browser's":     {token: foreign.Get("form")},
			"another form's":        {token: elsewhere.Get("form"), header: http.Header{"Origin": {"null"}}},
			"junk":                  {token: "x"},
			"evil origin":           {token: "x", header: http.Header{"Origin": {"https://evil.example"}}},
			"cross-site by browser": {token: "x", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		} {
			if path == "/developer/apps/new" && name == "another form's" {
				continue // it is this form's
			}
			if path == "/logout" && (name == "no token" || row.header != nil) {
				continue // a question, see TestLogoutByForeignPost
			}
			kept := v.header
			v.header = row.header.Clone()
			if v.header == nil {
				v.header = http.Header{}
			}
			form := url.Values{"username": {"ada"}, "password": {password}, "decision": {"allow"}, "client": {"sales"}, "uri": {"https://x.example/cb"}, "name": {"x"}}
			if row.token != "" {
				form.Set("form", row.token)
			}
			a := v.post(path, form)
			v.header = kept
			if a.Code != 403 {
				t.Errorf("%s, %s: %d", path, name, a.Code)
			}
		}
	}
	if after := h.state(t, ada.Subject); after != before {
		t.Errorf("changed: %s\n%s", before, after)
	}
}

// state is what the posts could have changed.
func (h *house) state(t *testing.T, subject string) string {
	t.Helper()
	ctx := context.Background()
	sessions, err := h.Store.Sessions(ctx, subject, h.now())
	ok(t, err)
	client, err := h.Store.Client(ctx, "sales")
	ok(t, err)
	apps, err := h.Store.ListClients(ctx, &subject, "", 10)
	ok(t, err)
	user, err := h.Store.User(ctx, subject)
	ok(t, err)
	connections, err := h.Store.Connections(ctx, subject)
	ok(t, err)
	return fmt.Sprint(len(sessions), client.Metadata, string(client.SecretHash), len(apps), user.Password, connections)
}

// Case 300 for the portal: an app is nobody's business but its owner's.
func TestOwnership(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.user("bob")
	h.client("sales", ada.Subject)
	h.client("operators", "")
	for _, row := range []struct {
		who, app string
		get      int
	}{
		{"ada", "sales", 200},
		{"bob", "sales", 404},
		{"", "sales", 302},
		{"ada", "operators", 404},
		{"bob", "operators", 404},
		{"ada", "nothing", 404},
	} {
		v := h.visitor()
		if row.who != "" {
			v.signIn(row.who)
		}
		for _, path := range []string{"/developer/apps/", "/developer/apps/%/delete", "/developer/apps/%/security"} {
			path = strings.Replace(path, "%", row.app, 1)
			if !strings.Contains(path, row.app) {
				path += row.app
			}
			if a := v.get(path); a.Code != row.get {
				t.Errorf("%s GET %s: %d, want %d", row.who, path, a.Code, row.get)
			}
		}
		h.postsTo(t, v, row.who, row.app, row.get)
	}
}

// postsTo sends the forms with good tokens of this very person: even so
// another's app isn't there.
func (h *house) postsTo(t *testing.T, v *visitor, who, app string, get int) {
	if get == 200 {
		return
	}
	want := map[int]int{404: 404, 302: 303}[get]
	for path, purpose := range map[string]string{"": "app", "/secret": "secret", "/callbacks": "callbacks", "/delete": "delete", "/security": "security"} {
		session := oauth.Session{}
		r, _ := http.NewRequest("POST", "/", nil)
		for name, value := range v.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if who != "" {
			var err error
			session, err = h.Session(r)
			ok(t, err)
		}
		token := ""
		if len(v.cookies) > 0 {
			token = h.formToken(nil, r, session, purpose, app)
		}
		a := v.post("/developer/apps/"+app+path, url.Values{"form": {token}, "name": {"Mine"}, "callbacks": {"https://evil.example/"}, "uri": {"https://evil.example/"}, "profile": {"compatible"}, "method": {"client_secret_post"}, "backchannel": {"https://evil.example/"}})
		if a.Code != want {
			t.Errorf("%s POST %s%s: %d, want %d", who, app, path, a.Code, want)
		}
	}
}

// A developer can't give an app what only an operator gives.
func TestRestrictedScope(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	h.client("given", ada.Subject, func(m *oauth.Metadata) { m.Scope = "openid payroll" })
	v := h.visitor()
	v.signIn("ada")
	fill := []string{"name", "Notes", "callbacks", "https://app.example/cb", "scope", "payroll"}
	v.submit(v.get("/developer/apps/new"), "app-form", fill...).has(t, 422, "Ask the operator")
	v.submit(v.get("/developer/apps/new"), "app-form", append(fill[:4:4], "scope", "undeclared")...).has(t, 422, "Ask the operator")
	if a := v.submit(v.get("/developer/apps/given"), "app-form", fill...); a.Code != 303 {
		t.Errorf("what was given may stay: %d", a.Code)
	}
}

// An app that the operator vouched for can't become another and stay verified.
func TestVerifiedEndsWithTheName(t *testing.T) {
	h := newHouse(t)
	ada := h.user("ada")
	c := h.client("sales", ada.Subject)
	c.Verified = true
	ok(t, h.Store.UpdateClient(t.Context(), c, false))
	v := h.visitor()
	v.signIn("ada")
	for _, row := range []struct {
		name string
		want bool
	}{{"Saleswave", true}, {"Your bank", false}} {
		if a := v.submit(v.get("/developer/apps/sales"), "app-form", "name", row.name); a.Code != 303 {
			t.Fatalf("%d %s", a.Code, a.text)
		}
		if got, err := h.Store.Client(t.Context(), "sales"); err != nil || got.Verified != row.want || got.Owner != ada.Subject {
			t.Errorf("%s: verified %v %v", row.name, got.Verified, err)
		}
	}
}
