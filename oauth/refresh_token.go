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
	Bound      Confirmation // the key of a public client: RFC 9449 §5, RFC 8705 §4
}

const (
	refreshPrefix = "rt_"
	idLength      = 26
	refreshSize   = idLength + 16 + 4 + 4 + 32
	boundSize     = 1 + 32 // behind it: which kind of key, and its thumbprint
	boundJKT      = 'j'
	boundX5T      = 'x'
)

func newSeed() (seed [16]byte) {
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand
	return seed
}

// seedHash is what the row holds: a copy of the database mints nothing.
func (t refreshToken) seedHash() []byte { return secret.Hash(string(t.Seed[:])) }

func (t refreshToken) parts(clientID string) [][]byte {
	generation := binary.BigEndian.AppendUint32(nil, t.Generation)
	parts := [][]byte{[]byte(t.ID), t.Seed[:], generation, []byte(clientID)}
	if bound := t.bound(); bound != nil {
		parts = append(parts, bound)
	}
	return parts
}

// bound is the binding as the token carries it; nil for none.
func (t refreshToken) bound() []byte {
	kind, thumbprint := byte(boundJKT), t.Bound.JKT
	if t.Bound.X5T != "" {
		kind, thumbprint = boundX5T, t.Bound.X5T
	}
	raw, err := base64.RawURLEncoding.DecodeString(thumbprint)
	if err != nil || len(raw) != boundSize-1 {
		return nil
	}
	return append([]byte{kind}, raw...)
}

func readBound(raw []byte) (c Confirmation, ok bool) {
	thumbprint := base64.RawURLEncoding.EncodeToString(raw[1:])
	switch raw[0] {
	case boundJKT:
		return Confirmation{JKT: thumbprint}, true
	case boundX5T:
		return Confirmation{X5T: thumbprint}, true
	}
	return c, false
}

// boundTo is what a new refresh token is bound to. A client that authenticates
// is bound by that already and may change its key.
func boundTo(call *TokenCall) Confirmation {
	if call.Client.Confidential() {
		return Confirmation{}
	}
	return call.sender.Confirmation
}

// sealRefresh writes the token: id, seed, generation, key id and the tag over
// all of these, the kind and the client.
func (s *Server) sealRefresh(t refreshToken, clientID string) string {
	keyID, tag := s.boxes.refresh.Sum(t.parts(clientID)...)
	raw := make([]byte, 0, refreshSize+boundSize)
	raw = append(raw, t.ID...)
	raw = append(raw, t.Seed[:]...)
	raw = binary.BigEndian.AppendUint32(raw, t.Generation)
	raw = append(raw, keyID[:]...)
	raw = append(raw, tag[:]...)
	raw = append(raw, t.bound()...)
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// openRefresh is the inverse. A token of another client has another tag, so
// it is no token at all to this one.
func (s *Server) openRefresh(token, clientID string) (t refreshToken, ok bool) {
	raw := rawRefresh(token)
	switch {
	case raw == nil:
		return t, false
	case len(raw) == refreshSize+boundSize:
		if t.Bound, ok = readBound(raw[refreshSize:]); !ok {
			return t, false
		}
	}
	t.ID = string(raw[:idLength])
	raw = raw[idLength:]
	copy(t.Seed[:], raw)
	t.Generation = binary.BigEndian.Uint32(raw[16:])
	return t, s.boxes.refresh.Verify([4]byte(raw[20:24]), raw[24:24+32], t.parts(clientID)...)
}

// rawRefresh decodes a token of either size; nil for what can't be one.
func rawRefresh(token string) []byte {
	encoded, found := strings.CutPrefix(token, refreshPrefix)
	if !found || len(encoded) > base64.RawURLEncoding.EncodedLen(refreshSize+boundSize) || strings.ContainsAny(encoded, "\r\n") {
		return nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != refreshSize && len(raw) != refreshSize+boundSize {
		return nil
	}
	return raw
}

// isRefresh says by its looks whether a token is meant as a refresh token.
func isRefresh(token string) bool { return strings.HasPrefix(token, refreshPrefix) }

// rawRefreshID reads the authorization's id without believing it.
func rawRefreshID(token string) (string, bool) {
	raw := rawRefresh(token)
	if raw == nil {
		return "", false
	}
	return string(raw[:idLength]), true
}
