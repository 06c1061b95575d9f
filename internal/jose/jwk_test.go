package jose_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/jose"
)

// The keys of RFC 7517 A.1, RFC 7638 §3.1 and RFC 8037 A.2.
const (
	ecJWK  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}`
	rsaJWK = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	okpJWK = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func TestThumbprintVectors(t *testing.T) {
	for jwk, want := range map[string]string{
		rsaJWK: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", // RFC 7638 §3.1
		okpJWK: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", // RFC 8037 A.3
		ecJWK:  "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s", // computed by go-jose
	} {
		keys, err := jose.ParseJWKS([]byte(`{"keys":[` + jwk + `]}`))
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		if got := jose.Thumbprint(keys[0]); got != want {
			t.Errorf("thumbprint %s, want %s", got, want)
		}
	}
	if jose.Thumbprint(jose.PublicKey{}) != "" {
		t.Error("the zero key has a thumbprint")
	}
}

func rsaKey(bits int, e string) string {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.SetBit(n, 0, 1)
	return fmt.Sprintf(`{"kty":"RSA","n":"%s","e":"%s"}`, b64.EncodeToString(n.Bytes()), e)
}

func TestParseJWKS(t *testing.T) {
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	with := func(jwk, more string) string { return strings.Replace(jwk, `{`, `{`+more+`,`, 1) }
	tests := []struct{ name, set, want string }{
		{"all kinds", set(ecJWK, rsaJWK, okpJWK), "ES256:1 RS256:2011-04-29 EdDSA:"},
		{"none", set(), ""},
		{"RSA without alg", set(rsaKey(2048, "AQAB")), "RS256: PS256:"},
		{"RSA of 8,192 bits", set(rsaKey(8192, "AQAB")), "RS256: PS256:"},
		{"RSA of 2,047 bits", set(rsaKey(2047, "AQAB")), ""},
		{"RSA of 8,193 bits", set(rsaKey(8193, "AQAB")), ""},
		{"RSA of 16,384 bits", set(rsaKey(16384, "AQAB")), ""},
		{"exponent 1", set(rsaKey(2048, "AQ")), ""},
		{"exponent 2", set(rsaKey(2048, "Ag")), ""},
		{"exponent of 33 bits", set(rsaKey(2048, "AQAAAAE")), ""},
		{"no exponent", set(rsaKey(2048, "")), ""},
		{"unknown kty", set(`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, okpJWK), "EdDSA:"},
		{"no kty", set(`{"x":"AA"}`, okpJWK), "EdDSA:"},
		{"other curves", set(`{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}`, `{"kty":"OKP","crv":"X25519","x":"AA"}`), ""},
		{"off the curve", set(strings.Replace(ecJWK, `"4Et`, `"4Eu`, 1)), ""},
		{"short coordinate", set(strings.Replace(ecJWK, `"MKBC`, `"`, 1)), ""},
		{"the point at infinity", set(`{"kty":"EC","crv":"P-256","x":"","y":""}`), ""},
		{"padded coordinate", set(strings.Replace(okpJWK, `HURo"`, `HURo="`, 1)), ""},
		{"short Ed25519", set(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`), ""},
		{"use sig", set(with(okpJWK, `"use":"sig"`)), "EdDSA:"},
		{"use enc", set(with(okpJWK, `"use":"enc"`)), ""},
		{"key_ops verify", set(with(okpJWK, `"key_ops":["verify"]`)), "EdDSA:"},
		{"key_ops encrypt", set(with(okpJWK, `"key_ops":["encrypt"]`)), ""},
		{"alg of another kind", set(with(okpJWK, `"alg":"ES256"`)), ""},
		{"alg unknown", set(with(okpJWK, `"alg":"HS256"`)), ""},
		{"members misshapen", set(`{"kty":"EC","crv":7}`, `7`, `null`, `[]`, okpJWK), "EdDSA:"},
		{"name twice", set(with(okpJWK, `"kty":"OKP"`)), ""},
		{"names in capitals", set(strings.Replace(okpJWK, `"x"`, `"X"`, 1)), ""},
		{"kid too long", set(with(okpJWK, `"kid":"`+strings.Repeat("k", 257)+`"`)), ""},
		{"certificates unread", set(with(okpJWK, `"x5c":["nonsense"],"x5u":":"`)), "EdDSA:"},
		{"private EC", set(okpJWK, with(ecJWK, `"d":"AA"`)), "invalid"},
		{"private RSA", set(with(rsaJWK, `"p":"AA"`)), "invalid"},
		{"private and null", set(with(rsaJWK, `"d":null`)), "invalid"},
		{"symmetric", set(`{"kty":"oct","k":"AAAA"}`), "invalid"},
		{"not an object", `[]`, "invalid"},
		{"null", `null`, "invalid"},
		{"one key only", okpJWK, "invalid"},
		{"keys null", `{"keys":null}`, "invalid"},
		{"keys an object", `{"keys":{}}`, "invalid"},
		{"keys twice", `{"keys":[],"keys":[]}`, "invalid"},
		{"Keys", `{"Keys":[]}`, "invalid"},
		{"empty", ``, "invalid"},
		{"HTML", `<html>`, "invalid"},
		{"text after it", set(okpJWK) + `x`, "invalid"},
		{"65 KiB", set(okpJWK) + strings.Repeat(" ", 64<<10), "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := jose.ParseJWKS([]byte(tt.set))
			var found []string
			for _, k := range keys {
				found = append(found, fmt.Sprintf("%s:%s", k.Alg, k.KID))
			}
			got := strings.Join(found, " ")
			if errors.Is(err, jose.ErrInvalid) {
				got = "invalid"
			} else if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q (%v)", got, tt.want, err)
			}
		})
	}
}

func TestJWKSRoundTrip(t *testing.T) {
	var keys []jose.PublicKey
	for _, alg := range jose.Algs() {
		keys = append(keys, key(t, alg).Public())
	}
	data := jose.MarshalJWKS(keys)
	again, err := jose.ParseJWKS(data)
	if err != nil || string(jose.MarshalJWKS(again)) != string(data) {
		t.Errorf("%s\nreads as\n%s\n%v", data, jose.MarshalJWKS(again), err)
	}
	if got := string(jose.MarshalJWKS(nil)); got != `{"keys":[]}` {
		t.Errorf("no keys: %s", got)
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k["use"] != "sig" || k["kid"] == "" || k["alg"] == "" || k["d"] != "" {
			t.Errorf("key %v", k)
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	for _, alg := range jose.Algs() {
		k := key(t, alg)
		der, err := k.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := jose.Unmarshal(alg, der)
		if err != nil || again.KID() != k.KID() || again.Alg() != alg {
			t.Fatalf("%s: %v, %v", alg, again, err)
		}
		if got := outcome(sign(t, again, "at+jwt", `{}`), atJWT, jose.Algs(), k.Public()); got != "ok" {
			t.Errorf("%s after a round trip: %s", alg, got)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} { // case 313
			for _, v := range []any{k, *k} {
				if out := fmt.Sprintf(verb, v); out != "[redacted]" {
					t.Errorf("%s prints %s", alg, out)
				}
			}
		}
		rsaAlg := func(a jose.Alg) bool { return a == jose.RS256 || a == jose.PS256 }
		for _, other := range append(jose.Algs(), "HS256", "") {
			_, err := jose.Unmarshal(other, der)
			if fits := other == alg || rsaAlg(other) && rsaAlg(alg); (err == nil) != fits {
				t.Errorf("a key for %s read for %q: %v", alg, other, err)
			}
		}
	}
	if _, err := jose.Generate("HS256"); err == nil {
		t.Error("Generate makes any key")
	}
	if _, err := jose.Unmarshal(jose.ES256, []byte("nonsense")); err == nil {
		t.Error("Unmarshal reads nonsense")
	}
}

// An RS256 and a PS256 key never share a kid, even of the same numbers.
func TestKIDOfRSADependsOnAlg(t *testing.T) {
	k := key(t, jose.RS256)
	der, _ := k.Marshal()
	ps, err := jose.Unmarshal(jose.PS256, der)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Public().Key().(*rsa.PublicKey).Equal(ps.Public().Key()) || k.KID() == ps.KID() {
		t.Errorf("kids %s and %s", k.KID(), ps.KID())
	}
	if es := key(t, jose.ES256); es.KID() != jose.Thumbprint(es.Public()) {
		t.Error("the kid of an EC key isn't its thumbprint")
	}
}

func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[` + ecJWK + `,` + rsaJWK + `,` + okpJWK + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AA","e":"AQAB","x5c":["AA"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := jose.ParseJWKS(data)
		if err != nil {
			if !errors.Is(err, jose.ErrInvalid) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		again, err := jose.ParseJWKS(jose.MarshalJWKS(keys))
		if err != nil && len(jose.MarshalJWKS(keys)) <= 64<<10 || err == nil && len(again) != len(keys) {
			t.Errorf("%d keys read back as %d, %v", len(keys), len(again), err)
		}
		for _, k := range keys {
			if !k.Alg.Valid() || jose.Thumbprint(k) == "" {
				t.Errorf("key %+v", k)
			}
		}
	})
}
