package oauth

import (
	"context"
	"errors"
)

// UserInfoAnswer is an answer of the userinfo endpoint: claims, or a JWT of them.
type UserInfoAnswer struct {
	Claims Claims
	JWT    string // set when the client registered userinfo_signed_response_alg
}

// UserInfo: OpenID Connect Core §5.3. The token must act for a person and
// have been granted openid; its own claims and those of its scopes come back.
func (s *Server) UserInfo(ctx context.Context, call ResourceCall) (*UserInfoAnswer, error) {
	t, err := s.resourceToken(ctx, call)
	if err != nil {
		return nil, err
	}
	if !t.person() || !contains(t.scopes, ScopeOpenID) {
		return nil, newError(CodeInsufficientScope, "the access token was not granted openid").about(ScopeOpenID)
	}
	known, err := s.Users.Claims(ctx, t.subject)
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
	if t.client.UserInfoAlg == "" {
		return &UserInfoAnswer{Claims: claims}, nil
	}
	claims["iss"], claims["aud"] = s.Issuer, t.ClientID // §5.3.2
	token, err := s.signFor(ctx, t.client, t.client.UserInfoAlg, "JWT", claims)
	return &UserInfoAnswer{JWT: token}, err
}

// ResourceCall is a request with an access token to an endpoint of ours.
type ResourceCall struct {
	Token string
	DPoP  bool // it came by scheme DPoP, not Bearer
	Given Credentials
}

// resourceToken checks a token and that its sender holds the key that it is
// bound to: RFC 9449 §7, RFC 8705 §3.
func (s *Server) resourceToken(ctx context.Context, call ResourceCall) (*accessToken, error) {
	t, err := s.liveAccessToken(ctx, call.Token)
	if err != nil {
		return nil, err
	}
	bound := Confirmation{}
	if t.Confirmation != nil {
		bound = *t.Confirmation
	}
	switch {
	case bound.JKT != "" && !call.DPoP:
		return nil, invalidToken("the access token is bound by DPoP and came as a Bearer token")
	case bound.JKT == "" && call.DPoP:
		return nil, invalidToken("the access token is not bound by DPoP")
	case bound.X5T != "" && (len(call.Given.Certificates) == 0 || Thumbprint(call.Given.Certificates[0]) != bound.X5T):
		return nil, invalidToken("the access token is bound to another client certificate")
	case bound.JKT == "":
		return t, nil
	}
	sender, err := s.dpopSender(t.client, call.Given, call.Token)
	switch {
	case err != nil:
		return nil, err
	case sender.JKT != bound.JKT:
		return nil, invalidToken("the access token is bound to another DPoP key")
	}
	return t, s.useProofs(ctx, sender.proofs)
}
