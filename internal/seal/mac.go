package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// MAC tags data of one kind by HMAC-SHA256.
type MAC struct {
	keys []macKey
}

type macKey struct {
	id  [idSize]byte
	key [32]byte
}

// MAC returns the tagger of a kind. Make it once and keep it.
func (k *Keyring) MAC(kind string) *MAC {
	m := &MAC{}
	for _, key := range k.keys {
		m.keys = append(m.keys, macKey{id: key.id, key: [32]byte(key.derive("mac\x00"+kind, 32))})
	}
	return m
}

// Sum tags the parts with the first key. Each part's length is tagged with
// it: ("ab", "c") and ("a", "bc") have different tags.
func (m *MAC) Sum(data ...[]byte) (keyID [4]byte, tag [32]byte) {
	return m.keys[0].id, m.keys[0].sum(data)
}

// SumAs tags the parts with the key of that id, to make again a tag that was
// made when another key was first. false: there is no such key any more.
func (m *MAC) SumAs(keyID [4]byte, data ...[]byte) (tag [32]byte, ok bool) {
	for _, key := range m.keys {
		if key.id == keyID {
			return key.sum(data), true
		}
	}
	return tag, false
}

// Verify tells in constant time whether tag is the parts' tag.
func (m *MAC) Verify(keyID [4]byte, tag []byte, data ...[]byte) bool {
	want, ok := m.SumAs(keyID, data...)
	return ok && hmac.Equal(want[:], tag)
}

func (k macKey) sum(data [][]byte) (tag [32]byte) {
	h := hmac.New(sha256.New, k.key[:])
	var size [8]byte
	for _, part := range data {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	h.Sum(tag[:0])
	return tag
}

// Format keeps the keys out of every log.
func (MAC) Format(f fmt.State, _ rune) { redact(f) }
