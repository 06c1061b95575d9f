package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// PrivateKey signs one algorithm. It never changes and prints itself as
// "[redacted]".
type PrivateKey struct {
	signer  crypto.Signer
	public  PublicKey
	headers map[string]string // typ → encoded header and dot
}

// Generate draws a new key: P-256, RSA-2048 (up to 0.4 s) or Ed25519.
func Generate(alg Alg) (*PrivateKey, error) {
	switch alg {
	case ES256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return newPrivateKey(alg, key, err)
	case RS256, PS256:
		key, err := rsa.GenerateKey(rand.Reader, minRSA)
		return newPrivateKey(alg, key, err)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return newPrivateKey(alg, key, err)
	}
	return nil, fmt.Errorf("signing key: unknown algorithm %q", alg)
}

// newPrivateKey names the key by its RFC 7638 thumbprint. For RSA the
// algorithm goes into the hash, so that a key for RS256 and one for PS256
// never share a kid, whatever their numbers.
func newPrivateKey(alg Alg, signer crypto.Signer, err error) (*PrivateKey, error) {
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	public := PublicKey{Alg: alg, key: signer.Public()}
	if alg == RS256 || alg == PS256 {
		public.KID = thumbprint(public.key, string(alg))
	} else {
		public.KID = thumbprint(public.key, "")
	}
	k := &PrivateKey{signer: signer, public: public, headers: map[string]string{}}
	for _, typ := range []string{"", "JWT", "at+jwt", "logout+jwt", "token-introspection+jwt"} {
		k.headers[typ] = k.header(typ)
	}
	return k, nil
}

// KID names the key in headers and in the key set.
func (k *PrivateKey) KID() string { return k.public.KID }

// Alg is the one algorithm that the key signs.
func (k *PrivateKey) Alg() Alg { return k.public.Alg }

// Public is the key that verifies.
func (k *PrivateKey) Public() PublicKey { return k.public }

// Format keeps the key out of every log.
func (PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Marshal is PKCS#8 DER. It is the key itself: seal it.
func (k *PrivateKey) Marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.signer) }

// Unmarshal reads what Marshal wrote.
func Unmarshal(alg Alg, der []byte) (*PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("signing key: not PKCS#8")
	}
	switch key := parsed.(type) {
	case *ecdsa.PrivateKey:
		if alg == ES256 && key.Curve == elliptic.P256() {
			return newPrivateKey(alg, key, nil)
		}
	case *rsa.PrivateKey:
		if (alg == RS256 || alg == PS256) && key.N.BitLen() >= minRSA {
			return newPrivateKey(alg, key, nil)
		}
	case ed25519.PrivateKey:
		if alg == EdDSA {
			return newPrivateKey(alg, key, nil)
		}
	}
	return nil, fmt.Errorf("signing key: a %T can't sign %s", parsed, alg)
}

// Sign makes a compact JWS (RFC 7515 §7.1) of the payload. typ says which kind
// of JWT it is, so that none passes for another (RFC 8725 §3.11): "at+jwt",
// "JWT" for ID tokens, "logout+jwt" …; "" leaves it out.
func (k *PrivateKey) Sign(typ string, payload []byte) (string, error) {
	header, ok := k.headers[typ]
	if !ok {
		header = k.header(typ)
	}
	return k.compact(header, payload)
}

// SignEmbedded is Sign with the public key in the header instead of its kid,
// for what VerifyEmbedded reads: DPoP proofs (RFC 9449 §4.2).
func (k *PrivateKey) SignEmbedded(typ string, payload []byte) (string, error) {
	key, err := bare(k.public.key)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(struct {
		Alg Alg    `json:"alg"`
		JWK jwk    `json:"jwk"`
		Typ string `json:"typ"`
	}{k.Alg(), key, typ})
	if err != nil {
		return "", err
	}
	return k.compact(b64.EncodeToString(data)+".", payload)
}

// compact signs and joins; the header is encoded already, with its dot.
func (k *PrivateKey) compact(header string, payload []byte) (string, error) {
	buf := make([]byte, 0, len(header)+b64.EncodedLen(len(payload))+1+b64.EncodedLen(minRSA/8))
	buf = append(buf, header...)
	buf = b64.AppendEncode(buf, payload)
	sig, err := k.signature(buf)
	if err != nil {
		return "", fmt.Errorf("sign by key %s: %w", k.KID(), err)
	}
	buf = append(buf, '.')
	return string(b64.AppendEncode(buf, sig)), nil
}

// header is {"alg","kid","typ"} encoded, with the dot after it.
func (k *PrivateKey) header(typ string) string {
	data, err := json.Marshal(struct {
		Alg Alg    `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ,omitempty"`
	}{k.Alg(), k.KID(), typ})
	if err != nil {
		panic("jose: " + err.Error()) // three strings
	}
	return b64.EncodeToString(data) + "."
}

// signature: RFC 7518 §3.3 (RS256), §3.4 (ES256: r ‖ s of 32 bytes each), §3.5
// (PS256: the salt as long as the hash), RFC 8037 §3.1 (the message itself).
func (k *PrivateKey) signature(input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	switch key := k.signer.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return nil, err
		}
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig, nil
	case *rsa.PrivateKey:
		if k.Alg() == PS256 {
			return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input), nil
	}
	return nil, errors.New("unknown kind of key")
}
