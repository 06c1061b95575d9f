package web

import (
	"fmt"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

// nodeConfig finds the server and says how the app proves itself, for
// openid-client.
func (r recipe) nodeConfig(withRequest bool) string {
	var before, after strings.Builder
	signs := r.method == oauth.AuthPrivateJWT || withRequest && r.signed
	packages, metadata := "openid-client@6", "undefined"
	if signs {
		packages += " jose@6"
		before.WriteString("import { readFile } from \"node:fs/promises\"\nimport { importPKCS8 } from \"jose\"\n")
	}
	if r.certificate {
		packages += " undici"
		metadata = "{ use_mtls_endpoint_aliases: true }"
		if !signs {
			before.WriteString("import { readFile } from \"node:fs/promises\"\n")
		}
		before.WriteString("import { Agent, fetch } from \"undici\"\n")
	}
	before.WriteString("\n")
	if signs {
		fmt.Fprintf(&before, "const key = await importPKCS8(await readFile(\"key.pem\", \"utf8\"), %q)\n", r.alg)
	}
	if r.certificate {
		before.WriteString("const dispatcher = new Agent({ connect: { cert: await readFile(\"client.crt\"), key: await readFile(\"client.key\") } })\n")
		after.WriteString("config[client.customFetch] = (url, options) => fetch(url, { ...options, dispatcher })\n")
	}
	if r.dpop {
		after.WriteString("const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(\"ES256\"))\n")
	}
	return fmt.Sprintf("// npm install %s\nimport * as client from \"openid-client\"\n%sconst config = await client.discovery(new URL(%q), %q, %s, %s%s)\n%s",
		packages, before.String(), r.issuer, r.id, metadata, r.nodeAuth(), insecure(r.issuer), after.String())
}

func (r recipe) nodeAuth() string {
	switch r.method {
	case oauth.AuthBasic:
		return "client.ClientSecretBasic(process.env.CLIENT_SECRET)"
	case oauth.AuthPost:
		return "client.ClientSecretPost(process.env.CLIENT_SECRET)"
	case oauth.AuthSecretJWT:
		return "client.ClientSecretJwt(process.env.CLIENT_SECRET)"
	case oauth.AuthPrivateJWT:
		if r.kid != "" {
			return fmt.Sprintf("client.PrivateKeyJwt({ key, kid: %q })", r.kid)
		}
		return "client.PrivateKeyJwt(key)"
	case oauth.AuthTLS, oauth.AuthSelfSigned:
		return "client.TlsClientAuth()"
	}
	return "client.None()"
}

func (r recipe) node() string {
	proof, name, build, end := "", "url", "client.buildAuthorizationUrl(config, {", "})"
	if r.dpop {
		proof = ", undefined, { DPoP }"
	}
	switch {
	case r.signed:
		build, end = "await client.buildAuthorizationUrlWithJAR(config, {", "}, "+r.nodeKey()+")"
	case r.pushed:
		build = "await client.buildAuthorizationUrlWithPAR(config, {"
	}
	if r.signed && r.pushed {
		name = "signed"
		end += "\nconst url = await client.buildAuthorizationUrlWithPAR(config, signed.searchParams)"
	}
	return fmt.Sprintf(`%s
// To sign in: keep verifier and state in the person's session.
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const %s = %s
	redirect_uri: %q,
	scope: %q,
	state,
	code_challenge: await client.calculatePKCECodeChallenge(verifier),
	code_challenge_method: "S256",
%s

// In the callback, with its full address:
const tokens = await client.authorizationCodeGrant(config, new URL(currentUrl), {
	pkceCodeVerifier: verifier,
	expectedState: state,
}%s)
`, r.nodeConfig(true), name, build, r.callback, r.scope, end, proof)
}

// nodeKey is the key of signed requests.
func (r recipe) nodeKey() string {
	if r.kid != "" {
		return fmt.Sprintf("{ key, kid: %q }", r.kid)
	}
	return "key"
}

func (r recipe) nodeDevice() string {
	proof := ""
	if r.dpop {
		proof = ", undefined, { DPoP }"
	}
	return fmt.Sprintf(`%s
const device = await client.initiateDeviceAuthorization(config, { scope: %q })
console.log("Open", device.verification_uri, "and enter", device.user_code)
const tokens = await client.pollDeviceAuthorizationGrant(config, device%s) // waits for the person
`, r.nodeConfig(false), r.scope, proof)
}

func (r recipe) nodeService() string {
	parameters, proof := "", ""
	if r.registered != "" {
		parameters = fmt.Sprintf(", { scope: %q }", r.registered)
	}
	if r.dpop {
		if parameters == "" {
			parameters = ", undefined"
		}
		proof = ", { DPoP }"
	}
	return r.nodeConfig(false) + fmt.Sprintf("const tokens = await client.clientCredentialsGrant(config%s%s)\n", parameters, proof)
}

// insecure lets the library speak to a server on this machine.
func insecure(issuer string) string {
	if strings.HasPrefix(issuer, "http://") {
		return ", { execute: [client.allowInsecureRequests] }"
	}
	return ""
}
