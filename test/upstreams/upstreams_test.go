package upstreams

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// What a browser meets: a button a person, and one that says no.
func TestPage(t *testing.T) {
	for _, tt := range []struct {
		p    *Provider
		path string
	}{
		{OIDC(t, Options{}), "/authorize"},
		{Google(t, Options{}), "/o/oauth2/v2/auth"},
		{Microsoft(t, Options{}), "/common/oauth2/v2.0/authorize"},
		{GitHub(t, Options{}), "/login/oauth/authorize"},
		{Facebook(t, Options{}), "/v23.0/dialog/oauth"},
		{X(t, Options{}), "/i/oauth2/authorize"},
	} {
		q := url.Values{
			"client_id": {ClientID}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "state": {"s"},
			"code_challenge": {s256("v")}, "code_challenge_method": {"S256"},
		}
		address := tt.p.URL + tt.path + "?" + q.Encode()
		_, body := get(t, address)
		for _, want := range []string{`id="person-alice"`, `id="person-bob"`, `id="deny"`, "<form method=\"post\">"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in %s", tt.path, want, body)
			}
		}
		back, err := tt.p.Browse(address, "alice")
		if err != nil || back.Get("code") == "" || back.Get("state") != "s" {
			t.Errorf("%s: %v, %v", tt.path, back, err)
		}
		if back, err := tt.p.Browse(address, ""); err != nil || back.Get("error") != "access_denied" || back.Get("state") != "s" {
			t.Errorf("%s: %v, %v", tt.path, back, err)
		}
		if resp, _ := get(t, address+"&prompt=none"); !strings.Contains(resp.Header.Get("Location"), "error=login_required") {
			t.Errorf("%s: prompt=none: %v", tt.path, resp.Header)
		}
		tt.p.SignedIn("bob")
		if resp, _ := get(t, address); !strings.Contains(resp.Header.Get("Location"), "code=") {
			t.Errorf("%s: signed in: %v", tt.path, resp.Header)
		}
		q.Set("client_id", "another-app")
		if resp, _ := get(t, tt.p.URL+tt.path+"?"+q.Encode()); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: another app: %s", tt.path, resp.Status)
		}
	}
}

// GitHub answers as a form, unless JSON is asked for.
func TestGitHubForm(t *testing.T) {
	for accept, want := range map[string]string{"": "access_token=x", "application/json": `"access_token":"x"`} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Accept", accept)
		sendGitHub(w, r, url.Values{"access_token": {"x"}})
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %s", accept, w.Body)
		}
	}
}
