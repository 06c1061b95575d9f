package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// idTokenClaims: OpenID Connect Core §2.
type idTokenClaims struct {
	Issuer     string           `json:"iss"`
	Subject    string           `json:"sub"`
	Audience   jose.Audience    `json:"aud"`
	Authorized string           `json:"azp,omitempty"`
	Expires    jose.NumericDate `json:"exp"`
	IssuedAt   jose.NumericDate `json:"iat"`
	AuthTime   jose.NumericDate `json:"auth_time,omitempty"`
	Nonce      string           `json:"nonce,omitempty"`
	ACR        string           `json:"acr,omitempty"`
	AMR        []string         `json:"amr,omitempty"`
	SessionID  string           `json:"sid,omitempty"`
	ATHash     string           `json:"at_hash,omitempty"`
}

// newIDToken: OpenID Connect Core §2, §3.1.3.6. Claims of scopes go to
// userinfo; here are those that the claims parameter asked for, §5.5.
func (s *Server) newIDToken(ctx context.Context, is issuance, access string, now time.Time) (string, error) {
	key, err := s.Keys.Signer(ctx, is.client.idTokenAlg())
	if err != nil {
		return "", err
	}
	a := &is.auth
	claims := idTokenClaims{
		Issuer: s.Issuer, Subject: is.subject, Audience: jose.Audience{is.client.ID}, Authorized: is.client.ID,
		Expires: jose.NumericDate(now.Add(s.IDTokenLifetime).Unix()), IssuedAt: jose.NumericDate(now.Unix()),
		AuthTime: jose.NumericDate(a.AuthTime.Unix()), Nonce: is.nonce, ACR: a.ACR, AMR: a.AMR, SessionID: a.SessionID,
		ATHash: jose.HalfHash(key.Alg(), access),
	}
	content, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if a.Claims != nil && len(a.Claims.IDToken) > 0 {
		if content, err = s.withClaims(ctx, content, a); err != nil {
			return "", err
		}
	}
	return key.Sign("JWT", content)
}

// withClaims adds what the claims parameter asked to find in the ID token.
func (s *Server) withClaims(ctx context.Context, content []byte, a *Authorization) ([]byte, error) {
	known, err := s.Users.Claims(ctx, a.Subject)
	if errors.Is(err, ErrNotFound) {
		return nil, invalidGrant("the user is gone")
	}
	if err != nil {
		return nil, err
	}
	all := Claims{}
	if err := json.Unmarshal(content, &all); err != nil {
		return nil, err
	}
	for name, value := range known.released(nil, a.Claims.IDToken) {
		all[name] = value
	}
	return json.Marshal(all)
}

// ownKeys are those by which we accept a token that claims to be ours. Its kid
// is a hint to look again whether another node has just made that key.
func (s *Server) ownKeys(ctx context.Context, token string) []jose.PublicKey {
	kid, _, err := jose.KeyID(token)
	if err != nil {
		return nil
	}
	return s.Keys.PublicFor(ctx, kid)
}

// openIDTokenHint verifies an ID token of ours, expired or not: OpenID Connect
// Core §3.1.2.1, RP-Initiated Logout §4.
func (s *Server) openIDTokenHint(ctx context.Context, token string) (idTokenClaims, error) {
	var claims idTokenClaims
	algs := make([]jose.Alg, len(idTokenAlgs))
	for i, a := range idTokenAlgs {
		algs[i] = jose.Alg(a)
	}
	content, _, err := jose.Verify(token, []string{"JWT"}, algs, s.ownKeys(ctx, token))
	if err != nil {
		return claims, err
	}
	if err := jose.Decode(content, &claims); err != nil {
		return claims, err
	}
	// Signed userinfo has neither time, so it is no ID token.
	if claims.Issuer != s.Issuer || claims.Subject == "" || len(claims.Audience) == 0 || claims.Expires == 0 || claims.IssuedAt == 0 {
		return claims, errors.New("not an ID token of this issuer")
	}
	return claims, nil
}
