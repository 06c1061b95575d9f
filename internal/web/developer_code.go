package web

import (
	"fmt"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// snippet is code that an app's developer may copy, already filled in. It
// never holds the secret: that comes from the environment.
type snippet struct{ Name, Text string }

func snippets(issuer string, c *oauth.Client) []snippet {
	if c.Type == oauth.TypeService {
		return serviceSnippets(issuer, c)
	}
	p := newSnippetParts(issuer, c)
	return []snippet{{"curl", p.curl()}, {"Go", p.golang()}, {"Node", p.node()}}
}

// snippetParts are what an app's code needs. Each comes through the rules of
// registration, which leave neither quotes nor line breaks in them.
type snippetParts struct {
	issuer, id, callback, scope string
	hidden                      bool
}

func newSnippetParts(issuer string, c *oauth.Client) snippetParts {
	p := snippetParts{issuer: issuer, id: c.ID, scope: c.Scope, hidden: c.Confidential(), callback: "https://app.example/callback"}
	if len(c.RedirectURIs) > 0 {
		p.callback = c.RedirectURIs[0]
	}
	if p.scope == "" {
		p.scope = "openid profile email"
	}
	return p
}

func (p snippetParts) curl() string {
	auth := `  -d client_id='` + shell(p.id) + "' \\\n"
	if p.hidden {
		auth = `  -u '` + shell(p.id) + `':"$CLIENT_SECRET"` + " \\\n"
	}
	return fmt.Sprintf(`# 1. Make a verifier and open the address that this prints.
VERIFIER=$(openssl rand -hex 32)
CHALLENGE=$(printf %%s "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
echo "%s/authorize?response_type=code&client_id=%s&redirect_uri=%s&scope=%s&state=$(openssl rand -hex 16)&code_challenge=$CHALLENGE&code_challenge_method=S256"

# 2. The browser comes back with ?code=…; trade it for tokens.
CODE=paste-it-here
curl -sS '%s/token' \
%s  -d grant_type=authorization_code \
  -d code="$CODE" \
  -d code_verifier="$VERIFIER" \
  --data-urlencode redirect_uri='%s'
`, p.issuer, escape(p.id), escape(p.callback), escape(p.scope), p.issuer, auth, shell(p.callback))
}

func (p snippetParts) golang() string {
	secretLine := ""
	if p.hidden {
		secretLine = "\n\tClientSecret: os.Getenv(\"CLIENT_SECRET\"),"
	}
	return fmt.Sprintf(`// go get golang.org/x/oauth2
config := &oauth2.Config{
	ClientID:     %q,%s
	RedirectURL:  %q,
	Scopes:       []string{%s},
	Endpoint: oauth2.Endpoint{
		AuthURL:  %q,
		TokenURL: %q,
	},
}

// To sign in: keep state and verifier in the person's session.
state, verifier := rand.Text(), oauth2.GenerateVerifier()
http.Redirect(w, r, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)), http.StatusFound)

// In the callback: compare state, then
token, err := config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(verifier))
`, p.id, secretLine, p.callback, quotedList(p.scope), p.issuer+"/authorize", p.issuer+"/token")
}

func (p snippetParts) node() string {
	secretLine, options := ", undefined, client.None()", insecure(p.issuer)
	if p.hidden {
		secretLine = ", undefined, client.ClientSecretBasic(process.env.CLIENT_SECRET)"
	}
	return fmt.Sprintf(`// npm install openid-client@6
import * as client from "openid-client"

const config = await client.discovery(new URL(%q), %q%s%s)

// To sign in: keep verifier and state in the person's session.
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const url = client.buildAuthorizationUrl(config, {
	redirect_uri: %q,
	scope: %q,
	state,
	code_challenge: await client.calculatePKCECodeChallenge(verifier),
	code_challenge_method: "S256",
})

// In the callback, with its full address:
const tokens = await client.authorizationCodeGrant(config, new URL(currentUrl), {
	pkceCodeVerifier: verifier,
	expectedState: state,
})
`, p.issuer, p.id, secretLine, options, p.callback, p.scope)
}

func serviceSnippets(issuer string, c *oauth.Client) []snippet {
	scope, scopes := "", ""
	if c.Scope != "" {
		scope = " \\\n  -d scope='" + shell(c.Scope) + "'"
		scopes = "\n\tScopes:       []string{" + quotedList(c.Scope) + "},"
	}
	curl := fmt.Sprintf("curl -sS '%s/token' \\\n  -u '%s':\"$CLIENT_SECRET\" \\\n  -d grant_type=client_credentials%s\n", issuer, shell(c.ID), scope)
	golang := fmt.Sprintf(`// go get golang.org/x/oauth2
config := &clientcredentials.Config{
	ClientID:     %q,
	ClientSecret: os.Getenv("CLIENT_SECRET"),
	TokenURL:     %q,%s
}
http := config.Client(ctx) // adds a token to each request
`, c.ID, issuer+"/token", scopes)
	node := fmt.Sprintf(`// npm install openid-client@6
import * as client from "openid-client"

const config = await client.discovery(new URL(%q), %q, undefined, client.ClientSecretBasic(process.env.CLIENT_SECRET)%s)
const tokens = await client.clientCredentialsGrant(config%s)
`, issuer, c.ID, insecure(issuer), nodeScope(c.Scope))
	return []snippet{{"curl", curl}, {"Go", golang}, {"Node", node}}
}

func insecure(issuer string) string {
	if strings.HasPrefix(issuer, "http://") {
		return ", { execute: [client.allowInsecureRequests] }"
	}
	return ""
}

func nodeScope(scope string) string {
	if scope == "" {
		return ""
	}
	return fmt.Sprintf(", { scope: %q }", scope)
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
