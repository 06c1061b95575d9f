package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/resource"
	"github.com/valetkey/valetkey/test/harness"
)

// TestNotes: each person has notes of their own, within what they let the app
// do.
func TestNotes(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	t.Cleanup(s.Close)
	address := "http://" + s.Listener.Addr().String()
	srv := harness.Start(t, valetkey.Config{
		Resources: []oauth.Resource{{URL: address, Name: "Notes"}},
		Scopes: []oauth.Scope{
			{Name: "notes:read", Title: "Read your notes", Resource: address},
			{Name: "notes:write", Title: "Change your notes", Resource: address},
		},
	})
	if err := harness.Populate(srv); err != nil {
		t.Fatal(err)
	}
	c := protection(srv.URL, address)
	c.Now = srv.Clock.Now
	s.Config.Handler = newHandler(resource.New(c))
	s.Start()

	ada, bob, reader := token(t, srv, "ada", "notes:read notes:write"), token(t, srv, "bob", "notes:read"), token(t, srv, "ada", "notes:read")
	const one = `"notes":["one"]`
	check := func(token, method, body, want string) {
		t.Helper()
		status, said := ask(t, method, address+"/notes", token, body)
		code, detail, _ := strings.Cut(want, " ")
		if status != code || !strings.Contains(said, detail) {
			t.Errorf("%s %s: %s %s, want %s", method, body, status, said, want)
		}
	}
	check("", "GET", "", "401 Bearer scope=")
	check(reader, "POST", "note=one", `403 Bearer error="insufficient_scope"`)
	check(ada, "POST", "note=", "422")
	check(ada, "POST", "note=one", "204")
	check(reader, "GET", "", "200 "+one)
	check(bob, "GET", "", `200 "notes":[]`)

	srv.Clock.Advance(6 * time.Minute)
	check(ada, "DELETE", "", `401 Bearer error="insufficient_user_authentication"`)
	check(ada, "GET", "", "200 "+one)
	ada = token(t, srv, "ada", "notes:read notes:write")
	check(ada, "DELETE", "", "204")
	check(ada, "GET", "", `200 "notes":[]`)
}

func ask(t *testing.T, method, address, token, body string) (status, said string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status[:3], resp.Header.Get("WWW-Authenticate") + string(content)
}

// token signs somebody in to the test client web.
func token(t *testing.T, srv *harness.Server, who, scope string) string {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	page, err := srv.Browser(t).SignIn("/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {harness.Callback}, "scope": {scope},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode(), who, harness.Password)
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	answer, err := srv.Call("/token", "web:"+harness.Secret, url.Values{
		"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "code_verifier": {verifier},
	})
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("%v %+v", err, answer)
	}
	return answer.String("access_token")
}
