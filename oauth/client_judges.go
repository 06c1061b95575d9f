package oauth

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/valetkey/valetkey/internal/jose"
)

// field is one member of metadata. They are judged in a fixed order, so that a
// registration with two faults always hears of the same first.
type field struct{ name, value string }

// algorithms are the signature algorithms that a client registers.
func (c *Client) algorithms() []field {
	return []field{
		{"id_token_signed_response_alg", c.IDTokenAlg},
		{"userinfo_signed_response_alg", c.UserInfoAlg},
		{"introspection_signed_response_alg", c.IntrospectionAlg},
		{"authorization_signed_response_alg", c.ResponseAlg},
		{"request_object_signing_alg", c.RequestAlg},
		{"token_endpoint_auth_signing_alg", c.AuthAlg},
	}
}

// judgeKeys: RFC 7591 §2, jwks or jwks_uri and never both; a method that proves
// itself by a key needs one, and RFC 8705 §2.1.2 exactly one name.
func judgeKeys(c *Client, _ string) *Error {
	hasKeys := len(c.JWKS) > 0 && string(c.JWKS) != "null" || c.JWKSURI != ""
	switch {
	case len(c.JWKS) > 0 && c.JWKSURI != "":
		return invalidMetadata("jwks", "jwks and jwks_uri can't stand together")
	case (c.AuthMethod == AuthPrivateJWT || c.AuthMethod == AuthSelfSigned) && !hasKeys:
		return invalidMetadata("jwks", "%s needs jwks or jwks_uri", c.AuthMethod)
	case c.AuthMethod == AuthPrivateJWT && c.AuthAlg != "" && !slices.Contains(idTokenAlgs, c.AuthAlg):
		return invalidMetadata("token_endpoint_auth_signing_alg", "token_endpoint_auth_signing_alg is %s", strings.Join(idTokenAlgs, ", "))
	case c.AuthMethod == AuthSecretJWT && c.AuthAlg != "" && c.AuthAlg != string(hs256):
		return invalidMetadata("token_endpoint_auth_signing_alg", "client_secret_jwt uses HS256")
	}
	if err := judgeJWKS(c); err != nil {
		return err
	}
	return judgeCertificateName(c)
}

func judgeJWKS(c *Client) *Error {
	if len(c.JWKS) == 0 {
		return nil
	}
	keys, err := jose.ParseJWKS(c.JWKS)
	if err != nil {
		return invalidMetadata("jwks", "jwks is not a set of public keys: %s", printable200(err.Error()))
	}
	if c.AuthMethod == AuthSelfSigned {
		if _, _, err := jose.CertificateKeys(c.JWKS); err != nil {
			return invalidMetadata("jwks", "jwks is not a set of public keys: %s", printable200(err.Error()))
		}
		return nil
	}
	if len(keys) == 0 {
		return invalidMetadata("jwks", "jwks has no signing key of RS256, PS256, ES256 or EdDSA")
	}
	return nil
}

func judgeCertificateName(c *Client) *Error {
	n := 0
	for _, name := range []string{c.TLSDN, c.TLSDNS, c.TLSURI, c.TLSIP, c.TLSEmail} {
		if name != "" {
			n++
		}
	}
	_, badDN := ldap.ParseDN(c.TLSDN)
	switch {
	case c.AuthMethod != AuthTLS && n > 0:
		return invalidMetadata("tls_client_auth_subject_dn", "a certificate's name belongs to tls_client_auth")
	case c.AuthMethod == AuthTLS && n != 1:
		return invalidMetadata("tls_client_auth_subject_dn", "tls_client_auth needs exactly one tls_client_auth_ name")
	case c.TLSDN != "" && badDN != nil:
		return invalidMetadata("tls_client_auth_subject_dn", "tls_client_auth_subject_dn is not a name as RFC 4514 writes it")
	case c.TLSIP != "" && net.ParseIP(c.TLSIP) == nil:
		return invalidMetadata("tls_client_auth_san_ip", "tls_client_auth_san_ip is no IP address")
	}
	return nil
}

// judgeSector: OpenID Connect Core §8.1, without a sector document all redirect URIs
// are of one host.
func judgeSector(c *Client, _ string) *Error {
	switch c.SubjectType {
	case "", subjectPublic:
		return nil
	case subjectPairwise:
	default:
		return invalidMetadata("subject_type", "subject_type is public or pairwise")
	}
	// A device needs no redirect URI, so its client could name anybody's host.
	if c.mayUse(GrantDeviceCode) && c.SectorURI == "" {
		return invalidMetadata("sector_identifier_uri", "pairwise subjects with the device grant need a sector_identifier_uri")
	}
	hosts := map[string]bool{}
	for _, text := range c.RedirectURIs {
		if u, err := url.Parse(text); err == nil {
			hosts[u.Hostname()] = true
		}
	}
	if c.SectorURI == "" && len(hosts) > 1 {
		return invalidMetadata("sector_identifier_uri", "redirect URIs on several hosts need a sector_identifier_uri for pairwise subjects")
	}
	return nil
}

// judgeLogout: Back-Channel Logout §2.2, Front-Channel Logout §2: the latter is on a
// host of the redirect URIs, since a browser is sent there.
func judgeLogout(c *Client, _ string) *Error {
	for _, f := range []field{
		{"backchannel_logout_uri", c.BackchannelURI}, {"frontchannel_logout_uri", c.FrontchannelURI}, {"initiate_login_uri", c.InitiateLoginURI},
	} {
		if strings.Contains(f.value, "#") { // parameters are added behind it
			return invalidMetadata(f.name, "%s has a fragment", f.name)
		}
	}
	if c.FrontchannelURI == "" {
		return nil
	}
	if !slices.ContainsFunc(c.RedirectURIs, func(text string) bool { return sameOrigin(text, c.FrontchannelURI) }) {
		return invalidMetadata("frontchannel_logout_uri", "frontchannel_logout_uri must be on the scheme, host and port of a redirect URI")
	}
	return nil
}

// judgeProfile: what profile fapi2 demands of a registration. FAPI 2.0 Security Profile
// §5.3.2, §5.4.
func judgeProfile(c *Client, _ string) *Error {
	if c.Profile != ProfileFAPI2 {
		return nil
	}
	for _, f := range c.algorithms() {
		if f.value != "" && !slices.Contains(strongAlgs, jose.Alg(f.value)) {
			return invalidMetadata(f.name, "profile fapi2 signs by PS256, ES256 or EdDSA")
		}
	}
	switch {
	case c.AuthMethod != AuthPrivateJWT && !c.byCertificate():
		return invalidMetadata("token_endpoint_auth_method", "profile fapi2 authenticates by private_key_jwt, tls_client_auth or self_signed_tls_client_auth")
	case slices.ContainsFunc(c.RedirectURIs, func(u string) bool {
		return !strings.HasPrefix(u, "https://") && !loopbackURI.MatchString(u) && !strings.HasPrefix(u, "http://localhost")
	}):
		return newError(CodeInvalidRedirectURI, "profile fapi2 takes https redirect URIs").about("redirect_uris")
	}
	return nil
}

// Duties lists, in plain words, what a client of a profile must do: what the
// portal and the command line show when one is chosen.
func (p Profile) Duties() []string {
	switch p {
	case ProfileFAPI2:
		return []string{
			"Push every authorization request to /par first, with PKCE (S256).",
			"Authenticate by private_key_jwt with the issuer as aud, or by a client certificate.",
			"Bind tokens by DPoP, or to the client certificate, at /token and at every API.",
			"Sign with PS256, ES256 or EdDSA; RS256 is refused.",
			"Redeem the code within 60 seconds; check iss in every response.",
			"Keep the refresh token: it is not replaced when it is used.",
		}
	case ProfileCompatible:
		return []string{
			"PKCE may be left out by an app that authenticates; the token request must then repeat redirect_uri.",
			"The secret may be sent in the Authorization header or in the body.",
		}
	case ProfileOAuth21:
	}
	return []string{
		"Use PKCE with S256 for every request.",
		"Authenticate in the one way that is registered.",
		"Replace the refresh token by the new one that each answer brings.",
	}
}
