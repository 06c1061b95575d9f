package resource_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/resource"
)

// grant makes an opaque token that the server knows.
func (s *authServer) grant(token string, changes map[string]any) string {
	claims := s.with(map[string]any{"active": true, "token_type": "Bearer"})
	for name, v := range changes {
		if v == nil {
			delete(claims, name)
		} else {
			claims[name] = v
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opaque[token] = claims
	return token
}

func (s *authServer) revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inactive[token] = true
}

// Case 090 among others: an active refresh token is no access token.
func Test090OpaqueTokens(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting)
	tests := []struct {
		name    string
		changes map[string]any
		want    string
	}{
		{"good", nil, "200"},
		{"little said", map[string]any{"iss": nil, "exp": nil, "iat": nil, "jti": nil, "client_id": nil, "token_type": nil}, "200"},
		{"inactive", map[string]any{"active": false}, "401 invalid_token"},
		{"another audience", map[string]any{"aud": "https://other.example.com"}, "401 invalid_token"},
		{"no audience", map[string]any{"aud": nil}, "401 invalid_token"},
		{"another issuer", map[string]any{"iss": "https://evil.example.com"}, "401 invalid_token"},
		{"expired", map[string]any{"exp": start.Unix() - 60}, "401 invalid_token"},
		{"a refresh token", map[string]any{"token_type": "refresh_token"}, "401 invalid_token"},
		{"bound to a key", map[string]any{"token_type": "DPoP", "cnf": map[string]any{"jkt": "x"}}, "401 invalid_token"},
		{"bound to a key, as Bearer", map[string]any{"cnf": map[string]any{"jkt": "x"}}, "401 invalid_token"},
		{"no scope", map[string]any{"scope": nil}, "403 insufficient_scope"},
	}
	for i, tt := range tests {
		if got := bearer(api, s.grant(fmt.Sprintf("at_%d", i), tt.changes)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := bearer(api, "at_unknown"); got != "401 invalid_token" {
		t.Errorf("unknown: %s", got)
	}
	if got := bearer(api, s.token(t, nil)); got != "200" || s.fetches.Load() != 1 {
		t.Errorf("a JWT: %s", got)
	}
	before := s.questions.Load()
	bearer(api, s.token(t, map[string]any{"aud": "x"}))
	if s.questions.Load() != before {
		t.Error("a JWT that was refused is asked about")
	}
	if got := bearer(s.api(t, c), s.grant("at_x", nil)); got != "401 invalid_token" {
		t.Errorf("without introspection: %s", got)
	}
}

// What isn't an answer says nothing about the token: 503.
func TestOddIntrospectionAnswers(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting)
	for i, raw := range []string{`{}`, `[]`, `null`, `<html>`, ``, `{"active":"true"}`, `{"active":1}`, `{"active":null}`, `{"active":true,"active":false}`, `{"active":true,"exp":"x"}`, `{"Active":true}`} {
		token := fmt.Sprintf("at_raw%d", i)
		s.raw[token] = raw
		if got := bearer(api, token); got != "503" {
			t.Errorf("%s: %s", raw, got)
		}
	}
	s.raw["at_more"] = `{"active":false,"exp":"x"}`
	if got := bearer(api, "at_more"); got != "401 invalid_token" {
		t.Errorf("inactive with more: %s", got)
	}
	wrong := s.api(t, c, func(c *resource.Config) { c.ClientID, c.ClientSecret = "api:1", "wrong" })
	if got := bearer(wrong, s.grant("at_1", nil)); got != "503" {
		t.Errorf("with a wrong secret: %s", got)
	}
}

// Revoked is revoked, five seconds later
// at most; an answer is asked for once in that time, by however many.
func TestRevokedTokensDie(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting)
	token := s.grant("at_1", nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := bearer(api, token); got != "200" {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	if n := s.questions.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
	s.revoke(token)
	c.advance(4 * time.Second)
	if got := bearer(api, token); got != "200" {
		t.Errorf("within the cache's time: %s", got)
	}
	c.advance(time.Second)
	if got := bearer(api, token); got != "401 invalid_token" {
		t.Errorf("after it: %s", got)
	}

	never := s.api(t, c, introspecting, func(c *resource.Config) { c.IntrospectionCache = -1 })
	token = s.grant("at_2", nil)
	bearer(never, token)
	s.revoke(token)
	if got := bearer(never, token); got != "401 invalid_token" {
		t.Errorf("without a cache: %s", got)
	}
}

// A token that is remembered still expires in time.
func TestRememberedTokenExpires(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting, func(c *resource.Config) { c.IntrospectionCache, c.Leeway = time.Hour, -1 })
	token := s.grant("at_1", map[string]any{"exp": start.Unix() + 10})
	if got := bearer(api, token); got != "200" {
		t.Fatal(got)
	}
	c.advance(10 * time.Second)
	if got := bearer(api, token); got != "401 invalid_token" || s.questions.Load() != 1 {
		t.Errorf("%s after %d questions", got, s.questions.Load())
	}
}

func TestIntrospectionServerDown(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting)
	token := s.grant("at_1", nil)
	bearer(api, token)
	s.down.Store(true)
	if got := bearer(api, token); got != "200" {
		t.Errorf("remembered: %s", got)
	}
	c.advance(5 * time.Second)
	if got := bearer(api, token); got != "503" {
		t.Errorf("forgotten: %s", got)
	}
	s.down.Store(false)
	if got := bearer(api, token); got != "200" {
		t.Errorf("up again: %s", got)
	}
	if _, err := api.Validate(t.Context(), token); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := api.Validate(ctx, "at_new"); !errors.Is(err, context.Canceled) && !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("given up: %v", err)
	}
}

// RFC 8705 §3: a token bound to a certificate needs it on the connection.
func TestCertificateBound(t *testing.T) {
	s, c := newAuthServer(t), &clock{}
	api := s.api(t, c, introspecting)
	cert, other := &x509.Certificate{Raw: []byte("a certificate")}, &x509.Certificate{Raw: []byte("another")}
	sum := sha256.Sum256(cert.Raw)
	bound := map[string]any{"cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}}
	tokens := map[string]string{"JWT": s.token(t, bound), "opaque": s.grant("at_bound", bound)}
	for kind, token := range tokens {
		for want, certs := range map[string][]*x509.Certificate{"200": {cert}, "401 invalid_token": {other}} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			r.TLS = &tls.ConnectionState{PeerCertificates: certs}
			if got := answer(api, r); got != want {
				t.Errorf("%s with %s: %s, want %s", kind, certs[0].Raw, got, want)
			}
		}
		if got := bearer(api, token); got != "401 invalid_token" {
			t.Errorf("%s with none: %s", kind, got)
		}
	}
}
