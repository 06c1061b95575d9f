package upstream

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// The three ways to ask.
const (
	familyOIDC   = "oidc"
	familyOAuth2 = "oauth2"
	familyLDAP   = "ldap"
)

// preset is a kind: how its providers are asked, and what they document.
type preset struct {
	family   string
	defaults Config
	secret   bool // the provider knows no public clients
	own      bool // the operator's own provider: it has no address that we could know

	// also is asked when email_verified is true; nil: that is enough.
	also func(answer profile, email string) bool
	// ask fetches the profile; nil: one call with a bearer token (RFC 6750 §2.1).
	ask func(c *oauth2Client) profileCall
}

var (
	yes, no    = true, false
	oidcScopes = List{"openid", "profile", "email"}
	oidcBase   = Config{Scopes: oidcScopes}
)

// presets: what stands in trust_email is what the provider's documentation
// promises of email_verified.
var presets = map[string]preset{
	// Whoever it is, we don't know it: the operator says whether it checks
	// addresses.
	"oidc": {family: familyOIDC, own: true, defaults: withTrust(oidcBase, no)},
	// Sets email_verified after a confirmed link only, and clears it when the
	// address changes.
	"valetkey": {family: familyOIDC, own: true, defaults: withTrust(titled(oidcBase, "Valet Key"), yes)},
	// Clears emailVerified when the person changes the address; administrators
	// may set it, and are the operator's own.
	"keycloak": {family: familyOIDC, own: true, defaults: withTrust(titled(oidcBase, "Keycloak"), yes)},
	// Its help pages tell integrators not to take email_verified for a proof.
	"okta": {family: familyOIDC, own: true, defaults: withTrust(titled(oidcBase, "Okta"), no)},
	// Vouches for Gmail's own addresses and, where hd is set, for those of a
	// Workspace. Any other was checked once, and may have changed hands since.
	"google": {family: familyOIDC, secret: true, also: googleVouches, defaults: Config{
		Title: "Google", Issuer: "https://accounts.google.com", Scopes: oidcScopes, TrustEmail: &yes, TokenAuth: "post",
	}},
	// email may be written by any tenant's administrator. Only xms_edov, an
	// optional claim, says that the domain was proven. Its ID token has what
	// its userinfo endpoint has.
	"microsoft": {family: familyOIDC, defaults: Config{
		Title: "Microsoft", Issuer: "https://login.microsoftonline.com/{tenantid}/v2.0", Scopes: oidcScopes, TrustEmail: &yes,
		TokenAuth: "post", UserInfo: &no, Claims: map[string]string{"email_verified": "xms_edov"},
	}},
	"oauth2": {family: familyOAuth2, own: true, defaults: Config{
		TrustEmail: &no, Subject: "sub", TokenAuth: "basic",
	}},
	// /user/emails marks the primary address and those that were confirmed. iss
	// of its authorization responses (RFC 9207) is this issuer.
	"github": {family: familyOAuth2, secret: true, ask: githubProfile, defaults: Config{ //nolint:gosec // addresses, no credentials
		Title: "GitHub", Issuer: "https://github.com/login/oauth", AuthorizeURL: "https://github.com/login/oauth/authorize",
		TokenURL: "https://github.com/login/oauth/access_token", ProfileURL: "https://api.github.com/user",
		EmailsURL: "https://api.github.com/user/emails", Scopes: List{"read:user", "user:email"}, Subject: "id", TokenAuth: "post", TrustEmail: &yes,
		Claims: map[string]string{"preferred_username": "login", "picture": "avatar_url", "profile": "html_url", "website": "blog"},
	}},
	// Says nothing of whether an address was confirmed.
	"facebook": {family: familyOAuth2, secret: true, ask: facebookProfile, defaults: Config{ //nolint:gosec // addresses, no credentials
		Title: "Facebook", Issuer: "https://www.facebook.com", AuthorizeURL: "https://www.facebook.com/v23.0/dialog/oauth",
		TokenURL: "https://graph.facebook.com/v23.0/oauth/access_token", ProfileURL: "https://graph.facebook.com/v23.0/me",
		Scopes: List{"public_profile", "email"}, Subject: "id", TokenAuth: "post", TrustEmail: &no,
		Claims: map[string]string{"given_name": "first_name", "middle_name": "middle_name", "family_name": "last_name", "picture": "picture.data.url"},
	}},
	// No address at all without a special permission. /2/users/me needs both
	// scopes.
	"x": {family: familyOAuth2, ask: xProfile, defaults: Config{ //nolint:gosec // addresses, no credentials
		Title: "X", Issuer: "https://x.com", AuthorizeURL: "https://x.com/i/oauth2/authorize", TokenURL: "https://api.x.com/2/oauth2/token",
		ProfileURL: "https://api.x.com/2/users/me", Scopes: List{"users.read", "tweet.read"}, Subject: "data.id", TokenAuth: "basic", TrustEmail: &no,
		Claims: map[string]string{"preferred_username": "data.username", "name": "data.name", "picture": "data.profile_image_url"},
	}},
	// In many directories people write their own mail attribute. trust_email
	// takes it for a proven one.
	"ldap": {family: familyLDAP, own: true, defaults: Config{
		UserFilter: "(&(objectClass=inetOrgPerson)(uid={username}))", Subject: "entryUUID", TrustEmail: &no,
		GroupFilter: "(|(member={dn})(uniqueMember={dn}))", GroupName: "cn", Claims: directoryClaims("uid"),
	}},
	"active_directory": {family: familyLDAP, own: true, defaults: Config{
		UserFilter: "(&(objectClass=user)(!(objectClass=computer))(|(sAMAccountName={username})(userPrincipalName={username})))",
		Subject:    "objectGUID", TrustEmail: &no, GroupName: "cn", Claims: directoryClaims("sAMAccountName"),
	}},
}

func withTrust(c Config, trust bool) Config { c.TrustEmail = &trust; return c }
func titled(c Config, title string) Config  { c.Title = title; return c }
func directoryClaims(username string) map[string]string {
	return map[string]string{
		"preferred_username": username, "name": "displayName", "given_name": "givenName", "family_name": "sn", "email": "mail",
		"phone_number": "telephoneNumber", "locale": "preferredLanguage",
	}
}

// resolved is c with its kind's defaults where it says nothing; claims are
// joined by name.
func (c Config) resolved() Config {
	defaults := presets[c.Kind].defaults
	into, from := reflect.ValueOf(&c).Elem(), reflect.ValueOf(defaults)
	claims := maps.Clone(defaults.Claims)
	for i := range into.NumField() {
		if into.Field(i).IsZero() {
			into.Field(i).Set(from.Field(i))
		}
	}
	if claims != nil {
		maps.Copy(claims, c.Claims)
		c.Claims = claims
	}
	if c.Title == "" {
		c.Title = c.Name
	}
	return c
}

// kinds lists what kind may be.
func kinds() string { return strings.Join(slices.Sorted(maps.Keys(presets)), ", ") }
