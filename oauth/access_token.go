package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/secret"
)

// accessClaims are an access token's content: RFC 9068 §2.2 as a JWT, the same
// in a sealed envelope when it is opaque.
type accessClaims struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jose.Audience    `json:"aud"`
	ClientID string           `json:"client_id"`
	Expires  jose.NumericDate `json:"exp"`
	IssuedAt jose.NumericDate `json:"iat"`
	ID       string           `json:"jti"`
	Scope    string           `json:"scope,omitempty"`
	AuthTime jose.NumericDate `json:"auth_time,omitempty"`
	ACR      string           `json:"acr,omitempty"`
	AMR      []string         `json:"amr,omitempty"`
	Epoch    int64            `json:"epoch,omitempty"` // the client's, in its own tokens and those it got by exchange; a person's hang off their authorization

	Confirmation *Confirmation   `json:"cnf,omitempty"`
	Actor        json.RawMessage `json:"act,omitempty"`
}

// clientSubject keeps the sub of a client's own tokens apart from every
// person's: RFC 9068 §5, RFC 9700 §4.15. A person's sub has no colon.
const clientSubject = "client:"

// newAccessToken: the jti names the authorization that the token hangs off.
func (s *Server) newAccessToken(ctx context.Context, is issuance, now, expires time.Time) (string, error) {
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return "", err
	}
	a := &is.auth
	claims := accessClaims{
		Issuer: s.Issuer, Subject: is.subject, ClientID: is.client.ID, Scope: joinScope(is.scopes),
		Audience: catalog.audience(s.Issuer, is.resources, is.scopes),
		Expires:  jose.NumericDate(expires.Unix()), IssuedAt: jose.NumericDate(now.Unix()),
		ID: a.ID + "." + secret.NewID(), ACR: a.ACR, AMR: a.AMR, Confirmation: is.sender.cnf(), Actor: is.act,
	}
	switch {
	case a.Subject == "":
		claims.Subject, claims.Epoch = clientSubject+is.client.ID, is.client.Epoch
	case !a.AuthTime.IsZero():
		claims.AuthTime = jose.NumericDate(a.AuthTime.Unix())
	}
	if a.ClientID != is.client.ID { // by exchange
		claims.Epoch = is.client.Epoch
	}
	if is.client.TokenFormat == FormatOpaque {
		content, err := json.Marshal(claims)
		return s.boxes.access.Seal(content, nil), err
	}
	content, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	key, err := s.Keys.Signer(ctx, jose.ES256)
	if err != nil {
		return "", err
	}
	return key.Sign("at+jwt", content)
}

// accessToken is a token that was found good, with the record it hangs off.
type accessToken struct {
	accessClaims
	scopes  []string // what is left of them
	claims  *ClaimsRequest
	client  *Client
	subject string // the person's own; Subject may be pairwise
}

// person says whether the token acts for somebody and not for the client itself.
func (t *accessToken) person() bool { return !strings.HasPrefix(t.Subject, clientSubject) }

func (t *accessToken) authorizationID() string {
	id, _, _ := strings.Cut(t.ID, ".")
	return id
}

// openAccessToken reads an access token that we made. It knows two forms and
// no third, so that no other kind of token passes: RFC 9068 §4.
func (s *Server) openAccessToken(ctx context.Context, token string) (*accessToken, error) {
	var t accessToken
	content, decode, err := s.accessContent(ctx, token)
	if err == nil {
		err = decode(content, &t.accessClaims)
	}
	if err != nil {
		return nil, invalidToken("the access token is not valid").because(err)
	}
	if t.Issuer != s.Issuer || t.ID == "" || t.Subject == "" {
		return nil, invalidToken("the access token is not valid")
	}
	return &t, nil
}

// accessContent also says how to read it: what we sealed nobody else has written,
// so that it needs no strictness.
func (s *Server) accessContent(ctx context.Context, token string) (content []byte, decode func([]byte, any) error, err error) {
	if strings.HasPrefix(token, "at_") {
		content, err = s.boxes.access.Open(token, nil)
		return content, json.Unmarshal, err
	}
	content, _, err = jose.Verify(token, []string{"at+jwt"}, []jose.Alg{jose.ES256}, s.ownKeys(ctx, token))
	return content, jose.Decode, err
}

// liveAccessToken opens a token and looks whether it still stands: its time,
// its own revocation, its client, and the authorization with every epoch.
func (s *Server) liveAccessToken(ctx context.Context, token string) (*accessToken, error) {
	t, err := s.openAccessToken(ctx, token)
	if err != nil {
		return nil, err
	}
	if s.Now().Unix() >= int64(t.Expires) {
		return nil, invalidToken("the access token has expired")
	}
	t.client, err = s.Store.Client(ctx, t.ClientID)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && t.client.Disabled:
		return nil, invalidToken("the access token has been revoked")
	case err != nil:
		return nil, err
	case t.Epoch != t.client.Epoch && (t.Epoch != 0 || !t.person()):
		return nil, invalidToken("the access token has been revoked")
	}
	return s.stillAuthorized(ctx, t)
}

func (s *Server) stillAuthorized(ctx context.Context, t *accessToken) (*accessToken, error) {
	scopes, _ := parseScope(t.Scope)
	if t.scopes = scopes; !t.person() {
		revoked, err := s.Store.TokenRevoked(ctx, t.ID)
		if err == nil && revoked {
			err = invalidToken("the access token has been revoked")
		}
		return t, err
	}
	auth, err := s.Store.TokenAuthorization(ctx, t.authorizationID(), t.ID)
	switch {
	case errors.Is(err, ErrEnded):
		return nil, invalidToken("the access token has been revoked")
	case err != nil:
		return nil, err
	}
	t.claims = auth.Claims
	t.scopes = intersect(scopes, auth.Scopes)
	if t.subject = t.Subject; t.client.pairwise() {
		whole, err := s.Store.Authorization(ctx, t.authorizationID())
		t.subject = whole.Subject
		return t, err
	}
	return t, nil
}
