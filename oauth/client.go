package oauth

import (
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

// Profile is the set of rules a client lives by: CONTRACT §4, decision 3.
type Profile string

// The profiles.
const (
	ProfileOAuth21    Profile = "oauth21"
	ProfileCompatible Profile = "compatible"
	ProfileFAPI2      Profile = "fapi2"
)

// The client-authentication methods of RFC 7591 §2.
const (
	AuthNone       = "none"
	AuthBasic      = "client_secret_basic"
	AuthPost       = "client_secret_post"
	AuthSecretJWT  = "client_secret_jwt"
	AuthPrivateJWT = "private_key_jwt"
	AuthTLS        = "tls_client_auth"
	AuthSelfSigned = "self_signed_tls_client_auth"
)

// The grant types that are built.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // a name
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     //nolint:gosec // a name
)

// TokenFormat is how a client's access tokens are written.
type TokenFormat string

// The token formats: RFC 9068, or a sealed envelope that only we can read.
const (
	FormatJWT    TokenFormat = "jwt"
	FormatOpaque TokenFormat = "opaque"
)

// Client is a registered client. Its Metadata has passed NewClient's rules;
// a Client is never changed in place, so a request may keep it.
type Client struct {
	Metadata

	ID         string
	SecretHash []byte // SHA-256 of a secret that we made, 256 bits
	SecretPHC  string // argon2id of a secret that an operator chose
	SecretKey  string // the secret sealed, where it is a key too: client_secret_jwt
	Source     Source // who registered it
	TokenHash  []byte // SHA-256 of its registration access token, RFC 7592
	Owner      string // subject of the developer, "" for the operator's own
	FirstParty bool   // consent is not asked
	Verified   bool   // the operator vouches for its name
	Disabled   bool
	Epoch      int64  // raised whenever what hangs off the client must end
	LogoID     string // id of the stored PNG, "" for none
	CreatedAt  time.Time
	UpdatedAt  time.Time

	redirects []RedirectURI    // parsed from Metadata.RedirectURIs
	keys      []jose.PublicKey // parsed from Metadata.JWKS
	changed   bool             // its metadata document is not what people agreed to
}

// Source says how a client came to be.
type Source string

// The sources.
const (
	SourceOperator   Source = ""           // the command line, the portal, a seed
	SourceRegistered Source = "registered" // POST /register
	SourceDocument   Source = "document"   // its id is the URL of its metadata
)

// Confidential says whether the client can keep a credential: RFC 6749 §2.1.
func (c *Client) Confidential() bool { return c.AuthMethod != AuthNone }

// mayUse says whether the client is registered for a grant type.
func (c *Client) mayUse(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// takes says whether a session that began by an authenticator serves the app. An
// embedder's sessions don't say how they began.
func (c *Client) takes(way string) bool {
	first := without(c.Authenticators, "totp", "recovery")
	if len(first) == 0 || way == "" || contains(first, way) {
		return true
	}
	builtin := contains([]string{"password", "passkey", "email"}, way)
	return !builtin && contains(first, "connectors")
}

// admits says whether somebody in these groups may use the app.
func (c *Client) admits(groups []string) bool {
	return len(c.Groups) == 0 || len(intersect(c.Groups, groups)) > 0
}

// redirect finds the registered URI that sent equals.
func (c *Client) redirect(sent string) (RedirectURI, bool) {
	for _, u := range c.redirects {
		if u.matches(sent) {
			return u, true
		}
	}
	return RedirectURI{}, false
}

// needsPKCE: CONTRACT §4, decision 3. Only a confidential client of profile
// compatible may leave it out.
func (c *Client) needsPKCE() bool {
	return c.Profile != ProfileCompatible || !c.Confidential()
}

// mayAsk says whether the client may ask for a scope: one it is registered
// with, or, registered without any, whatever isn't restricted. An undeclared
// scope may never be asked.
func (c *Client) mayAsk(name string, catalog *Catalog) bool {
	scope, declared := catalog.Scopes[name]
	switch {
	case name == ScopeRevocations && catalog.speaksFor(c.ID):
		return true
	case !declared:
		return false
	case c.Scope != "":
		return slices.Contains(c.scopes(), name)
	default:
		return !scope.Restricted
	}
}

// stillMayAsk keeps those of names that mayAsk allows today.
func (c *Client) stillMayAsk(names []string, catalog *Catalog) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !c.mayAsk(name, catalog) })
}

// scopes are the registered ones.
func (c *Client) scopes() []string {
	names, _ := parseScope(c.Scope)
	return names
}

// askable lists what mayAsk allows, for the owner to read.
func (c *Client) askable(catalog *Catalog) []string {
	var names []string
	for name := range catalog.Scopes {
		if c.mayAsk(name, catalog) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// remembersConsent: CONTRACT §4, decision 13. A public client could be
// anybody who knows its id, the more so when no https host receives the code.
func (c *Client) remembersConsent(redirectURI string) memory {
	switch {
	case c.Confidential():
		return rememberAlways
	case len(redirectURI) > 8 && redirectURI[:8] == "https://":
		return rememberSession
	default:
		return rememberNever
	}
}

type memory int

const (
	rememberNever memory = iota
	rememberSession
	rememberAlways
)
