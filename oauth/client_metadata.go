package oauth

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/valetkey/valetkey/internal/jose"
)

// Metadata is what is registered about a client, under the names of RFC 7591
// §2 and OpenID Connect Registration §2; the last members are ours.
type Metadata struct {
	Name                   string   `json:"client_name,omitempty"`
	RedirectURIs           []string `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	AuthMethod             string   `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes             []string `json:"grant_types,omitempty"`
	ResponseTypes          []string `json:"response_types,omitempty"`
	ApplicationType        string   `json:"application_type,omitempty"`
	Scope                  string   `json:"scope,omitempty"`
	HomepageURI            string   `json:"client_uri,omitempty"`
	LogoURI                string   `json:"logo_uri,omitempty"`
	PolicyURI              string   `json:"policy_uri,omitempty"`
	TermsURI               string   `json:"tos_uri,omitempty"`
	Contacts               []string `json:"contacts,omitempty"`
	IDTokenAlg             string   `json:"id_token_signed_response_alg,omitempty"`
	DefaultMaxAge          *int     `json:"default_max_age,omitempty"`
	RequireAuthTime        bool     `json:"require_auth_time,omitempty"`
	SoftwareID             string   `json:"software_id,omitempty"`
	SoftwareVersion        string   `json:"software_version,omitempty"`

	// Keys and the ways to authenticate with them: RFC 7591 §2, RFC 8705 §2.
	JWKS     json.RawMessage `json:"jwks,omitempty"`
	JWKSURI  string          `json:"jwks_uri,omitempty"`
	AuthAlg  string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	TLSDN    string          `json:"tls_client_auth_subject_dn,omitempty"`
	TLSDNS   string          `json:"tls_client_auth_san_dns,omitempty"`
	TLSURI   string          `json:"tls_client_auth_san_uri,omitempty"`
	TLSIP    string          `json:"tls_client_auth_san_ip,omitempty"`
	TLSEmail string          `json:"tls_client_auth_san_email,omitempty"`

	// Requests: OpenID Connect Registration §2, RFC 9101 §10.5, RFC 9126 §6.
	RequestAlg           string   `json:"request_object_signing_alg,omitempty"`
	RequestURIs          []string `json:"request_uris,omitempty"`
	RequireSignedRequest bool     `json:"require_signed_request_object,omitempty"`
	RequirePushed        bool     `json:"require_pushed_authorization_requests,omitempty"`
	DefaultACRValues     []string `json:"default_acr_values,omitempty"`
	InitiateLoginURI     string   `json:"initiate_login_uri,omitempty"`

	// Answers: JARM §3, OpenID Connect Registration §2, RFC 9701 §6.
	ResponseAlg      string `json:"authorization_signed_response_alg,omitempty"`
	UserInfoAlg      string `json:"userinfo_signed_response_alg,omitempty"`
	IntrospectionAlg string `json:"introspection_signed_response_alg,omitempty"`
	SubjectType      string `json:"subject_type,omitempty"` // public or pairwise
	SectorURI        string `json:"sector_identifier_uri,omitempty"`

	// Binding: RFC 9449 §5.2, RFC 8705 §3.4.
	BoundDPoP        bool `json:"dpop_bound_access_tokens,omitempty"`
	BoundCertificate bool `json:"tls_client_certificate_bound_access_tokens,omitempty"`

	// Logout: OpenID Connect Back-Channel Logout §2.2, Front-Channel Logout §2.
	BackchannelURI      string `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelURI     string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession bool   `json:"frontchannel_logout_session_required,omitempty"`

	Type        ClientType  `json:"client_type,omitempty"`
	Profile     Profile     `json:"profile,omitempty"`
	TokenFormat TokenFormat `json:"access_token_format,omitempty"`
	Description string      `json:"description,omitempty"` // what the app does, for the consent page
	Audience    string      `json:"audience,omitempty"`    // who will use it, in the developer's words

	Reserved
}

// Reserved is what only an operator says of a client.
type Reserved struct {
	Exchange       *ExchangePolicy `json:"token_exchange,omitempty"`
	Factors        int             `json:"required_factors,omitempty"` // 2: nobody signs in to it by less
	Groups         []string        `json:"required_groups,omitempty"`  // only their members may use it; none: everybody
	Authenticators []string        `json:"authenticators,omitempty"`   // the ways to sign in to it, by name; none: all
}

// ExchangePolicy says what an operator lets a client do by token exchange:
// RFC 8693.
type ExchangePolicy struct {
	Clients       []string `json:"clients,omitempty"`       // whose tokens it may bring, by client_id; empty: those meant for its own resources
	Resources     []string `json:"resources,omitempty"`     // what new tokens may be for; empty: every declared resource
	Impersonation bool     `json:"impersonation,omitempty"` // a token without act, §1.1
}

// NewClient judges metadata and fills what was left out. Every client passes
// here, whoever registers it and whenever it is changed.
func NewClient(id string, m Metadata, issuer string) (*Client, *Error) {
	if strings.Contains(id, "://") {
		return nil, invalidMetadata("client_id", "client_id is 1 to 200 characters and no URL")
	}
	return newClient(id, m, issuer)
}

// newClient also takes an id that is the address of a metadata document.
func newClient(id string, m Metadata, issuer string) (*Client, *Error) {
	c := &Client{ID: id, Metadata: m}
	c.Name = cleanName(m.Name)
	fillDefaults(c)
	for _, judge := range []func(*Client, string) *Error{
		judgeID, judgeName, judgeType, judgeGrants, judgeMethod, judgeKeys, judgeRedirects, judgeSector, judgeScope, judgeAlgs,
		judgeLinks, judgeLogout, judgeProfile,
	} {
		if err := judge(c, issuer); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// LoadClient gives a stored client its parsed redirect URIs. One that today's
// rules would refuse is left out and so matches nothing.
func LoadClient(c *Client, issuer string) *Client {
	c.redirects, c.keys = nil, nil
	if len(c.JWKS) > 0 {
		c.keys, _ = jose.ParseJWKS(c.JWKS) // judged when it was registered
	}
	for _, text := range c.RedirectURIs {
		if u, err := ParseRedirectURI(text, c.Type, issuer); err == nil {
			c.redirects = append(c.redirects, u)
		}
	}
	return c
}

func fillDefaults(c *Client) {
	if string(c.JWKS) == "null" {
		c.JWKS = nil
	}
	for _, alg := range []*string{&c.AuthAlg, &c.RequestAlg} {
		if *alg == ed25519Name {
			*alg = string(jose.EdDSA)
		}
	}
	if c.Type == "" {
		c.Type = defaultType(c)
	}
	if c.AuthMethod == "" {
		c.AuthMethod = AuthBasic
		if c.Profile == ProfileFAPI2 && (len(c.JWKS) > 0 || c.JWKSURI != "") {
			c.AuthMethod = AuthPrivateJWT
		}
		if c.Type == TypeSPA || c.Type == TypeNative {
			c.AuthMethod = AuthNone
		}
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{GrantAuthorizationCode, GrantRefreshToken}
		if c.Type == TypeService {
			c.GrantTypes = []string{GrantClientCredentials}
		}
	}
	if len(c.ResponseTypes) == 0 && c.mayUse(GrantAuthorizationCode) {
		c.ResponseTypes = []string{"code"}
	}
	if c.Profile == "" {
		c.Profile = ProfileOAuth21
	}
	if c.TokenFormat == "" {
		c.TokenFormat = FormatJWT
	}
	c.ApplicationType = "web"
	if c.Type == TypeNative {
		c.ApplicationType = "native"
	}
}

func defaultType(c *Client) ClientType {
	switch {
	case c.ApplicationType == "native":
		return TypeNative
	case c.AuthMethod == AuthNone:
		return TypeSPA
	case len(c.GrantTypes) > 0 && !slices.Contains(c.GrantTypes, GrantAuthorizationCode):
		return TypeService
	default:
		return TypeWeb
	}
}

func invalidMetadata(field, format string, args ...any) *Error {
	return newError(CodeInvalidClientMetadata, format, args...).about(field)
}

// judgeID keeps ids readable in a Basic header, a URL and a log line. Server
// made ids never look like a URL, so that none can pass for one.
func judgeID(c *Client, _ string) *Error {
	if most := 200; c.ID == "" || len(c.ID) > most && !isDocumentID(c.ID) || len(c.ID) > 10*most {
		return invalidMetadata("client_id", "client_id is 1 to %d characters", most)
	}
	for i := range len(c.ID) {
		if b := c.ID[i]; b <= 0x20 || b >= 0x7f || b == '"' || b == '\\' {
			return invalidMetadata("client_id", "client_id has only printable ASCII characters, no space, quote or backslash")
		}
	}
	return nil
}

func judgeName(c *Client, _ string) *Error {
	n := len([]rune(c.Name))
	switch {
	case n == 0:
		return invalidMetadata("client_name", "client_name is missing")
	case n > 64:
		return invalidMetadata("client_name", "client_name is longer than 64 characters")
	case len(c.Description) > 1000 || len(c.Audience) > 1000:
		return invalidMetadata("description", "description is longer than 1000 characters")
	case len(c.Contacts) > 10:
		return invalidMetadata("contacts", "contacts has more than 10 entries")
	}
	return nil
}

func judgeType(c *Client, _ string) *Error {
	switch c.Type {
	case TypeWeb, TypeSPA, TypeNative, TypeService:
	default:
		return invalidMetadata("client_type", "client_type is web, spa, native or service")
	}
	switch c.Profile {
	case ProfileOAuth21, ProfileCompatible, ProfileFAPI2:
		return nil
	default:
		return invalidMetadata("profile", "profile is oauth21, compatible or fapi2")
	}
}

func judgeGrants(c *Client, _ string) *Error {
	if c.Factors < 0 || c.Factors > 2 {
		return invalidMetadata("required_factors", "required_factors is 1 or 2")
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains(grantNames(), g) {
			return invalidMetadata("grant_types", "grant type %q is not supported", printable(g))
		}
	}
	code := c.mayUse(GrantAuthorizationCode)
	switch {
	case c.mayUse(GrantRefreshToken) && !code && !c.mayUse(GrantDeviceCode):
		return invalidMetadata("grant_types", "refresh_token needs authorization_code or the device grant beside it")
	case c.mayUse(GrantClientCredentials) && !c.Confidential():
		return invalidMetadata("grant_types", "client_credentials needs a client that can authenticate")
	case c.mayUse(GrantTokenExchange) && !c.Confidential():
		return invalidMetadata("grant_types", "token exchange needs a client that can authenticate")
	case code && !slices.Equal(c.ResponseTypes, []string{"code"}), !code && len(c.ResponseTypes) > 0:
		return invalidMetadata("response_types", "response_types is code for authorization_code, else empty")
	}
	return nil
}

func judgeMethod(c *Client, _ string) *Error {
	switch c.AuthMethod {
	case AuthBasic, AuthPost:
		if c.Type == TypeSPA {
			return invalidMetadata("token_endpoint_auth_method", "an app in the browser can't keep a secret; use none")
		}
		return nil
	case AuthNone:
		return nil
	case AuthSecretJWT, AuthPrivateJWT, AuthTLS, AuthSelfSigned:
		if c.Type == TypeSPA {
			return invalidMetadata("token_endpoint_auth_method", "an app in the browser can't keep a key; use none")
		}
		return nil
	default:
		return invalidMetadata("token_endpoint_auth_method", "token_endpoint_auth_method is %s", strings.Join(methodNames(), ", "))
	}
}

func judgeRedirects(c *Client, issuer string) *Error {
	if c.mayUse(GrantAuthorizationCode) && len(c.RedirectURIs) == 0 {
		return newError(CodeInvalidRedirectURI, "redirect_uris is missing").about("redirect_uris")
	}
	if len(c.RequestURIs) > 50 {
		return invalidMetadata("request_uris", "request_uris has more than 50 entries")
	}
	for _, address := range c.RequestURIs {
		if plain, _, _ := strings.Cut(address, "#"); SafeLink(plain) == "" {
			return invalidMetadata("request_uris", "request_uris must be https addresses")
		}
	}
	if len(c.RedirectURIs) > 50 || len(c.PostLogoutRedirectURIs) > 50 {
		return newError(CodeInvalidRedirectURI, "more than 50 redirect URIs").about("redirect_uris")
	}
	for _, text := range c.RedirectURIs {
		if _, err := ParseRedirectURI(text, c.Type, issuer); err != nil {
			return err
		}
	}
	for _, text := range c.PostLogoutRedirectURIs {
		if _, err := ParseRedirectURI(text, c.Type, issuer); err != nil {
			return err.about("post_logout_redirect_uris")
		}
	}
	LoadClient(c, issuer)
	return nil
}

func judgeScope(c *Client, _ string) *Error {
	names, err := parseScope(c.Scope)
	if err != nil {
		return invalidMetadata("scope", "%s", err.Description)
	}
	c.Scope = joinScope(names)
	return nil
}

func judgeAlgs(c *Client, _ string) *Error {
	for _, f := range c.algorithms() {
		if f.value != "" && !slices.Contains(idTokenAlgs, f.value) && (f.value != string(hs256) || c.AuthMethod != AuthSecretJWT || f.name != "token_endpoint_auth_signing_alg") {
			return invalidMetadata(f.name, "%s is %s", f.name, strings.Join(idTokenAlgs, ", "))
		}
	}
	switch {
	case c.TokenFormat != FormatJWT && c.TokenFormat != FormatOpaque:
		return invalidMetadata("access_token_format", "access_token_format is jwt or opaque")
	case c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0:
		return invalidMetadata("default_max_age", "default_max_age is a number of seconds")
	}
	return nil
}

// judgeLinks: RFC 7591 §2. What people may click is https, or http on this
// machine, and nothing else.
func judgeLinks(c *Client, _ string) *Error {
	for _, f := range []field{
		{"client_uri", c.HomepageURI},
		{"logo_uri", c.LogoURI},
		{"policy_uri", c.PolicyURI},
		{"tos_uri", c.TermsURI},
		{"jwks_uri", c.JWKSURI},
		{"initiate_login_uri", c.InitiateLoginURI},
		{"sector_identifier_uri", c.SectorURI},
		{"backchannel_logout_uri", c.BackchannelURI},
		{"frontchannel_logout_uri", c.FrontchannelURI},
	} {
		if f.value != "" && SafeLink(f.value) == "" {
			return invalidMetadata(f.name, "%s is not an https address", f.name)
		}
	}
	return nil
}

// SafeLink returns link if a page may offer it, else "": an address of https,
// or of http on a loopback host, without user part or odd characters.
func SafeLink(link string) string {
	if badURIText(strings.ReplaceAll(link, "#", "")) != "" {
		return ""
	}
	u, err := url.Parse(link)
	switch {
	case err != nil || u.Host == "" || u.User != nil || !plainHost(u):
		return ""
	case u.Scheme == "https", u.Scheme == "http" && isLoopbackHost(u.Hostname()):
		return link
	}
	return ""
}

// cleanName makes a name safe to show beside others: composed form, one line,
// no invisible or direction-changing characters, single spaces.
func cleanName(name string) string {
	if len(name) > 4096 {
		name = name[:4096]
	}
	mapped := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(name, "")))
	return strings.Join(strings.Fields(mapped), " ")
}

// printable makes a value that somebody sent fit for a description: RFC 6749
// §4.1.2.1 allows %x20-21 / %x23-5B / %x5D-7E.
func printable(s string) string {
	if len(s) > 60 {
		s = s[:60]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
