package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// material builds the key and names the algorithms it can serve.
func (j jwk) material() (crypto.PublicKey, []Alg) {
	switch {
	case j.Kty == "EC" && j.Crv == "P-256":
		if key := j.ec(); key != nil {
			return key, []Alg{ES256}
		}
	case j.Kty == "RSA":
		if key := j.rsa(); key != nil {
			return key, []Alg{RS256, PS256}
		}
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		if x, err := decode(j.X); err == nil && len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x), []Alg{EdDSA}
		}
	}
	return nil, nil
}

// ec: RFC 7518 §6.2.1. The coordinates have their full length, and the point
// is on the curve.
func (j jwk) ec() *ecdsa.PublicKey {
	x, err1 := decode(j.X)
	y, err2 := decode(j.Y)
	if errors.Join(err1, err2) != nil || len(x) != 32 || len(y) != 32 {
		return nil
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil
	}
	return key
}

// rsa: RFC 7518 §6.3.1. A modulus above 8,192 bits is an attack on our time,
// one below 2,048 on our signature; an exponent is odd and has at most 31 bits.
func (j jwk) rsa() *rsa.PublicKey {
	n, err1 := decode(j.N)
	e, err2 := decode(j.E)
	if errors.Join(err1, err2) != nil || len(n) > maxRSA/8+1 || len(e) > 4 {
		return nil
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e).Int64()
	size := modulus.BitLen()
	if size < minRSA || size > maxRSA || modulus.Bit(0) == 0 || exponent < 3 || exponent > 1<<31-1 || exponent%2 == 0 {
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent)}
}

// decode is base64url as RFC 7515 §2 has it: no padding, no line breaks, no
// stray bits.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w base64: line break", ErrInvalid)
	}
	return b64.DecodeString(s)
}
