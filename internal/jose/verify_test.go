package jose_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/jose"
)

var b64 = base64.RawURLEncoding

// key returns one key of each algorithm; RSA takes long to draw.
func key(t testing.TB, alg jose.Alg) *jose.PrivateKey {
	t.Helper()
	k, err := keysOnce()[alg]()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var keysOnce = sync.OnceValue(func() map[jose.Alg]func() (*jose.PrivateKey, error) {
	m := map[jose.Alg]func() (*jose.PrivateKey, error){}
	for _, alg := range jose.Algs() {
		m[alg] = sync.OnceValues(func() (*jose.PrivateKey, error) { return jose.Generate(alg) })
	}
	return m
})

func fresh(t testing.TB, alg jose.Alg) *jose.PrivateKey {
	t.Helper()
	k, err := jose.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *jose.PrivateKey, typ, payload string) string {
	t.Helper()
	token, err := k.Sign(typ, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// signHeader makes a token with any header, signed by k whatever it says.
func signHeader(t testing.TB, k *jose.PrivateKey, header, payload string) string {
	t.Helper()
	der, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	token, err := jose.SignRaw(k.Alg(), signer.(crypto.Signer), input)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func header(k *jose.PrivateKey, more string) string {
	return fmt.Sprintf(`{"alg":"%s","kid":"%s","typ":"at+jwt"%s}`, k.Alg(), k.KID(), more)
}

var atJWT = []string{"at+jwt"}

// outcome is what Verify says, in a word.
func outcome(token string, wantTyp []string, algs []jose.Alg, keys ...jose.PublicKey) string {
	payload, kid, err := jose.Verify(token, wantTyp, algs, keys)
	switch {
	case errors.Is(err, jose.ErrUnknownKey):
		return "unknown key"
	case errors.Is(err, jose.ErrInvalid):
		return "invalid"
	case err != nil:
		return "another error: " + err.Error()
	case kid == "" && payload == nil:
		return "nothing"
	}
	return "ok"
}

func TestSignAndVerify(t *testing.T) {
	for _, alg := range jose.Algs() {
		k := key(t, alg)
		for _, typ := range []string{"", "JWT", "at+jwt", "logout+jwt", "something+jwt"} {
			token := sign(t, k, typ, `{"sub":"a"}`)
			payload, kid, err := jose.Verify(token, []string{typ}, jose.Algs(), []jose.PublicKey{k.Public()})
			if err != nil || string(payload) != `{"sub":"a"}` || kid != k.KID() {
				t.Errorf("%s, typ %q: %s, %s, %v", alg, typ, payload, kid, err)
			}
			kid, got, err := jose.KeyID(token)
			if kid != k.KID() || got != alg || err != nil {
				t.Errorf("KeyID: %s, %s, %v", kid, got, err)
			}
			verifyByGoJOSE(t, token, k)
		}
	}
}

// verifyByGoJOSE has somebody else read what we made, from the key set on.
func verifyByGoJOSE(t *testing.T, token string, k *jose.PrivateKey) {
	t.Helper()
	var set gojose.JSONWebKeySet
	if err := json.Unmarshal(jose.MarshalJWKS([]jose.PublicKey{k.Public()}), &set); err != nil {
		t.Fatal(err)
	}
	found := set.Key(k.KID())
	if len(found) != 1 || found[0].Algorithm != string(k.Alg()) || found[0].Use != "sig" || !found[0].IsPublic() || !found[0].Valid() {
		t.Fatalf("key set %+v", set)
	}
	jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(k.Alg())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(found[0]); err != nil {
		t.Errorf("%s: %v", k.Alg(), err)
	}
}

// Case 120: the public key, which everybody knows, is no HMAC secret; nor is
// there "none", nor another algorithm than the key's.
func Test120AlgConfusion(t *testing.T) {
	k := key(t, jose.RS256)
	der, err := x509.MarshalPKIXPublicKey(k.Public().Key())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": jwk,
		"n": k.Public().Key().(*rsa.PublicKey).N.Bytes(), "empty": nil,
	} {
		for _, alg := range []string{"HS256", "hs256", "RS256"} {
			input := b64.EncodeToString([]byte(strings.Replace(header(k, ""), "RS256", alg, 1))) + "." + b64.EncodeToString([]byte(`{}`))
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			token := input + "." + b64.EncodeToString(mac.Sum(nil))
			if got := outcome(token, atJWT, append(jose.Algs(), "HS256"), k.Public()); got != "invalid" {
				t.Errorf("%s by %s: %s", alg, name, got)
			}
		}
	}
	for _, alg := range []string{`"none"`, `"None"`, `""`, `null`, `["RS256"]`, `"RS1"`, `"RS512"`, `"PS256"`, `"ES256"`, `"ES256K"`, `"Ed448"`} {
		h := strings.Replace(header(k, ""), `"RS256"`, alg, 1)
		token := signHeader(t, k, h, `{}`)
		if got := outcome(token, atJWT, append(jose.Algs(), "none", ""), k.Public()); got != "invalid" {
			t.Errorf("alg %s: %s", alg, got)
		}
		unsigned := token[:strings.LastIndexByte(token, '.')+1]
		if got := outcome(unsigned, atJWT, append(jose.Algs(), "none"), k.Public()); got != "invalid" {
			t.Errorf("alg %s without signature: %s", alg, got)
		}
	}
	if got := outcome(sign(t, k, "at+jwt", `{}`), atJWT, []jose.Alg{jose.ES256, jose.PS256}, k.Public()); got != "invalid" {
		t.Errorf("an alg that isn't listed: %s", got)
	}
	if got := outcome(sign(t, k, "at+jwt", `{}`), atJWT, nil, k.Public()); got != "invalid" {
		t.Errorf("no alg listed: %s", got)
	}
}

// A key's own alg decides: an RSA key that is for PS256 verifies no RS256.
func Test120KeyCarriesItsAlg(t *testing.T) {
	k := key(t, jose.RS256)
	other, err := jose.ParseJWKS([]byte(strings.Replace(string(jose.MarshalJWKS([]jose.PublicKey{k.Public()})), "RS256", "PS256", 1)))
	if err != nil || len(other) != 1 {
		t.Fatal(other, err)
	}
	token := sign(t, k, "at+jwt", `{}`)
	if got := outcome(token, atJWT, jose.Algs(), other...); got != "invalid" {
		t.Errorf("RS256 by a key for PS256: %s", got)
	}
	if got := outcome(token, atJWT, jose.Algs(), append(other, k.Public())...); got != "ok" {
		t.Errorf("with both: %s", got)
	}
}

// Case 121: kid is a name to compare, nothing else.
func Test121KID(t *testing.T) {
	k := key(t, jose.ES256)
	tests := map[string]string{
		`"../../dev/null"`:                      "unknown key",
		`"' OR 1=1"`:                            "unknown key",
		`"unknown"`:                             "unknown key",
		`""`:                                    "unknown key",
		`"` + strings.Repeat("k", 10<<10) + `"`: "invalid",
		`"` + strings.Repeat("k", 257) + `"`:    "invalid",
		`["` + k.KID() + `"]`:                   "invalid",
		`{"a":1}`:                               "invalid",
		`7`:                                     "invalid",
		`"` + strings.ToLower(k.KID()) + `"`:    "unknown key",
		`"` + k.KID() + `\u0000"`:               "unknown key",
		`"` + k.KID() + `","kid":"` + k.KID() + `"`: "invalid",
		`null`:              "ok", // as if there were none: all keys of the algorithm
		`"` + k.KID() + `"`: "ok",
	}
	for kid, want := range tests {
		token := signHeader(t, k, fmt.Sprintf(`{"alg":"ES256","kid":%s,"typ":"at+jwt"}`, kid), `{}`)
		if got := outcome(token, atJWT, jose.Algs(), k.Public()); got != want {
			t.Errorf("kid %.40s: %s, want %s", kid, got, want)
		}
	}
}

// Without kid the keys of the algorithm are tried, but not without end.
func Test121NoKID(t *testing.T) {
	k := key(t, jose.ES256)
	token := signHeader(t, k, `{"alg":"ES256","typ":"at+jwt"}`, `{}`)
	others := []jose.PublicKey{fresh(t, jose.ES256).Public(), key(t, jose.EdDSA).Public()}
	if got := outcome(token, atJWT, jose.Algs(), append(slices.Clone(others), k.Public())...); got != "ok" {
		t.Errorf("among others: %s", got)
	}
	if got := outcome(token, atJWT, jose.Algs(), others...); got != "invalid" {
		t.Errorf("others only: %s", got)
	}
	if got := outcome(token, atJWT, jose.Algs(), others[1]); got != "unknown key" {
		t.Errorf("none of that algorithm: %s", got)
	}
	if got := outcome(token, atJWT, jose.Algs()); got != "unknown key" {
		t.Errorf("no keys: %s", got)
	}
	if got := outcome(token, atJWT, jose.Algs(), slices.Repeat([]jose.PublicKey{k.Public()}, 17)...); got != "invalid" {
		t.Errorf("seventeen keys: %s", got)
	}
}

// Case 122: headers that change what the token means are refused, understood
// or not; those that bring a key along are not used.
func Test122Headers(t *testing.T) {
	k := key(t, jose.ES256)
	mallory := fresh(t, jose.ES256)
	jwk, _ := json.Marshal(mallory.Public())
	tests := map[string]string{
		`,"crit":["exp"],"exp":1`:            "invalid",
		`,"crit":["b64"],"b64":false`:        "invalid",
		`,"crit":[]`:                         "invalid",
		`,"crit":null`:                       "invalid",
		`,"b64":false`:                       "invalid",
		`,"b64":true`:                        "invalid",
		`,"zip":"DEF"`:                       "invalid",
		`,"CRIT":["exp"]`:                    "ok", // another name: ignored
		`,"cty":"JWT"`:                       "ok",
		`,"jku":"https://evil.example/jwks"`: "ok",
		`,"x5u":"https://evil.example/x5"`:   "ok",
		`,"jwk":` + string(jwk):              "ok",
		``:                                   "ok",
	}
	for more, want := range tests {
		if got := outcome(signHeader(t, k, header(k, more), `{}`), atJWT, jose.Algs(), k.Public()); got != want {
			t.Errorf("%s by the right key: %s, want %s", more, got, want)
		}
		if got := outcome(signHeader(t, mallory, header(k, more), `{}`), atJWT, jose.Algs(), k.Public()); got != "invalid" {
			t.Errorf("%s by another: %s", more, got)
		}
	}
}

// Case 126: a token has one spelling.
func Test126Encoding(t *testing.T) {
	k := key(t, jose.ES256)
	token := sign(t, k, "at+jwt", `{"a":10}`) // 8 bytes: the last character has spare bits
	p := strings.Split(token, ".")
	join := func(a, b, c string) string { return a + "." + b + "." + c }
	tests := map[string]string{
		"as it is":         "ok " + token,
		"padded header":    join(p[0]+"=", p[1], p[2]),
		"padded payload":   join(p[0], p[1]+"=", p[2]),
		"padded signature": join(p[0], p[1], p[2]+"=="),
		"newline":          join(p[0], p[1], p[2]+"\n"),
		"newline inside":   join(p[0], p[1][:4]+"\r\n"+p[1][4:], p[2]),
		"newline in front": "\n" + token,
		"blank":            token + " ",
		"trailing bits 1":  join(p[0], flipLast(p[1]), p[2]),
		"trailing bits 2":  join(p[0], p[1], flipLast(p[2])),
		"standard":         join(p[0], p[1], strings.NewReplacer("-", "+", "_", "/").Replace("-"+p[2][1:])),
		"two parts":        p[0] + "." + p[1],
		"four parts":       token + ".AAAA",
		"five parts":       token + ".AAAA.AAAA",
		"no payload":       join(p[0], "", p[2]),
		"no signature":     join(p[0], p[1], ""),
		"no header":        join("", p[1], p[2]),
		"empty":            "",
		"JSON form":        fmt.Sprintf(`{"protected":"%s","payload":"%s","signature":"%s"}`, p[0], p[1], p[2]),
		"17 KiB":           join(p[0], p[1]+strings.Repeat("A", 17<<10), p[2]),
		"DER signature":    join(p[0], p[1], b64.EncodeToString(derSignature(t, p[2]))),
	}
	for name, text := range tests {
		want := "invalid"
		if rest, ok := strings.CutPrefix(text, "ok "); ok {
			want, text = "ok", rest
		}
		if got := outcome(text, atJWT, jose.Algs(), k.Public()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if _, _, err := jose.KeyID(text); (err == nil) != (want == "ok") && name != "DER signature" {
			t.Errorf("%s: KeyID: %v", name, err)
		}
	}
	for i := range token { // nothing can be altered
		b := []byte(token)
		b[i] ^= 1
		if got := outcome(string(b), atJWT, jose.Algs(), k.Public()); got == "ok" {
			t.Fatalf("character %d altered", i)
		}
	}
}

func flipLast(s string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := strings.IndexByte(digits, s[len(s)-1])
	return s[:len(s)-1] + string(digits[at^1])
}

func derSignature(t *testing.T, encoded string) []byte {
	t.Helper()
	raw, err := b64.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat([]byte{0x30, 70, 0x02, 33, 0}, raw[:32], []byte{0x02, 33, 0}, raw[32:])
}

// Case 132: a bad signature is the verdict, whatever the claims say: they are
// never handed out.
func Test132BadSignatureGivesNoPayload(t *testing.T) {
	k, mallory := key(t, jose.ES256), fresh(t, jose.ES256)
	token := signHeader(t, mallory, header(k, ""), `{"exp":1}`)
	payload, kid, err := jose.Verify(token, atJWT, jose.Algs(), []jose.PublicKey{k.Public()})
	if payload != nil || kid != "" || !errors.Is(err, jose.ErrInvalid) || !strings.Contains(err.Error(), "signature") {
		t.Errorf("%q, %q, %v", payload, kid, err)
	}
}

// Case 133: two issuers with one kid. The caller hands over one issuer's keys,
// so the other's never come into it.
func Test133SameKIDOfTwoIssuers(t *testing.T) {
	x, y := fresh(t, jose.ES256), fresh(t, jose.ES256)
	renamed := func(k *jose.PrivateKey) jose.PublicKey {
		p := k.Public()
		p.KID = "1"
		return p
	}
	token := signHeader(t, x, `{"alg":"ES256","kid":"1","typ":"at+jwt"}`, `{}`)
	if got := outcome(token, atJWT, jose.Algs(), renamed(x)); got != "ok" {
		t.Errorf("by its issuer's key: %s", got)
	}
	if got := outcome(token, atJWT, jose.Algs(), renamed(y)); got != "invalid" {
		t.Errorf("by the other's: %s", got)
	}
}

// Case 134: the full matrix of our own kinds of JWT.
func Test134TypIsNeverSwapped(t *testing.T) {
	k := key(t, jose.EdDSA)
	kinds := []string{"", "JWT", "at+jwt", "logout+jwt", "dpop+jwt", "client-authentication+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "secevent+jwt"}
	for _, is := range kinds {
		token := sign(t, k, is, `{}`)
		for _, want := range kinds {
			got := outcome(token, []string{want}, jose.Algs(), k.Public())
			if expected := map[bool]string{true: "ok", false: "invalid"}[is == want]; got != expected {
				t.Errorf("typ %q taken for %q: %s", is, want, got)
			}
		}
	}
	if got := outcome(sign(t, k, "at+jwt", `{}`), nil, jose.Algs(), k.Public()); got != "invalid" {
		t.Errorf("no typ wanted: %s", got)
	}
}

func Test134TypSpellings(t *testing.T) {
	k := key(t, jose.EdDSA)
	tests := map[string]string{
		`"at+jwt"`: "ok", `"AT+JWT"`: "ok", `"application/at+jwt"`: "ok", `"Application/At+Jwt"`: "ok",
		`"application/application/at+jwt"`: "invalid", `"text/at+jwt"`: "invalid", `"at+jwt "`: "invalid",
		`""`: "invalid", `null`: "invalid", `["at+jwt"]`: "invalid", `"at+jwt;x=1"`: "invalid",
		"\"at+\u212Awt\"": "invalid", `"JWT"`: "invalid",
	}
	for typ, want := range tests {
		token := signHeader(t, k, fmt.Sprintf(`{"alg":"EdDSA","typ":%s}`, typ), `{}`)
		if got := outcome(token, atJWT, jose.Algs(), k.Public()); got != want {
			t.Errorf("typ %s: %s, want %s", typ, got, want)
		}
	}
	empty := signHeader(t, k, `{"alg":"EdDSA","typ":""}`, `{}`)
	if got := outcome(empty, []string{""}, jose.Algs(), k.Public()); got != "invalid" {
		t.Errorf("empty isn't absent: %s", got)
	}
	null := signHeader(t, k, `{"alg":"EdDSA","typ":null}`, `{}`)
	if got := outcome(null, []string{"", "JWT"}, jose.Algs(), k.Public()); got != "ok" {
		t.Errorf("null is absent: %s", got)
	}
}

func TestVerifyEmbedded(t *testing.T) {
	for _, alg := range jose.Algs() {
		k := key(t, alg)
		jwk, _ := json.Marshal(k.Public())
		h := fmt.Sprintf(`{"alg":"%s","typ":"dpop+jwt","jwk":%s}`, alg, jwk)
		payload, got, err := jose.VerifyEmbedded(signHeader(t, k, h, `{"jti":"1"}`), []string{"dpop+jwt"}, jose.Algs())
		if err != nil || string(payload) != `{"jti":"1"}` || jose.Thumbprint(got) != jose.Thumbprint(k.Public()) {
			t.Errorf("%s: %s, %v, %v", alg, payload, got, err)
		}
	}
	k, mallory := key(t, jose.ES256), fresh(t, jose.ES256)
	jwk, _ := json.Marshal(k.Public())
	private := strings.Replace(string(jwk), `{`, `{"d":"AAAA",`, 1)
	for name, tt := range map[string]struct {
		by     *jose.PrivateKey
		header string
	}{
		"by another key":  {mallory, `{"alg":"ES256","typ":"dpop+jwt","jwk":` + string(jwk) + `}`},
		"a private key":   {k, `{"alg":"ES256","typ":"dpop+jwt","jwk":` + private + `}`},
		"no key":          {k, `{"alg":"ES256","typ":"dpop+jwt"}`},
		"null":            {k, `{"alg":"ES256","typ":"dpop+jwt","jwk":null}`},
		"a string":        {k, `{"alg":"ES256","typ":"dpop+jwt","jwk":"x"}`},
		"symmetric":       {k, `{"alg":"HS256","typ":"dpop+jwt","jwk":{"kty":"oct","k":"AAAA"}}`},
		"another typ":     {k, `{"alg":"ES256","typ":"JWT","jwk":` + string(jwk) + `}`},
		"another alg":     {k, `{"alg":"RS256","typ":"dpop+jwt","jwk":` + string(jwk) + `}`},
		"a key to fetch":  {k, `{"alg":"ES256","typ":"dpop+jwt","jku":"https://evil.example"}`},
		"crit":            {k, `{"alg":"ES256","typ":"dpop+jwt","crit":["x"],"jwk":` + string(jwk) + `}`},
		"for encryption":  {k, `{"alg":"ES256","typ":"dpop+jwt","jwk":` + strings.Replace(string(jwk), `"sig"`, `"enc"`, 1) + `}`},
		"key given twice": {k, `{"alg":"ES256","typ":"dpop+jwt","jwk":` + string(jwk) + `,"jwk":` + string(jwk) + `}`},
	} {
		if _, _, err := jose.VerifyEmbedded(signHeader(t, tt.by, tt.header, `{}`), []string{"dpop+jwt"}, jose.Algs()); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fixedKey is the one of RFC 8037 A.1: a fuzzing process must have the key that
// the seeds were signed by.
func fixedKey(t testing.TB) *jose.PrivateKey {
	t.Helper()
	der, err := hex.DecodeString("302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		t.Fatal(err)
	}
	k, err := jose.Unmarshal(jose.EdDSA, der)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func FuzzVerify(f *testing.F) {
	k := fixedKey(f)
	good := sign(f, k, "at+jwt", `{"sub":"a"}`)
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(b64.EncodeToString([]byte(`{"alg":"EdDSA","jwk":{"kty":"RSA","n":"AA","e":"AQAB"}}`)) + ".e30.AA")
	f.Add(b64.EncodeToString([]byte(`{"alg":"EdDSA","x5c":["AAAA"]}`)) + ".e30.AA")
	f.Add(b64.EncodeToString([]byte(strings.Repeat(`[`, 5000))) + ".e30.AA")
	f.Fuzz(func(t *testing.T, token string) {
		_, _, err := jose.Verify(token, []string{"", "JWT", "at+jwt"}, jose.Algs(), []jose.PublicKey{k.Public()})
		if err == nil && token != good {
			t.Errorf("accepted %q", token)
		}
		if err != nil && !errors.Is(err, jose.ErrInvalid) && !errors.Is(err, jose.ErrUnknownKey) {
			t.Errorf("an error of another kind: %v", err)
		}
		_, _, _ = jose.VerifyEmbedded(token, []string{"", "dpop+jwt"}, jose.Algs())
		_, _, _ = jose.KeyID(token)
	})
}

func BenchmarkSign(b *testing.B) {
	payload := []byte(`{"iss":"https://example.com","sub":"0123456789abcdefghijklmnop","aud":"https://api.example.com","client_id":"s6BhdRkqt3","scope":"notes:read","iat":1700000000,"exp":1700000600,"jti":"0123456789abcdefghijklmnop"}`)
	for _, alg := range jose.Algs() {
		k := key(b, alg)
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign("at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range jose.Algs() {
		k := key(b, alg)
		token := sign(b, k, "at+jwt", `{"iss":"https://example.com","sub":"0123456789abcdefghijklmnop"}`)
		keys := []jose.PublicKey{k.Public()}
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := jose.Verify(token, atJWT, jose.Algs(), keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// RFC 9864 §2.2: EdDSA by its new name, with a key of that curve and no other.
func TestEd25519(t *testing.T) {
	k, err := jose.Generate(jose.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	other, err := jose.Generate(jose.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	named := func(k *jose.PrivateKey) string {
		return signHeader(t, k, strings.Replace(header(k, ""), "EdDSA", "Ed25519", 1), `{"a":1}`)
	}
	token := named(k)
	for name, c := range map[string]struct {
		token string
		algs  []jose.Alg
		key   jose.PublicKey
		want  string
	}{
		"good":         {token, []jose.Alg{jose.EdDSA}, k.Public(), "ok"},
		"not listed":   {token, []jose.Alg{jose.ES256}, k.Public(), "invalid"},
		"altered":      {token[:len(token)-6] + "AAAAAA", jose.Algs(), k.Public(), "invalid"},
		"no signature": {token[:strings.LastIndexByte(token, '.')+1], jose.Algs(), k.Public(), "invalid"},
	} {
		if got := outcome(c.token, atJWT, c.algs, c.key); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, _, err := jose.Verify(named(other), atJWT, jose.Algs(), []jose.PublicKey{k.Public()}); err == nil {
		t.Error("another key's token was taken")
	}
}
