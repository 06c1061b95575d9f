package secret

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"golang.org/x/crypto/bcrypt"
)

type bcryptHash struct {
	hash []byte
	cost int
	pre  bool // SHA-256 comes first, in hex
}

func parseBcrypt(stored string) (imported, error) {
	cost, err := bcrypt.Cost([]byte(stored))
	switch {
	case err != nil || len(stored) != bcryptSize:
		return nil, errors.New("password hash: not a bcrypt hash")
	case cost > maxBcryptCost:
		return nil, errors.New("password hash: bcrypt's cost is out of bounds, 15 is the most")
	}
	return bcryptHash{hash: []byte(stored), cost: cost}, nil
}

const bcryptSize = 60

// parseDjangoBcrypt reads "bcrypt$$2b$…" and "bcrypt_sha256$$2b$…":
// django.contrib.auth.hashers, BCryptSHA256PasswordHasher.
func parseDjangoBcrypt(name, rest string) (imported, error) {
	v, err := parseBcrypt(rest)
	if err != nil {
		return nil, err
	}
	b, _ := v.(bcryptHash)
	b.pre = name == "bcrypt_sha256$"
	return b, nil
}

// verify cuts at 72 bytes, as those did that made the hash.
func (b bcryptHash) verify(password string) bool {
	given := []byte(password)
	if b.pre {
		sum := sha256.Sum256(given)
		given = hex.AppendEncode(nil, sum[:])
	}
	return bcrypt.CompareHashAndPassword(b.hash, given[:min(len(given), 72)]) == nil
}

func (b bcryptHash) name() string {
	if b.pre {
		return "bcrypt-sha256"
	}
	return "bcrypt"
}

func (b bcryptHash) cheap() bool { return b.cost <= 8 }
