package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

const (
	maxJWKS = 64 << 10
	maxKID  = 256
	minRSA  = 2048
	maxRSA  = 8192 // one verification of that is 0.6 ms
)

// PublicKey is a key that verifies one algorithm.
type PublicKey struct {
	KID string
	Alg Alg
	key crypto.PublicKey // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
}

// Key is the standard library's key, to compare it with a certificate's.
func (p PublicKey) Key() crypto.PublicKey { return p.key }

// Equal tells whether other, a certificate's key say, is the same one.
func (p PublicKey) Equal(other crypto.PublicKey) bool {
	key, ok := p.key.(interface{ Equal(x crypto.PublicKey) bool })
	return ok && key.Equal(other)
}

// jwk is RFC 7517 §4 with RFC 7518 §6 and RFC 8037 §2. Certificates in it are
// not looked at: a key set is trusted for where it came from.
type jwk struct {
	Kty    string   `json:"kty"`
	KID    string   `json:"kid,omitempty"`
	Alg    Alg      `json:"alg,omitempty"`
	Use    string   `json:"use,omitempty"`
	KeyOps []string `json:"key_ops,omitempty"`
	Crv    string   `json:"crv,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`

	// Members of a private or symmetric key, read only to be refused.
	D  json.RawMessage `json:"d,omitempty"`
	P  json.RawMessage `json:"p,omitempty"`
	Q  json.RawMessage `json:"q,omitempty"`
	DP json.RawMessage `json:"dp,omitempty"`
	DQ json.RawMessage `json:"dq,omitempty"`
	QI json.RawMessage `json:"qi,omitempty"`
	K  json.RawMessage `json:"k,omitempty"`
}

// MarshalJSON gives the JWK with kty, kid, alg and use=sig.
func (p PublicKey) MarshalJSON() ([]byte, error) {
	j, err := bare(p.key)
	if err != nil {
		return nil, err
	}
	j.KID, j.Alg, j.Use = p.KID, p.Alg, "sig"
	return json.Marshal(j)
}

// bare is the JWK of a key without its metadata.
func bare(key crypto.PublicKey) (j jwk, err error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 0x04 ‖ x ‖ y
		if err != nil || key.Curve != elliptic.P256() {
			return j, errors.New("jwk: not a P-256 key")
		}
		return jwk{Kty: "EC", Crv: "P-256", X: b64.EncodeToString(point[1:33]), Y: b64.EncodeToString(point[33:])}, nil
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		return jwk{Kty: "RSA", N: b64.EncodeToString(key.N.Bytes()), E: b64.EncodeToString(e)}, nil
	case ed25519.PublicKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: b64.EncodeToString(key)}, nil
	}
	return j, fmt.Errorf("jwk: no key, or one of type %T", key)
}

// Thumbprint is RFC 7638 §3 with SHA-256: the required members in
// lexicographic order without spaces. Empty for the zero PublicKey.
func Thumbprint(p PublicKey) string { return thumbprint(p.key, "") }

func thumbprint(key crypto.PublicKey, suffix string) string {
	j, err := bare(key)
	if err != nil {
		return ""
	}
	var text string
	switch j.Kty {
	case "EC":
		text = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, j.Crv, j.X, j.Y)
	case "RSA":
		text = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, j.E, j.N)
	case "OKP":
		text = fmt.Sprintf(`{"crv":"%s","kty":"OKP","x":"%s"}`, j.Crv, j.X)
	}
	sum := sha256.Sum256([]byte(text + suffix))
	return b64.EncodeToString(sum[:])
}

// MarshalJWKS makes a key set (RFC 7517 §5).
func MarshalJWKS(keys []PublicKey) []byte {
	set := struct {
		Keys []PublicKey `json:"keys"`
	}{Keys: append([]PublicKey{}, keys...)} // never null
	data, err := json.Marshal(set)
	if err != nil {
		panic("jose: " + err.Error()) // only for the zero PublicKey
	}
	return data
}

// ParseJWKS reads a key set of at most 64 KiB. Keys that we can't use are left
// out (RFC 7517 §5); a private key in it is an error, for its owner to hear of.
// An RSA key without alg comes out twice, for RS256 and PS256.
func ParseJWKS(data []byte) ([]PublicKey, error) {
	members, err := parseSet(data)
	if err != nil {
		return nil, err
	}
	var keys []PublicKey
	for i, raw := range members {
		usable, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("%w JWKS: key %d: %w", ErrInvalid, i, err)
		}
		keys = append(keys, usable...)
	}
	return keys, nil
}

func parseSet(data []byte) ([]json.RawMessage, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(data) > maxJWKS {
		return nil, fmt.Errorf("%w JWKS: more than %d bytes", ErrInvalid, maxJWKS)
	}
	if err := decodeObject(data, &set); err != nil {
		return nil, err
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("%w JWKS: no \"keys\" in it", ErrInvalid)
	}
	return set.Keys, nil
}

// errPrivateKey is for the owner of a key set to hear.
var errPrivateKey = errors.New("has private members; publish the public ones only, and replace the key")

// parseJWK returns nothing, and no error, for a key that we can't use: one of
// a kind we don't know, for another use, or misshapen (RFC 7517 §5).
func parseJWK(data []byte) ([]PublicKey, error) {
	var j jwk
	if err := decodeObject(data, &j); err != nil {
		return nil, nil //nolint:nilerr // left out, as the RFC says
	}
	if j.private() {
		return nil, errPrivateKey
	}
	if !j.verifies() || len(j.KID) > maxKID {
		return nil, nil
	}
	if j.Alg == ed25519Name {
		j.Alg = EdDSA
	}
	key, algs := j.material()
	var keys []PublicKey
	for _, alg := range algs {
		if j.Alg == "" || j.Alg == alg {
			keys = append(keys, PublicKey{KID: j.KID, Alg: alg, key: key})
		}
	}
	return keys, nil
}

// private: RFC 7518 §6.2.2, §6.3.2, §6.4. A symmetric key has no public form.
func (j jwk) private() bool {
	return j.Kty == "oct" || slices.ContainsFunc([]json.RawMessage{j.D, j.P, j.Q, j.DP, j.DQ, j.QI, j.K},
		func(m json.RawMessage) bool { return m != nil })
}

// verifies: use and key_ops, where present, allow signatures (RFC 7517 §4.2,
// §4.3).
func (j jwk) verifies() bool {
	return (j.Use == "" || j.Use == "sig") && (j.KeyOps == nil || slices.Contains(j.KeyOps, "verify"))
}
