package secret

import (
	"encoding/hex"
	"errors"
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

type scryptCost struct{ logN, r, p int }

type scryptHash struct {
	scryptCost

	salt, tag []byte
}

var errScrypt = errors.New("password hash: not a scrypt hash")

// parseScrypt reads what follows "$scrypt$" in passlib's and PHC's
// "$scrypt$ln=16,r=8,p=1$salt$tag".
func parseScrypt(rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, errScrypt
	}
	cost, err := parseScryptCost(parts[0])
	if err != nil {
		return nil, err
	}
	salt, err1 := importedBytes(parts[1])
	tag, err2 := importedBytes(parts[2])
	if errors.Join(err1, err2) != nil {
		return nil, errScrypt
	}
	return scryptHash{cost, salt, tag}, nil
}

// parseDjangoScrypt reads what follows "scrypt$" in
// "scrypt$16384$salt$8$5$tag": django.contrib.auth.hashers,
// ScryptPasswordHasher.
func parseDjangoScrypt(rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 5 {
		return nil, errScrypt
	}
	salt, ok := saltText(parts[1])
	tag, err := importedBytes(parts[4])
	if !ok || err != nil {
		return nil, errScrypt
	}
	cost, err := scryptCostOf(parts[0], parts[2], parts[3])
	return scryptHash{cost, salt, tag}, err
}

// parseWerkzeugScrypt reads what follows "scrypt:" in
// "scrypt:32768:8:1$salt$tag", the tag in hex.
func parseWerkzeugScrypt(rest string) (imported, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, errScrypt
	}
	costs := strings.Split(parts[0], ":")
	salt, ok := saltText(parts[1])
	tag, err := hex.DecodeString(parts[2])
	if len(costs) != 3 || !ok || err != nil || len(tag) < minTag || len(tag) > maxTag {
		return nil, errScrypt
	}
	cost, err := scryptCostOf(costs[0], costs[1], costs[2])
	return scryptHash{cost, salt, tag}, err
}

func parseScryptCost(s string) (scryptCost, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return scryptCost{}, errScrypt
	}
	var n [3]int
	for i, name := range []string{"ln=", "r=", "p="} {
		text, ok := strings.CutPrefix(fields[i], name)
		if !ok {
			return scryptCost{}, errScrypt
		}
		if n[i], ok = number(text, 0, 1<<31-1); !ok {
			return scryptCost{}, errScrypt
		}
	}
	return scryptCost{n[0], n[1], n[2]}.bounded()
}

// scryptCostOf takes N itself, which is a power of two: RFC 7914 §2.
func scryptCostOf(n, r, p string) (scryptCost, error) {
	blocks, ok1 := number(n, 2, 1<<30)
	width, ok2 := number(r, 1, 1<<30)
	lanes, ok3 := number(p, 1, 1<<30)
	if !ok1 || !ok2 || !ok3 || blocks&(blocks-1) != 0 {
		return scryptCost{}, errScrypt
	}
	return scryptCost{bits.Len(uint(blocks)) - 1, width, lanes}.bounded()
}

// bounded: memory is 128·N·r, time goes with N·r·p.
func (c scryptCost) bounded() (scryptCost, error) {
	if c.logN < 1 || c.logN > maxScryptLogN || c.r < 1 || c.r > 64 || c.p < 1 || c.p > maxThreads ||
		128*c.r<<c.logN > maxScryptSize {
		return scryptCost{}, errors.New("password hash: scrypt cost is out of bounds")
	}
	return c, nil
}

func (c scryptCost) key(password string, salt []byte, size int) ([]byte, error) {
	return scrypt.Key([]byte(password), salt, 1<<c.logN, c.r, c.p, size)
}

// cheap: N·r·p = 2^16 is some 20 ms.
func (c scryptCost) cheap() bool { return c.r*c.p<<c.logN < 1<<16 }

func (s scryptHash) verify(password string) bool {
	tag, err := s.key(password, s.salt, len(s.tag))
	return err == nil && Equal(tag, s.tag)
}

func (scryptHash) name() string { return "scrypt" }
