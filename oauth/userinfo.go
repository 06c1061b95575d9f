package oauth

import (
	"context"
	"errors"
)

// UserInfo: OpenID Connect Core §5.3. The token must act for a person and
// have been granted openid; its own claims and those of its scopes come back.
func (s *Server) UserInfo(ctx context.Context, token string) (Claims, error) {
	t, err := s.liveAccessToken(ctx, token)
	if err != nil {
		return nil, err
	}
	if !t.person() || !contains(t.scopes, ScopeOpenID) {
		return nil, newError(CodeInsufficientScope, "the access token was not granted openid").about(ScopeOpenID)
	}
	known, err := s.Users.Claims(ctx, t.Subject)
	if errors.Is(err, ErrNotFound) {
		return nil, invalidToken("the user is gone")
	}
	if err != nil {
		return nil, err
	}
	var wanted map[string]*ClaimRequest
	if t.claims != nil {
		wanted = t.claims.UserInfo
	}
	claims := known.released(t.scopes, wanted)
	claims["sub"] = t.Subject
	return claims, nil
}
