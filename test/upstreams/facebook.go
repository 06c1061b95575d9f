package upstreams

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Facebook is www.facebook.com and graph.facebook.com on one host, of any
// version.
func Facebook(t testing.TB, o Options) *Provider {
	t.Helper()
	d := dialect{
		title: "Facebook", post: true, authorize: "/{version}/dialog/oauth", token: "/{version}/oauth/access_token",
		denied: url.Values{"error_reason": {"user_denied"}, "error_code": {"200"}, "error_description": {"Permissions error"}},
		refuse: func(w http.ResponseWriter, _ *http.Request, code string) {
			number := 100
			if code == "invalid_client" {
				number = 1
			}
			graphError(w, number)
		},
		answer: func(p *Provider, w http.ResponseWriter, _ *http.Request, g grant) {
			send(w, http.StatusOK, map[string]any{"access_token": p.issue(g), "token_type": "bearer", "expires_in": 5183944})
		},
	}
	return start(t, o, d, func(p *Provider) { p.mux.HandleFunc("GET /{version}/me", p.me) })
}

// me: the app is set to require appsecret_proof. Only fields that were asked
// for are answered.
func (p *Provider) me(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g, ok := p.granted(q.Get("access_token"))
	mac := hmac.New(sha256.New, []byte(ClientSecret))
	mac.Write([]byte(q.Get("access_token")))
	if !ok || q.Get("appsecret_proof") != hex.EncodeToString(mac.Sum(nil)) {
		graphError(w, 190)
		return
	}
	all := map[string]any{
		"id": g.person.Subject, "name": g.person.Name, "first_name": g.person.GivenName, "last_name": g.person.FamilyName, "email": g.person.Email,
		"picture": map[string]any{"data": map[string]any{"height": 50, "width": 50, "is_silhouette": false, "url": g.person.Picture}},
	}
	answer := map[string]any{"id": g.person.Subject}
	for field := range strings.SplitSeq(q.Get("fields"), ",") {
		if v, ok := all[field]; ok && v != "" {
			answer[field] = v
		}
	}
	send(w, http.StatusOK, replaced(answer, p.misdeeds().UserInfo))
}

func graphError(w http.ResponseWriter, code int) {
	send(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
		"message": "It isn't right.", "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3",
	}})
}
