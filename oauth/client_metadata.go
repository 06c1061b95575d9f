package oauth

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
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

	Type        ClientType  `json:"client_type,omitempty"`
	Profile     Profile     `json:"profile,omitempty"`
	TokenFormat TokenFormat `json:"access_token_format,omitempty"`
	Description string      `json:"description,omitempty"` // what the app does, for the consent page
	Audience    string      `json:"audience,omitempty"`    // who will use it, in the developer's words
}

// NewClient judges metadata and fills what was left out. Every client passes
// here, whoever registers it and whenever it is changed.
func NewClient(id string, m Metadata, issuer string) (*Client, *Error) {
	c := &Client{ID: id, Metadata: m}
	c.Name = cleanName(m.Name)
	fillDefaults(c)
	for _, judge := range []func(*Client, string) *Error{
		judgeID, judgeName, judgeType, judgeGrants, judgeMethod, judgeRedirects, judgeScope, judgeAlgs, judgeLinks,
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
	c.redirects = nil
	for _, text := range c.RedirectURIs {
		if u, err := ParseRedirectURI(text, c.Type, issuer); err == nil {
			c.redirects = append(c.redirects, u)
		}
	}
	return c
}

func fillDefaults(c *Client) {
	if c.Type == "" {
		c.Type = defaultType(c)
	}
	if c.AuthMethod == "" {
		c.AuthMethod = AuthBasic
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
	if c.ID == "" || len(c.ID) > 200 || strings.Contains(c.ID, "://") {
		return invalidMetadata("client_id", "client_id is 1 to 200 characters and no URL")
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
	case ProfileOAuth21, ProfileCompatible:
		return nil
	default:
		return invalidMetadata("profile", "profile is oauth21 or compatible")
	}
}

func judgeGrants(c *Client, _ string) *Error {
	for _, g := range c.GrantTypes {
		if !slices.Contains(grantNames(), g) {
			return invalidMetadata("grant_types", "grant type %q is not supported", printable(g))
		}
	}
	code := c.mayUse(GrantAuthorizationCode)
	switch {
	case c.mayUse(GrantRefreshToken) && !code:
		return invalidMetadata("grant_types", "refresh_token needs authorization_code beside it")
	case c.mayUse(GrantClientCredentials) && !c.Confidential():
		return invalidMetadata("grant_types", "client_credentials needs a client that can authenticate")
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
	default:
		return invalidMetadata("token_endpoint_auth_method", "token_endpoint_auth_method is %s", strings.Join(methodNames(), ", "))
	}
}

func judgeRedirects(c *Client, issuer string) *Error {
	if c.mayUse(GrantAuthorizationCode) && len(c.RedirectURIs) == 0 {
		return newError(CodeInvalidRedirectURI, "redirect_uris is missing").about("redirect_uris")
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
	switch {
	case c.IDTokenAlg != "" && !slices.Contains(idTokenAlgs, c.IDTokenAlg):
		return invalidMetadata("id_token_signed_response_alg", "id_token_signed_response_alg is %s", strings.Join(idTokenAlgs, ", "))
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
	for field, link := range map[string]string{
		"client_uri": c.HomepageURI, "logo_uri": c.LogoURI, "policy_uri": c.PolicyURI, "tos_uri": c.TermsURI,
	} {
		if link != "" && SafeLink(link) == "" {
			return invalidMetadata(field, "%s is not an https address", field)
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
	case err != nil || u.Host == "" || u.User != nil:
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
