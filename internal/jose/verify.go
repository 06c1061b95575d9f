package jose

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	gojose "github.com/go-jose/go-jose/v4"
)

const (
	maxToken = 16 << 10
	// maxTries bounds the keys that a token without kid is tried against.
	maxTries = 16
)

// header is what we read of a JOSE header; the rest is ignored, as RFC 7515
// §4 says. jku, x5u and x5c in particular are never used: the keys come from
// the caller. jwk is used by VerifyEmbedded alone.
type header struct {
	Alg Alg             `json:"alg"`
	KID *string         `json:"kid"`
	Typ *string         `json:"typ"`
	JWK json.RawMessage `json:"jwk"`

	// These change what the rest means. No extension is understood, so none
	// is accepted (RFC 7515 §4.1.11, RFC 7797 §6; zip is JWE's alone).
	Crit json.RawMessage `json:"crit"`
	B64  json.RawMessage `json:"b64"`
	Zip  json.RawMessage `json:"zip"`

	fully bool // alg is Ed25519, the fully-specified name of EdDSA: RFC 9864 §2.2
}

// Verify checks a compact JWS of at most 16 KiB and returns its payload and
// the kid of the key that verified it. typ must be one of wantTyp, where ""
// allows it to be absent; alg one of algs and the key's own. Claims are for
// the caller to judge, after this: a badly signed token is never merely expired.
//
// The error wraps ErrUnknownKey when the token's kid is in none of keys, else
// ErrInvalid. It says what was wrong, for our log.
func Verify(token string, wantTyp []string, algs []Alg, keys []PublicKey) (payload []byte, kid string, err error) {
	h, err := readHeader(token, wantTyp, algs)
	if err != nil {
		return nil, "", err
	}
	candidates, err := h.candidates(keys)
	if err != nil {
		return nil, "", err
	}
	payload, kid, err = h.verifySignature(token, candidates)
	return payload, kid, err
}

// VerifyEmbedded checks a compact JWS against the key in its own header. It
// proves nothing but possession of that key: for DPoP proofs (RFC 9449 §4.3),
// and nothing else.
func VerifyEmbedded(token string, wantTyp []string, algs []Alg) (payload []byte, key PublicKey, err error) {
	h, err := readHeader(token, wantTyp, algs)
	if err != nil {
		return nil, key, err
	}
	keys, err := parseJWK(h.JWK)
	if err != nil {
		return nil, key, fmt.Errorf("%w jwk in header: %w", ErrInvalid, err)
	}
	for _, k := range keys {
		if k.Alg == h.Alg {
			payload, _, err = h.verifySignature(token, []PublicKey{k})
			return payload, k, err
		}
	}
	return nil, key, fmt.Errorf("%w jwk in header: no key for %s", ErrInvalid, h.Alg)
}

// KeyID reads the header of a compact JWS and nothing else: neither is proven.
func KeyID(token string) (kid string, alg Alg, err error) {
	h, err := parseHeader(token)
	if err != nil {
		return "", "", err
	}
	if h.KID != nil {
		kid = *h.KID
	}
	return kid, h.Alg, nil
}

func readHeader(token string, wantTyp []string, algs []Alg) (h header, err error) {
	h, err = parseHeader(token)
	switch {
	case err != nil:
		return h, err
	case !h.Alg.Valid() || !slices.Contains(algs, h.Alg):
		return h, fmt.Errorf("%w JWT: alg %q is not accepted", ErrInvalid, h.Alg)
	}
	return h, h.check(wantTyp)
}

// check is what every header must keep, whoever signed.
func (h header) check(wantTyp []string) error {
	switch {
	case h.Crit != nil || h.B64 != nil || h.Zip != nil:
		return fmt.Errorf("%w JWT: crit, b64 or zip in the header", ErrInvalid)
	case !h.typOneOf(wantTyp):
		return fmt.Errorf("%w JWT: typ is not one of %q", ErrInvalid, wantTyp)
	}
	return nil
}

// parseHeader looks at sizes first, then at the encoding of all three parts,
// which go-jose takes less strictly than RFC 7515 §2.
func parseHeader(token string) (h header, err error) {
	if len(token) > maxToken {
		return h, fmt.Errorf("%w JWT: more than %d bytes", ErrInvalid, maxToken)
	}
	if strings.Count(token, ".") != 2 {
		return h, fmt.Errorf("%w JWT: not three parts", ErrInvalid)
	}
	var first []byte
	for i, part := range strings.Split(token, ".") {
		raw, err := decode(part)
		if err != nil || len(raw) == 0 {
			return h, fmt.Errorf("%w JWT: part %d is not base64url", ErrInvalid, i+1)
		}
		if i == 0 {
			first = raw
		}
	}
	if err := decodeObject(first, &h); err != nil {
		return h, err
	}
	if h.KID != nil && len(*h.KID) > maxKID {
		return h, fmt.Errorf("%w JWT: kid is too long", ErrInvalid)
	}
	if h.Alg == ed25519Name {
		h.Alg, h.fully = EdDSA, true
	}
	return h, nil
}

// typOneOf: RFC 7515 §4.1.9 has media types compared without case, and with
// "application/" left out where no other slash follows.
func (h header) typOneOf(want []string) bool {
	typ := ""
	if h.Typ != nil {
		typ = shortType(*h.Typ)
		if typ == "" { // present and empty isn't absent
			return false
		}
	}
	return slices.ContainsFunc(want, func(w string) bool { return shortType(w) == typ })
}

func shortType(typ string) string {
	typ = asciiLower(typ)
	if rest, ok := strings.CutPrefix(typ, "application/"); ok && !strings.Contains(rest, "/") {
		return rest
	}
	return typ
}

// asciiLower, since strings.ToLower turns the Kelvin sign into k.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// candidates are the keys with the header's kid, or all of its algorithm when
// it names none. A key that has the kid and another algorithm is not one.
func (h header) candidates(keys []PublicKey) (found []PublicKey, err error) {
	named := false
	for _, k := range keys {
		if h.KID != nil && k.KID != *h.KID {
			continue
		}
		named = true
		if k.Alg == h.Alg {
			found = append(found, k)
		}
	}
	switch {
	case !named, h.KID == nil && len(found) == 0:
		return nil, fmt.Errorf("%w for %s", ErrUnknownKey, h.Alg)
	case len(found) == 0:
		return nil, fmt.Errorf("%w JWT: the key isn't for %s", ErrInvalid, h.Alg)
	case len(found) > maxTries:
		return nil, fmt.Errorf("%w JWT: without kid, and more than %d keys for %s", ErrInvalid, maxTries, h.Alg)
	}
	return found, nil
}

// verifySignature has go-jose parse the token, with the one algorithm allowed,
// and tries the keys.
func (h header) verifySignature(token string, keys []PublicKey) ([]byte, string, error) {
	if h.fully {
		return verifyEd25519(token, keys)
	}
	alg := h.Alg
	jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(alg)})
	if err != nil {
		return nil, "", fmt.Errorf("%w JWT: %w", ErrInvalid, err)
	}
	for _, k := range keys {
		if payload, err := jws.Verify(k.key); err == nil {
			return payload, k.KID, nil
		}
	}
	return nil, "", fmt.Errorf("%w JWT: the signature doesn't fit", ErrInvalid)
}

// ed25519Name is RFC 9864's name for EdDSA with the one curve that we know.
// go-jose doesn't know it yet, so what it names is verified here; the parts were
// looked at by parseHeader.
const ed25519Name = "Ed25519"

func verifyEd25519(token string, keys []PublicKey) ([]byte, string, error) {
	end := strings.LastIndexByte(token, '.')
	signature, err := decode(token[end+1:])
	if err != nil {
		return nil, "", fmt.Errorf("%w JWT: the signature isn't base64url", ErrInvalid)
	}
	for _, k := range keys {
		if key, ok := k.key.(ed25519.PublicKey); ok && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, []byte(token[:end]), signature) {
			payload, err := decode(token[strings.IndexByte(token, '.')+1 : end])
			return payload, k.KID, err
		}
	}
	return nil, "", fmt.Errorf("%w JWT: the signature doesn't fit", ErrInvalid)
}
