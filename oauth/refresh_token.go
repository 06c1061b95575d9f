package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/valetkey/valetkey/internal/secret"
)

// refreshToken is a refresh token's content. The token is computed from it and
// not drawn, so that the same successor can be given again: a lost answer can
// be asked for once more.
type refreshToken struct {
	ID         string // of the authorization
	Seed       [16]byte
	Generation uint32
}

const (
	refreshPrefix = "rt_"
	idLength      = 26
	refreshSize   = idLength + 16 + 4 + 4 + 32
)

func newSeed() (seed [16]byte) {
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand
	return seed
}

// seedHash is what the row holds: a copy of the database mints nothing.
func (t refreshToken) seedHash() []byte { return secret.Hash(string(t.Seed[:])) }

func (t refreshToken) parts(clientID string) [][]byte {
	generation := binary.BigEndian.AppendUint32(nil, t.Generation)
	return [][]byte{[]byte(t.ID), t.Seed[:], generation, []byte(clientID)}
}

// sealRefresh writes the token: id, seed, generation, key id and the tag over
// all of these, the kind and the client.
func (s *Server) sealRefresh(t refreshToken, clientID string) string {
	keyID, tag := s.boxes.refresh.Sum(t.parts(clientID)...)
	raw := make([]byte, 0, refreshSize)
	raw = append(raw, t.ID...)
	raw = append(raw, t.Seed[:]...)
	raw = binary.BigEndian.AppendUint32(raw, t.Generation)
	raw = append(raw, keyID[:]...)
	raw = append(raw, tag[:]...)
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// openRefresh is the inverse. A token of another client has another tag, so
// it is no token at all to this one.
func (s *Server) openRefresh(token, clientID string) (t refreshToken, ok bool) {
	encoded, found := strings.CutPrefix(token, refreshPrefix)
	if !found || len(encoded) != base64.RawURLEncoding.EncodedLen(refreshSize) || strings.ContainsAny(encoded, "\r\n") {
		return t, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != refreshSize {
		return t, false
	}
	t.ID = string(raw[:idLength])
	raw = raw[idLength:]
	copy(t.Seed[:], raw)
	t.Generation = binary.BigEndian.Uint32(raw[16:])
	return t, s.boxes.refresh.Verify([4]byte(raw[20:24]), raw[24:], t.parts(clientID)...)
}

// isRefresh says by its looks whether a token is meant as a refresh token.
func isRefresh(token string) bool { return strings.HasPrefix(token, refreshPrefix) }

// rawRefreshID reads the authorization's id without believing it.
func rawRefreshID(token string) (string, bool) {
	encoded := strings.TrimPrefix(token, refreshPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != refreshSize {
		return "", false
	}
	return string(raw[:idLength]), true
}
