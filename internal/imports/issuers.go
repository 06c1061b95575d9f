package imports

// issuers are those of providers that everybody knows, by what Keycloak, Auth0
// and Firebase call them. They are the ones that package upstream's presets have.
var issuers = map[string]string{
	"google": googleIssuer, "google-oauth2": googleIssuer, "google.com": googleIssuer,
	"github": githubIssuer, "github.com": githubIssuer,
	"facebook": facebookIssuer, "facebook.com": facebookIssuer,
	"apple": appleIssuer, "apple.com": appleIssuer,
	"x": xIssuer, "twitter": xIssuer, "twitter.com": xIssuer,
}

const (
	googleIssuer   = "https://accounts.google.com"
	githubIssuer   = "https://github.com/login/oauth"
	facebookIssuer = "https://www.facebook.com"
	appleIssuer    = "https://appleid.apple.com"
	xIssuer        = "https://x.com"
)

// KnownIssuer finds the issuer of a well-known provider by a name that one of
// the sources has for it; "" for any other.
func KnownIssuer(alias string) string { return issuers[alias] }
