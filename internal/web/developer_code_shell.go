package web

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/valetkey/valetkey/oauth"
)

const makeVerifier = `VERIFIER=$(openssl rand -hex 32)
CHALLENGE=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
`

// readCode takes what the browser came back with: its address, or the code alone.
const readCode = `
printf 'the address that the browser came back to: '; read -r ADDRESS
CODE=$(printf %s "$ADDRESS" | sed 's/.*[?&]code=\([^&]*\).*/\1/')`

// asking makes commands one, so that a shell has read all of what was pasted
// before any of it asks. They hold no comment: not every shell takes one there.
func (r recipe) asking(commands string) string {
	if strings.Contains(commands, "$CLIENT_SECRET") || r.method == oauth.AuthSecretJWT {
		commands = "printf 'client secret: '; read -r CLIENT_SECRET\n" + commands
	}
	var b strings.Builder
	b.WriteString("{\n")
	for line := range strings.Lines(commands) {
		if line != "\n" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String() + "}\n"
}

// curlAuth are the arguments by which the app proves itself, each a line.
func (r recipe) curlAuth() string {
	id := "  -d client_id='" + shell(r.id) + "' \\\n"
	certificate := ""
	if r.certificate {
		certificate = "  --cert client.crt --key client.key \\\n"
	}
	switch r.method {
	case oauth.AuthBasic:
		return certificate + "  -u '" + shell(r.id) + `':"$CLIENT_SECRET"` + " \\\n"
	case oauth.AuthPost:
		return certificate + id + `  -d client_secret="$CLIENT_SECRET"` + " \\\n"
	case oauth.AuthSecretJWT, oauth.AuthPrivateJWT:
		return certificate + `  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
  -d client_assertion="$(assertion)"` + " \\\n"
	}
	return certificate + id
}

// curlProof is the DPoP header for one request: RFC 9449 §4.
func (r recipe) curlProof(path string) string {
	if !r.dpop {
		return ""
	}
	return `  -H "DPoP: $(proof POST '` + r.api + path + `')"` + " \\\n"
}

// signers are shell functions that sign what comes in with the key in a file.
var signers = map[string]string{
	"ES256": `es256() { printf '%b' "$(openssl dgst -sha256 -sign "$1" | openssl asn1parse -inform DER | awk -F: '/INTEGER/ {printf "%64s", $NF}' | tr ' ' 0 | sed 's/../\\x&/g')"; }`,
	"PS256": `ps256() { openssl dgst -sha256 -sign "$1" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32; }`,
	"RS256": `rs256() { openssl dgst -sha256 -sign "$1"; }`,
	"EdDSA": `eddsa() { local f; f=$(mktemp); cat > "$f"; openssl pkeyutl -sign -rawin -inkey "$1" -in "$f"; rm "$f"; }`,
	"HS256": `hs256() { openssl dgst -sha256 -hmac "$1" -binary; }`,
}

// shellFunctions are what a request of this app needs before it can be made.
func (r recipe) shellFunctions(withRequest bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	signed := withRequest && r.signed
	if !r.asserts() && !r.dpop && !signed {
		return ""
	}
	needed := map[string]bool{"HS256": r.method == oauth.AuthSecretJWT, "ES256": r.dpop}
	if r.method == oauth.AuthPrivateJWT || signed {
		needed[r.alg] = true
	}
	line(`# For bash, with openssl.%s`, r.keyWords(signed))
	line(`b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }`)
	for _, alg := range []string{"ES256", "PS256", "RS256", "EdDSA", "HS256"} {
		if needed[alg] {
			line(`%s`, signers[alg])
		}
	}
	line(`jwt() { # SIGNER KEY HEADER CLAIMS
  local text; text=$(printf %%s "$3" | b64).$(printf %%s "$4" | b64)
  printf %%s "$text.$(printf %%s "$text" | "$1" "$2" | b64)"
}`)
	if r.asserts() {
		line(`assertion() { # who the app is, new for each request
  jwt %s '%s' '{"iss":%[3]s,"sub":%[3]s,"aud":%s,"jti":"'"$(openssl rand -hex 16)"'","iat":'"$(date +%%s)"',"exp":'"$(($(date +%%s) + 60))"'}'
}`, r.shellSigner(), r.header("JWT"), quoted(r.id), quoted(r.issuer))
	}
	if r.dpop {
		b.WriteString(r.shellProof())
	}
	return b.String() + "\n"
}

func (r recipe) keyWords(signed bool) string {
	if r.method == oauth.AuthPrivateJWT || signed {
		return " key.pem is the private key whose public half you registered."
	}
	return ""
}

// shellSigner names the function and the key of the app's own signatures.
func (r recipe) shellSigner() string {
	if r.method == oauth.AuthSecretJWT {
		return `hs256 "$CLIENT_SECRET"`
	}
	return strings.ToLower(r.alg) + " key.pem"
}

// header is a JOSE header, fit for single quotes.
func (r recipe) header(typ string) string {
	alg, kid := r.alg, r.kid
	if r.method == oauth.AuthSecretJWT && typ == "JWT" {
		alg, kid = "HS256", ""
	}
	if kid != "" {
		kid = `,"kid":` + quoted(kid)
	}
	return `{"alg":"` + alg + `","typ":"` + typ + `"` + kid + `}`
}

// shellProof makes DPoP proofs: RFC 9449 §4.2.
func (r recipe) shellProof() string {
	nonce, ask := "", ""
	if r.nonce {
		nonce = `,"nonce":"'"$NONCE"'"`
		ask = `NONCE=$(curl -sS -o /dev/null -w '%header{dpop-nonce}' -d grant_type=none '` + r.api + "/token')\n"
	}
	return `[ -e dpop.pem ] || openssl ecparam -name prime256v1 -genkey -noout -out dpop.pem # the tokens' own key
` + ask + `xy() { openssl ec -in dpop.pem -pubout -outform DER 2> /dev/null | tail -c "$1" | head -c 32 | b64; }
proof() { # METHOD ADDRESS [ACCESS TOKEN]
  local ath=; [ -z "$3" ] || ath=',"ath":"'$(printf %s "$3" | openssl dgst -sha256 -binary | b64)'"'
  jwt es256 dpop.pem '{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC","crv":"P-256","x":"'"$(xy 64)"'","y":"'"$(xy 32)"'"}}' \
    '{"jti":"'"$(openssl rand -hex 16)"'","htm":"'"$1"'","htu":"'"$2"'","iat":'"$(date +%s)$ath"'` + nonce + `}'
}
`
}

// curlCode is the code flow.
func (r recipe) curlCode() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	b.WriteString(makeVerifier)
	if r.signed {
		line(`REQUEST=$(jwt %s key.pem '%s' '{"iss":%[3]s,"aud":%s,"client_id":%[3]s,"response_type":"code","redirect_uri":%[5]s,"scope":%[6]s,"state":"'"$(openssl rand -hex 16)"'","code_challenge":"'"$CHALLENGE"'","code_challenge_method":"S256","nbf":'"$(date +%%s)"',"exp":'"$(($(date +%%s) + 300))"'}')`,
			strings.ToLower(r.alg), r.requestHeader(), quoted(r.id), quoted(r.issuer), quoted(r.callback), quoted(r.scope))
	}
	const open = `printf 'Open this address, and allow it:\n%%s\n' `
	switch {
	case r.pushed:
		line(`REQUEST_URI=$(curl -sS '%s/par' \
%s%s | sed -E 's/.*"request_uri":"([^"]+)".*/\1/')
`+open+`"%s/authorize?client_id=%s&request_uri=$REQUEST_URI"`, r.api, r.curlAuth(), r.curlRequest(), r.issuer, escape(r.id))
	case r.signed:
		line(open+`"%s/authorize?client_id=%s&request=$REQUEST"`, r.issuer, escape(r.id))
	default:
		line(open+`"%s/authorize?response_type=code&client_id=%s&redirect_uri=%s&scope=%s&state=$(openssl rand -hex 16)&code_challenge=$CHALLENGE&code_challenge_method=S256"`,
			r.issuer, escape(r.id), escape(r.callback), escape(r.scope))
	}
	line(`%s
TOKENS=$(curl -sS '%s/token' \
%s%s  -d grant_type=authorization_code \
  -d code="$CODE" \
  -d code_verifier="$VERIFIER" \
  --data-urlencode redirect_uri='%s')
printf '%%s\n' "$TOKENS"`, readCode, r.api, r.curlProof("/token"), r.curlAuth(), shell(r.callback))
	if r.dpop { // each use of the access token has a proof of its own
		line(`
TOKEN=$(printf %%s "$TOKENS" | sed -E 's/.*"access_token":"([^"]+)".*/\1/')
curl -sS '%[1]s/userinfo' -H "Authorization: DPoP $TOKEN" -H "DPoP: $(proof GET '%[1]s/userinfo' "$TOKEN")"; echo`, r.api)
	}
	return r.shellFunctions(true) + r.asking(b.String())
}

// requestHeader is that of a signed request: RFC 9101 §10.8.
func (r recipe) requestHeader() string {
	own := r
	own.method = oauth.AuthPrivateJWT
	return own.header("oauth-authz-req+jwt")
}

// curlRequest are the parameters of a request that is pushed.
func (r recipe) curlRequest() string {
	if r.signed {
		return `  -d request="$REQUEST"`
	}
	return fmt.Sprintf(`  -d response_type=code \
  --data-urlencode redirect_uri='%s' \
  --data-urlencode scope='%s' \
  -d state="$(openssl rand -hex 16)" \
  -d code_challenge="$CHALLENGE" \
  -d code_challenge_method=S256`, shell(r.callback), shell(r.scope))
}

// curlDevice: RFC 8628 §3.1, §3.4.
func (r recipe) curlDevice() string {
	return r.shellFunctions(false) + r.asking(fmt.Sprintf(`ANSWER=$(curl -sS '%[1]s/device_authorization' \
%[2]s  --data-urlencode scope='%[3]s')
printf 'Show the person the address and the code in this:\n%%s\n' "$ANSWER"

DEVICE_CODE=$(printf %%s "$ANSWER" | sed -E 's/.*"device_code":"([^"]+)".*/\1/')
while sleep 5; do
  TOKENS=$(curl -sS '%[1]s/token' \
%[4]s%[2]s  -d grant_type=urn:ietf:params:oauth:grant-type:device_code \
  -d device_code="$DEVICE_CODE")
  case $TOKENS in *authorization_pending*) ;; *) break ;; esac
done
printf '%%s\n' "$TOKENS"
`, r.api, r.curlAuth(), shell(r.scope), r.curlProof("/token")))
}

func (r recipe) curlService() string {
	scope := ""
	if r.registered != "" {
		scope = " \\\n  -d scope='" + shell(r.registered) + "'"
	}
	return r.shellFunctions(false) + r.asking(fmt.Sprintf("curl -sS '%s/token' \\\n%s%s  -d grant_type=client_credentials%s\n", r.api, r.curlProof("/token"), r.curlAuth(), scope))
}

// quoted is a JSON string, fit for single quotes.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can
	return shell(strings.TrimSuffix(b.String(), "\n"))
}
