package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrSealed is the answer to every envelope that can't be opened: another
// kind's, another installation's, bound to something else, or altered.
var ErrSealed = errors.New("sealed envelope can't be opened")

const (
	idSize    = 4
	nonceSize = chacha20poly1305.NonceSizeX
	overhead  = idSize + nonceSize + chacha20poly1305.Overhead
)

// Box seals and opens envelopes of one kind. Make it once and keep it: its
// keys are derived when it is made.
type Box struct {
	prefix string
	kind   []byte // with the 0x00 that ends it
	keys   []boxKey
}

type boxKey struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// Box returns the box of a kind. The prefix ("ac_") is for people and secret
// scanners; the kind is what counts.
func (k *Keyring) Box(kind, prefix string) *Box {
	b := &Box{prefix: prefix, kind: append([]byte(kind), 0)}
	for _, key := range k.keys {
		aead, err := chacha20poly1305.NewX(key.derive("box\x00"+kind, chacha20poly1305.KeySize))
		if err != nil {
			panic("seal: " + err.Error()) // only for a key of another size
		}
		b.keys = append(b.keys, boxKey{id: key.id, aead: aead})
	}
	return b
}

// Seal returns prefix + base64url(key id ‖ nonce ‖ ciphertext). bind is what
// the envelope belongs to (a browser's cookie, a row's key): it isn't in the
// envelope, and Open needs the same.
func (b *Box) Seal(plaintext, bind []byte) string {
	key := b.keys[0]
	raw := make([]byte, idSize+nonceSize, overhead+len(plaintext))
	copy(raw, key.id[:])
	nonce := raw[idSize:]
	_, _ = rand.Read(nonce)
	raw = key.aead.Seal(raw, nonce, plaintext, b.aad(bind))

	var out strings.Builder
	out.Grow(len(b.prefix) + b64.EncodedLen(len(raw)))
	out.WriteString(b.prefix)
	var chunk [1024]byte
	for len(raw) > 0 { // in pieces of whole triples, straight into the string
		n := min(len(raw), len(chunk)/4*3)
		b64.Encode(chunk[:], raw[:n])
		out.Write(chunk[:b64.EncodedLen(n)])
		raw = raw[n:]
	}
	return out.String()
}

// Open returns the plaintext, or ErrSealed.
func (b *Box) Open(envelope string, bind []byte) ([]byte, error) {
	encoded, ok := strings.CutPrefix(envelope, b.prefix)
	if !ok {
		return nil, ErrSealed
	}
	raw, err := decode(encoded)
	if err != nil || len(raw) < overhead {
		return nil, ErrSealed
	}
	id := [idSize]byte(raw)
	for _, key := range b.keys {
		if key.id != id {
			continue
		}
		nonce, text := raw[idSize:idSize+nonceSize], raw[idSize+nonceSize:]
		plaintext, err := key.aead.Open(text[:0], nonce, text, b.aad(bind))
		if err != nil {
			return nil, ErrSealed
		}
		return plaintext, nil
	}
	return nil, ErrSealed
}

// Outdated says whether an envelope was sealed by another key than the first,
// and so should be sealed anew before that key goes.
func (b *Box) Outdated(envelope string) bool {
	raw, err := decode(strings.TrimPrefix(envelope, b.prefix))
	return err != nil || len(raw) < idSize || [idSize]byte(raw) != b.keys[0].id
}

// aad is kind ‖ 0x00 ‖ bind. A kind has no 0x00, so no two pairs are alike.
func (b *Box) aad(bind []byte) []byte {
	if len(bind) == 0 {
		return b.kind
	}
	return append(append(make([]byte, 0, len(b.kind)+len(bind)), b.kind...), bind...)
}

// Format keeps the keys out of every log.
func (Box) Format(f fmt.State, _ rune) { redact(f) }
