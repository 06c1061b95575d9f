package oauth

import (
	"maps"
	"slices"
)

// steps in the order in which they are asked.
func steps() []Step {
	return []Step{
		{Name: StepSelect, Error: CodeSelectionRequired, Needed: needsSelection},
		{Name: StepLogin, Error: CodeLoginRequired, Needed: needsLogin},
		{Name: StepFactor, Error: CodeLoginRequired, Needed: needsFactor},
		{Name: StepConsent, Error: CodeConsentRequired, Needed: needsConsent},
	}
}

// grants by grant_type.
func grants() map[string]Grant {
	return map[string]Grant{
		GrantAuthorizationCode: redeemCode,
		GrantRefreshToken:      redeemRefreshToken,
		GrantClientCredentials: redeemClientCredentials,
		GrantDeviceCode:        redeemDeviceCode,
		GrantTokenExchange:     redeemExchange,
		GrantJWTBearer:         redeemAssertion,
	}
}

// methods of client authentication.
func methods() []ClientAuth {
	return []ClientAuth{
		{Name: AuthBasic, Tried: triedBasic, Check: checkSecret},
		{Name: AuthPost, Tried: triedPost, Check: checkSecret},
		{Name: AuthSecretJWT, Tried: triedSecretJWT, Check: checkSecretJWT},
		{Name: AuthPrivateJWT, Tried: triedPrivateJWT, Check: checkPrivateJWT},
		{Name: AuthTLS, Tried: neverTried, Check: checkTLS, Offered: func(s *Server) bool { return s.ClientCAs != nil }},
		{Name: AuthSelfSigned, Tried: neverTried, Check: checkSelfSigned, Offered: func(s *Server) bool { return s.takesCertificates() }},
		{Name: AuthNone, Tried: triedNone, Check: checkNone},
	}
}

// responseModes: the default, OAuth 2.0 Form Post Response Mode, JARM §2.3.
var responseModes = []string{"query", "form_post", "query.jwt", "form_post.jwt", "jwt"}

var idTokenAlgs = []string{"RS256", "ES256", "EdDSA", "PS256"}

var prompts = []string{"none", "login", "consent", "select_account", "create"}

func grantNames() []string { return slices.Sorted(maps.Keys(grants())) }

func methodNames() []string {
	var names []string
	for _, m := range methods() {
		names = append(names, m.Name)
	}
	return names
}
