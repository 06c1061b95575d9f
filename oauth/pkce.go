package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// validChallenge: RFC 7636 §4.2, S256: 32 bytes in base64url are 43 characters.
func validChallenge(challenge string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && len(challenge) == 43 && len(raw) == sha256.Size
}

// validVerifier: RFC 7636 §4.1, 43 to 128 unreserved characters.
func validVerifier(verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for i := range len(verifier) {
		c := verifier[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// verifierMatches: RFC 7636 §4.6.
func verifierMatches(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) == 1
}

// checkVerifier: RFC 7636 §4.6, and RFC 9700 §2.1.1: a verifier without a
// challenge is a downgrade.
func checkVerifier(verifier, challenge string) *Error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return invalidGrant("code_verifier was sent, but the authorization request had no code_challenge").about("code_verifier")
	case verifier == "":
		return invalidGrant("code_verifier is missing").about("code_verifier")
	case !validVerifier(verifier):
		return invalidGrant("code_verifier is 43 to 128 unreserved characters").about("code_verifier")
	case !verifierMatches(verifier, challenge):
		return invalidGrant("code_verifier does not match the code_challenge").about("code_verifier")
	}
	return nil
}
