package oauth

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/valetkey/valetkey/internal/secret"
)

// sealedCode is what a code carries, so that nothing is stored until it is
// redeemed. The authorization's id makes it once-only.
type sealedCode struct {
	ID           string         `json:"i"`
	ClientID     string         `json:"c"`
	RedirectURI  string         `json:"u"`
	Challenge    string         `json:"h,omitempty"`
	Nonce        string         `json:"n,omitempty"`
	Subject      string         `json:"s"`
	SessionID    string         `json:"d"`
	Scopes       []string       `json:"o,omitempty"`
	Resources    []string       `json:"r,omitempty"`
	Claims       *ClaimsRequest `json:"k,omitempty"`
	Expires      int64          `json:"x"`
	AuthTime     int64          `json:"t"`
	ACR          string         `json:"a,omitempty"`
	AMR          []string       `json:"m,omitempty"`
	UserEpoch    int64          `json:"e"`
	ClientEpoch  int64          `json:"f"`
	ConsentEpoch int64          `json:"g,omitempty"`
	JKT          string         `json:"j,omitempty"` // dpop_jkt
}

// maxCode is how long a code may be in a URL before its content is parked.
const maxCode = 1024

// codeContent is what was agreed, as a code or an approved device carries it.
func (s *Server) codeContent(c *Client, in *Interaction, st Standing, granted []string) ([]byte, error) {
	r := &in.Request
	return json.Marshal(sealedCode{
		ID: secret.NewID(), ClientID: c.ID, RedirectURI: r.RedirectURI, Challenge: r.Challenge, Nonce: r.Nonce,
		Subject: st.Session.Subject, SessionID: st.Session.ID, Scopes: intersect(r.Scopes, granted), Resources: r.Resources,
		Claims: coveredClaims(r, granted), Expires: st.now.Add(s.CodeLifetime).Unix(), AuthTime: st.Session.AuthTime.Unix(),
		ACR: st.Session.ACR, AMR: st.Session.AMR,
		UserEpoch: st.Session.UserEpoch, ClientEpoch: c.Epoch, ConsentEpoch: st.consent.Epoch, JKT: r.JKT,
	})
}

func (s *Server) newCode(ctx context.Context, c *Client, in *Interaction, st Standing, granted []string) (string, error) {
	content, err := s.codeContent(c, in, st, granted)
	if err != nil {
		return "", err
	}
	if code := s.boxes.code.Seal(content, nil); len(code) <= maxCode {
		return code, nil
	}
	handle := secret.New().Reveal()
	if err := s.Store.Park(ctx, handle, content, st.now.Add(s.CodeLifetime)); err != nil {
		return "", err
	}
	return s.boxes.code.Seal([]byte("@"+handle), nil), nil
}

// openCode is the inverse of newCode.
func (s *Server) openCode(ctx context.Context, code string) (*sealedCode, error) {
	content, err := s.boxes.code.Open(code, nil)
	if err != nil {
		return nil, invalidGrant("code is not valid").about("code").because(err)
	}
	if len(content) > 0 && content[0] == '@' {
		content, err = s.Store.Parked(ctx, string(content[1:]))
		if errors.Is(err, ErrNotFound) {
			return nil, invalidGrant("code has expired").about("code")
		}
		if err != nil {
			return nil, err
		}
	}
	var sealed sealedCode
	if err := json.Unmarshal(content, &sealed); err != nil {
		return nil, err
	}
	return &sealed, nil
}

// coveredClaims keeps the claims request as far as the person agreed to the
// scopes that its claims belong to.
func coveredClaims(r *AuthorizationRequest, granted []string) *ClaimsRequest {
	if r.Claims == nil {
		return nil
	}
	kept := &ClaimsRequest{UserInfo: map[string]*ClaimRequest{}, IDToken: map[string]*ClaimRequest{}}
	for scope, names := range scopeClaims {
		if !contains(granted, scope) {
			continue
		}
		for _, n := range names {
			keepClaim(kept.UserInfo, r.Claims.UserInfo, n)
			keepClaim(kept.IDToken, r.Claims.IDToken, n)
		}
	}
	for _, n := range []string{"acr", "auth_time", "sub"} {
		keepClaim(kept.IDToken, r.Claims.IDToken, n)
	}
	return kept
}

func keepClaim(into, from map[string]*ClaimRequest, name string) {
	if want, ok := from[name]; ok {
		into[name] = want
	}
}
