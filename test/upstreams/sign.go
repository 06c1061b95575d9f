package upstreams

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"
)

// key signs with RS256 and PS256, ES256 or EdDSA.
type key struct {
	id, issuer string // issuer: Microsoft marks its keys
	rsa        *rsa.PrivateKey
	ec         *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}

// firstKey is every provider's: making RSA keys takes long.
var firstKey = sync.OnceValue(func() key { return newKey("key-1") })

func newKey(id string) key {
	r, err1 := rsa.GenerateKey(rand.Reader, 2048)
	e, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, d, err3 := ed25519.GenerateKey(rand.Reader)
	if err1 != nil || err2 != nil || err3 != nil {
		panic("no keys can be made")
	}
	return key{id: id, rsa: r, ec: e, ed: d}
}

// Rotate replaces the key by a new one.
func (p *Provider) Rotate() {
	k := newKey("key-" + rand.Text())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = []key{k}
}

func (p *Provider) key() key {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[0]
}

var b64 = base64.RawURLEncoding

// sign makes a JWS (RFC 7515 §7.1) with whatever alg the test wants.
func (k key) sign(alg, typ string, claims map[string]any) string {
	header := map[string]any{"alg": alg, "kid": k.kid(alg)}
	if typ != "" {
		header["typ"] = typ
	}
	h, err1 := json.Marshal(header)
	c, err2 := json.Marshal(claims)
	if err1 != nil || err2 != nil {
		panic("claims that JSON has no words for")
	}
	text := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return text + "." + b64.EncodeToString(k.signature(alg, text))
}

func (k key) kid(alg string) string {
	switch alg {
	case "ES256", "EdDSA":
		return k.id + "-" + alg
	}
	return k.id
}

func (k key) signature(alg, text string) (signature []byte) {
	sum := sha256.Sum256([]byte(text))
	var err error
	switch alg {
	case "none":
		return nil
	case "HS256":
		mac := hmac.New(sha256.New, []byte(ClientSecret))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	case "ES256":
		r, s, failed := ecdsa.Sign(rand.Reader, k.ec, sum[:])
		signature, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), failed
	case "EdDSA":
		return ed25519.Sign(k.ed, []byte(text))
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	default:
		signature, err = rsa.SignPKCS1v15(rand.Reader, k.rsa, crypto.SHA256, sum[:])
	}
	if err != nil {
		panic(err)
	}
	return signature
}

// jwks: RFC 7517 §5.
func (p *Provider) jwks() map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []map[string]any
	for _, k := range p.keys {
		point, err := k.ec.PublicKey.Bytes() // 0x04 ‖ x ‖ y
		if err != nil {
			panic(err)
		}
		public, _ := k.ed.Public().(ed25519.PublicKey)
		keys = append(keys,
			map[string]any{"kty": "RSA", "use": "sig", "kid": k.id, "n": b64.EncodeToString(k.rsa.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(k.rsa.E)).Bytes())},
			map[string]any{"kty": "EC", "use": "sig", "kid": k.kid("ES256"), "crv": "P-256", "x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:])},
			map[string]any{"kty": "OKP", "use": "sig", "kid": k.kid("EdDSA"), "crv": "Ed25519", "x": b64.EncodeToString(public)})
		if k.issuer != "" {
			for _, published := range keys[len(keys)-3:] {
				published["issuer"] = k.issuer
			}
		}
	}
	return map[string]any{"keys": keys}
}
