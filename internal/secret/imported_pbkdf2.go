package secret

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // HMAC-SHA-1 under PBKDF2, as others have stored it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
)

type pbkdf2Hash struct {
	digest     digest
	iterations int
	salt, tag  []byte
}

// digest is a hash that others build on.
type digest struct {
	name string
	make func() hash.Hash
}

var digests = map[string]digest{
	"sha1":   {"sha1", sha1.New},
	"sha256": {"sha256", sha256.New},
	"sha384": {"sha384", sha512.New384},
	"sha512": {"sha512", sha512.New},
}

var errPBKDF2 = errors.New("password hash: not a PBKDF2 hash")

// parsePBKDF2 reads passlib's "$pbkdf2-sha256$29000$salt$tag", where "$pbkdf2"
// is SHA-1, and the PHC form "$pbkdf2-sha256$i=29000,l=32$salt$tag".
func parsePBKDF2(name, rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, errPBKDF2
	}
	count, _, _ := strings.Cut(strings.TrimPrefix(parts[0], "i="), ",")
	salt, err1 := importedBytes(parts[1])
	tag, err2 := importedBytes(parts[2])
	if errors.Join(err1, err2) != nil {
		return nil, errPBKDF2
	}
	_, algorithm, ok := strings.Cut(name, "-")
	if !ok {
		algorithm = "sha1"
	}
	return newPBKDF2(digests[algorithm], count, salt, tag)
}

// parseDjangoPBKDF2 reads "pbkdf2_sha256$600000$salt$tag", the salt as text:
// django.contrib.auth.hashers, PBKDF2PasswordHasher.
func parseDjangoPBKDF2(name, rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, errPBKDF2
	}
	salt, ok := saltText(parts[1])
	tag, err := importedBytes(parts[2])
	if !ok || err != nil {
		return nil, errPBKDF2
	}
	return newPBKDF2(digests[strings.Trim(strings.TrimPrefix(name, "pbkdf2"), "_$")], parts[0], salt, tag)
}

// parseWerkzeugPBKDF2 reads what follows "pbkdf2:" in
// "pbkdf2:sha256:1000000$salt$tag", the salt as text and the tag in hex.
func parseWerkzeugPBKDF2(rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, errPBKDF2
	}
	algorithm, count, counted := strings.Cut(parts[0], ":")
	if !counted {
		return nil, errors.New("password hash: Werkzeug's PBKDF2 without a number of iterations; write pbkdf2:sha256:N$…, N being the default of its version")
	}
	d, known := digests[algorithm]
	salt, ok := saltText(parts[1])
	tag, err := hex.DecodeString(parts[2])
	if !known || !ok || err != nil || len(tag) < minTag || len(tag) > maxTag {
		return nil, errPBKDF2
	}
	return newPBKDF2(d, count, salt, tag)
}

func newPBKDF2(d digest, count string, salt, tag []byte) (imported, error) {
	n, ok := number(count, 1, 1<<31-1)
	switch {
	case !ok:
		return nil, errPBKDF2
	case n > maxIterations:
		return nil, errors.New("password hash: PBKDF2's iterations are out of bounds, 2,000,000 are the most")
	}
	return pbkdf2Hash{d, n, salt, tag}, nil
}

// verify computes the first block only: RFC 8018 §5.2 makes each by itself, so
// the others add cost for us and none for somebody who guesses.
func (p pbkdf2Hash) verify(password string) bool {
	size := min(len(p.tag), p.digest.make().Size())
	tag, err := pbkdf2.Key(p.digest.make, password, p.salt, p.iterations, size)
	return err == nil && Equal(tag, p.tag[:size])
}

func (p pbkdf2Hash) name() string { return "pbkdf2-" + p.digest.name }

// cheap: 50,000 iterations are some 15 ms.
func (p pbkdf2Hash) cheap() bool { return p.iterations < 50_000 }
