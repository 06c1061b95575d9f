package secret

import (
	"strings"

	"golang.org/x/crypto/argon2"
)

// argonI is argon2i, older than argon2id and as strong here: RFC 9106 §4.
type argonI struct{ argon }

// parseArgonI reads "$argon2i$v=19$m=…,t=…,p=…$salt$tag".
func parseArgonI(stored string) (imported, error) {
	a, err := parseArgon("$argon2id$" + strings.TrimPrefix(stored, "$argon2i$"))
	if err != nil {
		return nil, err
	}
	return argonI{a}, nil
}

func (a argonI) verify(password string) bool {
	//nolint:gosec // the tag's length is bounded by maxTag
	return Equal(argon2.Key([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.tag))), a.tag)
}

func (argonI) name() string  { return "argon2i" }
func (a argonI) cheap() bool { return argonCheap(a.argon) }

// djangoArgon is Django's "argon2" and a PHC string behind it.
type djangoArgon struct{ argon }

func parseDjangoArgon(phc string) (imported, error) {
	switch name, _ := head(phc); name {
	case "$argon2i":
		return parseArgonI(phc)
	case "$argon2id":
		a, err := parseArgon(phc)
		if err != nil {
			return nil, err
		}
		return djangoArgon{a}, nil
	default:
		return nil, unknown(name, phc)
	}
}

func (djangoArgon) name() string  { return "argon2id" }
func (a djangoArgon) cheap() bool { return argonCheap(a.argon) }

// argonCheap: the cost grows with memory and passes, the lanes run beside each
// other.
func argonCheap(a argon) bool {
	return uint64(a.memory)*uint64(a.time) < ownMemory*ownTime/2
}
