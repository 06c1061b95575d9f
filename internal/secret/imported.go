package secret

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Hashes that came with imported users. They are verified within the same
// bounds and are Outdated: the next sign-in replaces them. We make none.
const (
	maxBcryptCost = 15
	maxIterations = 2_000_000
	maxScryptLogN = 18 // with r=8 that is 256 MiB
)

// parsePHC knows the formats by the name between the first two dollars.
func parsePHC(phc string) (verifier, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(phc, "$"), "$")
	switch name {
	case "argon2id":
		return parseArgon(phc)
	case "2a", "2b", "2y":
		return parseBcrypt(phc)
	case "pbkdf2-sha256", "pbkdf2-sha512":
		return parsePBKDF2(name, phc)
	case "scrypt":
		return parseScrypt(phc)
	}
	return nil, errors.New("password hash: unknown format")
}

type bcryptHash []byte

func parseBcrypt(phc string) (verifier, error) {
	cost, err := bcrypt.Cost([]byte(phc))
	if err != nil {
		return nil, errors.New("password hash: not a bcrypt hash")
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("password hash: bcrypt cost %d is out of bounds", cost)
	}
	return bcryptHash(phc), nil
}

// verify cuts at 72 bytes, as those did that made the hash.
func (b bcryptHash) verify(password string) bool {
	given := []byte(password)
	return bcrypt.CompareHashAndPassword(b, given[:min(len(given), 72)]) == nil
}

type pbkdf2Hash struct {
	hash       func() hash.Hash
	iterations int
	salt, tag  []byte
}

// parsePBKDF2 reads passlib's "$pbkdf2-sha256$29000$salt$tag" and the PHC
// form "$pbkdf2-sha256$i=29000,l=32$salt$tag".
func parsePBKDF2(name, phc string) (verifier, error) {
	bad := errors.New("password hash: not a PBKDF2 hash")
	parts := strings.Split(phc, "$")
	if len(parts) != 5 || parts[0] != "" {
		return nil, bad
	}
	count, _, _ := strings.Cut(strings.TrimPrefix(parts[2], "i="), ",")
	n, err := strconv.Atoi(count)
	switch {
	case err != nil || n < 1:
		return nil, bad
	case n > maxIterations:
		return nil, fmt.Errorf("password hash: %d iterations are out of bounds", n)
	}
	salt, err1 := parseImported(parts[3])
	tag, err2 := parseImported(parts[4])
	if errors.Join(err1, err2) != nil {
		return nil, bad
	}
	h := sha256.New
	if name == "pbkdf2-sha512" {
		h = sha512.New
	}
	return pbkdf2Hash{h, n, salt, tag}, nil
}

func (p pbkdf2Hash) verify(password string) bool {
	tag, err := pbkdf2.Key(p.hash, password, p.salt, p.iterations, len(p.tag))
	return err == nil && Equal(tag, p.tag)
}

type scryptHash struct {
	n, r, p   int
	salt, tag []byte
}

// parseScrypt reads passlib's "$scrypt$ln=16,r=8,p=1$salt$tag".
func parseScrypt(phc string) (verifier, error) {
	bad := errors.New("password hash: not a scrypt hash")
	parts := strings.Split(phc, "$")
	if len(parts) != 5 || parts[0] != "" {
		return nil, bad
	}
	var ln, r, p int
	if n, err := fmt.Sscanf(parts[2], "ln=%d,r=%d,p=%d", &ln, &r, &p); n != 3 || err != nil {
		return nil, bad
	}
	if ln < 1 || ln > maxScryptLogN || r < 1 || r > 8 || p < 1 || p > maxThreads {
		return nil, errors.New("password hash: scrypt cost is out of bounds")
	}
	salt, err1 := parseImported(parts[3])
	tag, err2 := parseImported(parts[4])
	if errors.Join(err1, err2) != nil {
		return nil, bad
	}
	return scryptHash{1 << ln, r, p, salt, tag}, nil
}

func (s scryptHash) verify(password string) bool {
	tag, err := scrypt.Key([]byte(password), s.salt, s.n, s.r, s.p, len(s.tag))
	return err == nil && Equal(tag, s.tag)
}

// parseImported reads base64 as passlib writes it, with "." for "+".
func parseImported(s string) ([]byte, error) {
	return parseBytes(strings.TrimRight(strings.ReplaceAll(s, ".", "+"), "="), minSalt, maxSalt)
}
