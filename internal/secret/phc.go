package secret

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a new hash costs: 19 MiB, two passes, one lane (OWASP's floor for
// argon2id), measured 39 ms. The bounds below are for hashes that were
// imported: a row of the database must not be able to ask for gigabytes.
const (
	ownMemory  = 19 * 1024 // KiB
	ownTime    = 2
	ownThreads = 1
	saltSize   = 16
	tagSize    = 32

	maxMemory  = 256 * 1024 // KiB
	maxTime    = 10
	maxThreads = 8
	minSalt    = 8
	maxSalt    = 64
	minTag     = 16
	maxTag     = 64
)

var errFormat = errors.New("password hash: not an argon2id PHC string")

// argon is what an argon2id PHC string says.
type argon struct {
	memory, time uint32
	threads      uint8
	salt, tag    []byte
}

// derive spends the memory and the time.
func (a argon) derive(password string) []byte {
	//nolint:gosec // the tag's length is bounded by maxTag
	return argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.tag)))
}

func (a argon) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		a.memory, a.time, a.threads, b64.EncodeToString(a.salt), b64.EncodeToString(a.tag))
}

// own tells whether a has the cost that a new hash would have.
func (a argon) own() bool {
	return a.memory == ownMemory && a.time == ownTime && a.threads == ownThreads &&
		len(a.salt) >= saltSize && len(a.tag) == tagSize
}

// parseArgon reads "$argon2id$v=19$m=…,t=…,p=…$salt$tag". An error never
// repeats the string.
func parseArgon(phc string) (argon, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return argon{}, errFormat
	}
	if parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return argon{}, errors.New("password hash: not argon2 version 19")
	}
	a, err := parseCost(parts[3])
	if err != nil {
		return argon{}, err
	}
	if a.salt, err = parseBytes(parts[4], minSalt, maxSalt); err != nil {
		return argon{}, err
	}
	a.tag, err = parseBytes(parts[5], minTag, maxTag)
	return a, err
}

// parseCost reads "m=…,t=…,p=…" within the bounds.
func parseCost(s string) (a argon, err error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return a, errFormat
	}
	var n [3]uint64
	limits := [3]uint64{maxMemory, maxTime, maxThreads}
	for i, name := range []string{"m=", "t=", "p="} {
		text, ok := strings.CutPrefix(fields[i], name)
		n[i], err = strconv.ParseUint(text, 10, 32)
		switch {
		case !ok || err != nil:
			return a, errFormat
		case n[i] < 1 || n[i] > limits[i]:
			return a, fmt.Errorf("password hash: %s%d is out of bounds", name, n[i])
		}
	}
	if n[0] < 8*n[2] { // RFC 9106 §3.1: at least 8 KiB a lane
		return a, errFormat
	}
	return argon{memory: uint32(n[0]), time: uint32(n[1]), threads: uint8(n[2])}, nil //nolint:gosec // bounded above
}

func parseBytes(s string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") || len(b) < least || len(b) > most {
		return nil, errFormat
	}
	return b, nil
}
