package upstreams

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// OIDC is a provider such as anybody may run one: /.well-known/…, /authorize,
// /token, /jwks, /userinfo, /logout.
func OIDC(t testing.TB, o Options) *Provider {
	t.Helper()
	d := dialect{
		title: "Example ID", basic: true, post: true, refuse: refuse, authorize: "/authorize", token: "/token",
		answer: func(p *Provider, w http.ResponseWriter, _ *http.Request, g grant) { p.answerOIDC(w, g, p.URL, nil) },
	}
	return start(t, o, d, func(p *Provider) {
		p.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			p.sendMetadata(w, map[string]any{
				"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
				"userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/logout",
			})
		})
		p.mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { send(w, http.StatusOK, p.jwks()) })
		p.mux.HandleFunc("GET /userinfo", p.userInfo)
		p.mux.HandleFunc("GET /logout", p.logout)
	})
}

// sendMetadata: OpenID Connect Discovery §3.
func (p *Provider) sendMetadata(w http.ResponseWriter, own map[string]any) {
	common := map[string]any{
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid", "email", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"}, "code_challenge_methods_supported": []string{"S256"},
	}
	send(w, http.StatusOK, replaced(replaced(common, own), p.misdeeds().Metadata))
}

func (p *Provider) answerOIDC(w http.ResponseWriter, g grant, issuer string, more map[string]any) {
	wrong := p.misdeeds()
	access := p.issue(g)
	body := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 3599, "scope": g.request.Get("scope")}
	if !wrong.NoToken {
		body["id_token"] = p.idToken(g, issuer, access, more, wrong)
	}
	send(w, http.StatusOK, body)
}

// idToken: OpenID Connect Core §2, §3.1.3.6.
func (p *Provider) idToken(g grant, issuer, access string, more map[string]any, wrong Wrong) string {
	now := p.now()
	claims := map[string]any{
		"iss": issuer, "aud": ClientID, "sub": g.person.Subject, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"at_hash": atHash(wrong.Alg, access), "sid": "session-of-" + g.person.Username,
	}
	if nonce := g.request.Get("nonce"); nonce != "" {
		claims["nonce"] = nonce
	}
	if g.request.Get("max_age") != "" || g.request.Get("prompt") == "login" {
		claims["auth_time"] = now.Unix()
	}
	claims = replaced(replaced(replaced(claims, g.person.claims(g.request)), more), wrong.IDToken)
	k := p.key()
	if wrong.OtherKey {
		published := k.id
		k = newKey(published)
	}
	alg := wrong.Alg
	if alg == "" {
		alg = "RS256"
	}
	typ := wrong.Typ
	if typ == "" {
		typ = "JWT"
	}
	return k.sign(alg, typ, claims)
}

func atHash(alg, access string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(access))
		return b64.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(access))
	return b64.EncodeToString(sum[:16])
}

// claims are a person's, as far as the scopes go (OpenID Connect Core §5.4).
func (person Person) claims(request url.Values) map[string]any {
	scopes := strings.Fields(request.Get("scope"))
	claims := map[string]any{}
	if slices.Contains(scopes, "profile") {
		for name, v := range map[string]string{
			"name": person.Name, "given_name": person.GivenName, "family_name": person.FamilyName,
			"preferred_username": person.Username, "picture": person.Picture,
		} {
			if v != "" {
				claims[name] = v
			}
		}
	}
	if slices.Contains(scopes, "email") && person.Email != "" {
		claims["email"], claims["email_verified"] = person.Email, person.EmailVerified
	}
	if person.Groups != nil {
		claims["groups"] = person.Groups
	}
	return replaced(claims, person.Claims)
}

func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	g, ok := p.bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	claims := replaced(g.person.claims(g.request), map[string]any{"sub": g.person.Subject})
	send(w, http.StatusOK, replaced(claims, p.misdeeds().UserInfo))
}

// logout: OpenID Connect RP-Initiated Logout §2, without asking.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.SignedIn("")
	back := q.Get("post_logout_redirect_uri")
	if back == "" {
		_, _ = w.Write([]byte("signed out"))
		return
	}
	http.Redirect(w, r, back+"?"+url.Values{"state": {q.Get("state")}}.Encode(), http.StatusFound)
}

// LogoutToken makes one (OpenID Connect Back-Channel Logout §2.4) with other
// claims where wrong has them. alg is RS256 when empty.
func (p *Provider) LogoutToken(username, alg, typ string, wrong map[string]any) string {
	person, _ := p.person(username)
	if alg == "" {
		alg = "RS256"
	}
	now := p.now()
	return p.key().sign(alg, typ, replaced(map[string]any{
		"iss": p.URL, "aud": ClientID, "sub": person.Subject, "sid": "session-of-" + username, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, wrong))
}
