package web

import (
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/locale"
	"github.com/valetkey/valetkey/oauth"
)

// choice is one of several, in words.
type choice struct {
	Value, Title, Hint string
	Checked            bool
	Now                bool     // it is what the app has
	Focus              bool     // the cursor goes there
	Duties             []string // what follows from it
}

var profiles = []choice{
	{Value: string(oauth.ProfileOAuth21), Title: "OAuth 2.1", Hint: locale.Key("Today's rules, and the right ones for almost every app.")},
	{Value: string(oauth.ProfileCompatible), Title: locale.Key("Compatible"), Hint: locale.Key("For an older library on a server that can't do PKCE.")},
	{Value: string(oauth.ProfileFAPI2), Title: "FAPI 2.0", Hint: locale.Key("For banks, health and whoever must prove that nothing can be stolen on the way.")},
}

// in puts a choice into a language.
func (c choice) in(l *locale.Locale) choice {
	c.Title, c.Hint = l.Try(c.Title), l.Try(c.Hint)
	duties := make([]string, 0, len(c.Duties))
	for _, duty := range c.Duties {
		duties = append(duties, foreign(l, duty))
	}
	c.Duties = duties
	return c
}

// withFocus puts the cursor in the choice that is made, or else in the first.
func withFocus(choices []choice, focus bool) []choice {
	at := max(0, slices.IndexFunc(choices, func(c choice) bool { return c.Checked }))
	if focus && len(choices) > 0 {
		choices[at].Focus = true
	}
	return choices
}

func profileChoices(l *locale.Locale, chosen string, c *oauth.Client) []choice {
	out := make([]choice, 0, len(profiles))
	for _, p := range profiles {
		p.Checked, p.Now, p.Duties = p.Value == chosen, p.Value == string(c.Profile), oauth.Profile(p.Value).Duties()
		out = append(out, p.in(l))
	}
	return out
}

func profileInWords(l *locale.Locale, p oauth.Profile) string { return titleOf(l, profiles, string(p)) }

var authMethods = []choice{
	{Value: oauth.AuthBasic, Title: locale.Key("Secret in the Authorization header"), Hint: locale.Key("What most libraries do.")},
	{Value: oauth.AuthPost, Title: locale.Key("Secret in the body"), Hint: locale.Key("For libraries that can't send the header.")},
	{Value: oauth.AuthSecretJWT, Title: locale.Key("Token signed with the secret"), Hint: locale.Key("The secret itself never travels.")},
	{Value: oauth.AuthPrivateJWT, Title: locale.Key("Token signed with a private key"), Hint: locale.Key("Nobody else can pass for your app, not even this server: the key never leaves you.")},
	{Value: oauth.AuthTLS, Title: locale.Key("Client certificate of an authority"), Hint: locale.Key("The connection proves the app. The operator says which authorities are trusted.")},
	{Value: oauth.AuthSelfSigned, Title: locale.Key("Self-signed client certificate"), Hint: locale.Key("The connection proves the app by a key that you register.")},
	{Value: oauth.AuthNone, Title: locale.Key("Nothing"), Hint: locale.Key("The program is in other people's hands and keeps no secret. PKCE protects its sign-in.")},
}

func methodChoices(l *locale.Locale, offered []string, chosen string, c *oauth.Client) []choice {
	out := make([]choice, 0, len(offered))
	for _, name := range offered {
		one := choice{Value: name, Title: name}
		if i := slices.IndexFunc(authMethods, func(m choice) bool { return m.Value == name }); i >= 0 {
			one = authMethods[i]
		}
		one.Checked, one.Now = name == chosen, name == c.AuthMethod
		out = append(out, one.in(l))
	}
	return out
}

func methodInWords(l *locale.Locale, name string) string { return titleOf(l, authMethods, name) }

func titleOf(l *locale.Locale, list []choice, value string) string {
	for _, one := range list {
		if one.Value == value {
			return l.Try(one.Title)
		}
	}
	return value
}

var grants = []choice{
	{Value: oauth.GrantAuthorizationCode, Title: locale.Key("In the browser"), Hint: locale.Key("People are sent here to sign in and come back to a callback address.")},
	{Value: oauth.GrantRefreshToken, Title: locale.Key("Stay connected"), Hint: locale.Key("The app may get new access tokens while people are away.")},
	{Value: oauth.GrantDeviceCode, Title: locale.Key("On another device"), Hint: locale.Key("For a TV, a console or a command line: it shows a code that people enter on their phone.")},
	{Value: oauth.GrantClientCredentials, Title: locale.Key("As itself, without a person")},
	{Value: oauth.GrantTokenExchange, Title: locale.Key("Exchange tokens for others")},
	{Value: oauth.GrantJWTBearer, Title: locale.Key("Trade assertions of trusted issuers for tokens")},
}

// grantChoices are what a developer may tick.
func grantChoices(l *locale.Locale, chosen []string, c *oauth.Client) []choice {
	var out []choice
	for _, g := range grants {
		if contains(ownGrants, g.Value) && c.Type != oauth.TypeService {
			g.Checked = contains(chosen, g.Value)
			out = append(out, g.in(l))
		}
	}
	return out
}

// givenGrants are shown, and changed by an operator alone.
func givenGrants(l *locale.Locale, c *oauth.Client) []choice {
	var out []choice
	for _, g := range c.GrantTypes {
		if !contains(ownGrants, g) || c.Type == oauth.TypeService {
			out = append(out, choice{Value: g, Title: titleOf(l, grants, g)})
		}
	}
	return out
}

// waysInWords says in a few words what the app has.
func waysInWords(l *locale.Locale, c *oauth.Client) string {
	short := map[string]string{
		oauth.GrantAuthorizationCode: l.T("in the browser"), oauth.GrantDeviceCode: l.T("on another device"), oauth.GrantClientCredentials: l.T("as itself"),
	}
	var ways []string
	for _, g := range c.GrantTypes {
		if short[g] != "" {
			ways = append(ways, short[g])
		}
	}
	return l.Listed(ways)
}

func tlsChoices(l *locale.Locale, chosen string) []choice {
	out := make([]choice, 0, len(tlsNames))
	for _, n := range tlsNames {
		out = append(out, choice{Value: n.kind, Title: l.T(n.words), Checked: n.kind == chosen})
	}
	return out
}

// algorithm is one of the signatures of an app.
type algorithm struct {
	Field, Label, Default, Value, Problem string
}

func algorithmsOf(l *locale.Locale, form *securityForm) []algorithm {
	strongest := "RS256"
	if form.Profile == string(oauth.ProfileFAPI2) {
		strongest = "PS256"
	}
	out := []algorithm{
		{Field: "alg_id_token", Label: l.T("ID tokens"), Default: strongest},
		{Field: "alg_userinfo", Label: l.T("Answers of {0}", "/userinfo"), Default: l.T("not signed")},
		{Field: "alg_introspection", Label: l.T("Answers of {0}", "/introspect"), Default: l.T("{0} when asked for", strongest)},
		{Field: "alg_response", Label: l.T("Authorization responses"), Default: l.T("{0} when asked for", strongest)},
		{Field: "alg_request", Label: l.T("Your signed requests"), Default: l.T("any of these")},
		{Field: "alg_auth", Label: l.T("The token that proves your app"), Default: l.T("any of these")},
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
func tokensInWords(l *locale.Locale, c *oauth.Client) string {
	fapi := c.Profile == oauth.ProfileFAPI2
	switch {
	case c.BoundDPoP && c.BoundCertificate, fapi && c.BoundDPoP == c.BoundCertificate:
		return l.T("Bound to a key by DPoP, or to the client certificate")
	case c.BoundDPoP:
		return l.T("Bound to a key by DPoP")
	case c.BoundCertificate:
		return l.T("Bound to the client certificate")
	}
	return ""
}

var privateWords = locale.Key("This is a private key, and it isn't shown here again. Make a new one, since this one has left your machine, and paste its public half.")

// inSecurityWords are a rule's words, without the names that only the protocol
// knows.
func inSecurityWords(l *locale.Locale, e *oauth.Error) string {
	text := e.Description
	for _, row := range [][2]string{
		{"not an https address", locale.Key("Enter a whole address that begins with https://.")},
		{"must be https addresses", locale.Key("Enter whole addresses that begin with https://, one a line.")},
		{"redirect_uris is missing", locale.Key("To sign people in through the browser the app needs a callback address. Add it to the app's settings first.")},
		{"needs jwks or jwks_uri", locale.Key("This way needs your app's public keys. Paste them, or enter their address.")},
		{"can't stand together", locale.Key("Paste the keys or enter their address, not both.")},
		{"private members", privateWords},
		{"is not a set of public keys", locale.Key("This is no set of public keys. It looks like {\"keys\": [ … ]}.")},
		{"exactly one tls_client_auth_ name", locale.Key("Enter the name that stands in the certificate.")},
		{"RFC 4514", locale.Key("Write the subject as in RFC 4514, such as CN=app.example,O=Example,C=GB.")},
		{"on the scheme, host and port of a redirect URI", locale.Key("It must be on the scheme, host and port of one of your callback addresses.")},
		{"has a fragment", locale.Key("The address has a fragment, the part after #. Leave it out.")},
		{"with the device grant need", locale.Key("An app on another device needs no callback, so its address proves nothing. Enter the address of a list of hosts that belong together.")},
		{"need a sector_identifier_uri", locale.Key("Your callback addresses are on several hosts. Say which of them belong together, by the address of a list.")},
		{"could not be fetched", locale.Key("The list couldn't be fetched from this address. Publish it first.")},
		{"is not a JSON list", locale.Key("What stands at this address is no JSON list of callback addresses.")},
		{"does not list every redirect URI", locale.Key("The list at this address lacks one of your callback addresses.")},
		{"profile fapi2 authenticates by", locale.Key("FAPI 2.0 takes a token signed with a private key, or a client certificate.")},
		{"profile fapi2 takes https redirect URIs", locale.Key("FAPI 2.0 takes callback addresses that begin with https://. Change them in the app's settings first.")},
		{"profile fapi2 signs by", locale.Key("FAPI 2.0 takes PS256, ES256 and EdDSA.")},
		{"refresh_token needs", locale.Key("Staying connected needs one of the other two.")},
	} {
		if strings.Contains(text, row[0]) {
			return l.T(row[1])
		}
	}
	return foreign(l, text)
}
