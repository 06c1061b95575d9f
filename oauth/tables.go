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
		{Name: StepConsent, Error: CodeConsentRequired, Needed: needsConsent},
	}
}

// grants by grant_type.
func grants() map[string]Grant {
	return map[string]Grant{
		GrantAuthorizationCode: redeemCode,
		GrantRefreshToken:      redeemRefreshToken,
		GrantClientCredentials: redeemClientCredentials,
	}
}

// methods of client authentication.
func methods() []ClientAuth {
	return []ClientAuth{
		{Name: AuthBasic, Tried: triedBasic, Check: checkSecret},
		{Name: AuthPost, Tried: triedPost, Check: checkSecret},
		{Name: AuthNone, Tried: triedNone, Check: checkNone},
	}
}

// responseModes: OAuth 2.0 Form Post Response Mode, and the default.
var responseModes = []string{"query", "form_post"}

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
