package upstreams

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// X is x.com and api.x.com on one host. It insists on PKCE and tells no
// address.
func X(t testing.TB, o Options) *Provider {
	t.Helper()
	d := dialect{
		title: "X", basic: true, pkce: true, refuse: refuseX, authorize: "/i/oauth2/authorize", token: "/2/oauth2/token",
		answer: func(p *Provider, w http.ResponseWriter, _ *http.Request, g grant) {
			send(w, http.StatusOK, map[string]any{"token_type": "bearer", "expires_in": 7200, "access_token": p.issue(g), "scope": g.request.Get("scope")})
		},
	}
	return start(t, o, d, func(p *Provider) {
		p.mux.HandleFunc("GET /2/users/me", func(w http.ResponseWriter, r *http.Request) {
			g, ok := p.bearer(r)
			scopes := strings.Fields(g.request.Get("scope"))
			switch {
			case !ok:
				send(w, http.StatusUnauthorized, map[string]any{"title": "Unauthorized", "status": http.StatusUnauthorized})
			case !slices.Contains(scopes, "users.read") || !slices.Contains(scopes, "tweet.read"):
				send(w, http.StatusForbidden, map[string]any{"title": "Forbidden", "status": http.StatusForbidden})
			default:
				data := map[string]any{"id": g.person.Subject, "name": g.person.Name, "username": g.person.Username}
				if strings.Contains(r.URL.Query().Get("user.fields"), "profile_image_url") {
					data["profile_image_url"] = g.person.Picture
				}
				send(w, http.StatusOK, replaced(map[string]any{"data": data}, p.misdeeds().UserInfo))
			}
		})
	})
}

func refuseX(w http.ResponseWriter, _ *http.Request, code string) {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		code, status = "unauthorized_client", http.StatusUnauthorized
	}
	if code == "invalid_grant" {
		code = "invalid_request"
	}
	send(w, status, map[string]any{"error": code, "error_description": "Value passed for the authorization code was invalid."})
}
