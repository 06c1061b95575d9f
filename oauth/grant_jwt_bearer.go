package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
	"github.com/valetkey/valetkey/internal/secret"
)

// bearerLife is how far ahead an assertion of a trusted issuer may expire.
const bearerLife = time.Hour

// redeemAssertion: RFC 7523 §2.1, §3. An issuer that the operator trusts vouches
// for a person; there is no refresh token, since a new assertion can be had.
func redeemAssertion(ctx context.Context, s *Server, call *TokenCall) (*TokenResponse, error) {
	text := call.Request.Get("assertion")
	if text == "" {
		return nil, invalidRequest("assertion is missing").about("assertion")
	}
	claims, err := unverified(text)
	if err != nil {
		return nil, invalidAssertion("assertion is not a signed JWT").because(err)
	}
	issuer, err := s.trustedIssuer(call.Client, claims.Issuer)
	if err != nil {
		return nil, err
	}
	if claims, err = s.openAssertion(ctx, issuer, text); err != nil {
		return nil, err
	}
	return s.vouched(ctx, call, issuer, claims)
}

func invalidAssertion(format string, args ...any) *Error {
	return invalidGrant(format, args...).about("assertion")
}

func (s *Server) trustedIssuer(c *Client, name string) (*TrustedIssuer, error) {
	for i := range s.TrustedIssuers {
		issuer := &s.TrustedIssuers[i]
		if issuer.Issuer != name || name == "" {
			continue
		}
		if !contains(issuer.Clients, c.ID) {
			return nil, newError(CodeUnauthorizedClient, "this app may not bring assertions of that issuer").about("assertion")
		}
		return issuer, nil
	}
	return nil, invalidAssertion("assertion is of an issuer that is not trusted here")
}

// openAssertion verifies by the keys of the one issuer: a kid that another
// issuer has too finds nothing of it.
func (s *Server) openAssertion(ctx context.Context, issuer *TrustedIssuer, text string) (claims assertionClaims, err error) {
	keys, err := s.issuerKeys(ctx, issuer, text)
	if err != nil {
		return claims, invalidAssertion("the keys of the assertion's issuer could not be had").because(err)
	}
	content, _, err := jose.Verify(text, []string{"", "JWT"}, assertionAlgs, keys)
	if err != nil {
		return claims, invalidAssertion("assertion is not signed by a key of its issuer").because(err)
	}
	if err := jose.Decode(content, &claims); err != nil {
		return claims, invalidAssertion("assertion is not well-formed").because(err)
	}
	if why := s.bearerFault(&claims); why != "" {
		return claims, invalidAssertion("%s", why)
	}
	err = s.Store.UseOnce(ctx, "jwt-bearer", issuer.Issuer, claims.ID, time.Unix(int64(claims.Expires), 0))
	if errors.Is(err, ErrReplayed) {
		return claims, invalidAssertion("assertion was used before").because(err)
	}
	return claims, err
}

func (s *Server) issuerKeys(ctx context.Context, issuer *TrustedIssuer, text string) ([]jose.PublicKey, error) {
	if issuer.JWKSURI == "" {
		return jose.ParseJWKS(issuer.JWKS)
	}
	kid, _, err := jose.KeyID(text)
	if err != nil {
		return nil, err
	}
	set, err := s.keySet(ctx, issuer.JWKSURI, kid)
	return set.keys, err
}

// bearerFault: RFC 7523 §3.
func (s *Server) bearerFault(a *assertionClaims) string {
	now := s.Now()
	expires, issued, begins := time.Unix(int64(a.Expires), 0), time.Unix(int64(a.IssuedAt), 0), time.Unix(int64(a.NotBefore), 0)
	switch {
	case a.Subject == "":
		return "assertion has no sub"
	case len(intersect(a.Audience, append(s.endpoints(PathToken), s.Issuer))) == 0:
		return "assertion has another aud than this server"
	case a.Expires == 0 || !now.Before(expires.Add(assertionAhead)):
		return "assertion has expired"
	case expires.After(now.Add(bearerLife)):
		return "assertion expires in more than an hour"
	case a.ID == "" || len(a.ID) > 512:
		return "assertion needs a jti of at most 512 characters"
	case a.NotBefore != 0 && begins.After(now.Add(assertionAhead)), a.IssuedAt != 0 && issued.After(now.Add(assertionAhead)):
		return "assertion is from the future"
	case s.fromBefore(a.madeAt(bearerLife)):
		return "assertion is from before this server was restored from a backup"
	}
	return ""
}

// vouched issues for the person whom an assertion names.
func (s *Server) vouched(ctx context.Context, call *TokenCall, issuer *TrustedIssuer, claims assertionClaims) (*TokenResponse, error) {
	scopes, err := s.vouchedScopes(ctx, call, issuer)
	if err != nil {
		return nil, err
	}
	resources, refused := s.knownResources(ctx, call.Request)
	if refused != nil {
		return nil, refused
	}
	if s.Directory == nil {
		return nil, invalidAssertion("nobody is known by assertions here")
	}
	subject, epoch, err := s.Directory.Lookup(ctx, orDefault(issuer.Match, "subject"), claims.Subject)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrEnded) {
		return nil, invalidAssertion("assertion names nobody who may use this server").because(err)
	}
	if err != nil {
		return nil, err
	}
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	if scopes, err = s.stillAdmitted(ctx, call.Client, subject, scopes, catalog); err != nil {
		return nil, err
	}
	consent, err := s.Store.Consent(ctx, subject, call.Client.ID)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	auth := Authorization{
		ID: secret.NewID(), ClientID: call.Client.ID, Subject: subject, Scopes: scopes, Resources: resources,
		UserEpoch: epoch, ClientEpoch: call.Client.Epoch, ConsentEpoch: consent.Epoch,
		CreatedAt: now, ExpiresAt: now.Add(s.AccessLifetime), Proofs: call.sender.proofs,
	}
	answer, err := s.issue(ctx, issuance{client: call.Client, auth: auth, scopes: scopes, resources: resources, sender: call.sender})
	if errors.Is(err, ErrEnded) {
		return nil, invalidAssertion("assertion names nobody who may use this server").because(err)
	}
	if err != nil {
		return nil, err
	}
	s.notify(ctx, Event{Kind: EventIssued, ClientID: call.Client.ID, Subject: subject, Scopes: scopes, GrantType: GrantJWTBearer})
	return answer, nil
}

// vouchedScopes: nobody is at a browser, so there is no ID token and nothing
// for while they are away.
func (s *Server) vouchedScopes(ctx context.Context, call *TokenCall, issuer *TrustedIssuer) ([]string, error) {
	asked, refused := parseScope(call.Request.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range asked {
		outside := len(issuer.Scopes) > 0 && !contains(issuer.Scopes, name)
		if outside || !call.Client.mayAsk(name, catalog) || name == ScopeOpenID || name == ScopeOfflineAccess {
			return nil, invalidScope("scope %s is not granted by assertions", printable(name))
		}
	}
	return asked, nil
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
