package upstreams

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// GitHub is github.com and api.github.com on one host. Its issuer is URL +
// "/login/oauth". Person.Claims["emails"] may list more addresses.
func GitHub(t testing.TB, o Options) *Provider {
	t.Helper()
	d := dialect{
		title: "GitHub", post: true, refuse: refuseGitHub, authorize: "/login/oauth/authorize", token: "/login/oauth/access_token",
		iss: func(p *Provider) string { return p.URL + "/login/oauth" },
		answer: func(p *Provider, w http.ResponseWriter, r *http.Request, g grant) {
			sendGitHub(w, r, url.Values{"access_token": {p.issue(g)}, "token_type": {"bearer"}, "scope": {strings.ReplaceAll(g.request.Get("scope"), " ", ",")}})
		},
	}
	return start(t, o, d, func(p *Provider) {
		p.mux.HandleFunc("GET /user", func(w http.ResponseWriter, r *http.Request) {
			if g, ok := p.caller(w, r); ok {
				send(w, http.StatusOK, replaced(map[string]any{
					"login": g.person.Username, "id": json.Number(g.person.Subject), "node_id": "U_" + g.person.Subject, "name": g.person.Name,
					"avatar_url": g.person.Picture, "html_url": "https://github.com/" + g.person.Username, "blog": "", "email": nil,
				}, p.misdeeds().UserInfo))
			}
		})
		p.mux.HandleFunc("GET /user/emails", func(w http.ResponseWriter, r *http.Request) {
			if g, ok := p.caller(w, r); ok {
				send(w, http.StatusOK, []map[string]any{
					{"email": g.person.Username + "@users.noreply.github.com", "primary": false, "verified": true, "visibility": nil},
					{"email": g.person.Email, "primary": true, "verified": g.person.EmailVerified, "visibility": "private"},
				})
			}
		})
	})
}

// caller: the API wants a token and a User-Agent.
func (p *Provider) caller(w http.ResponseWriter, r *http.Request) (grant, bool) {
	g, ok := p.bearer(r)
	switch {
	case r.UserAgent() == "":
		send(w, http.StatusForbidden, map[string]any{"message": "Request forbidden by administrative rules."})
	case !ok:
		send(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
	default:
		return g, true
	}
	return g, false
}

// sendGitHub answers as a form, or as JSON for who asks for it.
func sendGitHub(w http.ResponseWriter, r *http.Request, answer url.Values) {
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(answer.Encode()))
		return
	}
	body := map[string]any{}
	for name := range answer {
		body[name] = answer.Get(name)
	}
	send(w, http.StatusOK, body)
}

// refuseGitHub: with status 200, and names of its own.
func refuseGitHub(w http.ResponseWriter, r *http.Request, code string) {
	own := map[string]string{"invalid_client": "incorrect_client_credentials", "invalid_grant": "bad_verification_code"}[code]
	sendGitHub(w, r, url.Values{"error": {own}, "error_description": {"It isn't right."}})
}
