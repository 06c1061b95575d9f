package oauth

import (
	"context"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// issuance is what a grant asks to be made. issue and renew alone make tokens.
type issuance struct {
	client    *Client
	auth      Authorization // as it will be, or is, stored
	scopes    []string      // of the access token; within auth.Scopes
	resources []string
	nonce     string
	refresh   string
}

// issue records a new authorization and answers with its tokens: first the
// tokens, so that what fails leaves nothing behind, then one durable write.
func (s *Server) issue(ctx context.Context, is issuance) (*TokenResponse, error) {
	answer, err := s.tokens(ctx, is)
	if err != nil {
		return nil, err
	}
	if err := s.Store.Issue(ctx, is.auth); err != nil {
		return nil, err
	}
	return answer, nil
}

// tokens makes every token of an answer.
func (s *Server) tokens(ctx context.Context, is issuance) (*TokenResponse, error) {
	now := s.Now()
	access, err := s.newAccessToken(ctx, is, now)
	if err != nil {
		return nil, err
	}
	answer := &TokenResponse{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(s.AccessLifetime / time.Second), RefreshToken: is.refresh,
	}
	if scope := joinScope(is.scopes); scope != "" {
		answer.Scope = &scope
	}
	if contains(is.scopes, ScopeOpenID) {
		answer.IDToken, err = s.newIDToken(ctx, is, access, now)
	}
	return answer, err
}

// mayRefresh: CONTRACT §4, decision 5. Plain OAuth, or offline_access granted
// on a consent page, now or remembered.
func mayRefresh(c *Client, scopes []string) bool {
	return c.mayUse(GrantRefreshToken) && (!contains(scopes, ScopeOpenID) || contains(scopes, ScopeOfflineAccess))
}

// idTokenAlg: OpenID Connect Registration §2, RS256 unless registered otherwise.
func (c *Client) idTokenAlg() jose.Alg {
	if c.IDTokenAlg != "" && slices.Contains(idTokenAlgs, c.IDTokenAlg) {
		return jose.Alg(c.IDTokenAlg)
	}
	return jose.RS256
}
