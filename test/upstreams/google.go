package upstreams

import (
	"net/http"
	"testing"
)

// Google is the provider at accounts.google.com, oauth2.googleapis.com,
// www.googleapis.com and openidconnect.googleapis.com, on one host. Its issuer
// is its URL.
func Google(t testing.TB, o Options) *Provider {
	t.Helper()
	d := dialect{
		title: "Google", basic: true, post: true, refuse: refuse, authorize: "/o/oauth2/v2/auth", token: "/token",
		iss: func(p *Provider) string { return p.URL },
		answer: func(p *Provider, w http.ResponseWriter, _ *http.Request, g grant) {
			// Google's ID tokens have no sid and no preferred_username.
			p.answerOIDC(w, g, p.URL, map[string]any{"azp": ClientID, "sid": Absent, "preferred_username": Absent})
		},
	}
	return start(t, o, d, func(p *Provider) {
		p.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			p.sendMetadata(w, map[string]any{
				"issuer": p.URL, "authorization_endpoint": p.URL + "/o/oauth2/v2/auth", "token_endpoint": p.URL + "/token",
				"jwks_uri": p.URL + "/oauth2/v3/certs", "userinfo_endpoint": p.URL + "/v1/userinfo", "revocation_endpoint": p.URL + "/revoke",
				"authorization_response_iss_parameter_supported": true,
				"token_endpoint_auth_methods_supported":          []string{"client_secret_post", "client_secret_basic"},
			})
		})
		p.mux.HandleFunc("GET /oauth2/v3/certs", func(w http.ResponseWriter, _ *http.Request) { send(w, http.StatusOK, p.jwks()) })
		p.mux.HandleFunc("GET /v1/userinfo", p.userInfo)
	})
}
