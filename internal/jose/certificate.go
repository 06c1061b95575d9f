package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	gojose "github.com/go-jose/go-jose/v4"
)

// CertificateKeys reads the key set of a client that authenticates by a
// self-signed certificate (RFC 8705 §2.2): its public keys, also those that
// sign no JWT here (P-384, P-521), and the first certificate of each x5c in
// DER. Keys are *ecdsa.PublicKey, *rsa.PublicKey of 2,048 to 8,192 bits or
// ed25519.PublicKey. What can't be used is left out, an x5c that isn't of its
// key too; a private key is an error, as in ParseJWKS.
func CertificateKeys(jwks []byte) (keys []crypto.PublicKey, certificates [][]byte, err error) {
	members, err := parseSet(jwks)
	if err != nil {
		return nil, nil, err
	}
	for i, raw := range members {
		key, der, err := certificateKey(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("%w JWKS: key %d: %w", ErrInvalid, i, err)
		}
		if key != nil {
			keys = append(keys, key)
		}
		if der != nil {
			certificates = append(certificates, der)
		}
	}
	return keys, certificates, nil
}

func certificateKey(data []byte) (key crypto.PublicKey, der []byte, err error) {
	var j jwk
	if err := decodeObject(data, &j); err != nil {
		return nil, nil, nil //nolint:nilerr // left out, as RFC 7517 §5 says
	}
	if j.private() {
		return nil, nil, errPrivateKey
	}
	var parsed gojose.JSONWebKey
	if err := json.Unmarshal(data, &parsed); err != nil || !j.verifies() {
		return nil, nil, nil //nolint:nilerr // as above
	}
	switch parsed.Key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if j.rsa() == nil { // our bounds
			return nil, nil, nil
		}
	default: // of a kind that go-jose knows and TLS here doesn't
		return nil, nil, nil
	}
	if len(parsed.Certificates) > 0 {
		der = parsed.Certificates[0].Raw
	}
	return parsed.Key, der, nil
}
