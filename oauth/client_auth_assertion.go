package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// How far an assertion's times may be off. RFC 7523 §3 leaves it to us; a far
// exp would keep its jti in our tables for as long.
const (
	assertionAhead  = 30 * time.Second // nbf and iat in the future
	assertionSkew   = time.Minute      // exp in the past
	assertionLife   = 5*time.Minute + assertionAhead
	assertionMaxAge = 30 * time.Minute // iat in the past
)

// assertionAlgs are accepted unless the client registered one.
var assertionAlgs = []jose.Alg{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// ed25519Name: RFC 9864 §2.2, the new name of EdDSA with the curve that we know.
// It is accepted wherever EdDSA is; we sign under the old name, which everybody
// knows.
const ed25519Name = "Ed25519"

// strongAlgs: FAPI 2.0 Security Profile §5.4.1.
var strongAlgs = []jose.Alg{jose.PS256, jose.ES256, jose.EdDSA}

// hs256 is the one algorithm of client_secret_jwt.
const hs256 jose.Alg = "HS256"

// assertionClaims: RFC 7523 §3.
type assertionClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jose.Audience    `json:"aud"`
	Expires   jose.NumericDate `json:"exp"`
	NotBefore jose.NumericDate `json:"nbf"`
	IssuedAt  jose.NumericDate `json:"iat"`
	ID        string           `json:"jti"`
}

// triedAssertion reads which client an assertion is of, without believing it:
// RFC 7521 §4.2. secret tells which of the two methods its algorithm belongs to.
func triedAssertion(given Credentials, secret bool) (string, bool, *Error) {
	text, kind := given.Request.Get("client_assertion"), given.Request.Get("client_assertion_type")
	if text == "" && kind == "" {
		return "", false, nil
	}
	_, alg, err := jose.KeyID(text)
	if (alg == hs256) != secret {
		return "", false, nil
	}
	switch {
	case text == "":
		return "", false, invalidClient("client_assertion is missing").about("client_assertion")
	case kind != assertionType:
		return "", false, invalidClient("client_assertion_type must be %s", assertionType).about("client_assertion_type")
	case err != nil:
		return "", false, invalidClient("client authentication failed").about("client_assertion").because(err)
	}
	claims, err := unverified(text)
	if err != nil || claims.Subject == "" {
		return "", false, invalidClient("client authentication failed").about("client_assertion").because(err)
	}
	return claims.Subject, true, nil
}

func unverified(token string) (claims assertionClaims, err error) {
	content, err := jose.Unverified(token)
	if err != nil {
		return claims, err
	}
	return claims, jose.Decode(content, &claims)
}

func triedSecretJWT(given Credentials) (string, bool, *Error) { return triedAssertion(given, true) }

func triedPrivateJWT(given Credentials) (string, bool, *Error) { return triedAssertion(given, false) }

// assertionTypes: RFC 7523 names none; the last is of its revision. Our other
// kinds of JWT name theirs and so never pass: RFC 8725 §3.11.
var assertionTypes = []string{"", "JWT", "client-authentication+jwt"}

// checkPrivateJWT: RFC 7523 §2.2, OpenID Connect Core §9.
func checkPrivateJWT(ctx context.Context, s *Server, c *Client, given Credentials) error {
	text := given.Request.Get("client_assertion")
	keys, err := s.clientKeys(ctx, c, text)
	if err != nil {
		return s.failedAssertion(ctx, c, "the keys of the app could not be had", err)
	}
	content, _, err := jose.Verify(text, assertionTypes, c.algs(c.AuthAlg), keys)
	if err != nil {
		return s.failedAssertion(ctx, c, "client_assertion is not signed by a key of this app", err)
	}
	return s.checkAssertion(ctx, c, given, content)
}

// checkSecretJWT: OpenID Connect Core §9, the secret is the key.
func checkSecretJWT(ctx context.Context, s *Server, c *Client, given Credentials) error {
	key, err := s.boxes.secret.Open(c.SecretKey, []byte(c.ID))
	if err != nil {
		return s.failedAssertion(ctx, c, "this app has no secret that can be a key", err)
	}
	content, err := jose.VerifyHMAC(given.Request.Get("client_assertion"), assertionTypes, key)
	if err != nil {
		return s.failedAssertion(ctx, c, "client_assertion is not signed by the secret of this app", err)
	}
	return s.checkAssertion(ctx, c, given, content)
}

// algs narrows what is accepted to what was registered and the profile allows.
func (c *Client) algs(registered string) []jose.Alg {
	switch {
	case registered != "":
		return []jose.Alg{jose.Alg(registered)}
	case c.Profile == ProfileFAPI2:
		return strongAlgs
	}
	return assertionAlgs
}

// checkAssertion judges what a well-signed assertion says. Its jti counts as
// seen even when the request then fails for another reason.
func (s *Server) checkAssertion(ctx context.Context, c *Client, given Credentials, content []byte) error {
	var a assertionClaims
	if err := jose.Decode(content, &a); err != nil {
		return s.failedAssertion(ctx, c, "client_assertion is not well-formed", err)
	}
	if why := s.assertionFault(c, given, &a, content); why != "" {
		return s.failedAssertion(ctx, c, why, nil)
	}
	err := s.Store.UseOnce(ctx, "assertion", c.ID, a.ID, time.Unix(int64(a.Expires), 0))
	if errors.Is(err, ErrReplayed) {
		return s.failedAssertion(ctx, c, "client_assertion was used before: its jti must be new each time", err)
	}
	return err
}

// assertionFault says what is wrong with an assertion: RFC 7523 §3.
func (s *Server) assertionFault(c *Client, given Credentials, a *assertionClaims, content []byte) string {
	now := s.Now()
	expires, issued, begins := time.Unix(int64(a.Expires), 0), time.Unix(int64(a.IssuedAt), 0), time.Unix(int64(a.NotBefore), 0)
	switch {
	case a.Issuer != c.ID || a.Subject != c.ID:
		return "client_assertion must have the client_id as iss and sub"
	case a.Expires == 0:
		return "client_assertion has no exp"
	case a.ID == "" || len(a.ID) > 512:
		return "client_assertion needs a jti of at most 512 characters"
	case !now.Before(expires.Add(assertionSkew)):
		return "client_assertion has expired"
	case expires.After(now.Add(assertionLife)):
		return "client_assertion expires in more than 5 minutes"
	case a.NotBefore != 0 && begins.After(now.Add(assertionAhead)), a.IssuedAt != 0 && issued.After(now.Add(assertionAhead)):
		return "client_assertion is from the future"
	case a.IssuedAt != 0 && issued.Before(now.Add(-assertionMaxAge)):
		return "client_assertion was issued too long ago"
	case s.fromBefore(a.madeAt(assertionLife)):
		return "client_assertion is from before this server was restored from a backup"
	case !s.assertionAudience(c, given, a, content):
		return "client_assertion has another aud than this server"
	}
	return ""
}

// assertionAudience: CONTRACT §4, decision 7. FAPI 2.0 Security Profile §5.3.2.1 wants the issuer as
// a plain string.
func (s *Server) assertionAudience(c *Client, given Credentials, a *assertionClaims, content []byte) bool {
	if c.Profile == ProfileFAPI2 {
		var plain struct {
			Audience string `json:"aud"`
		}
		return jose.Decode(content, &plain) == nil && plain.Audience == s.Issuer
	}
	accepted := append([]string{s.Issuer}, s.endpoints(PathToken)...)
	if given.Path == PathPushed {
		accepted = append(accepted, s.endpoints(PathPushed)...)
	}
	return len(intersect(a.Audience, accepted)) > 0
}

// endpoints are the addresses of a path: ours, and where certificates are asked
// for.
func (s *Server) endpoints(path string) []string {
	if s.MTLSURL == "" {
		return []string{s.Issuer + path}
	}
	return []string{s.Issuer + path, s.MTLSURL + path}
}

// failedAssertion tells the caller nothing, and the app's owner what it was.
func (s *Server) failedAssertion(ctx context.Context, c *Client, why string, cause error) error {
	s.problem(ctx, c, invalidClient("%s", why).about("client_assertion"), "", nil)
	return invalidClient("client authentication failed").because(errors.Join(errors.New(why), cause))
}
