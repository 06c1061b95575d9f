// Package seal makes envelopes that only the nodes of one installation can
// open, and tags that only they can make.
//
// A master-secret file lists keys; the first seals, all open, so a key is
// replaced by putting a new one on top and taking the old one out when what
// it sealed has expired. For every kind of envelope ("code", "interaction" …)
// its own key is derived by HKDF, and the kind is associated data and shows
// in the prefix as well: an envelope of one kind can't be opened as another.
// Nonces are random and 24 bytes long; they never run out.
//
// The package doesn't know what is in an envelope, nor when it expires: put
// the expiry inside.
package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	keyPrefix = "vkms1_" // Valet Key master secret, version 1
	keySize   = 32
	maxKeys   = 16
)

// b64 refuses what RawURLEncoding lets pass: non-zero trailing bits. Newlines
// it skips even so; decode looks for them.
var b64 = base64.RawURLEncoding.Strict()

// Keyring is the master secret's keys. It prints itself as "[redacted]".
type Keyring struct {
	keys []masterKey
}

// masterKey is one line of the file. id stands in front of what it seals.
type masterKey struct {
	secret [keySize]byte
	id     [4]byte
}

// Generate makes the contents of a new master-secret file.
func Generate() []byte {
	var key [keySize]byte
	_, _ = rand.Read(key[:])
	return []byte("# Valet Key master secret. Every node needs it; keep a copy apart from the database's.\n" +
		"# The first key seals, all of them open.\n" +
		keyPrefix + b64.EncodeToString(key[:]) + "\n")
}

// Parse reads a master-secret file: one key a line, blank lines and lines
// that begin with # are skipped. Errors name the line and never its text.
func Parse(data []byte) (*Keyring, error) {
	k := &Keyring{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		key, err := parseKey(text)
		if err == nil {
			err = k.add(key)
		}
		if err != nil {
			return nil, fmt.Errorf("master secret, line %d: %w", n, err)
		}
	}
	if len(k.keys) == 0 {
		return nil, errors.New("master secret: no key in it; a line is " + keyPrefix + " and 43 characters")
	}
	return k, nil
}

func parseKey(text string) (key masterKey, err error) {
	encoded, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return key, errors.New("a key begins with " + keyPrefix)
	}
	raw, err := decode(encoded)
	switch {
	case err != nil:
		return key, errors.New("what follows " + keyPrefix + " isn't base64url without padding")
	case len(raw) != keySize:
		return key, fmt.Errorf("a key is %d bytes in 43 characters, this one is %d bytes", keySize, len(raw))
	case bytes.Count(raw, raw[:1]) == keySize:
		return key, errors.New("a key is random, this one repeats a single byte")
	}
	key.secret = [keySize]byte(raw)
	key.id = [4]byte(key.derive("id", 4))
	return key, nil
}

// add refuses a second key with the same id: either it is the same key, or
// one in four thousand million pairs, and then Generate draws another.
func (k *Keyring) add(key masterKey) error {
	for i := range k.keys {
		if k.keys[i].id == key.id {
			return errors.New("this key is in the file already")
		}
	}
	if len(k.keys) == maxKeys {
		return fmt.Errorf("more than %d keys", maxKeys)
	}
	k.keys = append(k.keys, key)
	return nil
}

// Check returns a public value for each key, the first key's first. The
// database stores them to recognise a wrong secret; they tell nothing else.
func (k *Keyring) Check() []string {
	values := make([]string, len(k.keys))
	for i, key := range k.keys {
		values[i] = hex.EncodeToString(key.derive("check", 16))
	}
	return values
}

// Derive returns a subkey of the first key. It changes when another key is
// put first.
func (k *Keyring) Derive(kind string) [32]byte {
	return [32]byte(k.keys[0].derive("subkey\x00"+kind, 32))
}

// derive is HKDF-SHA256 (RFC 5869) with the purpose as info. The secret is
// uniformly random, so it needs no salt.
func (m masterKey) derive(purpose string, size int) []byte {
	key, err := hkdf.Key(sha256.New, m.secret[:], nil, "valetkey v1 "+purpose, size)
	if err != nil {
		panic("seal: " + err.Error()) // only for a size above 8,160
	}
	return key
}

// Format keeps the keys out of every log.
func (Keyring) Format(f fmt.State, _ rune) { redact(f) }

// Format keeps the key out of every log.
func (masterKey) Format(f fmt.State, _ rune) { redact(f) }

func redact(w io.Writer) { _, _ = io.WriteString(w, "[redacted]") }

// decode is strict base64url: no padding, no line breaks, no stray bits. What
// can be written in two ways can be used twice.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return b64.DecodeString(s)
}
