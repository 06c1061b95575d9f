package valetkey_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

// staff is an embedder's own user base.
type staff map[string]string

func (s staff) Authenticate(_ context.Context, username, password string) (string, error) {
	if want, ok := s[username]; !ok || want != password {
		return "", valetkey.ErrWrongPassword
	}
	return "staff-" + username, nil
}

func (s staff) Claims(_ context.Context, subject string) (oauth.Claims, error) {
	name := strings.TrimPrefix(subject, "staff-")
	if _, ok := s[name]; !ok {
		return nil, oauth.ErrNotFound
	}
	return oauth.Claims{"name": name, "email": name + "@corp.example", "email_verified": true}, nil
}

// TestOwnUsers: an embedder's users sign in by their own password, get its
// claims, and stop when they are gone.
func TestOwnUsers(t *testing.T) {
	people := staff{"lise": "uranium fission"}
	srv := harness.Start(t, valetkey.Config{Users: people, Signup: true})
	if _, err := srv.Admin().CreateClient(context.Background(), valetkey.NewClient{ID: "app", Secret: harness.Secret, Metadata: oauth.Metadata{
		Name: "App", Type: oauth.TypeWeb, RedirectURIs: []string{harness.Callback}, Profile: oauth.ProfileCompatible,
	}}); err != nil {
		t.Fatal(err)
	}
	ask := "/authorize?" + url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {harness.Callback}, "scope": {"openid email"}}.Encode()
	b := srv.Browser(t)
	if page, err := b.SignIn(ask, "lise", "wrong password"); err != nil || page.Location != nil {
		t.Fatalf("a wrong password: %v %v", err, page.Location)
	}
	page, err := b.SignIn(ask, "lise", "uranium fission")
	if err != nil || page.Location == nil {
		t.Fatalf("%v %s", err, page.Text())
	}
	token, err := srv.Call("/token", "app:"+harness.Secret, url.Values{
		"grant_type": {"authorization_code"}, "code": {page.Location.Query().Get("code")}, "redirect_uri": {harness.Callback},
	})
	if err != nil || token.Status != http.StatusOK {
		t.Fatalf("%v %+v", err, token)
	}
	info := func() *harness.Answer {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL+"/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token.String("access_token"))
		a, err := harness.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := info(); a.String("sub") != "staff-lise" || a.String("email") != "lise@corp.example" {
		t.Errorf("userinfo: %s", a.Body)
	}
	delete(people, "lise")
	if a := info(); a.Status != http.StatusUnauthorized {
		t.Errorf("a user who is gone: %d %s", a.Status, a.Body)
	}
	// Nobody signs up with a user base that isn't ours.
	if page, err := b.Get("/signup"); err != nil || page.Status != http.StatusNotFound {
		t.Errorf("sign-up: %v %d", err, page.Status)
	}
}

// TestConfig: what can't be served is refused with a reason.
func TestConfig(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(shared, valetkey.NewMasterSecret(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]valetkey.Config{
		"it is missing":             {},
		"must use https":            {Issuer: "http://auth.example"},
		"must not end with a slash": {Issuer: "https://auth.example/"},
		"must not have a path":      {Issuer: "https://auth.example/x"},
		"is not an address":         {Issuer: "auth.example"},
		"master-secret-file":        {Issuer: "https://auth.example", Database: "postgres://localhost/x"},
		"can be read by others":     {Issuer: "https://auth.example", MasterSecretFile: shared},
		"not a name of printable":   {Issuer: "https://auth.example", Scopes: []oauth.Scope{{Name: "two words"}}},
		"sqlite":                    {Issuer: "https://auth.example", Database: "mysql:x", MasterSecret: valetkey.NewMasterSecret()},
	} {
		srv, err := valetkey.New(context.Background(), c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
		if err == nil {
			_ = srv.Close()
		}
	}
}
