package harness

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/dpop"
	"github.com/valetkey/valetkey/internal/jose"
)

// Key is a client's own key.
type Key struct{ private *jose.PrivateKey }

// NewKey draws a key for ES256, EdDSA, PS256 or RS256.
func NewKey(alg string) (*Key, error) {
	private, err := jose.Generate(jose.Alg(alg))
	return &Key{private}, err
}

// JWKS is the set of the public keys of some.
func JWKS(keys ...*Key) string {
	public := make([]jose.PublicKey, len(keys))
	for i, k := range keys {
		public[i] = k.private.Public()
	}
	return string(jose.MarshalJWKS(public))
}

// KID names the key in its set.
func (k *Key) KID() string { return k.private.KID() }

// JKT is the key's thumbprint: RFC 7638.
func (k *Key) JKT() string { return jose.Thumbprint(k.private.Public()) }

// JWT signs claims; typ may be empty.
func (k *Key) JWT(typ string, claims map[string]any) (string, error) {
	content, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return k.private.Sign(typ, content)
}

// Unsigned is a JWT of algorithm none.
func Unsigned(claims map[string]any) (string, error) {
	content, err := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(content) + ".", err
}

// HS256 signs claims with a secret: OpenID Connect Core §9, client_secret_jwt.
func HS256(secret string, claims map[string]any) (string, error) {
	content, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64.EncodeToString(content)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + b64.EncodeToString(mac.Sum(nil)), nil
}

// Proof signs a DPoP proof: RFC 9449 §4.2. claims win over a new jti and iat.
func (k *Key) Proof(method, target string, now time.Time, claims map[string]any) (string, error) {
	content, err := json.Marshal(Merge(map[string]any{
		"jti": rand.Text(), "htm": method, "htu": target, "iat": now.Unix(),
	}, claims))
	if err != nil {
		return "", err
	}
	return k.private.SignEmbedded("dpop+jwt", content)
}

// ATH is the hash of an access token in a proof: RFC 9449 §4.2.
func ATH(token string) string { return dpop.TokenHash(token) }

// Merge is base with the members of changes; a nil value takes a member out.
func Merge(base, changes map[string]any) map[string]any {
	for name, value := range changes {
		if value == nil {
			delete(base, name)
			continue
		}
		base[name] = value
	}
	return base
}

// Members reads words into the members of a JSON object: name=text, name:=JSON,
// a name alone takes it out, and for exp, nbf and iat name=+5m is a time from
// now.
func Members(now time.Time, words []string) (map[string]any, error) {
	out := map[string]any{}
	for _, word := range words {
		name, text, given := strings.Cut(word, "=")
		switch {
		case !given:
			out[name] = nil
		case strings.HasSuffix(name, ":"):
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				return nil, fmt.Errorf("%s: %w", word, err)
			}
			out[strings.TrimSuffix(name, ":")] = value
		case (name == "exp" || name == "nbf" || name == "iat") && strings.ContainsAny(text[:1], "+-"):
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, err
			}
			out[name] = now.Add(d).Unix()
		default:
			out[name] = text
		}
	}
	return out, nil
}
