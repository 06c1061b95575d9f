// Package dpop reads and checks DPoP proofs (RFC 9449), for the authorization
// server and for APIs alike.
//
// Read says which key made a proof and what it claims, Check whether it fits a
// request. That a proof comes once only, and which nonce it must bring, is for
// the caller to remember: this package keeps no state.
package dpop

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/internal/jose"
)

const (
	maxProof = 8 << 10
	maxText  = 256 // of a jti or nonce

	typ = "dpop+jwt"
)

// ErrInvalid is behind every error here: what a client is told as
// invalid_dpop_proof.
var ErrInvalid = errors.New("invalid DPoP proof")

// Proof is what a DPoP proof says; its signature fits the key in it.
type Proof struct {
	Thumbprint string    // of its key, RFC 7638 with SHA-256: the jkt
	ID         string    // jti
	Method     string    // htm
	URL        string    // htu
	IssuedAt   time.Time // iat
	TokenHash  string    // ath, "" when absent
	Nonce      string
	Alg        jose.Alg
}

// claims are RFC 9449 §4.2.
type claims struct {
	ID        string           `json:"jti"`
	Method    string           `json:"htm"`
	URL       string           `json:"htu"`
	IssuedAt  jose.NumericDate `json:"iat"`
	TokenHash string           `json:"ath,omitempty"`
	Nonce     string           `json:"nonce,omitempty"`
}

// Read takes all DPoP headers of a request: there must be exactly one, with
// one proof (RFC 9449 §4.3, items 1 to 7). Any algorithm of internal/jose will do:
// all are asymmetric.
func Read(headers []string) (p Proof, err error) {
	switch {
	case len(headers) != 1:
		return p, fmt.Errorf("%w: %d DPoP headers instead of one", ErrInvalid, len(headers))
	case len(headers[0]) > maxProof: // before any work on it
		return p, fmt.Errorf("%w: more than %d bytes", ErrInvalid, maxProof)
	}
	payload, key, err := jose.VerifyEmbedded(headers[0], []string{typ}, jose.Algs())
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var c claims
	if err := jose.Decode(payload, &c); err != nil {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.check(); err != nil {
		return p, err
	}
	return Proof{
		Thumbprint: jose.Thumbprint(key), ID: c.ID, Method: c.Method, URL: c.URL, IssuedAt: time.Unix(int64(c.IssuedAt), 0),
		TokenHash: c.TokenHash, Nonce: c.Nonce, Alg: key.Alg,
	}, nil
}

func (c claims) check() error {
	_, isURL := parse(c.URL)
	switch {
	case c.ID == "" || c.Method == "" || c.URL == "" || c.IssuedAt == 0:
		return fmt.Errorf("%w: it lacks one of jti, htm, htu and iat", ErrInvalid)
	case len(c.ID) > maxText || len(c.Nonce) > maxText:
		return fmt.Errorf("%w: jti or nonce of more than %d bytes", ErrInvalid, maxText)
	case !isURL:
		return fmt.Errorf("%w: htu is not an absolute http or https URL", ErrInvalid)
	}
	return nil
}

// Sign makes a proof: Thumbprint and Alg are the key's. It is for clients of
// ours and for tests.
func Sign(key *jose.PrivateKey, p Proof) (string, error) {
	payload, err := json.Marshal(claims{
		ID: p.ID, Method: p.Method, URL: p.URL, IssuedAt: jose.NumericDate(p.IssuedAt.Unix()), TokenHash: p.TokenHash, Nonce: p.Nonce,
	})
	if err != nil {
		return "", err
	}
	return key.SignEmbedded(typ, payload)
}

// TokenHash is ath: RFC 9449 §4.2.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
