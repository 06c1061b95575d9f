// Package secret makes, hides, hashes and compares what must stay secret.
//
// A Secret prints itself as "[redacted]" wherever fmt, slog or JSON meet it;
// only Reveal gives the text, so a search for Reveal finds every use. Secrets
// that we draw ourselves are 256 random bits and are kept as SHA-256: a slow
// hash protects nothing that random. What a person chose is hashed by the one
// Hasher, which admits only so many at once. Compare through Matches and
// Equal, never with == or bytes.Equal.
//
// The package knows nothing of users, clients or tokens.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a string that must not be shown. Don't make it the key of a map:
// encoding/json writes such keys as they are.
type Secret string

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret from fmt and from string building.
func (Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return redacted }

// Format hides the secret from every verb: without it %x and %q would print
// the text behind String.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the secret from JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText hides the secret from YAML, XML and everything else that asks
// for text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// New draws 256 bits, in base64url without padding: 43 characters.
func New() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Hash is SHA-256, for secrets that have at least 128 random bits.
func Hash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// Matches tells in constant time whether hash is Hash(given). It compares
// hashes, so what a clock could tell is nothing about the secret. An empty
// hash matches nothing: a client without a secret has none that fits.
func Matches(given string, hash []byte) bool {
	return len(hash) == sha256.Size && Equal(Hash(given), hash)
}

// Equal compares two values of one length in constant time.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
