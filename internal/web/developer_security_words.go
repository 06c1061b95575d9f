package web

import (
	"slices"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// choice is one of several, in words.
type choice struct {
	Value, Title, Hint string
	Checked            bool
	Now                bool     // it is what the app has
	Duties             []string // what follows from it
}

var profiles = []choice{
	{Value: string(oauth.ProfileOAuth21), Title: "OAuth 2.1", Hint: "Today's rules, and the right ones for almost every app."},
	{Value: string(oauth.ProfileCompatible), Title: "Compatible", Hint: "For an older library on a server that can't do PKCE."},
	{Value: string(oauth.ProfileFAPI2), Title: "FAPI 2.0", Hint: "For banks, health and whoever must prove that nothing can be stolen on the way."},
}

func profileChoices(chosen string, c *oauth.Client) []choice {
	out := slices.Clone(profiles)
	for i := range out {
		p := &out[i]
		p.Checked, p.Now, p.Duties = p.Value == chosen, p.Value == string(c.Profile), oauth.Profile(p.Value).Duties()
	}
	return out
}

func profileInWords(p oauth.Profile) string { return titleOf(profiles, string(p)) }

var authMethods = []choice{
	{Value: oauth.AuthBasic, Title: "Secret in the Authorization header", Hint: "What most libraries do."},
	{Value: oauth.AuthPost, Title: "Secret in the body", Hint: "For libraries that can't send the header."},
	{Value: oauth.AuthSecretJWT, Title: "Token signed with the secret", Hint: "The secret itself never travels."},
	{Value: oauth.AuthPrivateJWT, Title: "Token signed with a private key", Hint: "Nobody else can pass for your app, not even this server: the key never leaves you."},
	{Value: oauth.AuthTLS, Title: "Client certificate of an authority", Hint: "The connection proves the app. The operator says which authorities are trusted."},
	{Value: oauth.AuthSelfSigned, Title: "Self-signed client certificate", Hint: "The connection proves the app by a key that you register."},
	{Value: oauth.AuthNone, Title: "Nothing", Hint: "The program is in other people's hands and keeps no secret. PKCE protects its sign-in."},
}

func methodChoices(offered []string, chosen string, c *oauth.Client) []choice {
	out := make([]choice, 0, len(offered))
	for _, name := range offered {
		one := choice{Value: name, Title: name}
		if i := slices.IndexFunc(authMethods, func(m choice) bool { return m.Value == name }); i >= 0 {
			one = authMethods[i]
		}
		one.Checked, one.Now = name == chosen, name == c.AuthMethod
		out = append(out, one)
	}
	return out
}

func methodInWords(name string) string { return titleOf(authMethods, name) }

func titleOf(list []choice, value string) string {
	for _, one := range list {
		if one.Value == value {
			return one.Title
		}
	}
	return value
}

var grants = []choice{
	{Value: oauth.GrantAuthorizationCode, Title: "In the browser", Hint: "People are sent here to sign in and come back to a callback address."},
	{Value: oauth.GrantRefreshToken, Title: "Stay connected", Hint: "The app may get new access tokens while people are away."},
	{Value: oauth.GrantDeviceCode, Title: "On another device", Hint: "For a TV, a console or a command line: it shows a code that people enter on their phone."},
	{Value: oauth.GrantClientCredentials, Title: "As itself, without a person"},
	{Value: oauth.GrantTokenExchange, Title: "Exchange tokens for others"},
	{Value: oauth.GrantJWTBearer, Title: "Trade assertions of trusted issuers for tokens"},
}

// grantChoices are what a developer may tick.
func grantChoices(chosen []string, c *oauth.Client) []choice {
	var out []choice
	for _, g := range grants {
		if contains(ownGrants, g.Value) && c.Type != oauth.TypeService {
			g.Checked = contains(chosen, g.Value)
			out = append(out, g)
		}
	}
	return out
}

// givenGrants are shown, and changed by an operator alone.
func givenGrants(c *oauth.Client) []choice {
	var out []choice
	for _, g := range c.GrantTypes {
		if !contains(ownGrants, g) || c.Type == oauth.TypeService {
			out = append(out, choice{Value: g, Title: titleOf(grants, g)})
		}
	}
	return out
}

// waysInWords says in a few words what the app has.
func waysInWords(c *oauth.Client) string {
	short := map[string]string{
		oauth.GrantAuthorizationCode: "in the browser", oauth.GrantDeviceCode: "on another device", oauth.GrantClientCredentials: "as itself",
	}
	var ways []string
	for _, g := range c.GrantTypes {
		if short[g] != "" {
			ways = append(ways, short[g])
		}
	}
	return strings.Join(ways, ", ")
}

func tlsChoices(chosen string) []choice {
	out := make([]choice, 0, len(tlsNames))
	for _, n := range tlsNames {
		out = append(out, choice{Value: n.kind, Title: n.words, Checked: n.kind == chosen})
	}
	return out
}

// algorithm is one of the signatures of an app.
type algorithm struct {
	Field, Label, Default, Value, Problem string
}

func algorithmsOf(form *securityForm) []algorithm {
	strongest := "RS256"
	if form.Profile == string(oauth.ProfileFAPI2) {
		strongest = "PS256"
	}
	out := []algorithm{
		{Field: "alg_id_token", Label: "ID tokens", Default: strongest},
		{Field: "alg_userinfo", Label: "Answers of /userinfo", Default: "not signed"},
		{Field: "alg_introspection", Label: "Answers of /introspect", Default: strongest + " when asked for"},
		{Field: "alg_response", Label: "Authorization responses", Default: strongest + " when asked for"},
		{Field: "alg_request", Label: "Your signed requests", Default: "any of these"},
		{Field: "alg_auth", Label: "The token that proves your app", Default: "any of these"},
	}
	for i := range out {
		out[i].Value, out[i].Problem = form.Algs[out[i].Field], form.Errors[out[i].Field]
	}
	return out
}

// Chosen is how many algorithms aren't left to the server.
func (f *securityForm) Chosen() int {
	n := 0
	for _, alg := range f.Algs {
		if alg != "" {
			n++
		}
	}
	return n
}

// tokensInWords says what holds a token to its app.
func tokensInWords(c *oauth.Client) string {
	fapi := c.Profile == oauth.ProfileFAPI2
	switch {
	case c.BoundDPoP && c.BoundCertificate, fapi && c.BoundDPoP == c.BoundCertificate:
		return "Bound to a key by DPoP, or to the client certificate"
	case c.BoundDPoP:
		return "Bound to a key by DPoP"
	case c.BoundCertificate:
		return "Bound to the client certificate"
	}
	return ""
}

const privateWords = "This is a private key, and it isn't shown here again. Make a new one, since this one has left your machine, and paste its public half."

// inSecurityWords are a rule's words, without the names that only the protocol
// knows.
func inSecurityWords(e *oauth.Error) string {
	text := e.Description
	for _, row := range [][2]string{
		{"not an https address", "Enter a whole address that begins with https://."},
		{"must be https addresses", "Enter whole addresses that begin with https://, one a line."},
		{"redirect_uris is missing", "To sign people in through the browser the app needs a callback address. Add it to the app's settings first."},
		{"needs jwks or jwks_uri", "This way needs your app's public keys. Paste them, or enter their address."},
		{"can't stand together", "Paste the keys or enter their address, not both."},
		{"private members", privateWords},
		{"is not a set of public keys", "This is no set of public keys. It looks like {\"keys\": [ … ]}."},
		{"exactly one tls_client_auth_ name", "Enter the name that stands in the certificate."},
		{"RFC 4514", "Write the subject as in RFC 4514, such as CN=app.example,O=Example,C=GB."},
		{"on the scheme, host and port of a redirect URI", "It must be on the scheme, host and port of one of your callback addresses."},
		{"has a fragment", "The address has a fragment, the part after #. Leave it out."},
		{"with the device grant need", "An app on another device needs no callback, so its address proves nothing. Enter the address of a list of hosts that belong together."},
		{"need a sector_identifier_uri", "Your callback addresses are on several hosts. Say which of them belong together, by the address of a list."},
		{"could not be fetched", "The list couldn't be fetched from this address. Publish it first."},
		{"is not a JSON list", "What stands at this address is no JSON list of callback addresses."},
		{"does not list every redirect URI", "The list at this address lacks one of your callback addresses."},
		{"profile fapi2 authenticates by", "FAPI 2.0 takes a token signed with a private key, or a client certificate."},
		{"profile fapi2 takes https redirect URIs", "FAPI 2.0 takes callback addresses that begin with https://. Change them in the app's settings first."},
		{"profile fapi2 signs by", "FAPI 2.0 takes PS256, ES256 and EdDSA."},
		{"refresh_token needs", "Staying connected needs one of the other two."},
	} {
		if strings.Contains(text, row[0]) {
			return row[1]
		}
	}
	return sentence(text)
}
