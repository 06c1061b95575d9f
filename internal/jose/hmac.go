package jose

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	hs256 = "HS256" // not one of Algs: no public key is ever its key
	// minHMAC: RFC 7518 §3.2.
	minHMAC = 32
)

// VerifyHMAC is Verify for HS256 and the one key that client and server share
// (client_secret_jwt, OIDC Core §9). It is a function of its own, and knows no
// other algorithm, so that a public key can't be taken for a secret. A key
// below 32 bytes verifies nothing (RFC 7518 §3.2). Errors wrap ErrInvalid.
func VerifyHMAC(token string, wantTyp []string, key []byte) (payload []byte, err error) {
	h, err := parseHeader(token)
	switch {
	case err != nil:
		return nil, err
	case string(h.Alg) != hs256:
		return nil, fmt.Errorf("%w JWT: alg %q is not accepted", ErrInvalid, h.Alg)
	case len(key) < minHMAC:
		return nil, fmt.Errorf("%w JWT: the shared key has less than %d bytes", ErrInvalid, minHMAC)
	}
	if err := h.check(wantTyp); err != nil {
		return nil, err
	}
	end := strings.LastIndexByte(token, '.')
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(token[:end]))
	sum, err := decode(token[end+1:])
	if err != nil || !hmac.Equal(sum, mac.Sum(nil)) {
		return nil, fmt.Errorf("%w JWT: the signature doesn't fit", ErrInvalid)
	}
	return decode(token[strings.IndexByte(token, '.')+1 : end])
}
