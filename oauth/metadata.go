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

	PathPushed              = "/par"
	PathRegister            = "/register"
	PathDeviceAuthorization = "/device_authorization"
	PathDevice              = "/device" // a page
	PathRevocations         = "/api/v1/revocations"
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

	PushedEndpoint        string            `json:"pushed_authorization_request_endpoint"`
	RegistrationEndpoint  string            `json:"registration_endpoint,omitempty"`
	DeviceEndpoint        string            `json:"device_authorization_endpoint"`
	TokenAuthAlgs         []string          `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthAlgs []string          `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthAlgs    []string          `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	RequestAlgs           []string          `json:"request_object_signing_alg_values_supported"`
	ResponseAlgs          []string          `json:"authorization_signing_alg_values_supported"`
	UserInfoAlgs          []string          `json:"userinfo_signing_alg_values_supported"`
	IntrospectionAlgs     []string          `json:"introspection_signing_alg_values_supported"`
	DPoPAlgs              []string          `json:"dpop_signing_alg_values_supported"`
	RequireRegisteredURI  bool              `json:"require_request_uri_registration"`
	RequirePushed         bool              `json:"require_pushed_authorization_requests"`
	CertificateBound      bool              `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	MTLS                  map[string]string `json:"mtls_endpoint_aliases,omitempty"`
	Backchannel           bool              `json:"backchannel_logout_supported"`
	BackchannelSession    bool              `json:"backchannel_logout_session_supported"`
	Frontchannel          bool              `json:"frontchannel_logout_supported"`
	FrontchannelSession   bool              `json:"frontchannel_logout_session_supported"`
	ClientDocuments       bool              `json:"client_id_metadata_document_supported"`
	ProtectedResources    []string          `json:"protected_resources,omitempty"` // RFC 9728 §4
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
		if m.Offered != nil && !m.Offered(s) {
			continue
		}
		all = append(all, m.Name)
		if m.Name != AuthNone {
			secrets = append(secrets, m.Name)
		}
	}
	theirs := append(slices.Clone(idTokenAlgs), ed25519Name)
	authAlgs := append(slices.Clone(theirs), string(hs256))
	document := &ServerMetadata{
		Issuer:                s.Issuer,
		AuthorizationEndpoint: s.Issuer + PathAuthorize, TokenEndpoint: s.Issuer + PathToken, UserInfoEndpoint: s.Issuer + PathUserInfo,
		IntrospectionEndpoint: s.Issuer + PathIntrospect, RevocationEndpoint: s.Issuer + PathRevoke,
		EndSessionEndpoint: s.Issuer + PathLogout, JWKSURI: s.Issuer + PathJWKS,
		Scopes: openScopes(catalog), ResponseTypes: []string{"code"}, ResponseModes: responseModes,
		GrantTypes: slices.Sorted(maps.Keys(s.Grants)), TokenAuthMethods: all, IntrospectionAuthMethods: secrets, RevocationAuthMethods: all,
		ChallengeMethods: []string{"S256"}, SubjectTypes: subjectTypes, IDTokenAlgs: idTokenAlgs,
		Claims:     append([]string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash"}, StandardClaims()...),
		ClaimTypes: []string{"normal"}, ACRValues: s.ACRs, Prompts: s.prompts(), Displays: []string{"page"}, UILocales: s.Locales,
		ClaimsParameter: true, RequestParameter: true, RequestURIParameter: s.Outbound != nil, ResponseIss: true,

		PushedEndpoint: s.Issuer + PathPushed, DeviceEndpoint: s.Issuer + PathDeviceAuthorization,
		TokenAuthAlgs: authAlgs, IntrospectionAuthAlgs: authAlgs, RevocationAuthAlgs: authAlgs,
		RequestAlgs: theirs, ResponseAlgs: idTokenAlgs, UserInfoAlgs: idTokenAlgs, IntrospectionAlgs: idTokenAlgs, DPoPAlgs: theirs,
		RequireRegisteredURI: true, CertificateBound: s.takesCertificates(), MTLS: s.aliases(),
		Backchannel: s.Outbound != nil, BackchannelSession: s.Outbound != nil, Frontchannel: true, FrontchannelSession: true,
		ClientDocuments: s.takesDocuments(), ProtectedResources: slices.Sorted(maps.Keys(catalog.Resources)),
	}
	if s.Registration != RegistrationClosed {
		document.RegistrationEndpoint = s.Issuer + PathRegister
	}
	return document, nil
}

// takesCertificates says whether a client's certificate can reach us.
func (s *Server) takesCertificates() bool { return s.MTLSURL != "" || s.CertificateHeader }

func (s *Server) takesDocuments() bool { return !s.Documents.Off && s.Outbound != nil }

// aliases: RFC 8705 §5.
func (s *Server) aliases() map[string]string {
	if s.MTLSURL == "" {
		return nil
	}
	return map[string]string{
		"token_endpoint": s.MTLSURL + PathToken, "userinfo_endpoint": s.MTLSURL + PathUserInfo,
		"introspection_endpoint": s.MTLSURL + PathIntrospect, "revocation_endpoint": s.MTLSURL + PathRevoke,
		"pushed_authorization_request_endpoint": s.MTLSURL + PathPushed,
		"device_authorization_endpoint":         s.MTLSURL + PathDeviceAuthorization,
	}
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
