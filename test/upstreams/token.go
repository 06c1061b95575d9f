package upstreams

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// redeem: RFC 6749 §4.1.3. A code is gone when it was tried, rightly or not.
func (p *Provider) redeem(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	code := r.PostForm.Get("code")
	g, known := p.grants[code]
	delete(p.grants, code)
	p.mu.Unlock()
	challenge := g.request.Get("code_challenge")
	switch {
	case !p.knows(r):
		p.dialect.refuse(w, r, "invalid_client")
	case r.PostForm.Get("grant_type") != "authorization_code" && p.dialect.title != "GitHub" && p.dialect.title != "Facebook":
		p.dialect.refuse(w, r, "unsupported_grant_type")
	case !known, r.PostForm.Get("redirect_uri") != g.request.Get("redirect_uri"):
		p.dialect.refuse(w, r, "invalid_grant")
	case challenge != "" && s256(r.PostForm.Get("code_verifier")) != challenge, challenge == "" && r.PostForm.Has("code_verifier"):
		p.dialect.refuse(w, r, "invalid_grant")
	default:
		p.dialect.answer(p, w, r, g)
	}
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// knows looks at the app's id and secret, in the one place or the other (RFC
// 6749 §2.3.1).
func (p *Provider) knows(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if !basic {
		return p.dialect.post && r.PostForm.Get("client_id") == ClientID && r.PostForm.Get("client_secret") == ClientSecret
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	return p.dialect.basic && err1 == nil && err2 == nil && id == ClientID && secret == ClientSecret && !r.PostForm.Has("client_secret")
}

// issue makes an access token.
func (p *Provider) issue(g grant) string {
	token := "at-" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens[token] = g
	return token
}

// bearer finds whose access token a request brings: RFC 6750 §2.1.
func (p *Provider) bearer(r *http.Request) (grant, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return p.granted(token)
}

func (p *Provider) granted(token string) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.tokens[token]
	return g, ok
}

// AccessToken makes a token as another app of the provider's would have one.
func (p *Provider) AccessToken(username string) string {
	person, _ := p.person(username)
	return p.issue(grant{person: person, request: url.Values{"client_id": {"another-app"}}})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse: RFC 6749 §5.2.
func refuse(w http.ResponseWriter, _ *http.Request, code string) {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	send(w, status, map[string]any{"error": code, "error_description": "It isn't right."})
}
