package secret

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// idText keeps order: base32hex's digits stand in the order of their values.
var idText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID is NewIDAt for now. The clock orders rows in an index and nothing
// else (random keys make grouped inserts three times as dear); no rule reads
// the time in an id, so it isn't the injected one.
func NewID() string {
	return NewIDAt(time.Now()) //nolint:forbidigo // index order only, see above
}

// NewIDAt makes an id of 128 bits: 48 of Unix milliseconds, 80 random. Its 26
// characters sort as text in the order of their time.
func NewIDAt(t time.Time) string {
	var b [16]byte
	ms := uint64(max(t.UnixMilli(), 0))
	binary.BigEndian.PutUint64(b[:8], ms<<16)
	_, _ = rand.Read(b[6:])
	return idText.EncodeToString(b[:])
}
