package oauth

import (
	"context"
	"encoding/json"
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
	sender    sender
	subject   string          // as this client knows the person; "" for the client itself
	act       json.RawMessage // who acts for the person: RFC 8693 §4.1
	until     time.Time       // no access token lives longer; zero: no such limit
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
	var err error
	if is.subject, err = s.subjectFor(ctx, is.client, is.auth.Subject); err != nil {
		return nil, err
	}
	expires := now.Add(s.AccessLifetime)
	if !is.until.IsZero() && is.until.Before(expires) {
		expires = is.until
	}
	access, err := s.newAccessToken(ctx, is, now, expires)
	if err != nil {
		return nil, err
	}
	answer := &TokenResponse{
		AccessToken: access, TokenType: is.sender.cnf().tokenType(), ExpiresIn: expires.Unix() - now.Unix(), RefreshToken: is.refresh,
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
	if c.Profile == ProfileFAPI2 {
		return jose.PS256
	}
	return jose.RS256
}
