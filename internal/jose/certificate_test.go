package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/jose"
)

func selfSigned(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func jwkOf(t *testing.T, key crypto.PublicKey, more string) string {
	t.Helper()
	data, err := json.Marshal(gojose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(data), "{", "{"+more, 1)
}

func x5c(ders ...[]byte) string {
	var list []string
	for _, der := range ders {
		list = append(list, base64.StdEncoding.EncodeToString(der))
	}
	data, _ := json.Marshal(list)
	return `"x5c":` + string(data) + `,`
}

// RFC 8705 §2.2: keys that TLS knows, whether or not they sign a JWT here.
func TestCertificateKeys(t *testing.T) {
	signers := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signers[name] = k
	}
	_, signers["Ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	signers["RSA"], _ = rsa.GenerateKey(rand.Reader, 2048)
	for name, k := range signers {
		der := selfSigned(t, k)
		for more, certificates := range map[string]int{"": 0, x5c(der): 1, x5c(der, selfSigned(t, signers["P-384"])): 1, `"use":"sig","alg":"X",`: 0} {
			keys, ders, err := jose.CertificateKeys([]byte(`{"keys":[` + jwkOf(t, k.Public(), more) + `]}`))
			if err != nil || len(keys) != 1 || len(ders) != certificates || certificates == 1 && string(ders[0]) != string(der) {
				t.Errorf("%s with %.20s: %d keys, %d certificates, %v", name, more, len(keys), len(ders), err)
				continue
			}
			parsed, err := x509.ParseCertificate(der)
			if err != nil || !keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(parsed.PublicKey) {
				t.Errorf("%s: another key, %v", name, err)
			}
		}
	}
}

func TestCertificateKeysLeftOutOrRefused(t *testing.T) {
	k, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	private, _ := json.Marshal(gojose.JSONWebKey{Key: k})
	good := jwkOf(t, k.Public(), "")
	for name, tt := range map[string]struct{ set, want string }{
		"good":              {`{"keys":[` + good + `]}`, "1 0"},
		"among others":      {`{"keys":[{"kty":"X"},7,` + good + `,{"kty":"RSA","n":"AQ","e":"AQAB"}]}`, "1 0"},
		"RSA of 2,047 bits": {`{"keys":[` + rsaKey(2047, "AQAB") + `]}`, "0 0"},
		"RSA of 8,193 bits": {`{"keys":[` + rsaKey(8193, "AQAB") + `]}`, "0 0"},
		"for encryption":    {`{"keys":[` + jwkOf(t, k.Public(), `"use":"enc",`) + `]}`, "0 0"},
		"another's x5c":     {`{"keys":[` + jwkOf(t, k.Public(), x5c(selfSigned(t, other))) + `]}`, "0 0"},
		"nonsense in x5c":   {`{"keys":[` + jwkOf(t, k.Public(), `"x5c":["AAAA"],`) + `]}`, "0 0"},
		"off the curve":     {`{"keys":[` + strings.Replace(good, `"P-384"`, `"P-256"`, 1) + `]}`, "0 0"},
		"a name twice":      {`{"keys":[` + jwkOf(t, k.Public(), `"kty":"EC",`) + `]}`, "0 0"},
		"a private key":     {`{"keys":[` + good + `,` + string(private) + `]}`, "invalid"},
		"a symmetric key":   {`{"keys":[{"kty":"oct","k":"AAAA"}]}`, "invalid"},
		"ML-DSA":            {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}]}`, "0 0"},
		"no keys":           {`{}`, "invalid"},
		"not JSON":          {`<html>`, "invalid"},
		"more than 64 KiB":  {`{"keys":[]}` + strings.Repeat(" ", 64<<10), "invalid"},
	} {
		keys, ders, err := jose.CertificateKeys([]byte(tt.set))
		got := fmt.Sprint(len(keys), len(ders))
		if errors.Is(err, jose.ErrInvalid) {
			got = "invalid"
		} else if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, alg := range jose.Algs() {
		k, other := key(t, alg).Public(), key(t, jose.ES256).Public()
		if !k.Equal(k.Key()) || k.Equal(nil) || (alg != jose.ES256) == k.Equal(other.Key()) {
			t.Errorf("%s: Equal is wrong", alg)
		}
	}
	if (jose.PublicKey{}).Equal(nil) {
		t.Error("the zero key equals something")
	}
}

func FuzzCertificateKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[` + ecJWK + `,` + rsaJWK + `,` + okpJWK + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-521","x":"AA","y":"AA","x5c":["AA"]}]}`))
	f.Add([]byte(`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AA","priv":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, ders, err := jose.CertificateKeys(data)
		if err != nil && !errors.Is(err, jose.ErrInvalid) || len(ders) > len(keys) {
			t.Errorf("%d keys, %d certificates, %v", len(keys), len(ders), err)
		}
		for _, key := range keys {
			switch key.(type) {
			case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
			default:
				t.Errorf("a %T", key)
			}
		}
	})
}
