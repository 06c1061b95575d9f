package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// snippet is code that an app's developer may copy, already filled in. It
// never holds the secret: that comes from the environment.
type snippet struct{ Name, Text string }

// snippets are the right requests for the app as it is registered.
func (w *Web) snippets(l *locale.Locale, c *oauth.Client) []snippet {
	r := newRecipe(w.OAuth, c)
	plainly := func(name string) string { return name }
	elsewhere := func(name string) string { return l.T("{0}, signing in on another device", name) }
	var out []snippet
	add := func(name func(string) string, curl, golang, node string) {
		for _, one := range []snippet{{"curl", curl}, {"Go", golang}, {"Node", node}} {
			if one.Text != "" {
				one.Name = name(one.Name)
				out = append(out, one)
			}
		}
	}
	if contains(c.GrantTypes, oauth.GrantClientCredentials) && c.Type == oauth.TypeService {
		add(plainly, r.curlService(), r.goService(), r.nodeService())
	}
	if contains(c.GrantTypes, oauth.GrantAuthorizationCode) {
		add(plainly, r.curlCode(), r.golang(), r.node())
	}
	if contains(c.GrantTypes, oauth.GrantDeviceCode) {
		add(elsewhere, r.curlDevice(), r.goDevice(), r.nodeDevice())
	}
	return out
}

// recipe is what an app's code needs. Each value comes through the rules of
// registration, which leave neither quotes nor line breaks in it.
type recipe struct {
	issuer, id, callback, scope string
	registered                  string // the scopes that were registered, where callers would rather have none than ours
	api                         string // where programs ask: the issuer, or the address that takes certificates
	method                      string
	alg, kid                    string // of the app's own key
	pushed, signed              bool   // how its requests come
	dpop, certificate           bool   // what its tokens are bound to
	nonce                       bool   // the server puts a nonce into proofs
}

func newRecipe(s *oauth.Server, c *oauth.Client) recipe {
	fapi := c.Profile == oauth.ProfileFAPI2
	r := recipe{
		issuer: s.Issuer, api: s.Issuer, id: c.ID, scope: c.Scope, registered: c.Scope, method: c.AuthMethod, callback: "https://app.example/callback",
		pushed: c.RequirePushed || fapi, signed: c.RequireSignedRequest, nonce: s.DPoPNonce,
		certificate: c.BoundCertificate || c.AuthMethod == oauth.AuthTLS || c.AuthMethod == oauth.AuthSelfSigned,
	}
	r.dpop = c.BoundDPoP || fapi && !r.certificate
	r.alg, r.kid = keyOf(c)
	if r.certificate && s.MTLSURL != "" {
		r.api = s.MTLSURL
	}
	if len(c.RedirectURIs) > 0 {
		r.callback = c.RedirectURIs[0]
	}
	if r.scope == "" {
		r.scope = "openid profile email"
	}
	return r
}

// keyOf is the algorithm and the id of the key that the app signs with: the
// registered one, or what its first key can do.
func keyOf(c *oauth.Client) (alg, kid string) {
	var set struct {
		Keys []struct{ Kty, Alg, Kid string }
	}
	_ = json.Unmarshal(c.JWKS, &set) // judged when it was registered; at an address we don't look
	registered := cmp.Or(c.AuthAlg, c.RequestAlg)
	for _, key := range set.Keys {
		can := cmp.Or(key.Alg, registered, "PS256")
		switch key.Kty {
		case "EC":
			can = "ES256"
		case "OKP":
			can = "EdDSA" // whichever of its names the key has
		}
		if registered == "" || registered == can {
			return can, key.Kid
		}
	}
	return cmp.Or(registered, "PS256"), ""
}

func (r recipe) hidden() bool { return r.method != oauth.AuthNone }

// asserts: the app proves itself by a token that it signs.
func (r recipe) asserts() bool {
	return r.method == oauth.AuthPrivateJWT || r.method == oauth.AuthSecretJWT
}

// plain: a library of ten years ago can do it.
func (r recipe) plain() bool {
	return !r.asserts() && !r.certificate && !r.dpop && !r.pushed && !r.signed
}

func (r recipe) golang() string {
	if !r.plain() {
		return "" // golang.org/x/oauth2 can't
	}
	secretLine := ""
	if r.hidden() {
		secretLine = "\n\tClientSecret: os.Getenv(\"CLIENT_SECRET\"),"
	}
	return fmt.Sprintf(`// go get golang.org/x/oauth2
config := &oauth2.Config{
	ClientID:     %q,%s
	RedirectURL:  %q,
	Scopes:       []string{%s},
	Endpoint: oauth2.Endpoint{
		AuthURL:  %q,
		TokenURL: %q,%s
	},
}

// To sign in: keep state and verifier in the person's session.
state, verifier := rand.Text(), oauth2.GenerateVerifier()
http.Redirect(w, r, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), http.StatusFound)

// In the callback: compare state, then
token, err := config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(verifier))
`, r.id, secretLine, r.callback, quotedList(r.scope), r.issuer+"/authorize", r.issuer+"/token", r.goStyle("\t\t"))
}

// goStyle says how the secret is sent, where it isn't in the header.
func (r recipe) goStyle(indent string) string {
	if r.method != oauth.AuthPost {
		return ""
	}
	return "\n" + indent + "AuthStyle: oauth2.AuthStyleInParams,"
}

func (r recipe) goDevice() string {
	if !r.plain() {
		return ""
	}
	secretLine := ""
	if r.hidden() {
		secretLine = "\n\tClientSecret: os.Getenv(\"CLIENT_SECRET\"),"
	}
	return fmt.Sprintf(`// go get golang.org/x/oauth2
config := &oauth2.Config{
	ClientID: %q,%s
	Scopes:   []string{%s},
	Endpoint: oauth2.Endpoint{
		DeviceAuthURL: %q,
		TokenURL:      %q,%s
	},
}
device, err := config.DeviceAuth(ctx)
fmt.Println("Open", device.VerificationURI, "and enter", device.UserCode)
token, err := config.DeviceAccessToken(ctx, device) // waits for the person
`, r.id, secretLine, quotedList(r.scope), r.issuer+"/device_authorization", r.issuer+"/token", r.goStyle("\t\t"))
}

func (r recipe) goService() string {
	if !r.plain() {
		return ""
	}
	scopes := ""
	if r.registered != "" {
		scopes = "\n\tScopes:       []string{" + quotedList(r.registered) + "},"
	}
	return fmt.Sprintf(`// go get golang.org/x/oauth2
config := &clientcredentials.Config{
	ClientID:     %q,
	ClientSecret: os.Getenv("CLIENT_SECRET"),
	TokenURL:     %q,%s%s
}
http := config.Client(ctx) // adds a token to each request
`, r.id, r.issuer+"/token", r.goStyle("\t"), scopes)
}

func quotedList(scope string) string {
	var out []string
	for _, name := range strings.Fields(scope) {
		out = append(out, fmt.Sprintf("%q", name))
	}
	return strings.Join(out, ", ")
}

// shell makes text fit to stand between single quotes.
func shell(s string) string { return strings.ReplaceAll(s, "'", `'\''`) }

func escape(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var out strings.Builder
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			out.WriteByte(s[i])
		} else {
			fmt.Fprintf(&out, "%%%02X", s[i])
		}
	}
	return out.String()
}
