package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const slot = 5 * time.Minute

// Nonces makes and checks nonces (RFC 9449 §8) without keeping any: a nonce is
// a MAC over the current five minutes. Nodes with the same key accept each
// other's. Any number of goroutines may use it.
type Nonces struct{ key [32]byte }

// NewNonces takes a key that is used for nothing else.
func NewNonces(key [32]byte) *Nonces { return &Nonces{key} }

// Current is the nonce to hand out.
func (n *Nonces) Current(now time.Time) string { return n.of(now) }

// Good tells whether a nonce is the current one or the one before, so that a
// client that has just got one can use it.
func (n *Nonces) Good(nonce string, now time.Time) bool {
	current := subtle.ConstantTimeCompare([]byte(nonce), []byte(n.of(now)))
	before := subtle.ConstantTimeCompare([]byte(nonce), []byte(n.of(now.Add(-slot))))
	return current|before == 1
}

func (n *Nonces) of(t time.Time) string {
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(binary.BigEndian.AppendUint64([]byte("dpop nonce\x00"), uint64(t.Unix()/int64(slot/time.Second)))) //nolint:gosec // bits, not a number
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}
