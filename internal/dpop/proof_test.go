package dpop_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
	"github.com/valetkey/valetkey/internal/jose"
)

var (
	b64   = base64.RawURLEncoding
	start = time.Unix(1_800_000_000, 0)
)

const htu = "https://example.com/token"

func newKey(t testing.TB, alg jose.Alg) *jose.PrivateKey {
	t.Helper()
	k, err := jose.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// with is the payload of a good proof, changed: name to JSON text, "" takes
// the name out.
func with(changes ...string) string {
	members := []string{"jti", `"-BwC3ESc6acc2lTc"`, "htm", `"POST"`, "htu", `"` + htu + `"`, "iat", fmt.Sprint(start.Unix())}
	for i := 0; i < len(changes); i += 2 {
		found := false
		for j := 0; j < len(members); j += 2 {
			if members[j] == changes[i] {
				members[j+1], found = changes[i+1], true
			}
		}
		if !found {
			members = append(members, changes[i], changes[i+1])
		}
	}
	var out []string
	for j := 0; j < len(members); j += 2 {
		if members[j+1] != "" {
			out = append(out, fmt.Sprintf("%q:%s", members[j], members[j+1]))
		}
	}
	return "{" + strings.Join(out, ",") + "}"
}

func embed(t testing.TB, k *jose.PrivateKey, typ, payload string) string {
	t.Helper()
	token, err := k.SignEmbedded(typ, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// read is what Read says, in a word.
func read(headers ...string) string {
	p, err := dpop.Read(headers)
	switch {
	case errors.Is(err, dpop.ErrInvalid) && p == dpop.Proof{}:
		return "invalid"
	case err != nil:
		return fmt.Sprintf("another error: %v, %v", err, p)
	}
	return "ok"
}

// The example of RFC 9449 §4.1.
func TestReadExample(t *testing.T) {
	const proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	got, err := dpop.Read([]string{proof})
	want := dpop.Proof{
		Thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", ID: "-BwC3ESc6acc2lTc", Method: "POST",
		URL: "https://server.example.com/token", IssuedAt: time.Unix(1562262616, 0), Alg: jose.ES256,
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

// The ath of RFC 9449 §7.1.
func TestTokenHash(t *testing.T) {
	if got := dpop.TokenHash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"); got != "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" {
		t.Error(got)
	}
}

func TestSignAndRead(t *testing.T) {
	for _, alg := range jose.Algs() {
		k := newKey(t, alg)
		want := dpop.Proof{ID: "1", Method: "GET", URL: htu, IssuedAt: start, TokenHash: "h", Nonce: "n", Alg: alg, Thumbprint: jose.Thumbprint(k.Public())}
		proof, err := dpop.Sign(k, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dpop.Read([]string{proof}); got != want || err != nil {
			t.Errorf("%s: %+v, %v", alg, got, err)
		}
	}
}

// Case 145: one header, one proof, of a reasonable size; refused at once.
func TestCase145HeadersAndSizes(t *testing.T) {
	k := newKey(t, jose.ES256)
	good := embed(t, k, "dpop+jwt", with())
	// A modulus of 16,384 bits and a signature of that size.
	huge := fmt.Sprintf(`{"alg":"RS256","typ":"dpop+jwt","jwk":{"kty":"RSA","e":"AQAB","n":"%s"}}`, b64.EncodeToString([]byte(strings.Repeat("\xff", 2048))))
	tests := map[string]struct {
		headers []string
		want    string
	}{
		"one":         {[]string{good}, "ok"},
		"none":        {nil, "invalid"},
		"empty":       {[]string{""}, "invalid"},
		"two":         {[]string{good, good}, "invalid"},
		"two in one":  {[]string{good + ", " + good}, "invalid"},
		"one and ''":  {[]string{good, ""}, "invalid"},
		"64 KiB":      {[]string{good + strings.Repeat("A", 64<<10)}, "invalid"},
		"8 KiB":       {[]string{embed(t, k, "dpop+jwt", with("pad", `"`+strings.Repeat("a", 5<<10)+`"`))}, "ok"},
		"above 8 KiB": {[]string{embed(t, k, "dpop+jwt", with("pad", `"`+strings.Repeat("a", 6<<10)+`"`))}, "invalid"},
		"RSA-16384":   {[]string{b64.EncodeToString([]byte(huge)) + "." + b64.EncodeToString([]byte(with())) + "." + strings.Repeat("A", 2730)}, "invalid"},
	}
	for name, tt := range tests {
		before := time.Now()
		if got := read(tt.headers...); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if d := time.Since(before); d > 10*time.Millisecond {
			t.Errorf("%s took %s", name, d)
		}
	}
	if n := len(tests["RSA-16384"].headers[0]); n > 8<<10 {
		t.Errorf("the RSA case is refused for its %d bytes", n)
	}
}

// Cases 120 and 122: the header.
func TestCase120And122Headers(t *testing.T) {
	k, mallory := newKey(t, jose.ES256), newKey(t, jose.ES256)
	jwk, err := json.Marshal(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := string(jwk)
	good := embed(t, k, "dpop+jwt", with())
	parts := strings.Split(good, ".")
	signature := func(by *jose.PrivateKey) string { return strings.Split(embed(t, by, "dpop+jwt", with()), ".")[2] }
	under := func(header, sig string) string {
		return b64.EncodeToString([]byte(header)) + "." + parts[1] + "." + sig
	}
	mac := func(header string, key []byte) string {
		input := b64.EncodeToString([]byte(header)) + "." + parts[1]
		h := hmac.New(sha256.New, key)
		h.Write([]byte(input))
		return input + "." + b64.EncodeToString(h.Sum(nil))
	}
	for name, proof := range map[string]string{
		"by another key": parts[0] + "." + parts[1] + "." + signature(mallory),
		"none":           under(`{"alg":"none","typ":"dpop+jwt","jwk":`+public+`}`, "AA"),
		"HS256":          mac(`{"alg":"HS256","typ":"dpop+jwt","jwk":`+public+`}`, jwk),
		"HS256, oct":     mac(`{"alg":"HS256","typ":"dpop+jwt","jwk":{"kty":"oct","k":"AAAA"}}`, make([]byte, 3)),
		"ES384":          under(`{"alg":"ES384","typ":"dpop+jwt","jwk":`+public+`}`, parts[2]),
		"a private key":  under(`{"alg":"ES256","typ":"dpop+jwt","jwk":`+strings.Replace(public, `{`, `{"d":"AAAA",`, 1)+`}`, parts[2]),
		"no key":         under(`{"alg":"ES256","typ":"dpop+jwt"}`, parts[2]),
		"key twice":      under(`{"alg":"ES256","typ":"dpop+jwt","jwk":`+public+`,"jwk":`+public+`}`, parts[2]),
		"key to fetch":   under(`{"alg":"ES256","typ":"dpop+jwt","jku":"https://evil.example"}`, parts[2]),
		"crit":           under(`{"alg":"ES256","typ":"dpop+jwt","crit":["x"],"x":1,"jwk":`+public+`}`, parts[2]),
		"b64":            under(`{"alg":"ES256","typ":"dpop+jwt","b64":false,"jwk":`+public+`}`, parts[2]),
		"zip":            under(`{"alg":"ES256","typ":"dpop+jwt","zip":"DEF","jwk":`+public+`}`, parts[2]),
		"padding":        good + "==",
		"newline":        good[:20] + "\n" + good[20:],
		"no signature":   parts[0] + "." + parts[1] + ".",
		"JSON form":      `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
	} {
		if got := read(proof); got != "invalid" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := read(good); got != "ok" {
		t.Errorf("the good one: %s", got)
	}
}

// Case 134: no other kind of JWT is a proof.
func TestCase134OtherKinds(t *testing.T) {
	k := newKey(t, jose.ES256)
	for typ, want := range map[string]string{
		"dpop+jwt": "ok", "DPoP+JWT": "ok", "application/dpop+jwt": "ok",
		"": "invalid", "JWT": "invalid", "at+jwt": "invalid", "client-authentication+jwt": "invalid",
		"logout+jwt": "invalid", "oauth-authz-req+jwt": "invalid",
	} {
		if got := read(embed(t, k, typ, with())); got != want {
			t.Errorf("typ %q: %s", typ, got)
		}
	}
}

// Cases 124 and 125: the payload.
func TestCase124And125Claims(t *testing.T) {
	k := newKey(t, jose.ES256)
	for payload, want := range map[string]string{
		with():            "ok",
		with("jti", ""):   "invalid",
		with("htm", ""):   "invalid",
		with("htu", ""):   "invalid",
		with("iat", ""):   "invalid",
		with("jti", `""`): "invalid",
		with("jti", "7"):  "invalid",
		with("jti", `"`+strings.Repeat("j", 256)+`"`):   "ok",
		with("jti", `"`+strings.Repeat("j", 257)+`"`):   "invalid",
		with("nonce", `"`+strings.Repeat("n", 257)+`"`): "invalid",
		with("nonce", `7`):                                    "invalid",
		with("ath", `["x"]`):                                  "invalid",
		with("htm", `["POST"]`):                               "invalid",
		with("htu", `["`+htu+`"]`):                            "invalid",
		with("htu", `null`):                                   "invalid",
		with("htu", `"/token"`):                               "invalid",
		with("htu", `"example.com/token"`):                    "invalid",
		with("htu", `"https:example.com"`):                    "invalid",
		with("htu", `"https:///token"`):                       "invalid",
		with("htu", `"ftp://example.com/token"`):              "invalid",
		with("htu", `"https://u@example.com/token"`):          "invalid",
		with("htu", `"https://u:p@example.com/token"`):        "invalid",
		with("htu", "\"https://\u212Aey.example/token\""):     "invalid",
		with("htu", `"https://example.com/token?x#y"`):        "ok",
		with("iat", `"1800000000"`):                           "invalid",
		with("iat", `-1`):                                     "invalid",
		with("iat", `1e400`):                                  "invalid",
		with("iat", `0`):                                      "invalid",
		with("iat", `1800000000.5`):                           "ok",
		with("jti", "", "JTI", `"x"`):                         "invalid",
		with("htu", "", "HTU", `"`+htu+`"`):                   "invalid",
		strings.Replace(with(), "{", `{"htm":"GET",`, 1):      "invalid",
		strings.Replace(with(), "{", `{"h\u0074m":"GET",`, 1): "invalid",
		with("else", `{"a":1}`):                               "ok",
		`null`:                                                "invalid",
		`[]`:                                                  "invalid",
		`"x"`:                                                 "invalid",
		with() + with():                                       "invalid",
	} {
		if got := read(embed(t, k, "dpop+jwt", payload)); got != want {
			t.Errorf("%.80s: %s, want %s", payload, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	k := newKey(f, jose.EdDSA)
	f.Add(embed(f, k, "dpop+jwt", with()))
	f.Add(embed(f, k, "dpop+jwt", with("ath", `"x"`, "nonce", `"y"`)))
	f.Add(embed(f, k, "dpop+jwt", `{"jti":1}`))
	f.Add(b64.EncodeToString([]byte(`{"alg":"RS256","typ":"dpop+jwt","jwk":{"kty":"RSA","n":"AA","e":"AQAB"}}`)) + ".e30.AA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, header string) {
		p, err := dpop.Read([]string{header})
		switch {
		case err != nil && (!errors.Is(err, dpop.ErrInvalid) || p != dpop.Proof{}):
			t.Errorf("%q: %+v, %v", header, p, err)
		case err == nil && (p.Thumbprint == "" || p.ID == "" || p.Method == "" || p.URL == "" || !p.Alg.Valid()):
			t.Errorf("%q: %+v", header, p)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, alg := range jose.Algs() {
		headers := []string{embed(b, newKey(b, alg), "dpop+jwt", with())}
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dpop.Read(headers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
