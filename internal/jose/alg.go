// Package jose signs and verifies JWTs, and is the only package that names a
// JOSE library.
//
// What we make ourselves is made on the standard library, for speed: a
// pre-encoded header, one buffer. What comes from outside is taken apart and
// verified by go-jose with an explicit list of algorithms, behind checks of
// our own: strict base64, strict JSON, a typ that must be named, no crit, no
// zip, no key that the token brings along. There are four algorithms, a key
// carries its own, and no function has a parameter for the header's: alg
// confusion has no place to happen (RFC 8725 §3.1).
//
// Claims are read with Decode and these types, and judged by the callers: this
// package knows no iss, aud or exp.
package jose

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
)

// Alg is a signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
type Alg string

// The algorithms there are. Anything symmetric, RSA with PKCS#1 v1.5 and
// SHA-1, and "none" are not among them.
const (
	ES256 Alg = "ES256"
	RS256 Alg = "RS256"
	PS256 Alg = "PS256"
	EdDSA Alg = "EdDSA"
)

// Algs returns all algorithms, the one we like best first.
func Algs() []Alg { return []Alg{ES256, EdDSA, PS256, RS256} }

// Valid tells whether a is one of the four.
func (a Alg) Valid() bool {
	switch a {
	case ES256, RS256, PS256, EdDSA:
		return true
	}
	return false
}

var (
	// ErrInvalid is behind every error about a token or key set that is
	// refused for good.
	ErrInvalid = errors.New("invalid")
	// ErrUnknownKey says that no key has the token's kid: it may help to fetch
	// the keys again.
	ErrUnknownKey = errors.New("unknown signing key")
)

// b64 refuses non-zero trailing bits; line breaks are looked for separately.
var b64 = base64.RawURLEncoding.Strict()

// HalfHash is at_hash and c_hash: the left half of the hash that the ID
// token's alg uses (OIDC Core §3.1.3.6, §3.3.2.11). Ed25519 uses SHA-512.
func HalfHash(alg Alg, value string) string {
	if alg == EdDSA {
		sum := sha512.Sum512([]byte(value))
		return b64.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(value))
	return b64.EncodeToString(sum[:16])
}
