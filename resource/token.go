package resource

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Token is what a good access token says.
type Token struct {
	// Subject is who the token acts for. It is unique for this Issuer only. For
	// a client that acts for itself, Valet Key writes "client:" and its id.
	Subject  string
	ClientID string
	Scopes   []string
	Audience []string
	Issuer   string
	ID       string // jti; may be empty for an introspected token
	Expires  time.Time
	AuthTime time.Time // when the user signed in; zero if not told
	ACR      string    // how they did (RFC 9470)
	AMR      []string  // by what means (RFC 8176)
	// Confirmation is what the token is bound to. The request has proven it.
	Confirmation Confirmation
	// Actor is who acts for Subject, nil when Subject acts itself (RFC 8693 §4.1).
	Actor *Actor
	// Claims are all members, as encoding/json reads them.
	Claims map[string]any
}

// Has tells whether the token was granted a scope.
func (t *Token) Has(scope string) bool { return slices.Contains(t.Scopes, scope) }

func (t *Token) permits(scopes []string) error {
	for _, s := range scopes {
		if !t.Has(s) {
			return insufficientScope(scopes)
		}
	}
	return nil
}

// Confirmation is cnf (RFC 7800 §3.1). Both are empty for a plain bearer token.
type Confirmation struct {
	KeyThumbprint         string // jkt, of a DPoP key (RFC 9449 §6)
	CertificateThumbprint string // x5t#S256, of a client certificate (RFC 8705 §3.1)
}

// Actor is act (RFC 8693 §4.1). Only the outermost is who acts now; those
// inside acted before.
type Actor struct {
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
	Issuer   string `json:"iss"` // "" for the token's own
	Actor    *Actor `json:"act"`
}

type tokenKey struct{}

// FromContext returns the token of a request behind Require, and nil for any
// other.
func FromContext(ctx context.Context) *Token {
	t, _ := ctx.Value(tokenKey{}).(*Token)
	return t
}

// claims are RFC 9068 §2.2 and RFC 7662 §2.2, which share their names.
type claims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jose.Audience    `json:"aud"`
	ClientID  string           `json:"client_id"`
	Expires   jose.NumericDate `json:"exp"`
	NotBefore jose.NumericDate `json:"nbf"`
	IssuedAt  jose.NumericDate `json:"iat"`
	ID        string           `json:"jti"`
	Scope     string           `json:"scope"`
	AuthTime  jose.NumericDate `json:"auth_time"`
	ACR       string           `json:"acr"`
	AMR       []string         `json:"amr"`
	Actor     *Actor           `json:"act"`
	Confirm   *confirmation    `json:"cnf"`

	Active    bool   `json:"active"`     // introspection only
	TokenType string `json:"token_type"` // introspection only
}

// confirmation is RFC 7800 §3.1: what the bearer must prove to hold.
type confirmation struct {
	Certificate string `json:"x5t#S256"` // RFC 8705 §3.1
	KeyHash     string `json:"jkt"`      // RFC 9449 §6
}

func (c *claims) token(all map[string]any) *Token {
	t := &Token{
		Subject: c.Subject, ClientID: c.ClientID, Scopes: strings.Fields(c.Scope), Audience: c.Audience,
		Issuer: c.Issuer, ID: c.ID, Expires: time.Unix(int64(c.Expires), 0), ACR: c.ACR, AMR: c.AMR,
		Actor: c.Actor, Claims: all,
	}
	if c.Confirm != nil {
		t.Confirmation = Confirmation{KeyThumbprint: c.Confirm.KeyHash, CertificateThumbprint: c.Confirm.Certificate}
	}
	if c.AuthTime > 0 {
		t.AuthTime = time.Unix(int64(c.AuthTime), 0)
	}
	return t
}

// validate takes one of two ways by the token's form, never one after the
// other: a JWT that was refused is not asked about.
func (a *API) validate(ctx context.Context, token string, by caller) (*Token, error) {
	if a.wrong != nil {
		return nil, unavailable(a.wrong)
	}
	kid, alg, err := jose.KeyID(token)
	switch {
	case err == nil && !slices.Contains(a.algs, alg): // before a made-up kid causes a fetch
		return nil, invalidToken("the access token's signature algorithm isn't accepted", nil)
	case err == nil:
		return a.validateJWT(ctx, token, kid, by)
	case a.introspects():
		return a.introspect(ctx, token, by)
	}
	return nil, invalidToken("the access token is malformed", err)
}

// validateJWT: RFC 9068 §4. The signature comes first: of a token that we can't
// trust, nothing else is told, not even that it has expired.
func (a *API) validateJWT(ctx context.Context, token, kid string, by caller) (*Token, error) {
	keys, err := a.keys.get(ctx, kid)
	if err != nil {
		return nil, err
	}
	payload, _, err := jose.Verify(token, []string{"at+jwt"}, a.algs, keys)
	if err != nil {
		return nil, invalidToken("the access token's type, key or signature isn't accepted", err)
	}
	var c claims
	var all map[string]any
	if err := jose.Decode(payload, &c); err != nil {
		return nil, invalidToken("the access token's claims are malformed", err)
	}
	if err := jose.Decode(payload, &all); err != nil {
		return nil, invalidToken("the access token's claims are malformed", err)
	}
	if c.Subject == "" || c.ClientID == "" || c.ID == "" || c.IssuedAt == 0 || c.Expires == 0 { // RFC 9068 §2.2
		return nil, invalidToken("the access token lacks one of sub, client_id, jti, iat and exp", nil)
	}
	if c.Issuer != a.c.Issuer {
		return nil, invalidToken("the access token is another issuer's", nil)
	}
	if err := a.judge(&c, by); err != nil {
		return nil, err
	}
	if err := a.notRevoked(ctx, &c); err != nil {
		return nil, err
	}
	return c.token(all), nil
}

// judge checks what JWTs and introspected tokens have in common.
func (a *API) judge(c *claims, by caller) error {
	now, leeway := a.c.Now().Unix(), int64(a.c.Leeway/time.Second)
	switch {
	case !c.Audience.Contains(a.c.Audience):
		return invalidToken("the access token is for another resource", nil)
	case c.Expires != 0 && now >= int64(c.Expires)+leeway:
		return invalidToken("the access token has expired", nil)
	case int64(c.NotBefore) > now+leeway, int64(c.IssuedAt) > now+leeway:
		return invalidToken("the access token is not valid yet", nil)
	case by.proof != nil && (c.Confirm == nil || c.Confirm.KeyHash == ""): // RFC 9449 §7.1
		return invalidToken("the access token isn't bound to a key, and doesn't come as DPoP", nil)
	case c.Confirm != nil && !c.Confirm.fulfilled(by):
		return invalidToken("the access token is bound to a key or certificate that wasn't shown", nil)
	}
	return nil
}

// fulfilled: RFC 8705 §3, RFC 9449 §7.1. A token may be bound to both. A
// binding that isn't understood is not fulfilled.
func (c *confirmation) fulfilled(by caller) bool {
	switch {
	case c.KeyHash == "" && c.Certificate == "":
		return false
	case c.KeyHash != "" && (by.proof == nil || !same(c.KeyHash, by.proof.Thumbprint)):
		return false
	case c.Certificate == "":
		return true
	case by.certificate == nil:
		return false
	}
	sum := sha256.Sum256(by.certificate.Raw)
	return same(c.Certificate, base64.RawURLEncoding.EncodeToString(sum[:]))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
