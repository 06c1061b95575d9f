package oauth

import (
	"maps"
	"reflect"
	"slices"
)

// Claims are what is known of a person, under the names of OpenID Connect
// Core §5.1: strings, but email_verified and phone_number_verified booleans,
// updated_at a number, address an object.
type Claims map[string]any

// scopeClaims: OpenID Connect Core §5.4.
var scopeClaims = map[string][]string{
	ScopeProfile: {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	ScopeEmail:   {"email", "email_verified"},
	ScopeAddress: {"address"},
	ScopePhone:   {"phone_number", "phone_number_verified"},
}

// BuiltinScopes are OpenID Connect's own, in the words of the consent page, and
// the one by which an API reads the revocation feed.
func BuiltinScopes() []Scope {
	return []Scope{
		{Name: ScopeOpenID, Title: "Know who you are", Description: "An identifier of your account, so that it recognises you next time.", Builtin: true},
		{Name: ScopeProfile, Title: "See your profile", Description: "Your name, picture, language and what else your profile holds.", Builtin: true},
		{Name: ScopeEmail, Title: "See your email address", Builtin: true},
		{Name: ScopeAddress, Title: "See your postal address", Builtin: true},
		{Name: ScopePhone, Title: "See your phone number", Builtin: true},
		{Name: ScopeOfflineAccess, Title: "Keep this access when you're away", Description: "Until you take it back on your account page.", Builtin: true},
		{Name: ScopeRevocations, Title: "Learn which tokens were revoked", Restricted: true, Builtin: true},
	}
}

// StandardClaims lists every claim that a user may have.
func StandardClaims() []string {
	var names []string
	for _, scope := range []string{ScopeProfile, ScopeEmail, ScopeAddress, ScopePhone} {
		names = append(names, scopeClaims[scope]...)
	}
	return names
}

// ClaimsRequest is the claims parameter, OpenID Connect Core §5.5: names
// wanted from userinfo and in the ID token.
type ClaimsRequest struct {
	UserInfo map[string]*ClaimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]*ClaimRequest `json:"id_token,omitempty"`
}

// ClaimRequest: OpenID Connect Core §5.5.1; nil means "as a voluntary claim".
type ClaimRequest struct {
	Essential bool  `json:"essential,omitempty"`
	Value     any   `json:"value,omitempty"`
	Values    []any `json:"values,omitempty"`
}

// allows says whether a claim's value is one of those asked for.
func (r *ClaimRequest) allows(value any) bool {
	switch {
	case r == nil:
		return true
	case r.Value != nil:
		return reflect.DeepEqual(r.Value, value)
	case len(r.Values) > 0:
		return slices.ContainsFunc(r.Values, func(v any) bool { return reflect.DeepEqual(v, value) })
	}
	return true
}

// released picks the claims that scopes and a claims request let out. Only
// claims of standard scopes are released by name, so that a request can't
// reach for anything that no scope covers.
func (c Claims) released(scopes []string, wanted map[string]*ClaimRequest) Claims {
	out := make(Claims, 8)
	for _, scope := range scopes {
		for _, name := range scopeClaims[scope] {
			if v, ok := c[name]; ok {
				out[name] = v
			}
		}
	}
	for name, want := range wanted {
		v, ok := c[name]
		if ok && slices.Contains(StandardClaims(), name) && want.allows(v) {
			out[name] = v
		}
	}
	return out
}

// scopesOf lists the standard scopes that cover what a claims request names,
// so that consent speaks of them too.
func (r *ClaimsRequest) scopesOf() []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, scope := range []string{ScopeProfile, ScopeEmail, ScopeAddress, ScopePhone} {
		for _, name := range scopeClaims[scope] {
			_, info := r.UserInfo[name]
			_, token := r.IDToken[name]
			if info || token {
				out = append(out, scope)
				break
			}
		}
	}
	return out
}

// Without is the request less the claims of one standard scope, for when that
// scope was taken back.
func (r *ClaimsRequest) Without(scope string) *ClaimsRequest {
	if r == nil {
		return nil
	}
	left := &ClaimsRequest{UserInfo: maps.Clone(r.UserInfo), IDToken: maps.Clone(r.IDToken)}
	for _, name := range scopeClaims[scope] {
		delete(left.UserInfo, name)
		delete(left.IDToken, name)
	}
	return left
}

// kept is the request less what we don't have, so that it costs no room in the
// sealed request, and less the claims of scopes that aren't allowed; nil when
// nothing is left.
func (r *ClaimsRequest) kept(allowed func(scope string) bool) *ClaimsRequest {
	known := []string{"sub", "acr", "auth_time"}
	for scope, names := range scopeClaims {
		if allowed(scope) {
			known = append(known, names...)
		}
	}
	unknown := func(name string, _ *ClaimRequest) bool { return !slices.Contains(known, name) }
	left := &ClaimsRequest{UserInfo: maps.Clone(r.UserInfo), IDToken: maps.Clone(r.IDToken)}
	maps.DeleteFunc(left.UserInfo, unknown)
	maps.DeleteFunc(left.IDToken, unknown)
	if len(left.UserInfo)+len(left.IDToken) == 0 {
		return nil
	}
	return left
}
