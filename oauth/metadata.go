package oauth

import (
	"context"
	"maps"
	"slices"
)

// Paths of the endpoints, below the issuer.
const (
	PathAuthorize  = "/authorize"
	PathToken      = "/token"
	PathUserInfo   = "/userinfo"
	PathIntrospect = "/introspect"
	PathRevoke     = "/revoke"
	PathJWKS       = "/jwks"
	PathLogout     = "/logout"
)

// ServerMetadata is the document of RFC 8414 §2 and OpenID Connect Discovery §3.
type ServerMetadata struct {
	Issuer                   string   `json:"issuer"`
	AuthorizationEndpoint    string   `json:"authorization_endpoint"`
	TokenEndpoint            string   `json:"token_endpoint"`
	UserInfoEndpoint         string   `json:"userinfo_endpoint"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	EndSessionEndpoint       string   `json:"end_session_endpoint"`
	JWKSURI                  string   `json:"jwks_uri"`
	Scopes                   []string `json:"scopes_supported"`
	ResponseTypes            []string `json:"response_types_supported"`
	ResponseModes            []string `json:"response_modes_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	ChallengeMethods         []string `json:"code_challenge_methods_supported"`
	SubjectTypes             []string `json:"subject_types_supported"`
	IDTokenAlgs              []string `json:"id_token_signing_alg_values_supported"`
	Claims                   []string `json:"claims_supported"`
	ClaimTypes               []string `json:"claim_types_supported"`
	ACRValues                []string `json:"acr_values_supported"`
	Prompts                  []string `json:"prompt_values_supported"`
	Displays                 []string `json:"display_values_supported"`
	UILocales                []string `json:"ui_locales_supported"`
	ClaimsParameter          bool     `json:"claims_parameter_supported"`
	RequestParameter         bool     `json:"request_parameter_supported"`
	RequestURIParameter      bool     `json:"request_uri_parameter_supported"`
	ResponseIss              bool     `json:"authorization_response_iss_parameter_supported"`
}

// Metadata is computed from the tables that the endpoints themselves use, so
// it can't promise what isn't there.
func (s *Server) Metadata(ctx context.Context) (*ServerMetadata, error) {
	catalog, err := s.Store.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	var all, secrets []string
	for _, m := range s.Methods {
		all = append(all, m.Name)
		if m.Name != AuthNone {
			secrets = append(secrets, m.Name)
		}
	}
	return &ServerMetadata{
		Issuer:                s.Issuer,
		AuthorizationEndpoint: s.Issuer + PathAuthorize, TokenEndpoint: s.Issuer + PathToken, UserInfoEndpoint: s.Issuer + PathUserInfo,
		IntrospectionEndpoint: s.Issuer + PathIntrospect, RevocationEndpoint: s.Issuer + PathRevoke,
		EndSessionEndpoint: s.Issuer + PathLogout, JWKSURI: s.Issuer + PathJWKS,
		Scopes: openScopes(catalog), ResponseTypes: []string{"code"}, ResponseModes: responseModes,
		GrantTypes: slices.Sorted(maps.Keys(s.Grants)), TokenAuthMethods: all, IntrospectionAuthMethods: secrets, RevocationAuthMethods: all,
		ChallengeMethods: []string{"S256"}, SubjectTypes: []string{"public"}, IDTokenAlgs: idTokenAlgs,
		Claims:     append([]string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash"}, StandardClaims()...),
		ClaimTypes: []string{"normal"}, ACRValues: []string{acrOneFactor}, Prompts: s.prompts(), Displays: []string{"page"}, UILocales: []string{"en"},
		ClaimsParameter: true, ResponseIss: true,
	}, nil
}

// openScopes leaves out what only some clients may ask.
func openScopes(catalog *Catalog) []string {
	var names []string
	for name, scope := range catalog.Scopes {
		if !scope.Restricted {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Server) prompts() []string {
	if s.Signup {
		return prompts
	}
	return without(prompts, "create")
}
