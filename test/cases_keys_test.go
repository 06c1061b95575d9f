package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey"
	"github.com/valetkey/valetkey/oauth"
	"github.com/valetkey/valetkey/test/harness"
)

var raw64 = base64.RawURLEncoding

// caseKey signs whatever a case wants, right or wrong.
type caseKey struct {
	kid, alg string
	private  crypto.Signer
}

func newCaseKey(t testing.TB, alg, kid string) *caseKey {
	t.Helper()
	k := &caseKey{kid: kid, alg: alg}
	var err error
	switch alg {
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// jwk is the public key.
func (k *caseKey) jwk() map[string]any {
	j := map[string]any{"alg": k.alg, "use": "sig"}
	if k.kid != "" {
		j["kid"] = k.kid
	}
	switch public := k.private.Public().(type) {
	case *ecdsa.PublicKey:
		point, _ := public.Bytes()
		j["kty"], j["crv"], j["x"], j["y"] = "EC", "P-256", raw64.EncodeToString(point[1:33]), raw64.EncodeToString(point[33:])
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", raw64.EncodeToString(public)
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", raw64.EncodeToString(public.N.Bytes()), raw64.EncodeToString(big.NewInt(int64(public.E)).Bytes())
	}
	return j
}

// bare is the public key as a proof's header has it.
func (k *caseKey) bare() map[string]any {
	j := k.jwk()
	delete(j, "alg")
	delete(j, "use")
	delete(j, "kid")
	return j
}

// jkt is the RFC 7638 thumbprint.
func (k *caseKey) jkt() string {
	content, _ := json.Marshal(k.bare()) // Go sorts the names, which is what the RFC asks
	sum := sha256.Sum256(content)
	return raw64.EncodeToString(sum[:])
}

func jwksOf(keys ...*caseKey) json.RawMessage {
	set := map[string]any{}
	list := []any{}
	for _, k := range keys {
		list = append(list, k.jwk())
	}
	set["keys"] = list
	content, _ := json.Marshal(set)
	return content
}

// signature of an input by the key's algorithm.
func (k *caseKey) signature(input string) []byte {
	sum := sha256.Sum256([]byte(input))
	switch key := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, _ := ecdsa.Sign(rand.Reader, key, sum[:])
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(input))
	case *rsa.PrivateKey:
		if k.alg == "PS256" {
			sig, _ := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 32})
			return sig
		}
		sig, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		return sig
	}
	return nil
}

// text signs a header and payload as they are written.
func (k *caseKey) text(header, payload string) string {
	input := raw64.EncodeToString([]byte(header)) + "." + raw64.EncodeToString([]byte(payload))
	return input + "." + raw64.EncodeToString(k.signature(input))
}

// jwt signs claims, with additions to the header.
func (k *caseKey) jwt(header, claims map[string]any) string {
	h := map[string]any{"alg": k.alg}
	if k.kid != "" {
		h["kid"] = k.kid
	}
	maps.Copy(h, header)
	head, _ := json.Marshal(h)
	body, _ := json.Marshal(claims)
	return k.text(string(head), string(body))
}

// with is a copy of claims with changes; nil removes.
func with(claims, changes map[string]any) map[string]any {
	out := maps.Clone(claims)
	for name, value := range changes {
		if value == nil {
			delete(out, name)
			continue
		}
		out[name] = value
	}
	return out
}

var serial = func() func() string {
	n := make(chan int, 1)
	n <- 0
	return func() string {
		i := <-n
		n <- i + 1
		return "jti-" + big.NewInt(int64(i)).String()
	}
}()

// assertionOf is what a good client assertion says.
func assertionOf(srv *harness.Server, client string) map[string]any {
	now := srv.Clock.Now().Unix()
	return map[string]any{"iss": client, "sub": client, "aud": srv.URL, "jti": serial(), "iat": now, "exp": now + 60}
}

// proofOf is what a good DPoP proof says.
func proofOf(srv *harness.Server, method, path string) map[string]any {
	return map[string]any{"jti": serial(), "htm": method, "htu": srv.URL + path, "iat": srv.Clock.Now().Unix()}
}

// proof signs a DPoP proof.
func (k *caseKey) proof(claims map[string]any) string {
	return (&caseKey{alg: k.alg, private: k.private}).jwt(map[string]any{"typ": "dpop+jwt", "jwk": k.bare()}, claims)
}

// register makes a client as an operator would.
func register(t testing.TB, srv *harness.Server, id string, m oauth.Metadata) {
	t.Helper()
	if m.Name == "" {
		m.Name = "App " + id
	}
	if _, err := srv.Admin().CreateClient(t.Context(), valetkey.NewClient{ID: id, Metadata: m}); err != nil {
		t.Fatalf("client %s: %v", id, err)
	}
}

// post sends a form with headers.
func post(t testing.TB, srv *harness.Server, path string, form url.Values, headers ...string) *harness.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	a, err := harness.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// byAssertion adds a client assertion to a form.
func byAssertion(assertion string, form url.Values) url.Values {
	form = merge(url.Values{}, form)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return form
}

// basicOf is what stands behind Basic.
func basicOf(id, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(password)))
}

// result is status and error of an answer.
func result(a *harness.Answer) string {
	return strings.TrimSpace(http.StatusText(a.Status) + " " + a.String("error"))
}

const minuteAgo = -int64(time.Minute / time.Second)
