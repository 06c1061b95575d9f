package test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/valetkey/valetkey/resource"
	"github.com/valetkey/valetkey/test/harness"
)

// TestRevokedAtAPIs: what ends at the server ends at an API that checks JWTs by
// itself, within five seconds; what doesn't goes on.
func TestRevokedAtAPIs(t *testing.T) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			srv := harness.Start(t, setup(database(t)))
			if err := harness.Populate(srv); err != nil {
				t.Fatal(err)
			}
			api := resource.New(resource.Config{
				Issuer: srv.URL, Audience: "https://api.example", ClientID: "api", ClientSecret: harness.Secret, Revocations: true, Now: srv.Clock.Now,
			})
			defer api.Close()
			guarded := api.Require("orgs:read")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
			ask := func(token string) int {
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Authorization", "Bearer "+token)
				guarded.ServeHTTP(w, r)
				return w.Code
			}
			bob := bobsToken(t, srv)
			for what, end := range map[string]func(tokens *harness.Answer) error{
				"one token": func(a *harness.Answer) error {
					call(t, srv, "/revoke", "web:"+harness.Secret, one("token", a.String("access_token")))
					return nil
				},
				"the authorization": func(a *harness.Answer) error {
					call(t, srv, "/revoke", "web:"+harness.Secret, one("token", a.String("refresh_token")))
					return nil
				},
				"a password": func(*harness.Answer) error {
					return harness.Operate(srv, []string{"set-password", "ada", harness.Password})
				},
				"a disabled user": func(*harness.Answer) error { return harness.Operate(srv, []string{"disable-user", "ada"}) },
			} {
				if err := harness.Operate(srv, []string{"enable-user", "ada"}); err != nil {
					t.Fatal(err)
				}
				tokens := grant(t, srv, "web", nil)
				access := tokens.String("access_token")
				if code := ask(access); code != http.StatusNoContent {
					t.Fatalf("%s: a good token is %d", what, code)
				}
				if err := end(tokens); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if !soon(5*time.Second, func() bool { return ask(access) == http.StatusUnauthorized }) {
					t.Errorf("%s: the token is good after %s", what, time.Since(began))
				}
			}
			if ask(bob) != http.StatusNoContent {
				t.Error("somebody else's token ended too")
			}
		})
	}
}
